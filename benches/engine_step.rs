//! Events per second of `Engine::step` on one core: a labelled hard storm in records of 1 and of 100 events; a fault
//! storm over 20,000 CIs while 1,000, 10,000 and 100,000 alerts are active; the same storm over a million CIs. And the
//! memory of an active alert.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headwater::domain::event::{Event, ObjectRef};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::domain::topology::Topology;
use headwater::engine::input::{Batch, Digest, Input};
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use headwater::lab::built_in::load_topology;
use headwater::lab::estate::{Scale, sample_estate};
use headwater::lab::recording::Recording;
use headwater::lab::storm::{Size, storm};
use serde_json::Value;

mod estates;

/// Copies of the sample estate side by side: about 20,000 and about 1,000,000 CIs.
const COPIES: usize = 12;
const COPIES_MILLION: usize = 600;
/// Alerts that fire already when the storm begins.
const ACTIVE: [usize; 3] = [1_000, 10_000, 100_000];
/// Events in a record: from a quiet source, and packed in a storm.
const RECORDS: [usize; 2] = [1, 100];
/// From the last of them to the storm: every timer of theirs that looks for a cause has fired.
const PAUSE: Span = Span::mins(60);
const START: Timestamp = Timestamp(1_767_225_600_000);

fn tenant() -> TenantId {
    TenantId::from("default")
}

fn engine(topology: &Arc<Topology>) -> Engine {
    let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
    let input = Input::Topology { tenant: tenant(), version: 1, digest: Digest("".into()) };
    engine.step(Timestamp(0), &input, Loaded::Topology(topology.clone()));
    engine
}

/// Events packed into records; a record carries the stamp of its last event.
fn records(events: &[Event], size: usize) -> Vec<(Timestamp, Input)> {
    let packed = |events: &[Event]| {
        let stamp = events.last().expect("a chunk is not empty").observed_at;
        (
            stamp,
            Input::Batch(Batch { tenant: tenant(), events: events.to_vec(), rejected: Vec::new(), replay_of: None }),
        )
    };
    events.chunks(size).map(packed).collect()
}

/// Steps through everything; returns how many effects there were.
fn play(engine: &mut Engine, records: &[(Timestamp, Input)]) -> usize {
    records.iter().map(|(stamp, input)| engine.step(*stamp, input, Loaded::Nothing).len()).sum()
}

/// Copies of the sample estate that share nothing.
fn large_estate(copies: usize) -> Arc<Topology> {
    let sample: Value = serde_json::from_str(&sample_estate()).expect("JSON");
    let (mut cis, mut relations) = (String::new(), String::new());
    for copy in 0..copies {
        let renamed = |value: &Value| Value::from(format!("x{copy}-{}", value.as_str().expect("an id")));
        for ci in sample["cis"].as_array().expect("a list") {
            let mut ci = ci.clone();
            ci["id"] = renamed(&ci["id"]);
            ci.as_object_mut().expect("an object").remove("keys");
            append(&mut cis, &ci);
        }
        for relation in sample["relations"].as_array().expect("a list") {
            let mut relation = relation.clone();
            (relation["from"], relation["to"]) = (renamed(&relation["from"]), renamed(&relation["to"]));
            append(&mut relations, &relation);
        }
    }
    estates::load(&format!(r#"{{"cis":[{cis}],"relations":[{relations}]}}"#))
}

fn append(list: &mut String, value: &Value) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(&value.to_string());
}

/// An engine in which `active` minor alerts of several sources fire, spread over the estate.
fn busy(topology: &Arc<Topology>, active: usize) -> Engine {
    let mut engine = engine(topology);
    let begin = START.minus(PAUSE).minus(Span::mins(60));
    let all: Vec<_> = topology.all().collect();
    for n in 0..active {
        let at = begin.plus(Span(Span::mins(60).0 * n as i64 / active as i64));
        // A stride without a common divisor visits every CI before it visits one again.
        let ci = all[n * 7919 % all.len()];
        let mut event =
            Event::new(tenant(), SourceId::from(["zabbix", "prometheus", "apm"][n % 3]), "usage-above-threshold", at);
        event.id = format!("active-{n}").into();
        event.severity = Severity::Warning;
        event.dedup_key = Some(format!("{n}").into());
        event.object = ObjectRef { ci_id: Some(topology.id(ci).to_string()), ..ObjectRef::default() };
        event.observed_at = at.plus(Span(500));
        play(&mut engine, &records(&[event], 1));
    }
    engine.step(START.minus(Span::secs(1)), &Input::Tick, Loaded::Nothing);
    engine
}

fn hard_storm(c: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let storm = folder.join("tests/storms/hard");
    let topology = load_topology(&storm.join("cmdb.json.gz"), None, 1).expect("the storm's estate");
    let mapping = folder.join("rules/mappings/stormgen.yaml");
    let mut recording = Recording::open(&storm.join("alerts.jsonl.gz"), &mapping, tenant()).expect("the storm");
    let mut events = Vec::new();
    while let Some(event) = recording.next_event().expect("readable") {
        events.push(event);
    }
    let fresh = engine(&topology);
    let mut group = c.benchmark_group("engine_step");
    group.throughput(Throughput::Elements(events.len() as u64));
    for size in RECORDS {
        let records = records(&events, size);
        group.bench_function(BenchmarkId::new("hard storm, records of", size), |b| {
            b.iter_batched_ref(|| fresh.clone(), |engine| play(engine, &records), BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// The fault storm, once for each number of alerts that are active before it.
fn fault_storm(c: &mut Criterion, name: &str, topology: &Arc<Topology>, active: &[usize]) {
    let size = Size { faults: 40, gap: Span::secs(30), noise: 50 };
    let events = storm(topology, &tenant(), START, size, 7).events;
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(events.len() as u64));
    for active in active {
        let before = resident_bytes();
        let busy = busy(topology, *active);
        let each = resident_bytes().saturating_sub(before) / *active as u64;
        println!(
            "{} active alerts: {each} bytes of memory each, own text and all; then {} events",
            busy.alerts(),
            events.len()
        );
        for size in RECORDS {
            let records = records(&events, size);
            group.bench_with_input(
                BenchmarkId::new(format!("{active} active alerts, records of"), size),
                &busy,
                |b, busy| {
                    b.iter_batched_ref(|| busy.clone(), |engine| play(engine, &records), BatchSize::PerIteration);
                },
            );
        }
    }
    group.finish();
}

fn more_active_alerts(c: &mut Criterion) {
    fault_storm(c, "engine_step over 20k CIs", &large_estate(COPIES), &ACTIVE);
}

fn a_million_cis(c: &mut Criterion) {
    fault_storm(c, "engine_step over 1M CIs", &large_estate(COPIES_MILLION), &ACTIVE[1..2]);
}

/// Memory that this program has in use, as the system counts it.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

criterion_group! { name = benches; config = short(); targets = hard_storm, more_active_alerts, a_million_cis }
criterion_main!(benches);
