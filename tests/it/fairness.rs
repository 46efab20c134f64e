//! One source floods, another one sends calmly: nothing of the calm one is refused, and it does not wait for the flood.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};

use crate::program::{Setup, client, token};
use crate::running::number;

/// Senders of the flood, each with connections of its own, and events in each of its bodies.
const FLOODING: usize = 16;
const BODY_EVENTS: usize = 500;
/// No event of the calm source may take longer; it is a bound for a slow machine, not what is usual.
const WAIT_MAX: Duration = Duration::from_secs(5);

fn event(name: &str, object: usize) -> Value {
    let filling = "a sentence of some length, as monitors write them, about what is wrong and since when";
    json!({ "name": name, "severity": "warning", "title": filling, "description": filling,
            "object": { "name": format!("{name}-{object}") }, "starts_at": "2026-05-04T10:00:00Z" })
}

/// What came of the flood.
#[derive(Default)]
struct Flood {
    is_over: AtomicBool,
    accepted: AtomicU64,
    refused: AtomicU64,
}

async fn flood(url: String, token: String, body: Arc<String>, flood: Arc<Flood>) {
    let client = client();
    while !flood.is_over.load(Ordering::Relaxed) {
        let post = client.post(&url).bearer_auth(&token).header("content-type", "application/json");
        match post.body(body.as_str().to_owned()).send().await.map(|answer| answer.status().as_u16()) {
            Ok(202) => drop(flood.accepted.fetch_add(BODY_EVENTS as u64, Ordering::Relaxed)),
            Ok(503) => drop(flood.refused.fetch_add(1, Ordering::Relaxed)),
            other => panic!("{other:?}"),
        }
    }
}

/// Sends one event after the other; how long each took.
async fn calm(client: &Client, setup: &Setup, token: &str, events: u64) -> Vec<Duration> {
    let mut took = Vec::new();
    for n in 0..events {
        let since = Instant::now();
        let post = client.post(setup.url("/api/v1/events")).bearer_auth(token).json(&event("calm", n as usize));
        let answer = post.send().await.unwrap();
        took.push(since.elapsed());
        assert_eq!(answer.status(), 202, "event {n} of the calm source: {:?}", answer.text().await);
    }
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_over_http_neither_refuses_nor_delays_another_source() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path(), "durability: process\nintake: { in_flight_bytes_max: 1048576 }\n");
    let (loud, quiet) = (token(&setup.data, "source", "loud"), token(&setup.data, "source", "quiet"));
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let events = number("HEADWATER_CALM_EVENTS", 100);
    let body = Arc::new(json!((0..BODY_EVENTS).map(|n| event("loud", n)).collect::<Vec<_>>()).to_string());
    let state = Arc::new(Flood::default());
    let senders: Vec<_> = (0..FLOODING)
        .map(|_| tokio::spawn(flood(setup.url("/api/v1/events"), loud.clone(), body.clone(), state.clone())))
        .collect();
    // The flood has to be there: some of it is taken, and some is too much.
    let since = Instant::now();
    while state.accepted.load(Ordering::Relaxed) == 0 || state.refused.load(Ordering::Relaxed) == 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "no flood\n{}", setup.log());
        tokio::task::yield_now().await;
    }
    let took = calm(&client, &setup, &quiet, events).await;
    state.is_over.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    let (accepted, refused) = (state.accepted.load(Ordering::Relaxed), state.refused.load(Ordering::Relaxed));
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "calm: {events} events, median {median:?}, longest {longest:?}; flood: {accepted} events taken, {refused} bodies refused"
    );
    assert!(longest < WAIT_MAX, "median {median:?}, longest {longest:?}");
    let account = setup.all_decided(&client, accepted + events).await;
    assert_eq!(
        (account["accepted"].as_u64(), &account["balanced"]),
        (Some(accepted + events), &json!(true)),
        "{account}"
    );
    program.stop();
}
