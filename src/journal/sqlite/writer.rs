//! The one thread that writes the file. What waits when it comes round is committed together, once, and then
//! answered: the disk is asked for one confirmation however many wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::ballast::Ballast;
use super::fail::{Fault, SqlResult};
use super::schema::{Heads, meta};
use super::witness::{Testimony, Witness};

/// A commit takes in no more than this, one task aside.
const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// A commit takes in tasks for no longer than this.
const GROUP_TIME_MAX: Duration = Duration::from_millis(2);

/// How often a full disk is looked at again.
const FULL_RETRY: Duration = Duration::from_secs(1);

/// Tasks that may wait before new input is refused.
const WAITING_MAX: usize = 4096;

/// Bytes that may wait before new input is refused.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Whether a task is refused when the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Takes in more work: refused.
    Intake,
    /// Finishes work that was accepted, or makes room: goes on in the space of the ballast.
    Vital,
}

/// Why a task was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setback {
    /// No space; nothing of it is stored.
    Full,
    /// Somebody else has opened the file; nothing of it is stored, and the writer has stopped.
    Fenced(Arc<str>),
    /// The writer has stopped; whether it is stored is not known.
    Halted(Arc<str>),
}

/// Something to be written.
pub trait Task: Send {
    /// About how many bytes of memory it holds.
    fn weight(&self) -> usize;

    /// Whether it is refused when the disk is full.
    fn need(&self) -> Need;

    /// Writes inside the transaction that the writer has opened. May be called again after a rollback.
    ///
    /// # Errors
    /// When the database refuses: the whole group is then rolled back.
    fn apply(&mut self, file: &Connection, heads: &mut Heads) -> SqlResult<()>;

    /// Learns how it went: with `Ok` it is durable.
    fn settle(self: Box<Self>, outcome: Result<(), Setback>);
}

/// What callers and the writer both look at.
#[derive(Debug, Default)]
pub struct Gauge {
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    full: AtomicUsize,
    journal_seq: AtomicU64,
    outbox_seq: AtomicU64,
    commits: AtomicU64,
    halted: std::sync::OnceLock<Arc<str>>,
}

impl Gauge {
    /// Tasks that wait, and their bytes.
    pub fn waiting(&self) -> (usize, usize) {
        (self.waiting.load(Ordering::Relaxed), self.waiting_bytes.load(Ordering::Relaxed))
    }

    /// Whether new input has to wait for others.
    pub fn is_busy(&self) -> bool {
        let (tasks, bytes) = self.waiting();
        tasks >= WAITING_MAX || bytes >= WAITING_BYTES_MAX
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed) != 0
    }

    /// Why the writer has stopped, when it has.
    pub fn halted(&self) -> Option<Arc<str>> {
        self.halted.get().cloned()
    }

    /// The last committed journal record.
    pub fn journal_seq(&self) -> u64 {
        self.journal_seq.load(Ordering::Acquire)
    }

    /// The last committed outbox record.
    pub fn outbox_seq(&self) -> u64 {
        self.outbox_seq.load(Ordering::Acquire)
    }

    /// How many transactions were committed since the store was opened.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Notes that a task waits.
    pub fn enter(&self, bytes: usize) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn leave(&self, bytes: usize) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, heads: &Heads) {
        self.journal_seq.store(heads.journal.seq, Ordering::Release);
        self.outbox_seq.store(heads.outbox_seq, Ordering::Release);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    fn halt(&self, why: &str) -> Arc<str> {
        Arc::clone(self.halted.get_or_init(|| why.into()))
    }
}

/// The writer's belongings.
pub struct Writer {
    /// The only connection that writes.
    pub file: Connection,
    /// The last record of everything.
    pub heads: Heads,
    /// This opening's number; another one in the file means that somebody took over.
    pub epoch: u64,
    /// The file that names the last sequence.
    pub witness: Witness,
    /// What is written there.
    pub testimony: Testimony,
    /// Space for hard times.
    pub ballast: Ballast,
    /// When a full disk was last looked at.
    pub looked: Instant,
    /// Shared with the callers.
    pub gauge: Arc<Gauge>,
}

impl Writer {
    /// Writes the first testimony of this opening and takes the ballast up.
    ///
    /// # Errors
    /// When the system refuses; a full disk is no reason.
    pub fn begin(&mut self) -> SqlResult<()> {
        // Both places, so that none is left of a database that was here before.
        for _ in 0..2 {
            self.witness.write(&self.testimony)?;
        }
        self.witness.sync()?;
        if let Err(error) = self.ballast.take_up() {
            tracing::error!(%error, "no room for the ballast: input is refused until there is");
            self.gauge.full.store(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Works until every sender is gone or the file fails; then closes the file.
    pub fn run(mut self, tasks: &Receiver<Box<dyn Task>>) {
        loop {
            let patience = if self.gauge.is_full() { FULL_RETRY } else { Duration::from_secs(3600) };
            match tasks.recv_timeout(patience) {
                Ok(first) => {
                    let group = self.gather(first, tasks);
                    if let Err(why) = self.commit(group) {
                        self.refuse_all(tasks, &why);
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.look_for_room(),
                Err(RecvTimeoutError::Disconnected) => {
                    // The commits are durable without it; the next opening then sees an older testimony.
                    let _ = self.witness.sync();
                    return;
                }
            }
        }
    }

    fn gather(&self, first: Box<dyn Task>, tasks: &Receiver<Box<dyn Task>>) -> Vec<Box<dyn Task>> {
        let since = Instant::now();
        let mut bytes = first.weight();
        self.gauge.leave(bytes);
        let mut group = vec![first];
        while bytes < GROUP_BYTES_MAX && since.elapsed() < GROUP_TIME_MAX {
            let Ok(task) = tasks.try_recv() else { break };
            bytes += task.weight();
            self.gauge.leave(task.weight());
            group.push(task);
        }
        group
    }

    /// Commits a group and answers it. An error means that the file can no longer be trusted.
    fn commit(&mut self, mut group: Vec<Box<dyn Task>>) -> Result<(), Arc<str>> {
        if self.gauge.is_full() && self.looked.elapsed() >= FULL_RETRY {
            self.look_for_room();
        }
        if self.gauge.is_full() {
            group = refuse_intake(group);
        }
        let mut outcome = self.transact(&mut group);
        if outcome.as_ref().is_err_and(Fault::is_full) {
            self.gauge.full.store(1, Ordering::Relaxed);
            self.looked = Instant::now();
            self.ballast.give_up();
            tracing::error!("the disk of the journal is full: input is refused until there is room");
            group = refuse_intake(group);
            outcome = self.transact(&mut group);
        }
        let setback = match outcome {
            Ok(()) => {
                self.gauge.committed(&self.heads);
                let testified = self.testify();
                settle(group, &Ok(()));
                return testified.map_err(|error| self.gauge.halt(&format!("headwater.last: {error}")));
            }
            Err(fault) if fault.is_full() => Setback::Full,
            Err(Fault::Fenced(why)) => Setback::Fenced(self.gauge.halt(&why)),
            // After a failed sync nobody knows what is on the disk: asking again would be told a lie.
            Err(fault) => Setback::Halted(self.gauge.halt(&fault.to_string())),
        };
        settle(group, &Err(setback.clone()));
        match setback {
            Setback::Full => Ok(()),
            Setback::Fenced(why) | Setback::Halted(why) => Err(why),
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Task>]) -> SqlResult<()> {
        if group.is_empty() {
            return Ok(());
        }
        let outcome = self.write(group);
        if outcome.is_err() && !self.file.is_autocommit() {
            self.file.execute_batch("ROLLBACK")?;
        }
        if outcome.is_err() {
            self.heads = Heads::load(&self.file)?;
        }
        outcome
    }

    fn write(&mut self, group: &mut [Box<dyn Task>]) -> SqlResult<()> {
        self.file.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let epoch = meta(&self.file, "epoch")?;
        if epoch.as_deref() != Some(self.epoch.to_string().as_str()) {
            let found = format!("another process opened the file: epoch {epoch:?}, ours is {}", self.epoch);
            return Err(Fault::Fenced(found));
        }
        for task in group {
            task.apply(&self.file, &mut self.heads)?;
        }
        self.heads.save(&self.file)?;
        self.file.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn testify(&mut self) -> std::io::Result<()> {
        let said = Testimony {
            journal_seq: self.heads.journal.seq,
            digest: self.heads.journal.digest,
            outbox_seq: self.heads.outbox_seq,
            ..self.testimony.clone()
        };
        if said == self.testimony {
            return Ok(());
        }
        self.testimony = said;
        match self.witness.write(&self.testimony) {
            // The places are there since the file was made; without space there is no harm in an older text.
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(()),
            other => other,
        }
    }

    fn look_for_room(&mut self) {
        match self.ballast.take_up() {
            Ok(()) => {
                self.gauge.full.store(0, Ordering::Relaxed);
                tracing::info!("the disk of the journal has room again: input is accepted");
            }
            Err(error) => tracing::debug!(%error, "the disk of the journal is still full"),
        }
        self.looked = Instant::now();
    }

    fn refuse_all(&self, tasks: &Receiver<Box<dyn Task>>, why: &Arc<str>) {
        tracing::error!(%why, "the journal has stopped");
        while let Ok(task) = tasks.recv() {
            self.gauge.leave(task.weight());
            task.settle(Err(Setback::Halted(Arc::clone(why))));
        }
    }
}

fn refuse_intake(group: Vec<Box<dyn Task>>) -> Vec<Box<dyn Task>> {
    let (vital, intake) = group.into_iter().partition(|task| task.need() == Need::Vital);
    settle(intake, &Err(Setback::Full));
    vital
}

fn settle(group: Vec<Box<dyn Task>>, outcome: &Result<(), Setback>) {
    for task in group {
        task.settle(outcome.clone());
    }
}

/// Hands tasks to the writer thread.
#[derive(Clone)]
pub struct Desk {
    tasks: Sender<Box<dyn Task>>,
    gauge: Arc<Gauge>,
}

impl Desk {
    /// A desk whose tasks arrive at the other end of `tasks`.
    pub fn new(tasks: Sender<Box<dyn Task>>, gauge: Arc<Gauge>) -> Self {
        Self { tasks, gauge }
    }

    /// What callers and the writer both look at.
    pub fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// Puts a task into the queue without waiting; it is settled by the writer, or here when that is gone.
    pub fn submit(&self, task: Box<dyn Task>) {
        let bytes = task.weight();
        self.gauge.enter(bytes);
        if let Err(refused) = self.tasks.send(task) {
            self.gauge.leave(bytes);
            let why = self.gauge.halt("the writer thread is gone");
            refused.0.settle(Err(Setback::Halted(why)));
        }
    }
}
