//! The history's thread: follows outbox and journal from where the history ends, and makes it anew when it is
//! damaged or belongs to another outbox. The journal's writer never waits for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{Health, PATIENCE};
use crate::domain::time::{Span, Timestamp};
use crate::journal::sqlite::Store;
use crate::journal::sqlite::append::Clock;
use crate::journal::{Follow, Journal as _, Of, ReadError, Record};
use crate::outbox::sqlite::SqliteOutbox;
use crate::outbox::{Outbox, OutboxRecord};
use crate::projection::Committed;
use crate::projection::history::HistoryError;
use crate::projection::history::writer::{Stored, Writer};

/// Steps written in one transaction.
const STEPS_MAX: usize = 1_000;
/// How far the history stands back when there is more to do than processors: it may lag, deciding may not.
const NICENESS: i32 = 10;
/// How often old records are removed.
const PRUNE_EVERY: Span = Span::hours(1);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes the history behind the outbox.
pub struct Follower {
    pub store: Store,
    pub outbox: SqliteOutbox,
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
        if let Err(ReadError::Gone { oldest, .. }) = Outbox::read_after(&self.outbox, after, 1) {
            tracing::warn!(oldest, "outbox records before this one are gone; the history begins there");
            after = oldest - 1;
        }
        let mut decisions = self.outbox.follow(after);
        let mut records = Records::of_store(self.store.clone());
        let mut pruned_at: Option<Timestamp> = None;
        while !self.is_over() {
            if decisions.seen() >= self.store.gauge().outbox_seq() {
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
            for chunk in decisions.next(PATIENCE)?.chunks(STEPS_MAX) {
                self.write(chunk, &mut records)?;
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
        match Outbox::read_after(&self.outbox, seq - 1, 1) {
            Ok(records) => Ok(records.first().is_some_and(|record| record.hash.to_string() == hash)),
            Err(ReadError::Gone { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self, decided: &[Arc<OutboxRecord>], records: &mut Records) -> Result<()> {
        let Some(last) = decided.last() else { return Ok(()) };
        let mut steps = Vec::with_capacity(decided.len());
        for decision in decided {
            let record = records.of(decision)?;
            let step = Committed {
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

/// The journal beside the outbox: each of its records was decided once, in order.
pub(super) struct Records {
    store: Store,
    tail: Option<Box<dyn Follow<Record>>>,
    waiting: VecDeque<Arc<Record>>,
}

impl Records {
    /// The records of a store, from the first one that is asked for.
    pub fn of_store(store: Store) -> Self {
        Self { store, tail: None, waiting: VecDeque::new() }
    }

    /// The record that was decided.
    pub fn of(&mut self, decision: &OutboxRecord) -> Result<Arc<Record>> {
        let seq = decision.journal_seq;
        let tail = self.tail.get_or_insert_with(|| Box::new(self.store.follow(Of::All, seq - 1)));
        loop {
            while let Some(record) = self.waiting.pop_front() {
                if record.seq == seq {
                    return Ok(record);
                }
            }
            let more = tail.next(PATIENCE)?;
            more.first().with_context(|| format!("journal record {seq} is decided, but not there"))?;
            self.waiting.extend(more);
        }
    }
}
