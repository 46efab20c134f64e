//! The history: every event, alert and incident, searchable, in a SQLite file of its own. Rebuildable from the
//! outbox, so it is not synced, and the journal's one writer never waits for it: steps are queued and written in
//! batches by a thread.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::Committed;
use crate::domain::time::Timestamp;

pub mod export;
pub mod find;
pub mod restore;
pub mod retention;
mod schema;
pub mod search;
mod write;

use retention::Retention;

/// Steps that wait to be written.
const QUEUE_MAX: usize = 20_000;
/// Steps written in one transaction.
const BATCH_MAX: usize = 2_000;
/// Reading connections kept open.
const READERS_MAX: usize = 4;

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("history {path}: {cause}; it can be removed while the program is stopped and is rebuilt at the next start")]
pub struct HistoryError {
    path: String,
    cause: rusqlite::Error,
}

enum Work {
    Step(Arc<Committed>),
    Replayed {
        seq: u64,
        index: u32,
        at: Timestamp,
    },
    Prune(Timestamp),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
    End,
}

/// Whether a step was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    Taken,
    /// The queue is full: read the outbox again after `applied`, `push` from there, then `resume`.
    Behind,
}

/// The history's handle; cheap to share behind an `Arc`.
pub struct History {
    path: PathBuf,
    queue: SyncSender<Work>,
    readers: Mutex<Vec<Connection>>,
    applied: Arc<AtomicU64>,
    behind: AtomicBool,
    /// Steps that could not be written (the disk is full, the file damaged).
    failed: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl History {
    /// Opens or makes the file and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be opened or is of another format.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, HistoryError> {
        let named = |cause| HistoryError { path: path.display().to_string(), cause };
        let mut connection = Connection::open(path).map_err(named)?;
        schema::prepare(&mut connection).map_err(named)?;
        let applied = Arc::new(AtomicU64::new(schema::applied(&connection).map_err(named)?));
        let failed = Arc::new(AtomicU64::new(0));
        let (queue, work) = sync_channel(QUEUE_MAX);
        let writer = Writer { connection, retention, applied: applied.clone(), failed: failed.clone() };
        let thread = std::thread::Builder::new().name("history".into()).spawn(move || writer.run(&work));
        let thread = thread.map_err(|e| named(rusqlite::Error::ToSqlConversionFailure(Box::new(e))))?;
        Ok(Self {
            path: path.to_owned(),
            queue,
            readers: Mutex::default(),
            applied,
            behind: AtomicBool::new(false),
            failed,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The newest journal record that is written; 0 when there is none.
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Steps that could not be written since the start.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Queues a step without waiting. Steps come in journal order; one that is written already changes nothing.
    pub fn offer(&self, step: Arc<Committed>) -> Offer {
        if self.behind.load(Ordering::Acquire) {
            return Offer::Behind;
        }
        match self.queue.try_send(Work::Step(step)) {
            Ok(()) => Offer::Taken,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.behind.store(true, Ordering::Release);
                Offer::Behind
            }
        }
    }

    /// Queues a step, waiting for room: for catching up.
    pub fn push(&self, step: Arc<Committed>) {
        // The writer is gone only while the program ends; then the outbox has the step.
        let _ = self.queue.send(Work::Step(step));
    }

    /// Catching up is done: `offer` takes steps again.
    pub fn resume(&self) {
        self.behind.store(false, Ordering::Release);
    }

    /// A dead letter was tried again.
    pub fn mark_replayed(&self, seq: u64, index: u32, at: Timestamp) {
        let _ = self.queue.send(Work::Replayed { seq, index, at });
    }

    /// Removes what is older than its record type is kept.
    pub fn prune(&self, now: Timestamp) {
        let _ = self.queue.send(Work::Prune(now));
    }

    /// Waits until everything queued before is written.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.send(Work::Flush(done)).is_ok() {
            let _ = wait.recv();
        }
    }

    /// Reads; blocking, so callers on an async thread move it away.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, HistoryError> {
        let named = |cause| HistoryError { path: self.path.display().to_string(), cause };
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                Connection::open_with_flags(&self.path, flags).map_err(named)?
            }
        };
        let found = query(&connection).map_err(named);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_MAX {
            readers.push(connection);
        }
        found
    }
}

impl Drop for History {
    fn drop(&mut self) {
        let _ = self.queue.send(Work::End);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    connection: Connection,
    retention: Retention,
    applied: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, work: &Receiver<Work>) {
        while let Ok(first) = work.recv() {
            let mut steps: Vec<Arc<Committed>> = Vec::new();
            let mut next = Some(first);
            while let Some(Work::Step(step)) = next {
                steps.push(step);
                next = if steps.len() < BATCH_MAX { work.try_recv().ok() } else { None };
            }
            self.write(&steps);
            match next {
                Some(Work::Replayed { seq, index, at }) => self.attempt(|c| write::replayed(c, seq, index, at)),
                Some(Work::Prune(now)) => {
                    let retention = self.retention.clone();
                    self.attempt(|c| retention::prune(c, &retention, now));
                }
                Some(Work::Flush(done)) => {
                    let _ = done.send(());
                }
                Some(Work::End) => return,
                Some(Work::Step(_)) | None => {}
            }
        }
    }

    fn write(&mut self, steps: &[Arc<Committed>]) {
        let done = self.applied.load(Ordering::Acquire);
        let mut seen = BTreeSet::new();
        let fresh: Vec<&Committed> =
            steps.iter().map(AsRef::as_ref).filter(|s| s.journal_seq > done && seen.insert(s.journal_seq)).collect();
        let Some(last) = fresh.last().map(|step| step.journal_seq) else { return };
        match write::steps(&mut self.connection, &fresh) {
            Ok(()) => self.applied.store(last, Ordering::Release),
            Err(error) => {
                self.failed.fetch_add(fresh.len() as u64, Ordering::Relaxed);
                tracing::error!(%error, steps = fresh.len(), "history not written; it lacks these records");
            }
        }
    }

    fn attempt(&mut self, act: impl FnOnce(&mut Connection) -> rusqlite::Result<()>) {
        if let Err(error) = act(&mut self.connection) {
            tracing::error!(%error, "history not changed");
        }
    }
}

#[cfg(test)]
mod tests;
