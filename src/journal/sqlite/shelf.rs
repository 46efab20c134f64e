//! A store's files, read without opening the store: also beside the process that has it. Nothing is written.

use std::path::Path;

use rusqlite::Connection;

use super::archive::Archive;
use super::blobs::blob;
use super::fail::SqlResult;
use super::open::DATABASE;
use super::read::{Place, Readers, records_after};
use super::schema::{Base, Heads};
use super::snapshots::Sealed;
use crate::engine::input::Digest;
use crate::journal::snapshot::Snapshot;
use crate::journal::{ReadError, Record};

/// The files of one data folder.
pub struct Shelf {
    main: Readers,
    archive: Archive,
}

impl Shelf {
    /// The files in `dir`.
    ///
    /// # Errors
    /// When there is no store, or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let shelf = Self { main: Readers::new(dir.join(DATABASE)), archive: Archive::new(dir) };
        if !shelf.main.path().exists() {
            let path = shelf.main.path().display().to_string();
            let source = "there is no journal; name the data folder that `serve` was given".into();
            return Err(ReadError::Failed { path, source });
        }
        shelf.ends()?;
        Ok(shelf)
    }

    /// The last journal record and the last outbox record.
    ///
    /// # Errors
    /// When the file is unreadable.
    pub fn ends(&self) -> Result<(u64, u64), ReadError> {
        self.main.read(|file| Heads::load(file).map(|heads| (heads.journal.seq, heads.outbox_seq)))
    }

    /// The last journal record and the last outbox record that are kept no longer.
    ///
    /// # Errors
    /// When a file is unreadable.
    pub fn base(&self) -> Result<(u64, u64), ReadError> {
        let oldest = self.archive.readers().unwrap_or(&self.main);
        oldest.read(|file| Base::load(file).map(|base| (base.journal.seq, base.outbox_seq)))
    }

    /// Journal records behind `after`, in order; none at the end.
    ///
    /// # Errors
    /// When a record is damaged, gone or unreadable.
    pub fn journal_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let end = self.ends()?.0;
        if after >= end {
            return Ok(Vec::new());
        }
        let first = |base: &Base| base.journal.seq;
        self.read_from(after, first, |file, end_here| records_after(file, after, end_here.unwrap_or(end), bytes_max))
    }

    /// See [`read_from`].
    ///
    /// # Errors
    /// When the records are gone, and what `read` reports.
    pub fn read_from<T>(
        &self,
        after: u64,
        first: fn(&Base) -> u64,
        read: impl Fn(&Connection, Option<u64>) -> SqlResult<T>,
    ) -> Result<T, ReadError> {
        read_from(&self.main, &self.archive, after, first, read)
    }

    /// A text; `None` when it is not kept.
    ///
    /// # Errors
    /// When it is not what was written, or unreadable.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ReadError> {
        blob(&self.main, digest)
    }

    /// The oldest snapshot of each partition that has one.
    ///
    /// # Errors
    /// When one is damaged or unreadable.
    pub fn oldest_snapshots(&self) -> Result<Vec<Snapshot>, ReadError> {
        self.main.read(|file| {
            let mut oldest: Vec<Sealed> = Vec::new();
            for sealed in Sealed::all(file)?.into_iter().rev() {
                if oldest.iter().all(|other| other.partition != sealed.partition) {
                    oldest.push(sealed);
                }
            }
            oldest.iter().map(|sealed| sealed.open(file)).collect()
        })
    }

    /// The connections to the main file, and the archive.
    pub const fn files(&self) -> (&Readers, &Archive) {
        (&self.main, &self.archive)
    }
}

/// Reads what comes behind `after` from the main file, or from the archive when it has moved there. `first` picks
/// what `after` is compared with; `read` gets the file, and in the archive the last record it is sure of.
///
/// # Errors
/// When the records are gone from the archive too, and what `read` reports.
pub fn read_from<T>(
    main: &Readers,
    archive: &Archive,
    after: u64,
    first: fn(&Base) -> u64,
    read: impl Fn(&Connection, Option<u64>) -> SqlResult<T>,
) -> Result<T, ReadError> {
    let place = main.read(|file| match first(&Base::load(file)?) {
        moved if after < moved => Ok(Place::Archived(moved)),
        _ => read(file, None).map(Place::Here),
    })?;
    let moved = match place {
        Place::Here(found) => return Ok(found),
        Place::Archived(moved) => moved,
    };
    let gone = |oldest: u64| ReadError::Gone { after, oldest };
    let readers = archive.readers().ok_or_else(|| gone(moved + 1))?;
    let oldest = readers.read(|file| Ok(first(&Base::load(file)?)))?;
    if after < oldest {
        return Err(gone(oldest + 1));
    }
    readers.read(|file| read(file, Some(moved)))
}
