//! The pipeline on a log that several instances share.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

use crate::config::Config;
use crate::journal::jetstream::{JetStreamStore, OpenOptions, stream_name};
use crate::journal::sqlite::lock::{Lock, LockError};
use crate::nats::NatsError;
use crate::nats::connect::{Nats, connect};
use crate::nats::parcels::Parcels;
use crate::nats::shelf::Shelf;
use crate::pipeline::lease::Lease;
use crate::pipeline::log::shared::SharedLog;
use crate::pipeline::membership::{Leave, Membership, MembershipError};
use crate::pipeline::{Options, Pipeline};
use crate::private;

use super::again::Attempts;
use super::others::Others;

/// The file with the mark of this instance, in the data folder.
const MARK_FILE: &str = "instance";
/// The log of an instance that is alone.
const FILE_LOG: &str = "headwater.db";

/// An instance among others.
pub struct Shared {
    pub pipeline: Arc<Pipeline>,
    pub leave: Leave,
    /// Nobody else uses the folder meanwhile.
    pub lock: Lock,
    /// What instances share beside the journal.
    pub shelf: Shelf,
    /// The connection of all that.
    pub nats: Nats,
    /// The other instances.
    pub others: Arc<Others>,
    /// What instances hand over to each other.
    pub parcels: Parcels,
}

/// Joins the others; waits for NATS as long as it is away.
///
/// # Errors
/// When the folder or the name is in use, a stream is unsafe, or what is stored is damaged; says what to do.
pub async fn start(config: &Config, options: Options) -> Result<Shared> {
    if !config.nats.is_on() {
        bail!("cluster.on needs nats.urls: the servers that keep the journal");
    }
    let name = config.cluster.name();
    let lock = claim_folder(&config.data, &name)?;
    let mark = mark(&config.data)?;
    let lease = Arc::new(Lease::none());
    let Joined { nats, membership, store, shelf, parcels } = join(config, &mark, &lease).await?;
    let log = Arc::new(SharedLog::new(store, &name));
    let data = config.data.clone();
    let starting = tokio::task::spawn_blocking(move || Pipeline::start_on(log, lease, &data, options));
    let pipeline = starting.await??;
    // Only now: what is assigned to this instance is decided at once.
    let leave = membership.start(pipeline.health().clone()).await?;
    tracing::info!(instance = name, prefix = config.cluster.prefix, "this instance shares its journal");
    let others = Arc::new(Others::new(&nats, (&config.cluster.prefix, name), pipeline.clone()));
    Ok(Shared { pipeline, leave, lock, shelf, nats, others, parcels })
}

/// What an instance has of NATS.
struct Joined {
    nats: Nats,
    membership: Membership,
    store: JetStreamStore,
    shelf: Shelf,
    parcels: Parcels,
}

/// Opens the log and takes this instance's name; waits for servers that are away, or have not chosen their leaders yet.
async fn join(config: &Config, mark: &str, lease: &Arc<Lease>) -> Result<Joined> {
    let options = OpenOptions {
        prefix: config.cluster.prefix.clone(),
        replicas: config.nats.replicas,
        durability: config.durability,
        monitor_urls: config.nats.monitor_urls.clone(),
    };
    let mut attempts = Attempts::new("the servers with the journal are away");
    loop {
        let attempt = async {
            let nats = connect(&config.nats).await?;
            let store = JetStreamStore::open(nats.clone(), &options).await?;
            let (replicas, prefix) = (config.nats.replicas, &config.cluster.prefix);
            let shelf = Shelf::open(nats.clone(), stream_name(prefix, "shelf"), prefix, replicas).await?;
            let (stream, subject) = (stream_name(prefix, "series"), format!("{prefix}.series"));
            let parcels = Parcels::open(nats.clone(), stream, subject, replicas).await?;
            let (cluster, mark) = (&config.cluster, mark.to_owned());
            let membership = Membership::join(nats.clone(), cluster, replicas, mark, lease.clone()).await?;
            Ok::<_, MembershipError>(Joined { nats, membership, store, shelf, parcels })
        };
        match attempt.await {
            Ok(joined) => return Ok(joined),
            Err(error @ (MembershipError::NameTaken(_) | MembershipError::Nats(NatsError::Refused(_)))) => {
                return Err(error.into());
            }
            Err(error) => attempts.failed(error.to_string()).await,
        }
    }
}

/// Takes the folder, which must not hold a log of its own.
fn claim_folder(folder: &Path, name: &str) -> Result<Lock> {
    let database = folder.join(FILE_LOG);
    if database.exists() {
        bail!(
            "{} holds the journal of an instance that is alone; give this one another folder, or bring that journal to the \
             cluster: headwater migrate --data {}",
            database.display(),
            folder.display()
        );
    }
    Lock::take(&folder.join("headwater.lock"), name).map_err(|error| match error {
        LockError::Held { path, holder } => anyhow::anyhow!("{} is held by {holder}", path.display()),
        LockError::Io(error) => anyhow::Error::new(error).context(format!("lock {}", folder.display())),
    })
}

/// What tells this instance from another one with the same name: made at the first start.
fn mark(folder: &Path) -> Result<String> {
    use std::io::{Read as _, Write as _};
    let path = folder.join(MARK_FILE);
    let context = || format!("read {}", path.display());
    let mut file = private::file(&path).with_context(context)?;
    let mut mark = String::new();
    file.read_to_string(&mut mark).with_context(context)?;
    if mark.trim().is_empty() {
        mark = hex::encode(rand::random::<[u8; 16]>());
        file.write_all(mark.as_bytes()).with_context(context)?;
        file.sync_all().with_context(context)?;
    }
    Ok(mark.trim().to_owned())
}
