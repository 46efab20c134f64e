//! Sessions on disk, so that an upgrade at night signs nobody out. The file holds hashes of cookies and the ids of
//! credentials: it opens nothing by itself, and a revoked credential has no session whatever the file says.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;
use crate::private;

/// The version of the file's format.
const FORMAT: u32 = 1;
/// A larger file is not ours, in bytes.
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// One session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// SHA-256 of the cookie, in hex.
    pub cookie_sha256: String,
    /// Id of the credential that signed in.
    pub credential: Box<str>,
    pub since: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    sessions: Vec<Kept>,
}

/// Reads the sessions; a file that is not there has none.
///
/// # Errors
/// When it cannot be read or is none of ours: people then sign in again.
pub fn read(path: &Path) -> io::Result<Vec<Kept>> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if meta.len() > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {BYTES_MAX} bytes")));
    }
    let content: Content = serde_json::from_slice(&fs::read(path)?)?;
    if content.format != FORMAT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("format {} is not {FORMAT}", content.format)));
    }
    Ok(content.sessions)
}

/// Replaces the file whole, readable for its owner only.
///
/// # Errors
/// When it cannot be written: the sessions then end with the program.
pub fn write(path: &Path, sessions: Vec<Kept>) -> io::Result<()> {
    let beside = path.with_extension("next");
    let text = serde_json::to_vec(&Content { format: FORMAT, sessions }).expect("sessions are plain data");
    private::options().truncate(true).open(&beside)?.write_all(&text)?;
    fs::rename(&beside, path)
}
