//! Sorting what SQLite reports by what has to be done about it.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::journal::{Damage, ReadError};

/// The remedy for records that cannot be trusted.
pub const RESTORE: &str = "stop, copy the directory aside, and restore the last backup";

/// Result of working on the file.
pub type SqlResult<T> = Result<T, Fault>;

/// What went wrong while working on the file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// What is stored is not what was written.
    #[error("{0}")]
    Broken(String),
    /// Somebody else has opened the file.
    #[error("{0}")]
    Fenced(String),
    /// SQLite refuses.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A fault that says: not what was written.
pub fn broken(found: String) -> Fault {
    Fault::Broken(found)
}

impl Fault {
    /// No space is left on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Sql(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
            Self::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
            Self::Broken(_) | Self::Fenced(_) => false,
        }
    }

    /// The bytes on the disk are wrong.
    fn is_damage(&self) -> bool {
        match self {
            Self::Broken(_) => true,
            Self::Io(_) | Self::Fenced(_) => false,
            // A value of another type or length than was written is damage too.
            Self::Sql(rusqlite::Error::SqliteFailure(error, _)) => {
                // A file that ends in the middle is read short.
                matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                    || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ
            }
            Self::Sql(
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..),
            ) => true,
            // The schema was changed by damage: a table or column is not there.
            Self::Sql(rusqlite::Error::SqlInputError { .. }) => true,
            Self::Sql(_) => false,
        }
    }

    /// The damage that this fault shows, when it shows one.
    pub fn damage(&self, path: &Path) -> Option<Damage> {
        let place = path.display().to_string();
        self.is_damage().then(|| Damage { place, found: self.to_string(), remedy: RESTORE })
    }

    /// The same fault as the reader of `path` sees it.
    pub fn reading(self, path: &Path) -> ReadError {
        match self.damage(path) {
            Some(damage) => ReadError::Damaged(damage),
            None => ReadError::Failed { path: path.display().to_string(), source: Box::new(self) },
        }
    }
}
