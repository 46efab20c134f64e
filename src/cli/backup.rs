//! `headwater backup` and `restore`.

use anyhow::Result;
use std::io::{Write as _, stdout};

use super::arguments::{BackupArguments, RestoreArguments};
use crate::clock::machine;
use crate::journal::sqlite::backup::{backup, restore};

/// Copies a data folder, also of a running server, and checks the copy.
///
/// # Errors
/// When it cannot be read or written, or does not pass the check.
pub fn save(arguments: &BackupArguments) -> Result<()> {
    let manifest = backup(&arguments.data, &arguments.to, machine()())?;
    let names: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    writeln!(
        stdout(),
        "{}: {} journal records, {} decisions, checked; files {}",
        arguments.to.display(),
        manifest.journal_seq,
        manifest.outbox_seq,
        names.join(", ")
    )?;
    Ok(())
}

/// Brings a backup into an empty data folder and checks it.
///
/// # Errors
/// When the backup is not what was made, or the folder is in use or not empty.
pub fn bring_back(arguments: &RestoreArguments) -> Result<()> {
    let checked = restore(&arguments.from, &arguments.data)?;
    writeln!(
        stdout(),
        "{}: {} journal records, {} decisions, {} snapshots, checked; start with: headwater serve --data {}",
        arguments.data.display(),
        checked.journal.0,
        checked.outbox.0,
        checked.snapshots,
        arguments.data.display()
    )?;
    Ok(())
}
