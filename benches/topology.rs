//! Loading an estate of a million CIs, and asking for the impact of one of them.
//!
//! Targets: load in at most 10 s and 1 GiB beside the text; impact at most 1 ms at the 99th percentile.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater::decode::topology::load;
use headwater::domain::topology::reach::Limits;
use headwater::domain::topology::{CiIx, Topology};
use headwater::lab::built_in::shipped_schema;

const CIS: usize = 1_000_000;
/// Children of a CI: rack switch to servers to machines to pods, roughly.
const FANOUT: usize = 12;

/// A tree of machines with a second parent for a third of them: about 3 relations per CI.
fn estate() -> String {
    let classes = ["access_switch", "server", "vm", "k8s_node", "k8s_pod", "application"];
    let mut text = String::with_capacity(CIS * 320);
    text.push_str("{\"cis\":[\n");
    for n in 0..CIS {
        let class = classes[n % classes.len()];
        let comma = if n == 0 { "" } else { ",\n" };
        let _ = write!(
            text,
            r#"{comma}{{"id":"ci-{n:07}","class":"{class}","name":"政务云对象{n:07}","keys":["10.{}.{}.{}","ci-{n:07}.gov.example"],"org":"org-{}","site":"dc-{}"}}"#,
            (n >> 16) & 255,
            (n >> 8) & 255,
            n & 255,
            n % 40,
            n % 4
        );
    }
    text.push_str("\n],\"relations\":[\n");
    let kinds = ["hosts", "powers", "connects"];
    for n in 1..CIS {
        for (k, kind) in kinds.iter().enumerate() {
            // Multiplying by primes spreads the parents without a random source.
            let parent = (n / FANOUT + k * 7919) % n;
            let comma = if n == 1 && k == 0 { "" } else { ",\n" };
            let _ = write!(text, r#"{comma}{{"from":"ci-{parent:07}","to":"ci-{n:07}","type":"{kind}"}}"#);
        }
    }
    text.push_str("\n]}\n");
    text
}

/// Memory of this program now and at its highest, MiB.
fn memory_mib() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn loaded() -> Topology {
    let text = estate();
    let (before, _) = memory_mib();
    let began = Instant::now();
    let topology = load(&[("bench", text.as_bytes())], shipped_schema(), None, 1).expect("valid");
    let seconds = began.elapsed().as_secs_f64();
    let (after, peak) = memory_mib();
    println!(
        "{} CIs, {} edges from {} MiB of text: {seconds:.1} s, {} MiB kept, {} MiB at the highest beside the text",
        topology.len(),
        topology.edges(),
        text.len() >> 20,
        after.saturating_sub(before),
        peak.saturating_sub(before),
    );
    topology
}

fn percentiles(topology: &Topology) {
    let limits = Limits::default();
    let mut micros: Vec<f64> = (0..20_000)
        .map(|n| {
            let ci = CiIx((n * 7919 % topology.len()) as u32);
            let began = Instant::now();
            black_box(topology.impact(ci, &limits));
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let at = |pm: usize| micros[micros.len() * pm / 1000];
    println!("impact: p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs", at(500), at(990), at(999));
}

fn topology(c: &mut Criterion) {
    let topology = Arc::new(loaded());
    percentiles(&topology);
    let limits = Limits::default();
    let mut group = c.benchmark_group("topology");
    group.bench_function("impact of the busiest CI", |b| b.iter(|| black_box(topology.impact(CiIx(0), &limits))));
    group.bench_function("causes of a deep CI", |b| {
        b.iter(|| black_box(topology.causes_of(CiIx(CIS as u32 - 1), &limits)));
    });
    group.bench_function("resolve an address with a port", |b| {
        b.iter(|| black_box(topology.resolve(black_box("10.7.7.7:9100"))));
    });
    group.finish();
}

criterion_group!(benches, topology);
criterion_main!(benches);
