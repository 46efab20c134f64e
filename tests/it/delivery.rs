//! From a committed notice to a real receiver and back into the journal, across restarts.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use headwater::clock::machine;
use headwater::delivery::contacts::Contacts;
use headwater::delivery::settings::{Common, ReceiverSettings, Settings, names, prepare};
use headwater::domain::event::Event;
use headwater::domain::ids::{IncidentId, TenantId};
use headwater::domain::incident::{IncidentView, Priority};
use headwater::domain::partition::partition_of;
use headwater::domain::severity::Severity;
use headwater::domain::time::Span;
use headwater::engine::effect::{Effect, Notice, NoticeKind};
use headwater::engine::input::{Batch, Delivered, DeliveryOutcome, Input};
use headwater::journal::Durability;
use headwater::journal::sqlite::{OpenOptions, Store};
use headwater::outbox::sqlite::SqliteOutbox;
use headwater::outbox::{Decided, Outbox};
use headwater::pipeline::{Options, Pace, Pipeline};
use headwater::serve;
use serde_json::json;

use crate::receiver::{Receiver, SECRET, Seen, wait_until};
use crate::storms::project;

fn tenant() -> TenantId {
    TenantId::from("city")
}

pub fn notice(incident: u64, version: u32, kind: NoticeKind, receiver: &str) -> Notice {
    let now = (machine())();
    let incident = IncidentView {
        version,
        severity: Severity::Critical,
        priority: Priority::P1,
        alert_count: 12,
        firing_count: 12,
        event_count: 30,
        ci_count: 9,
        services: ["社保查询".into()].into(),

        ..IncidentView::new(
            IncidentId((u64::from(partition_of(&tenant())) << 48) | incident),
            tenant(),
            "核心交换机掉电",
            now,
        )
    };
    let key = format!("{}-{version}-{receiver}-{}", incident.id, kind.as_str()).into();
    let (rule, changes, digest) = (None, Vec::new(), None);
    let (to, told, runbooks) = (None, Vec::new(), Vec::new());
    Notice {
        key,
        receiver: receiver.into(),
        kind,
        at: now,
        incident,
        rule,
        changes,
        digest,
        to,
        told,
        runbooks,
        action: None,
        by: "".into(),
    }
}

/// Commits notices as an engine would have, each in a record of its own.
fn commit(folder: &Path, notices: &[Notice]) {
    let options = OpenOptions { durability: Durability::Process, ballast_bytes: 0, ..OpenOptions::new(machine()) };
    let store = Store::open(folder, options).unwrap();
    let outbox = SqliteOutbox::new(store.clone());
    let partition = partition_of(&tenant());
    for notice in notices {
        let journal_seq = store.append_blocking(partition, Input::Tick).unwrap().seq;
        let before = outbox.head(partition).unwrap().seq;
        let effects = vec![Effect::Notify { notice: Box::new(notice.clone()) }];
        outbox.commit_blocking(partition, before, vec![Decided { journal_seq, effects: Arc::new(effects) }]).unwrap();
    }
}

async fn start(folder: &Path, receivers: &[ReceiverSettings]) -> Arc<Pipeline> {
    let settings =
        Settings { retry_first: Duration::from_millis(5), retry_max: Duration::from_millis(50), ..Settings::default() };
    let common = Common {
        settings,
        base_url: "https://noc.example".into(),
        own_ports: Vec::new(),
        clock: machine(),
        contacts: Contacts::default(),
        seal: None,
        pass_valid_for: Span::hours(24),
        bus: Default::default(),
    };
    let since = Instant::now();
    loop {
        let receivers = prepare(receivers, &common).unwrap();
        let options = Options {
            durability: Durability::Process,
            clock: machine(),
            receivers: Some(receivers),
            pace: Pace::default(),
            retention: headwater::projection::history::retention::Retention::default(),
        };
        match serve::start(folder, options).await {
            Ok(pipeline) => return pipeline,
            // The last clone of the store before is dropped by a task that is just ending.
            Err(error) if error.to_string().contains("held") && since.elapsed() < Duration::from_secs(10) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error:#}"),
        }
    }
}

async fn stop(pipeline: Arc<Pipeline>) {
    pipeline.courier.close(Duration::from_secs(20)).await;
    tokio::task::spawn_blocking(move || pipeline.stop()).await.unwrap();
}

/// The results that the journal has, by key.
fn results(pipeline: &Pipeline) -> BTreeMap<String, Vec<DeliveryOutcome>> {
    let mut results: BTreeMap<String, Vec<DeliveryOutcome>> = BTreeMap::new();
    let mut after = 0;
    loop {
        let records = pipeline.log.records_after(after, 1 << 20).unwrap();
        let Some(last) = records.last() else { return results };
        after = last.seq;
        for record in records {
            if let Input::Delivered(Delivered { key, outcome, .. }) = &*record.input {
                results.entry(key.to_string()).or_default().push(outcome.clone());
            }
        }
    }
}

fn is_settled(pipeline: &Pipeline) -> bool {
    pipeline.courier.lock().waiting_of(|_| true).is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_notice_is_sent_once_and_its_end_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|n| {
        (Duration::ZERO, if n == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT })
    })
    .await;
    let sent = notice(1, 1, NoticeKind::Opened, "noc");
    commit(folder.path(), std::slice::from_ref(&sent));
    let pipeline = start(folder.path(), &[receiver.settings("noc")]).await;
    wait_until("the end is on record", || is_settled(&pipeline)).await;
    let seen = receiver.seen();
    assert_eq!(seen.iter().map(|seen| seen.key.as_str()).collect::<Vec<_>>(), [&*sent.key, &*sent.key]);
    let text = seen[0].body["data"]["text"].as_str().unwrap();
    assert!(text.starts_with("【P1 紧急】新故障：核心交换机掉电（"), "{text}");
    assert!(text.contains("影响：业务 社保查询；9 个组件，12 条告警（均未恢复）"), "{text}");
    assert_eq!(seen[0].body["data"]["url"], format!("https://noc.example/incidents/{}", sent.incident.id));
    stop(pipeline).await;
    // After a restart nothing is sent again: what has a result is done.
    let pipeline = start(folder.path(), &[receiver.settings("noc")]).await;
    assert!(is_settled(&pipeline));
    assert_eq!(results(&pipeline)[&*sent.key], [DeliveryOutcome::Accepted]);
    stop(pipeline).await;
    assert_eq!(receiver.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_result_is_sent_again_with_the_same_key_in_order() {
    let folder = tempfile::tempdir().unwrap();
    // The first one hangs: the program stops before there is an answer.
    let receiver = Receiver::start(|n| (Duration::from_secs(if n == 0 { 3600 } else { 0 }), StatusCode::OK)).await;
    let notices = [
        notice(1, 1, NoticeKind::Opened, "noc"),
        notice(1, 2, NoticeKind::Updated, "noc"),
        notice(1, 3, NoticeKind::Recovered, "noc"),
    ];
    commit(folder.path(), &notices);
    let pipeline = start(folder.path(), &[receiver.settings("noc")]).await;
    receiver.wait_for("the first attempt", |seen| seen.len() == 1).await;
    pipeline.courier.close(Duration::from_millis(1)).await;
    tokio::task::spawn_blocking(move || pipeline.stop()).await.unwrap();
    let pipeline = start(folder.path(), &[receiver.settings("noc")]).await;
    wait_until("all ends are on record", || is_settled(&pipeline)).await;
    let seen: Vec<(String, u64)> = receiver.seen().iter().map(|seen| (seen.key.clone(), seen.version())).collect();
    let key = |n: usize| notices[n].key.to_string();
    assert_eq!(seen, [(key(0), 1), (key(0), 1), (key(2), 3)]);
    assert_eq!(results(&pipeline)[&key(1)], [DeliveryOutcome::Folded]);
    stop(pipeline).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_to_nobody_is_kept_as_undelivered() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| (Duration::ZERO, StatusCode::GONE)).await;
    let lost = notice(1, 1, NoticeKind::Opened, "nobody");
    let refused = notice(2, 1, NoticeKind::Opened, "noc");
    commit(folder.path(), &[lost.clone(), refused.clone()]);
    let pipeline = start(folder.path(), &[receiver.settings("noc")]).await;
    wait_until("both ends are on record", || is_settled(&pipeline)).await;
    assert_eq!(pipeline.courier.delivery().unwrap().unknown(), 1);
    stop(pipeline).await;
    let pipeline = start(folder.path(), &[receiver.settings("noc")]).await;
    let undelivered = pipeline.courier.lock().undelivered().clone();
    assert_eq!(undelivered.len(), 2);
    assert!(undelivered[&lost.key].why.contains("configured"), "{undelivered:?}");
    assert!(undelivered[&refused.key].why.contains("410"), "{undelivered:?}");
    let place = undelivered[&refused.key].place;
    assert_eq!(pipeline.courier.notice(place, &refused.key).unwrap(), Some(refused));
    stop(pipeline).await;
}

#[test]
fn bad_receivers_are_refused_with_their_place() {
    let common = Common {
        settings: Settings::default(),
        base_url: String::new(),
        own_ports: vec![8080],
        clock: machine(),
        contacts: Contacts::default(),
        seal: None,
        pass_valid_for: Span::hours(24),
        bus: Default::default(),
    };
    let check = |receivers: serde_json::Value, found: &str| {
        let receivers: Vec<ReceiverSettings> = serde_json::from_value(receivers).unwrap();
        let errors = prepare(&receivers, &common).err().unwrap();
        let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(text.join("\n"), found);
    };
    let url = "http://192.0.2.7/hook";
    check(
        json!([{ "id": "a", "url": url, "secret": SECRET }]),
        "receivers[0] (a): url: address 192.0.2.7 is not public: add its range to delivery.allowed_networks if it is meant",
    );
    check(
        json!([{ "id": "a", "url": "http://127.0.0.1:8080/", "secret": SECRET, "allow_private": true }]),
        "receivers[0] (a): url: 127.0.0.1 port 8080 is this program or its store",
    );
    check(
        json!([{ "id": "a", "url": "http://169.254.169.254/", "secret": SECRET, "allow_private": true }]),
        "receivers[0] (a): url: address 169.254.169.254 serves the machine's own credentials: nothing is ever sent there",
    );
    let ok = "http://8.8.8.8/hook";
    check(
        json!([{ "id": "a", "url": ok, "secret": SECRET }, { "id": "a", "url": ok, "secret": SECRET },
               { "id": "b c", "url": ok, "secret": SECRET }, { "id": "d", "url": ok, "secret": SECRET, "secret_file": "x" },
               { "id": "e", "url": ok, "secret": SECRET, "timeout": "90s" }]),
        "receivers[1] (a): id: another receiver has this name\n\
         receivers[2] (b c): id: write 1 to 64 letters, digits, `-`, `_` or `.`\n\
         receivers[3] (d): secret: give `secret` or `secret_file`, and not both\n\
         receivers[4] (e): timeout: write 1s to 60s",
    );
    let wrong = serde_json::from_value::<ReceiverSettings>(json!({ "id": "a", "url": ok, "colour": "red" }));
    assert!(wrong.unwrap_err().to_string().contains("unknown field `colour`"));
    let wrong = serde_json::from_value::<ReceiverSettings>(json!({ "id": "a", "url": ok }));
    assert!(wrong.unwrap_err().to_string().contains("missing field `secret`"));
    let receivers: Vec<ReceiverSettings> =
        serde_json::from_value(json!([{ "id": "a", "url": ok, "secret": SECRET }])).unwrap();
    assert_eq!(names(&receivers, &Default::default()).iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert!(!format!("{receivers:?}").contains("MfKQ"), "a secret is printed");
}

/// A Python with the package `standardwebhooks`, as `tests/run.sh` makes it.
pub fn python() -> Option<PathBuf> {
    let made = project().join("target/test-venv/bin/python");
    let found = made.exists();
    assert!(found || std::env::var_os("HEADWATER_ALL_TOOLS").is_none(), "{}: not there", made.display());
    found.then_some(made)
}

const VERIFY: &str = "
import json, sys
from standardwebhooks import Webhook
given = json.load(sys.stdin)
print(json.dumps(Webhook(given['secret']).verify(given['body'], given['headers'])['type']))
";

fn verify(python: &Path, seen: &Seen, secret: &str) -> Result<String, String> {
    let headers = json!({
        "webhook-id": seen.key, "webhook-timestamp": seen.timestamp, "webhook-signature": seen.signature,
    });
    let given = json!({ "secret": secret, "headers": headers, "body": seen.text }).to_string();
    let mut child = Command::new(python)
        .args(["-c", VERIFY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_published_library_verifies_what_is_sent() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: target/test-venv has no python with standardwebhooks; tests/run.sh makes it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::willing().await;
    commit(folder.path(), &[notice(1, 1, NoticeKind::Opened, "noc")]);
    let pipeline = start(folder.path(), &[receiver.settings("noc")]).await;
    wait_until("the end is on record", || is_settled(&pipeline)).await;
    stop(pipeline).await;
    let seen = &receiver.seen()[0];
    assert_eq!(verify(&python, seen, SECRET).unwrap(), "\"incident.opened\"");
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert!(verify(&python, seen, other).unwrap_err().contains("No matching signature"));
    let changed = Seen { text: seen.text.replace("P1", "P4"), ..seen.clone() };
    assert!(verify(&python, &changed, SECRET).unwrap_err().contains("No matching signature"));
    let at: i64 = seen.timestamp.parse().unwrap();
    let late = Seen { timestamp: (at - 3600).to_string(), ..seen.clone() };
    assert!(verify(&python, &late, SECRET).unwrap_err().contains("too old"));
}

/// Events of `city`, each of a kind and on an object of its own.
fn events(name: &str, severity: Severity, count: usize) -> Batch {
    let now = (machine())();
    let event = |n: usize| {
        let mut event = Event::new(tenant(), "probe".into(), &format!("{name}-{n}"), now);
        event.severity = severity;
        event.title = event.name.clone();
        event.object.name = Some(format!("object-{name}-{n}"));
        event
    };
    Batch { tenant: tenant(), events: (0..count).map(event).collect(), rejected: Vec::new(), replay_of: None }
}

/// How long a critical event takes from the append to the receiver: half of them, and all but one in a hundred, in
/// microseconds.
async fn latency(pipeline: &Pipeline, receiver: &Receiver, word: &str) -> (u128, u128) {
    let mut took = Vec::new();
    for n in 0..80 {
        let name = format!("{word}-{n}");
        let batch = events(&name, Severity::Critical, 1);
        let told = format!("{name}-0");
        let since = Instant::now();
        pipeline.log.append(partition_of(&tenant()), Input::Batch(batch)).await.unwrap();
        receiver.wait_for("the notice", |seen| seen.iter().any(|seen| seen.text.contains(&told))).await;
        let seen = receiver.seen().into_iter().find(|seen| seen.text.contains(&told)).expect("just waited for");
        took.push(seen.at.duration_since(since).as_micros());
    }
    took.sort_unstable();
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

/// A measurement: `cargo nextest run --release -E 'test(slow_the_way)' --no-capture` prints the figures of
/// docs/performance.md.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_the_way_from_an_event_to_the_receiver_is_short() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::willing().await;
    let pipeline = start(folder.path(), &[receiver.settings("default")]).await;
    let (p50, p99) = latency(&pipeline, &receiver, "idle").await;
    eprintln!("idle: p50 {p50} us, p99 {p99} us");
    let other = pipeline.clone();
    let load = tokio::spawn(async move {
        for n in 0.. {
            let batch = events(&format!("noise-{n}"), Severity::Warning, 50);
            other.log.append(partition_of(&tenant()), Input::Batch(batch)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let (busy_p50, busy_p99) = latency(&pipeline, &receiver, "load").await;
    load.abort();
    eprintln!("1000 other events a second: p50 {busy_p50} us, p99 {busy_p99} us");
    assert!(p50 < 1_000_000 && busy_p50 < 2_000_000, "it takes seconds");
    stop(pipeline).await;
}
