//! Brings the journal of an instance that is alone to a NATS cluster: its state, its texts and the ends of its chains of
//! decisions. Numbers go on where they are, so nothing that was told before changes its name.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::clock::machine;
use crate::config::{self, Loaded};
use crate::delivery::channels::nats::Bus;
use crate::domain::partition::PARTITIONS;
use crate::journal::jetstream::snapshots::Trimmed;
use crate::journal::jetstream::{JetStreamStore, OpenOptions};
use crate::journal::snapshot::{Snapshot, Snapshots as _};
use crate::journal::sqlite::{self, Store};
use crate::journal::{Durability, Journal as _};
use crate::nats::connect::connect;
use crate::outbox::jetstream::JetStreamOutbox;
use crate::pipeline::lease::Lease;
use crate::pipeline::log::Log;
use crate::pipeline::log::file::FileLog;
use crate::pipeline::{Options, Pace, Pipeline};
use crate::private;

/// How long notices that wait for their receivers are waited for.
const NOTICES_TIME_MAX: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Records read at once, bytes.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Where the old files go.
const MOVED: &str = "before-the-cluster";

/// What was brought over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    pub partitions: usize,
    pub texts: usize,
    /// Records that were accepted and not decided, which the cluster decides.
    pub records: usize,
    /// The first number of a journal record on the cluster.
    pub first: u64,
}

/// Brings the log in the configuration's data folder to its NATS servers. Nobody may use either meanwhile. The folder is
/// one of an instance of the cluster afterwards; the old files stand in a folder within it.
///
/// # Errors
/// When notices wait for receivers that do not answer, the streams are there already, or something cannot be read or
/// written. The folder is as it was then.
pub async fn run(loaded: Loaded) -> Result<Brought> {
    let Loaded { config, layers } = loaded;
    ensure!(config.nats.is_on(), "nats.urls is empty: name the servers that will keep the journal");
    let clock = machine();
    let mut opening = sqlite::OpenOptions::new(clock.clone());
    opening.durability = Durability::Power;
    ensure!(config.data.join("headwater.db").exists(), "{}: there is no journal of its own", config.data.display());
    let receivers = config
        .receivers(&layers, config.listen.port(), &clock, (&Arc::default(), &Bus::default()), None)
        .map_err(config::joined)?;
    let options = Options {
        durability: Durability::Power,
        clock,
        receivers: Some(receivers),
        retention: config.retention.clone(),
        pace: Pace::default(),
    };
    let folder = config.data.clone();
    let starting = tokio::task::spawn_blocking(move || {
        let store = Store::open(&folder, opening)?;
        let log = Arc::new(FileLog::new(store.clone()));
        let pipeline = Pipeline::start_on(log.clone(), Arc::new(Lease::for_good()), &folder, options)?;
        anyhow::Ok((store, log, pipeline))
    });
    let (store, log, pipeline) = starting.await??;
    let settled = settle(&pipeline).await;
    pipeline.courier.close(Duration::from_secs(1)).await;
    tokio::task::spawn_blocking(move || pipeline.stop()).await?;
    settled?;
    let reading = tokio::task::spawn_blocking(move || Whole::read(&store, &*log)).await?;
    let whole = reading.context("read what is to be brought over")?;
    let nats = connect(&config.nats).await?;
    let streams = OpenOptions {
        prefix: config.cluster.prefix.clone(),
        replicas: config.nats.replicas,
        durability: config.durability,
        monitor_urls: config.nats.monitor_urls.clone(),
    };
    let target = JetStreamStore::open_from(nats, &streams, whole.ends).await?;
    let brought = whole.write(&target).await?;
    put_aside(&config.data)?;
    Ok(brought)
}

/// Waits until nobody is owed a notice: what was committed before cannot be read on the cluster.
async fn settle(pipeline: &Pipeline) -> Result<()> {
    let since = Instant::now();
    loop {
        let waiting = pipeline.courier.lock().waiting_of(|_| true);
        let Some((key, _)) = waiting.first() else { return Ok(()) };
        if let Some(failure) = pipeline.health().failure() {
            bail!(failure);
        }
        if since.elapsed() > NOTICES_TIME_MAX {
            let count = waiting.len();
            bail!(
                "{count} notices wait for receivers that do not answer (the first: {key}); mend the receivers and try again"
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A log at rest.
struct Whole {
    /// The last decided journal record, and the last outbox record.
    ends: Trimmed,
    partitions: Vec<(Snapshot, crate::outbox::OutboxHead)>,
    texts: Vec<Vec<u8>>,
    /// What was accepted and not decided.
    rest: Vec<crate::journal::Record>,
}

impl Whole {
    fn read(store: &Store, log: &dyn Log) -> Result<Self> {
        let mut partitions = Vec::new();
        for number in 0..PARTITIONS {
            let head = log.head(number)?;
            if head.seq == 0 {
                continue;
            }
            let snapshot =
                log.latest_snapshot(number)?.with_context(|| format!("partition {number} has no snapshot"))?;
            ensure!(
                snapshot.journal_seq == head.journal_seq,
                "partition {number} is stored up to record {}, but decided up to {}",
                snapshot.journal_seq,
                head.journal_seq
            );
            partitions.push((snapshot, head));
        }
        let decided = partitions.iter().map(|(_, head)| head.journal_seq).max().unwrap_or(0);
        let outbox = partitions.iter().map(|(_, head)| head.seq).max().unwrap_or(0);
        let (mut rest, mut after) = (Vec::new(), decided);
        loop {
            let records = log.records_after(after, READ_BYTES)?;
            let Some(last) = records.last() else { break };
            after = last.seq;
            rest.extend(records);
        }
        let mut texts = Vec::new();
        for digest in store.blobs()? {
            texts.push(log.text(&digest)?.with_context(|| format!("the text {} is gone", digest.0))?);
        }
        Ok(Self { ends: Trimmed { journal_seq: decided, outbox_seq: outbox }, partitions, texts, rest })
    }

    async fn write(self, target: &JetStreamStore) -> Result<Brought> {
        let outbox = JetStreamOutbox::new(target.clone(), "migrate");
        target.mark_trimmed(0, &self.ends).await?;
        let (partitions, texts, records) = (self.partitions.len(), self.texts.len(), self.rest.len());
        for text in self.texts {
            target.put_text(text).await.context("bring a text over")?;
        }
        for (snapshot, head) in self.partitions {
            let number = snapshot.partition;
            let seq = outbox.adopt(number, &head).await.with_context(|| format!("bring partition {number} over"))?;
            target.put_snapshot(Snapshot { outbox_seq: seq, ..snapshot }).await.context("bring a state over")?;
        }
        for record in self.rest {
            let appended = target.append(record.partition, crate::engine::input::Input::clone(&record.input)).await?;
            ensure!(appended.seq == record.seq, "record {} became {}: somebody else writes", record.seq, appended.seq);
        }
        Ok(Brought { partitions, texts, records, first: self.ends.journal_seq + 1 })
    }
}

/// Makes the folder one of an instance of the cluster. Views and history stay in use.
fn put_aside(folder: &Path) -> Result<()> {
    let to = folder.join(MOVED);
    private::folder_of_ours(&to).with_context(|| format!("make {}", to.display()))?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("headwater.db") || name.starts_with("archive.db") {
            std::fs::rename(&path, to.join(&name)).with_context(|| format!("move {}", path.display()))?;
        }
    }
    Ok(())
}
