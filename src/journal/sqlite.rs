//! Journal, outbox, snapshots and texts in one SQLite file, for one machine.
//!
//! One thread writes (`writer`), in transactions that hold whatever was waiting. Readers have connections of their
//! own. A lock keeps a second process out, an epoch raised at each opening refuses a former owner.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use append::{Append, Clock, Reply};
use archive::Archive;
use fail::SqlResult;
use lock::Lock;
use read::{Readers, records_after, records_of};
use schema::{Base, Heads};
use small::Small;
use tail::{Followed, Tail, Tails};
use writer::{Desk, Gauge, Setback};

use super::{AppendError, Appended, Durability, Follow, Journal, Of, ReadError, Record};
use crate::engine::input::Input;

pub mod append;
pub mod archive;
pub mod backup;
pub mod ballast;
pub mod blobs;
pub mod check;
pub mod fail;
pub mod lock;
pub mod open;
pub mod read;
pub mod schema;
pub mod shelf;
pub mod small;
pub mod snapshots;
pub mod tail;
pub mod witness;
pub mod writer;

/// What a caller is told to wait when too much is waiting already.
const BUSY_WAIT: Duration = Duration::from_millis(250);

/// What a caller is told to wait when the disk is full.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// How a store is opened.
#[derive(Clone)]
pub struct OpenOptions {
    /// What "accepted" survives.
    pub durability: Durability,
    /// Where stamps come from.
    pub clock: Clock,
    /// Who opens it: shown to the next one, while this one has it.
    pub owner: String,
    /// Space that is given up when the disk is full: 64 MiB by default, 0 for none.
    pub ballast_bytes: u64,
}

impl OpenOptions {
    /// The defaults, with the given clock.
    pub fn new(clock: Clock) -> Self {
        Self { durability: Durability::Power, clock, owner: "headwater".into(), ballast_bytes: 64 * 1024 * 1024 }
    }
}

/// An open store. Clones share it; the file is closed when the last one is dropped.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// What all clones of a store share. Fields are dropped in this order: first the way to the writer, which then ends.
pub struct Shared {
    desk: Option<Desk>,
    writer: Option<JoinHandle<()>>,
    /// Connections for reading.
    pub readers: Readers,
    /// Where old records go.
    pub archive: Archive,
    /// Numbers snapshots.
    pub snapshots: snapshots::Desk,
    tails: Arc<Tails<Record>>,
    clock: Clock,
    gauge: Arc<Gauge>,
    epoch: u64,
    dir: PathBuf,
    _lock: Lock,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.desk = None;
        // The last connection brings the log into the database, which a reader's cannot do.
        self.readers.close();
        if let Some(writer) = self.writer.take() {
            // It has told everybody what it could before it ended, also by a panic.
            let _ = writer.join();
        }
    }
}

impl Store {
    /// What all clones share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// This opening's number: 1 for the first, one more each time.
    pub fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// What waits, what is committed, and whether the disk is full.
    pub fn gauge(&self) -> &Gauge {
        &self.shared.gauge
    }

    /// The way to the writer.
    pub fn desk(&self) -> &Desk {
        self.shared.desk.as_ref().expect("the desk is there until the last clone is dropped")
    }

    /// Appends like `Journal::append`, for callers without an async runtime. Blocks.
    ///
    /// # Errors
    /// When the input is not taken.
    pub fn append_blocking(&self, partition: u16, input: Input) -> Result<Appended, AppendError> {
        let (reply, answer) = sync_channel(1);
        // The receiver waits below: sending cannot fail.
        self.submit(partition, input, Box::new(move |outcome| drop(reply.send(outcome))))?;
        answer.recv().unwrap_or(Err(gone())).map_err(refusal)
    }

    fn submit(&self, partition: u16, input: Input, reply: Reply<Result<Appended, Setback>>) -> Result<(), AppendError> {
        let (clock, tails) = (Arc::clone(&self.shared.clock), Arc::clone(&self.shared.tails));
        let task = Append::new(partition, input, clock, tails, reply)?;
        if writer::Task::need(&task) == writer::Need::Intake {
            self.admit()?;
        }
        self.desk().submit(Box::new(task));
        Ok(())
    }

    /// Refuses new input at the door while too much waits or the disk is full.
    fn admit(&self) -> Result<(), AppendError> {
        if self.gauge().is_full() {
            return Err(AppendError::Full { wait: FULL_WAIT });
        }
        if self.gauge().is_busy() {
            return Err(AppendError::TryLater { wait: BUSY_WAIT });
        }
        Ok(())
    }

    /// See [`shelf::read_from`].
    ///
    /// # Errors
    /// When the records are gone from the archive too, and what `read` reports.
    pub fn read_from<T>(
        &self,
        after: u64,
        first: fn(&Base) -> u64,
        read: impl Fn(&rusqlite::Connection, Option<u64>) -> SqlResult<T>,
    ) -> Result<T, ReadError> {
        shelf::read_from(&self.shared.readers, &self.shared.archive, after, first, read)
    }

    /// Does a small write. Blocks until it is durable.
    ///
    /// # Errors
    /// When the disk is full or the store has stopped.
    pub fn write_small_blocking(&self, small: Small) -> Result<(), AppendError> {
        let (reply, answer) = sync_channel(1);
        // The receiver waits below: sending cannot fail.
        self.desk().submit(Box::new(small.answering(Box::new(move |outcome| drop(reply.send(outcome))))));
        answer.recv().unwrap_or(Err(gone())).map_err(refusal)
    }

    /// Does a small write; resolves when it is durable.
    ///
    /// # Errors
    /// When the disk is full or the store has stopped.
    pub async fn write_small(&self, small: Small) -> Result<(), AppendError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.desk().submit(Box::new(small.answering(Box::new(move |outcome| drop(reply.send(outcome))))));
        answer.await.unwrap_or(Err(gone())).map_err(refusal)
    }
}

impl Journal for Store {
    async fn append(&self, partition: u16, input: Input) -> Result<Appended, AppendError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.submit(partition, input, Box::new(move |outcome| drop(reply.send(outcome))))?;
        answer.await.unwrap_or(Err(gone())).map_err(refusal)
    }

    fn read_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let end = self.gauge().journal_seq();
        if after >= end {
            return Ok(Vec::new());
        }
        self.read_from(
            after,
            |base| base.journal.seq,
            |file, end_here| records_after(file, after, end_here.unwrap_or(end), bytes_max),
        )
    }

    fn read_partition(&self, partition: u16, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let end = self.gauge().journal_seq();
        let mut after = after;
        // The archive ends where the main file begins: it may have none of this partition.
        while after < end {
            let records = self.read_from(
                after,
                |base| base.journal.seq,
                |file, end_here| {
                    let end = end_here.unwrap_or(end);
                    Ok((records_of(file, partition, after, end, bytes_max)?, end))
                },
            )?;
            match records {
                (records, end_here) if records.is_empty() => after = end_here,
                (records, _) => return Ok(records),
            }
        }
        Ok(Vec::new())
    }

    fn follow(&self, of: Of, after: u64) -> impl Follow<Record> + 'static {
        Chosen { tail: Tail::new(self.clone(), after), of }
    }
}

/// A follower that may leave out other partitions.
struct Chosen {
    tail: Tail<Store>,
    of: Of,
}

impl Follow<Record> for Chosen {
    fn seen(&self) -> u64 {
        self.tail.seen()
    }

    fn next(&mut self, patience: Duration) -> Result<Vec<Arc<Record>>, ReadError> {
        let mut records = self.tail.next(patience)?;
        if let Of::Partition(partition) = self.of {
            records.retain(|record| record.partition == partition);
        }
        Ok(records)
    }
}

impl Followed for Store {
    type Record = Record;

    fn read_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        Journal::read_after(self, after, bytes_max)
    }

    fn seq(record: &Record) -> u64 {
        record.seq
    }

    fn end(heads: &Heads) -> u64 {
        heads.journal.seq
    }

    fn tails(&self) -> &Arc<Tails<Record>> {
        &self.shared.tails
    }

    fn desk(&self) -> &Desk {
        Self::desk(self)
    }
}

/// The answer of a writer that ended without giving one.
pub fn gone() -> Setback {
    Setback::Halted("the writer thread is gone".into())
}

/// A setback as the one who appends sees it.
pub fn refusal(setback: Setback) -> AppendError {
    match setback {
        Setback::Full => AppendError::Full { wait: FULL_WAIT },
        Setback::Fenced(why) | Setback::Halted(why) => AppendError::Halted { why },
    }
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
pub mod tests;
