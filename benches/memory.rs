//! Memory of an active alert, by a counting allocator: in the engine with all of its indexes and timers, and in the live
//! view. What the alert itself says (its text) is counted apart; raw events are not kept in memory at all.
//!
//! `cargo bench --bench memory`, or `cargo bench --bench memory -- 100000 400000` for other numbers of alerts.

use std::alloc::System;
use std::hint::black_box;
use std::sync::Arc;

use headwater::domain::event::{Event, ObjectRef};
use headwater::domain::ids::TenantId;
use headwater::domain::label::Labels;
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::domain::topology::{CiIx, Topology};
use headwater::engine::input::{Batch, Digest, Input};
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use headwater::lab::estate::{Scale, sample_estate};
use headwater::projection::Committed;
use headwater::projection::live::Live;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

mod estates;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const START: Timestamp = Timestamp(1_767_225_600_000);
/// Alerts that fire, from and to, unless others are asked for. No powers of two: what grows by doubling shows neither its
/// best nor its worst.
const ALERTS: [usize; 2] = [12_000, 48_000];
/// Between two of them.
const GAP: Span = Span(200);

/// What a source says of itself and its events.
#[derive(Clone, Copy)]
struct Kind {
    told: &'static str,
    ids: bool,
    key: bool,
}

const KINDS: [Kind; 2] = [
    Kind { told: "Prometheus: labels are the identity", ids: false, key: true },
    Kind { told: "native: event ids, identity by name and object", ids: true, key: false },
];

fn tenant() -> TenantId {
    TenantId::from("default")
}

/// Alert `n`: on some CI, of one of many rules, with seven labels.
fn event(topology: &Topology, kind: Kind, n: usize) -> Event {
    let cis = topology.len();
    let id = topology.id(CiIx((n * 7919 % cis) as u32)).to_string();
    let at = START.plus(Span(n as i64 * GAP.0));
    let mut event = Event::new(tenant(), "prom".into(), &format!("HighRequestLatency{}", n / cis), at);
    let labels = [
        ("alertname", event.name.to_string()),
        ("cluster", "gov-cloud-a".into()),
        ("instance", id.clone()),
        ("job", "node".into()),
        ("namespace", "pay".into()),
        ("severity", "warning".into()),
        ("zone", "zone-1".into()),
    ];
    event.labels = Labels::of(labels.iter().map(|(key, value)| (*key, value.as_str())));
    event.title = format!("Request latency of {id} is high").into();
    event.severity = Severity::Warning;
    event.source_severity = "warning".into();
    event.object = ObjectRef { ci_id: Some(id), ..ObjectRef::default() };
    event.observed_at = at;
    if kind.ids {
        event.id = format!("event-{n}").into();
    }
    if kind.key {
        event.dedup_key =
            Some(event.labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect::<Vec<_>>().join(",").into());
    }
    event
}

/// The characters that an alert keeps of its event, each once.
fn own_text(event: &Event) -> usize {
    let labels: usize = event.labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    let object = event.object.label().len();
    let key = event.dedup_key.as_deref().map_or(0, str::len);
    event.name.len() + event.title.len() + labels + object + event.id.len() + key + event.source_severity.len()
}

/// Who keeps the alerts.
#[derive(Clone, Copy, PartialEq)]
enum Keeper {
    Engine,
    EngineAndView,
}

/// Bytes that alerts from the first to the second number have added, each; and after an hour in which nothing came, when all
/// timers that look for a cause have fired. What belongs to the estate (ways upstream that were asked for) is there
/// before.
fn added(topology: &Arc<Topology>, kind: Kind, keeper: Keeper, [from, to]: [usize; 2]) -> [i64; 2] {
    let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
    let input = Input::Topology { tenant: tenant(), version: 1, digest: Digest("".into()), author: "bench".into() };
    engine.step(Timestamp(0), &input, Loaded::Topology(topology.clone()));
    let live = Live::default();
    let region = Region::new(ALLOCATOR);
    let held = || {
        let change = region.change();
        change.bytes_allocated as i64 - change.bytes_deallocated as i64
    };
    let mut before = 0;
    for n in 0..to {
        if n == from {
            before = held();
        }
        let event = event(topology, kind, n);
        let stamp = event.observed_at;
        let batch = Batch { tenant: tenant(), events: vec![event], rejected: Vec::new(), replay_of: None };
        let input = Arc::new(Input::Batch(batch));
        let effects = Arc::new(engine.step(stamp, &input, Loaded::Nothing));
        if keeper == Keeper::EngineAndView {
            let seq = n as u64 + 1;
            live.apply(&Committed {
                partition: 0,
                journal_seq: seq,
                outbox_seq: seq,
                stamp,
                input: Some(input),
                effects,
            });
        }
    }
    assert_eq!(engine.alerts(), to, "each event is an alert of its own");
    let now = held();
    engine.step(engine.now().plus(Span::hours(1)), &Input::Tick, Loaded::Nothing);
    let later = held();
    black_box((&engine, &live));
    [now, later].map(|held| (held - before) / (to - from) as i64)
}

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let [from, to] = if let [from, to] = asked[..] { [from, to] } else { ALERTS };
    let topology = estates::load(&sample_estate(Scale::default()));
    println!("Bytes per active alert, of {from} to {to} over {} CIs.\n", topology.len());
    println!("| source | own text | engine | engine and view | an hour later | of that beside the text |");
    println!("|---|--:|--:|--:|--:|--:|");
    for kind in KINDS {
        let texts: usize = (from..to).map(|n| own_text(&event(&topology, kind, n))).sum();
        let text = (texts / (to - from)) as i64;
        let [engine, _] = added(&topology, kind, Keeper::Engine, [from, to]);
        let [both, later] = added(&topology, kind, Keeper::EngineAndView, [from, to]);
        println!("| {} | {text} | {engine} | {both} | {later} | {} |", kind.told, later - text);
    }
}
