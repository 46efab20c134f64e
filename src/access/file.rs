//! The file of credentials: JSON, mode 0600, replaced whole under a lock so that the command line and a running
//! service can both write it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::access::Role;
use crate::domain::ci::Area;
use crate::domain::ids::{OrgId, TenantId};
use crate::domain::time::Timestamp;
use crate::private;

/// The version of the file's format.
const FORMAT: u32 = 1;
/// The largest file, in bytes: some ten thousand credentials.
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Why credentials cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("{path}: cannot be {verb}")]
    Io { path: PathBuf, verb: &'static str, source: io::Error },
    #[error("{path}: {cause}")]
    Unreadable { path: PathBuf, cause: String },
    #[error("{path}: other users may read it; run: chmod 600 {path}")]
    Open { path: PathBuf },
    #[error("{0}")]
    Refused(String),
}

/// One credential as it is kept. The token itself is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub id: Box<str>,
    pub name: Box<str>,
    pub role: Role,
    pub tenant: TenantId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orgs: Option<BTreeSet<OrgId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub areas: Option<BTreeSet<Area>>,
    /// SHA-256 of the token, in hex.
    pub sha256: Box<str>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Written now and then, not on each use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// What was done to it on the command line, until a running service has noted it in its audit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to_note: Vec<Deed>,
}

/// Something done to a credential beside the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deed {
    pub what: Done,
    /// Who the system says it was.
    pub by: Box<str>,
    pub at: Timestamp,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    Made,
    Ended,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    tokens: Vec<Record>,
}

/// What tells that a file has changed: its time of change, size and, on Unix, its inode.
pub type Mark = (std::time::SystemTime, u64, u64);

/// Reads the file; a file that is not there has no records.
pub fn read(path: &Path) -> Result<(Vec<Record>, Option<Mark>), AccessError> {
    let io = |source| AccessError::Io { path: path.into(), verb: "read", source };
    let Some(mark) = mark(path).map_err(io)? else { return Ok((Vec::new(), None)) };
    check_mode(path)?;
    let unreadable = |cause: String| AccessError::Unreadable { path: path.into(), cause };
    if mark.1 > BYTES_MAX {
        return Err(unreadable(format!("larger than {BYTES_MAX} bytes")));
    }
    let text = fs::read(path).map_err(io)?;
    let content: Content = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    if content.format != FORMAT {
        return Err(unreadable(format!("format {} is not {FORMAT}: use the program that wrote it", content.format)));
    }
    Ok((content.tokens, Some(mark)))
}

/// What the file's mark is now; `None` when there is no file.
pub fn mark(path: &Path) -> io::Result<Option<Mark>> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&meta);
    #[cfg(not(unix))]
    let inode = 0;
    Ok(Some((meta.modified()?, meta.len(), inode)))
}

/// Changes the records while no other process does, and makes the change durable.
pub fn edit<T>(path: &Path, change: impl FnOnce(&mut Vec<Record>) -> Result<T, AccessError>) -> Result<T, AccessError> {
    let failed = |source| AccessError::Io { path: path.into(), verb: "written", source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private::folder(folder).map_err(failed)?;
    let lock = private::options().open(path.with_extension("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let (mut tokens, _) = read(path)?;
    let before = tokens.clone();
    let outcome = change(&mut tokens)?;
    if tokens != before {
        let text = serde_json::to_vec_pretty(&Content { format: FORMAT, tokens }).expect("records are plain data");
        replace(path, folder, &text).map_err(failed)?;
    }
    Ok(outcome)
}

/// Writes beside the file, then puts it in its place: a reader sees the old or the new one, never half of one.
fn replace(path: &Path, folder: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("next");
    let mut file = private::options().truncate(true).open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), AccessError> {
    use std::os::unix::fs::PermissionsExt;
    let meta = fs::metadata(path).map_err(|source| AccessError::Io { path: path.into(), verb: "read", source })?;
    if meta.permissions().mode() & 0o077 == 0 { Ok(()) } else { Err(AccessError::Open { path: path.into() }) }
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<(), AccessError> {
    Ok(())
}
