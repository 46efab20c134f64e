//! What has become due while nobody decided is done in parts, however much it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use headwater::domain::event::{Event, ObjectRef, Status};
use headwater::domain::ids::{IncidentId, TenantId};
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Digest, Input};
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::engine::verdict::Verdict;
use headwater::engine::{Engine, Loaded};

use crate::story::BEGIN;

/// What a step may do of what is due.
const PART: usize = 60;
/// Alerts, each on an object of its own, so severe that it becomes an incident when it has fired for five minutes.
const ALERTS: usize = 400;

/// Work begins on what is in hall b eight minutes after the beginning, when everything is overdue.
const RULES: &str = "\
routes: [{ id: all, receivers: [noc] }]
maintenance: [{ id: work, match: { name: work }, schedule: { once: { from: '2026-06-01T00:08:00Z', to: '2026-06-01T09:00:00Z' } } }]
";

fn engine() -> Engine {
    let files = [RuleFile { name: "a.yaml".into(), text: RULES.into() }];
    let policy = Arc::new(Policy::compile(1, &files).unwrap());
    let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
    let (digest, author) = (Digest("rules".into()), "li".into());
    let input = Input::Policy { tenant: "t".into(), version: 1, digest, author, reason: "".into() };
    engine.step(BEGIN, &input, Loaded::Policy(policy));
    engine
}

fn hear(engine: &mut Engine, name: &str, object: &str, at: Timestamp) -> Vec<Effect> {
    let mut event = Event::new(TenantId::from("t"), "zabbix".into(), name, at);
    event.severity = Severity::Major;
    event.status = Status::Firing;
    event.object = ObjectRef { name: Some(object.into()), ..ObjectRef::default() };
    let batch = Batch { tenant: "t".into(), events: vec![event], rejected: Vec::new(), replay_of: None };
    engine.step(at, &Input::Batch(batch), Loaded::Nothing)
}

fn flood(engine: &mut Engine) {
    for n in 0..ALERTS {
        hear(engine, &format!("fault-{n}"), &format!("box-{n}"), BEGIN.plus(Span(n as i64 * 100)));
    }
}

fn tick(engine: &mut Engine, at: Timestamp) -> Vec<Effect> {
    engine.step(at, &Input::Tick, Loaded::Nothing)
}

fn opened(engine: &Engine) -> BTreeSet<IncidentId> {
    engine.incidents().into_keys().collect()
}

#[test]
fn a_step_does_a_part_of_what_is_due_and_the_next_ones_the_rest() {
    let (mut whole, mut parts) = (engine(), engine().paced(PART));
    flood(&mut whole);
    flood(&mut parts);
    let later = BEGIN.plus(Span::mins(10));
    let at_once = tick(&mut whole, later).len();
    assert!(at_once > 10 * PART, "{at_once} effects are no test of it");
    assert_eq!(opened(&whole).len(), ALERTS);
    let mut ticks = 0;
    while parts.next_due().is_some_and(|due| due <= later) {
        let done = tick(&mut parts, later.plus(Span(ticks * 100))).len();
        assert!(done <= 8 * PART, "a step had {done} effects");
        ticks += 1;
        assert!(ticks < 400, "it never ends");
    }
    assert!(ticks > 5, "{ticks} ticks");
    assert_eq!(opened(&parts).len(), ALERTS);
}

#[test]
fn what_comes_while_much_is_overdue_is_judged_at_once_and_by_the_rules_of_its_time() {
    let mut engine = engine().paced(PART);
    flood(&mut engine);
    let effects = hear(&mut engine, "fan", "hall-b", BEGIN.plus(Span::mins(9)));
    assert!(effects.len() <= 8 * PART, "{} effects", effects.len());
    let verdict = |effects: &[Effect]| {
        let found = effects.iter().find_map(|effect| match effect {
            Effect::Verdict { verdict, .. } => Some(verdict.clone()),
            _ => None,
        });
        found.expect("every event has one")
    };
    assert!(verdict(&effects).alert().is_some(), "{:?}", verdict(&effects));
    assert!(engine.next_due().is_some_and(|due| due < BEGIN.plus(Span::mins(6))), "much is overdue");
    // Its window has begun among what is overdue.
    let effects = hear(&mut engine, "work", "hall-b", BEGIN.plus(Span(9 * 60_000 + 1)));
    assert!(matches!(verdict(&effects), Verdict::Muted { .. }), "{:?}", verdict(&effects));
}

#[test]
fn a_restart_among_overdue_parts_changes_nothing() {
    let (mut calm, mut restarted) = (engine().paced(PART), engine().paced(PART));
    flood(&mut calm);
    flood(&mut restarted);
    let policy = calm.policy(&"t".into());
    for n in 0..30 {
        let at = BEGIN.plus(Span::mins(10)).plus(Span(n * 50));
        assert!(tick(&mut calm, at) == tick(&mut restarted, at), "tick {n}");
        let frozen = restarted.freeze();
        let rules = |_, _: &_| Some(policy.clone());
        restarted = Engine::thaw(&frozen, Arc::new(Tuning::default()), |_, _| None, rules).unwrap().paced(PART);
        assert!(restarted.freeze() == frozen);
    }
}
