//! Intake over HTTP with a list in place of the journal: who gets in, what is refused and how it is answered.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use headwater::access::store::{Tokens, Wanted};
use headwater::decode::formats::Formats;
use headwater::domain::access::{Credential, Role};
use headwater::domain::ids::{EventRef, TenantId};
use headwater::domain::time::Timestamp;
use headwater::engine::input::{Batch, Command};
use headwater::intake::Intake;
use headwater::intake::again::AgainError;
use headwater::intake::gate::Gate;
use headwater::intake::routes::routes;
use headwater::intake::settings::{Preset, Rate, Settings};
use headwater::intake::sink::{Accepted, Sink, SinkError};
use serde_json::{Value, json};
use tower::ServiceExt;

const EVENT: &str = r#"{"name":"A","severity":"major","object":{"name":"x"},"starts_at":"2026-01-05T00:00:00Z"}"#;
const ALERT: &str = r#"{"labels":{"alertname":"A","instance":"x"},"startsAt":"2026-01-05T00:00:00Z"}"#;

/// Tokens are `<role>:<name>`.
struct PlainGate;

impl Gate for PlainGate {
    fn bearer(&self, token: &str, _: Timestamp) -> Option<Arc<Credential>> {
        let (role, name) = token.split_once(':')?;
        let (role, tenant) = (Role::parse(role)?, TenantId::from("city"));
        Some(Arc::new(Credential { id: name.into(), tenant, name: name.into(), role, orgs: None, areas: None }))
    }
}

/// Keeps batches in a list, or does what a test wants to see.
#[derive(Default)]
pub struct List {
    pub batches: Mutex<Vec<Batch>>,
    pub orders: Mutex<Vec<Command>>,
    failure: Option<SinkError>,
    stuck: bool,
}

impl Sink for List {
    fn accept(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, SinkError>> {
        if self.stuck {
            return futures::future::pending().boxed();
        }
        if let Some(failure) = &self.failure {
            return futures::future::err(failure.clone()).boxed();
        }
        let mut batches = self.batches.lock().unwrap();
        batches.push(batch);
        futures::future::ok(Accepted { seq: batches.len() as u64, first: 10 }).boxed()
    }

    fn order(&self, command: Command) -> BoxFuture<'_, Result<(), SinkError>> {
        if let Some(failure) = &self.failure {
            return futures::future::err(failure.clone()).boxed();
        }
        self.orders.lock().unwrap().push(command);
        futures::future::ok(()).boxed()
    }
}

pub struct Door {
    pub intake: Arc<Intake>,
    pub list: Arc<List>,
    router: Router,
}

pub fn door_with(settings: Settings, list: List) -> Door {
    let list = Arc::new(list);
    let now = Arc::new(|| Timestamp::parse("2026-01-05T00:01:00Z").unwrap());
    let sink: Arc<dyn Sink> = list.clone();
    let intake = Arc::new(Intake::new(settings, Arc::new(Formats::built_in()), Arc::new(PlainGate), sink, now));
    Door { router: routes(Arc::clone(&intake)), intake, list }
}

pub fn door() -> Door {
    door_with(Settings::default(), List::default())
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("a JSON answer")
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

pub fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(path);
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header("authorization", "Bearer source:bms");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

impl Door {
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub async fn check(&self, request: Request<Body>, status: u16, code: &str) -> Answer {
        let answer = self.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code.to_owned()), "{}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        answer
    }

    pub fn count(&self, noun: &str, label: &str) -> u64 {
        let rows = self.intake.counters().rows();
        rows.into_iter().find(|(n, l, _)| *n == noun && *l == label).expect("a counter").2
    }

    pub fn kept(&self) -> Vec<String> {
        let batches = self.list.batches.lock().unwrap();
        batches.iter().flat_map(|batch| &batch.events).map(|event| format!("{} {}", event.source, event.name)).collect()
    }
}

#[tokio::test]
async fn only_sources_get_in_and_only_as_themselves() {
    let door = door();
    let to = |path: &str, token: &str, body: &'static str| post(path, &[("authorization", token)], body);
    let bare = Request::post("/api/v1/events").body(Body::from(EVENT)).unwrap();
    let answer = door.check(bare, 401, "unauthorized").await;
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    for token in ["Basic YTpi", "Bearer", "Bearer nobody", "Bearer unknown:bms", "source:bms", "Digest x"] {
        door.check(to("/api/v1/events", token, EVENT), 401, "unauthorized").await;
    }
    for role in ["viewer", "operator", "analyst"] {
        door.check(to("/api/v1/events", &format!("Bearer {role}:li"), EVENT), 403, "forbidden").await;
    }
    let message = r#"{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A"}}]}"#;
    let path = "/api/v1/sources/bms/alertmanager";
    door.check(to(path, "Bearer source:ups", message), 404, "not_found").await;
    assert_eq!(door.send(to(path, "Bearer source:bms", message)).await.status, 202);
    assert_eq!(door.send(to(path, "bearer admin:li", message)).await.status, 202);
    door.check(to("/api/v1/ingest/nobody", "Bearer source:bms", EVENT), 404, "not_found").await;
    assert_eq!(door.kept(), ["bms A", "bms A"]);
    assert_eq!(door.count("intake_requests_refused", "unauthorized"), 7);
}

#[tokio::test]
async fn every_route_takes_its_format() {
    let door = door();
    let cloud_event =
        format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"headwater.event.raised.v1","data":{EVENT}}}"#);
    let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
    let batched = [("content-type", "application/cloudevents-batch+json")];
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "7"),
        ("ce-source", "/%E6%9C%BA"),
        ("ce-type", "headwater.event.raised.v1"),
    ];
    let lines = [("content-type", "application/x-ndjson")];
    let line = r#"{"alert_id":"1","source":"s","name":"A","entity":"x","severity":"info"}"#;
    let message = format!(r#"{{"version":"4","alerts":[{ALERT}]}}"#);
    let requests = [
        (post("/api/v1/events", &[], EVENT), 202),
        (post("/api/v1/events", &[("content-type", "application/json")], format!(r#"{{"events":[{EVENT}]}}"#)), 202),
        (post("/api/v1/cloudevents", &structured, cloud_event.clone()), 202),
        (post("/api/v1/cloudevents", &batched, format!("[{cloud_event}]")), 202),
        (post("/api/v1/cloudevents", &binary, EVENT), 202),
        (post("/api/v2/alerts", &[], format!("[{ALERT}]")), 200),
        (post("/api/v1/sources/bms/alertmanager", &[], message), 202),
        (post("/api/v1/ingest/stormgen", &lines, format!("{line}\n{line}\n")), 202),
        (post("/api/v1/ingest/stormgen", &[], line), 202),
    ];
    for (request, status) in requests {
        let path = request.uri().to_string();
        let answer = door.send(request).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
    }
    let alone = ["bms A"; 7];
    assert_eq!(door.kept(), [&alone[..], &["bms/s A", "bms/s A", "bms/s A"]].concat());
    let batches = door.list.batches.lock().unwrap();
    assert_eq!(batches[4].events[0].id.as_ref(), "/机#7");
    assert!(batches.iter().all(|batch| batch.tenant.as_str() == "city"));
    assert_eq!(door.count("intake_events_accepted", ""), 10);
}

#[tokio::test]
async fn a_partly_bad_batch_keeps_its_good_events() {
    let door = door();
    let bad = r#"{"name":"B"}"#;
    let answer = door.send(post("/api/v1/events", &[], format!("[{bad},{EVENT},17,{EVENT}]"))).await;
    assert_eq!(answer.status, 202);
    let receipt = answer.json();
    assert_eq!(receipt["accepted"], 2);
    assert_eq!(receipt["event_refs"], json!(["e1.10", "e1.11"]));
    let rejected: Vec<(u64, &str, &str)> = receipt["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap();
            (one["index"].as_u64().unwrap(), text("reason"), text("event_ref"))
        })
        .collect();
    assert_eq!(rejected, [(0, "bad_time", "e1.12"), (2, "malformed", "e1.13")]);
    let answer = door.check(post("/api/v1/events", &[], bad), 422, "all_rejected").await;
    assert_eq!(answer.json()["rejected"][0]["event_ref"], "e2.10");
    assert_eq!(door.send(post("/api/v1/events", &[], "[]")).await.json()["accepted"], 0);

    let answer = door.send(post("/api/v2/alerts", &[], format!("[{ALERT}]"))).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    let mixed = format!(r#"[{{"labels":{{}}}},{ALERT}]"#);
    let answer = door.check(post("/api/v2/alerts", &[], mixed), 400, "some_rejected").await;
    assert!(answer.json()["detail"].as_str().unwrap().starts_with("1 alerts were kept, 1 were not: an alert needs"));

    let batches = door.list.batches.lock().unwrap();
    let sizes: Vec<_> = batches.iter().map(|batch| (batch.events.len(), batch.rejected.len())).collect();
    assert_eq!(sizes, [(2, 2), (0, 1), (1, 0), (1, 1)]);
    assert_eq!(batches[0].rejected[1].raw.as_ref(), "17");
    let dead = ["malformed", "bad_time"].map(|word| door.count("intake_events_dead_lettered", word));
    assert_eq!((door.count("intake_events_accepted", ""), dead), (4, [2, 2]));
}

#[tokio::test]
async fn events_with_one_id_and_other_bodies_are_both_kept_for_the_engine_to_judge() {
    let door = door();
    let one = EVENT.replace("{\"name\":\"A\"", "{\"id\":\"1\",\"name\":\"A\"");
    let other = EVENT.replace("{\"name\":\"A\"", "{\"id\":\"1\",\"name\":\"B\"");
    assert_eq!(door.send(post("/api/v1/events", &[], format!("[{one},{other}]"))).await.json()["accepted"], 2);
    assert_eq!(door.kept(), ["bms A", "bms B"]);
}

#[tokio::test]
async fn what_is_not_json_is_not_taken() {
    let door = door();
    let send = |path: &str, name, value, body: &'static str| post(path, &[(name, value)], body);
    let form = send("/api/v1/events", "content-type", "application/x-www-form-urlencoded", EVENT);
    door.check(form, 415, "media_type").await;
    door.check(send("/api/v1/events", "content-encoding", "br", EVENT), 415, "media_type").await;
    door.check(send("/api/v1/events", "content-type", "application/x-ndjson", EVENT), 415, "media_type").await;
    door.check(send("/api/v1/cloudevents", "content-type", "application/json", EVENT), 415, "media_type").await;
    door.check(send("/api/v1/cloudevents", "content-type", "application/cloudevents+avro", ""), 415, "media_type")
        .await;
    door.check(send("/api/v1/events", "content-type", "application/json", ""), 400, "unreadable").await;
    door.check(send("/api/v2/alerts", "content-type", "application/json", "{}"), 400, "unreadable").await;
    assert!(door.kept().is_empty() && door.list.batches.lock().unwrap().is_empty());
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

#[tokio::test]
async fn sizes_are_limited_before_anything_is_parsed() {
    let door = door();
    let events = |count: usize| format!("[{}]", vec![EVENT; count].join(","));
    let zip = [("content-encoding", "gzip")];
    assert_eq!(door.send(post("/api/v1/events", &[], events(5000))).await.json()["accepted"], 5000);
    door.check(post("/api/v1/events", &[], events(5001)), 413, "too_large").await;
    assert_eq!(door.send(post("/api/v1/events", &zip, gzip(events(500).as_bytes()))).await.json()["accepted"], 500);
    door.check(post("/api/v1/events", &zip, EVENT), 400, "unreadable").await;

    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b' '; 1 << 20];
    (0..1024).for_each(|_| packer.write_all(&zeros).unwrap());
    let bomb = packer.finish().unwrap();
    assert!(bomb.len() > 1_000_000 && bomb.len() < 2_000_000);
    door.check(post("/api/v1/events", &zip, bomb), 413, "too_large").await;
    let steep = gzip(&[b"[".as_slice(), &zeros, EVENT.as_bytes(), b"]"].concat());
    let answer = door.check(post("/api/v1/events", &zip, steep), 413, "too_large").await;
    assert!(answer.text.contains("20 times"), "{}", answer.text);

    let long = format!(r#"{{"title":"{}",{}"#, "x".repeat(1 << 20), &EVENT[1..]);
    door.check(post("/api/v1/events", &[], long), 413, "too_large").await;
    let announced = post("/api/v1/events", &[("content-length", "8388609")], EVENT);
    door.check(announced, 413, "too_large").await;
    let chunks = stream::iter((0..9).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20])));
    door.check(post("/api/v1/events", &[], Body::from_stream(chunks)), 413, "too_large").await;
    let header = "x".repeat(17 * 1024);
    door.check(post("/api/v1/events", &[("x-long", &header)], EVENT), 431, "headers_too_large").await;
    let deep = "[".repeat(1_000_000);
    door.check(post("/api/v1/events", &[], deep.clone()), 400, "unreadable").await;
    door.check(post("/api/v1/events", &[], deep + &"]".repeat(1_000_000)), 413, "too_large").await;
    let nested = "[".repeat(100_000) + &"]".repeat(100_000);
    door.check(post("/api/v1/events", &[], nested), 422, "all_rejected").await;
    assert_eq!(door.intake.in_flight_bytes(), 0);
}

#[tokio::test]
async fn a_fast_source_is_slowed_down_and_no_other() {
    let preset = Rate { preset: Some(Preset::Flashduty), ..Rate::default() };
    // Two a minute, so that a slow machine's calls find none that has grown again.
    let few = Rate { requests_per_minute: std::num::NonZeroU32::new(2), ..Rate::default() };
    let rates = [
        ("bms", few),
        ("ups", Rate { events_per_second: std::num::NonZeroU32::new(3), ..Rate::default() }),
        ("fd", preset),
    ];
    let rates = rates.map(|(source, rate)| (source.to_owned(), rate)).into();
    let door = door_with(Settings { rates, ..Settings::default() }, List::default());
    let of = |name: &str, body: &str| {
        post("/api/v1/events", &[("authorization", &format!("Bearer source:{name}"))], body.to_owned())
    };
    for _ in 0..2 {
        assert_eq!(door.send(of("bms", EVENT)).await.status, 202);
    }
    let answer = door.check(of("bms", EVENT), 429, "rate_limited").await;
    let wait: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let three = format!("[{EVENT},{EVENT},{EVENT}]");
    assert_eq!(door.send(of("ups", &three)).await.status, 202);
    // All three grow again within a second only.
    door.check(of("ups", &three), 429, "rate_limited").await;
    door.check(of("ups", &format!("[{EVENT},{EVENT},{EVENT},{EVENT}]")), 413, "too_large").await;
    // Orders count like events, and none of too many is kept.
    let taken = r#"{"event_action":"acknowledge","dedup_key":"d1"}"#;
    let orders = format!("[{taken},{taken},{taken},{taken}]");
    let bearer = [("authorization", "Bearer source:ups")];
    door.check(post("/api/v1/ingest/pagerduty", &bearer, orders), 413, "too_large").await;
    assert_eq!(door.list.orders.lock().unwrap().len(), 0);
    // A hundred at once are taken; what comes faster than a hundred a second is refused before long.
    let mut taken = 0;
    while door.send(of("fd", EVENT)).await.status == 202 {
        taken += 1;
        assert!(taken < 900, "nothing slows it down");
    }
    assert!(taken >= 100, "{taken}");
    door.check(of("fd", &three), 429, "rate_limited").await;
    assert_eq!(door.send(of("other", EVENT)).await.status, 202);
}

#[tokio::test]
async fn without_room_or_journal_nothing_is_promised() {
    let settings = Settings { in_flight_bytes_max: 4096, ..Settings::default() };
    let door = door_with(settings, List { stuck: true, ..List::default() });
    let body = format!("{EVENT}{}", " ".repeat(3000));
    let sized = || post("/api/v1/events", &[("content-length", &body.len().to_string())], body.clone());
    let first = tokio::spawn(door.router.clone().oneshot(sized()));
    while door.intake.in_flight_bytes() == 0 {
        tokio::task::yield_now().await;
    }
    let answer = door.check(sized(), 503, "busy").await;
    assert_eq!(answer.headers["retry-after"], "1");
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(door.intake.in_flight_bytes(), 0);

    let failure = Some(SinkError::TryLater { wait: Duration::from_secs(7) });
    let door = door_with(Settings::default(), List { failure, ..List::default() });
    let answer = door.check(post("/api/v1/events", &[], EVENT), 503, "busy").await;
    assert_eq!(answer.headers["retry-after"], "7");
    let failure = Some(SinkError::Failed("disk full at /var".into()));
    let door = door_with(Settings::default(), List { failure, ..List::default() });
    let answer = door.check(post("/api/v1/events", &[], EVENT), 503, "journal_failed").await;
    assert!(!answer.text.contains("/var"));
    assert_eq!(door.count("intake_events_accepted", ""), 0);
}

#[tokio::test]
async fn a_dripping_body_is_cut_off() {
    let settings = Settings { body_pause_ms_max: 30, ..Settings::default() };
    let door = door_with(settings, List::default());
    let start = || stream::iter([Ok::<_, std::io::Error>(b"[".to_vec())]);
    let silent = Body::from_stream(start().chain(stream::pending()));
    door.check(post("/api/v1/events", &[], silent), 408, "slow").await;
    let torn = Body::from_stream(start().chain(stream::iter([Err(std::io::Error::other("gone"))])));
    door.check(post("/api/v1/events", &[], torn), 400, "torn").await;
}

#[tokio::test]
async fn a_revoked_token_is_out_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = Arc::new(Tokens::open(&folder.path().join("tokens.json")).unwrap());
    let clock = Arc::new(AtomicI64::new(1_767_571_200_000));
    let now = {
        let clock = Arc::clone(&clock);
        move || Timestamp(clock.load(Ordering::Relaxed))
    };
    let wanted = Wanted {
        name: "bms".into(),
        role: Role::Source,
        tenant: TenantId::from("city"),
        orgs: None,
        areas: None,
        expires_at: None,
    };
    let command = Tokens::open(&folder.path().join("tokens.json")).unwrap();
    let (one, two) = (command.create(wanted.clone(), now()).unwrap(), command.create(wanted, now()).unwrap());
    let formats = Arc::new(Formats::built_in());
    let sink: Arc<dyn Sink> = Arc::new(List::default());
    let intake = Arc::new(Intake::new(Settings::default(), formats, tokens, sink, Arc::new(now.clone())));
    let router = routes(intake);
    let status = async |token: &headwater::access::token::Token| {
        let header = format!("Bearer {}", token.reveal());
        let request = post("/api/v1/events", &[("authorization", &header)], EVENT);
        router.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!((status(&one).await, status(&two).await), (202, 202));
    command.revoke(one.id(), now()).unwrap();
    clock.fetch_add(5000, Ordering::Relaxed);
    assert_eq!((status(&one).await, status(&two).await), (401, 202));
}

/// A mapping that takes its time from `at`, in the given format.
fn formats_with(format: &str) -> Arc<Formats> {
    let yaml = format!(
        "mapping: plant\nabout: a plant\nevent:\n  name: alarm\n  severity: {{ from: level, default: major }}\n  starts_at: {{ from: at, \
         format: \"{format}\", zone: Asia/Shanghai }}\n  object: {{ name: tag }}\n"
    );
    let files = headwater::decode::formats::Files { mappings: &[("plant.yaml", &yaml)], ..Default::default() };
    Arc::new(Formats::with(&files).unwrap_or_else(|errors| panic!("{errors:?}")))
}

#[tokio::test]
async fn a_dead_letter_is_tried_again_by_its_decoder_and_kept_until_it_is_good() {
    let door = door();
    door.intake.replace_formats(formats_with("%d.%m.%Y %H:%M"));
    let body = r#"{"alarm":"Pressure","tag":"boiler-1","at":"2026/01/05 07:59"}"#;
    let answer = door.check(post("/api/v1/ingest/plant", &[], body), 422, "all_rejected").await;
    assert!(answer.text.contains("at"), "{}", answer.text);
    let letter = door.list.batches.lock().unwrap()[0].rejected[0].clone();
    let of = EventRef { seq: 1, index: 0 };
    let again = || door.intake.again(TenantId::from("city"), of, &letter);
    assert!(matches!(again().await, Err(AgainError::Still(why)) if why.contains("at")), "still bad");
    assert_eq!(door.list.batches.lock().unwrap().len(), 1, "nothing was kept");
    door.intake.replace_formats(formats_with("%Y/%m/%d %H:%M"));
    assert_eq!(again().await.unwrap().seq, 2);
    let batch = door.list.batches.lock().unwrap()[1].clone();
    assert_eq!((batch.replay_of, batch.events[0].source.as_str()), (Some(of), "bms"));
    assert_eq!(batch.events[0].starts_at, Timestamp::parse("2026-01-05T07:59:00+08:00").unwrap());
}

/// A series of ten-minute latencies, the last three of them ten times as long.
fn latencies(count: usize) -> String {
    let value = |n: usize| if n + 3 >= count { 300.0 } else { 30.0 + (n % 3) as f64 };
    let at = |n: usize| Timestamp(Timestamp::parse("2026-01-04T00:00:00Z").unwrap().0 + n as i64 * 600_000).to_string();
    let point = |n: usize| json!({ "name": "latency", "object": { "name": "web" }, "value": value(n), "at": at(n) });
    json!({ "points": (0..count).map(point).collect::<Vec<_>>() }).to_string()
}

#[tokio::test]
async fn points_are_scored_at_the_door_and_only_an_anomaly_is_kept() {
    let door = door();
    let answer = door.send(post("/api/v1/metrics", &[], latencies(60))).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({ "accepted": 60, "rejected": [] })));
    let telling = tokio::spawn(door.intake.clone().tell_anomalies());
    while door.list.batches.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    telling.abort();
    let batches = door.list.batches.lock().unwrap();
    let event = &batches[0].events[0];
    assert_eq!((batches.len(), batches[0].events.len(), &*event.name), (1, 1, "latency-unusual"));
    assert_eq!((event.source.as_str(), event.object.label()), ("bms", "web"));
}

#[tokio::test]
async fn bad_points_and_too_many_series_are_told_by_place() {
    let door = door_with(Settings { series_max: 1, ..Settings::default() }, List::default());
    let point = |name: &str, value: Value| json!({ "name": name, "object": { "name": "x" }, "value": value, "at": "2026-01-05T00:00:00Z" });
    let body = json!([point("a", json!(1)), point("a", json!("high")), point("b", json!(1))]).to_string();
    let answer = door.send(post("/api/v1/metrics", &[], body)).await.json();
    assert_eq!(answer["accepted"], 1, "{answer}");
    let told: Vec<_> = answer["rejected"].as_array().unwrap().iter().map(|r| (&r["index"], &r["reason"])).collect();
    assert_eq!(told, [(&json!(1), &json!("malformed")), (&json!(2), &json!("over_limit"))]);
    let only_bad = json!([point("c", json!(1))]).to_string();
    door.check(post("/api/v1/metrics", &[], only_bad), 422, "no_points").await;
    door.check(post("/api/v1/metrics", &[], "{"), 400, "unreadable").await;
    door.check(post("/api/v1/metrics", &[("authorization", "Bearer viewer:x")], "[]"), 403, "forbidden").await;
    door.intake.senses().share();
    let body = json!([point("a", json!(1))]).to_string();
    door.check(post("/api/v1/metrics", &[], body), 503, "busy").await;
    assert!(door.list.batches.lock().unwrap().is_empty(), "points are not kept");
}

#[tokio::test]
async fn log_lines_are_taken_as_text_json_and_as_loki_has_them() {
    let door = door();
    let text = [("content-type", "text/plain")];
    let answer = door.send(post("/api/v1/logs?object=web-1", &text, "GET /a 200\nGET /b 500\n")).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({ "accepted": 2, "rejected": [] })));
    let lines = "{\"message\":\"disk full\",\"host\":\"db-1\"}\n{\"x\":1}\n";
    let answer = door.send(post("/api/v1/logs", &[("content-type", "application/x-ndjson")], lines)).await.json();
    assert_eq!((&answer["accepted"], &answer["rejected"][0]["index"]), (&json!(1), &json!(1)), "{answer}");
    let loki =
        json!({ "streams": [{ "stream": { "host": "a", "job": "b" }, "values": [["1", "up"], ["2", "down"]] }] });
    let answer = door.send(post("/loki/api/v1/push", &[("content-type", "application/json")], loki.to_string())).await;
    assert_eq!(answer.status.as_u16(), 204);
    let json_body = [("content-type", "application/json")];
    door.check(post("/api/v1/logs", &json_body, "{"), 400, "unreadable").await;
    door.check(post("/api/v1/logs", &json_body, "{\"x\":1}"), 422, "no_points").await;
    door.check(post("/api/v1/logs", &[("content-type", "image/png")], "x"), 415, "media_type").await;
    door.check(post("/api/v1/logs", &[("authorization", "Bearer viewer:x")], "x"), 403, "forbidden").await;
    let rows = door.intake.counters().rows();
    let count = |word: &str| rows.iter().find(|row| row.0 == "intake_log_lines" && row.1 == word).map(|row| row.2);
    assert_eq!((count("counted"), count("malformed")), (Some(5), Some(2)));
    assert!(door.list.batches.lock().unwrap().is_empty(), "lines are not kept");
}

#[tokio::test]
async fn remote_write_is_taken_unpacked_and_bad_bodies_are_told() {
    use headwater::decode::remote_write;
    let door = door();
    let at = Timestamp::parse("2026-01-05T00:00:00Z").unwrap();
    let labels = [("__name__", "node_load1"), ("instance", "10.0.0.1:9100")];
    let packed = |bytes: &[u8]| snap::raw::Encoder::new().compress_vec(bytes).unwrap();
    let body = packed(&remote_write::encode(&[(&labels, 0.5, at)]));
    let headers = [("content-type", "application/x-protobuf"), ("content-encoding", "snappy")];
    let answer = door.send(post("/api/v1/write", &headers, body.clone())).await;
    assert_eq!((answer.status.as_u16(), door.intake.senses().series()), (204, 1));
    door.check(post("/api/v1/write", &headers, body[..body.len() - 1].to_vec()), 400, "unreadable").await;
    door.check(post("/api/v1/write", &headers, packed(b"{}")), 400, "unreadable").await;
    door.check(post("/api/v1/write", &[("content-type", "application/json")], "{}"), 415, "media_type").await;
}
