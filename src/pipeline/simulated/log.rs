//! The simulated log as one instance uses it: the same promises as the others, kept and broken by the dice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rand::Rng;

use super::world::{ENDED, Frame, Planted, Sealed, World, misfit};
use crate::domain::time::Timestamp;
use crate::engine::input::{Digest, Input};
use crate::journal::snapshot::Snapshot;
use crate::journal::{AppendError, Appended, Damage, Follow, ReadError, Record};
use crate::outbox::{CommitError, Decided, OutboxHead, OutboxRecord};
use crate::pipeline::log::Log;

/// Records that are read at once when somebody starts.
const READ_AT_ONCE: usize = 7;

/// The world as its users share it.
pub type Shared = Arc<Mutex<World>>;

/// Nobody holds it while another one wants it, except for the moment of a call.
pub fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().expect("nobody panics while holding it")
}

/// A partition that was claimed.
#[derive(Clone, Copy)]
struct Owned {
    epoch: u64,
    head: OutboxHead,
}

/// The log in the hands of one instance, from its start to its end.
pub struct SimLog {
    world: Shared,
    owner: usize,
    opening: u64,
    owned: Mutex<BTreeMap<u16, Owned>>,
}

impl SimLog {
    pub fn open(world: &Shared, owner: usize) -> Self {
        let mut open = lock(world);
        open.openings += 1;
        Self { world: world.clone(), owner, opening: open.openings, owned: Mutex::default() }
    }

    fn own(&self, partition: u16, owned: Owned) {
        self.owned.lock().expect("nobody panics while holding it").insert(partition, owned);
    }

    fn owned(&self, partition: u16, behind: u64) -> Result<Owned, CommitError> {
        let owned = self.owned.lock().expect("nobody panics while holding it").get(&partition).copied();
        owned
            .filter(|owned| owned.head.seq == behind)
            .ok_or_else(|| CommitError::Fenced { why: format!("partition {partition} is not claimed at {behind}") })
    }

    /// What a refusal leaves: on a cluster the partition is to be claimed again; a file knows its only writer.
    fn disown(&self, partition: u16) {
        if !self.is_shared() {
            return;
        }
        self.owned.lock().expect("nobody panics while holding it").remove(&partition);
    }

    fn send(&self, frame: &Frame) -> Result<OutboxHead, CommitError> {
        let mut world = lock(&self.world);
        if !world.is_shared && self.opening != world.openings {
            return Err(CommitError::Fenced { why: "the log was opened again since".into() });
        }
        if let Some(why) = misfit(&world, frame) {
            return Err(CommitError::Fenced { why });
        }
        world.send(frame)
    }
}

impl Log for SimLog {
    fn append(&self, partition: u16, input: Input) -> BoxFuture<'static, Result<Appended, AppendError>> {
        std::future::ready(self.append_blocking(partition, input)).boxed()
    }

    fn append_blocking(&self, partition: u16, input: Input) -> Result<Appended, AppendError> {
        let mut world = lock(&self.world);
        // What the engine's thread cannot write to a file ends it; that is not what is looked for here.
        let is_rough = std::mem::replace(&mut world.is_rough, false);
        world.is_rough = is_rough && world.is_shared;
        let appended = world.append(partition, &input);
        world.is_rough = is_rough;
        appended.map(|seq| Appended { seq })
    }

    fn records_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let world = lock(&self.world);
        let (mut records, mut bytes) = (Vec::new(), 0);
        for record in world.journal.iter().skip(after as usize).take(READ_AT_ONCE) {
            records.push(Record::clone(record));
            bytes += record.body.len();
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(records)
    }

    fn record(&self, seq: u64) -> Result<Option<Record>, ReadError> {
        Ok(self.records_after(seq.saturating_sub(1), 1)?.into_iter().next().filter(|record| record.seq == seq))
    }

    fn next_of(&self, partition: u16, after: u64) -> Result<Option<u64>, ReadError> {
        let world = lock(&self.world);
        let mut behind = world.journal.iter().skip(after as usize);
        Ok(behind.find(|record| record.partition == partition).map(|record| record.seq))
    }

    fn follow(&self, after: u64) -> Box<dyn Follow<Record>> {
        Box::new(RecordTail { world: self.world.clone(), seen: after })
    }

    fn decisions_after(&self, after: u64, _bytes_max: usize) -> Result<Vec<OutboxRecord>, ReadError> {
        let world = lock(&self.world);
        let messages = world.outbox.iter().filter(|message| message.seq > after && !message.records.is_empty());
        let records = messages.take(READ_AT_ONCE).flat_map(|message| message.records.iter());
        Ok(records.filter(|record| record.seq > after).map(|record| OutboxRecord::clone(record)).collect())
    }

    fn follow_decisions(&self, after: u64) -> Box<dyn Follow<OutboxRecord>> {
        Box::new(DecisionTail { world: self.world.clone(), seen: after })
    }

    fn head(&self, partition: u16) -> Result<OutboxHead, ReadError> {
        Ok(lock(&self.world).head(partition))
    }

    fn claim(&self, partition: u16) -> Result<OutboxHead, CommitError> {
        let mut world = lock(&self.world);
        let before = world.head(partition);
        if !world.is_shared {
            self.own(partition, Owned { epoch: self.opening, head: before });
            return Ok(before);
        }
        let epoch = world.last(partition).map_or(0, |last| last.frame.epoch) + 1;
        let frame = Frame { partition, epoch, owner: self.owner, behind: before.seq, before, decided: Vec::new() };
        let head = world.send(&frame)?;
        self.own(partition, Owned { epoch, head });
        Ok(head)
    }

    fn commit(&self, partition: u16, behind: u64, decided: Vec<Decided>) -> Result<OutboxHead, CommitError> {
        let Owned { epoch, head } = self.owned(partition, behind)?;
        let frame = Frame { partition, epoch, owner: self.owner, behind, before: head, decided };
        let sent = self.send(&frame);
        match &sent {
            Ok(head) => self.own(partition, Owned { epoch, head: *head }),
            Err(CommitError::Fenced { .. } | CommitError::Halted { .. }) => self.disown(partition),
            Err(CommitError::TryLater { .. }) => {}
        }
        sent
    }

    fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), AppendError> {
        let mut world = lock(&self.world);
        let (partition, at) = (snapshot.partition, snapshot.journal_seq);
        if world.is_hit(10) {
            world.tell("snapshot refused", format_args!("{partition} at {at}"));
            return Err(AppendError::Halted { why: ENDED.into() });
        }
        let kept = world.snapshots.entry(partition).or_default();
        kept.push(Sealed { snapshot, is_torn: false });
        let too_many = kept.len().saturating_sub(2);
        kept.drain(..too_many);
        world.tell("snapshot", format_args!("{partition} at {at}"));
        Ok(())
    }

    fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, ReadError> {
        let world = lock(&self.world);
        let Some(kept) = world.snapshots.get(&partition) else { return Ok(None) };
        if let (Planted::MisplacedSnapshot, [older, newest]) = (world.planted, &kept[..]) {
            return Ok(Some(Snapshot { body: older.snapshot.body.clone(), ..newest.snapshot.clone() }));
        }
        let whole = kept.iter().rev().find(|sealed| !sealed.is_torn);
        whole.map(|sealed| Some(sealed.snapshot.clone())).ok_or_else(|| {
            let place = format!("the snapshots of partition {partition}");
            ReadError::Damaged(Damage { place, found: "all are torn".into(), remedy: "start from another seed" })
        })
    }

    fn kept_snapshots(&self) -> Result<BTreeMap<u16, Vec<u64>>, ReadError> {
        let world = lock(&self.world);
        let places = |kept: &Vec<Sealed>| kept.iter().map(|sealed| sealed.snapshot.journal_seq).collect();
        Ok(world.snapshots.iter().map(|(number, kept)| (*number, places(kept))).collect())
    }

    fn put_text(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Digest, AppendError>> {
        std::future::ready(Ok(lock(&self.world).keep_text(bytes))).boxed()
    }

    fn text(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(lock(&self.world).texts.get(digest).cloned())
    }

    fn oldest(&self) -> Result<u64, ReadError> {
        Ok(0)
    }

    fn tidy(&self, _before: Timestamp) -> Result<bool> {
        Ok(false)
    }

    fn is_full(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        lock(&self.world).is_shared
    }
}

/// The server is away for a moment.
fn away() -> ReadError {
    let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
    ReadError::Failed { path: "the simulated log".into(), source }
}

/// Follows the journal, a few records at a time.
struct RecordTail {
    world: Shared,
    seen: u64,
}

impl Follow<Record> for RecordTail {
    fn seen(&self) -> u64 {
        self.seen
    }

    fn next(&mut self, _patience: Duration) -> Result<Vec<Arc<Record>>, ReadError> {
        let mut world = lock(&self.world);
        if world.is_hit(3) {
            return Err(away());
        }
        let count = world.dice.gen_range(1..=6);
        let mut records: Vec<_> = world.journal.iter().skip(self.seen as usize).take(count).cloned().collect();
        self.seen += records.len() as u64;
        if world.planted == Planted::LostRecord && records.len() > 1 && world.is_hit(10) {
            records.remove(0);
        }
        Ok(records)
    }
}

/// Follows the outbox, a few messages at a time.
struct DecisionTail {
    world: Shared,
    seen: u64,
}

impl Follow<OutboxRecord> for DecisionTail {
    fn seen(&self) -> u64 {
        self.seen
    }

    fn next(&mut self, _patience: Duration) -> Result<Vec<Arc<OutboxRecord>>, ReadError> {
        let mut world = lock(&self.world);
        if world.is_hit(3) {
            return Err(away());
        }
        let count = world.dice.gen_range(1..=4);
        let behind = world.outbox.iter().filter(|message| message.seq > self.seen).take(count);
        let (mut records, mut seen) = (Vec::new(), self.seen);
        for message in behind {
            records.extend(message.records.iter().cloned());
            seen = message.seq;
        }
        self.seen = seen;
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::log::AnyLog;
    use crate::pipeline::log::promises::{Site, all_promises};

    /// A world in which nothing goes wrong.
    struct Calm(Shared);

    impl Calm {
        fn new(is_shared: bool) -> Self {
            let world = World { is_rough: false, ..World::new(1, is_shared, Planted::Nothing) };
            Self(Arc::new(Mutex::new(world)))
        }
    }

    impl Site for Calm {
        fn open(&mut self, before: Option<AnyLog>) -> AnyLog {
            drop(before);
            Arc::new(SimLog::open(&self.0, 1))
        }

        fn take_over(&mut self) -> AnyLog {
            Arc::new(SimLog::open(&self.0, 2))
        }

        fn now(&self) -> Timestamp {
            lock(&self.0).now
        }

        fn wait<T>(&self, future: impl Future<Output = T>) -> T {
            futures::executor::block_on(future)
        }
    }

    #[test]
    fn the_simulated_file_keeps_the_promises() {
        all_promises(Calm::new(false));
    }

    #[test]
    fn the_simulated_servers_keep_the_promises() {
        all_promises(Calm::new(true));
    }
}
