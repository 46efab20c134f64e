//! The archive: records that recovery no longer needs move to `archive.db`, where back-tests, training and `why`
//! still find them, until their retention ends.
//!
//! A record is in the archive before it leaves the main file, so that a stop at any moment loses none. Everything
//! goes in small steps: the writer's other work waits for one step at most.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::Store;
use super::fail::{SqlResult, broken};
use super::read::{Readers, Step, StoredRecord, head_at, walk};
use super::schema::{APPLICATION_ID, Base, FILE_FORMAT, Heads, JournalHead, PAGE_BYTES, RECORD_TABLES};
use super::small::Small;
use super::snapshots::Sealed;
use super::writer::Need;
use crate::domain::time::Timestamp;
use crate::journal::{AppendError, ReadError};
use crate::private;

/// Records that one step moves at most.
const STEP_RECORDS: usize = 64;

/// Bytes that one step moves, one record aside.
const STEP_BYTES: usize = 1024 * 1024;

/// The archive's file name.
pub const ARCHIVE: &str = "archive.db";

/// The archive file, opened when something is first moved.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: Mutex<Option<Connection>>,
    /// One step at a time.
    moving: Mutex<()>,
    readers: Readers,
}

/// What a step has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Journal records that were moved or dropped.
    pub journal: u64,
    /// Outbox records that were moved or dropped.
    pub outbox: u64,
}

impl Moved {
    /// Whether there was nothing to do.
    pub fn is_nothing(&self) -> bool {
        self.journal == 0 && self.outbox == 0
    }
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The main file does not let go of the records; they stay in both files.
    #[error(transparent)]
    Stay(#[from] AppendError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The rows of one step.
#[derive(Default)]
struct Rows {
    journal: Vec<StoredRecord>,
    outbox: Vec<Vec<Value>>,
    /// What is before them.
    start: Base,
    /// What is before the rest when they are gone.
    base: Base,
}

impl Archive {
    /// The archive in `dir`; the file may not be there yet.
    pub fn new(dir: &Path) -> Self {
        let path = dir.join(ARCHIVE);
        Self { readers: Readers::new(path.clone()), path, file: Mutex::default(), moving: Mutex::default() }
    }

    /// Connections for reading; `None` while nothing was ever moved.
    pub fn readers(&self) -> Option<&Readers> {
        self.path.exists().then_some(&self.readers)
    }

    fn write<T>(&self, write: impl FnOnce(&mut Connection) -> SqlResult<T>) -> Result<T, ReadError> {
        let mut held = self.file.lock().expect("no holder of the archive's lock panics");
        let written = (|| {
            if held.is_none() {
                *held = Some(open(&self.path)?);
            }
            write(held.as_mut().expect("it was opened above"))
        })();
        written.map_err(|fault| fault.reading(&self.path))
    }
}

fn open(path: &Path) -> SqlResult<Connection> {
    if !path.exists() {
        create(path)?;
    }
    let file = Connection::open(path)?;
    file.busy_timeout(std::time::Duration::from_secs(5))?;
    file.pragma_update(None, "page_size", PAGE_BYTES)?;
    file.pragma_update(None, "journal_mode", "WAL")?;
    file.pragma_update(None, "synchronous", "FULL")?;
    Ok(file)
}

/// Makes the file under another name first: whoever reads beside us finds it whole or not at all.
fn create(path: &Path) -> SqlResult<()> {
    let unfinished = path.with_extension("part");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    private::file(&unfinished)?;
    let mut file = Connection::open(&unfinished)?;
    file.pragma_update(None, "synchronous", "FULL")?;
    let all = file.transaction()?;
    all.execute_batch(RECORD_TABLES)?;
    all.pragma_update(None, "application_id", APPLICATION_ID)?;
    all.pragma_update(None, "user_version", FILE_FORMAT)?;
    all.commit()?;
    drop(file);
    Ok(std::fs::rename(&unfinished, path)?)
}

impl Store {
    /// Moves the oldest records that no kept snapshot needs to the archive: at most 64, about 1 MiB. Blocks on the
    /// disk; call it again until it moves nothing.
    ///
    /// # Errors
    /// When a file cannot be read or written. What was moved so far is safe.
    pub fn move_to_archive(&self) -> Result<Moved, MoveError> {
        let _one = self.shared().archive.moving.lock().expect("no holder of the step's lock panics");
        let rows = self.shared().readers.read(|file| {
            let heads = Heads::load(file)?;
            let point = trim_point(&heads, &Sealed::all(file)?);
            rows_until(file, point)
        })?;
        let moved = Moved { journal: rows.journal.len() as u64, outbox: rows.outbox.len() as u64 };
        if moved.is_nothing() {
            return Ok(moved);
        }
        self.shared().archive.write(|file| keep(file, &rows))?;
        let base = rows.base;
        self.write_small_blocking(Small::new(0, Need::Vital, move |file, _| {
            file.execute("DELETE FROM journal WHERE seq <= ?1", [base.journal.seq as i64])?;
            file.execute("DELETE FROM outbox WHERE seq <= ?1", [base.outbox_seq as i64])?;
            base.save(file)
        }))?;
        Ok(moved)
    }

    /// The last journal record that is kept no longer, neither here nor in the archive; 0 when all are.
    ///
    /// # Errors
    /// When a file is unreadable.
    pub fn oldest(&self) -> Result<u64, ReadError> {
        let shared = self.shared();
        let file = shared.archive.readers().unwrap_or(&shared.readers);
        file.read(|file| Base::load(file).map(|base| base.journal.seq))
    }

    /// Drops the oldest archived records stamped before `before`, at most 64. Blocks on the disk; call it again
    /// until it drops nothing.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn expire_archive(&self, before: Timestamp) -> Result<Moved, MoveError> {
        let archive = &self.shared().archive;
        if archive.readers().is_none() {
            return Ok(Moved::default());
        }
        Ok(archive.write(|file| expire(file, before))?)
    }
}

/// The last journal record that nobody needs for recovery: each partition with records behind its older kept
/// snapshot holds everything from there; one without two snapshots holds everything.
fn trim_point(heads: &Heads, sealed: &[Sealed]) -> u64 {
    let mut point = heads.journal.seq;
    for (partition, head) in heads.partitions() {
        let mut kept = sealed.iter().filter(|snapshot| snapshot.partition == *partition);
        let older = kept.nth(1).map_or(0, |snapshot| snapshot.journal_seq);
        let safe = older.min(head.outbox_journal_seq);
        if head.journal_seq > safe {
            point = point.min(safe);
        }
    }
    point
}

fn rows_until(file: &Connection, point: u64) -> SqlResult<Rows> {
    let base = Base::load(file)?;
    let mut rows = Rows { start: base, base, ..Rows::default() };
    if base.journal.seq < point {
        let mut bytes = 0;
        rows.base.journal = walk(file, base.journal.seq, |stored| {
            bytes += stored.body.len();
            let is_last = stored.seq == point || bytes >= STEP_BYTES || rows.journal.len() + 1 == STEP_RECORDS;
            rows.journal.push(stored);
            Ok(if is_last { Step::Stop } else { Step::On })
        })?;
    }
    let mut query = file.prepare_cached("SELECT * FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut found = query.query(params![base.outbox_seq as i64, STEP_RECORDS as i64])?;
    while let Some(row) = found.next()? {
        let journal_seq: i64 = row.get(2)?;
        // Never ahead of the journal: whoever finds a record there finds its decision too.
        if journal_seq as u64 > rows.base.journal.seq {
            break;
        }
        rows.base.outbox_seq = row.get::<_, i64>(0)? as u64;
        rows.outbox.push((0..7).map(|column| row.get(column)).collect::<Result<_, _>>()?);
    }
    Ok(rows)
}

/// Writes rows to the archive. Those that a step before has left there stay as they are.
fn keep(file: &mut Connection, rows: &Rows) -> SqlResult<()> {
    let all = file.transaction()?;
    {
        let is_empty = all.query_row("SELECT NOT EXISTS (SELECT 1 FROM journal)", [], |row| row.get(0))?;
        if is_empty {
            rows.start.save(&all)?;
        }
        if head_at(&all, rows.start.journal.seq)? != rows.start.journal {
            let seq = rows.start.journal.seq;
            return Err(broken(format!("it does not end with the journal record {seq} of the main file")));
        }
        let mut insert = all.prepare_cached("INSERT OR IGNORE INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for StoredRecord { seq, partition, prev, stamp, digest, body } in &rows.journal {
            insert.execute(params![*seq as i64, partition, *prev as i64, stamp.0, digest.0, body])?;
        }
        let mut insert = all.prepare_cached("INSERT OR IGNORE INTO outbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for row in &rows.outbox {
            insert.execute(params_from_iter(row))?;
        }
    }
    all.commit()?;
    Ok(())
}

fn expire(file: &mut Connection, before: Timestamp) -> SqlResult<Moved> {
    let mut base = Base::load(file)?;
    let (from, mut moved) = (base, Moved::default());
    let mut last = base.journal;
    walk(file, base.journal.seq, |stored| {
        let is_over = stored.stamp < before && stored.seq <= from.journal.seq + STEP_RECORDS as u64;
        if !is_over {
            return Ok(Step::Stop);
        }
        last = JournalHead { seq: stored.seq, digest: stored.digest, stamp: stored.stamp };
        Ok(Step::On)
    })?;
    base.journal = last;
    let all = file.transaction()?;
    let decided = "SELECT max(seq) FROM outbox WHERE journal_seq <= ?1";
    let outbox: Option<i64> = all.query_row(decided, [last.seq as i64], |row| row.get(0)).optional()?.flatten();
    base.outbox_seq = outbox.map_or(base.outbox_seq, |seq| seq as u64);
    moved.journal = all.execute("DELETE FROM journal WHERE seq <= ?1", [last.seq as i64])? as u64;
    moved.outbox = all.execute("DELETE FROM outbox WHERE seq <= ?1", [base.outbox_seq as i64])? as u64;
    base.save(&all)?;
    all.commit()?;
    Ok(moved)
}
