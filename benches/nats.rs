//! Alerts over NATS until they are applied and committed, against what the same server and the same bytes allow: publish,
//! store, consume, parse, look the id up, acknowledge. One server, one copy, turn by turn.
//!
//! `cargo bench --bench nats`; the server is `target/test-venv/bin/nats-server` (tests/run.sh installs it), else the one on
//! the path.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull::Config as Pull;
use async_nats::jetstream::stream::Config as Stream;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use headwater::clock::machine;
use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::decode::{Body, Context, native};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::intake::bus::Bus;
use headwater::journal::Durability;
use headwater::nats::connect::{Nats, connect};
use headwater::nats::queue::Size;
use headwater::nats::settings::Settings;
use headwater::pipeline::{Options, Pace};
use headwater::projection::history::retention::Retention;
use headwater::serve;
use tokio::time::sleep;

/// Alerts in a message, and how many are sent in all.
const LOADS: [(usize, usize); 2] = [(1, 60_000), (100, 300_000)];
/// Times that everything is measured; the middle one is told.
const ROUNDS: usize = 3;
/// Messages that are published before the first confirmation is read.
const IN_FLIGHT: usize = 1024;
/// The port of the server.
const PORT: u16 = 28_411;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn server(store: &Path) -> Server {
    let ours = PathBuf::from("target/test-venv/bin/nats-server");
    let program = if ours.exists() { ours } else { PathBuf::from("nats-server") };
    let child = Command::new(program)
        .args(["-c", "deploy/nats/one.conf"])
        .env("HEADWATER_NATS_NAME", "bench")
        .env("HEADWATER_NATS_PORT", PORT.to_string())
        .env("HEADWATER_NATS_MONITOR_PORT", (PORT + 1).to_string())
        .env("HEADWATER_NATS_STORE", store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server can be started");
    Server(child)
}

/// Alert `n`: about 500 bytes, none like another.
fn alert(n: usize) -> String {
    let (host, rule) = (n % 4000, n / 4000);
    format!(
        r#"{{"id":"e-{n}","status":"firing","severity":"major","name":"HighRequestLatency{rule}","title":"Request latency of app-{host} is high","description":"The 99th percentile has been above two seconds for more than five minutes","object":{{"name":"app-{host}","ip":"10.0.{}.{}"}},"labels":{{"job":"node","cluster":"gov-cloud-a","namespace":"pay","zone":"zone-1","replica":"r-0"}},"annotations":{{"runbook":"RB-17"}},"starts_at":"2026-01-05T00:00:03.914Z"}}"#,
        host / 250,
        host % 250
    )
}

fn messages(batch: usize, alerts: usize) -> Vec<Bytes> {
    let numbers: Vec<usize> = (0..alerts).collect();
    let message = |numbers: &[usize]| {
        let all: Vec<String> = numbers.iter().map(|n| alert(*n)).collect();
        Bytes::from(format!("[{}]", all.join(",")))
    };
    numbers.chunks(batch).map(message).collect()
}

async fn publish(nats: Nats, subject: &str, messages: Vec<Bytes>) {
    let mut waiting = FuturesUnordered::new();
    for message in messages {
        if waiting.len() >= IN_FLIGHT {
            let confirmed: Option<Result<_, async_nats::jetstream::context::PublishError>> = waiting.next().await;
            confirmed.expect("something waits").expect("confirmed");
        }
        let sent = nats.jetstream.publish(subject.to_owned(), message).await.expect("sent");
        waiting.push(sent.into_future());
    }
    while let Some(confirmed) = waiting.next().await {
        confirmed.expect("confirmed");
    }
}

/// What the server and the bytes allow.
async fn limit(nats: &Nats, messages: Vec<Bytes>, alerts: usize) -> Duration {
    let config = Stream { name: "LIMIT".into(), subjects: vec!["limit".into()], ..Stream::default() };
    let stream = nats.jetstream.create_stream(config).await.expect("made");
    let pull = Pull { durable_name: Some("limit".into()), max_ack_pending: 4096, ..Pull::default() };
    let consumer = stream.create_consumer(pull).await.expect("made");
    let mut read = consumer.stream().max_messages_per_batch(256).messages().await.expect("read");
    let formats = Formats::built_in();
    let (tenant, source) = (TenantId::from("default"), SourceId::from("bench"));
    let started = Instant::now();
    let publishing = tokio::spawn(publish(nats.clone(), "limit", messages));
    let mut seen: HashSet<Box<str>> = HashSet::new();
    while seen.len() < alerts {
        let message = read.next().await.expect("a message").expect("a message");
        let context = Context {
            tenant: &tenant,
            source: &source,
            received_at: Some(machine()()),
            severities: &formats.severities,
            limits: &Limits::MODEL,
        };
        let decoded = native::decode(Body::from(&message.payload[..]), &context).expect("readable");
        seen.extend(decoded.events.into_iter().map(|event| event.id));
        message.ack().await.expect("acknowledged");
    }
    let took = started.elapsed();
    publishing.await.expect("published");
    nats.jetstream.delete_stream("LIMIT").await.expect("deleted");
    took
}

/// The same through the whole program: journaled, applied, committed.
async fn ours(nats: &Nats, messages: Vec<Bytes>, alerts: usize, durability: Durability) -> Duration {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let clock = machine();
    let (retention, pace) = (Retention::default(), Pace::default());
    let options = Options { durability, clock: clock.clone(), receivers: None, retention, pace };
    let pipeline = serve::start(folder.path(), options).await.expect("started");
    let tokens = Arc::new(serve::tokens(folder.path()).expect("a folder"));
    let intake = serve::intake(&pipeline, &tokens, Default::default(), Formats::built_in(), &clock);
    let tenant = TenantId::from("default");
    let size = Size { bytes_max: 4 << 30, replicas: 1 };
    let bus = Bus::open(intake, nats.clone(), tenant.clone(), size).await.expect("opened");
    let taking = tokio::spawn(bus.run());
    let started = Instant::now();
    let publishing = tokio::spawn(publish(nats.clone(), "src.default.bench.event", messages));
    let is_done = || {
        let shown = pipeline.live.read();
        let counts = shown.tenant(&tenant).map(|tenant| tenant.conservation.clone()).unwrap_or_default();
        counts.accepted >= alerts as u64 && counts.pending == 0
    };
    while !is_done() {
        sleep(Duration::from_millis(1)).await;
    }
    let took = started.elapsed();
    publishing.await.expect("published");
    taking.abort();
    let stopped = pipeline.clone();
    tokio::task::spawn_blocking(move || stopped.stop()).await.expect("stopped");
    nats.jetstream.delete_stream("SRC-default").await.expect("deleted");
    took
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

async fn measure() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let _server = server(folder.path());
    let settings = Settings { urls: vec![format!("nats://127.0.0.1:{PORT}")], replicas: 1, ..Settings::default() };
    let nats = loop {
        match connect(&settings).await {
            Ok(nats) => break nats,
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    };
    println!("alerts/message  limit, alerts/s  headwater process (ratio)  headwater power (ratio)");
    for (batch, alerts) in LOADS {
        let (mut limits, mut process, mut power) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let rate = |took: Duration| alerts as f64 / took.as_secs_f64();
            limits.push(rate(limit(&nats, messages(batch, alerts), alerts).await));
            process.push(rate(ours(&nats, messages(batch, alerts), alerts, Durability::Process).await));
            power.push(rate(ours(&nats, messages(batch, alerts), alerts, Durability::Power).await));
        }
        let (limit, process, power) = (middle(limits), middle(process), middle(power));
        println!(
            "{batch:>14}  {limit:>15.0}  {process:>17.0} ({:.2})  {power:>15.0} ({:.2})",
            process / limit,
            power / limit
        );
    }
}

fn main() {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(measure());
}
