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
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Reads the journal behind `record`, and the outbox behind `decision` when others write it, too.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(log: &AnyLog, health: &Arc<Health>, record: u64, decision: u64) -> std::io::Result<Self> {
        let (sender, arrivals) = sync_channel(AHEAD_MAX);
        let read = Arc::new(AtomicU64::new(record));
        let mut threads = Vec::new();
        let journal = Reader { health: health.clone(), sender: sender.clone(), is_shared: log.is_shared() };
        let (tail, end) = (log.follow(record), read.clone());
        threads.push(std::thread::Builder::new().name("journal-read".into()).spawn(move || {
            journal.run(tail, "journal", |records| {
                let last = records.last().map_or(0, |last| last.seq);
                let sent = journal.sender.send(Arrival::Records(records)).is_ok();
                end.store(last, Ordering::SeqCst);
                sent
            });
        })?);
        if log.is_shared() {
            let outbox = Reader { health: health.clone(), sender, is_shared: true };
            let tail = log.follow_decisions(decision);
            threads.push(std::thread::Builder::new().name("outbox-read".into()).spawn(move || {
                outbox.run(tail, "outbox", |decisions| {
                    let about = decisions.iter().map(|decision| decision.journal_seq).max().unwrap_or(0);
                    while read.load(Ordering::SeqCst) < about {
                        if outbox.is_over() {
                            return false;
                        }
                        std::thread::sleep(SOON);
                    }
                    outbox.sender.send(Arrival::Decisions(decisions)).is_ok()
                });
            })?);
        }
        Ok(Self { arrivals, threads })
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
