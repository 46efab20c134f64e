//! A labelled storm under rules of every kind: restarts, extra ticks and the same rules once more change nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::domain::ids::AlertId;
use headwater::domain::mute::MutedBy;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::Effect;
use headwater::engine::input::{Digest, Input};
use headwater::engine::policy::Policy;
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};

use super::compiled;
use crate::storms::{bytes, engine, events, record, tenant, topology};

const RULES: &str = "
settings: {flapping: {mode: mute, changes: 2, within: 10m, mute_for: 30m}}
trust: {zabbix: 7, prometheus: 3}
dedup: [{id: long, window: 2h, match: {severity: critical}}]
enrich: [{id: place, compose: {place: '{class}/{area}'}}]
adjust: [{id: up, match: {severity: minor}, severity: '+1'}]
mute:
- {id: gone, effect: drop, match: {severity: warning}, during: {cron: {at: '*/20 * * * *', for: 5m}}}
- {id: quiet, effect: notice, match: {labels.place: '~ .*/cloud'}, during: {cron: {at: '*/7 * * * *', for: 2m}}}
maintenance:
- {id: work, match: {severity: major}, schedule: {cron: {at: '*/15 * * * *', for: 4m}}}
inhibit:
- {id: same-ci, source: {severity: critical}, target: {severity: '< critical'}, equal: [ci], recent: 9m}
- {id: class, effect: notice, source: {severity: critical}, target: {severity: '<= critical'}, equal: [class, area]}
- {id: by-place, source: {severity: '>= major'}, target: {severity: '<= minor'}, equal: [labels.place]}
";
const EVENTS: usize = 1500;

/// Plays the storm; `between` may do something with the engine before each event.
fn play(policy: &Arc<Policy>, mut between: impl FnMut(usize, &mut Engine, Timestamp)) -> (Vec<Effect>, Engine) {
    let mut engine = engine(&topology("hard"));
    take(policy, &mut engine, Timestamp(0));
    let mut effects = Vec::new();
    for (i, event) in events("hard", EVENTS).iter().enumerate() {
        between(i, &mut engine, event.observed_at);
        effects.extend(engine.step(event.observed_at, &record(event), Loaded::Nothing));
    }
    let end = engine.now().plus(Span::hours(3));
    effects.extend(engine.step(end, &Input::Tick, Loaded::Nothing));
    (effects, engine)
}

fn take(policy: &Arc<Policy>, engine: &mut Engine, at: Timestamp) -> Vec<Effect> {
    let input = Input::Policy {
        tenant: tenant(),
        version: 1,
        digest: Digest("1".into()),
        author: "li.na".into(),
        reason: "".into(),
    };
    engine.step(at, &input, Loaded::Policy(policy.clone()))
}

#[test]
fn restarts_change_nothing() {
    let policy = compiled(1, RULES);
    let topology = topology("hard");
    let (calm, end) = play(&policy, |_, _, _| {});
    let (restarted, end_restarted) = play(&policy, |i, engine, _| {
        if i % 53 == 0 {
            let tuning = Arc::new(Tuning::default());
            let (topology, policy) = (topology.clone(), policy.clone());
            let frozen = engine.freeze();
            *engine =
                Engine::thaw(&frozen, tuning, |_, _| Some(topology.clone()), |_, _| Some(policy.clone())).unwrap();
        }
    });
    assert!(bytes(&calm) == bytes(&restarted), "effects differ after restarts");
    assert!(end.freeze() == end_restarted.freeze(), "state differs after restarts");
    let mut muted = std::collections::BTreeSet::new();
    for effect in &calm {
        if let Effect::Alert { alert } = effect {
            muted.extend(alert.muted_by.iter().map(|by| match by {
                MutedBy::Silence { .. } => "silence",
                MutedBy::Maintenance { .. } => "maintenance",
                MutedBy::CiState => "ci state",
                MutedBy::Inhibition { .. } => "inhibition",
                MutedBy::Flapping => "flapping",
                MutedBy::Rule { .. } => "rule",
            }));
        }
    }
    assert_eq!(muted.into_iter().collect::<Vec<_>>(), ["flapping", "inhibition", "maintenance", "rule"]);
}

#[test]
fn extra_ticks_change_nothing() {
    let policy = compiled(1, RULES);
    let (calm, _) = play(&policy, |_, _, _| {});
    let mut told_by_ticks = 0;
    let mut last = Timestamp(0);
    let mut told = Vec::new();
    let (ticking, _) = play(&policy, |i, engine, at| {
        let gap = at.since(last).0.clamp(0, 3_600_000);
        for part in (1..=(i % 3) as i64).rev() {
            told.extend(engine.step(at.minus(Span(gap * part / 4)), &Input::Tick, Loaded::Nothing));
        }
        told_by_ticks = told.len();
        last = at;
    });
    // The same things are told, only some of them by the ticks.
    assert!(told_by_ticks > 0);
    let lines = |effects: Vec<Effect>| {
        let mut lines: Vec<String> = effects.iter().map(|e| serde_json::to_string(e).unwrap()).collect();
        lines.sort();
        lines
    };
    assert!(lines(calm) == lines(told.into_iter().chain(ticking).collect()), "ticks change what is told");
}

/// Who mutes the alerts that were told.
fn muted(effects: &[Effect]) -> BTreeMap<AlertId, Vec<MutedBy>> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::Alert { alert } => Some((alert.id, alert.muted_by.to_vec())),
        _ => None,
    });
    told.collect()
}

/// By which rules these alerts are muted, whoever the source is: read from the state.
fn rules_of<'a>(engine: &Engine, alerts: impl Iterator<Item = &'a AlertId>) -> Vec<Vec<String>> {
    let state: serde_json::Value = serde_json::from_slice(&engine.freeze()).unwrap();
    let slots = state["cells"]["default"]["alerts"]["slots"].as_array().expect("alerts");
    let known = |id: &AlertId| slots.iter().map(|slot| &slot[1]).find(|known| known["id"] == id.0).expect("an alert");
    let by = |by: &serde_json::Value| format!("{} {} {}", by["kind"], by["rule"], by["id"]);
    alerts.map(|id| known(id)["muted_by"].as_array().expect("a list").iter().map(by).collect()).collect()
}

/// Taking rules looks at every alert afresh: what the stages keep up step by step is what a look at everything finds.
#[test]
fn the_same_rules_once_more_change_no_alert() {
    let policy = compiled(1, RULES);
    let mut looks = 0;
    play(&policy, |i, engine, at| {
        if i % 29 == 0 {
            engine.step(at, &Input::Tick, Loaded::Nothing);
            let mut once = engine.clone();
            let first = muted(&take(&policy, &mut once, at));
            // The first look may name another source than the one that began an inhibition and is over.
            if !first.is_empty() {
                let (before, after) = (rules_of(engine, first.keys()), rules_of(&once, first.keys()));
                assert_eq!(before, after, "before event {i}: {first:?}");
            }
            assert!(
                muted(&take(&policy, &mut once, at)).is_empty(),
                "before event {i}: a second look changes something"
            );
            looks += 1;
        }
    });
    assert!(looks > 40);
}
