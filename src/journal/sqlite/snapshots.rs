//! Snapshots in the file: written piece by piece between other commits, sealed when complete, read back before
//! older ones go.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::Store;
use super::fail::{SqlResult, broken};
use super::small::Small;
use super::writer::Need;
use crate::journal::digest::ChainHash;
use crate::journal::packed::Pieces;
use crate::journal::snapshot::{Snapshot, Snapshots};
use crate::journal::{AppendError, ReadError};

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
    /// Over everything that is kept of a snapshot, its pieces as they are stored.
    fn digest_of(&self, pieces: &[Vec<u8>]) -> ChainHash {
        let (id, partition) = (self.id.to_be_bytes(), self.partition.to_be_bytes());
        let (journal_seq, outbox_seq) = (self.journal_seq.to_be_bytes(), self.outbox_seq.to_be_bytes());
        let format = self.format.to_be_bytes();
        let head: [&[u8]; 5] = [&id, &partition, &journal_seq, &outbox_seq, &format];
        let parts: Vec<&[u8]> = head.into_iter().chain(pieces.iter().map(Vec::as_slice)).collect();
        ChainHash::of(&parts)
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

    /// Reads the pieces and compares them with their digest.
    ///
    /// # Errors
    /// When they are not what was written.
    fn pieces(&self, file: &Connection) -> SqlResult<Vec<Vec<u8>>> {
        let mut pieces = Vec::with_capacity(self.chunks as usize);
        let mut query = file.prepare_cached("SELECT body FROM snapshot_chunks WHERE id = ?1")?;
        for n in 0..self.chunks {
            let piece: Option<Vec<u8>> = query.query_row([piece_id(self.id, n)], |row| row.get(0)).optional()?;
            pieces.push(piece.ok_or_else(|| broken(format!("piece {n} of snapshot {} is missing", self.id)))?);
        }
        if self.digest_of(&pieces) != self.digest {
            return Err(broken(format!("snapshot {} does not match its digest", self.id)));
        }
        Ok(pieces)
    }

    /// Reads the snapshot.
    ///
    /// # Errors
    /// When it is not what was written.
    pub fn open(&self, file: &Connection) -> SqlResult<Snapshot> {
        let body = Pieces(self.pieces(file)?);
        let &Self { partition, journal_seq, outbox_seq, format, .. } = self;
        Ok(Snapshot { partition, journal_seq, outbox_seq, format, body })
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
        let Snapshot { partition, journal_seq, outbox_seq, format, body } = snapshot;
        let mut sealed =
            Sealed { id, partition, journal_seq, outbox_seq, format, chunks: 0, digest: ChainHash::default() };
        sealed.digest = sealed.digest_of(&body.0);
        for piece in body.0 {
            let place = piece_id(id, sealed.chunks);
            self.write_small(Small::new(piece.len(), Need::Vital, move |file, _| {
                file.prepare_cached("INSERT OR REPLACE INTO snapshot_chunks VALUES (?1, ?2)")?
                    .execute(params![place, piece])?;
                Ok(())
            }))
            .await?;
            sealed.chunks += 1;
        }
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
        let read_back = readers.read(|file| newest.pieces(file)).and_then(|_| readers.read(Sealed::all));
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
