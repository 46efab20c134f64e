//! One process per directory: a lock of the operating system, which ends with the process that holds it.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::private;

/// The held lock. Dropping it lets another process in.
#[derive(Debug)]
pub struct Lock {
    // Closing the file is what gives the lock up.
    _file: File,
}

/// Why the lock was not had.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else has it; what they wrote about themselves.
    Held { path: PathBuf, holder: String },
    /// The file could not be opened.
    Io(std::io::Error),
}

impl Lock {
    /// Takes the lock beside the database, or says who has it. `owner` is what the next one is told.
    ///
    /// # Errors
    /// When another process (or another store in this one) holds it.
    pub fn take(path: &Path, owner: &str) -> Result<Self, LockError> {
        let mut file = private::file(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is only makes the message better; without it the lock is still held.
                let _ = file.take(512).read_to_string(&mut holder);
                return Err(LockError::Held { path: path.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        file.set_len(0).map_err(LockError::Io)?;
        writeln!(file, "pid {} {owner}", std::process::id()).map_err(LockError::Io)?;
        Ok(Self { _file: file })
    }
}
