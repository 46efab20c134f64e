//! The start: state and views as they were, from what was stored of both and the records behind it.
//!
//! What is read does not grow with the age of the journal: each partition's engine and view are stored often enough,
//! also those of a quiet tenant beside a busy one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::health::Start;
use super::partition::Partition;
use super::put::{Text, replace};
use super::ruling::{RuleVersion, Ruled};
use super::shown::{self, Kept, Unusable};
use super::{Owner, READ_BYTES};
use crate::domain::ids::TenantId;
use crate::domain::partition::PARTITIONS;
use crate::engine::Engine;
use crate::engine::input::{Digest, Input};
use crate::journal::Record;
use crate::journal::digest::ChainHash;
use crate::outbox::OutboxHead;
use crate::projection::Committed;
use crate::projection::feed::FeedId;

/// Where the feed goes on: nothing up to this outbox record is told again, and this was the newest change.
type Floor = Option<(u64, FeedId)>;

/// The ends of all partitions that are used.
type Heads = BTreeMap<u16, OutboxHead>;

impl Owner {
    /// Rebuilds engines and views up to the end of the outbox.
    pub(super) fn rebuild(&mut self) -> Result<()> {
        let began = Instant::now();
        let mut kept_snapshots = self.log.kept_snapshots()?;
        let heads = self.heads(&kept_snapshots)?;
        let folder = self.folder.join(shown::FOLDER);
        let log = self.log.clone();
        let hash_at = |seq: u64, journal_seq: u64| -> Option<String> {
            let records = log.decisions_after(seq.saturating_sub(1), 1).ok()?;
            // Where a partition was only claimed there is no record.
            let mut here = records.iter().filter(|record| record.seq == seq).peekable();
            here.peek()?;
            Some(here.find(|record| record.journal_seq == journal_seq)?.hash.to_string())
        };
        // Reading a large view and thawing a large engine take seconds each, on two cores.
        let (kept, stored) = std::thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let read =
                    |(number, head): (&u16, &OutboxHead)| (*number, shown::read(&folder, *number, *head, hash_at));
                heads.iter().map(read).collect::<Vec<_>>()
            });
            let mut stored = BTreeMap::new();
            let thawed = heads.keys().try_for_each(|number| {
                let kept = kept_snapshots.remove(number).unwrap_or_default();
                stored.insert(*number, self.thaw(*number, kept)?);
                anyhow::Ok(())
            });
            let kept = reading.join().expect("reading a view does not panic");
            thawed.map(|()| (kept, stored))
        })?;
        self.know_texts();
        let lost: Vec<u16> = kept.iter().filter(|(_, kept)| kept.is_err()).map(|(number, _)| *number).collect();
        let (floor, start) = self.show_kept(kept, &heads, &stored)?;
        let read = self.redo_behind(&heads, &stored, floor)?;
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
    fn heads(&self, kept_snapshots: &BTreeMap<u16, Vec<u64>>) -> Result<Heads> {
        let mut heads = BTreeMap::new();
        for number in 0..PARTITIONS {
            let head = self.log.head(number)?;
            if head.seq > 0 || kept_snapshots.contains_key(&number) {
                heads.insert(number, head);
            }
        }
        Ok(heads)
    }

    /// The engine of a partition as its newest snapshot has it; `kept` says how far those in the log go. Returns the outbox
    /// record up to which it goes.
    fn thaw(&mut self, number: u16, kept: Vec<u64>) -> Result<u64> {
        let Some(snapshot) = self.log.latest_snapshot(number)? else {
            self.partition(number);
            return Ok(0);
        };
        let topology = |version, digest: &Digest| self.load(version, digest).ok();
        let rules = |version, digest: &Digest| self.load_policy(version, digest).ok();
        let (seq, outbox_seq, state) = (snapshot.journal_seq, snapshot.outbox_seq, snapshot.state()?);
        let engine = Engine::thaw(&state, self.tuning.clone(), topology, rules)?.paced(self.pace.overdue_max);
        let snapshot_bytes = state.len() as u64;
        let partition = Partition { seq, snapshot_bytes, kept, ..Partition::new(number, engine) };
        self.partitions.insert(number, partition);
        Ok(outbox_seq)
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
            for (tenant, version, digest) in engine.models() {
                self.newest.note(tenant, Text::Model, version, digest);
            }
            for (tenant, version, digest) in engine.metric_models() {
                self.newest.note(tenant, Text::MetricModel, version, digest);
            }
        }
    }

    /// Shows what was stored of the views. What is missing of a short journal is made again from its records; of a
    /// long one, what stands is shown, and the history has the rest. `stored` says how far each engine's snapshot goes.
    fn show_kept(
        &mut self,
        kept: Vec<(u16, Result<Kept, Unusable>)>,
        heads: &Heads,
        stored: &BTreeMap<u16, u64>,
    ) -> Result<(Floor, Start)> {
        let oldest = self.log.oldest()?;
        let end = heads.values().map(|head| head.journal_seq).max().unwrap_or(0);
        let is_short = oldest == 0 && end <= self.pace.remade_records_max;
        let (mut floor, mut start) = (Floor::None, Start::default());
        let mut begun = BTreeMap::new();
        for (number, kept) in kept {
            let engine_at = OutboxHead {
                seq: stored.get(&number).copied().unwrap_or(0),
                journal_seq: self.partition(number).seq,
                ..OutboxHead::start(number)
            };
            let (place, told) = match kept {
                Ok((mark, shown)) if mark.journal_seq >= oldest || mark.journal_seq == heads[&number].journal_seq => {
                    start.kept += 1;
                    self.live.thaw(shown.tenants);
                    self.live.pass(number, mark.journal_seq, 0, mark.stamp);
                    self.courier.lock().absorb(shown.notices);
                    self.rulings.absorb(shown.rulings);
                    let hash = ChainHash::parse(&mark.hash).unwrap_or_default();
                    let place = OutboxHead { seq: mark.outbox_seq, journal_seq: mark.journal_seq, hash };
                    (place, Some((mark.shown_seq, mark.told)))
                }
                lost => {
                    let why = lost.map_or_else(|why| why.to_string(), |_| "what comes behind it is gone".into());
                    if is_short || engine_at.journal_seq == 0 {
                        start.remade += 1;
                        tracing::warn!(partition = number, why, "no stored view: it is made again from the records");
                        (OutboxHead::start(number), None)
                    } else {
                        start.begun += 1;
                        begun.insert(number, engine_at.seq);
                        tracing::warn!(
                            partition = number,
                            why,
                            "no stored view: it begins with what stands, counts begin at 0; the history has the rest"
                        );
                        (engine_at, Some((engine_at.seq, self.show_standing(number, engine_at.seq))))
                    }
                }
            };
            floor = floor.max(told);
            self.partition(number).shown = place;
        }
        self.recall_notices(&begun)?;
        Ok((floor, start))
    }

    /// Fills the view of a partition from its engine, which goes up to this outbox record.
    fn show_standing(&self, number: u16, outbox_seq: u64) -> FeedId {
        let partition = &self.partitions[&number];
        let (journal_seq, stamp) = (partition.seq, partition.engine.now());
        let effects = Arc::new(partition.engine.standing());
        self.live.stand(&Committed { partition: number, journal_seq, outbox_seq, stamp, input: None, effects });
        self.live.pass(number, journal_seq, 0, stamp);
        let mut ruled: BTreeMap<TenantId, Ruled> = BTreeMap::new();
        let held = |version, digest: &Digest| {
            let (digest, author, reason) = (digest.clone(), "".into(), "".into());
            vec![RuleVersion { version, digest, author, reason, at: stamp, seq: journal_seq }]
        };
        for (tenant, digest, policy) in partition.engine.policies() {
            ruled.entry(tenant.clone()).or_default().rules = held(policy.version, digest);
        }
        for (tenant, version, digest) in partition.engine.models() {
            ruled.entry(tenant.clone()).or_default().models = held(version, digest);
        }
        for (tenant, version, digest) in partition.engine.metric_models() {
            ruled.entry(tenant.clone()).or_default().metric_models = held(version, digest);
        }
        self.rulings.absorb(ruled);
        FeedId { seq: outbox_seq, index: u32::MAX }
    }

    /// Follows the outbox from the oldest place of any engine or view that is not at its partition's end up to where it
    /// ended at the start, and applies to each what it lacks. Returns how many journal records were read.
    fn redo_behind(&mut self, heads: &Heads, stored: &BTreeMap<u16, u64>, mut floor: Floor) -> Result<u64> {
        let (mut record_from, mut decision_from) = (u64::MAX, u64::MAX);
        for (number, head) in heads {
            let partition = self.partition(*number);
            if partition.shown.journal_seq == head.journal_seq {
                partition.shown.hash = head.hash;
            }
            if partition.done() < head.journal_seq {
                let (of_engine, of_view) = (stored.get(number).copied().unwrap_or(0), partition.shown.seq);
                record_from = record_from.min(partition.done());
                decision_from = decision_from.min(of_engine.min(of_view));
            }
        }
        let record_end = heads.values().map(|head| head.journal_seq).max().unwrap_or(0);
        let decision_end = heads.values().map(|head| head.seq).max().unwrap_or(0);
        let decided = self.decided_up_to(heads, record_end)?;
        if record_from == u64::MAX {
            self.go_on_from(decided, decision_end, &mut floor);
            return Ok(0);
        }
        self.read = record_from.min(decided);
        // Others may go on deciding meanwhile: their records are needed, too.
        let readable = if self.log.is_shared() { u64::MAX } else { record_end };
        // What was committed together shares a place: it is read once more, and known by the records.
        let (mut after, mut read) = (decision_from.saturating_sub(1), 0);
        while heads.iter().any(|(number, head)| self.partitions[number].done() < head.journal_seq) {
            let decisions = self.log.decisions_after(after, READ_BYTES)?;
            after = decisions.last().context("the outbox ends before its heads")?.seq;
            for decision in decisions {
                let is_behind = decision.journal_seq > self.partition(decision.partition).done();
                while is_behind && self.read < decision.journal_seq {
                    read += self.read_on(readable)?;
                }
                if floor.is_some_and(|(seq, _)| decision.seq > seq) {
                    self.go_on_telling(&mut floor);
                }
                self.apply(&decision)?;
            }
        }
        self.go_on_from(self.read.max(decided), self.followed.max(decision_end), &mut floor);
        Ok(read)
    }

    /// The journal record behind which some may wait for a decision, at most `end`. A file is decided in order; where
    /// several decide, one partition may have come further than another.
    fn decided_up_to(&self, heads: &Heads, end: u64) -> Result<u64> {
        let mut decided = end;
        for number in (0..PARTITIONS).take_while(|_| self.log.is_shared()) {
            let after = heads.get(&number).map_or(0, |head| head.journal_seq);
            if let Some(next) = self.log.next_of(number, after)? {
                decided = decided.min(next - 1);
            }
        }
        Ok(decided)
    }

    /// Reads records that were decided, or stand between such ones.
    fn read_on(&mut self, end: u64) -> Result<u64> {
        let records = self.log.records_after(self.read, READ_BYTES)?;
        let records = records.into_iter().take_while(|record| record.seq <= end).map(Arc::new);
        let before = self.read;
        let mut count = 0;
        for record in records {
            self.note_read(&record);
            count += 1;
        }
        anyhow::ensure!(self.read > before, "journal record {} is decided, but not there", before + 1);
        Ok(count)
    }

    /// The tails begin here.
    fn go_on_from(&mut self, record: u64, decision: u64, floor: &mut Floor) {
        (self.read, self.followed) = (record, decision);
        self.applied = self.partitions.values().map(|partition| partition.shown.journal_seq).max().unwrap_or(0);
        let shown: Vec<(u16, u64)> = self.partitions.iter().map(|(n, one)| (*n, one.shown.journal_seq)).collect();
        let newest = self.partitions.values().map(|partition| partition.shown.seq).max().unwrap_or(0);
        for (number, journal_seq) in shown {
            self.live.pass(number, journal_seq, newest, crate::domain::time::Timestamp(0));
        }
        self.go_on_telling(floor);
    }

    fn go_on_telling(&self, floor: &mut Floor) {
        if let Some((_, told)) = floor.take() {
            self.live.feed.start_after(told);
        }
    }

    /// Takes in what the journal has and the outbox has not: events that are pending until they are decided, and ends of
    /// notices, which need not be sent again.
    pub(super) fn accept_rest(&self) -> Result<()> {
        let mut after = self.read;
        loop {
            let records = self.log.records_after(after, READ_BYTES)?;
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
            let events = (batch.events.len() + batch.rejected.len()) as u64;
            self.live.accept(record.seq, &batch.tenant, events, record.stamp);
        }
    }
}
