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
use crate::engine::policy::Policy;
use crate::engine::policy::place::RuleFile;
use crate::engine::policy::rule::RuleHits;
use crate::engine::tuning::Tuning;
use crate::engine::{Engine, Loaded};
use crate::journal::snapshot::Snapshots;
use crate::journal::sqlite::append::Clock;
use crate::journal::sqlite::{OpenOptions, Store};
use crate::journal::{Durability, Journal, Record};
use crate::lab::built_in::{read_topology, shipped_mapping};
use crate::outbox::sqlite::SqliteOutbox;
use crate::outbox::{CommitError, Decided, Outbox, OutboxHead, OutboxRecord};
use crate::projection::Committed;
use crate::projection::history::retention::Retention;
use crate::projection::history::{self, History};
use crate::projection::live::Live;
use health::Health;
use partition::{Partition, weight};
use put::{Newest, Text};
use ruling::Rulings;

pub mod courier;
pub mod health;
mod notices;
mod partition;
mod past;
pub mod put;
pub mod ruling;

/// Partitions; fixed for the life of a data folder.
pub const PARTITIONS: u16 = 64;
/// Events and records between two snapshots of a partition.
const SNAPSHOT_EVERY: u64 = 20_000;
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
    /// How long the history keeps each record type.
    pub retention: Retention,
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
    /// The engine's and the history's.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the engine has counted of a tenant, as of a second ago.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    pub hits: RuleHits,
    pub lookups: CiLookups,
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
            applied: 0,
        };
        owner.rebuild()?;
        owner.accept_rest()?;
        let mut named_receivers = Engine::empty(0, owner.tuning.clone()).receivers();
        named_receivers.extend(owner.partitions.values().flat_map(|partition| partition.engine.receivers()));
        if let Some(receivers) = options.receivers {
            courier.start(receivers, &options.clock, store.clone())?;
        }
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

/// A topology from a stored text. Foreign names of the shipped mapping are understood.
///
/// # Errors
/// Every wrong place, one per line.
pub fn compile(bytes: &[u8], version: u64) -> Result<Arc<Topology>> {
    read_topology("topology", bytes, Some(&shipped_mapping()), version)
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

/// Replaces one tenant's entry.
fn put<T>(all: &ArcSwap<BTreeMap<TenantId, Arc<T>>>, tenant: &TenantId, one: &Arc<T>) {
    all.rcu(|known| {
        let mut known = BTreeMap::clone(known);
        known.insert(tenant.clone(), one.clone());
        known
    });
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
    /// The last journal record that is decided and shown.
    applied: u64,
}

impl Owner {
    /// Rebuilds engines (snapshot, then records) and the view (all decisions) up to the end of the outbox.
    fn rebuild(&mut self) -> Result<()> {
        for partition in 0..PARTITIONS {
            let snapshot = self.store.latest_snapshot(partition)?;
            let head = self.outbox.head(partition)?;
            if snapshot.is_none() && head.seq == 0 {
                continue;
            }
            let mut engine = Engine::empty(partition, self.tuning.clone());
            let (mut seq, mut snapshot_bytes) = (0, 0);
            if let Some(snapshot) = snapshot {
                snapshot_bytes = snapshot.body.len() as u64;
                let topology = |version, digest: &Digest| self.load(version, digest).ok();
                let rules = |version, digest: &Digest| self.load_policy(version, digest).ok();
                engine = Engine::thaw(&snapshot.body, self.tuning.clone(), topology, rules)?;
                seq = snapshot.journal_seq;
            }
            self.partitions.insert(partition, Partition { seq, snapshot_bytes, ..Partition::new(engine, head) });
        }
        let mut decided = 0;
        let mut decisions: Vec<OutboxRecord> = Vec::new();
        loop {
            let records = Journal::read_after(&self.store, self.applied, READ_BYTES)?;
            if records.is_empty() {
                return Ok(());
            }
            for record in records {
                while decisions.is_empty() {
                    decisions = Outbox::read_after(&self.outbox, decided, READ_BYTES)?;
                    let Some(last) = decisions.last() else { return Ok(()) };
                    decided = last.seq;
                    decisions.reverse();
                }
                if decisions.last().is_some_and(|d| d.journal_seq != record.seq) {
                    return Ok(());
                }
                let decision = decisions.pop().expect("just looked at");
                self.redo(&record, decision)?;
            }
        }
    }

    /// Takes in what the journal has and the outbox has not: events that are pending until they are decided, and ends of
    /// notices, which need not be sent again.
    fn accept_rest(&self) -> Result<()> {
        let mut after = self.applied;
        loop {
            let records = Journal::read_after(&self.store, after, READ_BYTES)?;
            let Some(last) = records.last() else { return Ok(()) };
            after = last.seq;
            for record in &records {
                self.accept(record);
                self.courier.ended(record);
            }
        }
    }

    fn accept(&self, record: &Record) {
        if let Input::Batch(batch) = &record.input {
            self.live.accept(record.seq, &batch.tenant, (batch.events.len() + batch.rejected.len()) as u64);
        }
    }

    /// Applies a decided record again; what the outbox has stands.
    fn redo(&mut self, record: &Record, decision: OutboxRecord) -> Result<()> {
        let loaded = self.loaded(record)?;
        let partition = self.partition(record.partition)?;
        if record.seq > partition.seq {
            let effects = partition.engine.step(record.stamp, &record.input, loaded);
            partition.seq = record.seq;
            partition.since_snapshot += weight(&record.input);
            if let Err(divergence) = decision.verify(&effects) {
                self.health.diverged.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%divergence, "a decision came out differently; the committed one stands");
            }
        }
        self.show(record, decision.seq, decision.effects);
        Ok(())
    }

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
        compile(&bytes, version)
    }

    fn load_policy(&self, version: u64, digest: &Digest) -> Result<Arc<Policy>> {
        let bytes = self.store.blob(digest)?.with_context(|| format!("the text {} is not kept", digest.0))?;
        compile_policy(&bytes, version)
    }

    /// Reads what the input only names.
    fn loaded(&self, record: &Record) -> Result<Loaded> {
        match &record.input {
            Input::Topology { tenant, version, digest } => {
                let topology = self.load(*version, digest)?;
                self.newest.note(tenant, Text::Topology, *version, digest);
                put(&self.topologies, tenant, &topology);
                Ok(Loaded::Topology(topology))
            }
            Input::Policy { tenant, version, digest, .. } => {
                let policy = self.load_policy(*version, digest)?;
                self.newest.note(tenant, Text::Rules, *version, digest);
                self.rulings.note(record);
                put(&self.policies, tenant, &policy);
                Ok(Loaded::Policy(policy))
            }
            Input::Batch(_) | Input::Command(_) | Input::Delivered(_) | Input::Tick => Ok(Loaded::Nothing),
        }
    }

    fn show(&mut self, record: &Record, outbox_seq: u64, effects: Vec<Effect>) {
        let input = match &record.input {
            Input::Batch(_) | Input::Command(_) => Some(record.input.clone()),
            Input::Topology { .. } | Input::Policy { .. } | Input::Delivered(_) | Input::Tick => None,
        };
        self.applied = record.seq;
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
        let mut tail = self.store.follow(self.applied);
        while !self.health.stop.load(Ordering::SeqCst) {
            let records = tail.next(PATIENCE)?;
            self.decide(&records)?;
            if records.is_empty() {
                self.tick()?;
            }
            self.publish_counts();
            self.snapshot(SNAPSHOT_EVERY)?;
        }
        self.snapshot(1)
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
            (tenant, Arc::new(Counted { hits, lookups }))
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
                // The writer has let go of them by now, unless somebody follows the outbox.
                let effects = Arc::try_unwrap(decision.effects).unwrap_or_else(|shared| Vec::clone(&shared));
                self.show(record, first + i as u64, effects);
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

    fn snapshot(&mut self, every: u64) -> Result<()> {
        for (number, partition) in &mut self.partitions {
            if !partition.needs_snapshot(every) {
                continue;
            }
            partition.write(*number, &self.store)?;
        }
        Ok(())
    }
}
