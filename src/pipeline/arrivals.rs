//! What comes in: threads that read ahead of the engine's one, a few batches at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::PATIENCE;
use super::health::Health;
use super::log::AnyLog;
use crate::journal::{Follow, ReadError, Record};
use crate::outbox::OutboxRecord;

/// Batches that wait between the threads: none, the one that was read ahead is in its reader's hand.
const AHEAD_MAX: usize = 0;
/// The pause after a log could not be read.
const PAUSE: Duration = Duration::from_secs(1);
/// How soon it is looked again whether the journal was read far enough.
const SOON: Duration = Duration::from_micros(500);

/// Events and records that may be decided before those decisions are read back and shown: what is decided waits in memory.
const DECIDED_MAX: u64 = 10_000;

/// How far each is, for the others: the readers and the engine's thread.
#[derive(Debug, Default)]
pub struct Progress {
    /// The last journal record that was handed on, and the one up to which the outbox's reader needs it.
    read: AtomicU64,
    wanted: AtomicU64,
    /// Events and records that are decided and not shown.
    decided: AtomicU64,
}

impl Progress {
    /// The engine's thread tells what it has decided and not shown.
    pub fn decided(&self, weight: u64) {
        self.decided.store(weight, Ordering::SeqCst);
    }

    /// Whether the journal's reader waits until more is shown; never while a decision needs a record that it holds back.
    fn is_full(&self) -> bool {
        self.decided.load(Ordering::SeqCst) > DECIDED_MAX
            && self.wanted.load(Ordering::SeqCst) <= self.read.load(Ordering::SeqCst)
    }
}

/// What was read, in the order of its log. A decision comes behind the record that it is about.
pub enum Arrival {
    Records(Vec<Arc<Record>>),
    Decisions(Vec<Arc<OutboxRecord>>),
    /// A log cannot be read any more.
    Failed(ReadError),
}

/// The threads that read.
pub struct Readers {
    pub arrivals: Receiver<Arrival>,
    pub progress: Arc<Progress>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Reads the journal behind `record`, and the outbox behind `decision` when others write it, too.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(log: &AnyLog, health: &Arc<Health>, record: u64, decision: u64) -> std::io::Result<Self> {
        let (sender, arrivals) = sync_channel(AHEAD_MAX);
        let progress = Arc::new(Progress { read: record.into(), ..Progress::default() });
        let mut threads = Vec::new();
        let journal = Reader { health: health.clone(), sender: sender.clone(), is_shared: log.is_shared() };
        let (tail, shared) = (log.follow(record), progress.clone());
        threads.push(std::thread::Builder::new().name("journal-read".into()).spawn(move || {
            journal.run(tail, "journal", |records| {
                let last = records.last().map_or(0, |last| last.seq);
                while shared.is_full() && !journal.is_over() {
                    std::thread::sleep(SOON);
                }
                let sent = journal.sender.send(Arrival::Records(records)).is_ok();
                shared.read.store(last, Ordering::SeqCst);
                sent
            });
        })?);
        if log.is_shared() {
            let outbox = Reader { health: health.clone(), sender, is_shared: true };
            let (tail, shared) = (log.follow_decisions(decision), progress.clone());
            threads.push(std::thread::Builder::new().name("outbox-read".into()).spawn(move || {
                outbox.run(tail, "outbox", |decisions| {
                    let about = decisions.iter().map(|decision| decision.journal_seq).max().unwrap_or(0);
                    shared.wanted.fetch_max(about, Ordering::SeqCst);
                    while shared.read.load(Ordering::SeqCst) < about {
                        if outbox.is_over() {
                            return false;
                        }
                        std::thread::sleep(SOON);
                    }
                    outbox.sender.send(Arrival::Decisions(decisions)).is_ok()
                });
            })?);
        }
        Ok(Self { arrivals, progress, threads })
    }

    /// Waits for the threads, which end with the program.
    pub fn finish(self) {
        drop(self.arrivals);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a reading thread panicked");
            }
        }
    }
}

struct Reader {
    health: Arc<Health>,
    sender: SyncSender<Arrival>,
    is_shared: bool,
}

impl Reader {
    fn is_over(&self) -> bool {
        self.health.stop.load(Ordering::SeqCst)
    }

    /// Hands on what comes until the program stops, nobody takes it, or the log is not what it was.
    fn run<R>(&self, mut tail: Box<dyn Follow<R>>, what: &str, hand_on: impl Fn(Vec<Arc<R>>) -> bool) {
        let mut is_failing = false;
        while !self.is_over() {
            match tail.next(PATIENCE) {
                Ok(records) => {
                    if std::mem::take(&mut is_failing) {
                        tracing::info!(what, "it can be read again");
                    }
                    if !records.is_empty() && !hand_on(records) {
                        return;
                    }
                }
                // A cluster that is away comes back.
                Err(error @ ReadError::Failed { .. }) if self.is_shared => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(what, %error, "it cannot be read, trying again each second");
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(error) => {
                    // Nobody takes it when the program stops.
                    let _ = self.sender.send(Arrival::Failed(error));
                    return;
                }
            }
        }
    }
}
