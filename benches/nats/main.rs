//! Alerts over NATS until they are applied and committed, by the real program and real servers.
//!
//! `cargo bench --bench nats`, or with some of the words `rates`, `latency`, `backlog`, `instances`, `takeover`; a number is the
//! alerts of `backlog` and `takeover`. The server is `target/test-venv/bin/nats-server` (tests/run.sh installs it), else the
//! one on the path.

mod limit;
mod load;
mod program;
mod servers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use headwater::nats::connect::Nats;
use tokio::time::{interval, sleep, timeout};

use limit::limit;
use load::{messages, probe, publish};
use program::{Journal, Plan, Program};
use servers::Servers;

/// Alerts in a message, and how many are sent in all.
const LOADS: [(usize, usize); 2] = [(1, 60_000), (100, 300_000)];
/// Times that a rate is measured; the middle one is told.
const ROUNDS: usize = 3;
/// Alerts of a backlog and of a takeover, unless said otherwise.
const MANY: usize = 1_000_000;
/// Alerts in a message where it does not matter.
const PACK: usize = 100;
/// How long the next incident is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Probes of one latency, and the time between two.
const PROBES: usize = 400;
const PROBE_PAUSE: Duration = Duration::from_millis(25);

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn per_second(alerts: usize, took: Duration) -> f64 {
    alerts as f64 / took.as_secs_f64()
}

/// Takes everything away that a measurement left.
async fn clear(nats: &Nats) {
    let names: Vec<_> = nats.jetstream.stream_names().collect().await;
    for name in names.into_iter().map_while(Result::ok) {
        nats.jetstream.delete_stream(name).await.expect("deleted");
    }
}

/// Alerts per second from the first message to the last one applied.
async fn rate(servers: &Servers, plan: &Plan, batch: usize, alerts: usize) -> f64 {
    let nats = servers.client().await;
    clear(&nats).await;
    let program = Program::start(servers, plan).await;
    let load = messages(batch, 0, alerts);
    let started = Instant::now();
    let publishing = tokio::spawn(publish(nats, plan.subjects(), load));
    program.applied(alerts as u64).await;
    let took = started.elapsed();
    publishing.await.expect("published");
    per_second(alerts, took)
}

async fn rates() {
    println!("copies  alerts/message  durability  limit, alerts/s  journal in a file (ratio)  in streams (ratio)");
    for (copies, durability) in [(1, "process"), (1, "power"), (3, "process"), (3, "power")] {
        let servers = Servers::start(copies, durability == "power").await;
        let nats = servers.client().await;
        for (batch, many) in LOADS {
            // A single message costs a server with one copy a sync each.
            let alerts = if batch == 1 && durability == "power" { many / 10 } else { many };
            let (mut limits, mut file, mut streams) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                clear(&nats).await;
                limits.push(per_second(alerts, limit(&nats, copies, messages(batch, 0, alerts), alerts).await));
                file.push(rate(&servers, &Plan::new(Journal::File, durability), batch, alerts).await);
                streams.push(rate(&servers, &Plan::new(Journal::Streams, durability), batch, alerts).await);
            }
            let (limit, file, streams) = (middle(limits), middle(file), middle(streams));
            println!(
                "{copies:>6}  {batch:>14}  {durability:>10}  {limit:>15.0}  {file:>17.0} ({:.2})  {streams:>14.0} ({:.2})",
                file / limit,
                streams / limit
            );
        }
    }
}

/// From the publishing of critical events to their incidents on NATS, beside a load: half of them, and all but one in a
/// hundred.
async fn probe_all(nats: &Nats, from: usize) -> (Duration, Duration) {
    let mut told = nats.client.subscribe("incidents.default.opened").await.expect("subscribed");
    // A subject that nobody has sent on is found within a quarter of a second: that is no part of what is measured.
    publish(nats.clone(), vec!["src.default.probe.event".into()], vec![probe(from + PROBES)]).await;
    timeout(PATIENCE, told.next()).await.expect("an incident in time").expect("a message");
    let sent = Arc::new(Mutex::new(BTreeMap::new()));
    let (of, client) = (sent.clone(), nats.clone());
    let sending = tokio::spawn(async move {
        let mut pace = interval(PROBE_PAUSE);
        for n in from..from + PROBES {
            pace.tick().await;
            of.lock().expect("no panic").insert(format!("probe-{n}-x"), Instant::now());
            publish(client.clone(), vec!["src.default.probe.event".into()], vec![probe(n)]).await;
        }
    });
    let mut took = Vec::new();
    while took.len() < PROBES {
        let message = timeout(PATIENCE, told.next()).await.expect("an incident in time").expect("a message");
        let (now, text) = (Instant::now(), String::from_utf8_lossy(&message.payload).into_owned());
        let mut sent = sent.lock().expect("no panic");
        if let Some(name) = sent.keys().find(|name| text.contains(name.as_str())).cloned() {
            took.push(now - sent.remove(&name).expect("just found"));
        }
    }
    sending.await.expect("sent");
    took.sort();
    (took[PROBES / 2], took[PROBES * 99 / 100])
}

async fn latency() {
    println!("journal  load, alerts/s (share of capacity)  p50 ms  p99 ms");
    let servers = Servers::start(1, false).await;
    let nats = servers.client().await;
    for (journal, name) in [(Journal::File, "file"), (Journal::Streams, "streams")] {
        let plan = Plan { publish: true, ..Plan::new(journal, "process") };
        let capacity = rate(&servers, &plan, 10, 150_000).await;
        for share in [0, 10, 50, 90] {
            clear(&nats).await;
            let program = Program::start(&servers, &plan).await;
            let per_message = 10;
            let wanted = capacity * f64::from(share) / 100.0;
            let client = nats.clone();
            let load = tokio::spawn(async move {
                let mut pace = interval(Duration::from_millis(10));
                let mut next = 0;
                let started = Instant::now();
                if share == 0 {
                    return;
                }
                loop {
                    pace.tick().await;
                    let due = (started.elapsed().as_secs_f64() * wanted) as usize;
                    let due = due.saturating_sub(next) / per_message * per_message;
                    publish(client.clone(), vec!["src.default.bench.event".into()], messages(per_message, next, due))
                        .await;
                    next += due;
                }
            });
            // The first second is for what is made once.
            sleep(Duration::from_secs(1)).await;
            let (p50, p99) = probe_all(&nats, 0).await;
            load.abort();
            println!(
                "{name:>7}  {wanted:>15.0} ({share:>2} % of {capacity:.0})  {:.1}  {:.1}",
                p50.as_secs_f64() * 1e3,
                p99.as_secs_f64() * 1e3
            );
            drop(program);
        }
    }
}

async fn backlog(alerts: usize) {
    let servers = Servers::start(1, false).await;
    let nats = servers.client().await;
    for (journal, name) in [(Journal::File, "file"), (Journal::Streams, "streams")] {
        clear(&nats).await;
        let plan = Plan::new(journal, "process");
        let mut program = Program::start(&servers, &plan).await;
        program.stop().await;
        for from in (0..alerts).step_by(100_000) {
            let load = messages(PACK, from, 100_000.min(alerts - from));
            publish(nats.clone(), plan.subjects(), load).await;
        }
        let started = Instant::now();
        program.run().await;
        let ready = started.elapsed();
        program.applied(alerts as u64).await;
        let took = started.elapsed();
        println!(
            "{name}: a backlog of {alerts} alerts, {PACK} to a message: ready after {:.1} s, level after {:.1} s, {:.0} alerts/s",
            ready.as_secs_f64(),
            took.as_secs_f64(),
            per_second(alerts, took - ready)
        );
    }
}

async fn instances() {
    let servers = Servers::start(1, false).await;
    let nats = servers.client().await;
    let tenants = ["north", "south", "east", "west"].map(str::to_owned).to_vec();
    let plan = Plan { tenants, ..Plan::new(Journal::Streams, "process") };
    let alerts = 200_000;
    for count in [1, 2, 1, 2] {
        clear(&nats).await;
        let mut all: Vec<Program> = Vec::new();
        for n in 0..count {
            let mut program = Program::new(&servers, &plan, &format!("i{n}"), all.first());
            program.run().await;
            all.push(program);
        }
        // Until each has its share.
        sleep(Duration::from_secs(6)).await;
        let load = messages(PACK, 0, alerts);
        let started = Instant::now();
        let publishing = tokio::spawn(publish(nats.clone(), plan.subjects(), load));
        for program in &all {
            program.applied(alerts as u64).await;
        }
        println!("{count} instances, four tenants: {:.0} alerts/s", per_second(alerts, started.elapsed()));
        publishing.await.expect("published");
    }
}

async fn takeover(alerts: usize) {
    let servers = Servers::start(1, false).await;
    let nats = servers.client().await;
    clear(&nats).await;
    let plan = Plan::new(Journal::Streams, "process");
    let mut first = Program::new(&servers, &plan, "first", None);
    first.run().await;
    let mut second = Program::new(&servers, &plan, "second", Some(&first));
    second.run().await;
    let mut sent = 0;
    for from in (0..alerts).step_by(100_000) {
        let count = 100_000.min(alerts - from);
        publish(nats.clone(), plan.subjects(), messages(PACK, from, count)).await;
        sent += count as u64;
    }
    first.applied(sent).await;
    second.applied(sent).await;
    let mut took = Vec::new();
    for n in 0..5 {
        while !first.decides().await && !second.decides().await {
            sleep(Duration::from_millis(100)).await;
        }
        if second.decides().await {
            std::mem::swap(&mut first, &mut second);
        }
        first.kill();
        let killed = Instant::now();
        publish(nats.clone(), plan.subjects(), vec![probe(n)]).await;
        sent += 1;
        second.applied(sent).await;
        took.push(killed.elapsed().as_secs_f64());
        let started = Instant::now();
        first.run().await;
        first.applied(sent).await;
        println!(
            "{alerts} alerts active: taken over {:.1} s after kill -9, the other one is back after {:.1} s",
            took[n],
            started.elapsed().as_secs_f64()
        );
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let many = words.iter().find_map(|word| word.parse().ok()).unwrap_or(MANY);
    let named = words.iter().any(|word| word.parse::<usize>().is_err());
    let wants = |word: &str| !named || words.iter().any(|said| said == word);
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        if wants("rates") {
            rates().await;
        }
        if wants("latency") {
            latency().await;
        }
        if wants("backlog") {
            backlog(many).await;
        }
        if wants("instances") {
            instances().await;
        }
        if wants("takeover") {
            takeover(many).await;
        }
    });
}
