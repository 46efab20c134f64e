//! What a storm holds back, on the running program: everything is told one by one, or listed; the list outlives a crash, and is
//! told on order once the storm is over.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Client;
use serde_json::{Value, json};

use crate::program::Setup;
use crate::receiver::{Receiver, Seen};

const RULES: &str = "
promote: [{ id: at-once, after: now }]
routes: [{ id: all, receivers: [room, tickets] }]
";
const STORM: &str =
    "settings: { storm_mode: { incidents: 4, within: 1m, calm: 6h, every: 1m, unless: none, apart: [tickets] } }";
const INCIDENTS: usize = 30;

fn event(n: usize, status: &str) -> Value {
    json!({ "id": format!("{n}-{status}"), "name": format!("Lost {n}"), "severity": "major", "title": format!("device-{n} is lost"),
        "status": status, "object": { "name": format!("device-{n}") }, "starts_at": "2026-06-01T00:00:00Z" })
}

/// Incidents that were told one by one, with how often.
fn told(seen: &[Seen]) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for one in seen.iter().filter(|one| one.body["type"] == "incident.opened") {
        *told.entry(one.incident().to_owned()).or_default() += 1;
    }
    told
}

/// Incidents that are listed for a receiver.
fn listed(held: &Value, receiver: &str) -> BTreeSet<String> {
    let items = held["items"].as_array().unwrap().iter().filter(|one| one["receiver"] == receiver);
    items.map(|one| one["incident"].as_str().unwrap().to_owned()).collect()
}

/// Gives an order; why it was refused, when it was.
async fn ordered(setup: &Setup, client: &Client, body: &Value) -> Option<String> {
    let (status, taken) = setup.post(client, "/api/v1/held-back/tell", body).await;
    assert_eq!(status, 202, "{taken}");
    let path = format!("/api/v1/commands/{}", taken["seq"]);
    let mut told = None;
    for _ in 0..3000 {
        told = setup.get(client, &path).await.filter(|told| told["state"] != "pending");
        if told.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    told.expect("the order ends")["reason"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_held_back_is_listed_and_told_on_order() {
    let (room, tickets) = (Receiver::willing().await, Receiver::willing().await);
    let folder = tempfile::tempdir().unwrap();
    let receiver = |id: &str, at: &Receiver| {
        format!("  - {{ id: {id}, url: \"{}\", secret: {}, allow_private: true }}\n", at.url(), crate::receiver::SECRET)
    };
    let config = format!("receivers:\n{}{}", receiver("room", &room), receiver("tickets", &tickets));
    let setup = Setup::new(folder.path(), &config);
    let (mut program, client) = (setup.start(&[]), crate::program::client());
    program.answers(&client).await;
    let rules = |more: &str| json!({ "files": { "care.yaml": format!("{RULES}{more}\n") } });
    let put = async |body: &Value| {
        let request = client.put(setup.url("/api/v1/rules")).bearer_auth(&setup.token).json(body);
        assert!(request.send().await.unwrap().status().is_success());
    };
    put(&rules(STORM)).await;
    for n in 0..INCIDENTS {
        let (status, said) = setup.post(&client, "/api/v1/events", &event(n, "firing")).await;
        assert!(status == 200 || status == 202, "{said}");
    }
    setup
        .until(&client, "/api/v1/incidents?limit=100", "all incidents", |told| {
            told["items"].as_array().unwrap().len() == INCIDENTS
        })
        .await;

    // Whoever stands apart is told of each; the room of four, and of the rest by the list.
    tickets.wait_for("all tickets", |seen| told(seen).len() == INCIDENTS).await;
    setup.until(&client, "/api/v1/held-back", "the storm", |held| held["storm_since"].is_string()).await;
    room.wait_for("the first ones and a summary", |seen| {
        told(seen).len() == 4 && seen.iter().any(|one| one.body["type"] == "incident.digest")
    })
    .await;
    let alone = told(&room.seen());
    let is_whole = |held: &Value| listed(held, "room").len() + alone.len() == INCIDENTS;
    let held = setup.until(&client, "/api/v1/held-back", "told and listed are all there is", is_whole).await;
    let rest = listed(&held, "room");
    assert!(listed(&held, "tickets").is_empty() && held["cut"] == 0, "{held}");
    assert!(alone.keys().all(|id| !rest.contains(id)));
    let refused = ordered(&setup, &client, &json!({})).await;
    assert!(refused.is_some_and(|why| why.contains("storm goes on")));

    // After a crash the list is the same.
    program.kill();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let same = |held: &Value| listed(held, "room") == rest && held["storm_since"].is_string();
    setup.until(&client, "/api/v1/held-back", "the same list", same).await;

    // One is over by itself; who switches storm mode off ends the storm.
    let over = rest.iter().next().unwrap().clone();
    let n = setup.get(&client, &format!("/api/v1/incidents/{over}")).await.unwrap();
    let n: usize = n["title"].as_str().unwrap().split(['-', ' ']).nth(1).unwrap().parse().unwrap();
    setup.post(&client, "/api/v1/events", &event(n, "resolved")).await;
    let path = format!("/api/v1/incidents/{over}");
    setup.until(&client, &path, "its end", |told| told["state"] != "abnormal").await;
    put(&rules("")).await;
    setup.until(&client, "/api/v1/held-back", "the end", |held| held["storm_ended"].is_string()).await;

    // To one receiver that has nothing, to nobody, then to all: each that is still abnormal, once.
    let refused = ordered(&setup, &client, &json!({ "receiver": "tickets" })).await;
    assert!(refused.is_some_and(|why| why.contains("nothing is held back")));
    assert_eq!(ordered(&setup, &client, &json!({ "receiver": "room" })).await, None);
    room.wait_for("the rest", |seen| told(seen).len() == INCIDENTS - 1).await;
    setup.none_is_pending(&client).await;
    let all = told(&room.seen());
    assert!(!all.contains_key(&over) && all.values().all(|times| *times == 1), "{all:?}");
    let is_empty = |held: &Value| listed(held, "room").is_empty();
    setup.until(&client, "/api/v1/held-back", "an empty list", is_empty).await;
    let refused = ordered(&setup, &client, &json!({})).await;
    assert!(refused.is_some_and(|why| why.contains("nothing is held back")));
    program.stop();
}
