//! Checking a whole file: the database's own check, then every record, decision, snapshot and text.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::fail::{SqlResult, broken};
use super::read::{Step, open_to_read, walk};
use super::schema::{Base, Heads, PartitionHead, meta};
use super::snapshots::Sealed;
use crate::journal::ReadError;
use crate::journal::digest::{ChainHash, digest_of};
use crate::journal::packed::unpack;

/// What a whole file was found to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The database's name.
    pub store: String,
    /// The last journal record, and how many are in the file.
    pub journal: (u64, u64),
    /// The last outbox record, and how many are in the file.
    pub outbox: (u64, u64),
    /// The digest of the last journal record.
    pub digest: ChainHash,
    /// Snapshots.
    pub snapshots: u64,
    /// Texts.
    pub blobs: u64,
}

/// Checks the main file at `path`, also while a store has it open. Takes about a second per 200 MB.
///
/// # Errors
/// The first damage that is found, or that the file cannot be read.
pub fn check_main(path: &Path) -> Result<Checked, ReadError> {
    let check = || -> SqlResult<Checked> {
        let file = open_to_read(path)?;
        let moment = file.unchecked_transaction()?;
        let mut checked = check_records(&file)?;
        checked.store = meta(&file, "store")?.ok_or_else(|| broken("it has no name".into()))?;
        check_heads(&file, &checked)?;
        for sealed in Sealed::all(&file)? {
            sealed.open(&file)?;
            checked.snapshots += 1;
        }
        checked.blobs = check_blobs(&file)?;
        moment.finish()?;
        Ok(checked)
    };
    check().map_err(|fault| fault.reading(path))
}

/// Checks the archive at `path`.
///
/// # Errors
/// The first damage that is found, or that the file cannot be read.
pub fn check_archive(path: &Path) -> Result<Checked, ReadError> {
    let check = || -> SqlResult<Checked> { check_records(&open_to_read(path)?) };
    check().map_err(|fault| fault.reading(path))
}

fn check_records(file: &Connection) -> SqlResult<Checked> {
    let verdict: String = file.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(broken(verdict));
    }
    let base = Base::load(file)?;
    let last = walk(file, base.journal.seq, |stored| {
        stored.record()?;
        Ok(Step::On)
    })?;
    let outbox = check_outbox(file, base.outbox_seq)?;
    Ok(Checked {
        journal: (last.seq, last.seq - base.journal.seq),
        outbox: (outbox, outbox - base.outbox_seq),
        digest: last.digest,
        ..Checked::default()
    })
}

/// Follows the chain of each partition; gives the last record.
fn check_outbox(file: &Connection, base: u64) -> SqlResult<u64> {
    let mut chains: BTreeMap<u16, ChainHash> = BTreeMap::new();
    let mut last = base;
    let mut query =
        file.prepare("SELECT seq, partition, journal_seq, prev_hash, hash, body FROM outbox ORDER BY seq")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, partition, journal_seq): (i64, u16, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (prev, hash) = (ChainHash(row.get(3)?), ChainHash(row.get(4)?));
        let body: Vec<u8> = row.get(5)?;
        if seq as u64 != last + 1 {
            return Err(broken(format!("outbox record {} is missing (found {seq})", last + 1)));
        }
        last = seq as u64;
        let first = || if base == 0 { PartitionHead::start(partition).outbox_hash } else { prev };
        let expected = *chains.entry(partition).or_insert_with(first);
        let text = unpack(&body).map_err(|why| broken(format!("outbox record {seq} {why}")))?;
        if prev != expected || ChainHash::of(&[&prev.0, &journal_seq.to_be_bytes(), &text]) != hash {
            return Err(broken(format!("outbox record {seq} does not continue its chain")));
        }
        chains.insert(partition, hash);
    }
    Ok(last)
}

fn check_heads(file: &Connection, checked: &Checked) -> SqlResult<()> {
    let heads = Heads::load(file)?;
    if heads.journal.digest != checked.digest || heads.outbox_seq != checked.outbox.0 {
        return Err(broken("the heads do not name the last records".into()));
    }
    let mut query = file.prepare("SELECT hash FROM outbox WHERE seq = ?1")?;
    for (partition, head) in heads.partitions() {
        let mut rows = query.query([head.outbox_seq as i64])?;
        if let Some(row) = rows.next()?
            && ChainHash(row.get(0)?) != head.outbox_hash
        {
            return Err(broken(format!("the head of partition {partition} does not name its last decision")));
        }
    }
    Ok(())
}

fn check_blobs(file: &Connection) -> SqlResult<u64> {
    let mut query = file.prepare("SELECT digest, body FROM blobs")?;
    let mut rows = query.query([])?;
    let mut n = 0;
    while let Some(row) = rows.next()? {
        let (digest, body): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        if digest_of(&body).0.as_ref() != digest {
            return Err(broken(format!("the text {digest} does not match its digest")));
        }
        n += 1;
    }
    Ok(n)
}
