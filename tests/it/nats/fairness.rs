//! A source with a long queue on NATS delays no other: each subject is read by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::front::{all_decided, event, get, publish, served, until};
use super::server::{Program, Server};
use crate::served::Request;

/// Events in a message of the flood, and messages that are published at a time.
const EACH: u64 = 50;
const AT_A_TIME: u64 = 200;
/// More than are read at a time.
const SOURCES: usize = 300;
/// Events of the calm source.
const CALM: usize = 10;
/// No event of the calm source may take longer; it is a bound for a slow machine, not what is usual.
const WAIT_MAX: Duration = Duration::from_secs(5);

#[test]
fn a_flood_over_nats_delays_no_other_source() {
    let Some(path) = Program::Recent.path() else { return };
    let (server, folder) = (Server::start(&path, "one.conf".as_ref()), tempfile::tempdir().unwrap());
    let (served, token) = served(&server.url(), folder.path());
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let one = |n: u64| -> Value {
        json!({ "name": "loud", "severity": "warning", "object": { "name": format!("o{n}") }, "starts_at": "2026-05-04T10:00:00Z" })
    };
    let body = json!((0..EACH).map(one).collect::<Vec<_>>()).to_string();
    let flood = || (0..AT_A_TIME).map(|_| ("src.default.loud.event".to_owned(), None, body.clone())).collect();
    let taken = |source: &str| {
        let sources = get(&served, &token, "/api/v1/sources");
        let one = sources["items"].as_array().and_then(|all| all.iter().find(|one| one["id"] == source).cloned());
        one.and_then(|one| one["events"].as_u64()).unwrap_or_default()
    };
    let is_over = AtomicBool::new(false);
    let (sent, took) = std::thread::scope(|scope| {
        let loud = scope.spawn(|| {
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                publish(&server, flood());
                sent += AT_A_TIME * EACH;
            }
            sent
        });
        until("the flood is there", || (taken("loud") > 0).then_some(()));
        let each = (0..CALM).map(|n| {
            publish(&server, vec![("src.default.calm.event".into(), None, event(n))]);
            let since = Instant::now();
            until("the calm source's event is taken", || (taken("calm") > n as u64).then_some(()));
            since.elapsed()
        });
        let mut took: Vec<Duration> = each.collect();
        is_over.store(true, Ordering::Relaxed);
        took.sort();
        (loud.join().unwrap(), took)
    });
    println!("calm: {CALM} events, median {:?}, longest {:?}; flood: {sent} events", took[CALM / 2], took[CALM - 1]);
    assert!(took[CALM - 1] < WAIT_MAX, "{took:?}");
    let account = all_decided(&served, &token, sent + CALM as u64);
    assert_eq!(account["balanced"], true, "{account}");
}

#[test]
fn a_source_waits_for_its_rate_while_others_do_not_and_loses_nothing() {
    let Some(path) = Program::Recent.path() else { return };
    let (server, folder) = (Server::start(&path, "one.conf".as_ref()), tempfile::tempdir().unwrap());
    let (served, token) = served(&server.url(), folder.path());
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let registered = json!({ "rate": { "events_per_second": 10 } });
    let registered = registered.to_string();
    let put = Request { method: "PUT", ..Request::post("/api/v1/sources/slow", &token, registered.as_bytes()) };
    let answer = served.send(&put);
    assert_eq!(answer.status, 204, "{}", answer.text());
    let began = Instant::now();
    let packed =
        |from: usize| json!((from..from + 5).map(|n| serde_json::from_str(&event(n)).unwrap()).collect::<Vec<Value>>());
    let sent = (0..12).map(|n| ("src.default.slow.event".to_owned(), None, packed(n * 5).to_string()));
    publish(&server, sent.collect());
    publish(&server, vec![("src.default.calm.event".into(), None, event(1))]);
    let taken = |source: &str| {
        let sources = get(&served, &token, "/api/v1/sources");
        let one = sources["items"].as_array().and_then(|all| all.iter().find(|one| one["id"] == source).cloned());
        one.and_then(|one| one["events"].as_u64()).unwrap_or_default()
    };
    until("the calm source's event is taken", || (taken("calm") == 1).then_some(()));
    let account = all_decided(&served, &token, 61);
    assert_eq!(account["balanced"], true, "{account}");
    // Ten at once and then ten a second: the last of sixty not before the fifth second.
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn more_sources_than_are_read_at_a_time_all_get_in_though_none_ever_pauses() {
    let Some(path) = Program::Recent.path() else { return };
    let (server, folder) = (Server::start(&path, "one.conf".as_ref()), tempfile::tempdir().unwrap());
    let (served, token) = served(&server.url(), folder.path());
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let is_over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let all = scope.spawn(|| {
            let mut sent = 0;
            // Each speaks again and again, and is silent for less than the ten seconds after which a reader looks up.
            while !is_over.load(Ordering::Relaxed) {
                let one = |n: usize| (format!("src.default.many-{n:03}.event"), None, event(sent + n));
                publish(&server, (0..SOURCES).map(one).collect());
                sent += SOURCES;
            }
            sent
        });
        let heard = || {
            let sources = get(&served, &token, "/api/v1/sources?limit=1000");
            let all = sources["items"].as_array().cloned().unwrap_or_default();
            all.iter().filter(|one| one["id"].as_str().is_some_and(|id| id.starts_with("many-"))).count()
        };
        until("every source is heard", || (heard() == SOURCES).then_some(()));
        is_over.store(true, Ordering::Relaxed);
        all.join().unwrap()
    });
    let account = all_decided(&served, &token, sent as u64);
    assert_eq!(account["balanced"], true, "{account}");
}
