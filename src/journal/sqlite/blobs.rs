//! Large texts (topologies, rules), kept once under their digest.

use rusqlite::OptionalExtension;

use super::Store;
use super::fail::broken;
use super::read::Readers;
use super::small::Small;
use super::writer::Need;
use crate::engine::input::Digest;
use crate::journal::digest::digest_of;
use crate::journal::{AppendError, ReadError};

/// Longest text: 512 MiB. SQLite takes a little less than 1 GB.
const BLOB_BYTES_MAX: usize = 512 * 1024 * 1024;

impl Store {
    /// Keeps a text; resolves when it is durable, so that an input may name it. The same text is kept once.
    ///
    /// # Errors
    /// When it is longer than 512 MiB, the disk is full or the store has stopped.
    pub async fn put_blob(&self, bytes: Vec<u8>) -> Result<Digest, AppendError> {
        if bytes.len() > BLOB_BYTES_MAX {
            let why = format!("{} bytes are more than {BLOB_BYTES_MAX}", bytes.len());
            return Err(AppendError::Unfit { why });
        }
        let digest = digest_of(&bytes);
        let key = digest.clone();
        self.write_small(Small::new(bytes.len(), Need::Intake, move |file, _| {
            file.prepare_cached("INSERT OR IGNORE INTO blobs VALUES (?1, ?2)")?
                .execute(rusqlite::params![key.0.as_ref(), bytes])?;
            Ok(())
        }))
        .await?;
        Ok(digest)
    }

    /// All texts that are kept.
    ///
    /// # Errors
    /// When the file is unreadable.
    pub fn blobs(&self) -> Result<Vec<Digest>, ReadError> {
        self.shared().readers.read(|file| {
            let mut query = file.prepare("SELECT digest FROM blobs ORDER BY digest")?;
            let digests = query.query_map([], |row| row.get::<_, String>(0))?;
            Ok(digests.map(|digest| digest.map(|digest| Digest(digest.into()))).collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Reads a text; `None` when it was never kept.
    ///
    /// # Errors
    /// When it is not what was written, or unreadable.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ReadError> {
        blob(&self.shared().readers, digest)
    }
}

/// Reads a text; `None` when it was never kept.
///
/// # Errors
/// When it is not what was written, or unreadable.
pub fn blob(readers: &Readers, digest: &Digest) -> Result<Option<Vec<u8>>, ReadError> {
    readers.read(|file| {
        let body: Option<Vec<u8>> = file
            .prepare_cached("SELECT body FROM blobs WHERE digest = ?1")?
            .query_row([digest.0.as_ref()], |row| row.get(0))
            .optional()?;
        match body {
            Some(body) if digest_of(&body) != *digest => {
                Err(broken(format!("the text {} does not match its digest", digest.0)))
            }
            body => Ok(body),
        }
    })
}
