//! The wiring, in flow order: journal → engine → outbox → views. One thread owns the engines and awaits nothing. The log
//! is a file of this machine, or shared with other instances: then each of them follows all of it, and decides what is its
//! turn.
//!
//! What was decided before a restart stands as the outbox has it: records that it covers are only applied again to
//! rebuild the state, and a decision that comes out differently is reported, never ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use arc_swap::ArcSwap;
use arrivals::{Arrival, Readers};
use counts::Counted;
use courier::Courier;

use crate::delivery::settings::Ready;
use crate::domain::ids::{ReceiverId, TenantId};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::engine::input::{Digest, Input};
use crate::engine::passing::OVERDUE_MAX;
use crate::engine::policy::Policy;
use crate::engine::tuning::Tuning;
use crate::engine::{Engine, Loaded};
use crate::journal::sqlite::append::Clock;
use crate::journal::sqlite::{OpenOptions, Store};
use crate::journal::{Durability, ReadError, Record};
use crate::projection::history::retention::Retention;
use crate::projection::history::{self, History};
use crate::projection::live::Live;
use health::Health;
use lease::{Duty, Lease};
use log::AnyLog;
use log::file::FileLog;
use partition::Partition;
use put::{Newest, Text, replace};
use ruling::Rulings;
use scribe::Scribe;
use texts::{compile_model, compile_policy};

mod arrivals;
pub mod asking;
pub mod cmdb_text;
pub mod counts;
pub mod courier;
mod deciding;
pub mod health;
pub mod herald;
mod keeper;
pub mod lease;
pub mod log;
pub mod membership;
mod notices;
mod partition;
mod past;
pub mod put;
mod recall;
mod recovery;
pub mod ruling;
mod scribe;
pub mod shadow;
pub mod shown;
#[cfg(test)]
mod simulated;
pub mod texts;
mod turns;
pub mod upward;

/// How long the engine's thread waits for a record before it looks at the clock again.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often what the engines count is shown.
const COUNTED_EVERY: Span = Span::secs(1);
/// Records read at once when rebuilding, bytes.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// How a pipeline is started.
pub struct Options {
    pub durability: Durability,
    pub clock: Clock,
    /// Who can be told; none: nobody is, and every notice stays pending.
    pub receivers: Option<BTreeMap<ReceiverId, Ready>>,
    /// How long the history keeps each record type, and the archive its records.
    pub retention: Retention,
    pub pace: Pace,
}

/// How much a start may have to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Events and records between two snapshots of a partition.
    pub snapshot_every: u64,
    /// Records from which a view that was lost is made again whole; where there are more, it begins with what stands.
    pub remade_records_max: u64,
    /// What a step does at most for time that has passed (`Engine::paced`): the same for all that follow one journal. With so
    /// many effects in hand the engine's thread commits before it goes on.
    pub overdue_max: usize,
    /// Between two looks for records that may go to the archive; the first is so long after the start.
    pub archive_every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            snapshot_every: 20_000,
            remade_records_max: 200_000,
            overdue_max: OVERDUE_MAX,
            archive_every: Duration::from_secs(60),
        }
    }
}

/// A running pipeline.
pub struct Pipeline {
    pub log: AnyLog,
    pub live: Arc<Live>,
    pub courier: Arc<Courier>,
    pub history: Arc<History>,
    pub clock: Clock,
    pub lease: Arc<Lease>,
    /// Receivers that the routes named at the start.
    pub named_receivers: BTreeSet<ReceiverId>,
    topologies: Arc<ArcSwap<BTreeMap<TenantId, Arc<Topology>>>>,
    policies: Arc<ArcSwap<BTreeMap<TenantId, Arc<Policy>>>>,
    newest: Arc<Newest>,
    rulings: Arc<Rulings>,
    /// What runs beside, without effects.
    pub shadows: shadow::AllShown,
    /// Where the log's file is, unless the log is shared, and what only this machine needs.
    pub folder: PathBuf,
    questions: SyncSender<asking::Asked>,
    /// Topologies and rules are put in force one at a time.
    putting: tokio::sync::Mutex<()>,
    counted: Arc<ArcSwap<BTreeMap<TenantId, Arc<Counted>>>>,
    health: Arc<Health>,
    /// The engine's, the history's and the archive's.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pipeline {
    /// Opens the data folder, rebuilds state and views, and starts the engine's thread and the delivery, which needs
    /// a runtime.
    ///
    /// # Errors
    /// When the folder is in use, damaged or unreadable; says what to do.
    pub fn start(folder: &Path, options: Options) -> Result<Arc<Self>> {
        let mut opening = OpenOptions::new(options.clock.clone());
        opening.durability = options.durability;
        let log = Arc::new(FileLog::new(Store::open(folder, opening)?));
        Self::start_on(log, Arc::new(Lease::for_good()), folder, options)
    }

    /// Starts on a log, as far as the lease says. What only this machine needs is in the folder.
    ///
    /// # Errors
    /// When log or folder are damaged or unreadable; says what to do.
    pub fn start_on(log: AnyLog, lease: Arc<Lease>, folder: &Path, options: Options) -> Result<Arc<Self>> {
        let live = Arc::new(Live::default());
        let courier = Arc::new(Courier::new(log.clone(), lease.clone(), options.receivers, &options.clock));
        let mut owner = Owner::new(&log, &lease, folder, &options.clock, &live, &courier, options.pace);
        let (topologies, policies, newest) = (owner.topologies.clone(), owner.policies.clone(), owner.newest.clone());
        let (counted, rulings, health) = (owner.counted.clone(), owner.rulings.clone(), owner.health.clone());
        let (questions, asked) = asking::way();
        owner.questions = Some(asked);
        owner.rebuild()?;
        owner.accept_rest()?;
        let mut named_receivers = Engine::empty(0, owner.tuning.clone()).receivers();
        named_receivers.extend(owner.partitions.values().flat_map(|partition| partition.engine.receivers()));
        owner.take_duty()?;
        let archivist = keeper::Archivist {
            log: log.clone(),
            lease: lease.clone(),
            clock: options.clock.clone(),
            kept: Span::hours(24 * i64::from(options.retention.archive_days)),
            every: options.pace.archive_every,
            health: health.clone(),
        };
        let (history, writer) = History::open(&folder.join(history::FILE), options.retention)?;
        let follower = past::Follower {
            log: log.clone(),
            live: live.clone(),
            writer,
            clock: options.clock.clone(),
            health: health.clone(),
        };
        let shadows = shadow::AllShown::default();
        let beside = shadow::Shadows {
            log: log.clone(),
            live: live.clone(),
            rulings: rulings.clone(),
            health: health.clone(),
            shown: shadows.clone(),
        };
        let threads = vec![
            std::thread::Builder::new().name("shadow".into()).spawn(move || beside.run())?,
            std::thread::Builder::new().name("engine".into()).spawn(move || owner.run())?,
            std::thread::Builder::new().name("history".into()).spawn(move || follower.run())?,
            std::thread::Builder::new().name("archive".into()).spawn(move || archivist.run())?,
        ];
        Ok(Arc::new(Self {
            log,
            live,
            courier,
            named_receivers,
            history: Arc::new(history),
            clock: options.clock,
            lease,
            topologies,
            policies,
            newest,
            rulings,
            shadows,
            folder: folder.to_owned(),
            questions,
            putting: tokio::sync::Mutex::default(),
            counted,
            health,
            threads: Mutex::new(threads),
        }))
    }

    /// The topology of a tenant that is valid now; an empty one when there is none.
    pub fn topology(&self, tenant: &TenantId) -> Arc<Topology> {
        self.topologies.load().get(tenant).cloned().unwrap_or_else(Topology::none)
    }

    /// How often the tenant's rules have applied, and how its events found their CIs; at most a second old.
    pub fn counted(&self, tenant: &TenantId) -> Arc<Counted> {
        self.counted.load().get(tenant).cloned().unwrap_or_default()
    }

    /// The same of every tenant.
    pub fn all_counted(&self) -> Arc<BTreeMap<TenantId, Arc<Counted>>> {
        self.counted.load_full()
    }

    /// What is known of the engine's well-being.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// How many partitions' records are decided here; none while others may take this instance for dead.
    pub fn decides(&self) -> u64 {
        if self.lease.is_valid() { self.health.turns.load(Ordering::Relaxed) } else { 0 }
    }

    /// Whether a partition's records up to `seq` have been decided and are shown.
    pub fn has_applied(&self, partition: u16, seq: u64) -> bool {
        self.live.read().has_shown(partition, seq)
    }

    /// Stops the threads after what they have in hand; the engine writes a snapshot.
    pub fn stop(&self) {
        self.health.stop.store(true, Ordering::SeqCst);
        let threads = std::mem::take(&mut *self.threads.lock().expect("nobody panics while holding it"));
        for thread in threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(thread = name, "a thread panicked");
            }
        }
    }
}

/// The engine's thread: the only one that steps and commits.
struct Owner {
    log: AnyLog,
    folder: PathBuf,
    lease: Arc<Lease>,
    /// What was this instance's turn when that was looked at last.
    duty: Arc<Duty>,
    live: Arc<Live>,
    courier: Arc<Courier>,
    clock: Clock,
    topologies: Arc<ArcSwap<BTreeMap<TenantId, Arc<Topology>>>>,
    policies: Arc<ArcSwap<BTreeMap<TenantId, Arc<Policy>>>>,
    newest: Arc<Newest>,
    counted: Arc<ArcSwap<BTreeMap<TenantId, Arc<Counted>>>>,
    /// When that was published.
    counted_at: Timestamp,
    rulings: Arc<Rulings>,
    health: Arc<Health>,
    tuning: Arc<Tuning>,
    partitions: BTreeMap<u16, Partition>,
    scribe: Scribe,
    /// The last journal record that was read, and the last outbox record that was followed.
    read: u64,
    followed: u64,
    /// The newest journal record that is decided and shown.
    applied: u64,
    pace: Pace,
    /// What people ask of the engines.
    questions: Option<Receiver<asking::Asked>>,
    /// Views that are being written.
    writing: Option<JoinHandle<()>>,
}

impl Owner {
    /// One that knows nothing yet.
    fn new(
        log: &AnyLog,
        lease: &Arc<Lease>,
        folder: &Path,
        clock: &Clock,
        live: &Arc<Live>,
        courier: &Arc<Courier>,
        pace: Pace,
    ) -> Self {
        Self {
            log: log.clone(),
            folder: folder.to_owned(),
            lease: lease.clone(),
            duty: Arc::default(),
            live: live.clone(),
            courier: courier.clone(),
            clock: clock.clone(),
            topologies: Arc::default(),
            policies: Arc::default(),
            newest: Arc::default(),
            counted: Arc::default(),
            counted_at: Timestamp(0),
            rulings: Arc::default(),
            health: Arc::default(),
            tuning: Arc::new(Tuning::default()),
            partitions: BTreeMap::new(),
            scribe: Scribe::default(),
            read: 0,
            followed: 0,
            applied: 0,
            pace,
            questions: None,
            writing: None,
        }
    }

    fn partition(&mut self, number: u16) -> &mut Partition {
        let (tuning, overdue_max) = (&self.tuning, self.pace.overdue_max);
        let empty = || Engine::empty(number, tuning.clone()).paced(overdue_max);
        self.partitions.entry(number).or_insert_with(|| Partition::new(number, empty()))
    }

    /// Reads a text; waits for a cluster that is away.
    fn text(&self, digest: &Digest) -> Result<Vec<u8>> {
        let text = loop {
            match self.log.text(digest) {
                Err(error @ ReadError::Failed { .. })
                    if self.log.is_shared() && !self.health.stop.load(Ordering::SeqCst) =>
                {
                    tracing::warn!(%error, "a text cannot be read, trying again");
                    std::thread::sleep(PATIENCE);
                }
                text => break text?,
            }
        };
        text.with_context(|| format!("the text {} is not kept", digest.0))
    }

    fn load(&self, version: u64, digest: &Digest) -> Result<Arc<Topology>> {
        cmdb_text::compile(&self.text(digest)?, version)
    }

    fn load_policy(&self, version: u64, digest: &Digest) -> Result<Arc<Policy>> {
        compile_policy(&self.text(digest)?, version)
    }

    /// Reads what the input only names.
    fn loaded(&self, record: &Record) -> Result<Loaded> {
        match &*record.input {
            Input::Topology { tenant, version, digest, .. } => {
                let topology = self.load(*version, digest)?;
                self.newest.note(tenant, Text::Topology, *version, digest);
                replace(&self.topologies, tenant, &topology);
                Ok(Loaded::Topology(topology))
            }
            Input::Policy { tenant, version, digest, .. } => {
                let policy = self.load_policy(*version, digest)?;
                self.newest.note(tenant, Text::Rules, *version, digest);
                replace(&self.policies, tenant, &policy);
                Ok(Loaded::Policy(policy))
            }
            Input::Model { tenant, version, digest, .. } => {
                let text = self.text(digest)?;
                self.newest.note(tenant, Text::Model, *version, digest);
                compile_model(&text)
            }
            Input::MetricModel { tenant, version, digest, .. } => {
                self.newest.note(tenant, Text::MetricModel, *version, digest);
                Ok(Loaded::Nothing)
            }
            Input::Batch(_) | Input::Command(_) | Input::Shadow { .. } | Input::Delivered(_) | Input::Tick => {
                Ok(Loaded::Nothing)
            }
        }
    }

    fn run(mut self) {
        if let Err(error) = self.serve() {
            tracing::error!(error = format!("{error:#}"), "the engine has stopped; restart the program");
            *self.health.failure.lock().expect("nobody panics while holding it") = Some(format!("{error:#}"));
        }
    }

    fn serve(&mut self) -> Result<()> {
        let readers = Readers::start(&self.log, &self.health, self.read, self.followed)?;
        let (mut ticked, mut is_behind) = (Instant::now(), false);
        while !self.health.stop.load(Ordering::SeqCst) {
            let arrival = match readers.arrivals.recv_timeout(PATIENCE) {
                Ok(arrival) => Some(arrival),
                Err(RecvTimeoutError::Timeout) => None,
                // They end with the program.
                Err(RecvTimeoutError::Disconnected) if self.health.stop.load(Ordering::SeqCst) => break,
                Err(RecvTimeoutError::Disconnected) => bail!("the threads that read have ended"),
            };
            let ticks = is_behind || ticked.elapsed() >= PATIENCE;
            is_behind = self.go_on(arrival, ticks)?;
            readers.progress.decided(self.partitions.values().map(Partition::unshown).sum());
            if ticks {
                ticked = Instant::now();
            }
        }
        readers.finish();
        self.store_last()
    }

    /// Takes in what came, and does what is due. Says whether more was due than could be done at once.
    fn go_on(&mut self, arrival: Option<Arrival>, ticks: bool) -> Result<bool> {
        match arrival {
            Some(Arrival::Records(records)) => self.take(&records)?,
            Some(Arrival::Decisions(decisions)) => self.follow(&decisions)?,
            Some(Arrival::Failed(error)) => return Err(error.into()),
            None => {}
        }
        self.take_duty()?;
        let is_behind = ticks && self.tick()?;
        self.answer();
        self.publish_counts();
        self.store()?;
        self.renew_claims()?;
        Ok(is_behind)
    }

    /// Stores the state and the view of a partition of which a start would have to read much; the next one when that is
    /// written. States of a shared log are stored by the one whose turn it is.
    fn store(&mut self) -> Result<()> {
        if !self.scribe.is_free() {
            return Ok(());
        }
        let (every, applied) = (self.pace.snapshot_every, self.applied);
        let due = self.partitions.iter().find(|(_, partition)| partition.needs_snapshot(every, applied));
        let Some(number) = due.map(|(number, _)| *number) else { return Ok(()) };
        self.store_state(number)?;
        self.keep_view(number)?;
        self.partition(number).stored();
        Ok(())
    }

    /// Stores what the next start would have to read. The states of a shared log are left to those who take over.
    fn store_last(&mut self) -> Result<()> {
        let changed = self.partitions.iter().filter(|(_, partition)| partition.since_snapshot > 0);
        let changed: Vec<u16> = changed.map(|(number, _)| *number).collect();
        for number in changed {
            // Nothing else waits: the view's file is written while the state's bytes are made.
            self.keep_view(number)?;
            if !self.log.is_shared() {
                self.store_state(number)?;
            }
            self.partition(number).stored();
        }
        self.scribe.finish()?;
        self.finish_writing();
        Ok(())
    }

    fn store_state(&mut self, number: u16) -> Result<()> {
        let snapshot = self.partition(number).snapshot(number);
        snapshot.map_or(Ok(()), |snapshot| self.scribe.take(snapshot, &self.log))
    }
}
