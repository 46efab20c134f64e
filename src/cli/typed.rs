//! What is typed on the command line, read; and the history beside a data folder.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::domain::time::Timestamp;
use crate::projection::history::{self, History};
use crate::wording::lang::Lang;

/// A language.
///
/// # Errors
/// When it is none of ours.
pub fn lang(text: &str) -> Result<Lang, String> {
    Lang::parse(text).ok_or_else(|| "write zh or en".to_owned())
}

/// A moment.
///
/// # Errors
/// When it cannot be read.
pub fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write a time as 2026-01-05T10:00:00Z".to_owned())
}

/// The history of a data folder, read beside whoever writes it.
///
/// # Errors
/// When there is none, or it cannot be opened.
pub fn history_of(data: &Path) -> Result<History> {
    let path = data.join(history::FILE);
    if !path.exists() {
        bail!("{}: there is no history; start the program once, it makes one from the journal", path.display());
    }
    History::beside(&path).with_context(|| format!("open {}", path.display()))
}
