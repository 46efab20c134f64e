//! The tables of `headwater.db`, and the heads: the last record of everything, kept beside the records.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::fail::{SqlResult, broken};
use crate::domain::time::Timestamp;
use crate::journal::digest::ChainHash;

/// The version of the file's tables; another one is refused.
pub const FILE_FORMAT: i64 = 1;

/// Marks the file as ours ("HDWR").
pub const APPLICATION_ID: i64 = 0x4844_5752;

/// Pages of a fresh file: a record of many events takes few of them, and one of a single event is not much larger.
pub const PAGE_BYTES: u32 = 8192;

/// Journal and outbox tables, the same in the main file and in the archive.
pub const RECORD_TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal(
    seq INTEGER PRIMARY KEY, partition INTEGER NOT NULL, prev INTEGER NOT NULL, stamp INTEGER NOT NULL,
    digest BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outbox(
    seq INTEGER PRIMARY KEY, partition INTEGER NOT NULL, journal_seq INTEGER NOT NULL UNIQUE,
    epoch INTEGER NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL);
";

/// The tables that only the main file has.
pub const MAIN_TABLES: &str = "
CREATE TABLE IF NOT EXISTS heads(
    partition INTEGER PRIMARY KEY, journal_seq INTEGER NOT NULL, outbox_seq INTEGER NOT NULL,
    outbox_journal_seq INTEGER NOT NULL, outbox_hash BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots(
    id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, journal_seq INTEGER NOT NULL, outbox_seq INTEGER NOT NULL,
    format INTEGER NOT NULL, chunks INTEGER NOT NULL, digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS snapshot_chunks(id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blobs(digest TEXT PRIMARY KEY, body BLOB NOT NULL);
";

/// The end of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalHead {
    /// The last record; 0 when there has been none.
    pub seq: u64,
    /// Its digest; zeros when there has been none.
    pub digest: ChainHash,
    /// Its stamp.
    pub stamp: Timestamp,
}

/// The end of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionHead {
    /// Its last journal record; 0 when there is none.
    pub journal_seq: u64,
    /// Its last outbox record; 0 when there is none.
    pub outbox_seq: u64,
    /// The journal record that the last outbox record decided.
    pub outbox_journal_seq: u64,
    /// The hash of the last outbox record.
    pub outbox_hash: ChainHash,
}

impl PartitionHead {
    /// The head of a partition without records: its chain starts with a hash that names the partition.
    pub fn start(partition: u16) -> Self {
        let outbox_hash = ChainHash::outbox_start(partition);
        Self { journal_seq: 0, outbox_seq: 0, outbox_journal_seq: 0, outbox_hash }
    }

    fn digest(&self, partition: u16) -> ChainHash {
        ChainHash::of(&[
            b"head",
            &partition.to_be_bytes(),
            &self.journal_seq.to_be_bytes(),
            &self.outbox_seq.to_be_bytes(),
            &self.outbox_journal_seq.to_be_bytes(),
            &self.outbox_hash.0,
        ])
    }
}

/// The last record of everything. The writer thread owns it; after a rollback it is loaded again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// The end of the journal.
    pub journal: JournalHead,
    /// The last outbox record of all partitions.
    pub outbox_seq: u64,
    partitions: BTreeMap<u16, PartitionHead>,
    changed: BTreeSet<u16>,
}

impl Heads {
    /// Loads the heads as the file has them.
    ///
    /// # Errors
    /// When the file is unreadable, or a head is not what was written.
    pub fn load(file: &Connection) -> SqlResult<Self> {
        let mut heads = Self { journal: journal_end(file)?, ..Self::default() };
        let mut query = file
            .prepare("SELECT partition, journal_seq, outbox_seq, outbox_journal_seq, outbox_hash, digest FROM heads")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let partition: u16 = row.get(0)?;
            let head = PartitionHead {
                journal_seq: row.get::<_, i64>(1)? as u64,
                outbox_seq: row.get::<_, i64>(2)? as u64,
                outbox_journal_seq: row.get::<_, i64>(3)? as u64,
                outbox_hash: ChainHash(row.get(4)?),
            };
            if head.digest(partition) != ChainHash(row.get(5)?) {
                return Err(broken(format!("the head of partition {partition} does not match its digest")));
            }
            heads.outbox_seq = heads.outbox_seq.max(head.outbox_seq);
            heads.partitions.insert(partition, head);
        }
        Ok(heads)
    }

    /// The end of one partition.
    pub fn partition(&self, partition: u16) -> PartitionHead {
        self.partitions.get(&partition).copied().unwrap_or_else(|| PartitionHead::start(partition))
    }

    /// All partitions that have records.
    pub fn partitions(&self) -> &BTreeMap<u16, PartitionHead> {
        &self.partitions
    }

    /// Replaces the end of one partition; `save` writes it.
    pub fn set(&mut self, partition: u16, head: PartitionHead) {
        self.outbox_seq = self.outbox_seq.max(head.outbox_seq);
        self.partitions.insert(partition, head);
        self.changed.insert(partition);
    }

    /// Writes the heads that were set since the last time, inside the caller's transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn save(&mut self, file: &Connection) -> SqlResult<()> {
        let mut statement = file.prepare_cached("INSERT OR REPLACE INTO heads VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for partition in std::mem::take(&mut self.changed) {
            let head = self.partition(partition);
            statement.execute(params![
                partition,
                head.journal_seq as i64,
                head.outbox_seq as i64,
                head.outbox_journal_seq as i64,
                head.outbox_hash.0,
                head.digest(partition).0,
            ])?;
        }
        Ok(())
    }
}

fn journal_end(file: &Connection) -> SqlResult<JournalHead> {
    let last = file
        .query_row("SELECT seq, digest, stamp FROM journal ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok(JournalHead {
                seq: row.get::<_, i64>(0)? as u64,
                digest: ChainHash(row.get(1)?),
                stamp: Timestamp(row.get(2)?),
            })
        })
        .optional()?;
    match last {
        Some(head) => Ok(head),
        None => Ok(Base::load(file)?.journal),
    }
}

/// What comes before the first kept record, because older ones have been moved away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// The last journal record that is no longer here.
    pub journal: JournalHead,
    /// The last outbox record that is no longer here.
    pub outbox_seq: u64,
}

impl Base {
    /// Loads it; all zeros when nothing was ever moved.
    ///
    /// # Errors
    /// When it is unreadable.
    pub fn load(file: &Connection) -> SqlResult<Self> {
        let Some(text) = meta(file, "base")? else { return Ok(Self::default()) };
        Self::parse(&text).ok_or_else(|| broken(format!("the base {text:?} is unreadable")))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let journal = JournalHead {
            seq: words.next()?.parse().ok()?,
            digest: ChainHash::parse(words.next()?)?,
            stamp: Timestamp(words.next()?.parse().ok()?),
        };
        Some(Self { journal, outbox_seq: words.next()?.parse().ok()? })
    }

    /// Stores it inside the caller's transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn save(&self, file: &Connection) -> SqlResult<()> {
        let JournalHead { seq, digest, stamp } = self.journal;
        set_meta(file, "base", &format!("{seq} {digest} {} {}", stamp.0, self.outbox_seq))
    }
}

/// Reads a named value.
///
/// # Errors
/// When it is not what was written.
pub fn meta(file: &Connection, key: &str) -> SqlResult<Option<String>> {
    let mut query = file.prepare_cached("SELECT value, digest FROM meta WHERE key = ?1")?;
    let found: Option<(String, [u8; 32])> = query.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((value, digest)) = found else { return Ok(None) };
    if meta_digest(key, &value) != ChainHash(digest) {
        return Err(broken(format!("the value {key:?} does not match its digest")));
    }
    Ok(Some(value))
}

/// Stores a named value.
///
/// # Errors
/// When the database refuses.
pub fn set_meta(file: &Connection, key: &str, value: &str) -> SqlResult<()> {
    file.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2, ?3)")?.execute(params![
        key,
        value,
        meta_digest(key, value).0
    ])?;
    Ok(())
}

fn meta_digest(key: &str, value: &str) -> ChainHash {
    ChainHash::of(&[&(key.len() as u64).to_be_bytes(), key.as_bytes(), value.as_bytes()])
}
