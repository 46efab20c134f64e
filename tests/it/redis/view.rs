//! What other programs read in Redis is what the API says, whatever was done to it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Redis, Said};
use crate::nats::front::{get, until};
use crate::nats::server::PATIENCE;
use crate::served::{Request, Served};
use crate::storms::project;

/// The program with a section `redis`, and its token. It does not watch itself, so that it takes only what is sent here.
pub fn served(url: &str, more: &str) -> (Served, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headwater.yaml");
    // Its own alerts would be counted, too.
    let quiet = if more.contains("vitals:") { "" } else { "vitals: { every: 10m }\n" };
    std::fs::write(&file, format!("{quiet}redis:\n  urls: [{url}]\n{more}")).unwrap();
    Served::start(&["--config", file.to_str().unwrap()])
}

/// An event that makes an incident of its own.
pub fn event(n: usize, severity: &str, status: &str) -> String {
    json!({ "id": format!("e{n}-{status}"), "name": "Down", "severity": severity, "status": status, "title": format!("主机 {n}"),
            "object": { "name": format!("h{n}") }, "starts_at": "2026-05-04T10:00:00Z", "dedup_key": format!("d{n}") })
    .to_string()
}

pub fn post(served: &Served, token: &str, body: &str) {
    let answer = served.send(&Request::post("/api/v1/events", token, body.as_bytes()));
    assert_eq!(answer.status, 202, "{}", answer.text());
}

/// Many events in one body.
pub fn post_all(served: &Served, token: &str, numbers: std::ops::Range<usize>, status: &str) {
    let events: Vec<String> = numbers.map(|n| event(n, "critical", status)).collect();
    post(served, token, &format!("[{}]", events.join(",")));
}

/// The open incidents of the API by id.
pub fn open(served: &Served, token: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut path = "/api/v1/incidents?state=abnormal&state=recovering&state=recovered&limit=200".to_owned();
    loop {
        let page = get(served, token, &path);
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/incidents?state=abnormal&state=recovering&state=recovered&limit=200&after={next}");
    }
    all.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
    all
}

/// A value of ours; checks its form and its digest.
pub fn value(redis: &Redis, key: &str) -> Option<Value> {
    let text = redis.text(key)?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let data = text.split_once("\"data\":").unwrap().1.strip_suffix('}').unwrap();
    let digest = redis.say(&["EVAL", "return redis.sha1hex(ARGV[1])", "0", data]).text();
    assert_eq!(value["sha1"].as_str(), Some(digest.as_str()), "{key}: {text}");
    assert_eq!(value["schema"], 1, "{text}");
    Some(value)
}

/// What differs between Redis and the API; nothing: all is well.
pub fn difference(redis: &Redis, served: &Served, token: &str) -> Option<String> {
    let said = open(served, token);
    let mut members = redis.members("headwater:v1:{default}:open");
    members.sort();
    let ids: Vec<&str> = said.iter().map(|incident| incident["id"].as_str().unwrap()).collect();
    if members != ids {
        return Some(format!("{} listed, {} open", members.len(), ids.len()));
    }
    for incident in &said {
        let key = format!("headwater:v1:{{default}}:incident:{}", incident["id"].as_str().unwrap());
        if !matches!(redis.say(&["TYPE", &key]), Said::Text(kind) if kind == "string") {
            return Some(format!("{key} is no text"));
        }
        let text = redis.text(&key).unwrap_or_default();
        let Ok(value) = serde_json::from_str::<Value>(&text) else { return Some(format!("{key}: {text}")) };
        for field in ["id", "title", "severity", "state", "version"] {
            if value["data"][field] != incident[field] {
                return Some(format!("{key}: {field}: {} {}", value["data"][field], incident[field]));
            }
        }
    }
    let counts = redis.text("headwater:v1:{default}:counts").and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let counted = counts.unwrap_or_default()["data"]["open"].as_u64();
    (counted != Some(ids.len() as u64)).then(|| format!("{counted:?} counted, {} open", ids.len()))
}

/// Waits until Redis says what the API says.
pub fn until_equal(redis: &Redis, served: &Served, token: &str) {
    let end = Instant::now() + PATIENCE;
    while let Some(difference) = difference(redis, served, token) {
        assert!(Instant::now() < end, "{difference}\n{}", served.said().join("\n"));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn order(served: &Served, token: &str, incident: &str, order: &str, body: &str) {
    let answer = served.send(&Request::post(&format!("/api/v1/incidents/{incident}/{order}"), token, body.as_bytes()));
    assert!(answer.status < 300, "{}", answer.text());
}

#[test]
fn incidents_are_shown_in_redis_and_follow_every_change() {
    let Some(redis) = Redis::start(&[]) else { return };
    let (served, token) = served(&redis.url(), "");
    post_all(&served, &token, 0..30, "firing");
    until("they are open", || (open(&served, &token).len() == 30).then_some(()));
    until_equal(&redis, &served, &token);
    let minor = open(&served, &token)[3]["id"].as_str().unwrap().to_owned();
    order(&served, &token, &minor, "severity", r#"{"severity":"minor"}"#);
    until("it is the last one", || (redis.members("headwater:v1:{default}:open").last() == Some(&minor)).then_some(()));
    let worst = redis.members("headwater:v1:{default}:open");
    let first = value(&redis, &format!("headwater:v1:{{default}}:incident:{}", worst[0])).unwrap();
    let last = value(&redis, &format!("headwater:v1:{{default}}:incident:{}", worst[29])).unwrap();
    assert_eq!((&first["data"]["severity"], &last["data"]["severity"]), (&json!("critical"), &json!("minor")));
    assert!(first["seq"].as_u64() > Some(0) && first["data"]["title"].as_str().unwrap().contains("主机"), "{first}");
    post_all(&served, &token, 0..10, "resolved");
    let id = worst[29].clone();
    order(&served, &token, &id, "acknowledge", "{}");
    until_equal(&redis, &served, &token);
    let key = format!("headwater:v1:{{default}}:incident:{id}");
    until("the order is shown", || (value(&redis, &key)?["data"]["progress"] == "processing").then_some(()));
    let meta = value(&redis, "headwater:v1:{default}:meta").unwrap();
    assert_eq!(meta["data"]["tenant"], "default", "{meta}");
    order(&served, &token, &id, "close", r#"{"text":"done"}"#);
    until("it is not listed any more", || (!redis.members("headwater:v1:{default}:open").contains(&id)).then_some(()));
    assert_eq!(value(&redis, &key).unwrap()["data"]["state"], "closed");
    let Said::Number(lives) = redis.say(&["TTL", &key]) else { panic!() };
    assert!((3600..=24 * 3600).contains(&lives), "{lives}");
    let metrics = served.metrics(&token);
    assert_eq!(metrics["headwater_redis_away"], 0.0);
    assert!(metrics["headwater_redis_view_written_total"] >= 30.0);
}

/// The commands in the guide for integrators.
fn guide() -> String {
    let text = std::fs::read_to_string(project().join("docs/integrators.md")).unwrap();
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("redis-cli")).collect()
}

#[test]
fn the_guide_s_commands_work_as_they_stand() {
    let Some(redis) = Redis::start(&[]) else { return };
    let (served, token) = served(&redis.url(), "");
    post_all(&served, &token, 0..4, "firing");
    until_equal(&redis, &served, &token);
    let shell =
        std::process::Command::new("sh").args(["-ec", &guide()]).env("REDIS_URL", redis.url()).output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&shell.stdout), String::from_utf8_lossy(&shell.stderr));
    assert!(shell.status.success(), "{out}\n{error}");
    assert!(out.contains("\"open\":4") && out.contains("checked_at") && out.matches("主机").count() >= 3, "{out}");
}
