//! Questions about what did not happen: answered by the engine's own scoring, and without a trace in its state.

use std::collections::BTreeMap;

use headwater::domain::ids::{AlertId, CiId, IncidentId};
use headwater::domain::incident::{EvidenceTerm, IncidentState};
use headwater::engine::alert::Bond;
use headwater::engine::effect::Effect;
use headwater::engine::explain::{Answer, Question, Reason, Unlinked, Untold};
use headwater::engine::{Engine, Loaded};

use crate::storms::{engine, events, record, tenant, topology};

/// An engine in the middle of a storm, its incidents, and a root cause of each.
fn stormed(storm: &str, most: usize) -> (Engine, BTreeMap<IncidentId, CiId>) {
    let mut engine = engine(&topology(storm));
    let mut roots = BTreeMap::new();
    for event in events(storm, most) {
        for effect in engine.step(event.observed_at, &record(&event), Loaded::Nothing) {
            if let Effect::Incident { incident, .. } = effect
                && let Some(best) = incident.candidates.first().filter(|_| incident.state != IncidentState::Merged)
            {
                roots.insert(incident.id, best.ci.id.clone());
            }
        }
    }
    (engine, roots)
}

fn ask(engine: &mut Engine, question: &Question) -> Answer {
    engine.explain(&tenant(), question).expect("the tenant is known")
}

/// What every answer keeps: the terms add up to what is compared. Where the model was asked, those of its question do.
fn sound(answer: &Answer) {
    assert!(!answer.reasons.is_empty(), "{answer:?}");
    for one in answer.weighed.iter().chain(&answer.path).filter(|one| !one.evidence.is_empty()) {
        let is_asked = one.evidence.iter().any(|e| e.term == EvidenceTerm::Learned);
        let terms = one.evidence.iter().filter(|e| !is_asked || e.term == EvidenceTerm::Learned);
        let sum: i64 = terms.map(|e| i64::from(e.points)).sum();
        assert_eq!(sum, one.sum, "{one:?}");
    }
}

#[test]
fn questions_leave_no_trace_and_the_terms_add_up() {
    let (mut engine, _) = stormed("medium", 1500);
    let before = engine.freeze();
    let incidents = engine.incidents();
    let ids: Vec<IncidentId> = incidents.keys().copied().collect();
    let (mut told, mut links) = (0, 0);
    for (at, (incident, alerts)) in incidents.iter().enumerate() {
        let other = ids[(at + 1) % ids.len()];
        for alert in alerts.iter().take(5).copied() {
            let is_in = ask(&mut engine, &Question::NotIn { alert, incident: *incident });
            assert_eq!(is_in.reasons, [Reason::IsSo]);
            let path = ask(&mut engine, &Question::Path { alert });
            sound(&path);
            // An explanation that holds is good enough by the very numbers that are told.
            for link in path.path.iter().filter(|l| l.bond == Some(Bond::Evidence) && !l.evidence.is_empty()) {
                links += usize::from(link.sum > link.needs);
            }
            if other != *incident {
                let not_in = ask(&mut engine, &Question::NotIn { alert, incident: other });
                sound(&not_in);
                assert_ne!(not_in.reasons, [Reason::IsSo]);
                told += usize::from(matches!(not_in.reasons[0], Reason::Link(_)));
            }
            sound(&ask(&mut engine, &Question::NotToldOfAlert { alert }));
        }
        sound(&ask(&mut engine, &Question::NotTold { incident: *incident }));
    }
    assert!(told > 10 && links > 10, "{told} links weighed, {links} hold");
    assert!(before == engine.freeze(), "asking changed the state");
}

#[test]
fn what_is_short_of_the_need_says_by_how_much_and_what_would_do() {
    let (mut engine, _) = stormed("hard", 2500);
    let incidents = engine.incidents();
    let mut short = 0;
    for incident in incidents.keys() {
        for alerts in incidents.values() {
            for alert in alerts.iter().take(8).copied() {
                let answer = ask(&mut engine, &Question::NotIn { alert, incident: *incident });
                let Some(Reason::Link(Unlinked::TooWeak { short: by })) = answer.reasons.first() else { continue };
                let best = &answer.weighed[0];
                assert_eq!(*by, best.needs - best.sum);
                for one in answer.what_if.iter().filter(|one| one.gain.is_some()) {
                    assert_eq!(one.enough, one.gain.unwrap() > *by, "{one:?}");
                }
                short += 1;
            }
        }
    }
    assert!(short > 0, "no pair of this storm is merely too weak");
}

#[test]
fn the_root_is_the_first_and_each_other_candidate_knows_by_how_much_it_is_behind() {
    let (mut engine, roots) = stormed("medium", 1500);
    let standing: Vec<IncidentId> = engine.incidents().into_keys().collect();
    let mut behind = 0;
    for incident in standing {
        let Some(root) = roots.get(&incident) else { continue };
        let answer = ask(&mut engine, &Question::NotRoot { incident, ci: root.clone() });
        sound(&answer);
        for other in roots.values().filter(|other| *other != root).take(6) {
            let answer = ask(&mut engine, &Question::NotRoot { incident, ci: other.clone() });
            sound(&answer);
            behind += 1;
        }
        let nobody = ask(&mut engine, &Question::NotRoot { incident, ci: "no-such-ci".into() });
        assert_eq!(nobody.reasons, [Reason::UnknownCi("no-such-ci".into())]);
    }
    assert!(behind > 10);
}

#[test]
fn what_is_not_there_is_said_so_and_who_was_told_is_named() {
    let (mut engine, _) = stormed("medium", 800);
    let (alert, incident) = (AlertId(u64::MAX >> 17), IncidentId(u64::MAX >> 17));
    let gone = ask(&mut engine, &Question::NotIn { alert, incident });
    assert_eq!(gone.reasons, [Reason::AlertGone(alert)]);
    let gone = ask(&mut engine, &Question::NotTold { incident });
    assert_eq!(gone.reasons, [Reason::IncidentGone(incident)]);
    let open = engine.incidents().into_keys().next().expect("a storm opens incidents");
    let told = ask(&mut engine, &Question::NotTold { incident: open });
    let named = |reason: &Reason| {
        matches!(reason, Reason::Told(Untold::Told { .. } | Untold::OverBefore | Untold::NotDue { .. }))
    };
    assert!(told.reasons.iter().any(named), "{:?}", told.reasons);
}
