//! The door on NATS in trouble: connections that break, a stream that is full, messages that are poison, and sources that
//! mean harm. What was confirmed to a publisher is applied once or kept as a dead letter.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use headwater::nats::connect::{Nats, connect};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::front::{all_decided, event, get, publish, served, until};
use super::proxy::Proxy;
use super::server::{PATIENCE, Program, Server, settings};
use crate::served::Served;

fn sum(value: &Value) -> u64 {
    value.as_object().unwrap().values().filter_map(Value::as_u64).sum()
}

/// How many different events were applied.
fn applied(account: &Value) -> u64 {
    account["applied"]["total"].as_u64().unwrap() + sum(&account["muted"])
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<(String, Option<String>, String)> {
    numbers.map(|n| ("src.default.mon.event".to_owned(), None, event(n))).collect()
}

#[test]
fn broken_and_silent_connections_lose_and_repeat_nothing() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let proxy = Proxy::start(server.port());
    let folder = tempfile::tempdir().unwrap();
    let (served, token) = served(&proxy.url(), folder.path());
    for round in 0..8 {
        publish(&server, numbered(round * 50..(round + 1) * 50));
        proxy.cut();
    }
    let account = all_decided(&served, &token, 400);
    assert_eq!((applied(&account), &account["balanced"]), (400, &json!(true)), "{account}");
    // The line is dead, and nobody says so.
    proxy.hold();
    publish(&server, numbered(400..450));
    until("it notices", || {
        let ready = get(&served, &token, "/readyz");
        ready.to_string().contains("events over NATS wait").then_some(())
    });
    proxy.release();
    let account = all_decided(&served, &token, 450);
    assert_eq!(applied(&account), 450, "{account}");
}

#[test]
fn a_full_stream_refuses_its_publisher_and_takes_more_when_it_is_empty() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headwater.yaml");
    let text = format!("nats:\n  urls: [{}]\n  intake_bytes_max: 1048576\n", server.url());
    std::fs::write(&file, text).unwrap();
    let arguments = ["--config", file.to_str().unwrap()];
    let (first, token) = Served::start(&arguments);
    until("NATS is in use", || first.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let down = first.stop();
    let runtime = Runtime::new().unwrap();
    let padding = "x".repeat(2000);
    let (confirmed, refusal) = runtime.block_on(async {
        let nats = connect(&settings(vec![server.url()])).await.unwrap();
        for n in 0..10_000 {
            let mut event: Value = serde_json::from_str(&event(n)).unwrap();
            event["description"] = json!(padding);
            let sent = nats.jetstream.publish("src.default.mon.event", event.to_string().into()).await.unwrap();
            if let Err(error) = sent.await {
                return (n as u64, format!("{error:?}"));
            }
        }
        panic!("the stream is never full");
    });
    assert!(confirmed > 100 && refusal.contains("10077"), "{confirmed} {refusal}");
    let served = down.start(&arguments);
    let account = all_decided(&served, &token, confirmed);
    assert_eq!(applied(&account), confirmed, "{account}");
    publish(&server, numbered(20_000..20_010));
    assert_eq!(applied(&all_decided(&served, &token, confirmed + 10)), confirmed + 10);
}

#[test]
fn poison_becomes_dead_letters_and_what_is_good_flows() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let (served, token) = served(&server.url(), folder.path());
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let poison = [
        String::new(),
        "not json".into(),
        "[".repeat(100_000),
        "{\"name\":".into(),
        "null".into(),
        "[1,2,3]".into(),
        json!({ "events": "none" }).to_string(),
        json!({ "specversion": "1.0" }).to_string(),
        json!({ "specversion": "9", "id": "1", "source": "/x", "type": "t", "data": {} }).to_string(),
        event(1).replace("2026", "99999"),
        event(1).replace("major", "\\ud800"),
        format!("[{}]", vec!["{}"; 6000].join(",")),
    ];
    let mut messages = Vec::new();
    for (n, body) in poison.iter().enumerate() {
        messages.push(("src.default.mon.event".to_owned(), None, body.clone()));
        messages.extend(numbered(100 + n..101 + n));
    }
    let good = poison.len() as u64;
    publish(&server, messages);
    let account = until("the good ones are applied", || {
        let account = get(&served, &token, "/api/v1/conservation");
        (applied(&account) >= good && account["pending"] == 0).then_some(account)
    });
    // An unknown severity is no reason to refuse; all others are.
    let dead = sum(&account["dead_lettered"]);
    assert!(dead >= 10 && account["balanced"] == true, "{account}");
    let runtime = Runtime::new().unwrap();
    let left = runtime.block_on(async {
        let nats = connect(&settings(vec![server.url()])).await.unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let stream = nats.jetstream.get_stream("SRC-default").await.unwrap();
            let left = stream.cached_info().state.messages;
            if left == 0 || Instant::now() > end {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(left, 0, "nothing is stuck in the stream");
}

/// Whether the server took it for a repeat, or why it refused it.
async fn outcome(nats: &Nats, subject: &str, header: (&str, &str), body: &str) -> Result<bool, String> {
    let mut headers = HeaderMap::new();
    headers.insert(header.0, header.1);
    let sent = nats.jetstream.publish_with_headers(subject.to_owned(), headers, body.to_owned().into()).await;
    match sent {
        Ok(sent) => sent.await.map(|ack| ack.duplicate).map_err(|error| format!("{error:?}")),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn hostile_headers_are_refused_and_nobody_uses_up_the_ids_of_another() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let (served, token) = served(&server.url(), folder.path());
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    publish(&server, numbered(1..2));
    let hostile = [
        ("Nats-Rollup", "all"),
        ("Nats-Rollup", "sub"),
        ("Nats-TTL", "1s"),
        ("Nats-Schedule", "@at 2020-01-01T00:00:00Z"),
        ("Nats-Incr", "+1"),
        ("Nats-Batch-Id", "b"),
        ("Nats-Expected-Stream", "OTHER"),
    ];
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let nats = connect(&settings(vec![server.url()])).await.unwrap();
        for header in hostile {
            let answer = outcome(&nats, "src.default.evil.event", header, &event(50)).await;
            assert!(answer.is_err(), "{header:?} was taken");
        }
        // Another source takes the ids that ours is going to use, in the message and as the server's message id.
        for source in ["evil", "mon"] {
            let end = Instant::now() + PATIENCE;
            // The server's own window is a tenth of a second long: within it a publisher is told so.
            while outcome(&nats, &format!("src.default.{source}.event"), ("Nats-Msg-Id", "m-7"), &event(7))
                .await
                .unwrap()
            {
                assert!(Instant::now() < end, "{source} is taken for a repeat");
            }
        }
    });
    let account = all_decided(&served, &token, 3);
    assert_eq!((account["accepted"].as_u64(), applied(&account)), (Some(3), 3), "{account}");
}

#[test]
fn a_source_with_a_long_queue_delays_no_other() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    // The streams are made; then the queue grows while nobody reads it.
    let (program, token) = served(&server.url(), folder.path());
    until("NATS is in use", || program.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let stopped = program.stop();
    let (messages, packed) = (1_000_usize, 100_usize);
    let pack = |n: usize| {
        let events: Vec<String> = (n * packed..(n + 1) * packed).map(event).collect();
        ("src.default.noisy.event".to_owned(), None, format!("[{}]", events.join(",")))
    };
    publish(&server, (0..messages).map(pack).collect());
    publish(&server, vec![("src.default.quiet.event".into(), None, event(7))]);
    let program = stopped.start(&["--config", folder.path().join("headwater.yaml").to_str().unwrap()]);
    until("the quiet source is heard", || {
        let alerts = get(&program, &token, "/api/v1/alerts?source=quiet");
        (alerts["items"].as_array().unwrap().len() == 1).then_some(())
    });
    let all = (messages * packed) as u64 + 1;
    let account = get(&program, &token, "/api/v1/conservation");
    let accepted = account["accepted"].as_u64().unwrap();
    assert!(accepted < all / 2, "{accepted} of {all} events came before it");
    let account = all_decided(&program, &token, all);
    assert_eq!((applied(&account), &account["balanced"]), (all, &json!(true)), "{account}");
}
