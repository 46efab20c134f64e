//! Program and nats-server are killed at random moments while a source publishes. Afterwards the journal, the outbox and
//! what was told on NATS are counted from outside: nothing confirmed is lost, nothing is invented or decided twice, and
//! whatever was told twice has the same id and the same words.
//!
//! `HEADWATER_NATS_EVENTS` and `HEADWATER_NATS_KILLS` make it longer (`just nats-soak`); `HEADWATER_SEED` repeats a run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull::Config;
use futures::StreamExt as _;
use headwater::nats::connect::{Nats, connect};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::server::{PATIENCE, Program, Server, settings};
use crate::kill::account::{Account, Sent};
use crate::program::{Program as Running, Setup, client};
use crate::running::number;

/// Events in one message.
const PACKED: u64 = 50;
/// Objects that the events are about.
const OBJECTS: u64 = 3000;

/// Event `n`: of every object one fires and is resolved in turn.
fn event(n: u64) -> Value {
    let (object, round) = (n % OBJECTS, n / OBJECTS);
    let at = headwater::domain::time::Timestamp(1_700_000_000_000 + n as i64);
    let status = if round.is_multiple_of(2) { "firing" } else { "resolved" };
    json!({ "id": format!("e{n}"), "name": "Down", "severity": "minor", "title": format!("object {object} is down"),
            "status": status, "object": { "name": format!("object-{object}") }, "starts_at": at.to_string() })
}

/// Publishes events as far as it is allowed, each message until it is confirmed; notes what was tried and confirmed.
async fn publish_all(url: String, events: u64, allowed: &AtomicU64) -> Sent {
    let nats = reach(&url).await;
    let mut sent = Sent::default();
    let mut from = 0;
    while from < events {
        if from >= allowed.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let numbers = from..(from + PACKED).min(events);
        let ids: Vec<String> = numbers.clone().map(|n| format!("e{n}")).collect();
        sent.tried.extend(ids.iter().cloned());
        let body = serde_json::to_vec(&numbers.clone().map(event).collect::<Vec<_>>()).unwrap();
        let ack = match nats.jetstream.publish("src.default.mon.event", body.into()).await {
            Ok(ack) => ack.await,
            Err(error) => Err(error),
        };
        // Whether it is stored is not known: it is sent again, under the same ids.
        if ack.is_ok() {
            sent.acknowledged.extend(ids);
            from = numbers.end;
        }
    }
    sent
}

async fn reach(url: &str) -> Nats {
    let end = Instant::now() + PATIENCE;
    loop {
        match connect(&settings(vec![url.to_owned()])).await {
            Ok(nats) => return nats,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Everything that was told: by id, how often; checks that the same id has the same words and that versions grow.
async fn told(nats: &Nats) -> BTreeMap<String, u64> {
    let stream = nats.jetstream.get_stream("HEADWATER-OUT").await.unwrap();
    let mut left = stream.cached_info().state.messages;
    let config = Config { ack_policy: AckPolicy::None, ..Config::default() };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let (mut words, mut times): (BTreeMap<String, Value>, BTreeMap<String, u64>) = Default::default();
    while left > 0 {
        let message = messages.next().await.unwrap().unwrap();
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        *times.entry(id.clone()).or_default() += 1;
        let first = words.entry(id.clone()).or_insert_with(|| event.clone());
        assert_eq!(*first, event, "{id} was told in other words");
        left -= 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_program_and_nats_server_lose_nothing_that_was_confirmed() {
    let Some(path) = Program::Recent.path() else { return };
    let (events, kills) = (number("HEADWATER_NATS_EVENTS", 15_000), number("HEADWATER_NATS_KILLS", 20));
    let seed = number("HEADWATER_SEED", rand::random());
    eprintln!("HEADWATER_SEED={seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let root = tempfile::tempdir().unwrap();
    let mut server = Server::start(&path, "one.conf".as_ref());
    let setup = Setup::new(root.path(), &json!({ "nats": { "urls": [server.url()] } }).to_string());
    let allowed = AtomicU64::new(0);
    let client = client();
    let start = || setup.start(&["--durability", "process"]);
    let mut program = start();
    program.answers(&client).await;
    let mut program = Some(program);
    let url = server.url();
    let mut killed = (0_u64, 0_u64);
    let killing = async {
        for round in 1..=kills {
            // Each life is given its share, and ends at some moment while that is published, taken, decided and told.
            allowed.store(events * round / kills, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(dice.gen_range(0..700))).await;
            if dice.gen_ratio(1, 3) {
                server.kill();
                killed.1 += 1;
                server.run();
            } else {
                program.take().into_iter().for_each(Running::kill);
                program = Some(start());
                killed.0 += 1;
            }
        }
    };
    let (sent, ()) = tokio::join!(publish_all(url, events, &allowed), killing);
    drop(program);
    let mut program = start();
    program.answers(&client).await;
    let numbers = settled(&setup, &client, events).await;
    let nats = reach(&server.url()).await;
    let told = told(&nats).await;
    let left = nats.jetstream.get_stream("SRC-default").await.unwrap().cached_info().state.messages;
    program.stop();
    let account = Account::read(&setup.data);
    account.check_decisions();
    account.check_events(&sent, &numbers);
    let untold: Vec<String> = account.tellings().into_iter().filter(|id| !told.contains_key(id)).collect();
    assert!(untold.is_empty(), "{} are never told, like {:?}", untold.len(), untold.first());
    let again: u64 = told.values().map(|times| times - 1).sum();
    eprintln!(
        "{events} events confirmed, {} kills of the program, {} of nats-server: 0 lost; {} messages told, {again} of them \
         again under the same id; {left} left in the stream",
        killed.0,
        killed.1,
        told.len()
    );
    let log = setup.log();
    assert!(!log.contains("came out differently") && !log.contains("panicked"), "{log}");
}

/// Waits until all is decided and nothing comes any more.
async fn settled(setup: &Setup, client: &reqwest::Client, events: u64) -> Value {
    let (mut last, end) = (Value::Null, Instant::now() + 4 * PATIENCE);
    loop {
        let numbers = setup.get(client, "/api/v1/conservation").await.unwrap_or_default();
        if numbers["accepted"].as_u64() >= Some(events) && numbers["pending"] == 0 && numbers == last {
            return numbers;
        }
        assert!(Instant::now() < end, "not settled: {numbers}\n{}", setup.log());
        last = numbers;
        // Longer than a message that was taken and not let go of takes to come again.
        let quiet = if last["pending"] == 0 { Duration::from_secs(12) } else { Duration::from_millis(100) };
        tokio::time::sleep(quiet).await;
    }
}
