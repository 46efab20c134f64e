//! Events per second of `Engine::step` on one core: a labelled hard storm; fault storms over 20,000 and over a million
//! CIs while 1,000, 10,000 and 100,000 alerts are active. Each in records of 1 and of 100 events.
//!
//! `cargo bench --bench engine_step`; `-- hard` (or `rules`, `active`, `million`) for one part. With
//! `STORM=<folder>` the storm of that folder (`cmdb.json`, `alerts.jsonl`, each also as `.gz`) is played, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Alerts that fire already when the storm begins.
const ACTIVE: [usize; 3] = [1_000, 10_000, 100_000];
/// From the last of them to the storm: every timer of theirs that looks for a cause has fired.
const PAUSE: Span = Span::mins(60);
const START: Timestamp = Timestamp(1_767_225_600_000);
/// Events in a record: from a quiet source, and packed in a storm.
const RECORDS: [usize; 2] = [1, 100];
/// Plays of which the middle one is told.
const PLAYS: usize = 5;
/// Sample estates side by side: about 20,000 and about a million CIs.
const COPIES: usize = 7;
const COPIES_MILLION: usize = 340;
/// Storms one after the other, each of its own seed: a class of CIs breaks once in each.
const STORMS: u64 = 6;

type Records = Vec<(Timestamp, Input)>;

fn tenant() -> TenantId {
    TenantId::from("default")
}

fn engine(topology: &Arc<Topology>) -> Engine {
    let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
    let input = Input::Topology { tenant: tenant(), version: 1, digest: Digest("".into()), author: "".into() };
    engine.step(Timestamp(0), &input, Loaded::Topology(topology.clone()));
    engine
}

/// Events packed into records; a record carries the stamp of its last event.
fn records(events: &[Event], size: usize) -> Records {
    let packed = |events: &[Event]| {
        let stamp = events.last().expect("a chunk is not empty").observed_at;
        let batch = Batch { tenant: tenant(), events: events.to_vec(), rejected: Vec::new(), replay_of: None };
        (stamp, Input::Batch(batch))
    };
    events.chunks(size).map(packed).collect()
}

/// Steps through everything; returns how many effects there were.
fn play(engine: &mut Engine, records: &[(Timestamp, Input)]) -> usize {
    records.iter().map(|(stamp, input)| engine.step(*stamp, input, Loaded::Nothing).len()).sum()
}

/// Plays the events over and over from the same state and tells the middle play.
fn measure(what: &str, fresh: &Engine, events: &[Event]) {
    for size in RECORDS {
        let records = records(events, size);
        let mut plays: Vec<(Duration, usize)> = (0..PLAYS)
            .map(|_| {
                let mut engine = fresh.clone();
                let began = Instant::now();
                let effects = play(&mut engine, &records);
                (began.elapsed(), effects)
            })
            .collect();
        plays.sort_unstable();
        let (took, effects) = plays[PLAYS / 2];
        let each = took.as_secs_f64() / events.len() as f64;
        println!("| {what} | {size} | {} | {:.0} | {:.2} | {effects} |", events.len(), 1.0 / each, each * 1e6);
    }
}

/// The storm of a folder: its estate, and its events as the mapping reads them.
fn recorded(folder: &Path) -> (Arc<Topology>, Vec<Event>) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |name: &str| -> PathBuf {
        let packed = folder.join(format!("{name}.gz"));
        if packed.exists() { packed } else { folder.join(name) }
    };
    let topology = load_topology(&file("cmdb.json"), None, 1).expect("the storm's estate");
    let mapping = here.join("rules/mappings/stormgen.yaml");
    let mut recording = Recording::open(&file("alerts.jsonl"), &mapping, tenant()).expect("the storm");
    let mut events = Vec::new();
    while let Some(event) = recording.next_event().expect("readable") {
        events.push(event);
    }
    (topology, events)
}

fn hard() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storms/hard");
    let (topology, events) = recorded(&folder);
    measure(&format!("hard storm, {} CIs", topology.len()), &engine(&topology), &events);
}

fn another(folder: &Path) {
    let (topology, events) = recorded(folder);
    measure(&format!("storm of {}, {} CIs", folder.display(), topology.len()), &engine(&topology), &events);
}

fn rules() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storms/hard");
    let (topology, events) = recorded(&folder);
    let mut ruled = engine(&topology);
    let input = Input::Policy {
        tenant: tenant(),
        version: 1,
        digest: Digest("".into()),
        author: "bench".into(),
        reason: "".into(),
    };
    ruled.step(Timestamp(0), &input, Loaded::Policy(many_rules()));
    measure("hard storm, 440 rules", &ruled, &events);
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

/// Faults that follow closely on one another, and noise, several times over.
fn faults(topology: &Topology) -> Vec<Event> {
    let size = Size { faults: 40, gap: Span::secs(30), noise: 50 };
    let mut events = Vec::new();
    let mut start = START;
    for seed in 1..=STORMS {
        events.append(&mut storm(topology, &tenant(), start, size, seed).events);
        start = events.last().map_or(start, |last: &Event| last.observed_at.plus(Span::mins(1)));
    }
    events
}

/// Copies of the sample estate that share nothing, as a province has cities.
fn estate(copies: usize) -> Arc<Topology> {
    let sample: Value = serde_json::from_str(&sample_estate(Scale::default())).expect("JSON");
    let rows = |list: &str| sample[list].as_array().expect("a list").clone();
    let (mut cis, mut relations) = (Vec::new(), Vec::new());
    for copy in 0..copies {
        let renamed = |value: &Value| Value::from(format!("x{copy}-{}", value.as_str().expect("an id")));
        cis.extend(rows("cis").into_iter().map(|mut ci| {
            ci["id"] = renamed(&ci["id"]);
            ci.as_object_mut().expect("an object").remove("keys");
            ci.to_string()
        }));
        relations.extend(rows("relations").into_iter().map(|mut relation| {
            (relation["from"], relation["to"]) = (renamed(&relation["from"]), renamed(&relation["to"]));
            relation.to_string()
        }));
    }
    eprintln!("an estate of {} CIs and {} relations", cis.len(), relations.len());
    estates::load(&format!(r#"{{"cis":[{}],"relations":[{}]}}"#, cis.join(","), relations.join(",")))
}

/// The fault storm, once for each number of alerts that are active before it.
fn while_active(copies: usize, active: &[usize]) {
    let topology = estate(copies);
    let events = faults(&topology);
    for active in active {
        let busy = busy(&topology, *active);
        measure(&format!("faults over {} CIs, {active} active", topology.len()), &busy, &events);
    }
}

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| only.is_empty() || only.iter().any(|word| word == part);
    println!("| storm | events in a record | events | events/s | µs per event | effects |");
    println!("|---|--:|--:|--:|--:|--:|");
    if wanted("hard") {
        hard();
    }
    if wanted("rules") {
        rules();
    }
    if let Some(folder) = std::env::var_os("STORM") {
        another(Path::new(&folder));
    }
    if wanted("active") {
        while_active(COPIES, &ACTIVE);
    }
    if wanted("million") {
        while_active(COPIES_MILLION, &ACTIVE[..2]);
    }
}
