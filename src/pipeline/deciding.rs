//! One record's way: read, stepped, committed, shown. Where the log is shared, what was committed is shown when it is read
//! back, so that every instance shows the same in the same order; its engine steps along and is ready to take over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::Owner;
use super::lease::Duty;
use super::partition::{Partition, Turn, Waiting, weight};
use crate::domain::time::{Span, Timestamp};
use crate::engine::Loaded;
use crate::engine::effect::Effect;
use crate::engine::input::Input;
use crate::journal::Record;
use crate::outbox::{CommitError, Decided, OutboxHead, OutboxRecord};
use crate::projection::Committed;

/// The pause before a partition is claimed again that another instance has decided: soon both know whose turn it is.
const CLAIM_PAUSE: Duration = Duration::from_secs(2);
/// What has been due for so long was left by a step that had enough to do.
const OVERDUE: Span = Span::secs(1);

impl Owner {
    /// Takes in records that were read, and decides those that are ours.
    pub(super) fn take(&mut self, records: &[Arc<Record>]) -> Result<()> {
        for record in records {
            self.note_read(record);
        }
        for run in records.chunk_by(|a, b| a.partition == b.partition) {
            if let Some(last) = run.last() {
                self.decide(last.partition, last.seq)?;
            }
        }
        Ok(())
    }

    /// Takes in a record that was read.
    pub(super) fn note_read(&mut self, record: &Arc<Record>) {
        self.read = record.seq;
        self.accept(record);
        self.partition(record.partition).take(record);
    }

    /// Looks whose turn it is.
    pub(super) fn take_duty(&mut self) -> Result<()> {
        let duty = self.lease.duty();
        if duty == self.duty {
            return Ok(());
        }
        let sends = (duty.sends != self.duty.sends).then(|| duty.sends.clone());
        let before = std::mem::replace(&mut self.duty, duty);
        let numbers: Vec<u16> = self.partitions.keys().copied().collect();
        for number in numbers {
            let is_new = !before.decides.contains(&number);
            let partition = self.partition(number);
            if is_new {
                partition.claim_at = None;
            }
            if !self.duty.decides.contains(&number) {
                self.partition(number).turn = Turn::Others;
            } else if self.partition(number).is_used() {
                self.decide(number, u64::MAX)?;
            }
        }
        self.show_turns();
        match sends.map_or(Ok(()), |sends| self.courier.send_for(sends)) {
            Err(error) if self.log.is_shared() => {
                tracing::warn!(error = format!("{error:#}"), "notices of others cannot be taken over, trying again");
                self.duty = Arc::new(Duty { sends: BTreeSet::new(), ..Duty::clone(&self.duty) });
                Ok(())
            }
            taken => taken,
        }
    }

    fn show_turns(&self) {
        let ours = self.partitions.values().filter(|partition| matches!(partition.turn, Turn::Ours(_))).count();
        self.health.turns.store(ours as u64, Ordering::Relaxed);
    }

    /// Steps through what waits in a partition up to a record and commits what follows, when it is our turn.
    pub(super) fn decide(&mut self, number: u16, up_to: u64) -> Result<()> {
        self.claim(number)?;
        while self.decide_some(number, up_to)? {}
        Ok(())
    }

    /// The same, as far as one commit may hold it. Says whether anything was committed.
    fn decide_some(&mut self, number: u16, up_to: u64) -> Result<bool> {
        let Turn::Ours(before) = self.partition(number).turn else { return Ok(false) };
        let (mut decided, mut held, held_max) = (Vec::new(), 0, self.pace.overdue_max);
        let waiting = &self.partition(number).waiting;
        let first = waiting.partition_point(|waiting| waiting.record.seq <= before.journal_seq);
        for place in first..waiting.len() {
            let waiting = &self.partition(number).waiting[place];
            let record = waiting.record.clone();
            if record.seq > up_to || held > held_max {
                break;
            }
            let effects = match waiting.effects.clone() {
                Some(effects) => effects,
                None => {
                    let effects = Arc::new(self.step(&record)?);
                    self.partition(number).keep(place, effects.clone());
                    effects
                }
            };
            held += effects.len();
            decided.push(Decided { journal_seq: record.seq, effects });
        }
        if decided.is_empty() {
            return Ok(false);
        }
        let count = decided.len() as u64;
        let Some(head) = self.commit(number, before.seq, decided)? else { return Ok(false) };
        self.partition(number).turn = Turn::Ours(head);
        if !self.log.is_shared() {
            // The outbox numbers records of all partitions; these were committed together, so they are adjacent.
            self.show_committed(number, head, head.seq + 1 - count);
        }
        Ok(true)
    }

    /// Shows what was committed just now, from its first outbox record on.
    fn show_committed(&mut self, number: u16, head: OutboxHead, first: u64) {
        let mut outbox_seq = first;
        while let Some(waiting) = self.partition(number).take_first(|waiting| waiting.effects.is_some()) {
            let Waiting { record, effects: Some(effects) } = waiting else { break };
            self.show(&record, OutboxHead { seq: outbox_seq, journal_seq: record.seq, hash: head.hash }, effects);
            outbox_seq += 1;
        }
    }

    /// Steps the engine over a record that it lacks.
    fn step(&mut self, record: &Record) -> Result<Vec<Effect>> {
        let is_overtaken = self.partition(record.partition).engine.is_overtaken(&record.input);
        let loaded = if is_overtaken { Loaded::Nothing } else { self.loaded(record)? };
        let partition = self.partition(record.partition);
        let effects = partition.engine.step(record.stamp, &record.input, loaded);
        partition.seq = record.seq;
        partition.since_snapshot += weight(&record.input);
        Ok(effects)
    }

    /// Becomes the partition's only writer, when it is our turn and we are not yet.
    fn claim(&mut self, number: u16) -> Result<()> {
        if !self.duty.decides.contains(&number) {
            return Ok(());
        }
        let partition = self.partition(number);
        if partition.turn == Turn::Others && partition.claim_at.is_none_or(|at| at <= Instant::now()) {
            match self.log.claim(number) {
                Ok(head) => {
                    self.health.claims.fetch_add(1, Ordering::Relaxed);
                    self.partition(number).turn = Turn::Soon(head);
                }
                Err(CommitError::TryLater { wait }) => self.pause_claim(number, wait),
                Err(CommitError::Fenced { .. }) => self.pause_claim(number, CLAIM_PAUSE),
                Err(error @ CommitError::Halted { .. }) => bail!(error),
            }
        }
        let partition = self.partition(number);
        if let Turn::Soon(head) = partition.turn
            && partition.shown.journal_seq >= head.journal_seq
            && partition.seq >= head.journal_seq
        {
            partition.turn = Turn::Ours(head);
            self.show_turns();
        }
        Ok(())
    }

    /// Claims quiet partitions again when others have gone on: where the log is shared the last outbox message of each is
    /// kept for good, and everything behind it.
    pub(super) fn renew_claims(&mut self) -> Result<()> {
        if !self.log.is_shared() {
            return Ok(());
        }
        let before = self.followed.saturating_sub(self.pace.snapshot_every);
        let is_old = |partition: &Partition| match partition.turn {
            Turn::Ours(head) => head.seq < before && head.journal_seq == partition.seq,
            Turn::Soon(_) | Turn::Others => false,
        };
        let old: Vec<u16> = self.partitions.iter().filter(|(_, one)| is_old(one)).map(|(n, _)| *n).collect();
        for number in old {
            self.partition(number).turn = Turn::Others;
            self.claim(number)?;
        }
        Ok(())
    }

    fn pause_claim(&mut self, number: u16, pause: Duration) {
        self.partition(number).claim_at = Some(Instant::now() + pause);
    }

    /// Commits; `None` when somebody else has the partition, who decides the same records.
    fn commit(&mut self, number: u16, behind: u64, decided: Vec<Decided>) -> Result<Option<OutboxHead>> {
        loop {
            match self.log.commit(number, behind, decided.clone()) {
                Ok(head) => return Ok(Some(head)),
                Err(CommitError::TryLater { wait }) => {
                    if self.log.is_shared() && self.health.stop.load(Ordering::SeqCst) {
                        bail!("the outbox was away when the program stopped");
                    }
                    std::thread::sleep(wait);
                }
                Err(CommitError::Fenced { why }) if self.log.is_shared() => {
                    tracing::info!(partition = number, why, "another instance has taken a partition over");
                    self.health.fenced.fetch_add(1, Ordering::Relaxed);
                    self.partition(number).turn = Turn::Others;
                    self.pause_claim(number, CLAIM_PAUSE);
                    self.show_turns();
                    return Ok(None);
                }
                Err(error @ (CommitError::Fenced { .. } | CommitError::Halted { .. })) => bail!(error),
            }
        }
    }

    /// Takes in what was committed, by whomever, and decides what became ours with it.
    pub(super) fn follow(&mut self, decisions: &[Arc<OutboxRecord>]) -> Result<()> {
        for decision in decisions {
            self.apply(decision)?;
        }
        for number in decisions.iter().map(|decision| decision.partition).collect::<BTreeSet<_>>() {
            if matches!(self.partition(number).turn, Turn::Soon(_)) {
                self.decide(number, u64::MAX)?;
            }
        }
        Ok(())
    }

    /// Applies a committed decision, as far as engine and views have not seen it; what the outbox has stands.
    pub(super) fn apply(&mut self, decision: &OutboxRecord) -> Result<()> {
        self.followed = decision.seq;
        let number = decision.partition;
        let partition = self.partition(number);
        if decision.journal_seq <= partition.done() {
            return Ok(());
        }
        let Waiting { record, effects } = partition
            .take_first(|first| first.record.seq == decision.journal_seq)
            .with_context(|| format!("journal record {} is decided, but is not the next one", decision.journal_seq))?;
        let (is_stepped, is_shown) = (record.seq <= partition.seq, record.seq <= partition.shown.journal_seq);
        let is_checked = !is_stepped || matches!(partition.turn, Turn::Others | Turn::Soon(_));
        let is_view_behind = is_stepped && effects.is_none();
        let again = if is_stepped { effects } else { Some(Arc::new(self.step(&record)?)) };
        if let Some(Err(divergence)) = again.filter(|_| is_checked).map(|effects| decision.verify(&effects)) {
            self.health.diverged.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%divergence, "a decision came out differently; the committed one stands");
        }
        if is_shown {
            self.applied = self.applied.max(record.seq);
            self.live.pass(number, record.seq, decision.seq, record.stamp);
            return Ok(());
        }
        if is_view_behind {
            // It is due as if the record had come now.
            self.partition(number).since_snapshot += weight(&record.input);
        }
        let head = OutboxHead { seq: decision.seq, journal_seq: record.seq, hash: decision.hash };
        self.show(&record, head, decision.effects.clone());
        Ok(())
    }

    /// Shows what was committed at a place of the outbox.
    fn show(&mut self, record: &Record, place: OutboxHead, effects: Arc<Vec<Effect>>) {
        let input = match &*record.input {
            Input::Batch(_) | Input::Command(_) => Some(Arc::clone(&record.input)),
            Input::Topology { .. }
            | Input::Policy { .. }
            | Input::Model { .. }
            | Input::MetricModel { .. }
            | Input::Shadow { .. }
            | Input::Delivered(_)
            | Input::Tick => None,
        };
        self.applied = self.applied.max(record.seq);
        self.partition(record.partition).shown = place;
        self.rulings.note(record);
        self.courier.committed(record, place.seq, &effects);
        self.live.apply(&Committed {
            partition: record.partition,
            journal_seq: record.seq,
            outbox_seq: place.seq,
            stamp: record.stamp,
            input,
            effects,
        });
    }

    /// Journals that time passes for every partition of ours in which something is due. Says whether something has been due
    /// for long: a step takes a part of it only, so the next tick should follow at once.
    pub(super) fn tick(&mut self) -> Result<bool> {
        let now: Timestamp = (self.clock)();
        let mut is_behind = false;
        let due = self.partitions.iter().filter(|(number, partition)| {
            let is_due = partition.engine.next_due().is_some_and(|due| due <= now);
            let is_owed = is_due || !partition.waiting.is_empty() || !matches!(partition.turn, Turn::Ours(_));
            self.duty.decides.contains(number) && partition.is_used() && is_owed
        });
        let due: Vec<u16> = due.map(|(number, _)| *number).collect();
        for number in due {
            // What waits for a claim is taken up with it.
            self.decide(number, u64::MAX)?;
            let partition = self.partition(number);
            let due = partition.engine.next_due();
            let is_due = due.is_some_and(|due| due <= now);
            is_behind |= due.is_some_and(|due| due.plus(OVERDUE) <= now);
            if is_due && matches!(partition.turn, Turn::Ours(_)) && partition.ticked <= partition.seq {
                match self.log.append_blocking(number, Input::Tick) {
                    Ok(appended) => self.partition(number).ticked = appended.seq,
                    Err(error) if self.log.is_shared() => {
                        tracing::debug!(%error, partition = number, "a tick waits");
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(is_behind)
    }
}
