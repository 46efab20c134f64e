//! The start: state and views as they were, from what was stored of both and the records behind it.
//!
//! What is read does not grow with the age of the journal: each partition's engine and view are stored often enough,
//! also those of a quiet tenant beside a busy one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::health::Start;
use super::partition::{Partition, weight};
use super::put::{Text, replace};
use super::ruling::RuleVersion;
use super::shown::{self, Kept, Unusable};
use super::{Owner, PARTITIONS, READ_BYTES};
use crate::engine::Engine;
use crate::engine::input::{Digest, Input};
use crate::journal::snapshot::Snapshots;
use crate::journal::{Journal, ReadError, Record};
use crate::outbox::{Outbox, OutboxHead, OutboxRecord};
use crate::projection::Committed;
use crate::projection::feed::FeedId;

/// Up to where each partition's view was stored.
type Places = BTreeMap<u16, u64>;

/// Where the feed goes on: nothing up to this record is told again, and this was the newest change.
type Floor = Option<(u64, FeedId)>;

impl Owner {
    /// Rebuilds engines and views up to the end of the outbox.
    pub(super) fn rebuild(&mut self) -> Result<()> {
        let began = Instant::now();
        let heads = self.heads()?;
        let folder = self.store.dir().join(shown::FOLDER);
        let outbox = self.outbox.clone();
        let hash_at = |seq: u64| -> Option<String> {
            let record = Outbox::read_after(&outbox, seq.saturating_sub(1), 1).ok()?.into_iter().next()?;
            Some(record.hash.to_string())
        };
        // Reading a large view and thawing a large engine take seconds each, on two cores.
        let kept = std::thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let read =
                    |(number, head): (&u16, &OutboxHead)| (*number, shown::read(&folder, *number, *head, hash_at));
                heads.iter().map(read).collect::<Vec<_>>()
            });
            let thawed = heads.iter().try_for_each(|(number, head)| self.thaw(*number, *head));
            let kept = reading.join().expect("reading a view does not panic");
            thawed.map(|()| kept)
        })?;
        self.know_texts();
        let lost: Vec<u16> = kept.iter().filter(|(_, kept)| kept.is_err()).map(|(number, _)| *number).collect();
        let (places, floor, start) = self.show_kept(kept, &heads)?;
        let read = self.redo_behind(&places, floor)?;
        for number in lost {
            self.keep_view(number)?;
        }
        let start = Start { records: read, took_ms: began.elapsed().as_millis() as u64, ..start };
        tracing::info!(
            records = start.records,
            views_kept = start.kept,
            views_remade = start.remade,
            views_begun = start.begun,
            duration_ms = start.took_ms,
            "state and views are as they were"
        );
        *self.health.start.lock().expect("nobody panics while holding it") = start;
        Ok(())
    }

    /// The partitions of which there is anything.
    fn heads(&self) -> Result<BTreeMap<u16, OutboxHead>> {
        let kept = self.store.kept_snapshots()?;
        let mut heads = BTreeMap::new();
        for number in 0..PARTITIONS {
            let head = self.outbox.head(number)?;
            if head.seq > 0 || kept.contains_key(&number) {
                heads.insert(number, head);
            }
        }
        Ok(heads)
    }

    /// The engine of a partition as its newest snapshot has it.
    fn thaw(&mut self, number: u16, head: OutboxHead) -> Result<()> {
        let Some(snapshot) = self.store.latest_snapshot(number)? else {
            let engine = Engine::empty(number, self.tuning.clone());
            self.partitions.insert(number, Partition::new(engine, head));
            return Ok(());
        };
        let topology = |version, digest: &Digest| self.load(version, digest).ok();
        let rules = |version, digest: &Digest| self.load_policy(version, digest).ok();
        let engine = Engine::thaw(&snapshot.body, self.tuning.clone(), topology, rules)?;
        let kept = self.store.kept_snapshots()?.remove(&number).unwrap_or_default();
        let (seq, snapshot_bytes) = (snapshot.journal_seq, snapshot.body.len() as u64);
        let partition = Partition { seq, snapshot_bytes, kept, ..Partition::new(engine, head) };
        self.partitions.insert(number, partition);
        Ok(())
    }

    /// Publishes the topologies and rules of the thawed engines.
    fn know_texts(&self) {
        for engine in self.partitions.values().map(|partition| &partition.engine) {
            for (tenant, version, digest, topology) in engine.topologies() {
                self.newest.note(tenant, Text::Topology, version, digest);
                replace(&self.topologies, tenant, topology);
            }
            for (tenant, digest, policy) in engine.policies() {
                self.newest.note(tenant, Text::Rules, policy.version, digest);
                replace(&self.policies, tenant, policy);
            }
        }
    }

    /// Shows what was stored of the views. What is missing of a short journal is made again from its records; of a
    /// long one, what stands is shown, and the history has the rest.
    fn show_kept(
        &self,
        kept: Vec<(u16, Result<Kept, Unusable>)>,
        heads: &BTreeMap<u16, OutboxHead>,
    ) -> Result<(Places, Floor, Start)> {
        let oldest = self.store.oldest()?;
        let end = heads.values().map(|head| head.journal_seq).max().unwrap_or(0);
        let is_short = oldest == 0 && end <= self.pace.remade_records_max;
        let (mut places, mut floor, mut start) = (Places::new(), Floor::None, Start::default());
        for (number, kept) in kept {
            let engine_at = self.partitions[&number].seq;
            let (place, told) = match kept {
                Ok((mark, shown)) if mark.journal_seq >= oldest => {
                    start.kept += 1;
                    self.live.thaw(shown.tenants);
                    self.live.pass(0, 0, mark.stamp);
                    self.courier.lock().absorb(shown.notices);
                    self.rulings.absorb(shown.rulings);
                    (mark.journal_seq, Some((mark.shown_seq, mark.told)))
                }
                lost => {
                    let why = lost.map_or_else(|why| why.to_string(), |_| "what comes behind it is gone".into());
                    if is_short || engine_at == 0 {
                        start.remade += 1;
                        tracing::warn!(partition = number, why, "no stored view: it is made again from the records");
                        (0, None)
                    } else {
                        start.begun += 1;
                        tracing::warn!(
                            partition = number,
                            why,
                            "no stored view: it begins with what stands, counts begin at 0; the history has the rest"
                        );
                        (engine_at, Some((engine_at, self.show_standing(number))))
                    }
                }
            };
            floor = floor.max(told);
            places.insert(number, place);
        }
        Ok((places, floor, start))
    }

    /// Fills the view of a partition from its engine.
    fn show_standing(&self, number: u16) -> FeedId {
        let partition = &self.partitions[&number];
        let outbox_seq = self.outbox.decision(partition.seq).ok().flatten().map_or(0, |decision| decision.seq);
        let (journal_seq, stamp) = (partition.seq, partition.engine.now());
        let effects = partition.engine.standing();
        self.live.stand(&Committed { journal_seq, outbox_seq, stamp, input: None, effects: Arc::new(effects) });
        self.live.pass(0, 0, stamp);
        let versions = partition.engine.policies().map(|(tenant, digest, policy)| {
            let (version, digest) = (policy.version, digest.clone());
            (tenant.clone(), vec![RuleVersion { version, digest, author: "".into(), at: stamp, seq: journal_seq }])
        });
        self.rulings.absorb(versions.collect());
        FeedId { seq: outbox_seq, index: u32::MAX }
    }

    /// Reads what comes behind the oldest place of any engine or view that is not at its partition's end, and applies
    /// to each what it lacks. Returns how many records were read.
    fn redo_behind(&mut self, places: &Places, floor: Floor) -> Result<u64> {
        let ends =
            self.partitions.iter().map(|(number, partition)| (number, partition.head.journal_seq, partition.seq));
        let end = ends.clone().map(|(_, head, _)| head).max().unwrap_or(0);
        let behind = ends.filter_map(|(number, head, seq)| {
            let from = seq.min(places.get(number).copied().unwrap_or(0));
            (from < head).then_some(from)
        });
        let from = behind.min().unwrap_or(end);
        let mut decided = self.decided_at(from, end)?;
        self.applied = from;
        self.live.pass(from, decided, crate::domain::time::Timestamp(0));
        let mut floor = floor;
        let mut read = 0;
        let mut decisions: Vec<OutboxRecord> = Vec::new();
        while self.applied < end {
            let records = Journal::read_after(&self.store, self.applied, READ_BYTES)?;
            for record in records {
                if record.seq > end {
                    break;
                }
                if decisions.is_empty() {
                    decisions = Outbox::read_after(&self.outbox, decided, READ_BYTES)?;
                    decided = decisions.last().map_or(decided, |last| last.seq);
                    decisions.reverse();
                }
                let decision = decisions.pop().filter(|decision| decision.journal_seq == record.seq);
                let decision = decision.with_context(|| format!("journal record {} is not decided", record.seq))?;
                if floor.is_some_and(|(seq, _)| record.seq > seq) {
                    self.go_on_telling(&mut floor);
                }
                let is_shown = record.seq <= places.get(&record.partition).copied().unwrap_or(0);
                self.redo(&record, decision, is_shown)?;
                read += 1;
            }
        }
        self.go_on_telling(&mut floor);
        Ok(read)
    }

    fn go_on_telling(&self, floor: &mut Floor) {
        if let Some((_, told)) = floor.take() {
            self.live.feed.start_after(told);
        }
    }

    /// The last outbox record that decided anything up to the journal record `from`; `end` is the last decided one.
    fn decided_at(&self, from: u64, end: u64) -> Result<u64, ReadError> {
        if from == end {
            return Ok(self.partitions.values().map(|partition| partition.head.seq).max().unwrap_or(0));
        }
        // Each journal record is decided once, in their order.
        Ok(self.outbox.decision(from + 1)?.map_or(0, |next| next.seq - 1))
    }

    /// Applies a decided record again, as far as engine and view have not seen it; what the outbox has stands.
    fn redo(&mut self, record: &Record, decision: OutboxRecord, is_shown: bool) -> Result<()> {
        let is_decided_again = record.seq > self.partition(record.partition)?.seq;
        if is_decided_again || !is_shown {
            // A state or a view is behind: both are due as if the record had come now.
            self.partition(record.partition)?.since_snapshot += weight(&record.input);
        }
        if is_decided_again {
            let loaded = self.loaded(record)?;
            let partition = self.partition(record.partition)?;
            let effects = partition.engine.step(record.stamp, &record.input, loaded);
            partition.seq = record.seq;
            if let Err(divergence) = decision.verify(&effects) {
                self.health.diverged.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%divergence, "a decision came out differently; the committed one stands");
            }
        }
        if is_shown {
            self.applied = record.seq;
            self.live.pass(record.seq, decision.seq, record.stamp);
        } else {
            self.show(record, decision.seq, decision.effects);
        }
        Ok(())
    }

    /// Takes in what the journal has and the outbox has not: events that are pending until they are decided, and ends of
    /// notices, which need not be sent again.
    pub(super) fn accept_rest(&self) -> Result<()> {
        let mut after = self.applied;
        loop {
            let records = Journal::read_after(&self.store, after, READ_BYTES)?;
            let Some(last) = records.last() else { return Ok(()) };
            after = last.seq;
            for record in &records {
                self.accept(record);
                self.courier.ended(record);
            }
        }
    }

    pub(super) fn accept(&self, record: &Record) {
        if let Input::Batch(batch) = &*record.input {
            self.live.accept(record.seq, &batch.tenant, (batch.events.len() + batch.rejected.len()) as u64);
        }
    }
}
