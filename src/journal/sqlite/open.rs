//! Opening: take the lock, look at what is there before anything is written, raise the epoch, start the writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::archive::Archive;
use super::ballast::Ballast;
use super::fail::{Fault, RESTORE, SqlResult, broken};
use super::lock::{Lock, LockError};
use super::read::{Readers, Step, walk};
use super::schema::{APPLICATION_ID, Base, FILE_FORMAT, Heads, MAIN_TABLES, PAGE_BYTES, RECORD_TABLES, meta, set_meta};
use super::witness::{Found, Testimony, Witness, boot_id};
use super::writer::{Desk, Gauge, Writer};
use super::{OpenOptions, Shared, Store, snapshots};
use crate::journal::digest::ChainHash;
use crate::journal::{Damage, Durability};
use crate::private;

/// The database's file name.
pub const DATABASE: &str = "headwater.db";

/// The witness's file name.
pub const WITNESS: &str = "headwater.last";

/// Records at the end that are checked at every opening; recovery checks what it reads.
const CHECKED_RECORDS: u64 = 64;

const LOST_RECORDS: &str = "stop, copy the directory aside, and restore the last backup; to go on without the lost \
                            records, remove headwater.last";

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{path} is held by another process ({holder}): only one may use this directory; stop that one first")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// The file is not what was written. Nothing was changed.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Another version of the program wrote it.
    #[error("{path} has file format {found}, this program knows {FILE_FORMAT}: use the program that wrote it or newer")]
    Format {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// The system refuses.
    #[error("open {path}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the system or the database says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Store {
    /// Opens the store in `dir`, making what is not there.
    ///
    /// # Errors
    /// When another process has it, it is damaged or of another format, or the system refuses.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        let failed = |error: std::io::Error| OpenError::Failed { path: dir.to_owned(), source: error.into() };
        private::folder(dir).map_err(failed)?;
        let lock = Lock::take(&dir.join("headwater.lock"), &options.owner).map_err(|error| match error {
            LockError::Held { path, holder } => OpenError::Locked { path, holder },
            LockError::Io(error) => failed(error),
        })?;
        let path = dir.join(DATABASE);
        let (witness, found) = Witness::open(&dir.join(WITNESS), options.durability).map_err(failed)?;
        let opened = open_file(&path, &found, options.durability)?;
        let snapshots = snapshots::Desk::open(&opened.file).map_err(|fault| opening(fault, &path))?;
        let gauge = Arc::new(Gauge::default());
        gauge.committed(&opened.heads);
        let epoch = opened.epoch;
        let mut writer = Writer {
            heads: opened.heads,
            file: opened.file,
            epoch,
            witness,
            testimony: opened.testimony,
            ballast: Ballast::new(dir.join("headwater.ballast"), options.ballast_bytes),
            looked: Instant::now(),
            gauge: Arc::clone(&gauge),
        };
        writer.begin().map_err(|fault| opening(fault, &path))?;
        let (sender, tasks) = channel();
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run(&tasks));
        Ok(Self {
            shared: Arc::new(Shared {
                desk: Some(Desk::new(sender, Arc::clone(&gauge))),
                writer: Some(thread.map_err(failed)?),
                readers: Readers::new(path),
                archive: Archive::new(dir),
                snapshots,
                tails: Arc::default(),
                clock: options.clock,
                gauge,
                epoch,
                dir: dir.to_owned(),
                _lock: lock,
            }),
        })
    }
}

fn opening(fault: Fault, path: &Path) -> OpenError {
    match fault.damage(path) {
        Some(damage) => OpenError::Damaged(damage),
        None => OpenError::Failed { path: path.to_owned(), source: Box::new(fault) },
    }
}

struct Opened {
    file: Connection,
    heads: Heads,
    epoch: u64,
    testimony: Testimony,
}

fn open_file(path: &Path, found: &Found, durability: Durability) -> Result<Opened, OpenError> {
    private::database(path).map_err(|error| OpenError::Failed { path: path.to_owned(), source: error.into() })?;
    let connect = || -> SqlResult<(Connection, i64)> {
        let file = Connection::open(path)?;
        file.busy_timeout(Duration::from_secs(5))?;
        // Until all is known to be well, closing must leave the log as it is: it may be all there is to look at.
        file.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let format = file.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        Ok((file, format))
    };
    let (file, format) = connect().map_err(|fault| opening(fault, path))?;
    let tables = |file: &Connection| file.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
    let tables: i64 = tables(&file).map_err(|error| opening(error.into(), path))?;
    if tables > 0 && format != FILE_FORMAT {
        return Err(OpenError::Format { path: path.to_owned(), found: format });
    }
    prepare(file, tables == 0, path, found, durability).map_err(|fault| match fault {
        Refusal::Fault(fault) => opening(fault, path),
        Refusal::Damaged(damage) => OpenError::Damaged(damage),
    })
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(error.into())
    }
}

fn prepare(
    mut file: Connection,
    is_empty: bool,
    path: &Path,
    found: &Found,
    durability: Durability,
) -> Result<Opened, Refusal> {
    if is_empty {
        // An empty file is a first start, unless somebody remembers more.
        compare(found, &Heads::default(), path, None)?;
        create(&mut file)?;
    }
    let application: i64 = file.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(broken(format!("it is not one of ours (application id {application})")).into());
    }
    let heads = Heads::load(&file)?;
    let store = meta(&file, "store")?.ok_or_else(|| broken("it has no name".into()))?;
    check_end(&file, &heads)?;
    compare(found, &heads, path, Some(&file))?;
    // A backup comes without a write-ahead log.
    file.pragma_update(None, "journal_mode", "WAL")?;
    file.pragma_update(None, "synchronous", "FULL")?;
    file.pragma_update(None, "cache_size", -16_000)?;
    let epoch = raise_epoch(&mut file)?;
    snapshots::sweep(&file)?;
    if durability == Durability::Process {
        file.pragma_update(None, "synchronous", "NORMAL")?;
    }
    file.set_prepared_statement_cache_capacity(64);
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    let testimony = Testimony {
        store,
        boot: boot_id(),
        durability,
        journal_seq: heads.journal.seq,
        digest: heads.journal.digest,
        outbox_seq: heads.outbox_seq,
    };
    Ok(Opened { file, heads, epoch, testimony })
}

fn create(file: &mut Connection) -> SqlResult<()> {
    file.pragma_update(None, "page_size", PAGE_BYTES)?;
    file.pragma_update(None, "journal_mode", "WAL")?;
    let all = file.transaction()?;
    all.execute_batch(RECORD_TABLES)?;
    all.execute_batch(MAIN_TABLES)?;
    set_meta(&all, "store", &hex::encode(rand::random::<[u8; 16]>()))?;
    set_meta(&all, "epoch", "0")?;
    all.pragma_update(None, "application_id", APPLICATION_ID)?;
    all.pragma_update(None, "user_version", FILE_FORMAT)?;
    all.commit()?;
    Ok(())
}

fn raise_epoch(file: &mut Connection) -> SqlResult<u64> {
    let change = file.transaction()?;
    let last = meta(&change, "epoch")?.and_then(|text| text.parse::<u64>().ok());
    let epoch = last.ok_or_else(|| broken("the epoch is unreadable".into()))? + 1;
    set_meta(&change, "epoch", &epoch.to_string())?;
    change.commit()?;
    Ok(epoch)
}

/// Checks the last records, and that the heads name them.
fn check_end(file: &Connection, heads: &Heads) -> SqlResult<()> {
    let base = Base::load(file)?;
    let from = heads.journal.seq.saturating_sub(CHECKED_RECORDS).max(base.journal.seq);
    let last = walk(file, from, |_| Ok(Step::On))?;
    let named = heads.partitions().values().map(|head| head.journal_seq).max().unwrap_or(0);
    if last != heads.journal || named != last.seq {
        return Err(broken(format!("the journal ends at record {}, the heads name {named}", last.seq)));
    }
    let sql = "SELECT max(seq) FROM outbox";
    let outbox = file.query_row(sql, [], |row| row.get::<_, Option<i64>>(0))?.map_or(base.outbox_seq, |seq| seq as u64);
    if outbox != heads.outbox_seq {
        return Err(broken(format!("the outbox ends at record {outbox}, the heads name {}", heads.outbox_seq)));
    }
    Ok(())
}

/// Compares what is there with what the witness remembers.
fn compare(found: &Found, heads: &Heads, path: &Path, file: Option<&Connection>) -> Result<(), Refusal> {
    let damage = |found: String, remedy: &'static str| {
        Err(Refusal::Damaged(Damage { place: path.display().to_string(), found, remedy }))
    };
    let said = match found {
        Found::Nothing => return Ok(()),
        Found::Unreadable => {
            let remedy = "if the database is known to be whole, remove headwater.last; else restore the last backup";
            return damage(
                "headwater.last is unreadable, so it cannot be told whether records are lost".into(),
                remedy,
            );
        }
        Found::Said(said) => said,
    };
    let journal = heads.journal;
    if said.journal_seq > journal.seq || said.outbox_seq > heads.outbox_seq {
        let lost = format!(
            "it ends at journal record {} and outbox record {}, but {} and {} were committed",
            journal.seq, heads.outbox_seq, said.journal_seq, said.outbox_seq
        );
        if said.durability == Durability::Process && said.boot != boot_id() {
            tracing::error!(lost, "the machine stopped and records were lost, as durability `process` allows");
            return Ok(());
        }
        return damage(lost, LOST_RECORDS);
    }
    let Some(file) = file else { return Ok(()) };
    if digest_at(file, said.journal_seq)?.is_some_and(|digest| digest != said.digest) {
        return damage(format!("journal record {} is not the one that was committed", said.journal_seq), RESTORE);
    }
    Ok(())
}

/// The digest of a record that is still in the main file.
fn digest_at(file: &Connection, seq: u64) -> SqlResult<Option<ChainHash>> {
    let base = Base::load(file)?.journal;
    if seq == base.seq {
        return Ok((seq > 0).then_some(base.digest));
    }
    let mut query = file.prepare("SELECT digest FROM journal WHERE seq = ?1")?;
    let mut rows = query.query([seq as i64])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.map(ChainHash))
}
