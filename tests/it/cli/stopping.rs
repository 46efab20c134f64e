//! A stop, and a start that finds a decision which the program of today would not make.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::domain::alert::{AlertState, AlertView};
use headwater::domain::event::{Event, ObjectRef};
use headwater::domain::ids::{AlertId, TenantId};
use headwater::domain::partition::partition_of;
use headwater::domain::severity::Severity;
use headwater::domain::time::Timestamp;
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Input};
use headwater::engine::verdict::{Hold, Verdict};
use headwater::journal::sqlite::{OpenOptions, Store};
use headwater::outbox::sqlite::SqliteOutbox;
use headwater::outbox::{Decided, Outbox as _};

use super::served::{Served, token};
use super::write;

#[test]
fn an_open_feed_does_not_hold_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let reader = token(&folder.path().join("data"), "operator", "li");
    let config = write(folder.path(), "hw.yaml", "data: data\ndrain: 120s\n");
    let served = Served::start(&["--config", &config]);
    let mut feeds = [served.feed(&reader), served.feed(&reader)];
    let began = Instant::now();
    served.stop();
    assert!(began.elapsed() < Duration::from_secs(60), "it waited for the feed: {:?}", began.elapsed());
    for feed in &mut feeds {
        let mut rest = String::new();
        feed.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("0\r\n\r\n"), "the feed was cut, not ended: {rest:?}");
    }
}

#[test]
fn a_request_that_is_under_way_is_answered_before_the_program_ends() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, reader) = (token(&data, "source", "noc"), token(&data, "operator", "li"));
    let config = write(folder.path(), "hw.yaml", "data: data\ndrain: 120s\n");
    let served = Served::start(&["--config", &config]);
    let address = served.base().trim_start_matches("http://").to_owned();
    let event = r#"{"name":"disk-full","starts_at":"2026-01-05T00:00:00Z","object":{"name":"db-1"}}"#;
    let (first, rest) = event.split_at(event.len() / 2);
    let mut slow = TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: hw\r\nAuthorization: Bearer {source}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        event.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    let mut asked = [0; 25];
    slow.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n", "its body is waited for");
    slow.write_all(first.as_bytes()).unwrap();
    served.signal("TERM");
    served.wait("no more connections", || TcpStream::connect(&address).is_err().then_some(()));
    slow.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    served.wait_for("stopped");
    served.stop();
    let served = Served::start(&["--config", &config]);
    assert_eq!(served.accounted(&reader), 1, "what was answered is there after the next start");
    served.stop();
}

fn event(tenant: &TenantId, at: Timestamp) -> Event {
    let mut event = Event::new(tenant.clone(), "zabbix".into(), "disk-full", at);
    event.severity = Severity::Warning;
    event.object = ObjectRef { name: Some("db-1".into()), ..ObjectRef::default() };
    event
}

/// What some earlier program has decided about that event: another title than today's would give.
fn decided_then(tenant: &TenantId, at: Timestamp) -> Vec<Effect> {
    let id = AlertId((u64::from(partition_of(tenant)) << 48) | 1);
    let alert = AlertView {
        id,
        tenant: tenant.clone(),
        source: "zabbix".into(),
        name: "disk-full".into(),
        title: "as it was decided then".into(),
        severity: Severity::Warning,
        state: AlertState::Firing,
        ci: None,
        object: "db-1".into(),
        labels: Default::default(),
        signal: None,
        side: None,
        first_seen: at,
        last_seen: at,
        starts_at: at,
        count: 1,
        muted_by: Default::default(),
        flapping: false,
        incident: None,
        held: true,
    };
    let verdict = Verdict::Held { alert: Some(id), why: Hold::Lone, decision: Box::default() };
    vec![Effect::Alert { alert: Arc::new(alert) }, Effect::Verdict { index: 0, verdict }]
}

#[test]
fn a_decision_that_today_s_program_would_not_make_stands_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let reader = token(&data, "operator", "li");
    let tenant = TenantId::from("default");
    {
        let now: Timestamp = headwater::clock::machine()();
        let store = Store::open(&data, OpenOptions::new(Arc::new(move || now))).unwrap();
        let outbox = SqliteOutbox::new(store.clone());
        let partition = partition_of(&tenant);
        let events = vec![event(&tenant, now)];
        let batch = Batch { tenant: tenant.clone(), events, rejected: Vec::new(), replay_of: None };
        let record = store.append_blocking(partition, Input::Batch(batch)).unwrap();
        let before = outbox.head(partition).unwrap().seq;
        let decided = Decided { journal_seq: record.seq, effects: decided_then(&tenant, now).into() };
        outbox.commit_blocking(partition, before, vec![decided]).unwrap();
    }
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    served.wait_for("a decision came out differently; the committed one stands");
    let (status, metrics) = served.ask("GET", "/metrics", &reader, "");
    assert_eq!(status, 200, "{metrics}");
    assert!(metrics.contains("headwater_decisions_diverged_total 1\n"), "{metrics}");
    let (status, ready) = served.ask("GET", "/readyz", &reader, "");
    assert_eq!(status, 200, "it serves: {ready}");
    assert!(ready.contains("1 decisions came out differently"), "{ready}");
    let (_, alerts) = served.ask("GET", "/api/v1/alerts", &reader, "");
    assert!(alerts.contains("as it was decided then"), "the committed decision is shown: {alerts}");
    served.wait_for("sign=\"decision-diverged\"");
    served.stop();
}
