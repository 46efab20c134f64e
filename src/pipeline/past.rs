//! The history's thread: follows outbox and journal from where the history ends, and makes it anew when it is
//! damaged or belongs to another outbox. The journal's writer never waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::log::AnyLog;
use super::{Health, PATIENCE};
use crate::domain::time::{Span, Timestamp};
use crate::journal::sqlite::append::Clock;
use crate::journal::{Follow, ReadError, Record};
use crate::outbox::OutboxRecord;
use crate::projection::Committed;
use crate::projection::history::HistoryError;
use crate::projection::history::writer::{Stored, Writer};
use crate::projection::live::Live;

/// Steps written in one transaction.
const STEPS_MAX: usize = 1_000;
/// The least time between two transactions: while much comes, one takes all of it, and a page that changes often is
/// written once.
const BREATH: Duration = Duration::from_millis(50);
/// How far the history stands back when there is more to do than processors: it may lag, deciding may not.
const NICENESS: i32 = 10;
/// How often old records are removed.
const PRUNE_EVERY: Span = Span::hours(1);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes the history behind the outbox.
pub struct Follower {
    pub log: AnyLog,
    pub live: Arc<Live>,
    pub writer: Writer,
    pub clock: Clock,
    pub health: Arc<Health>,
}

impl Follower {
    /// Follows until the program stops. A failure is logged once and tried again.
    pub fn run(mut self) {
        // On Linux this concerns the calling thread alone. Without it the history is only less polite.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "the history's thread keeps its priority");
        }
        let mut failing = false;
        while !self.is_over() {
            match self.follow(&mut failing) {
                Ok(()) => return,
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(error = format!("{error:#}"), "the history stands still, trying again each second");
                }
                Err(_) => {}
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn is_over(&self) -> bool {
        self.health.stop.load(Ordering::SeqCst)
    }

    fn follow(&mut self, failing: &mut bool) -> Result<()> {
        if !self.fits()? || self.writer.progress().damaged {
            tracing::warn!("the history is made anew from the journal");
            self.writer.start_over()?;
        }
        let progress = self.writer.progress();
        let mut after = progress.outbox_seq;
        if let Err(ReadError::Gone { oldest, .. }) = self.log.decisions_after(after, 1) {
            tracing::warn!(oldest, "outbox records before this one are gone; the history begins there");
            after = oldest - 1;
        }
        let mut decisions = self.log.follow_decisions(after);
        let mut records = Records::of_log(self.log.clone());
        let mut pruned_at: Option<Timestamp> = None;
        let mut written_at = Instant::now();
        while !self.is_over() {
            if decisions.seen() >= self.live.read().outbox_seq {
                self.writer.is_whole();
                if std::mem::take(failing) {
                    tracing::info!("the history follows again");
                }
            }
            let now = (self.clock)();
            if pruned_at.is_none_or(|at| now.since(at) >= PRUNE_EVERY) {
                self.writer.prune(now)?;
                pruned_at = Some(now);
            }
            if self.writer.progress().damaged {
                bail!("a reader found the history damaged");
            }
            std::thread::sleep(BREATH.saturating_sub(written_at.elapsed()));
            let next = decisions.next(PATIENCE)?;
            for chunk in whole_commits(&next, STEPS_MAX) {
                self.write(chunk, &mut records)?;
                written_at = Instant::now();
            }
        }
        Ok(())
    }

    /// Whether the outbox record at which the history ends is the one that it has seen.
    fn fits(&self) -> Result<bool> {
        let (seq, hash) = (self.writer.progress().outbox_seq, self.writer.hash()?);
        if seq == 0 {
            return Ok(true);
        }
        match self.log.decisions_after(seq - 1, 1) {
            Ok(records) => Ok(records.iter().any(|record| record.seq == seq && record.hash.to_string() == hash)),
            Err(ReadError::Gone { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self, decided: &[Arc<OutboxRecord>], records: &mut Records) -> Result<()> {
        let Some(last) = decided.last() else { return Ok(()) };
        let mut steps = Vec::with_capacity(decided.len());
        for decision in decided {
            let Some(record) = records.of(decision)? else { continue };
            let step = Committed {
                partition: record.partition,
                journal_seq: record.seq,
                outbox_seq: decision.seq,
                stamp: record.stamp,
                input: Some(Arc::clone(&record.input)),
                effects: Arc::clone(&decision.effects),
            };
            steps.push(Stored { step, input: record.body.clone(), effects: decision.body.clone() });
        }
        match self.writer.write(&steps, &last.hash.to_string()) {
            Err(HistoryError::Damaged { path, source }) => {
                tracing::error!(path, %source, "the history is damaged");
                self.writer.start_over()?;
                bail!("the history was damaged and is empty now");
            }
            written => Ok(written?),
        }
    }
}

/// Splits decisions into chunks of about `steps`; those that were committed together stay together, because a place in the
/// outbox says only how many commits were read.
pub(super) fn whole_commits(decided: &[Arc<OutboxRecord>], steps: usize) -> Vec<&[Arc<OutboxRecord>]> {
    let (mut chunks, mut rest) = (Vec::new(), decided);
    while !rest.is_empty() {
        let mut end = rest.len().min(steps);
        while end < rest.len() && rest[end].seq == rest[end - 1].seq {
            end += 1;
        }
        let (chunk, behind) = rest.split_at(end);
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}

/// Records that wait for their decision here; what is beyond is read again when its turn comes.
const WAITING_MAX: usize = 20_000;

/// The journal beside the outbox: each of its records was decided once, those of a partition in order.
pub(super) struct Records {
    log: AnyLog,
    tail: Option<Box<dyn Follow<Record>>>,
    waiting: BTreeMap<u64, Arc<Record>>,
}

impl Records {
    /// The records of a log, from the first one that is asked for.
    pub fn of_log(log: AnyLog) -> Self {
        Self { log, tail: None, waiting: BTreeMap::new() }
    }

    /// The record that was decided; `None` when it is kept no longer, as of a partition that has been quiet for long.
    pub fn of(&mut self, decision: &OutboxRecord) -> Result<Option<Arc<Record>>> {
        let seq = decision.journal_seq;
        let tail = match &mut self.tail {
            Some(tail) => tail,
            None => self.tail.insert(self.log.follow(self.log.oldest()?.max(seq - 1))),
        };
        loop {
            if let Some(record) = self.waiting.remove(&seq) {
                return Ok(Some(record));
            }
            if tail.seen() >= seq {
                // Decided long after others, or before this reading began.
                return Ok(self.log.record(seq)?.map(Arc::new));
            }
            let more = tail.next(PATIENCE)?;
            more.first().with_context(|| format!("journal record {seq} is decided, but not there"))?;
            self.waiting.extend(more.into_iter().map(|record| (record.seq, record)));
            while self.waiting.len() > WAITING_MAX {
                self.waiting.pop_first();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::digest::ChainHash;

    #[test]
    fn what_was_committed_together_stays_together() {
        let decision = |(n, seq): (usize, &u64)| {
            let (prev_hash, hash) = (ChainHash::default(), ChainHash::default());
            let (journal_seq, effects, body) = (n as u64 + 1, Arc::default(), bytes::Bytes::new());
            Arc::new(OutboxRecord { seq: *seq, partition: 0, journal_seq, epoch: 1, effects, prev_hash, hash, body })
        };
        let told = |seqs: &[u64]| {
            let decided: Vec<_> = seqs.iter().enumerate().map(decision).collect();
            whole_commits(&decided, 3).into_iter().map(<[_]>::len).collect::<Vec<_>>()
        };
        assert_eq!(told(&[1, 2, 3, 4, 5]), [3, 2]);
        assert_eq!(told(&[1, 2, 2, 2, 2, 3]), [5, 1]);
        assert_eq!(told(&[1, 1, 1, 2]), [3, 1]);
        assert_eq!(told(&[]), [0; 0]);
    }
}
