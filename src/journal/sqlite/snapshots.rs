//! Snapshots in the file: written in pieces between other commits, sealed when complete, read back before older
//! ones go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::Store;
use super::fail::{SqlResult, broken};
use super::small::Small;
use super::writer::Need;
use crate::journal::digest::ChainHash;
use crate::journal::snapshot::{Snapshot, Snapshots};
use crate::journal::{AppendError, ReadError};

/// A piece: small enough that the commits between two of them do not notice.
const PIECE_BYTES: usize = 256 * 1024;

/// Snapshots of a partition that are kept.
const KEPT: usize = 2;

/// Pieces of a snapshot have ids from `snapshot << PIECE_BITS`: at most 2^20 pieces (256 GiB).
const PIECE_BITS: u32 = 20;

/// A snapshot's row.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its number; higher is newer.
    pub id: i64,
    /// The partition.
    pub partition: u16,
    /// The last journal record in it.
    pub journal_seq: u64,
    outbox_seq: u64,
    format: u32,
    chunks: i64,
    digest: ChainHash,
}

impl Sealed {
    fn digest_of(id: i64, snapshot: &Snapshot) -> ChainHash {
        ChainHash::of(&[
            &id.to_be_bytes(),
            &snapshot.partition.to_be_bytes(),
            &snapshot.journal_seq.to_be_bytes(),
            &snapshot.outbox_seq.to_be_bytes(),
            &snapshot.format.to_be_bytes(),
            &snapshot.body,
        ])
    }

    /// The sealed snapshots, newest first.
    ///
    /// # Errors
    /// When the file is unreadable.
    pub fn all(file: &Connection) -> SqlResult<Vec<Self>> {
        let mut query = file.prepare_cached(
            "SELECT id, partition, journal_seq, outbox_seq, format, chunks, digest FROM snapshots ORDER BY id DESC",
        )?;
        let rows = query.query_map([], |row| {
            Ok(Self {
                id: row.get(0)?,
                partition: row.get(1)?,
                journal_seq: row.get::<_, i64>(2)? as u64,
                outbox_seq: row.get::<_, i64>(3)? as u64,
                format: row.get(4)?,
                chunks: row.get(5)?,
                digest: ChainHash(row.get(6)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Reads the snapshot and compares it with its digest.
    ///
    /// # Errors
    /// When it is not what was written.
    pub fn open(&self, file: &Connection) -> SqlResult<Snapshot> {
        let mut body = Vec::with_capacity(self.chunks as usize * PIECE_BYTES);
        let mut query = file.prepare_cached("SELECT body FROM snapshot_chunks WHERE id = ?1")?;
        for n in 0..self.chunks {
            let piece: Option<Vec<u8>> = query.query_row([piece_id(self.id, n)], |row| row.get(0)).optional()?;
            body.extend(piece.ok_or_else(|| broken(format!("piece {n} of snapshot {} is missing", self.id)))?);
        }
        let snapshot = Snapshot {
            partition: self.partition,
            journal_seq: self.journal_seq,
            outbox_seq: self.outbox_seq,
            format: self.format,
            body,
        };
        if Self::digest_of(self.id, &snapshot) != self.digest {
            return Err(broken(format!("snapshot {} does not match its digest", self.id)));
        }
        Ok(snapshot)
    }
}

fn piece_id(snapshot: i64, n: i64) -> i64 {
    (snapshot << PIECE_BITS) + n
}

/// Removes the pieces of snapshots that were never sealed: the process ended while they were written.
///
/// # Errors
/// When the database refuses.
pub fn sweep(file: &Connection) -> SqlResult<()> {
    file.execute(
        "DELETE FROM snapshot_chunks WHERE NOT EXISTS (SELECT 1 FROM snapshots WHERE snapshots.id = snapshot_chunks.id >> ?1)",
        [PIECE_BITS],
    )?;
    Ok(())
}

/// Gives each snapshot its number, and lets one be written at a time.
#[derive(Debug, Default)]
pub struct Desk {
    last: Mutex<i64>,
    writing: tokio::sync::Mutex<()>,
}

impl Desk {
    /// Goes on behind the newest number in the file.
    ///
    /// # Errors
    /// When the file is unreadable.
    pub fn open(file: &Connection) -> SqlResult<Self> {
        let last = Sealed::all(file)?.first().map_or(0, |newest| newest.id);
        Ok(Self { last: Mutex::new(last), writing: tokio::sync::Mutex::default() })
    }

    fn take_number(&self) -> i64 {
        let mut last = self.last.lock().expect("no holder of the number's lock panics");
        *last += 1;
        *last
    }
}

impl Snapshots for Store {
    async fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), AppendError> {
        let desk = &self.shared().snapshots;
        let _alone = desk.writing.lock().await;
        let id = desk.take_number();
        let snapshot = Arc::new(snapshot);
        let mut chunks = 0;
        for from in (0..snapshot.body.len()).step_by(PIECE_BYTES) {
            let (snapshot, piece) = (Arc::clone(&snapshot), piece_id(id, chunks));
            let to = snapshot.body.len().min(from + PIECE_BYTES);
            self.write_small(Small::new(to - from, Need::Vital, move |file, _| {
                file.prepare_cached("INSERT OR REPLACE INTO snapshot_chunks VALUES (?1, ?2)")?
                    .execute(params![piece, &snapshot.body[from..to]])?;
                Ok(())
            }))
            .await?;
            chunks += 1;
        }
        let sealed = Sealed {
            id,
            partition: snapshot.partition,
            journal_seq: snapshot.journal_seq,
            outbox_seq: snapshot.outbox_seq,
            format: snapshot.format,
            chunks,
            digest: Sealed::digest_of(id, &snapshot),
        };
        let row = sealed.clone();
        self.write_small(Small::new(0, Need::Vital, move |file, _| seal(file, &row))).await?;
        self.drop_older(&sealed).await
    }

    fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, ReadError> {
        let readers = &self.shared().readers;
        let mut all = readers.read(Sealed::all)?;
        all.retain(|sealed| sealed.partition == partition);
        let mut failure = None;
        for sealed in all {
            match readers.read(|file| sealed.open(file)) {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(error) => {
                    tracing::error!(%error, snapshot = sealed.id, "a snapshot is unusable, trying the one before");
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(None), Err)
    }
}

impl Store {
    /// Up to which journal record the kept snapshots of each partition go, oldest first.
    ///
    /// # Errors
    /// When the file is unreadable.
    pub fn kept_snapshots(&self) -> Result<BTreeMap<u16, Vec<u64>>, ReadError> {
        let mut kept: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
        for sealed in self.shared().readers.read(Sealed::all)?.into_iter().rev() {
            kept.entry(sealed.partition).or_default().push(sealed.journal_seq);
        }
        Ok(kept)
    }

    /// Drops what is beyond the newest two, once this one has been read back from the file.
    async fn drop_older(&self, newest: &Sealed) -> Result<(), AppendError> {
        let readers = &self.shared().readers;
        let read_back = readers.read(|file| newest.open(file)).and_then(|_| readers.read(Sealed::all));
        let mut all = match read_back {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(%error, "a new snapshot cannot be read back: it is removed, the older ones stay");
                self.drop_snapshot(newest).await?;
                return Err(AppendError::TryLater { wait: Duration::from_secs(1) });
            }
        };
        all.retain(|sealed| sealed.partition == newest.partition);
        for old in all.iter().skip(KEPT) {
            self.drop_snapshot(old).await?;
        }
        Ok(())
    }

    /// Removes a snapshot: its row first, then its pieces one by one between other commits.
    async fn drop_snapshot(&self, old: &Sealed) -> Result<(), AppendError> {
        let id = old.id;
        self.write_small(Small::new(0, Need::Vital, move |file, _| {
            file.execute("DELETE FROM snapshots WHERE id = ?1", [id])?;
            Ok(())
        }))
        .await?;
        for n in 0..old.chunks {
            self.write_small(Small::new(0, Need::Vital, move |file, _| {
                file.prepare_cached("DELETE FROM snapshot_chunks WHERE id = ?1")?.execute([piece_id(id, n)])?;
                Ok(())
            }))
            .await?;
        }
        Ok(())
    }
}

fn seal(file: &Connection, row: &Sealed) -> SqlResult<()> {
    file.execute(
        "INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            row.id,
            row.partition,
            row.journal_seq as i64,
            row.outbox_seq as i64,
            row.format,
            row.chunks,
            row.digest.0
        ],
    )?;
    Ok(())
}
