//! What the killed program's folder says, counted from outside of it: the journal, the outbox and the receiver's own
//! notes against what the sender knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use headwater::clock::machine;
use headwater::domain::incident::TimelineKind;
use headwater::engine::effect::{Effect, Notice, NoticeKind};
use headwater::engine::input::{Delivered, DeliveryOutcome, Input, Order};
use headwater::engine::passing::OVERDUE_MAX;
use headwater::engine::verdict::{Repeat, Verdict};
use headwater::engine::{Engine, Loaded};
use headwater::journal::sqlite::check::check_main;
use headwater::journal::sqlite::{OpenOptions, Store};
use headwater::journal::{Durability, Journal, Record};
use headwater::lab::built_in::{read_topology, shipped_mapping};
use headwater::outbox::sqlite::SqliteOutbox;
use headwater::outbox::{Outbox, OutboxRecord};
use headwater::projection::Committed;
use headwater::projection::bus::tellings;
use serde_json::Value;

use crate::receiver::Seen;

/// What the sender knows.
#[derive(Debug, Default)]
pub struct Sent {
    /// Event ids that were sent at least once.
    pub tried: BTreeSet<String>,
    /// Event ids whose request was answered with a 2xx.
    pub acknowledged: BTreeSet<String>,
    /// Comments whose order was taken.
    pub comments: BTreeSet<String>,
}

/// Reads a log to its end: first what stands in the archive, then the rest.
fn whole<T>(read: impl Fn(u64) -> Vec<T>, seq: impl Fn(&T) -> u64) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let more = read(all.last().map_or(0, &seq));
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// Everything that is stored.
pub struct Account {
    store: Store,
    records: Vec<Record>,
    decisions: BTreeMap<u64, OutboxRecord>,
}

impl Account {
    /// Checks the file's digests and chains, and reads it whole.
    pub fn read(data: &Path) -> Self {
        let checked = check_main(&data.join("headwater.db")).unwrap();
        let options = OpenOptions { durability: Durability::Process, ballast_bytes: 0, ..OpenOptions::new(machine()) };
        let store = Store::open(data, options).unwrap();
        let records = whole(|after| Journal::read_after(&store, after, usize::MAX).unwrap(), |record| record.seq);
        let outbox = SqliteOutbox::new(store.clone());
        let decisions: BTreeMap<u64, OutboxRecord> =
            whole(|after| Outbox::read_after(&outbox, after, usize::MAX).unwrap(), |decision| decision.seq)
                .into_iter()
                .map(|decision| (decision.journal_seq, decision))
                .collect();
        assert_eq!(records.len() as u64, checked.journal.0);
        assert!(records.iter().map(|record| record.seq).eq(1..=records.len() as u64));
        assert!(decisions.keys().copied().eq(1..=decisions.len() as u64), "each record is decided, once and in order");
        // In the last moment before the stop a timer may have run out, or a receiver may have answered.
        let rest = records.iter().skip(decisions.len());
        let matters = |input: &Input| !matches!(input, Input::Tick | Input::Delivered(_));
        let waiting: Vec<u64> = rest.filter(|record| matters(&record.input)).map(|record| record.seq).collect();
        assert!(waiting.is_empty(), "records {waiting:?} were left undecided");
        Self { store, records, decisions }
    }

    fn decided(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().take(self.decisions.len())
    }

    /// The ids of everything that is to be told on NATS of events that came in. Timers may run out until the last moment.
    pub fn tellings(&self) -> Vec<String> {
        let of_events = self.decided().filter(|record| matches!(&*record.input, Input::Batch(_)));
        let told = of_events.flat_map(|record| {
            let decision = &self.decisions[&record.seq];
            tellings(&Committed {
                partition: record.partition,
                journal_seq: record.seq,
                outbox_seq: decision.seq,
                stamp: record.stamp,
                input: Some(record.input.clone()),
                effects: decision.effects.clone(),
            })
        });
        told.map(|telling| telling.id).collect()
    }

    /// Decides the whole journal again, from nothing: every stored hash comes out.
    pub fn check_decisions(&self) {
        let mut engines: BTreeMap<u16, Engine> = BTreeMap::new();
        for record in self.decided() {
            let loaded = match &*record.input {
                Input::Topology { version, digest, .. } => {
                    let text = self.store.blob(digest).unwrap().unwrap();
                    let names = shipped_mapping();
                    Loaded::Topology(read_topology("topology", &text, Some(names), *version).unwrap())
                }
                Input::Policy { .. } | Input::Model { .. } | Input::MetricModel { .. } => {
                    panic!("nobody has put rules or a model in")
                }
                Input::Batch(_) | Input::Command(_) | Input::Shadow { .. } | Input::Delivered(_) | Input::Tick => {
                    Loaded::Nothing
                }
            };
            let engine = engines
                .entry(record.partition)
                .or_insert_with(|| Engine::empty(record.partition, Arc::default()).paced(OVERDUE_MAX));
            let effects = engine.step(record.stamp, &record.input, loaded);
            self.decisions[&record.seq].verify(&effects).unwrap();
        }
    }

    /// No event is lost, invented or decided twice, by the program's own numbers and by the sender's.
    pub fn check_events(&self, sent: &Sent, numbers: &Value) {
        let (mut kept, mut repeats) = (0_u64, 0_u64);
        let mut first: BTreeMap<&str, u32> = BTreeMap::new();
        for record in self.decided() {
            let Input::Batch(batch) = &*record.input else { continue };
            assert!(batch.rejected.is_empty(), "{:?}", batch.rejected);
            kept += batch.events.len() as u64;
            let mut verdicts: BTreeMap<u32, &Verdict> = BTreeMap::new();
            for effect in self.decisions[&record.seq].effects.iter() {
                if let Effect::Verdict { index, verdict } = effect {
                    assert!(
                        verdicts.insert(*index, verdict).is_none(),
                        "two verdicts for event {}.{index}",
                        record.seq
                    );
                }
            }
            assert!(verdicts.keys().copied().eq(0..batch.events.len() as u32), "record {}", record.seq);
            for (event, verdict) in batch.events.iter().zip(verdicts.values()) {
                let is_repeat = matches!(verdict, Verdict::Duplicate { why: Repeat::SameEvent, .. });
                repeats += u64::from(is_repeat);
                *first.entry(&event.id).or_default() += u32::from(!is_repeat);
            }
        }
        let kept_ids: BTreeSet<String> = first.keys().map(|id| (*id).to_owned()).collect();
        assert!(sent.acknowledged.is_subset(&kept_ids), "acknowledged and lost");
        assert!(kept_ids.is_subset(&sent.tried), "never sent, and there");
        let decided_twice: Vec<_> = first.iter().filter(|(_, n)| **n != 1).collect();
        assert!(decided_twice.is_empty(), "events with another count of verdicts than one: {decided_twice:?}");
        let number = |key: &str| numbers[key].as_u64().unwrap();
        assert_eq!(number("accepted"), kept, "{numbers}");
        assert_eq!(kept - repeats, kept_ids.len() as u64);
        assert!(number("duplicate") >= repeats);
        let sum = |words: &Value| words.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
        let applied = numbers["applied"]["total"].as_u64().unwrap();
        let ends = applied + number("duplicate") + sum(&numbers["muted"]) + sum(&numbers["dead_lettered"]);
        assert_eq!(kept, ends + number("pending"), "{numbers}");
        eprintln!("{} events of {} were kept, {repeats} of them sent again; {numbers}", kept, sent.tried.len());
    }

    /// An order that was taken is carried out or refused once, however often it was sent.
    pub fn check_comments(&self, taken: &BTreeSet<String>) {
        let mut ends: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        let mut noted: BTreeMap<String, u32> = BTreeMap::new();
        for record in self.decided() {
            let Input::Command(command) = &*record.input else { continue };
            let Order::Comment { text, .. } = &command.order else { continue };
            for effect in self.decisions[&record.seq].effects.iter() {
                match effect {
                    Effect::CommandDone { again: false, refused, .. } => {
                        ends.entry(text.to_string()).or_default().push(refused.is_none());
                    }
                    Effect::Timeline { entry, .. } if entry.kind == TimelineKind::Commented => {
                        *noted.entry(entry.detail.to_string()).or_default() += 1;
                    }
                    _ => {}
                }
            }
        }
        assert!(ends.values().all(|ends| ends.len() == 1), "carried out more than once: {ends:?}");
        for (text, end) in &ends {
            // One about an incident that was merged meanwhile is refused.
            assert_eq!(noted.get(text).copied().unwrap_or(0), u32::from(end[0]), "{text}");
        }
        let lost: Vec<_> = taken.iter().filter(|text| !ends.contains_key(text.as_str())).collect();
        assert!(lost.is_empty(), "taken and gone: {lost:?}");
        eprintln!("{} comments were taken, {} noted", taken.len(), noted.len());
    }

    /// Everybody was told what had to be told, once under one key, and never an older version after a newer one.
    pub fn check_notices(&self, seen: &[Seen]) {
        let notices = self.notices();
        let ends = self.ends();
        let told: BTreeSet<&str> = seen.iter().map(|seen| seen.key.as_str()).collect();
        // The receiver's header has a key with its special letters written as %XX; ours have none.
        for notice in &notices {
            let outcomes = ends.get(&*notice.key).map_or(&[][..], Vec::as_slice);
            match outcomes {
                [DeliveryOutcome::Accepted] => assert!(told.contains(&*notice.key), "{} never arrived", notice.key),
                [DeliveryOutcome::Folded] => assert!(notice.kind.may_be_folded(), "{} was folded", notice.key),
                // A timer may have told something in the last moment before the stop.
                [] => {}
                other => panic!("{} ended {other:?}", notice.key),
            }
        }
        let mut by_incident: BTreeMap<_, Vec<&Notice>> = BTreeMap::new();
        for notice in &notices {
            by_incident.entry((notice.incident.id, &notice.receiver)).or_default().push(notice);
        }
        for (incident, notices) in &by_incident {
            let opened = notices.iter().filter(|notice| notice.kind == NoticeKind::Opened).count();
            assert!(opened <= 1, "{incident:?} was opened {opened} times");
            let last = notices.iter().rev().find(|notice| ends.contains_key(&*notice.key));
            let last = last.expect("somebody was told of it");
            assert_eq!(ends[&*last.key], [DeliveryOutcome::Accepted], "the last state of {incident:?}");
        }
        check_receiver(seen, &notices);
        let kept: BTreeSet<&str> = notices.iter().map(|notice| &*notice.key).collect();
        assert!(told.is_subset(&kept), "told, and never decided");
        eprintln!(
            "{} notices about {} incidents, {} requests at the receiver, {} of them repeats",
            notices.len(),
            by_incident.len(),
            seen.len(),
            seen.len() - told.len()
        );
        assert!(by_incident.len() > 10, "the storm has made incidents");
    }

    /// All notices in the order of their commitment; no key stands for two contents.
    fn notices(&self) -> Vec<Notice> {
        let mut notices: BTreeMap<&str, &Notice> = BTreeMap::new();
        let mut order = Vec::new();
        let mut decisions: Vec<&OutboxRecord> = self.decisions.values().collect();
        decisions.sort_by_key(|decision| decision.seq);
        for effect in decisions.iter().flat_map(|decision| decision.effects.iter()) {
            let Effect::Notify { notice } = effect else { continue };
            let known = notices.insert(&notice.key, notice);
            assert!(known.is_none(), "the key {} is used twice", notice.key);
            order.push((**notice).clone());
        }
        order
    }

    fn ends(&self) -> BTreeMap<&str, Vec<DeliveryOutcome>> {
        let mut ends: BTreeMap<&str, Vec<DeliveryOutcome>> = BTreeMap::new();
        for record in &self.records {
            if let Input::Delivered(Delivered { key, outcome, .. }) = &*record.input {
                ends.entry(key).or_default().push(outcome.clone());
            }
        }
        ends
    }
}

/// At the receiver: one content per key, and versions of an incident that never go back.
fn check_receiver(seen: &[Seen], notices: &[Notice]) {
    let mut contents: BTreeMap<&str, &str> = BTreeMap::new();
    let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
    for seen in seen {
        let known = contents.insert(&seen.key, &seen.text);
        assert!(known.is_none_or(|text| text == seen.text), "{} came with two contents", seen.key);
        let before = versions.insert(seen.incident(), seen.version()).unwrap_or(0);
        assert!(before <= seen.version(), "{}: version {} after {before}", seen.key, seen.version());
        let notice = notices.iter().find(|notice| *notice.key == *seen.key).expect("it was decided");
        assert_eq!(seen.body["type"], format!("incident.{}", notice.kind.as_str()));
    }
}
