//! The one writer of the history.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;

use super::super::Committed;
use super::heads::Heads;
use super::retention::{self, Retention};
use super::{HistoryError, Progress, Shared, schema, write};
use crate::domain::time::Timestamp;
use crate::private;

/// A committed step with the stored forms of its input and its effects.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub step: Committed,
    pub input: Bytes,
    pub effects: Bytes,
}

/// Fills the history, in the order of the outbox.
pub struct Writer {
    connection: Connection,
    heads: Heads,
    retention: Retention,
    shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn open(shared: Arc<Shared>, retention: Retention) -> Result<Self, HistoryError> {
        let (connection, progress) = match prepare(&shared) {
            Err(HistoryError::Damaged { path, source }) => {
                tracing::error!(path, %source, "history is damaged and made anew");
                remove(&shared)?;
                prepare(&shared)?
            }
            prepared => prepared?,
        };
        shared.change(|now| *now = progress);
        Ok(Self { connection, heads: Heads::default(), retention, shared })
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        *self.shared.progress()
    }

    /// The hash of the outbox record up to which it is written; empty at the beginning.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn hash(&self) -> Result<String, HistoryError> {
        self.named(schema::text(&self.connection, "outbox_hash"))
    }

    /// Writes steps that follow on the last ones, all or none; `hash` is that of the last one's outbox record.
    ///
    /// # Errors
    /// When they could not be written: try again, or start over when it is damaged.
    pub fn write(&mut self, steps: &[Stored], hash: &str) -> Result<(), HistoryError> {
        let Some(Stored { step: last, .. }) = steps.last() else { return Ok(()) };
        let written = write::steps(&mut self.connection, &mut self.heads, steps, hash);
        self.named(written)?;
        self.heads.keep();
        let (journal_seq, outbox_seq) = (last.journal_seq, last.outbox_seq);
        self.shared.change(|now| *now = Progress { journal_seq, outbox_seq, ..*now });
        Ok(())
    }

    /// It is level with the outbox.
    pub fn is_whole(&self) {
        if !self.shared.progress().whole {
            self.shared.change(|now| now.whole = true);
        }
    }

    /// Removes what is older than its record type is kept.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn prune(&mut self, now: Timestamp) -> Result<(), HistoryError> {
        self.heads.forget();
        let pruned = retention::prune(&mut self.connection, &self.retention, now);
        self.named(pruned)
    }

    /// Makes the file anew, empty.
    ///
    /// # Errors
    /// When the file cannot be removed or made.
    pub fn start_over(&mut self) -> Result<(), HistoryError> {
        let closed = Connection::open_in_memory();
        self.connection = self.named(closed)?;
        remove(&self.shared)?;
        let (connection, progress) = prepare(&self.shared)?;
        self.connection = connection;
        self.heads.forget();
        self.shared.change(|now| *now = Progress { generation: now.generation + 1, ..progress });
        Ok(())
    }

    fn named<T>(&self, outcome: rusqlite::Result<T>) -> Result<T, HistoryError> {
        outcome.map_err(|cause| HistoryError::of(&self.shared.path, cause))
    }
}

fn prepare(shared: &Shared) -> Result<(Connection, Progress), HistoryError> {
    private::database(&shared.path).map_err(|cause| unmade(shared, cause))?;
    let prepared = Connection::open(&shared.path).and_then(|mut connection| {
        schema::prepare(&mut connection)?;
        let progress = schema::progress(&connection)?;
        Ok((connection, progress))
    });
    prepared.map_err(|cause| HistoryError::of(&shared.path, cause))
}

fn unmade(shared: &Shared, error: std::io::Error) -> HistoryError {
    HistoryError::of(&shared.path, rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Removes the file and what SQLite keeps beside it.
fn remove(shared: &Shared) -> Result<(), HistoryError> {
    for ending in ["", "-wal", "-shm"] {
        let mut path = shared.path.clone().into_os_string();
        path.push(ending);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(unmade(shared, error));
        }
    }
    Ok(())
}
