//! The real program is killed again and again while it tells six channels and files tickets in two systems, of which three
//! answers in ten are errors. Afterwards everybody has been told, each incident has one ticket in each system, versions came
//! in order, and what came twice came with the same key because of a crash or a lost answer.
//!
//! `HEADWATER_KILLS=200 HEADWATER_INCIDENTS=1000` is the form of docs/reliability.md; CI runs a small one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::program::{Setup, client};
use crate::receiver::SECRET;

/// Channels that tell, the last one a person, and systems that keep tickets.
const CHANNELS: [&str; 7] = ["webhook", "dingtalk", "feishu", "slack", "telegram", "gateway", "sms"];
const SYSTEMS: [&str; 2] = ["github", "servicenow"];
/// How long after an accepted message a crash may make it come again.
const WINDOW: Duration = Duration::from_secs(5);

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Taken,
    /// It is done, but nobody hears the answer.
    Lost,
    Refused,
}

#[derive(Clone, Debug)]
struct Seen {
    to: String,
    incident: String,
    /// As the channel carries it; where it has no place for one, what the title says.
    key: String,
    version: u64,
    kind: String,
    end: End,
    at: Instant,
}

#[derive(Clone)]
struct World {
    seen: Arc<Mutex<Vec<Seen>>>,
    tickets: Arc<Mutex<Vec<(String, String)>>>,
    dice: Arc<Mutex<SmallRng>>,
}

impl World {
    async fn listen(seed: u64) -> (Self, SocketAddr) {
        let dice = Arc::new(Mutex::new(SmallRng::seed_from_u64(seed)));
        let world = Self { seen: Arc::default(), tickets: Arc::default(), dice };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(take).with_state(world.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (world, address)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn take(State(world): State<World>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let to = uri.path().split('/').nth(1).unwrap_or_default().to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_read = method == Method::GET;
    // Three in ten: away, too fast, or done without an answer.
    let roll = world.dice.lock().unwrap().gen_range(0..100);
    let end = match roll {
        0..12 => Some((End::Refused, StatusCode::SERVICE_UNAVAILABLE)),
        12..20 => Some((End::Refused, StatusCode::TOO_MANY_REQUESTS)),
        20..30 if !is_read => Some((End::Lost, StatusCode::OK)),
        _ => None,
    };
    let ended = end.map_or(End::Taken, |(end, _)| end);
    if CHANNELS.contains(&to.as_str()) {
        note(&world, &to, &headers, &body, ended);
    }
    if let Some((End::Refused, status)) = end {
        return (status, [("retry-after", "1")]).into_response();
    }
    let answer = if SYSTEMS.contains(&to.as_str()) {
        file(&world, &to, &method, &uri, &body)
    } else {
        json!({ "ok": true, "code": 0, "errcode": 0 })
    };
    if ended == End::Lost {
        // The program's patience is a second.
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    let status =
        if method == Method::POST && SYSTEMS.contains(&to.as_str()) { StatusCode::CREATED } else { StatusCode::OK };
    (status, axum::Json(answer)).into_response()
}

/// What the titles of chats say of a message: nothing in it is markup anywhere.
const TITLE: &str = "hw {{ incident }} {{ version }} {{ kind }} end";

fn note(world: &World, to: &str, headers: &HeaderMap, body: &Value, end: End) {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (key, incident, version, kind) = match to {
        "webhook" => {
            let incident = &body["data"]["incident"];
            let kind = text("type").trim_start_matches("incident.").to_owned();
            let id = incident["id"].as_str().unwrap_or_default().to_owned();
            (header("webhook-id"), id, incident["version"].as_u64().unwrap_or_default(), kind)
        }
        "gateway" | "sms" => (text("key"), text("incident"), text("version").parse().unwrap_or_default(), text("kind")),
        _ => {
            let said = body.to_string().replace('\\', "");
            let title = said.split("hw ").nth(1).and_then(|rest| rest.split(" end").next()).unwrap_or_default();
            let words: Vec<&str> = title.split(' ').collect();
            let [incident, version, kind] = words[..] else { panic!("{to} says nothing of itself: {said}") };
            (title.to_owned(), incident.to_owned(), version.parse().unwrap(), kind.to_owned())
        }
    };
    assert!(!key.is_empty() && version > 0 && !kind.is_empty(), "{to}: {body}");
    world.seen.lock().unwrap().push(Seen { to: to.into(), incident, key, version, kind, end, at: Instant::now() });
}

/// Two ticket systems, as far as one needs them here; their rules are held in `channels::tickets`.
fn file(world: &World, to: &str, method: &Method, uri: &Uri, body: &Value) -> Value {
    let mut tickets = world.tickets.lock().unwrap();
    let shown = |n: usize| match to {
        "github" => json!({ "number": n + 1, "html_url": format!("https://github.example/{n}") }),
        _ => json!({ "sys_id": format!("s{n}"), "number": format!("INC{n}") }),
    };
    let query = reqwest::Url::parse(&format!("form:?{}", uri.query().unwrap_or_default())).unwrap();
    let param = |name: &str| query.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let wrap = |list: Vec<Value>| if to == "github" { Value::Array(list) } else { json!({ "result": list }) };
    if *method == Method::GET {
        let name = param("labels").or_else(|| param("sysparm_query")).unwrap_or_default();
        let name = name.trim_start_matches("correlation_id=").to_owned();
        let found = tickets.iter().position(|(system, known)| system == to && *known == name);
        return wrap(found.map(shown).into_iter().collect());
    }
    let is_open = *method == Method::POST && (uri.path().ends_with("/issues") || uri.path().ends_with("/incident"));
    if !is_open {
        return json!({});
    }
    let name = body["labels"][0].as_str().or(body["correlation_id"].as_str()).unwrap_or_default().to_owned();
    tickets.push((to.to_owned(), name));
    let one = shown(tickets.len() - 1);
    if to == "github" { one } else { json!({ "result": one }) }
}

fn config(at: SocketAddr) -> String {
    let url = |path: &str| format!("http://{at}/{path}");
    let body =
        json!({ "key": "{{ key }}", "incident": "{{ incident }}", "version": "{{ version }}", "kind": "{{ kind }}" });
    let mut receivers = vec![
        json!({ "id": "webhook", "url": url("webhook"), "secret": SECRET }),
        json!({ "id": "dingtalk", "kind": "dingtalk", "url": url("dingtalk?access_token=x"), "title": TITLE }),
        json!({ "id": "feishu", "kind": "feishu", "url": url("feishu/open-apis/bot/v2/hook/x"), "title": TITLE }),
        json!({ "id": "slack", "kind": "slack", "url": url("slack"), "title": TITLE }),
        json!({ "id": "telegram", "kind": "telegram", "server": url("telegram"), "token": "1:a", "chat": "1", "title": TITLE }),
        json!({ "id": "gateway", "kind": "gateway", "url": url("gateway"), "to": "1", "body": body }),
        json!({ "id": "sms", "kind": "gateway", "url": url("sms"), "body": body }),
        json!({ "id": "github", "kind": "github", "server": url("github"), "repository": "gov/ops", "token": "t" }),
        json!({ "id": "servicenow", "kind": "servicenow", "server": url("servicenow"), "user": "u", "password": "p" }),
    ];
    for receiver in &mut receivers {
        let own = receiver.as_object_mut().unwrap();
        own.insert("allow_private".into(), true.into());
        own.insert("timeout".into(), "1s".into());
        own.insert("rate".into(), 60_000.into());
    }
    let delivery = json!({ "retry_first": "1s", "retry_max": "1s", "concurrency_max": 32 });
    json!({ "rules": "rules", "contacts": "contacts.yaml", "durability": "process", "receivers": receivers, "delivery": delivery }).to_string()
}

const RULES: &str = "
settings: { observation: 0s, flow: { messages: 10000, within: 1s }, pages: { messages: 10000, within: 1s } }
people: [{ id: li, contact: [{ by: [sms] }] }]
escalations: [{ id: core, levels: [{ to: [{ person: li }], wait: 24h }], repeat: { times: 0 }, fallback: [webhook] }]
promote: [{ id: at-once, after: now }]
routes: [{ id: all, receivers: [webhook, dingtalk, feishu, slack, telegram, gateway, github, servicenow, { oncall: core }] }]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_during_delivery_leave_everybody_told_and_one_ticket_each() {
    let seed = std::env::var("HEADWATER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    let (kills, incidents) = (number("HEADWATER_KILLS", 10), number("HEADWATER_INCIDENTS", 40));
    eprintln!("HEADWATER_SEED={seed} kills={kills} incidents={incidents}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let (world, at) = World::listen(seed).await;
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("rules")).unwrap();
    std::fs::write(root.path().join("rules/rules.yaml"), RULES).unwrap();
    std::fs::write(root.path().join("contacts.yaml"), "li: { mobile: \"13800000000\" }").unwrap();
    let setup = Setup::new(root.path(), &config(at));
    let client = client();
    let mut deaths: Vec<Instant> = Vec::new();
    let mut next = 0;
    for round in 0..kills {
        let mut program = setup.start(&[]);
        program.answers(&client).await;
        // A share of the incidents opens in each life, and half of the earlier ones end.
        let until = incidents * (round + 1) / kills;
        while next < until {
            send(&setup, &client, next, "firing").await;
            if next % 2 == 1 {
                send(&setup, &client, next / 2, "resolved").await;
            }
            next += 1;
        }
        tokio::time::sleep(Duration::from_millis(dice.gen_range(50..1200))).await;
        program.kill();
        deaths.push(Instant::now());
    }
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    setup.none_is_pending(&client).await;
    program.stop();
    let log = setup.log();
    assert!(!log.contains("panicked") && !log.contains("came out differently") && !log.contains("given up"), "{log}");
    check(&world, incidents, &deaths);
}

async fn send(setup: &Setup, client: &reqwest::Client, n: usize, status: &str) {
    let event = json!({ "id": format!("{n}-{status}"), "name": format!("Down {n}"), "severity": "critical", "status": status,
        "title": format!("掉电 {n}"), "object": { "name": format!("srv-{n}") }, "starts_at": "2026-06-01T00:00:00Z" });
    let (code, told) = setup.post(client, "/api/v1/events", &event).await;
    assert!(code == 200 || code == 202, "{code} {told}");
}

fn check(world: &World, incidents: usize, deaths: &[Instant]) {
    let seen = world.seen();
    for channel in CHANNELS {
        // Every second one that opens ends an earlier one.
        for (kind, count) in [("opened", incidents), ("recovered", incidents / 2)] {
            let told = seen.iter().filter(|one| one.to == channel && one.kind == kind && one.end != End::Refused);
            let told: BTreeSet<&str> = told.map(|one| one.incident.as_str()).collect();
            assert_eq!(told.len(), count, "{channel}: everybody hears of every {kind} incident: {told:?}");
        }
    }
    let mut repeats = 0;
    for channel in CHANNELS {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let mut ends: BTreeMap<&str, &Seen> = BTreeMap::new();
        for one in seen.iter().filter(|one| one.to == channel && one.end != End::Refused) {
            if let Some(before) = ends.get(one.key.as_str()) {
                repeats += 1;
                let by_crash =
                    deaths.iter().any(|death| before.at <= *death && *death <= one.at && *death - before.at <= WINDOW);
                assert!(before.end == End::Lost || by_crash, "{channel}: twice without a reason: {before:?} {one:?}");
            } else {
                let version = last.entry(&one.incident).or_default();
                assert!(*version < one.version, "{channel}: {one:?} comes behind version {version}");
                *version = one.version;
            }
            ends.insert(&one.key, one);
        }
    }
    let tickets = world.tickets.lock().unwrap().clone();
    for system in SYSTEMS {
        let names: Vec<&String> = tickets.iter().filter(|(of, _)| of == system).map(|(_, name)| name).collect();
        let different: BTreeSet<&&String> = names.iter().collect();
        assert_eq!((names.len(), different.len()), (incidents, incidents), "{system}: one ticket each");
    }
    let refused = seen.iter().filter(|one| one.end != End::Taken).count();
    eprintln!("{} messages, {refused} errors, {repeats} repeats, {} tickets", seen.len(), tickets.len());
}
