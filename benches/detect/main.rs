//! Points per second of the detectors, and what a series weighs, beside what others need for the same points in the same run:
//! `peers.py` beside this file is run after it, with the Python that `HEADWATER_PEERS` names (river and NumPy are in it).
//!
//! ```text
//! cargo bench --bench detect             # all
//! cargo bench --bench detect -- scoring  # points per second
//! cargo bench --bench detect -- memory   # 100,000 series
//! ```

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use headwater::detect::joint::{Joint, Smooth};
use headwater::detect::log::templates::Templates;
use headwater::detect::stream::{Ear, Stream};
use headwater::detect::watch::{Limits, Watch};
use headwater::domain::event::ObjectRef;
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::label::Labels;
use headwater::domain::point::Point;
use headwater::domain::time::Timestamp;

const START: i64 = 1_704_067_200_000;
const STEP_MS: i64 = 300_000;

/// A busy day, a quiet night and some noise.
fn value(series: usize, n: usize) -> f64 {
    let mut state = (series as u64) << 32 | n as u64;
    state = (state ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let noise = (state >> 40) as f64 / f64::from(1 << 24);
    let day = (n % 288) as f64 / 288.0 * std::f64::consts::TAU;
    50.0 + 20.0 * day.sin() + 5.0 * noise
}

fn at(n: usize) -> Timestamp {
    Timestamp(START + n as i64 * STEP_MS)
}

fn told(what: &str, points: usize, began: Instant) {
    let secs = began.elapsed().as_secs_f64();
    println!("{what:44} {:>9.0} points/s  {:>7.3} µs/point", points as f64 / secs, secs * 1e6 / points as f64);
}

fn point(series: usize, n: usize) -> Point {
    Point {
        name: "cpu_usage".into(),
        object: ObjectRef { name: Some(format!("host-{series:06}")), ..ObjectRef::default() },
        labels: Labels::default(),
        value: value(series, n),
        at: at(n),
        unit: None,
        aspect: None,
        measure: None,
        worse: None,
        is_counter: false,
    }
}

fn scoring() {
    let values: Vec<f64> = (0..400_000).map(|n| value(0, n)).collect();
    let mut stream = Stream::default();
    let began = Instant::now();
    for (n, value) in values.iter().enumerate() {
        black_box(stream.take(at(n), *value, Ear::default(), |_| true));
    }
    told("one series, score and learn", values.len(), began);

    let (series, steps) = (1000, 400);
    let (tenant, source) = (TenantId::from("t"), SourceId::from("s"));
    let mut watch = Watch::new(Limits::of(series));
    let points: Vec<Vec<Point>> = (0..steps).map(|n| (0..series).map(|one| point(one, n)).collect()).collect();
    let began = Instant::now();
    for step in &points {
        for point in step {
            black_box(watch.take(&tenant, &source, point, point.at));
        }
    }
    told("1,000 series as in production", series * steps, began);

    let row = |n: usize| (0..8).map(|one| value(one, n)).collect::<Vec<f64>>();
    let rows: Vec<Vec<f64>> = (0..20_000).map(row).collect();
    let began = Instant::now();
    let joint = Joint::fit(&rows[..400]).expect("the rows move");
    println!("{:44} {:>9.1} ms", "T² and Q of 8 series, fit of 400 rows", began.elapsed().as_secs_f64() * 1e3);
    let mut smooth = Smooth::default();
    let began = Instant::now();
    for row in &rows {
        black_box(joint.judge(row, &mut smooth));
    }
    told("T² and Q of 8 series, rows", rows.len(), began);

    let lines: Vec<String> = (0..100_000)
        .map(|n| format!("Received block blk_{} of size {} from /10.250.{}.{}", n * 7919, n % 6710, n % 250, n % 199))
        .collect();
    let mut templates = Templates::new(1000);
    let began = Instant::now();
    for line in &lines {
        black_box(templates.take(line));
    }
    told("log lines, templates", lines.len(), began);
}

/// Bytes of this program in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}

fn memory() {
    let (series, steps) = (100_000, 300);
    let (tenant, source) = (TenantId::from("t"), SourceId::from("s"));
    let before = resident();
    let mut watch = Watch::new(Limits::of(series));
    let began = Instant::now();
    for n in 0..steps {
        for one in 0..series {
            let point = point(one, n);
            black_box(watch.take(&tenant, &source, &point, point.at));
        }
    }
    told("100,000 series, making the points counts too", series * steps, began);
    let bytes = resident() - before;
    println!("{:44} {:>9} B/series, {:.0} MiB", "memory", bytes / series, bytes as f64 / 1048576.0);
    let began = Instant::now();
    let kept = watch.keep();
    let size = kept.len() as f64 / 1048576.0;
    println!("{:44} {:>9.0} MiB in {:.1} s", "what a restart keeps of them", size, began.elapsed().as_secs_f64());
    let began = Instant::now();
    let mut again = Watch::new(Limits::of(series));
    let read = again.recall(&kept, at(steps)).expect("it was just written");
    println!("{:44} {read:>9} series in {:.1} s", "read again", began.elapsed().as_secs_f64());
}

/// Runs the others on the same points.
fn peers(part: &str) {
    let Some(python) = std::env::var_os("HEADWATER_PEERS") else {
        println!("peers: not run, HEADWATER_PEERS names no Python (python3 -m venv V; V/bin/pip install river numpy)");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/detect/peers.py");
    let ended = Command::new(&python).args([script, part]).status();
    assert!(ended.is_ok_and(|ended| ended.success()), "{} runs {script}", python.display());
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    if wanted != "memory" {
        scoring();
        peers("scoring");
    }
    if wanted != "scoring" {
        memory();
        peers("memory");
    }
}
