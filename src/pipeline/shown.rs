//! What the views show, stored beside the journal: a start reads it, and only the records behind it.
//!
//! One file per partition, written with each snapshot of its engine, replaced as a whole. It decides nothing: one
//! that is missing, damaged, of another format or of another journal is made again, from records or from the engine.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ruling::Ruled;
use crate::delivery::pending::Pending;
use crate::domain::ids::TenantId;
use crate::domain::partition::partition_of;
use crate::domain::time::Timestamp;
use crate::journal::digest::ChainHash;
use crate::journal::packed::{Packer, Pieces};
use crate::outbox::OutboxHead;
use crate::private;
use crate::projection::feed::FeedId;
use crate::projection::tenant::TenantView;

/// The folder of the files, in the data folder.
pub const FOLDER: &str = "views";
/// The version of the files' format; one of another version is made again. 3: packed, 4: places in the outbox,
/// 5: models and what runs beside, 6: incidents by source.
pub const VIEW_FORMAT: u32 = 6;

/// What a file says of itself, on its first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub format: u32,
    /// The partition's last journal record and last outbox record that are shown, and that one's hash.
    pub journal_seq: u64,
    pub outbox_seq: u64,
    pub hash: String,
    /// The last outbox record of all partitions that was shown then, its stamp, and the newest change that was told.
    pub shown_seq: u64,
    pub stamp: Timestamp,
    pub told: FeedId,
}

/// What stands behind that line.
#[derive(Serialize, Deserialize)]
pub struct Shown {
    pub tenants: BTreeMap<TenantId, TenantView>,
    pub notices: Pending,
    pub rulings: BTreeMap<TenantId, Ruled>,
}

/// A file that was read.
pub type Kept = (Mark, Shown);

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("there is none")]
    Missing,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it has format {0}, this program reads {VIEW_FORMAT}")]
    Format(u32),
    #[error("it belongs to another journal")]
    Foreign,
}

/// Whether a tenant's records are in this partition.
pub fn is_of(partition: u16) -> impl Fn(&TenantId) -> bool {
    move |tenant| partition_of(tenant) == partition
}

fn path(folder: &Path, partition: u16) -> PathBuf {
    folder.join(format!("{partition:02}.json"))
}

fn digest(mark: &str, body: &[u8]) -> ChainHash {
    ChainHash::of(&[&(mark.len() as u64).to_be_bytes(), mark.as_bytes(), body])
}

/// Replaces a partition's file. What is cut short by a loss of power is seen by its digest.
///
/// # Errors
/// When the file cannot be written.
pub fn write(folder: &Path, partition: u16, mark: &Mark, shown: &Shown) -> std::io::Result<()> {
    let mut packer = Packer::default();
    serde_json::to_writer(&mut packer, shown)?;
    let body = packer.into_pieces().joined();
    private::folder(folder)?;
    let to = path(folder, partition);
    let unfinished = to.with_extension("part");
    let mark = serde_json::to_string(mark)?;
    let mut file = private::options().truncate(true).open(&unfinished)?;
    writeln!(file, "{} {mark}", digest(&mark, &body))?;
    file.write_all(&body)?;
    fs::rename(&unfinished, &to)
}

/// Reads a partition's file. `head` is the end of the partition's outbox; `hash_at` finds the hash of an earlier
/// outbox record by its place and its journal record, `None` when it is kept no longer.
///
/// # Errors
/// When it cannot be used, and why.
pub fn read(
    folder: &Path,
    partition: u16,
    head: OutboxHead,
    hash_at: impl Fn(u64, u64) -> Option<String>,
) -> Result<Kept, Unusable> {
    let damaged = |what: &dyn std::fmt::Display| Unusable::Damaged(what.to_string());
    let bytes = match fs::read(path(folder, partition)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Unusable::Missing),
        Err(error) => return Err(damaged(&error)),
    };
    let end = bytes.iter().position(|b| *b == b'\n').ok_or_else(|| damaged(&"it has no first line"))?;
    let line = std::str::from_utf8(&bytes[..end]).map_err(|error| damaged(&error))?;
    let (said, mark_text) = line.split_once(' ').ok_or_else(|| damaged(&"its first line is cut"))?;
    let body = &bytes[end + 1..];
    if digest(mark_text, body).to_string() != said {
        return Err(damaged(&"it does not match its digest"));
    }
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let Version { format } = serde_json::from_str(mark_text).map_err(|error| damaged(&error))?;
    if format != VIEW_FORMAT {
        return Err(Unusable::Format(format));
    }
    let mark: Mark = serde_json::from_str(mark_text).map_err(|error| damaged(&error))?;
    let is_head = mark.journal_seq == head.journal_seq;
    let hash = if is_head { Some(head.hash.to_string()) } else { hash_at(mark.outbox_seq, mark.journal_seq) };
    if mark.outbox_seq > head.seq || hash.is_some_and(|hash| hash != mark.hash) {
        return Err(Unusable::Foreign);
    }
    let text = Pieces::split(body).and_then(Pieces::into_text).map_err(|why| damaged(&why))?;
    let shown = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
    Ok((mark, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_of_another_format_is_told_from_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let head = OutboxHead { seq: 0, journal_seq: 0, hash: ChainHash::default() };
        for format in [VIEW_FORMAT - 1, VIEW_FORMAT, VIEW_FORMAT + 1] {
            let mark = Mark {
                format,
                journal_seq: 0,
                outbox_seq: 0,
                hash: head.hash.to_string(),
                shown_seq: 0,
                stamp: Timestamp(0),
                told: FeedId::default(),
            };
            let shown = Shown { tenants: BTreeMap::new(), notices: Pending::default(), rulings: BTreeMap::new() };
            write(folder.path(), 3, &mark, &shown).unwrap();
            match read(folder.path(), 3, head, |_, _| None) {
                Ok((read, _)) => assert_eq!((read, format), (mark, VIEW_FORMAT)),
                Err(Unusable::Format(found)) => assert!(found == format && format != VIEW_FORMAT),
                Err(other) => panic!("format {format}: {other}"),
            }
        }
    }
}
