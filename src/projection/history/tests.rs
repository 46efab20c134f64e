//! The history on scripted steps: written, read back, found again after a restart.

use std::io::{Seek, SeekFrom, Write as _};
use std::sync::Arc;

use super::super::alerts::AlertFilter;
use super::super::board::IncidentFilter;
use super::super::scope::Scope;
use super::super::sight::Sight;
use super::search::EventFilter;
use super::writer::Stored;
use super::*;
use crate::domain::ids::{AlertId, EventRef, IncidentId};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::engine::input::{DeadLetter, Input};
use crate::engine::verdict::Reject;
use crate::projection::Committed;
use crate::projection::scripted::{self, T0, opened, repeated};

fn open(folder: &Path) -> (History, Writer) {
    History::open(&folder.join(FILE), Retention::default()).unwrap()
}

/// Steps as journal and outbox keep them.
fn stored(steps: &[Committed]) -> Vec<Stored> {
    steps.iter().cloned().map(scripted::stored).collect()
}

fn filled(folder: &Path) -> (History, Writer) {
    let (history, mut writer) = open(folder);
    let steps: Vec<Committed> = (1..=30u64).map(|n| opened(n, "tax", 3)).collect();
    for chunk in steps.chunks(7) {
        writer.write(&stored(chunk), "hash").unwrap();
    }
    (history, writer)
}

/// Record `seq`, whose second event could not be taken.
fn rejected(seq: u64) -> (Committed, DeadLetter) {
    let mut step = opened(seq, "tax", 1);
    let letter = DeadLetter {
        source: "prom".into(),
        why: Reject::Malformed("line 3".into()),
        raw: "{".into(),
        decoder: "native".into(),
        received_at: T0,
    };
    if let Some(Input::Batch(batch)) = step.input.as_mut().map(Arc::make_mut) {
        batch.rejected.push(letter.clone());
    }
    let verdict = crate::engine::verdict::Verdict::Rejected { why: letter.why.clone() };
    Arc::make_mut(&mut step.effects).push(crate::engine::effect::Effect::Verdict { index: 1, verdict });
    (step, letter)
}

fn event_at(history: &History, seq: u64, index: u32) -> Option<find::Judged> {
    history.read(|c| find::event(c, &Scope::whole("a".into()), EventRef { seq, index })).unwrap()
}

#[test]
fn a_step_is_written_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (history, mut writer) = filled(folder.path());
    assert_eq!(history.progress().journal_seq, 30);
    writer.write(&stored(&[repeated(31, 30)]), "hash-31").unwrap();
    let all = Scope::whole("a".into());
    let judged = event_at(&history, 5, 0).unwrap();
    assert_eq!((judged.verdict.word(), judged.alert.map(|a| a.id)), ("opened", Some(AlertId(50))));
    let alert = history.read(|c| find::alert(c, &all, AlertId(300))).unwrap().unwrap();
    assert_eq!(alert.count, 2, "the repeat is counted");
    let events = history.read(|c| find::events_of(c, &all, AlertId(300), 10)).unwrap();
    assert_eq!(events.iter().map(|e| e.verdict.word()).collect::<Vec<_>>(), ["duplicate", "opened"]);
    let incident = history.read(|c| find::incident(c, &all, IncidentId(7))).unwrap().unwrap();
    let (timeline, total) = history.read(|c| find::timeline(c, IncidentId(7), 10)).unwrap();
    assert_eq!((incident.alert_count, timeline.len(), total), (3, 1, 1));
    let (members, total) = history.read(|c| find::members(c, IncidentId(7), Some(AlertId(70)), 10)).unwrap();
    assert_eq!((members.len(), total), (2, 3));
    drop((history, writer));
    let (again, writer) = open(folder.path());
    assert_eq!((again.progress().journal_seq, writer.hash().unwrap()), (31, "hash-31".into()));
    assert!(!again.progress().whole && event_at(&again, 31, 0).is_some());
}

#[test]
fn an_event_is_found_by_its_own_id_and_by_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (history, mut writer) = open(folder.path());
    let named = |seq, id: &str| {
        let mut step = opened(seq, "tax", 1);
        if let Some(Input::Batch(batch)) = step.input.as_mut().map(Arc::make_mut) {
            batch.events[0].id = id.into();
        }
        step
    };
    writer.write(&stored(&[named(1, "x-9"), named(2, "2-0"), named(3, "x-9")]), "").unwrap();
    let why = |id: &str| {
        let found = history.read(|c| find::why(c, &Scope::whole("a".into()), id, 10)).unwrap();
        found.iter().map(|judged| judged.event.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(why("x-9"), "e3.0 e1.0");
    assert_eq!(why("e3.0"), "e3.0");
    assert_eq!(why("1-0"), "e1.0");
    assert_eq!(why("2-0"), "e2.0", "its place and its own id are the same event");
    assert_eq!(why("3-7"), "");
    assert_eq!(why(""), "");
}

#[test]
fn what_is_foreign_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let (history, _writer) = filled(folder.path());
    let civil = Scope { tenant: "a".into(), orgs: Some([("civil").into()].into_iter().collect()), areas: None };
    for scope in [civil, Scope::whole("b".into())] {
        assert!(history.read(|c| find::event(c, &scope, EventRef { seq: 5, index: 0 })).unwrap().is_none());
        assert!(history.read(|c| find::why(c, &scope, "e5.0", 5)).unwrap().is_empty());
        assert!(history.read(|c| find::alert(c, &scope, AlertId(50))).unwrap().is_none());
        assert!(history.read(|c| find::incident(c, &scope, IncidentId(5))).unwrap().is_none());
        let page = history
            .read(|c| {
                search::incidents(c, &Sight::new(scope.clone(), Topology::none()), &IncidentFilter::default(), None, 10)
            })
            .unwrap();
        assert!(page.items.is_empty());
        let events = history.read(|c| search::events(c, &scope, &EventFilter::default(), None, 10)).unwrap();
        assert!(events.items.is_empty());
        let alerts = AlertFilter::default();
        let alerts = history.read(|c| search::alerts(c, &scope, &alerts, (None, None), None, 10)).unwrap();
        assert!(alerts.items.is_empty());
    }
}

#[test]
fn pages_have_no_gaps_and_filters_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (history, _writer) = filled(folder.path());
    let scope = Scope::whole("a".into());
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let filter = IncidentFilter::default();
        let page = history
            .read(|c| search::incidents(c, &Sight::new(scope.clone(), Topology::none()), &filter, after, 7))
            .unwrap();
        seen.extend(page.items.iter().map(|i| i.id.0));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=30).rev().collect::<Vec<_>>());
    let count = |filter: IncidentFilter| {
        history
            .read(|c| search::incidents(c, &Sight::new(scope.clone(), Topology::none()), &filter, None, 100))
            .unwrap()
            .items
            .len()
    };
    assert_eq!(count(IncidentFilter { q: Some("HOST-7".into()), ..Default::default() }), 1);
    assert_eq!(count(IncidentFilter { q: Some("' OR 1=1 --".into()), ..Default::default() }), 0);
    assert_eq!(count(IncidentFilter { ci: Some("c12".into()), ..Default::default() }), 1);
    assert_eq!(count(IncidentFilter { sources: vec!["nobody".into()], ..Default::default() }), 0);
    assert_eq!(count(IncidentFilter { since: Some(T0.plus(Span::secs(21))), ..Default::default() }), 10);
    let events =
        |filter: EventFilter| history.read(|c| search::events(c, &scope, &filter, None, 100)).unwrap().items.len();
    assert_eq!(events(EventFilter::default()), 90);
    assert_eq!(events(EventFilter { verdicts: vec!["opened".into()], ..Default::default() }), 30);
    assert_eq!(events(EventFilter { incident: Some(IncidentId(4)), ..Default::default() }), 3);
    assert_eq!(events(EventFilter { q: Some("HOSTDOWN".into()), name: Some("x".into()), ..Default::default() }), 0);
}

#[test]
fn a_damaged_file_is_made_anew_and_a_reader_says_so() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let path = folder.path().join(FILE);
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for page in 1..std::fs::metadata(&path).unwrap().len() / 4096 {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xA5; 512]).unwrap();
    }
    drop(file);
    let (history, mut writer) = open(folder.path());
    if history.progress().journal_seq != 0 {
        let all = Scope::whole("a".into());
        let read = history.read(|c| find::event(c, &all, EventRef { seq: 5, index: 0 }));
        assert!(matches!(read, Err(HistoryError::Damaged { .. })), "{read:?}");
        assert!(writer.progress().damaged);
        writer.start_over().unwrap();
    }
    assert_eq!(history.progress().journal_seq, 0);
    writer.write(&stored(&[opened(1, "tax", 1)]), "").unwrap();
    assert!(event_at(&history, 1, 0).is_some(), "readers see the new file");
}

#[test]
fn a_file_of_an_earlier_version_keeps_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let file = Connection::open(folder.path().join(FILE)).unwrap();
    let back = "ALTER TABLE notices DROP COLUMN address; ALTER TABLE notices DROP COLUMN said;
                DROP TABLE reviews; DROP TABLE knowledge; PRAGMA user_version = 3;";
    file.execute_batch(back).unwrap();
    drop(file);
    let (history, _writer) = open(folder.path());
    assert_eq!(history.progress().journal_seq, 30, "nothing is filled again");
    let columns = "SELECT count(*) FROM pragma_table_info('notices') WHERE name IN ('address', 'said')";
    let found: i64 = history.read(|from| from.query_row(columns, [], |row| row.get(0))).unwrap();
    assert_eq!(found, 2);
}

#[test]
fn each_record_type_goes_when_its_time_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let (history, mut writer) = filled(folder.path());
    let (step, letter) = rejected(31);
    let mut replayed = opened(32, "tax", 1);
    if let Some(Input::Batch(batch)) = replayed.input.as_mut().map(Arc::make_mut) {
        batch.replay_of = Some(EventRef { seq: 31, index: 1 });
    }
    writer.write(&stored(&[step, replayed]), "").unwrap();
    let kept = event_at(&history, 31, 1).unwrap();
    assert_eq!(kept.raw, find::Raw::Letter(Box::new(letter)));
    assert_eq!(kept.replayed, Some(("e32.0".to_owned(), T0.plus(Span::secs(32)))));
    let day = |days: i64| T0.plus(Span::hours(24 * days));
    let mut after = |days| writer.prune(day(days)).unwrap();
    after(89);
    assert!(event_at(&history, 5, 0).is_some() && event_at(&history, 31, 1).is_some());
    after(91);
    assert!(event_at(&history, 5, 0).is_none() && event_at(&history, 31, 1).is_none());
    after(2_000);
    let all = Scope::whole("a".into());
    assert!(history.read(|c| find::incident(c, &all, IncidentId(5))).unwrap().is_some(), "open incidents stay");
    assert!(history.read(|c| find::alert(c, &all, AlertId(50))).unwrap().is_some(), "and so do their alerts");
}

#[test]
fn what_people_did_is_kept_for_six_months_at_least() {
    assert_eq!(Retention::default().fault(), None);
    assert!(Retention::default().audit_days >= retention::AUDIT_DAYS_MIN);
    let short = Retention { audit_days: 30, ..Retention::default() };
    assert!(short.fault().unwrap().contains("audit_days: 30 is less than the 184 days"));
    assert!(Retention { events_days: 0, ..Retention::default() }.fault().is_some());
    let folder = tempfile::tempdir().unwrap();
    let (history, mut writer) = open(folder.path());
    let policy = Input::Policy {
        tenant: "a".into(),
        version: 3,
        digest: crate::engine::input::Digest("d".into()),
        author: "li".into(),
        reason: "".into(),
    };
    let step = Committed {
        partition: 0,
        journal_seq: 1,
        outbox_seq: 1,
        stamp: T0,
        input: Some(Arc::new(policy)),
        effects: Arc::default(),
    };
    writer.write(&stored(&[step]), "").unwrap();
    let actors = |now: Timestamp, writer: &mut Writer| {
        writer.prune(now).unwrap();
        let entries = history.read(|c| audit::entries(c, &Scope::whole("a".into()), None, 10)).unwrap();
        entries.into_iter().map(|e| format!("{} {} {}", e.actor, e.action, e.about)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(actors(T0.plus(Span::hours(24 * 184)), &mut writer), "li rules 3");
    assert_eq!(actors(T0.plus(Span::hours(24 * 401)), &mut writer), "");
}

#[test]
fn old_minutes_become_hours_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (history, mut writer) = open(folder.path());
    let steps: Vec<Committed> = (0..3).map(|n| opened(60 * n + 1, "tax", 2)).collect();
    writer.write(&stored(&steps), "").unwrap();
    let day = (T0, T0.plus(Span::hours(24)));
    let count = || {
        let scope = Scope::whole("a".into());
        let all = history.read(|c| stats::buckets(c, &scope, "event", stats::By::Source, day, 1)).unwrap();
        all.iter().map(|b| format!("{} {} {}", b.at.since(T0).as_secs(), b.key, b.n)).collect::<Vec<_>>()
    };
    assert_eq!(count(), ["0 prom 2", "60 prom 2", "120 prom 2"]);
    writer.prune(T0.plus(Span::hours(24 * 50))).unwrap();
    assert_eq!(count(), ["0 prom 6"]);
}

#[test]
fn a_query_without_end_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (history, _writer) = open(folder.path());
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let cut = history.read(|c| c.query_row(endless, [], |row| row.get::<_, i64>(0)));
    assert!(matches!(cut, Err(HistoryError::TooLong)), "{cut:?}");
}
