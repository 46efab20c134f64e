//! Backup while running, and restore. A backup is a directory that is complete once it has its name.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Store;
use super::archive::ARCHIVE;
use super::check::{Checked, check_archive, check_main};
use super::fail::Fault;
use super::lock::{Lock, LockError};
use super::open::{DATABASE, WITNESS};
use super::shelf::Shelf;
use super::witness::{Testimony, Witness, boot_id};
use crate::domain::time::Timestamp;
use crate::journal::{Durability, ReadError};
use crate::private;

/// The file that lists the others.
const MANIFEST: &str = "backup.json";

/// What people decided beside the store: hashes of tokens, sources, views of the board. They go on with theirs after a
/// restore.
const BESIDE: [&str; 3] = ["tokens.json", "sources.json", "board-views.json"];

/// The version of a backup's form.
const BACKUP_FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the form.
    pub format: u32,
    /// The name of the store.
    pub store: String,
    /// When it was made, by the store's clock.
    pub made_at: Timestamp,
    /// The last journal record.
    pub journal_seq: u64,
    /// The last outbox record.
    pub outbox_seq: u64,
    /// The files.
    pub files: Vec<Listed>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// SHA-256, in hex.
    pub digest: String,
}

/// Why a backup was not made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there that must not be overwritten.
    #[error("{path} is there already: choose another place or move it away")]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A running process has the directory.
    #[error("{path} is held by a running process ({holder}): stop it first")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// The backup is not what was made: use another one.
    #[error("{path} cannot be restored: {found}; use another backup")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// What was copied does not pass the check.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The system or the database refuses.
    #[error("copy to {path}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What they say.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> BackupError {
    move |error| BackupError::Failed { path: path.to_owned(), source: error.into() }
}

/// Copies the store in `dir` to the directory `to`, which must not be there, and checks the copy. What was committed
/// before the call is in it. The store may be in use, also by another process; it goes on meanwhile.
///
/// # Errors
/// When it cannot be read or written, or the copy does not pass the check.
pub fn backup(dir: &Path, to: &Path, made_at: Timestamp) -> Result<Manifest, BackupError> {
    if to.exists() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let shelf = Shelf::open(dir)?;
    let (main, archive) = shelf.files();
    let partial = to.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(failed(&partial))?;
    }
    private::folder(&partial).map_err(failed(&partial))?;
    // The archive second: what leaves the main file meanwhile is in it.
    main.copy_to(&partial.join(DATABASE))?;
    let checked = check_main(&partial.join(DATABASE))?;
    let mut names = vec![DATABASE];
    if let Some(readers) = archive.readers() {
        readers.copy_to(&partial.join(ARCHIVE))?;
        check_archive(&partial.join(ARCHIVE))?;
        names.push(ARCHIVE);
    }
    for name in BESIDE.into_iter().filter(|name| dir.join(name).exists()) {
        std::fs::copy(dir.join(name), partial.join(name)).map_err(failed(&partial.join(name)))?;
        names.push(name);
    }
    let manifest = Manifest {
        format: BACKUP_FORMAT,
        store: checked.store,
        made_at,
        journal_seq: checked.journal.0,
        outbox_seq: checked.outbox.0,
        files: names.into_iter().map(|name| listed(&partial, name)).collect::<Result<_, _>>()?,
    };
    let path = partial.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has text keys only");
    std::fs::write(&path, text).and_then(|()| sync(&path)).map_err(failed(&path))?;
    std::fs::rename(&partial, to).map_err(failed(to))?;
    sync(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))).map_err(failed(to))?;
    Ok(manifest)
}

impl Store {
    /// See [`backup`].
    ///
    /// # Errors
    /// When it cannot be written, or the copy does not pass the check.
    pub fn backup(&self, to: &Path) -> Result<Manifest, BackupError> {
        backup(self.dir(), to, (self.shared().clock)())
    }
}

/// Brings the backup `from` into the directory `dir`, which must not hold a store, and checks it.
///
/// # Errors
/// When the backup is not what was made, or `dir` is in use.
pub fn restore(from: &Path, dir: &Path) -> Result<Checked, BackupError> {
    let manifest = read_manifest(&from.join(MANIFEST))?;
    private::folder(dir).map_err(failed(dir))?;
    let _lock = Lock::take(&dir.join("headwater.lock"), "restore").map_err(|error| match error {
        LockError::Held { path, holder } => BackupError::Locked { path, holder },
        LockError::Io(error) => failed(dir)(error),
    })?;
    for name in [DATABASE, ARCHIVE, "headwater.db-wal", "archive.db-wal"].into_iter().chain(BESIDE) {
        if dir.join(name).exists() {
            return Err(BackupError::Exists { path: dir.join(name) });
        }
    }
    for file in &manifest.files {
        let copy = dir.join(format!("{}.partial", file.name));
        std::fs::copy(from.join(&file.name), &copy).map_err(failed(&copy))?;
        sync(&copy).map_err(failed(&copy))?;
        let found = digest_of_file(&copy).map_err(failed(&copy))?;
        if found != file.digest {
            // Only the copy is removed; it is no use to anybody.
            let _ = std::fs::remove_file(&copy);
            let found = "it does not match its digest".to_owned();
            return Err(BackupError::Unusable { path: from.join(&file.name), found });
        }
    }
    // The main file last: without it there is no store.
    for file in manifest.files.iter().rev() {
        let copy = dir.join(format!("{}.partial", file.name));
        std::fs::rename(&copy, dir.join(&file.name)).map_err(failed(&copy))?;
    }
    let checked = check_main(&dir.join(DATABASE))?;
    testify(dir, &checked).map_err(failed(dir))?;
    sync(dir).map_err(failed(dir))?;
    Ok(checked)
}

fn testify(dir: &Path, checked: &Checked) -> std::io::Result<()> {
    let (mut witness, _) = Witness::open(&dir.join(WITNESS), Durability::Power)?;
    let said = Testimony {
        store: checked.store.clone(),
        boot: boot_id(),
        durability: Durability::Power,
        journal_seq: checked.journal.0,
        digest: checked.digest,
        outbox_seq: checked.outbox.0,
    };
    witness.write(&said)?;
    witness.write(&said)?;
    witness.sync()
}

fn read_manifest(path: &Path) -> Result<Manifest, BackupError> {
    let unusable = |found: String| BackupError::Unusable { path: path.to_owned(), found };
    let text = std::fs::read(path).map_err(|error| unusable(format!("it is not a complete backup ({error})")))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
    if manifest.format != BACKUP_FORMAT {
        return Err(unusable(format!("it has form {}, this program knows {BACKUP_FORMAT}", manifest.format)));
    }
    let known = |file: &Listed| [DATABASE, ARCHIVE].into_iter().chain(BESIDE).any(|name| name == file.name);
    if !manifest.files.iter().all(known) || manifest.files.first().is_none_or(|file| file.name != DATABASE) {
        return Err(unusable("it lists other files than a backup has".into()));
    }
    Ok(manifest)
}

fn listed(dir: &Path, name: &str) -> Result<Listed, BackupError> {
    let path = dir.join(name);
    sync(&path).map_err(failed(&path))?;
    Ok(Listed { name: name.to_owned(), digest: digest_of_file(&path).map_err(failed(&path))? })
}

fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn digest_of_file(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut sha = Sha256::new();
    let mut piece = vec![0; 256 * 1024];
    loop {
        let n = file.read(&mut piece)?;
        if n == 0 {
            return Ok(hex::encode(sha.finalize()));
        }
        sha.update(&piece[..n]);
    }
}

impl super::read::Readers {
    /// Copies the database as of one moment to a file that must not be there.
    fn copy_to(&self, path: &Path) -> Result<(), BackupError> {
        let copy = || -> Result<(), Fault> {
            let file = super::read::open_to_read(self.path())?;
            private::file(path)?;
            file.execute("VACUUM INTO ?1", [path.to_string_lossy().as_ref()])?;
            Ok(())
        };
        copy().map_err(|fault| BackupError::Failed { path: path.to_owned(), source: Box::new(fault) })
    }
}
