//! The registry's file: JSON, mode 0600 (it may hold secrets), replaced whole under a lock.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Key;
use super::expected::Expected;
use crate::domain::ids::{SourceId, TenantId};
use crate::intake::settings::Rate;
use crate::private;

/// The file's name in the data folder.
pub const NAME: &str = "sources.json";
/// The version of the file's format.
const FORMAT: u32 = 1;
/// The longest text of a source, in characters.
const TEXT_CHARS_MAX: usize = 500;
/// The shortest secret, in characters.
const SECRET_CHARS_MIN: usize = 16;

/// Why sources cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{path}: cannot be {verb}")]
    Io { path: PathBuf, verb: &'static str, source: io::Error },
    #[error("{path}: {cause}")]
    Unreadable { path: PathBuf, cause: String },
    #[error("{0}")]
    Refused(String),
}

/// What people decided about a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub tenant: TenantId,
    pub id: SourceId,
    /// What kind of system it is, in the words of its owner.
    #[serde(default)]
    pub kind: String,
    /// Whom to ask when it is silent.
    #[serde(default)]
    pub owner: String,
    #[serde(default)]
    pub note: String,
    /// Its events are taken.
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    #[serde(default)]
    pub rate: Rate,
    /// With what it signs its bodies, where it cannot send a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl Kept {
    /// A source about which nothing is decided yet.
    pub fn new(tenant: TenantId, id: SourceId) -> Self {
        let nothing = String::new;
        Self {
            tenant,
            id,
            kind: nothing(),
            owner: nothing(),
            note: nothing(),
            enabled: true,
            expected: None,
            rate: Rate::default(),
            secret: None,
        }
    }

    /// Whose it is.
    pub fn key(&self) -> Key {
        (self.tenant.clone(), self.id.clone())
    }

    /// Whether it can be kept.
    ///
    /// # Errors
    /// Which field is wrong, and what to write.
    pub fn check(&self) -> Result<(), RegistryError> {
        let refused = |text: String| Err(RegistryError::Refused(text));
        for (field, text) in [("kind", &self.kind), ("owner", &self.owner), ("note", &self.note)] {
            if text.chars().count() > TEXT_CHARS_MAX {
                return refused(format!("{field}: at most {TEXT_CHARS_MAX} characters"));
            }
        }
        if self.secret.as_ref().is_some_and(|secret| secret.chars().count() < SECRET_CHARS_MIN) {
            return refused(format!(
                "secret: at least {SECRET_CHARS_MIN} characters, such as `openssl rand -hex 32` makes"
            ));
        }
        match self.expected.as_ref().map(Expected::check) {
            Some(Err(why)) => refused(why),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    sources: Vec<Kept>,
}

/// What tells that the file has changed: its time of change and its size.
pub type Mark = (std::time::SystemTime, u64);

/// The file's mark; none when it is not there.
pub fn mark(path: &Path) -> io::Result<Option<Mark>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some((found.modified()?, found.len()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the file; one that is not there has no sources.
pub fn read(path: &Path) -> Result<(Vec<Kept>, Option<Mark>), RegistryError> {
    let io = |source| RegistryError::Io { path: path.into(), verb: "read", source };
    let Some(mark) = mark(path).map_err(io)? else { return Ok((Vec::new(), None)) };
    let text = fs::read_to_string(path).map_err(io)?;
    let unreadable = |cause: String| RegistryError::Unreadable { path: path.into(), cause };
    let Content { format, sources } = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if format != FORMAT {
        return Err(unreadable(format!("format {format}: this program reads {FORMAT}")));
    }
    Ok((sources, Some(mark)))
}

/// Changes the file as a whole.
pub fn edit(path: &Path, change: impl FnOnce(&mut Vec<Kept>)) -> Result<(), RegistryError> {
    let io = |source| RegistryError::Io { path: path.into(), verb: "written", source };
    let lock = File::create(path.with_extension("json.lock")).map_err(io)?;
    lock.lock().map_err(io)?;
    let (mut sources, _) = read(path)?;
    change(&mut sources);
    sources.sort_by_key(Kept::key);
    let text = serde_json::to_string_pretty(&Content { format: FORMAT, sources }).expect("sources can be written");
    let beside = path.with_extension("json.new");
    let mut file = private::file(&beside).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&beside, path).map_err(io)
}
