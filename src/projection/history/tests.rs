//! The history on scripted steps: written, read back, found again after a restart.

use super::super::board::IncidentFilter;
use super::super::scope::Scope;
use super::*;
use crate::domain::ids::{AlertId, EventRef, IncidentId};
use crate::domain::time::Span;
use crate::engine::input::{DeadLetter, Input};
use crate::engine::verdict::Reject;
use crate::projection::live::Live;
use crate::projection::scripted::{T0, opened, repeated};

fn history(folder: &Path) -> History {
    History::open(&folder.join("history.db"), Retention::default()).unwrap()
}

fn filled(folder: &Path) -> History {
    let history = history(folder);
    for n in 1..=30u64 {
        assert_eq!(history.offer(Arc::new(opened(n, "tax", 3))), Offer::Taken);
    }
    history.flush();
    history
}

#[test]
fn a_step_is_written_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let history = filled(folder.path());
    assert_eq!(history.applied(), 30);
    history.push(Arc::new(opened(30, "tax", 3)));
    history.push(Arc::new(repeated(31, 30)));
    history.flush();
    let all = Scope::whole("a".into());
    let judged = history.read(|c| find::event(c, &all, EventRef { seq: 5, index: 0 })).unwrap().unwrap();
    assert_eq!(judged.verdict.word(), "opened");
    let alert = history.read(|c| find::alert(c, &all, AlertId(300))).unwrap().unwrap();
    assert_eq!(alert.count, 2, "the repeat is counted");
    let events = history.read(|c| find::events_of(c, &all, AlertId(300), 10)).unwrap();
    assert_eq!(events.iter().map(|e| e.verdict.word()).collect::<Vec<_>>(), ["duplicate", "opened"]);
    let (incident, timeline) = history.read(|c| find::incident(c, &all, IncidentId(7))).unwrap().unwrap();
    assert_eq!((incident.alert_count, timeline.len()), (3, 1));
    let (members, total) = history.read(|c| find::members(c, IncidentId(7), Some(AlertId(70)), 10)).unwrap();
    assert_eq!((members.len(), total), (2, 3));
}

#[test]
fn what_is_foreign_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let history = filled(folder.path());
    let civil = Scope { tenant: "a".into(), orgs: Some([("civil").into()].into_iter().collect()) };
    for scope in [civil, Scope::whole("b".into())] {
        assert!(history.read(|c| find::event(c, &scope, EventRef { seq: 5, index: 0 })).unwrap().is_none());
        assert!(history.read(|c| find::alert(c, &scope, AlertId(50))).unwrap().is_none());
        assert!(history.read(|c| find::incident(c, &scope, IncidentId(5))).unwrap().is_none());
        let page = history.read(|c| search::incidents(c, &scope, &IncidentFilter::default(), None, 10)).unwrap();
        assert!(page.items.is_empty());
        let events = history.read(|c| search::events(c, &scope, &Default::default(), None, 10)).unwrap();
        assert!(events.items.is_empty());
    }
}

#[test]
fn pages_have_no_gaps_and_filters_hold() {
    let folder = tempfile::tempdir().unwrap();
    let history = filled(folder.path());
    let scope = Scope::whole("a".into());
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let filter = IncidentFilter::default();
        let page = history.read(|c| search::incidents(c, &scope, &filter, after, 7)).unwrap();
        seen.extend(page.items.iter().map(|i| i.id.0));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=30).rev().collect::<Vec<_>>());
    let count = |filter: IncidentFilter| {
        history.read(|c| search::incidents(c, &scope, &filter, None, 100)).unwrap().items.len()
    };
    assert_eq!(count(IncidentFilter { q: Some("HOST-7".into()), ..Default::default() }), 1);
    assert_eq!(count(IncidentFilter { q: Some("' OR 1=1 --".into()), ..Default::default() }), 0);
    assert_eq!(count(IncidentFilter { ci: Some("c12".into()), ..Default::default() }), 1);
    assert_eq!(count(IncidentFilter { sources: vec!["nobody".into()], ..Default::default() }), 0);
    assert_eq!(count(IncidentFilter { since: Some(T0.plus(Span::secs(21))), ..Default::default() }), 10);
}

#[test]
fn the_live_view_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let before = Live::default();
    {
        let history = filled(folder.path());
        (1..=30u64).for_each(|n| before.apply(&opened(n, "tax", 3)));
        history.flush();
    }
    let after = Live::default();
    history(folder.path()).restore(&after).unwrap();
    let (before, after) = (before.read(), after.read());
    assert_eq!((before.journal_seq, before.stamp), (after.journal_seq, after.stamp));
    let (b, a) = (before.tenant(&"a".into()).unwrap(), after.tenant(&"a".into()).unwrap());
    assert_eq!(b.conservation, a.conservation);
    assert!(a.conservation.holds() && a.conservation.accepted == 90);
    assert_eq!((b.incidents_made, b.alerts_made), (a.incidents_made, a.alerts_made));
    assert_eq!((b.noisy_names.top(5), b.noisy_cis.top(3)), (a.noisy_names.top(5), a.noisy_cis.top(3)));
    for n in 1..=30u64 {
        let (b, a) = (b.board.get(IncidentId(n)).unwrap(), a.board.get(IncidentId(n)).unwrap());
        assert_eq!((&b.view, &b.members, &b.timeline), (&a.view, &a.members, &a.timeline));
        assert_eq!((&b.sources, &b.cis), (&a.sources, &a.cis));
    }
}

#[test]
fn a_full_queue_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(folder.path());
    let last = (QUEUE_MAX + 5 * BATCH_MAX) as u64;
    let step = |n| Arc::new(Committed { journal_seq: n, outbox_seq: n, stamp: T0, input: None, effects: Vec::new() });
    let refused = (1..=last).any(|n| history.offer(step(n)) == Offer::Behind);
    history.flush();
    (history.applied() + 1..=last).for_each(|n| history.push(step(n)));
    history.resume();
    history.flush();
    assert_eq!(history.applied(), last);
    assert_eq!(history.offer(step(last + 1)), Offer::Taken, "refused before: {refused}");
}

#[test]
fn dead_letters_and_old_records_go_as_told() {
    let folder = tempfile::tempdir().unwrap();
    let history = filled(folder.path());
    let mut step = opened(31, "tax", 1);
    let letter = DeadLetter {
        source: "prom".into(),
        why: Reject::Malformed("line 3".into()),
        raw: "{".into(),
        decoder: "native".into(),
        received_at: T0,
    };
    if let Some(Input::Batch(batch)) = &mut step.input {
        batch.rejected.push(letter.clone());
    }
    history.push(Arc::new(step));
    history.mark_replayed(31, 1, T0);
    history.flush();
    let scope = Scope::whole("a".into());
    let kept = history.read(|c| find::dead_letters(c, &scope, None, 10)).unwrap();
    assert_eq!((kept.len(), &kept[0].letter, kept[0].replayed_at), (1, &letter, Some(T0)));
    history.prune(T0.plus(Span::hours(24 * 91)));
    history.flush();
    assert!(history.read(|c| find::dead_letters(c, &scope, None, 10)).unwrap().is_empty());
    assert!(history.read(|c| find::event(c, &scope, EventRef { seq: 5, index: 0 })).unwrap().is_none());
    assert!(history.read(|c| find::incident(c, &scope, IncidentId(5))).unwrap().is_some(), "open incidents stay");
}
