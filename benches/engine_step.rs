//! Events per second of `Engine::step` on one core: a labelled hard storm, and a fault storm over a larger estate
//! while ten times as many alerts are active.

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

/// Copies of the sample estate side by side: about 20,000 CIs.
const COPIES: usize = 12;
/// Alerts that fire already when the storm begins.
const ACTIVE: [usize; 3] = [2_000, 20_000, 60_000];
/// From the last of them to the storm: every timer of theirs that looks for a cause has fired.
const PAUSE: Span = Span::mins(60);
const START: Timestamp = Timestamp(1_767_225_600_000);

fn tenant() -> TenantId {
    TenantId::from("default")
}

fn engine(topology: &Arc<Topology>) -> Engine {
    let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
    let input = Input::Topology { tenant: tenant(), version: 1, digest: Digest("".into()), author: "".into() };
    engine.step(Timestamp(0), &input, Loaded::Topology(topology.clone()));
    engine
}

/// One record per event, as a quiet source would send them.
fn records(events: Vec<Event>) -> Vec<(Timestamp, Input)> {
    let input = |event: Event| {
        Input::Batch(Batch { tenant: tenant(), events: vec![event], rejected: Vec::new(), replay_of: None })
    };
    events.into_iter().map(|event| (event.observed_at, input(event))).collect()
}

/// Steps through everything; returns how many effects there were.
fn play(engine: &mut Engine, records: &[(Timestamp, Input)]) -> usize {
    records.iter().map(|(stamp, input)| engine.step(*stamp, input, Loaded::Nothing).len()).sum()
}

/// Copies of the sample estate that share nothing.
fn large_estate() -> Arc<Topology> {
    let sample: Value = serde_json::from_str(&sample_estate(Scale::default())).expect("JSON");
    let (mut cis, mut relations) = (Vec::new(), Vec::new());
    for copy in 0..COPIES {
        let renamed = |value: &Value| Value::from(format!("x{copy}-{}", value.as_str().expect("an id")));
        for ci in sample["cis"].as_array().expect("a list") {
            let mut ci = ci.clone();
            ci["id"] = renamed(&ci["id"]);
            ci.as_object_mut().expect("an object").remove("keys");
            cis.push(ci);
        }
        for relation in sample["relations"].as_array().expect("a list") {
            let mut relation = relation.clone();
            (relation["from"], relation["to"]) = (renamed(&relation["from"]), renamed(&relation["to"]));
            relations.push(relation);
        }
    }
    estates::load(&serde_json::json!({ "cis": cis, "relations": relations }).to_string())
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
        play(&mut engine, &records(vec![event]));
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
    let records = records(events);
    let fresh = engine(&topology);
    let mut group = c.benchmark_group("engine_step");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("hard storm", |b| {
        b.iter_batched_ref(|| fresh.clone(), |engine| play(engine, &records), BatchSize::PerIteration);
    });
    let mut ruled = fresh.clone();
    let input = Input::Policy { tenant: tenant(), version: 1, digest: Digest("".into()), author: "bench".into() };
    ruled.step(Timestamp(0), &input, Loaded::Policy(many_rules()));
    group.bench_function("hard storm, 440 rules", |b| {
        b.iter_batched_ref(|| ruled.clone(), |engine| play(engine, &records), BatchSize::PerIteration);
    });
    group.finish();
}

/// As many rules as a large estate may have: most name a source or an alert, as rules do; 20 of each kind do not.
fn many_rules() -> Arc<Policy> {
    let list = |kind: &str, of: &dyn Fn(usize) -> String| {
        format!("{kind}:\n{}", (0..110).map(|n| format!("- {{id: {kind}-{n}, {}}}\n", of(n))).collect::<String>())
    };
    let condition = |n: usize| {
        if n < 20 { format!("{{labels.room: r{n}, severity: '< major'}}") } else { format!("{{name: alert-{n}}}") }
    };
    let text = [
        list("enrich", &|n| format!("match: {}, compose: {{place: '{{site}}'}}", condition(n))),
        list("mute", &|n| format!("match: {}, during: {{daily: '01:00-05:00'}}", condition(n))),
        list("maintenance", &|n| format!("match: {}, schedule: {{daily: '02:00-04:00'}}", condition(n))),
        list("inhibit", &|n| format!("source: {}, target: {{source: s{n}}}, equal: [site]", condition(n))),
        "routes: [{id: fallback, receivers: [default]}]\n".into(),
    ];
    let file = RuleFile { name: "rules.yaml".into(), text: text.concat() };
    Arc::new(Policy::compile(1, &[file]).expect("rules without errors"))
}

fn more_active_alerts(c: &mut Criterion) {
    let topology = large_estate();
    let size = Size { faults: 20, gap: Span::mins(1), noise: 50 };
    let records = records(storm(&topology, &tenant(), START, size, 7).events);
    let mut group = c.benchmark_group("engine_step over 20k CIs");
    group.throughput(Throughput::Elements(records.len() as u64));
    for active in ACTIVE {
        let busy = busy(&topology, active);
        let effects = play(&mut busy.clone(), &records);
        println!("{} alerts in memory, then {} events with {effects} effects", busy.alerts(), records.len());
        group.bench_with_input(BenchmarkId::new("active alerts", busy.alerts()), &busy, |b, busy| {
            b.iter_batched_ref(|| busy.clone(), |engine| play(engine, &records), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

criterion_group! { name = benches; config = short(); targets = hard_storm, more_active_alerts }
criterion_main!(benches);
