//! Too much of everything (rows 45, 46, 47, 50 and 66). Small here; variables make it as large as the catalogue says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headwater::domain::time::Timestamp;
use serde_json::{Value, json};

use crate::cli::headwater;
use crate::nats::front::{all_decided, publish, until};
use crate::nats::server::{Program, Server};
use crate::running::number;
use crate::served::{Request, Served, Stopped, token, token_of};

/// Memory that the program may have, MiB.
const MEMORY_MIB_MAX: u64 = 2_048;

fn event(n: u64, object: &str, status: &str) -> Value {
    json!({ "id": format!("e{n}"), "name": format!("Down{}", n % 7), "severity": "minor", "title": "down", "status": status,
            "object": { "name": object }, "starts_at": Timestamp(1_780_272_000_000 + n as i64).to_string() })
}

/// Sends events; how long it took, and whether they were accepted.
fn post(served: &Served, token: &str, events: &[Value]) -> (Duration, bool) {
    let body = json!(events).to_string();
    let since = Instant::now();
    let answer = served.send(&Request::post("/api/v1/events", token, body.as_bytes()));
    assert!([202, 429, 503].contains(&answer.status), "{}: {}", answer.status, answer.text());
    (since.elapsed(), answer.status == 202)
}

/// How long a fresh event takes to its verdict.
fn lag(served: &Served, source: &str, reader: &str, accepted: u64) -> Duration {
    let since = Instant::now();
    until("a fresh event is taken", || {
        post(served, source, &[event(accepted + 1_000_000_000, "fresh", "firing")]).1.then_some(())
    });
    all_decided(served, reader, accepted + 1);
    since.elapsed()
}

#[test]
fn a_storm_is_accepted_or_refused_and_memory_keeps_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let (source, reader) = (token(folder.path(), "source", "mon"), token(folder.path(), "operator", "li"));
    let served = Stopped::at(folder).start(&[]);
    let events = number("HEADWATER_STORM_EVENTS", 24_000);
    let (next, accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|threads| {
        let sends = || {
            let mut times = Vec::new();
            loop {
                let from = next.fetch_add(500, Ordering::Relaxed);
                if from >= events {
                    return times;
                }
                let status = |n: u64| if (n / 8_000).is_multiple_of(2) { "firing" } else { "resolved" };
                let batch: Vec<Value> =
                    (from..from + 500).map(|n| event(n, &format!("o{}", n % 8_000), status(n))).collect();
                let (took, was_taken) = post(&served, &source, &batch);
                times.push(took);
                if was_taken { &accepted } else { &refused }.fetch_add(500, Ordering::Relaxed);
            }
        };
        let senders: Vec<_> = (0..4).map(|_| threads.spawn(sends)).collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    let (accepted, refused, sent_in) = (accepted.into_inner(), refused.into_inner(), began.elapsed());
    let account = all_decided(&served, &reader, accepted);
    assert_eq!((&account["accepted"], &account["balanced"]), (&json!(accepted), &json!(true)), "{account}");
    let memory = served.rss_mib();
    times.sort_unstable();
    eprintln!(
        "{accepted} accepted and {refused} refused of {events} within {sent_in:?}, decided after {:?}; requests of 500: p50 \
         {:?}, p99 {:?}; {memory} MiB",
        began.elapsed(),
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    assert!(memory < MEMORY_MIB_MAX, "{memory} MiB");
    assert!(lag(&served, &source, &reader, accepted) < Duration::from_secs(5));
}

#[test]
fn one_object_that_says_nearly_everything_delays_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (source, reader) = (token(folder.path(), "source", "mon"), token(folder.path(), "operator", "li"));
    let served = Stopped::at(folder).start(&[]);
    let events = number("HEADWATER_HOT_EVENTS", 10_000);
    let mut accepted = 0;
    let mut lags = Vec::new();
    for from in (0..events).step_by(500) {
        // 19 of 20 events are about one object.
        let object = |n: u64| if n.is_multiple_of(20) { format!("o{n}") } else { "hot".to_owned() };
        let batch: Vec<Value> = (from..from + 500).map(|n| event(n, &object(n), "firing")).collect();
        until("it is taken", || post(&served, &source, &batch).1.then_some(()));
        accepted += 500;
        if from % 2_500 == 0 {
            lags.push(lag(&served, &source, &reader, accepted));
            accepted += 1;
        }
    }
    let account = all_decided(&served, &reader, accepted);
    assert_eq!(account["balanced"], true, "{account}");
    lags.sort_unstable();
    eprintln!("another object's event was decided within {lags:?}");
    assert!(*lags.last().unwrap() < Duration::from_secs(5), "{lags:?}");
}

#[test]
fn a_tenant_that_sends_without_end_delays_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let of = |tenant: &str, role: &str| token_of(folder.path(), role, &format!("{tenant}-{role}"), tenant);
    let (loud, quiet) = (of("loud", "source"), of("quiet", "source"));
    let (loud_reader, quiet_reader) = (of("loud", "operator"), of("quiet", "operator"));
    let served = Stopped::at(folder).start(&[]);
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut times = Vec::new();
    std::thread::scope(|threads| {
        for thread in 0..2 {
            let (served, loud, stop, sent) = (&served, &loud, &stop, &sent);
            threads.spawn(move || {
                let mut from = thread * 1_000_000;
                while !stop.load(Ordering::Relaxed) {
                    let batch: Vec<Value> =
                        (from..from + 200).map(|n| event(n, &format!("o{}", n % 500), "firing")).collect();
                    sent.fetch_add(if post(served, loud, &batch).1 { 200 } else { 0 }, Ordering::Relaxed);
                    from += 200;
                }
            });
        }
        for n in 0..20 {
            let since = Instant::now();
            until("the quiet one is heard", || {
                post(&served, &quiet, &[event(n, &format!("q{n}"), "firing")]).1.then_some(())
            });
            all_decided(&served, &quiet_reader, n + 1);
            times.push(since.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
    });
    all_decided(&served, &loud_reader, sent.load(Ordering::Relaxed));
    times.sort_unstable();
    eprintln!("beside {} events of a loud tenant a quiet one's were decided within {times:?}", sent.into_inner());
    // Behind the loud one's backlog all of them would wait longer and longer; one may where the machine has other work.
    assert!(times[times.len() / 2] < Duration::from_secs(5), "{times:?}");
    assert!(*times.last().unwrap() < Duration::from_secs(30), "{times:?}");
}

#[test]
fn a_topology_that_is_replaced_under_load_leaves_decisions_that_come_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let (source, boss) = (token(folder.path(), "source", "mon"), token(folder.path(), "admin", "li"));
    let served = Stopped::at(folder).start(&[]);
    let versions = number("HEADWATER_TOPOLOGIES", 6);
    let mut accepted = 0;
    for version in 0..versions {
        // Every version has another server below each rack, and another root above all.
        let cis: Vec<Value> = (0..30).map(|n| json!({ "id": format!("o{n}"), "class": "server" })).collect();
        let rack = json!({ "id": format!("rack-{version}"), "class": "rack" });
        let relation = |n: u64| json!({ "from": format!("rack-{version}"), "type": "contains", "to": format!("o{}", (n + version) % 30) });
        let relations: Vec<Value> = (0..20).map(relation).collect();
        let cis: Vec<Value> = cis.into_iter().chain([rack]).collect();
        let text = json!({ "cis": cis, "relations": relations }).to_string();
        let mut request = Request::post("/api/v1/topology", &boss, text.as_bytes());
        request.method = "PUT";
        let put = served.send(&request);
        assert_eq!(put.status, 202, "{}", put.text());
        for _ in 0..4 {
            let from = accepted;
            let batch: Vec<Value> = (from..from + 50).map(|n| event(n, &format!("o{}", n % 30), "firing")).collect();
            assert!(post(&served, &source, &batch).1);
            accepted += 50;
        }
    }
    let account = all_decided(&served, &boss, accepted);
    assert_eq!(account["balanced"], true, "{account}");
    assert_eq!(served.metrics(&boss)["headwater_decisions_diverged_total"], 0.0);
    let replayed = headwater(&["replay", &data]);
    replayed.does(&["0 differ"]);
}

#[test]
fn a_backlog_is_worked_off_faster_than_it_came_and_nothing_ends_by_itself() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let (folder, events) = (tempfile::tempdir().unwrap(), number("HEADWATER_BACKLOG_EVENTS", 20_000));
    let file = folder.path().join("headwater.yaml");
    std::fs::write(&file, format!("nats:\n  urls: [{}]\n", server.url())).unwrap();
    let arguments = ["--config", file.to_str().unwrap()];
    let (served, reader) = Served::start(&arguments);
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let down = served.stop();
    let now = headwater::clock::machine()();
    let fresh = |n: u64| {
        let mut event = event(n, &format!("o{n}"), "firing");
        event["starts_at"] = json!(now.to_string());
        event
    };
    let packed = |from: u64| json!((from..(from + 200).min(events)).map(fresh).collect::<Vec<_>>()).to_string();
    let since = Instant::now();
    let messages = (0..events).step_by(200).map(|from| ("src.default.mon.event".to_owned(), None, packed(from)));
    publish(&server, messages.collect());
    let came_in = since.elapsed();
    let since = Instant::now();
    let served = down.start(&arguments);
    let account = all_decided(&served, &reader, events);
    let took = since.elapsed();
    eprintln!(
        "{events} events had come in {came_in:?}; worked off in {took:?}: {:.0} a second",
        events as f64 / took.as_secs_f64()
    );
    assert_eq!((&account["balanced"], &account["applied"]["resolved"]), (&json!(true), &json!(0)), "{account}");
    assert_eq!(served.metrics(&reader)["headwater_alerts_firing"], events as f64);
}
