//! The wiring, in flow order: journal → engine → outbox → views. One thread owns the engines and awaits nothing.
//!
//! What was decided before a restart stands as the outbox has it: records that it covers are only applied again to
//! rebuild the state, and a decision that comes out differently is reported, never ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use arc_swap::ArcSwap;
use courier::Courier;
use sha2::{Digest as _, Sha256};

use crate::delivery::settings::Ready;
use crate::domain::ids::{ReceiverId, TenantId};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::engine::effect::Effect;
use crate::engine::identity::CiLookups;
use crate::engine::input::{Digest, Input};
use crate::engine::memory::Memory;
use crate::engine::policy::Policy;
use crate::engine::policy::place::RuleFile;
use crate::engine::policy::rule::RuleHits;
use crate::engine::tuning::Tuning;
use crate::engine::{Engine, Loaded};
use crate::journal::sqlite::append::Clock;
use crate::journal::sqlite::{OpenOptions, Store};
use crate::journal::{Durability, Follow as _, Journal as _, Of, Record};
use crate::outbox::sqlite::SqliteOutbox;
use crate::outbox::{CommitError, Decided, Outbox, OutboxHead};
use crate::projection::Committed;
use crate::projection::history::retention::Retention;
use crate::projection::history::{self, History};
use crate::projection::live::Live;
use health::Health;
use partition::{Partition, weight};
use put::{Newest, Text, replace};
use ruling::Rulings;
use scribe::Scribe;

pub mod cmdb_text;
pub mod courier;
pub mod health;
pub mod herald;
mod keeper;
mod notices;
mod partition;
mod past;
pub mod put;
mod recovery;
pub mod ruling;
mod scribe;
pub mod shown;

/// Partitions; fixed for the life of a data folder.
pub const PARTITIONS: u16 = 64;
/// How long the engine's thread waits for a record before it looks at the clock again.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often what the engines count is shown.
const COUNTED_EVERY: Span = Span::secs(1);
/// Records read at once when rebuilding, bytes.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// The partition of a tenant's events: all that can correlate share one.
pub fn partition_of(tenant: &TenantId) -> u16 {
    let hash = Sha256::digest(tenant.as_str().as_bytes());
    u16::from_be_bytes([hash[0], hash[1]]) % PARTITIONS
}

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
    /// Between two looks for records that may go to the archive; the first is so long after the start.
    pub archive_every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { snapshot_every: 20_000, remade_records_max: 200_000, archive_every: Duration::from_secs(60) }
    }
}

/// A running pipeline.
pub struct Pipeline {
    pub store: Store,
    pub outbox: SqliteOutbox,
    pub live: Arc<Live>,
    pub courier: Arc<Courier>,
    pub history: Arc<History>,
    pub clock: Clock,
    /// Receivers that the routes named at the start.
    pub named_receivers: BTreeSet<ReceiverId>,
    topologies: Arc<ArcSwap<BTreeMap<TenantId, Arc<Topology>>>>,
    policies: Arc<ArcSwap<BTreeMap<TenantId, Arc<Policy>>>>,
    newest: Arc<Newest>,
    rulings: Arc<Rulings>,
    /// Topologies and rules are put in force one at a time.
    putting: tokio::sync::Mutex<()>,
    counted: Arc<ArcSwap<BTreeMap<TenantId, Arc<Counted>>>>,
    health: Arc<Health>,
    /// The engine's, the history's and the archive's.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the engine has counted of a tenant, as of a second ago.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    pub hits: RuleHits,
    pub lookups: CiLookups,
    /// Messages that receivers got in digests.
    pub held_back: Vec<(ReceiverId, u64)>,
    pub memory: Memory,
}

impl Counted {
    /// Whether further alerts are refused.
    pub fn is_full(&self) -> bool {
        self.memory.alerts_max > 0 && self.memory.alerts >= self.memory.alerts_max
    }
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
        let store = Store::open(folder, opening)?;
        let outbox = SqliteOutbox::new(store.clone());
        let live = Arc::new(Live::default());
        let courier = Arc::new(Courier::new(outbox.clone()));
        let topologies = Arc::new(ArcSwap::from_pointee(BTreeMap::new()));
        let policies = Arc::new(ArcSwap::from_pointee(BTreeMap::new()));
        let newest = Arc::new(Newest::default());
        let counted = Arc::new(ArcSwap::from_pointee(BTreeMap::new()));
        let rulings = Arc::new(Rulings::default());
        let health = Arc::new(Health::default());
        let mut owner = Owner {
            store: store.clone(),
            outbox: outbox.clone(),
            live: live.clone(),
            courier: courier.clone(),
            clock: options.clock.clone(),
            topologies: topologies.clone(),
            policies: policies.clone(),
            newest: newest.clone(),
            counted: counted.clone(),
            counted_at: Timestamp(0),
            rulings: rulings.clone(),
            health: health.clone(),
            tuning: Arc::new(Tuning::default()),
            partitions: BTreeMap::new(),
            scribe: Scribe::default(),
            applied: 0,
            pace: options.pace,
            writing: None,
        };
        owner.rebuild()?;
        owner.accept_rest()?;
        let mut named_receivers = Engine::empty(0, owner.tuning.clone()).receivers();
        named_receivers.extend(owner.partitions.values().flat_map(|partition| partition.engine.receivers()));
        if let Some(receivers) = options.receivers {
            courier.start(receivers, &options.clock, store.clone())?;
        }
        let archivist = keeper::Archivist {
            store: store.clone(),
            clock: options.clock.clone(),
            kept: Span::hours(24 * i64::from(options.retention.archive_days)),
            every: options.pace.archive_every,
            health: health.clone(),
        };
        let (history, writer) = History::open(&folder.join(history::FILE), options.retention)?;
        let follower = past::Follower {
            store: store.clone(),
            outbox: outbox.clone(),
            writer,
            clock: options.clock.clone(),
            health: health.clone(),
        };
        let threads = vec![
            std::thread::Builder::new().name("engine".into()).spawn(move || owner.run())?,
            std::thread::Builder::new().name("history".into()).spawn(move || follower.run())?,
            std::thread::Builder::new().name("archive".into()).spawn(move || archivist.run())?,
        ];
        Ok(Arc::new(Self {
            store,
            outbox,
            live,
            courier,
            named_receivers,
            history: Arc::new(history),
            clock: options.clock,
            topologies,
            policies,
            newest,
            rulings,
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
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Whether every record up to `seq` has been decided and shown.
    pub fn has_applied(&self, seq: u64) -> bool {
        self.live.read().journal_seq >= seq
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

/// Rules from a stored text: the rule files as JSON.
///
/// # Errors
/// Every wrong place, one per line.
pub fn compile_policy(bytes: &[u8], version: u64) -> Result<Arc<Policy>> {
    let files: Vec<RuleFile> = serde_json::from_slice(bytes).context("the stored rules cannot be read")?;
    let compiled = Policy::compile(version, &files).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!(lines.join("\n"))
    });
    Ok(Arc::new(compiled?))
}

/// The engine's thread: the only one that steps and commits.
struct Owner {
    store: Store,
    outbox: SqliteOutbox,
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
    /// The last journal record that is decided and shown.
    applied: u64,
    pace: Pace,
    /// Views that are being written.
    writing: Option<JoinHandle<()>>,
}

impl Owner {
    fn partition(&mut self, number: u16) -> Result<&mut Partition> {
        if !self.partitions.contains_key(&number) {
            let engine = Engine::empty(number, self.tuning.clone());
            let head = self.outbox.head(number)?;
            self.partitions.insert(number, Partition::new(engine, head));
        }
        Ok(self.partitions.get_mut(&number).expect("just made"))
    }

    fn load(&self, version: u64, digest: &Digest) -> Result<Arc<Topology>> {
        let bytes = self.store.blob(digest)?.with_context(|| format!("the text {} is not kept", digest.0))?;
        cmdb_text::compile(&bytes, version)
    }

    fn load_policy(&self, version: u64, digest: &Digest) -> Result<Arc<Policy>> {
        let bytes = self.store.blob(digest)?.with_context(|| format!("the text {} is not kept", digest.0))?;
        compile_policy(&bytes, version)
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
            Input::Batch(_) | Input::Command(_) | Input::Delivered(_) | Input::Tick => Ok(Loaded::Nothing),
        }
    }

    fn show(&mut self, record: &Record, outbox_seq: u64, effects: Arc<Vec<Effect>>) {
        let input = match &*record.input {
            Input::Batch(_) | Input::Command(_) => Some(Arc::clone(&record.input)),
            Input::Topology { .. } | Input::Policy { .. } | Input::Delivered(_) | Input::Tick => None,
        };
        self.applied = record.seq;
        self.rulings.note(record);
        self.courier.committed(record, outbox_seq, &effects);
        self.live.apply(&Committed { journal_seq: record.seq, outbox_seq, stamp: record.stamp, input, effects });
    }

    fn run(mut self) {
        if let Err(error) = self.serve() {
            tracing::error!(error = format!("{error:#}"), "the engine has stopped; restart the program");
            *self.health.failure.lock().expect("nobody panics while holding it") = Some(format!("{error:#}"));
        }
    }

    fn serve(&mut self) -> Result<()> {
        let mut tail = self.store.follow(Of::All, self.applied);
        while !self.health.stop.load(Ordering::SeqCst) {
            let records = tail.next(PATIENCE)?;
            self.decide(&records)?;
            if records.is_empty() {
                self.tick()?;
            }
            self.publish_counts();
            self.snapshot(self.pace.snapshot_every)?;
        }
        self.snapshot(1)?;
        self.scribe.finish()?;
        self.finish_writing();
        Ok(())
    }

    /// Shows what the engines have counted, once a second.
    fn publish_counts(&mut self) {
        let now: Timestamp = (self.clock)();
        if now.since(self.counted_at) < COUNTED_EVERY && now >= self.counted_at {
            return;
        }
        self.counted_at = now;
        let engines = self.partitions.values().map(|partition| &partition.engine);
        let counted = engines.flat_map(|engine| engine.tenants().map(move |tenant| (tenant.clone(), engine)));
        let counted = counted.map(|(tenant, engine)| {
            let hits = engine.rule_hits(&tenant).cloned().unwrap_or_default();
            let lookups = engine.ci_lookups(&tenant).cloned().unwrap_or_default();
            let held_back = engine.held_back(&tenant);
            let memory = engine.memory(&tenant);
            (tenant, Arc::new(Counted { hits, lookups, held_back, memory }))
        });
        self.counted.store(Arc::new(counted.collect()));
    }

    /// Steps through records and commits what follows, one outbox record each, in one transaction.
    fn decide(&mut self, records: &[Arc<Record>]) -> Result<()> {
        for record in records {
            self.accept(record);
        }
        for run in records.chunk_by(|a, b| a.partition == b.partition) {
            let number = run[0].partition;
            let mut decided = Vec::with_capacity(run.len());
            for record in run {
                let loaded = self.loaded(record)?;
                let partition = self.partition(number)?;
                let effects = partition.engine.step(record.stamp, &record.input, loaded);
                partition.seq = record.seq;
                partition.since_snapshot += weight(&record.input);
                decided.push(Decided { journal_seq: record.seq, effects: Arc::new(effects) });
            }
            let before = self.partition(number)?.head.seq;
            let head = self.commit(number, before, &decided)?;
            // The outbox numbers records of all partitions; these were committed together, so they are adjacent.
            let first = head.seq + 1 - decided.len() as u64;
            for (i, (record, decision)) in run.iter().zip(decided).enumerate() {
                self.show(record, first + i as u64, decision.effects);
            }
            self.partition(number)?.head = head;
        }
        Ok(())
    }

    fn commit(&self, partition: u16, before: u64, decided: &[Decided]) -> Result<OutboxHead> {
        loop {
            match self.outbox.commit_blocking(partition, before, decided.to_vec()) {
                Ok(head) => return Ok(head),
                Err(CommitError::TryLater { wait }) => std::thread::sleep(wait),
                Err(error @ (CommitError::Fenced { .. } | CommitError::Halted { .. })) => bail!(error),
            }
        }
    }

    /// Journals that time passes for every partition in which something is due.
    fn tick(&mut self) -> Result<()> {
        let now: Timestamp = (self.clock)();
        for (number, partition) in &self.partitions {
            if partition.engine.next_due().is_some_and(|due| due <= now) {
                self.store.append_blocking(*number, Input::Tick)?;
            }
        }
        Ok(())
    }

    /// Stores the state and the view of each partition of which a start would have to read much. While one is being
    /// written, others wait, except at the end.
    fn snapshot(&mut self, every: u64) -> Result<()> {
        let due =
            |(number, partition): (&u16, &Partition)| partition.needs_snapshot(every, self.applied).then_some(*number);
        let due: Vec<u16> = self.partitions.iter().filter_map(due).collect();
        for number in due {
            if every > 1 && !self.scribe.is_free() {
                break;
            }
            let snapshot = self.partition(number)?.snapshot(number);
            self.scribe.take(snapshot, &self.store)?;
            self.keep_view(number)?;
        }
        Ok(())
    }
}
