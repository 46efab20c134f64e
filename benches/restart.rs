//! How long a start takes until state and views are there: behind a long journal, and with many active alerts.
//!
//! `cargo bench --bench restart`, or `cargo bench --bench restart -- 200000` for one number of alerts.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::clock::machine;
use headwater::domain::event::{Event, ObjectRef};
use headwater::domain::ids::TenantId;
use headwater::domain::partition::partition_of;
use headwater::domain::severity::Severity;
use headwater::engine::input::{Batch, Input};
use headwater::journal::{AppendError, Durability};
use headwater::pipeline::{Options, Pace, Pipeline};
use headwater::projection::history::retention::Retention;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn start(folder: &Path) -> Arc<Pipeline> {
    let retention = Retention::default();
    let pace = Pace::default();
    let options = Options { durability: Durability::Process, clock: machine(), receivers: None, retention, pace };
    Pipeline::start(folder, options).expect("the folder is ours")
}

/// An alert about an object of its own, with the labels that such alerts have.
fn event(n: usize, objects: usize) -> Event {
    let now = machine()();
    let mut event = Event::new(TenantId::from("city"), "zabbix".into(), "disk-nearly-full", now);
    event.severity = Severity::Warning;
    event.title = format!("file system /data on host-{} is at 91 %", n % objects).into();
    event.object = ObjectRef { name: Some(format!("host-{}", n % objects)), ..ObjectRef::default() };
    for (key, value) in [("mount", "/data"), ("env", "prod"), ("team", "storage"), ("region", "north-1")] {
        event.labels.insert(key, value);
    }
    event
}

/// Sends `events` in records of `size` and waits until all are shown.
fn fill(pipeline: &Pipeline, events: usize, size: usize, objects: usize) {
    let tenant = TenantId::from("city");
    let partition = partition_of(&tenant);
    let mut last = 0;
    for from in (0..events).step_by(size) {
        let events = (from..events.min(from + size)).map(|n| event(n, objects)).collect();
        let batch = Batch { tenant: tenant.clone(), events, rejected: Vec::new(), replay_of: None };
        last = loop {
            match pipeline.log.append_blocking(partition, Input::Batch(batch.clone())) {
                Ok(appended) => break appended.seq,
                Err(AppendError::TryLater { wait }) => std::thread::sleep(wait),
                Err(error) => panic!("{error}"),
            }
        };
    }
    while !pipeline.has_applied(partition, last) {
        assert_eq!(pipeline.health().failure(), None);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn rss_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn size_mib(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len() / (1024 * 1024))
}

/// Fills a folder, stops, and starts again twice.
fn measure(name: &str, events: usize, size: usize, objects: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = start(folder.path());
    let began = Instant::now();
    fill(&pipeline, events, size, objects);
    let filled = began.elapsed();
    let began = Instant::now();
    pipeline.stop();
    drop(pipeline);
    let stopped = began.elapsed();
    println!("{name}: filled in {:.1} s, stopped in {:.1} s", filled.as_secs_f64(), stopped.as_secs_f64());
    for _ in 0..2 {
        let began = Instant::now();
        let pipeline = start(folder.path());
        let took = began.elapsed();
        let report = pipeline.health().start();
        let alerts = pipeline.live.read().tenant(&TenantId::from("city")).map_or(0, |tenant| tenant.alerts.firing());
        let views: u64 = std::fs::read_dir(folder.path().join("views"))
            .map_or(0, |files| files.flatten().map(|file| size_mib(&file.path())).sum());
        println!(
            "{name}: ready in {:.2} s, {} records read of {}, {alerts} alerts fire, RSS {} MiB, database {} MiB, views {views} MiB",
            took.as_secs_f64(),
            report.records,
            pipeline.live.read().journal_seq,
            rss_mib(),
            size_mib(&folder.path().join("headwater.db")),
        );
        pipeline.stop();
    }
}

fn main() {
    let wanted: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if wanted.is_empty() {
        measure("100,000 records", 100_000, 1, 1_000);
    }
    for alerts in if wanted.is_empty() { vec![200_000, 1_000_000] } else { wanted } {
        measure(&format!("{alerts} alerts"), alerts, 500, alerts);
    }
}
