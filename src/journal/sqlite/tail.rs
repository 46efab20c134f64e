//! Following a log: stored records first, then each new one straight from the writer, without a gap.
//!
//! A follower that is too slow is cut off from the writer, which never waits for it; it then reads on from the file
//! and is taken up again. So the queue is bounded and nothing is missed.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::Connection;

use super::fail::SqlResult;
use super::schema::Heads;
use super::writer::{Desk, Need, Setback, Task};
use crate::journal::{Follow, ReadError};

/// Records that wait for one follower before it is cut off.
const QUEUE_MAX: usize = 4096;

/// Bytes that wait for one follower before it is cut off.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that are read from the file at a time.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// The followers of one log, as the writer sees them.
#[derive(Debug)]
pub struct Tails<T> {
    queues: Mutex<Vec<Queue<T>>>,
}

/// The writer's end of a follower's queue.
#[derive(Debug)]
struct Queue<T> {
    sender: SyncSender<(Arc<T>, usize)>,
    bytes: Arc<AtomicUsize>,
}

impl<T> Queue<T> {
    fn push(&self, record: &Arc<T>, bytes: usize) -> bool {
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        waiting < QUEUE_BYTES_MAX && self.sender.try_send((Arc::clone(record), bytes)).is_ok()
    }
}

impl<T> Default for Tails<T> {
    fn default() -> Self {
        Self { queues: Mutex::default() }
    }
}

impl<T> Tails<T> {
    /// Hands a committed record of about `bytes` to every follower; cuts off those that are full or gone. Without a
    /// follower no record is made.
    pub fn push(&self, record: impl FnOnce() -> T, bytes: usize) {
        let mut queues = self.queues.lock().expect("no holder of the followers' lock panics");
        if !queues.is_empty() {
            let record = Arc::new(record());
            queues.retain(|queue| queue.push(&record, bytes));
        }
    }

    fn add(&self, queue: Queue<T>) {
        self.queues.lock().expect("no holder of the followers' lock panics").push(queue);
    }
}

/// A log that can be followed: how its records are read and numbered.
pub trait Followed: Send + Sync {
    /// Its records.
    type Record: Send + Sync + 'static;

    /// Reads records behind `after` in order.
    ///
    /// # Errors
    /// When they are damaged, gone or unreadable.
    fn read_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Self::Record>, ReadError>;

    /// The place of a record.
    fn seq(record: &Self::Record) -> u64;

    /// Its last record, when the writer looks.
    fn end(heads: &Heads) -> u64;

    /// Where its followers are kept.
    fn tails(&self) -> &Arc<Tails<Self::Record>>;

    /// The way to the writer.
    fn desk(&self) -> &Desk;
}

/// A follower of one log.
pub struct Tail<L: Followed> {
    log: L,
    seen: u64,
    live: Option<Live<L::Record>>,
}

struct Live<T> {
    queue: Receiver<(Arc<T>, usize)>,
    bytes: Arc<AtomicUsize>,
    /// The last record that was committed before this follower was taken up.
    from: u64,
}

impl<T> Live<T> {
    /// `first` and what waits behind it.
    fn take(&self, first: (Arc<T>, usize)) -> Vec<Arc<T>> {
        let all = std::iter::once(first).chain(self.queue.try_iter());
        all.map(|(record, bytes)| {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            record
        })
        .collect()
    }
}

impl<L: Followed> Tail<L> {
    /// Follows `log` from the record behind `after`.
    pub fn new(log: L, after: u64) -> Self {
        Self { log, seen: after, live: None }
    }

    /// Asks the writer to be handed new records; gives the last one before them.
    fn take_up(&mut self) -> Result<u64, ReadError> {
        if let Some(live) = &self.live {
            return Ok(live.from);
        }
        let (sender, queue) = sync_channel(QUEUE_MAX);
        let (reply, answer) = sync_channel(1);
        let tails = Arc::clone(self.log.tails());
        let bytes = Arc::<AtomicUsize>::default();
        let queue_end = Queue { sender, bytes: Arc::clone(&bytes) };
        let task = TakeUp { end: L::end, from: 0, queue: queue_end, tails, reply };
        self.log.desk().submit(Box::new(task));
        let from = match answer.recv() {
            Ok(Ok(from)) => from,
            Ok(Err(why)) => return Err(ReadError::Halted { why }),
            Err(_) => return Err(ReadError::Halted { why: "the writer thread is gone".into() }),
        };
        self.live = Some(Live { queue, bytes, from });
        Ok(from)
    }

    fn read_stored(&mut self) -> Result<Vec<Arc<L::Record>>, ReadError> {
        let mut records: Vec<_> = self.log.read_after(self.seen, READ_BYTES)?.into_iter().map(Arc::new).collect();
        self.advance(&mut records);
        Ok(records)
    }

    // The file may have been read further than where the queue begins: what was handed out already is left out.
    fn advance(&mut self, records: &mut Vec<Arc<L::Record>>) {
        records.retain(|record| L::seq(record) > self.seen);
        for record in records.iter() {
            assert_eq!(L::seq(record), self.seen + 1, "a log is followed without a gap");
            self.seen = L::seq(record);
        }
    }
}

impl<L: Followed + 'static> Follow<L::Record> for Tail<L> {
    fn seen(&self) -> u64 {
        self.seen
    }

    fn next(&mut self, patience: Duration) -> Result<Vec<Arc<L::Record>>, ReadError> {
        loop {
            let from = self.take_up()?;
            if self.seen < from {
                return self.read_stored();
            }
            let Some(live) = &self.live else { continue };
            let first = match live.queue.recv_timeout(patience) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => return Ok(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => {
                    self.live = None;
                    continue;
                }
            };
            let mut records = live.take(first);
            self.advance(&mut records);
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }
}

struct TakeUp<T> {
    end: fn(&Heads) -> u64,
    from: u64,
    queue: Queue<T>,
    tails: Arc<Tails<T>>,
    reply: SyncSender<Result<u64, Arc<str>>>,
}

impl<T: Send + Sync + 'static> Task for TakeUp<T> {
    fn weight(&self) -> usize {
        0
    }

    fn need(&self) -> Need {
        Need::Vital
    }

    fn apply(&mut self, _: &Connection, heads: &mut Heads) -> SqlResult<()> {
        self.from = (self.end)(heads);
        Ok(())
    }

    // Tasks are settled in the order in which they were applied, so the next record that is pushed is `from + 1`.
    fn settle(self: Box<Self>, outcome: Result<(), Setback>) {
        let answer = match outcome {
            Ok(()) => {
                self.tails.add(self.queue);
                Ok(self.from)
            }
            Err(Setback::Full) => Err("the disk is full".into()),
            Err(Setback::Fenced(why) | Setback::Halted(why)) => Err(why),
        };
        // A follower that is gone needs no answer.
        let _ = self.reply.send(answer);
    }
}
