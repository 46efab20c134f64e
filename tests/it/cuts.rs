//! The log may be cut anywhere: thousands of restarts of seeded storms, each compared with the calm run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use headwater::domain::alert::AlertState;
use headwater::domain::ids::{AlertId, CiId, IncidentId, TenantId};
use headwater::domain::incident::IncidentState;
use headwater::domain::partition::partition_of;
use headwater::domain::time::Span;
use headwater::engine::Loaded;
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Input};
use headwater::journal::Durability;
use headwater::pipeline::{Options, Pace, Pipeline};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::storms::{bytes, engine, events, record, topology};
use crate::story::{BEGIN, Step, Story, TENANTS};

/// Records that are compared after each cut.
const COMPARED: usize = 12;

/// Cuts a seeded story before every record: a restart there and the records behind it must give the same effects
/// and end in the same state.
fn cut_everywhere(seed: u64) -> usize {
    let story = Story::seeded(seed, 3);
    let count = story.steps.len();
    for cut in 0..count {
        let mut engine = story.shelf.thaw(&story.states[cut]);
        assert!(engine.freeze() == story.states[cut], "seed {seed}: thawing before record {cut} changes the state");
        let end = count.min(cut + COMPARED);
        for (n, Step { at, input, loaded }) in story.steps[cut..end].iter().enumerate() {
            let effects = engine.step(*at, input, loaded.clone());
            let (again, calm) = (bytes(&effects), bytes(&story.effects[cut + n]));
            assert!(again == calm, "seed {seed}: cut before record {cut}, record {} is decided otherwise", cut + n);
        }
        if let Some(calm) = story.states.get(end) {
            assert!(engine.freeze() == *calm, "seed {seed}: cut before record {cut}, another state before {end}");
        }
    }
    count
}

macro_rules! cuts {
    ($($name:ident $seed:literal)*) => {
        $(#[test] fn $name() {
            let cuts = cut_everywhere($seed);
            assert!(cuts > 100, "only {cuts} cuts");
        })*
    };
}

cuts! {
    slow_a_cut_before_any_record_of_storm_1_changes_nothing 1
    slow_a_cut_before_any_record_of_storm_2_changes_nothing 2
    slow_a_cut_before_any_record_of_storm_3_changes_nothing 3
    slow_a_cut_before_any_record_of_storm_4_changes_nothing 4
    slow_a_cut_before_any_record_of_storm_5_changes_nothing 5
    slow_a_cut_before_any_record_of_storm_6_changes_nothing 6
    slow_a_cut_before_any_record_of_storm_7_changes_nothing 7
    slow_a_cut_before_any_record_of_storm_8_changes_nothing 8
    slow_a_cut_before_any_record_of_storm_9_changes_nothing 9
    slow_a_cut_before_any_record_of_storm_10_changes_nothing 10
    slow_a_cut_before_any_record_of_storm_11_changes_nothing 11
    slow_a_cut_before_any_record_of_storm_12_changes_nothing 12
}

#[test]
fn a_cut_at_random_records_of_a_whole_labelled_storm_changes_nothing() {
    let (storm, topology) = (events("hard", usize::MAX), topology("hard"));
    let mut rng = SmallRng::seed_from_u64(17);
    let mut cuts: Vec<usize> = (0..40).map(|_| rng.gen_range(0..storm.len() - 60)).collect();
    cuts.sort_unstable();
    let mut calm = engine(&topology);
    let mut running: Vec<(usize, headwater::engine::Engine)> = Vec::new();
    for (n, event) in storm.iter().enumerate() {
        for cut in cuts.iter().filter(|cut| **cut == n) {
            let find = |_, _: &_| Some(topology.clone());
            let thawed = headwater::engine::Engine::thaw(&calm.freeze(), Arc::default(), find, |_, _| None).unwrap();
            running.push((*cut, thawed));
        }
        let said = bytes(&calm.step(event.observed_at, &record(event), Loaded::Nothing));
        for (cut, engine) in &mut running {
            let again = bytes(&engine.step(event.observed_at, &record(event), Loaded::Nothing));
            assert!(again == said, "cut before event {cut}: event {n} is decided otherwise");
        }
        if running.iter().any(|(cut, _)| n >= cut + 60) {
            let frozen = calm.freeze();
            running.retain(|(cut, engine)| {
                assert!(n < cut + 60 || engine.freeze() == frozen, "cut before event {cut}: another state after {n}");
                n < cut + 60
            });
        }
    }
}

/// Effects of each tenant in order, as a running program commits them, whatever records they came with.
fn by_tenant(pipeline: &Pipeline) -> Vec<Vec<u8>> {
    let records = pipeline.log.decisions_after(0, usize::MAX).unwrap();
    let of = |name: &&'static str| {
        let partition = partition_of(&TenantId::from(*name));
        let effects: Vec<Effect> =
            records.iter().filter(|r| r.partition == partition).flat_map(|r| r.effects.iter().cloned()).collect();
        bytes(&effects)
    };
    TENANTS.iter().map(of).collect()
}

/// No records move while files are copied: a copy is not of one moment, as what a killed program leaves is.
pub const UNDISTURBED: std::time::Duration = std::time::Duration::from_secs(3600);

/// The program on a folder, with a clock that stands still between records.
pub struct Running {
    clock: Arc<AtomicI64>,
    pub pipeline: Arc<Pipeline>,
}

impl Running {
    fn start(folder: &Path, clock: Arc<AtomicI64>) -> Self {
        Self::paced(folder, clock, Pace { archive_every: UNDISTURBED, ..Pace::default() })
    }

    /// Starts it with a pace of its own.
    pub fn paced(folder: &Path, clock: Arc<AtomicI64>, pace: Pace) -> Self {
        let now = clock.clone();
        let clock_of = Arc::new(move || headwater::domain::time::Timestamp(now.load(Ordering::SeqCst)));
        let retention = headwater::projection::history::retention::Retention::default();
        let options = Options { durability: Durability::Process, clock: clock_of, retention, receivers: None, pace };
        Self { clock, pipeline: Pipeline::start(folder, options).unwrap() }
    }

    /// Journals a step and waits until it is decided and shown.
    pub fn apply(&self, step: &Step) {
        self.clock.fetch_max(step.at.0, Ordering::SeqCst);
        let tenant = match &step.input {
            Input::Batch(batch) => &batch.tenant,
            Input::Command(command) => &command.tenant,
            Input::Topology { tenant, .. }
            | Input::Policy { tenant, .. }
            | Input::Model { tenant, .. }
            | Input::MetricModel { tenant, .. }
            | Input::Shadow { tenant, .. } => tenant,
            Input::Delivered(delivered) => &delivered.tenant,
            Input::Tick => {
                TENANTS.iter().for_each(|tenant| self.decide(partition_of(&TenantId::from(*tenant)), Input::Tick));
                return;
            }
        };
        self.decide(partition_of(tenant), step.input.clone());
    }

    fn decide(&self, partition: u16, input: Input) {
        let seq = self.pipeline.log.append_blocking(partition, input).unwrap().seq;
        while !self.pipeline.has_applied(partition, seq) {
            assert_eq!(self.pipeline.health().failure(), None);
            std::thread::yield_now();
        }
    }
}

/// Plays a story through journal, engine thread and outbox. At each of `cuts` the program ends: every other time
/// without a chance to write a snapshot, as if it were killed.
fn played(story: &Story, cuts: &[usize]) -> Vec<Vec<u8>> {
    let root = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicI64::new(BEGIN.0));
    let mut folder = root.path().join("0");
    let mut running = Running::start(&folder, clock.clone());
    for text in story.shelf.texts.values() {
        futures::executor::block_on(running.pipeline.log.put_text(text.clone().into_bytes())).unwrap();
    }
    for (n, step) in story.steps.iter().enumerate() {
        if let Some(nth) = cuts.iter().position(|cut| *cut == n) {
            if nth % 2 == 0 {
                let image = root.path().join(format!("{}", nth + 1));
                copy(&folder, &image);
                folder = image;
            }
            running.pipeline.stop();
            drop(running);
            running = Running::start(&folder, clock.clone());
            assert_eq!(running.pipeline.health().diverged.load(Ordering::SeqCst), 0, "cut before record {n}");
        }
        running.apply(step);
    }
    let told = by_tenant(&running.pipeline);
    running.pipeline.stop();
    told
}

/// What a killed program leaves behind: its files as they are at this moment.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("views")).unwrap();
    for view in std::fs::read_dir(from.join("views")).into_iter().flatten() {
        let view = view.unwrap();
        // One that is just being written is no view yet.
        let _ = std::fs::copy(view.path(), to.join("views").join(view.file_name()));
    }
    for name in ["headwater.db", "headwater.db-wal", "headwater.last"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    // Behind the others: a record is in the archive before it leaves them.
    for name in ["archive.db", "archive.db-wal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

#[test]
fn the_whole_program_restarted_at_random_records_commits_the_same() {
    let story = Story::seeded(7, 3);
    let mut rng = SmallRng::seed_from_u64(7);
    let calm = played(&story, &[]);
    assert!(calm.iter().all(|effects| effects.len() > 10_000));
    let mut cuts: Vec<usize> = (0..24).map(|_| rng.gen_range(1..story.steps.len())).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let restarted = played(&story, &cuts);
    for (name, (calm, restarted)) in TENANTS.iter().zip(calm.iter().zip(&restarted)) {
        assert!(calm == restarted, "{name}: other effects after restarts before records {cuts:?}");
    }
}

#[test]
fn two_runs_of_a_story_are_equal_to_the_byte() {
    let (one, two) = (Story::seeded(11, 3), Story::seeded(11, 3));
    assert!(one.states == two.states);
    assert!(one.effects.iter().zip(&two.effects).all(|(a, b)| bytes(a) == bytes(b)));
}

/// What came of a storm: the alert of each event, where each alert ended, and how each incident did.
#[derive(Debug, PartialEq)]
struct Outcome {
    alerts: Vec<Option<AlertId>>,
    homes: BTreeMap<AlertId, (Option<IncidentId>, bool, u64, AlertState)>,
    /// State, root cause and size. Further candidates are ranked again when an incident is told, so they may differ.
    incidents: BTreeMap<IncidentId, (IncidentState, Option<CiId>, u32)>,
}

/// A storm whose events arrive by the second, at most `most` in a record. An incident is told once per record, so how
/// often something is told may differ, and with it versions, keys of notices and lines of timelines: comparing every
/// byte would compare the packing with itself. What comes of it may not differ: the alert of each event, where each
/// alert ended, state, root cause and size of each incident.
fn packed(most: usize) -> Outcome {
    let mut engine = engine(&topology("medium"));
    let mut effects = Vec::new();
    let mut arrivals: Vec<(i64, Vec<_>)> = Vec::new();
    for event in events("medium", 2500) {
        let second = event.observed_at.0.div_euclid(1000);
        match arrivals.last_mut() {
            Some((last, events)) if *last >= second => events.push(event),
            _ => arrivals.push((second, vec![event])),
        }
    }
    assert!(arrivals.iter().any(|(_, events)| events.len() > 7), "the storm is too thin to be packed");
    for (second, events) in arrivals {
        for chunk in events.chunks(most) {
            let batch = Batch {
                tenant: crate::storms::tenant(),
                events: chunk.to_vec(),
                rejected: Vec::new(),
                replay_of: None,
            };
            let stamp = headwater::domain::time::Timestamp(second * 1000 + 999);
            effects.extend(engine.step(stamp, &Input::Batch(batch), Loaded::Nothing));
        }
    }
    effects.extend(engine.step(engine.now().plus(Span::hours(3)), &Input::Tick, Loaded::Nothing));
    let (mut alerts, mut homes, mut incidents) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for effect in effects {
        match effect {
            Effect::Verdict { verdict, .. } => alerts.push(verdict.alert()),
            Effect::Alert { alert } => {
                homes.insert(alert.id, (alert.incident, alert.held, alert.count, alert.state));
            }
            Effect::Incident { incident, .. } => {
                let root = incident.candidates.first().map(|candidate| candidate.ci.id.clone());
                incidents.insert(incident.id, (incident.state, root, incident.alert_count));
            }
            Effect::Timeline { .. } | Effect::Notify { .. } | Effect::Silence { .. } | Effect::CommandDone { .. } => {}
        }
    }
    Outcome { alerts, homes, incidents }
}

#[test]
fn how_events_are_packed_into_records_changes_nothing() {
    let alone = packed(1);
    for most in [2, 7, 64, 1000] {
        let packed = packed(most);
        assert!(packed.alerts == alone.alerts, "records of up to {most} events: other alerts");
        for (alert, home) in &alone.homes {
            assert_eq!(packed.homes.get(alert), Some(home), "records of up to {most} events: {alert}");
        }
        assert_eq!(packed.incidents, alone.incidents, "records of up to {most} events");
    }
}

/// Changes a number in every alert of a frozen state; gives in how many.
fn point_away(state: &mut Value, key: &str) -> usize {
    let own = match state {
        Value::Object(fields) if fields.contains_key("fingerprint") => {
            fields.insert(key.to_owned(), Value::from(4_000_000_000_u32));
            1
        }
        _ => 0,
    };
    let below = match state {
        Value::Object(fields) => fields.values_mut().map(|value| point_away(value, key)).sum(),
        Value::Array(values) => values.iter_mut().map(|value| point_away(value, key)).sum(),
        _ => 0,
    };
    own + below
}

#[test]
fn a_damaged_state_whose_alerts_point_at_nothing_is_refused_and_takes_no_memory() {
    let (storm, topology) = (events("hard", 40), topology("hard"));
    let mut engine = engine(&topology);
    for event in &storm {
        engine.step(event.observed_at, &record(event), Loaded::Nothing);
    }
    let frozen: Value = serde_json::from_slice(&engine.freeze()).unwrap();
    for key in ["kind", "clock"] {
        let mut damaged = frozen.clone();
        assert!(point_away(&mut damaged, key) > 5, "{key}");
        let bytes = serde_json::to_vec(&damaged).unwrap();
        let find = |_, _: &_| Some(topology.clone());
        let refused = headwater::engine::Engine::thaw(&bytes, Arc::default(), find, |_, _| None);
        let why = refused.expect_err("it should be refused").to_string();
        assert!(why.contains("points at what is not in it; take an older snapshot"), "{key}: {why}");
    }
}
