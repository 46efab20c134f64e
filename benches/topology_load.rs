//! A large CMDB: 1,000,000 CIs and about 3,000,000 relations, made in memory. How long it takes to load, how much
//! memory, and how long an impact query takes then.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headwater::domain::topology::CiIx;
use headwater::domain::topology::reach::Limits;

mod estates;

const SMALL: usize = 100_000;
const LARGE: usize = 1_000_000;
/// Hops of an impact query: near, and as far as the default goes.
const HOPS_MAX: [u8; 2] = [4, 12];
/// CIs asked for, one by one.
const ASKED: usize = 2000;

const CLASSES: [&str; 8] = ["server", "vm", "vm", "vm", "application", "app_instance", "database", "access_switch"];

/// A CMDB file of `cis` CIs: a tree in which each has eight dependents, and two more relations to CIs shortly before.
fn estate(cis: usize) -> String {
    let mut text = String::with_capacity(cis * 320);
    text.push_str("{\"cis\":[\n");
    for n in 0..cis {
        let comma = if n == 0 { "" } else { ",\n" };
        let class = CLASSES[n % CLASSES.len()];
        let _ =
            write!(text, r#"{comma}{{"id":"ci-{n}","class":"{class}","name":"{class} {n}","site":"dc-{}"}}"#, n % 10);
    }
    text.push_str("\n],\"relations\":[\n");
    let mut comma = "";
    for n in 1..cis {
        let near = |step: usize| n - 1 - (n * step) % n.min(1000);
        let causes = [("hosts", (n - 1) / 8), ("connects", near(7)), ("powers", near(13))];
        for (relation, cause) in causes {
            let _ = write!(text, r#"{comma}{{"from":"ci-{cause}","to":"ci-{n}","type":"{relation}"}}"#);
            comma = ",\n";
        }
    }
    text.push_str("\n]}\n");
    text
}

/// A line of `/proc/self/status` in MiB; 0 where the system does not tell.
fn memory_mib(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(line)).unwrap_or("");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn load(c: &mut Criterion) {
    let text = estate(SMALL);
    let mut group = c.benchmark_group("topology_load");
    group.throughput(Throughput::Elements(SMALL as u64));
    group.bench_with_input(BenchmarkId::new("CIs", SMALL), &text, |b, text| b.iter(|| estates::load(text)));
    group.finish();
}

fn impact(c: &mut Criterion) {
    let text = estate(LARGE);
    let before = memory_mib("VmRSS:");
    let began = Instant::now();
    let topology = estates::load(&text);
    println!(
        "{} CIs, {} edges from {} MiB of text: loaded once in {:.2} s; memory before {before} MiB, at most {} MiB, after {} MiB",
        topology.len(),
        topology.edges(),
        text.len() >> 20,
        began.elapsed().as_secs_f64(),
        memory_mib("VmHWM:"),
        memory_mib("VmRSS:")
    );
    drop(text);
    // A stride that visits CIs of every depth and class.
    let mut next = 0usize;
    let mut ask = move || {
        next = (next + 7919) % LARGE;
        CiIx(next as u32)
    };
    for hops_max in HOPS_MAX {
        let limits = Limits { hops_max, ..Limits::default() };
        let mut found = 0;
        let mut times: Vec<Duration> = (0..ASKED)
            .map(|_| {
                let (ci, began) = (ask(), Instant::now());
                found += black_box(topology.impact(ci, &limits)).reached.len();
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        let [p50, p99] = [ASKED / 2, ASKED * 99 / 100].map(|i| times[i]);
        println!("impact of {ASKED} CIs, {hops_max} hops: p50 {p50:?}, p99 {p99:?}, {} CIs on average", found / ASKED);
    }
    let mut group = c.benchmark_group("impact over 1M CIs");
    for hops_max in HOPS_MAX {
        let limits = Limits { hops_max, ..Limits::default() };
        group.bench_with_input(BenchmarkId::new("hops", hops_max), &limits, |b, limits| {
            b.iter(|| topology.impact(ask(), limits));
        });
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = short(); targets = load, impact }
criterion_main!(benches);
