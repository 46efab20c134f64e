//! The engine's promises: restart anywhere, one verdict each, ticks harmless, replay twice equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::Effect;
use headwater::engine::input::Input;
use headwater::engine::tuning::Tuning;
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
fn incident_versions_only_grow_and_members_are_in_one_incident() {
    let (effects, _) = play("hard", usize::MAX, |_, engine| engine);
    let mut versions: BTreeMap<String, u32> = BTreeMap::new();
    let mut member_of: BTreeMap<String, String> = BTreeMap::new();
    for effect in &effects {
        let Effect::Incident { incident, joined, left } = effect else { continue };
        let id = incident.id.to_string();
        let before = versions.insert(id.clone(), incident.version).unwrap_or(0);
        assert!(incident.version > before, "{id}: version {} after {before}", incident.version);
        for alert in left {
            if member_of.get(&alert.to_string()) == Some(&id) {
                member_of.remove(&alert.to_string());
            }
        }
        for alert in joined {
            member_of.insert(alert.to_string(), id.clone());
        }
    }
    assert!(versions.len() > 20);
}
