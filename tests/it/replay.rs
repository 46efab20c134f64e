//! The engine's promises: restart anywhere, one verdict each, ticks harmless, replay twice equal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater::domain::ids::{AlertId, IncidentId};
use headwater::domain::incident::IncidentState;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::Effect;
use headwater::engine::input::Input;
use headwater::engine::tuning::Tuning;
use headwater::engine::verdict::Verdict;
use headwater::engine::{Engine, Loaded};

use crate::storms::{bytes, engine, events, record, topology};

/// Steps through a storm; `between` may exchange the engine before each event.
fn play(storm: &str, most: usize, mut between: impl FnMut(usize, Engine) -> Engine) -> (Vec<Effect>, Engine) {
    let topology = topology(storm);
    let mut engine = engine(&topology);
    let mut effects = Vec::new();
    for (i, event) in events(storm, most).iter().enumerate() {
        engine = between(i, engine);
        effects.extend(engine.step(event.observed_at, &record(event), Loaded::Nothing));
    }
    let end = engine.now().plus(Span::hours(3));
    effects.extend(engine.step(end, &Input::Tick, Loaded::Nothing));
    (effects, engine)
}

fn restart(storm: &str, engine: &Engine) -> Engine {
    let topology = topology(storm);
    Engine::thaw(&engine.freeze(), Arc::new(Tuning::default()), |_, _| Some(topology.clone()), |_, _| None)
        .expect("a snapshot can be read")
}

#[test]
fn a_restart_before_any_event_changes_nothing() {
    for storm in ["medium", "hard"] {
        let topology = topology(storm);
        let (calm, end) = play(storm, 1500, |_, engine| engine);
        let (restarted, end_restarted) = play(storm, 1500, |_, engine| {
            Engine::thaw(&engine.freeze(), Arc::new(Tuning::default()), |_, _| Some(topology.clone()), |_, _| None)
                .expect("readable")
        });
        assert!(bytes(&calm) == bytes(&restarted), "{storm}: effects differ after restarts");
        assert!(end.freeze() == end_restarted.freeze(), "{storm}: state differs after restarts");
    }
}

#[test]
fn a_snapshot_of_a_whole_storm_is_equal_to_itself() {
    let (_, engine) = play("hard", usize::MAX, |_, engine| engine);
    assert!(restart("hard", &engine).freeze() == engine.freeze());
}

#[test]
fn every_event_has_exactly_one_verdict() {
    let topology = topology("hard");
    let mut engine = engine(&topology);
    for event in events("hard", usize::MAX) {
        let effects = engine.step(event.observed_at, &record(&event), Loaded::Nothing);
        let verdicts = effects.iter().filter(|e| matches!(e, Effect::Verdict { .. })).count();
        assert_eq!(verdicts, 1, "event {}", event.id);
    }
}

#[test]
fn extra_ticks_change_nothing() {
    let topology = topology("medium");
    let events = events("medium", 2500);
    let (calm, _) = play("medium", 2500, |_, engine| engine);
    let mut ticking = engine(&topology);
    let mut effects = Vec::new();
    let mut last = Timestamp(0);
    for (i, event) in events.iter().enumerate() {
        // Ticks at uneven moments on the way to the event.
        let gap = event.observed_at.since(last).0.clamp(0, 3_600_000);
        for part in 1..=(i % 4) as i64 {
            let at = event.observed_at.minus(Span(gap * part / 5));
            effects.extend(ticking.step(at, &Input::Tick, Loaded::Nothing));
        }
        effects.extend(ticking.step(event.observed_at, &record(event), Loaded::Nothing));
        last = event.observed_at;
    }
    effects.extend(ticking.step(ticking.now().plus(Span::hours(3)), &Input::Tick, Loaded::Nothing));
    assert!(bytes(&calm) == bytes(&effects), "ticks changed the effects");
}

#[test]
fn what_is_told_of_incidents_is_what_the_engine_holds() {
    for storm in ["medium", "hard"] {
        let (effects, engine) = play(storm, usize::MAX, |_, engine| engine);
        let mut told = ToldIncidents::default();
        effects.iter().for_each(|effect| told.hear(effect));
        assert!(told.states.len() > 20, "{storm}: a storm has incidents");
        let held = engine.incidents();
        assert!(held.keys().all(|id| told.states.contains_key(id)), "{storm}: an incident that nobody was told of");
        for id in &told.named {
            assert!(told.states.contains_key(id), "{storm}: {id} was named by a verdict and never told");
        }
        for (id, (_, state)) in &told.states {
            let over = matches!(state, IncidentState::Merged | IncidentState::Closed);
            match held.get(id) {
                Some(members) => assert!(*members == told.members[id], "{storm}: {id} has other members than told"),
                None => assert!(over, "{storm}: {id} vanished while it was told as {state:?}"),
            }
        }
    }
}

/// What somebody knows who only hears the effects.
#[derive(Default)]
struct ToldIncidents {
    states: BTreeMap<IncidentId, (u32, IncidentState)>,
    members: BTreeMap<IncidentId, BTreeSet<AlertId>>,
    /// Incidents named by verdicts.
    named: BTreeSet<IncidentId>,
}

impl ToldIncidents {
    fn hear(&mut self, effect: &Effect) {
        match effect {
            Effect::Verdict {
                verdict: Verdict::Opened { incident, .. } | Verdict::Joined { incident, .. }, ..
            } => {
                self.named.insert(*incident);
            }
            Effect::Incident { incident, joined, left } => {
                let before = self.states.insert(incident.id, (incident.version, incident.state));
                let id = incident.id;
                assert!(before.is_none_or(|(version, _)| version < incident.version), "{id}: versions only grow");
                assert!(before.is_none_or(|(_, state)| state != IncidentState::Merged), "{id}: told after its end");
                let members = self.members.entry(id).or_default();
                for alert in left {
                    assert!(members.remove(alert), "{id}: {alert} left without having come");
                }
                for alert in joined {
                    assert!(members.insert(*alert), "{id}: {alert} came twice");
                }
                assert_eq!(
                    members.len() as u32,
                    if incident.state == IncidentState::Merged { 0 } else { incident.alert_count },
                    "{id}"
                );
            }
            _ => {}
        }
    }
}
