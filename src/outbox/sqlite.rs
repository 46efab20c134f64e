//! The outbox in the store's one file.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{CommitError, Decided, Outbox, OutboxHead, OutboxRecord, decision_hash, encode};
use crate::engine::effect::Effect;
use crate::journal::digest::ChainHash;
use crate::journal::packed::{text_bytes, with_text};
use crate::journal::sqlite::append::Reply;
use crate::journal::sqlite::fail::{SqlResult, broken};
use crate::journal::sqlite::schema::{Base, Heads, PartitionHead};
use crate::journal::sqlite::shelf::Shelf;
use crate::journal::sqlite::tail::{Followed, Tail, Tails};
use crate::journal::sqlite::writer::{Desk, Need, Setback, Task};
use crate::journal::sqlite::{Store, gone};
use crate::journal::{Follow, ReadError};

/// What a caller is told to wait when not even the ballast's space is left.
const FULL_WAIT: Duration = Duration::from_secs(1);

const COLUMNS: &str = "SELECT seq, partition, journal_seq, epoch, prev_hash, hash, body FROM outbox";

/// The outbox of a store. Make one and clone it: followers see what its clones commit.
#[derive(Clone)]
pub struct SqliteOutbox {
    store: Store,
    tails: Arc<Tails<OutboxRecord>>,
}

impl SqliteOutbox {
    /// The outbox of `store`.
    pub fn new(store: Store) -> Self {
        Self { store, tails: Arc::default() }
    }

    /// Commits like `Outbox::commit`, for an engine without an async runtime. Blocks.
    ///
    /// # Errors
    /// When the decisions are refused or cannot be stored.
    pub fn commit_blocking(
        &self,
        partition: u16,
        expected_last_seq: u64,
        decided: Vec<Decided>,
    ) -> Result<OutboxHead, CommitError> {
        let (reply, answer) = sync_channel(1);
        // The receiver waits below: sending cannot fail.
        self.submit(partition, expected_last_seq, decided, Box::new(move |outcome| drop(reply.send(outcome))));
        answer.recv().unwrap_or_else(|_| Err(setback(gone())))
    }

    /// Commits without waiting; `reply` is called from the writer's thread and must be quick. Commits are done in
    /// the order in which they are handed in, so the next one may be handed in with the sequence this one will have.
    pub fn submit(
        &self,
        partition: u16,
        expected_last_seq: u64,
        decided: Vec<Decided>,
        reply: Reply<Result<OutboxHead, CommitError>>,
    ) {
        let commit = Commit {
            partition,
            expected_last_seq,
            epoch: self.store.epoch(),
            decisions: decided.into_iter().map(Decision::new).collect(),
            tails: Arc::clone(&self.tails),
            outcome: Err(CommitError::Fenced { why: "nothing was decided".into() }),
            reply,
        };
        self.store.desk().submit(Box::new(commit));
    }

    /// The record that decided a journal record, here or in the archive; `None` when it is not decided.
    ///
    /// # Errors
    /// When it is damaged or unreadable.
    pub fn decision(&self, journal_seq: u64) -> Result<Option<OutboxRecord>, ReadError> {
        let shared = self.store.shared();
        let here = shared.readers.read(|file| decision(file, journal_seq))?;
        match (here, shared.archive.readers()) {
            (None, Some(readers)) => readers.read(|file| decision(file, journal_seq)),
            (here, _) => Ok(here),
        }
    }
}

impl Outbox for SqliteOutbox {
    async fn claim(&self, partition: u16) -> Result<OutboxHead, CommitError> {
        // The lock on the folder and the epoch of this opening have done it for all partitions.
        self.head(partition).map_err(|error| CommitError::Halted { why: error.to_string().into() })
    }

    async fn commit(
        &self,
        partition: u16,
        expected_last_seq: u64,
        decided: Vec<Decided>,
    ) -> Result<OutboxHead, CommitError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.submit(partition, expected_last_seq, decided, Box::new(move |outcome| drop(reply.send(outcome))));
        answer.await.unwrap_or_else(|_| Err(setback(gone())))
    }

    fn read_after(&self, after: u64, bytes_max: usize) -> Result<Vec<OutboxRecord>, ReadError> {
        let end = self.store.gauge().outbox_seq();
        if after >= end {
            return Ok(Vec::new());
        }
        self.store.read_from(
            after,
            |base| base.outbox_seq,
            |file, end_here| records_after(file, after, end_here.unwrap_or(end), bytes_max),
        )
    }

    fn follow(&self, after: u64) -> impl Follow<OutboxRecord> + 'static {
        Tail::new(self.clone(), after)
    }

    fn head(&self, partition: u16) -> Result<OutboxHead, ReadError> {
        let heads = self.store.shared().readers.read(Heads::load)?;
        Ok(head_of(&heads.partition(partition)))
    }
}

impl Followed for SqliteOutbox {
    type Record = OutboxRecord;

    fn read_after(&self, after: u64, bytes_max: usize) -> Result<Vec<OutboxRecord>, ReadError> {
        Outbox::read_after(self, after, bytes_max)
    }

    fn seq(record: &OutboxRecord) -> u64 {
        record.seq
    }

    fn end(heads: &Heads) -> u64 {
        heads.outbox_seq
    }

    fn tails(&self) -> &Arc<Tails<OutboxRecord>> {
        &self.tails
    }

    fn desk(&self) -> &Desk {
        self.store.desk()
    }
}

fn head_of(head: &PartitionHead) -> OutboxHead {
    OutboxHead { seq: head.outbox_seq, journal_seq: head.outbox_journal_seq, hash: head.outbox_hash }
}

fn setback(setback: Setback) -> CommitError {
    match setback {
        Setback::Full => CommitError::TryLater { wait: FULL_WAIT },
        Setback::Fenced(why) => CommitError::Fenced { why: why.to_string() },
        Setback::Halted(why) => CommitError::Halted { why },
    }
}

/// One decision on its way to the file.
struct Decision {
    journal_seq: u64,
    effects: Arc<Vec<Effect>>,
    body: Bytes,
    written: Option<(u64, ChainHash, ChainHash)>,
}

impl Decision {
    fn new(decided: Decided) -> Self {
        let body = encode(&decided.effects);
        Self { journal_seq: decided.journal_seq, effects: decided.effects, body, written: None }
    }
}

/// Decisions on their way to the file.
struct Commit {
    partition: u16,
    expected_last_seq: u64,
    epoch: u64,
    decisions: Vec<Decision>,
    tails: Arc<Tails<OutboxRecord>>,
    outcome: Result<OutboxHead, CommitError>,
    reply: Reply<Result<OutboxHead, CommitError>>,
}

impl Commit {
    /// Why the decisions do not fit behind `head`, when they do not.
    fn misfit(&self, file: &Connection, head: &PartitionHead) -> SqlResult<Option<String>> {
        let partition = self.partition;
        if head.outbox_seq != self.expected_last_seq {
            let expected = self.expected_last_seq;
            return Ok(Some(format!(
                "partition {partition} is at outbox record {}, not at {expected}",
                head.outbox_seq
            )));
        }
        let mut decided = head.outbox_journal_seq;
        for decision in &self.decisions {
            let next = decision.journal_seq;
            let prev: Option<i64> = file
                .prepare_cached("SELECT prev FROM journal WHERE seq = ?1 AND partition = ?2")?
                .query_row(params![next as i64, partition], |row| row.get(0))
                .optional()?;
            if prev != Some(decided as i64) {
                return Ok(Some(format!(
                    "journal record {next} is not the one behind {decided} in partition {partition}"
                )));
            }
            decided = next;
        }
        Ok(None)
    }
}

impl Task for Commit {
    fn weight(&self) -> usize {
        self.decisions.iter().map(|decision| text_bytes(&decision.body)).sum()
    }

    fn need(&self) -> Need {
        Need::Vital
    }

    fn apply(&mut self, file: &Connection, heads: &mut Heads) -> SqlResult<()> {
        let mut head = heads.partition(self.partition);
        if let Some(why) = self.misfit(file, &head)? {
            self.outcome = Err(CommitError::Fenced { why });
            return Ok(());
        }
        let mut insert = file.prepare_cached("INSERT INTO outbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for decision in &mut self.decisions {
            let prev_hash = head.outbox_hash;
            head.outbox_seq = heads.outbox_seq + 1;
            head.outbox_journal_seq = decision.journal_seq;
            head.outbox_hash = with_text(&decision.body, |text| decision_hash(&prev_hash, decision.journal_seq, text))
                .map_err(broken)?;
            insert.execute(params![
                head.outbox_seq as i64,
                self.partition,
                decision.journal_seq as i64,
                self.epoch as i64,
                prev_hash.0,
                head.outbox_hash.0,
                &decision.body[..]
            ])?;
            decision.written = Some((head.outbox_seq, prev_hash, head.outbox_hash));
            heads.set(self.partition, head);
        }
        self.outcome = Ok(head_of(&head));
        Ok(())
    }

    fn settle(self: Box<Self>, outcome: Result<(), Setback>) {
        let Self { partition, epoch, decisions, tails, outcome: decided, reply, .. } = *self;
        if let Err(failure) = outcome {
            return reply(Err(setback(failure)));
        }
        if decided.is_ok() {
            for Decision { journal_seq, effects, body, written } in decisions {
                let Some((seq, prev_hash, hash)) = written else { continue };
                let bytes = text_bytes(&body);
                let record = || OutboxRecord { seq, partition, journal_seq, epoch, effects, prev_hash, hash, body };
                tails.push(record, bytes);
            }
        }
        reply(decided);
    }
}

/// An outbox row as it is stored.
struct Stored {
    seq: u64,
    partition: u16,
    journal_seq: u64,
    epoch: u64,
    prev_hash: ChainHash,
    hash: ChainHash,
    body: Vec<u8>,
}

impl Stored {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get::<_, i64>(0)? as u64,
            partition: row.get(1)?,
            journal_seq: row.get::<_, i64>(2)? as u64,
            epoch: row.get::<_, i64>(3)? as u64,
            prev_hash: ChainHash(row.get(4)?),
            hash: ChainHash(row.get(5)?),
            body: row.get(6)?,
        })
    }

    fn record(self) -> SqlResult<OutboxRecord> {
        let Self { seq, partition, journal_seq, epoch, prev_hash, hash, body } = self;
        let wrong = |what: &str| broken(format!("outbox record {seq} {what}"));
        let read = |text: &[u8]| {
            let is_whole = decision_hash(&prev_hash, journal_seq, text) == hash;
            is_whole.then(|| serde_json::from_slice(text))
        };
        let read = with_text(&body, read).map_err(|why| wrong(&why))?;
        let effects = read.ok_or_else(|| wrong("does not match its hash"))?;
        let effects = effects.map_err(|error| wrong(&format!("is unreadable: {error}")))?;
        let (effects, body) = (Arc::new(effects), Bytes::copy_from_slice(&body));
        Ok(OutboxRecord { seq, partition, journal_seq, epoch, effects, prev_hash, hash, body })
    }
}

fn decision(file: &Connection, journal_seq: u64) -> SqlResult<Option<OutboxRecord>> {
    let stored = file
        .prepare_cached(&format!("{COLUMNS} WHERE journal_seq = ?1"))?
        .query_row([journal_seq as i64], Stored::from_row)
        .optional()?;
    stored.map(Stored::record).transpose()
}

/// Reads records behind `after` from one file; `end` is the last one that is known to be committed.
/// Decisions behind `after` in files that nobody has opened here; none at the end.
///
/// # Errors
/// When a record is damaged, gone or unreadable.
pub fn decisions_after(shelf: &Shelf, after: u64, bytes_max: usize) -> Result<Vec<OutboxRecord>, ReadError> {
    let end = shelf.ends()?.1;
    if after >= end {
        return Ok(Vec::new());
    }
    let first = |base: &Base| base.outbox_seq;
    shelf.read_from(after, first, |file, end_here| records_after(file, after, end_here.unwrap_or(end), bytes_max))
}

fn records_after(file: &Connection, after: u64, end: u64, bytes_max: usize) -> SqlResult<Vec<OutboxRecord>> {
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut last = after;
    let mut query = file.prepare_cached(&format!("{COLUMNS} WHERE seq > ?1 ORDER BY seq"))?;
    let mut rows = query.query([after as i64])?;
    while bytes < bytes_max
        && let Some(row) = rows.next()?
    {
        let stored = Stored::from_row(row)?;
        if stored.seq != last + 1 {
            return Err(broken(format!("outbox record {} is missing (found {})", last + 1, stored.seq)));
        }
        last = stored.seq;
        bytes += text_bytes(&stored.body);
        records.push(stored.record()?);
    }
    if last < end && bytes < bytes_max {
        return Err(broken(format!("the outbox ends at record {last}, {end} were committed")));
    }
    Ok(records)
}
