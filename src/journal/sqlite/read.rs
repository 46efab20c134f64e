//! Reading records: on connections of their own, so that readers and the writer do not wait for each other.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::append::record_digest;
use super::fail::{Fault, SqlResult, broken};
use super::schema::{Base, JournalHead};
use crate::domain::time::Timestamp;
use crate::journal::body::decode;
use crate::journal::digest::ChainHash;
use crate::journal::packed::text_bytes;
use crate::journal::{ReadError, Record};

/// Idle connections that are kept.
const IDLE_MAX: usize = 4;

/// Connections that only read one file.
#[derive(Debug)]
pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Readers of the database at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Closes idle connections.
    pub fn close(&self) {
        self.idle.lock().expect("no holder of the readers' lock panics").clear();
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads inside one transaction, so that everything is seen as of one moment.
    ///
    /// # Errors
    /// What `read` reports, as seen by the caller of the store.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> SqlResult<T>) -> Result<T, ReadError> {
        self.try_read(read).map_err(|fault| fault.reading(&self.path))
    }

    fn try_read<T>(&self, read: impl FnOnce(&Connection) -> SqlResult<T>) -> SqlResult<T> {
        let idle = self.idle.lock().expect("no holder of the readers' lock panics").pop();
        let file = match idle {
            Some(file) => file,
            None => open_to_read(&self.path)?,
        };
        let moment = file.unchecked_transaction()?;
        let outcome = read(&file);
        moment.finish()?;
        let mut idle = self.idle.lock().expect("no holder of the readers' lock panics");
        if idle.len() < IDLE_MAX {
            idle.push(file);
        }
        outcome
    }
}

/// Opens a database that must be there, for reading.
///
/// # Errors
/// When it is not there, or unreadable.
pub fn open_to_read(path: &Path) -> SqlResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = Connection::open_with_flags(path, flags)?;
    file.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(file)
}

/// A journal row as it is stored.
pub struct StoredRecord {
    /// Its place.
    pub seq: u64,
    /// Its partition.
    pub partition: u16,
    /// The one before in its partition.
    pub prev: u64,
    /// Its stamp.
    pub stamp: Timestamp,
    /// Its digest.
    pub digest: ChainHash,
    /// The stored input.
    pub body: Vec<u8>,
}

impl StoredRecord {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get::<_, i64>(0)? as u64,
            partition: row.get(1)?,
            prev: row.get::<_, i64>(2)? as u64,
            stamp: Timestamp(row.get(3)?),
            digest: ChainHash(row.get(4)?),
            body: row.get(5)?,
        })
    }

    /// Checks that this row is the one that was written behind `before`.
    ///
    /// # Errors
    /// When it is not.
    pub fn follow(&self, before: &JournalHead) -> SqlResult<JournalHead> {
        let Self { seq, partition, prev, stamp, digest, ref body } = *self;
        if seq != before.seq + 1 {
            return Err(broken(format!("journal record {} is missing (found {seq})", before.seq + 1)));
        }
        let body_hash = ChainHash::of(&[body]);
        if record_digest(&before.digest, seq, partition, prev, stamp, &body_hash) != digest {
            return Err(broken(format!("journal record {seq} does not match its digest")));
        }
        Ok(JournalHead { seq, digest, stamp })
    }

    /// Reads the input.
    ///
    /// # Errors
    /// When the format is unknown or the body unreadable.
    pub fn record(self) -> SqlResult<Record> {
        let Self { seq, partition, stamp, body, .. } = self;
        let input = decode(&body).map_err(|why| broken(format!("journal record {seq}: {why}")))?;
        Ok(Record { seq, partition, stamp, input: Arc::new(input), body: body.into() })
    }
}

/// Goes through the journal rows behind `after` and checks each one, until `each` says stop or the end.
///
/// # Errors
/// When a row is not what was written, or what `each` reports.
pub fn walk(
    file: &Connection,
    after: u64,
    mut each: impl FnMut(StoredRecord) -> SqlResult<Step>,
) -> SqlResult<JournalHead> {
    let mut before = head_at(file, after)?;
    let mut query = file
        .prepare_cached("SELECT seq, partition, prev, stamp, digest, body FROM journal WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = query.query([after as i64])?;
    while let Some(row) = rows.next()? {
        let stored = StoredRecord::from_row(row)?;
        before = stored.follow(&before)?;
        if each(stored)? == Step::Stop {
            break;
        }
    }
    Ok(before)
}

/// Whether a walk goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the next row.
    On,
    /// No further.
    Stop,
}

/// The digest and stamp of record `seq`, or of the last one that was moved away.
///
/// # Errors
/// When neither is there.
pub fn head_at(file: &Connection, seq: u64) -> SqlResult<JournalHead> {
    let base = Base::load(file)?.journal;
    if seq == base.seq {
        return Ok(base);
    }
    let found = file
        .prepare_cached("SELECT digest, stamp FROM journal WHERE seq = ?1")?
        .query_row([seq as i64], |row| {
            Ok(JournalHead { seq, digest: ChainHash(row.get(0)?), stamp: Timestamp(row.get(1)?) })
        })
        .optional()?;
    found.ok_or_else(|| Fault::Broken(format!("journal record {seq} is missing")))
}

/// Reads records behind `after` from one file; `end` is the last one that is known to be committed.
///
/// # Errors
/// When a row is not what was written, or rows are missing before `end`.
pub fn records_after(file: &Connection, after: u64, end: u64, bytes_max: usize) -> SqlResult<Vec<Record>> {
    records_where(file, |_| true, after, end, bytes_max)
}

/// Reads records of one partition behind `after` from one file, past those of the others; `end` is the last one of all
/// that is known to be committed.
///
/// # Errors
/// When a row is not what was written, or rows are missing before `end`.
pub fn records_of(file: &Connection, partition: u16, after: u64, end: u64, bytes_max: usize) -> SqlResult<Vec<Record>> {
    records_where(file, |of| of == partition, after, end, bytes_max)
}

/// Reads records of the partitions that are `wanted`.
fn records_where(
    file: &Connection,
    wanted: impl Fn(u16) -> bool,
    after: u64,
    end: u64,
    bytes_max: usize,
) -> SqlResult<Vec<Record>> {
    let mut records = Vec::new();
    let mut bytes = 0;
    let last = walk(file, after, |stored| {
        if wanted(stored.partition) {
            bytes += text_bytes(&stored.body);
            records.push(stored.record()?);
        }
        Ok(if bytes >= bytes_max { Step::Stop } else { Step::On })
    })?;
    if last.seq < end && bytes < bytes_max {
        return Err(broken(format!("the journal ends at record {}, {end} were committed", last.seq)));
    }
    Ok(records)
}

/// Where records behind some place are.
pub enum Place<T> {
    /// In the main file.
    Here(T),
    /// In the archive, as far as it reaches back; the main file begins behind this record.
    Archived(u64),
}
