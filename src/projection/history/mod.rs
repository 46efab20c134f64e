//! The history: every event, alert and incident, searchable, in a SQLite file of its own beside the journal's.
//!
//! It is rebuilt from outbox and journal when it is missing or damaged; so it is not synced, and the journal's
//! writer never waits for it. One [`Writer`] fills it, any number of readers ask it, each for a bounded time.
//!
//! Events are kept by the record, in the very bytes in which journal and outbox keep them (`records`); beside them
//! stands what a search asks first. Each alert has a small row that changes with every event of it (`heads`) and
//! names the last record that told of it; each record names the one before. So an event that repeats what is known
//! costs a few bytes, and `why` finds all of them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

pub mod audit;
pub mod export;
pub mod find;
mod heads;
mod ids;
pub mod knowledge;
mod letters;
pub mod notices;
pub mod records;
pub mod retention;
pub mod reviews;
mod schema;
pub mod search;
pub mod stats;
mod walk;
mod write;
pub mod writer;

#[cfg(test)]
mod tests;

use retention::Retention;
use writer::Writer;

/// The file's name in the data folder.
pub const FILE: &str = "history.db";
/// Reading connections kept open.
const READERS_MAX: usize = 4;
/// How long one query may take.
const QUERY_MAX: Duration = if cfg!(test) { Duration::from_secs(2) } else { Duration::from_secs(5) };
/// Instructions of the database between two looks at the clock.
const LOOK_EVERY: i32 = 20_000;

/// Why the history did not answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It is not what was written; the writer makes it anew.
    #[error("history {path} is damaged; it is made again from the journal")]
    Damaged { path: String, source: rusqlite::Error },
    /// The question was too wide.
    #[error("the history took longer than {} s; ask for less time or fewer rows", QUERY_MAX.as_secs())]
    TooLong,
    /// Reading or writing failed.
    #[error("history {path} cannot be used")]
    Failed { path: String, source: rusqlite::Error },
}

impl HistoryError {
    fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.display().to_string();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, source },
            Some(ErrorCode::OperationInterrupted) => Self::TooLong,
            _ => Self::Failed { path, source },
        }
    }
}

/// How far the history has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The newest journal record that is written.
    pub journal_seq: u64,
    /// The outbox record that decided it.
    pub outbox_seq: u64,
    /// It has been level with the outbox since it was opened or made anew.
    pub whole: bool,
    /// How often the file was made anew; older connections read a file that is gone.
    pub generation: u64,
    /// A reader has found it damaged.
    pub damaged: bool,
}

/// What readers and the writer share.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    progress: Mutex<Progress>,
    moved: Condvar,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress());
        self.moved.notify_all();
    }
}

/// The reading side; cheap to share behind an `Arc`.
pub struct History {
    shared: Arc<Shared>,
    readers: Mutex<Vec<(u64, Connection)>>,
}

impl History {
    /// Opens or makes the file in a folder. A damaged one is made anew.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, retention: Retention) -> Result<(Self, Writer), HistoryError> {
        let shared = Arc::new(Shared { path: path.to_owned(), progress: Mutex::default(), moved: Condvar::new() });
        let writer = Writer::open(Arc::clone(&shared), retention)?;
        Ok((Self { shared, readers: Mutex::default() }, writer))
    }

    /// Opens the file of another process for reading only.
    ///
    /// # Errors
    /// When the file is not there or cannot be opened.
    pub fn beside(path: &Path) -> Result<Self, HistoryError> {
        let shared = Arc::new(Shared { path: path.to_owned(), progress: Mutex::default(), moved: Condvar::new() });
        let history = Self { shared, readers: Mutex::default() };
        let progress = history.read(schema::progress)?;
        history.shared.change(|now| *now = progress);
        Ok(history)
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        *self.shared.progress()
    }

    /// Waits until journal record `seq` is written, at most for `patience`. Blocks.
    pub fn wait_for(&self, seq: u64, patience: Duration) {
        let until = Instant::now() + patience;
        let mut progress = self.shared.progress();
        while progress.journal_seq < seq {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return;
            };
            progress = self.shared.moved.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reads; blocking, so callers on an async thread move it away.
    ///
    /// # Errors
    /// When the file cannot be read, or the query takes too long.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, HistoryError> {
        let named = |cause| HistoryError::of(&self.shared.path, cause);
        let generation = self.shared.progress().generation;
        let connection = self.connection(generation).map_err(named)?;
        let until = Instant::now() + QUERY_MAX;
        connection.progress_handler(LOOK_EVERY, Some(move || Instant::now() > until)).map_err(named)?;
        let found = query(&connection).map_err(named);
        if matches!(found, Err(HistoryError::Damaged { .. })) {
            self.shared.change(|progress| progress.damaged = progress.generation == generation);
            return found;
        }
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_MAX {
            readers.push((generation, connection));
        }
        found
    }

    fn connection(&self, generation: u64) -> rusqlite::Result<Connection> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|(made_for, _)| *made_for == generation);
        if let Some((_, connection)) = readers.pop() {
            return Ok(connection);
        }
        drop(readers);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&self.shared.path, flags)
    }
}
