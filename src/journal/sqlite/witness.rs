//! A small file beside the database that names the last sequence. SQLite ends a write-ahead log at the first bad
//! frame without an error; the witness is how such a loss is seen.
//!
//! It has two places that are written in turn, so that one bad place leaves the other. It is written after a
//! commit and never before, so what it names was committed. Without a sync of its own it survives every end of
//! the process; with `power` it is synced once a second, so that only a loss of power together with damage to the
//! last second of the log goes unseen.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::journal::Durability;
use crate::journal::digest::ChainHash;
use crate::private;

/// Bytes between the two places: they lie in different blocks of the disk.
const PLACE_BYTES: u64 = 4096;

/// Longest text of a place.
const TEXT_BYTES_MAX: usize = 512;

const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// Which database it speaks of.
    pub store: String,
    /// The boot of the machine during which it was written.
    pub boot: String,
    /// What a commit was worth then.
    pub durability: Durability,
    /// The last journal record.
    pub journal_seq: u64,
    /// The digest of that record.
    pub digest: ChainHash,
    /// The last outbox record.
    pub outbox_seq: u64,
}

/// What was found where the witness should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No file, or an empty one.
    Nothing,
    /// A file without a readable place.
    Unreadable,
    /// The newer readable place.
    Said(Testimony),
}

/// The open file.
#[derive(Debug)]
pub struct Witness {
    file: File,
    turn: u64,
    durability: Durability,
    synced: Instant,
}

impl Witness {
    /// Opens the file, making it when it is not there, and reads what it says.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(path: &Path, durability: Durability) -> std::io::Result<(Self, Found)> {
        let mut file = private::file(path)?;
        let found = read(&mut file)?;
        Ok((Self { file, turn: 0, durability, synced: Instant::now() }, found))
    }

    /// Writes down what was committed.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&mut self, said: &Testimony) -> std::io::Result<()> {
        let mut text = said.to_text();
        text.push_str(&" ".repeat(TEXT_BYTES_MAX.saturating_sub(text.len() + 1)));
        text.push('\n');
        self.file.seek(SeekFrom::Start((self.turn % 2) * PLACE_BYTES))?;
        self.file.write_all(text.as_bytes())?;
        self.turn += 1;
        if self.durability == Durability::Power && self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Brings it to the disk.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sync(&mut self) -> std::io::Result<()> {
        self.synced = Instant::now();
        self.file.sync_data()
    }
}

fn read(file: &mut File) -> std::io::Result<Found> {
    if file.metadata()?.len() == 0 {
        return Ok(Found::Nothing);
    }
    let mut newest: Option<Testimony> = None;
    for place in 0..2 {
        let mut bytes = Vec::with_capacity(TEXT_BYTES_MAX);
        file.seek(SeekFrom::Start(place * PLACE_BYTES))?;
        file.take(TEXT_BYTES_MAX as u64).read_to_end(&mut bytes)?;
        let Some(said) = std::str::from_utf8(&bytes).ok().and_then(Testimony::from_text) else { continue };
        let newer = |old: &Testimony| (said.journal_seq, said.outbox_seq) >= (old.journal_seq, old.outbox_seq);
        if newest.as_ref().is_none_or(newer) {
            newest = Some(said);
        }
    }
    Ok(newest.map_or(Found::Unreadable, Found::Said))
}

impl Testimony {
    fn to_text(&self) -> String {
        let Self { store, boot, durability, journal_seq, digest, outbox_seq } = self;
        let words = format!("1 {store} {boot} {} {journal_seq} {digest} {outbox_seq}", durability.as_str());
        let check = ChainHash::of(&[words.as_bytes()]);
        format!("{words} {check}")
    }

    fn from_text(text: &str) -> Option<Self> {
        let (words, check) = text.trim_end().rsplit_once(' ')?;
        if ChainHash::parse(check)? != ChainHash::of(&[words.as_bytes()]) {
            return None;
        }
        let mut words = words.strip_prefix("1 ")?.split(' ');
        Some(Self {
            store: words.next()?.to_owned(),
            boot: words.next()?.to_owned(),
            durability: match words.next()? {
                "power" => Durability::Power,
                "process" => Durability::Process,
                _ => return None,
            },
            journal_seq: words.next()?.parse().ok()?,
            digest: ChainHash::parse(words.next()?)?,
            outbox_seq: words.next()?.parse().ok()?,
        })
    }
}

/// Names this boot of the machine; `unknown` where the system does not tell.
pub fn boot_id() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(text) => text.trim().to_owned(),
        Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(journal_seq: u64) -> Testimony {
        Testimony {
            store: "s".into(),
            boot: "b".into(),
            durability: Durability::Power,
            journal_seq,
            digest: ChainHash::of(&[b"x"]),
            outbox_seq: 3,
        }
    }

    #[test]
    fn a_flipped_byte_never_changes_what_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w");
        let (mut witness, found) = Witness::open(&path, Durability::Power).unwrap();
        assert_eq!(found, Found::Nothing);
        witness.write(&said(7)).unwrap();
        witness.write(&said(8)).unwrap();
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x41;
            std::fs::write(&path, &bad).unwrap();
            let (_, found) = Witness::open(&path, Durability::Power).unwrap();
            assert!(found == Found::Said(said(8)) || found == Found::Said(said(7)), "byte {at}: {found:?}");
        }
    }
}
