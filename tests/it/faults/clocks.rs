//! The machine's clock jumps under the running program, and time passes while it is stopped (rows 35 and 36).

use std::time::Duration;

use headwater::clock::machine;
use headwater::domain::time::{Span, Timestamp};
use headwater::journal::sqlite::{OpenOptions, Store};
use headwater::journal::{Durability, Journal};
use reqwest::Client;
use serde_json::{Value, json};

use super::shim::Shim;
use crate::program::{Setup, client};

const HOUR_MS: i64 = 3_600_000;

async fn post(setup: &Setup, client: &Client, path: &str, body: &Value) -> Value {
    let (status, told) = setup.post(client, path, body).await;
    assert_eq!(status, 202, "{path}: {told}");
    told
}

async fn raise(setup: &Setup, client: &Client, n: u32) {
    let now = machine()();
    let event = json!({ "id": format!("e{n}"), "name": "CoreDown", "severity": "critical", "title": "down",
                        "object": { "name": format!("core-{n}") }, "starts_at": now.to_string() });
    post(setup, client, "/api/v1/events", &event).await;
    setup.all_decided(client, u64::from(n)).await;
}

async fn silence(setup: &Setup, client: &Client, until: Timestamp, object: &str) -> String {
    let body = json!({ "matchers": [[{ "field": "object", "value": object }]], "ends_at": until.to_string() });
    post(setup, client, "/api/v1/silences", &body).await["id"].as_str().unwrap().to_owned()
}

async fn silences(setup: &Setup, client: &Client) -> Vec<String> {
    let listed = setup.get(client, "/api/v1/silences").await.expect("it answers");
    listed["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Stamps of all records.
fn stamps(setup: &Setup) -> Vec<Timestamp> {
    let options = OpenOptions { durability: Durability::Process, ballast_bytes: 0, ..OpenOptions::new(machine()) };
    let store = Store::open(&setup.data, options).unwrap();
    Journal::read_after(&store, 0, usize::MAX).unwrap().into_iter().map(|record| record.stamp).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_ends_nothing_early_and_stops_no_timer() {
    let root = tempfile::tempdir().unwrap();
    let setup = Setup::new(root.path(), "{}");
    let (shim, client) = (Shim::over(&setup.data), client());
    let mut program = setup.start_with(&["--durability", "process"], &shim.environment());
    program.answers(&client).await;
    raise(&setup, &client, 1).await;
    let kept = silence(&setup, &client, machine()().plus(Span::hours(1)), "core-9").await;
    let incidents = setup.get(&client, "/api/v1/incidents?limit=50").await.unwrap();
    let first = incidents["items"][0]["id"].as_str().unwrap().to_owned();
    // Ten years forwards, an hour forwards, an hour backwards; each for some seconds, with events.
    for (n, jump) in [(2, 87_600 * HOUR_MS), (3, HOUR_MS), (4, -HOUR_MS)] {
        shim.move_clock(jump);
        raise(&setup, &client, n).await;
        // Timers fire by the time that has really passed.
        let until = machine()().plus(Span::secs(2)).to_string();
        let woken = woken_at(&setup, &client, &first).await.len();
        post(&setup, &client, &format!("/api/v1/incidents/{first}/snooze"), &json!({ "until": until })).await;
        let since = std::time::Instant::now();
        while woken_at(&setup, &client, &first).await.len() == woken {
            assert!(since.elapsed() < Duration::from_secs(30), "with the clock {jump} ms off a timer does not fire");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(silences(&setup, &client).await.contains(&kept), "a silence of an hour ended early");
        shim.move_clock(0);
    }
    let incidents = setup.get(&client, "/api/v1/incidents?limit=50").await.unwrap();
    let open = incidents["items"].as_array().unwrap().iter().filter(|one| one["state"] == "abnormal").count();
    assert_eq!(open, 4, "{incidents}");
    assert!(setup.log().contains("the machine's clock"), "nobody is told of it: {}", setup.log());
    program.stop();
    let (stamps, now) = (stamps(&setup), machine()());
    assert!(stamps.is_sorted(), "time goes on only");
    let last = *stamps.last().unwrap();
    assert!(last.since(now) < Span::secs(5), "the journal is at {last}, and it is {now}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_due_while_it_was_stopped_happens_once_in_due_order() {
    let root = tempfile::tempdir().unwrap();
    let setup = Setup::new(root.path(), "{}");
    let (shim, client) = (Shim::over(&setup.data), client());
    let mut program = setup.start_with(&["--durability", "process"], &shim.environment());
    program.answers(&client).await;
    raise(&setup, &client, 1).await;
    raise(&setup, &client, 2).await;
    let incidents = setup.get(&client, "/api/v1/incidents?limit=50").await.unwrap();
    let ids: Vec<String> =
        incidents["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 2, "{incidents}");
    let began = machine()();
    // The second one is due first.
    for (id, minutes) in ids.iter().zip([40, 20]) {
        let until = began.plus(Span::mins(minutes)).to_string();
        post(&setup, &client, &format!("/api/v1/incidents/{id}/snooze"), &json!({ "until": until })).await;
    }
    for id in &ids {
        let path = format!("/api/v1/incidents/{id}");
        setup.until(&client, &path, "it is snoozed", |told| !told["snoozed_until"].is_null()).await;
    }
    program.stop();
    shim.move_clock(HOUR_MS);
    let mut woken: Vec<Vec<Timestamp>> = Vec::new();
    for _ in 0..2 {
        let mut program = setup.start_with(&["--durability", "process"], &shim.environment());
        program.answers(&client).await;
        woken.clear();
        for id in &ids {
            let path = format!("/api/v1/incidents/{id}/timeline");
            woken.push(wakings(&setup.until(&client, &path, "it is woken", |told| !wakings(told).is_empty()).await));
        }
        program.stop();
    }
    let due = |minutes| began.plus(Span::mins(minutes));
    assert_eq!(woken.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1], "each once, also after a second start");
    assert_eq!(
        [woken[0][0].0 / 1000, woken[1][0].0 / 1000],
        [due(40).0 / 1000, due(20).0 / 1000],
        "at their own times"
    );
}

/// When an incident was woken, by its timeline.
async fn woken_at(setup: &Setup, client: &Client, id: &str) -> Vec<Timestamp> {
    wakings(&setup.get(client, &format!("/api/v1/incidents/{id}/timeline")).await.expect("it answers"))
}

fn wakings(timeline: &Value) -> Vec<Timestamp> {
    let entries = timeline["items"].as_array().unwrap().iter();
    let woken = entries.filter(|entry| entry["kind"] == "woken");
    woken.map(|entry| Timestamp::parse(entry["at"].as_str().unwrap()).unwrap()).collect()
}
