//! One partition as the engine's thread keeps it: the state, the records on their way through it, whose turn it is, and
//! when it is worth a snapshot.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use crate::engine::Engine;
use crate::engine::effect::Effect;
use crate::engine::input::Input;
use crate::engine::snapshot::SNAPSHOT_FORMAT;
use crate::journal::Record;
use crate::journal::packed::{Packer, Pieces};
use crate::journal::snapshot::Snapshot;
use crate::outbox::OutboxHead;

/// From here on a state is large.
const LARGE_BYTES: u64 = 2 * 1024 * 1024;
/// Events for which alone no large state is written: a start steps through them in one to two seconds.
const SPARED_MAX: u64 = 200_000;

/// A state goes to the thread that packs it in blocks, at most so many of them ahead.
const BLOCK_BYTES: usize = 64 * 1024;
const BLOCKS_AHEAD: usize = 16;

/// An engine with its place in journal and outbox.
pub struct Partition {
    pub engine: Engine,
    /// The last journal record in the engine's state.
    pub seq: u64,
    /// Up to where what was committed is shown.
    pub shown: OutboxHead,
    /// Records that were read and that engine or views lack, oldest first.
    pub waiting: VecDeque<Waiting>,
    /// What of them was decided here and is not shown: it weighs in memory.
    pub ahead: u64,
    pub turn: Turn,
    /// Not to be claimed before.
    pub claim_at: Option<Instant>,
    /// The last tick that was appended: while it is on its way no other one is needed.
    pub ticked: u64,
    /// Events and records since the newest snapshot, and how long that is.
    pub since_snapshot: u64,
    pub snapshot_bytes: u64,
    /// Up to where the kept snapshots go, oldest first.
    pub kept: Vec<u64>,
}

/// A record on its way.
pub struct Waiting {
    pub record: Arc<Record>,
    /// What follows from it, once the engine has stepped over it and while it is not shown.
    pub effects: Option<Arc<Vec<Effect>>>,
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Somebody else, or nobody.
    Others,
    /// This instance, once it has shown what was committed before its claim.
    Soon(OutboxHead),
    /// This instance; the next commit goes behind this record.
    Ours(OutboxHead),
}

impl Partition {
    /// An engine that has applied nothing.
    pub fn new(number: u16, engine: Engine) -> Self {
        Self {
            engine,
            seq: 0,
            shown: OutboxHead::start(number),
            waiting: VecDeque::new(),
            ahead: 0,
            turn: Turn::Others,
            claim_at: None,
            ticked: 0,
            since_snapshot: 0,
            snapshot_bytes: 0,
            kept: Vec::new(),
        }
    }

    /// The last record that both engine and views have.
    pub fn done(&self) -> u64 {
        self.seq.min(self.shown.journal_seq)
    }

    /// Takes a record that was read; one that is done, or waits already, is not needed.
    pub fn take(&mut self, record: &Arc<Record>) {
        let last = self.waiting.back().map_or(self.done(), |last| last.record.seq);
        if record.seq > last {
            self.waiting.push_back(Waiting { record: record.clone(), effects: None });
        }
    }

    /// The effects of a waiting record, kept until they are shown.
    pub fn keep(&mut self, place: usize, effects: Arc<Vec<Effect>>) {
        let waiting = &mut self.waiting[place];
        if waiting.effects.replace(effects).is_none() {
            self.ahead += weight(&waiting.record.input);
        }
    }

    /// Takes the oldest waiting record, if it is this one.
    pub fn take_first(&mut self, is_it: impl Fn(&Waiting) -> bool) -> Option<Waiting> {
        let first = self.waiting.pop_front_if(|first| is_it(first))?;
        if first.effects.is_some() {
            self.ahead -= weight(&first.record.input);
        }
        Some(first)
    }

    /// Events and records that were decided and committed here and are not shown yet.
    pub const fn unshown(&self) -> u64 {
        match self.turn {
            Turn::Ours(_) => self.ahead,
            Turn::Soon(_) | Turn::Others => 0,
        }
    }

    /// Whether anything ever came here.
    pub fn is_used(&self) -> bool {
        self.seq > 0 || self.shown.seq > 0 || !self.waiting.is_empty()
    }

    /// Whether a start would have to read or step through much. A large state is written less often. One of a quiet
    /// tenant is written too, when others have written as much (`applied` is the last record of all): nobody reads so
    /// far back for it, and old records can go.
    pub fn needs_snapshot(&self, every: u64, applied: u64) -> bool {
        let pause = every.max(large_pause(self.snapshot_bytes));
        let older = if self.kept.len() < 2 { 0 } else { self.kept[0] };
        self.since_snapshot >= pause || (self.seq > older && applied.saturating_sub(older) >= pause)
    }

    /// The state as it is now; none while it is ahead of what was committed, or while somebody else stores it.
    pub fn snapshot(&mut self, number: u16) -> Option<Snapshot> {
        let Turn::Ours(head) = self.turn else { return None };
        if head.journal_seq != self.seq {
            return None;
        }
        let body = packed(&self.engine);
        self.snapshot_bytes = body.text_bytes() as u64;
        let (journal_seq, outbox_seq) = (head.journal_seq, head.seq);
        Some(Snapshot { partition: number, journal_seq, outbox_seq, format: SNAPSHOT_FORMAT, body })
    }

    /// State or view were stored.
    pub fn stored(&mut self) {
        self.since_snapshot = 0;
        self.kept.push(self.seq);
        if self.kept.len() > 2 {
            self.kept.remove(0);
        }
    }
}

/// The engine's state, packed by a thread of its own while it is written.
fn packed(engine: &Engine) -> Pieces {
    std::thread::scope(|scope| {
        let (send, blocks) = sync_channel::<Vec<u8>>(BLOCKS_AHEAD);
        let packing = scope.spawn(move || {
            let mut packer = Packer::default();
            blocks.iter().for_each(|block| packer.write_all(&block).expect("memory takes what is written"));
            packer.into_pieces()
        });
        let mut writer = Blocks { block: Vec::with_capacity(BLOCK_BYTES), to: send };
        engine.freeze_into(&mut writer).and_then(|()| writer.flush()).expect("the thread takes all blocks");
        drop(writer);
        packing.join().expect("packing does not panic")
    })
}

/// Blocks of a text on their way to the thread that packs them.
struct Blocks {
    block: Vec<u8>,
    to: SyncSender<Vec<u8>>,
}

impl Write for Blocks {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.block.extend_from_slice(text);
        if self.block.len() >= BLOCK_BYTES {
            self.flush()?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES));
        self.to.send(block).map_err(io::Error::other)
    }
}

/// How many events lie between two snapshots of a large state: as many as it has KiB, or more while a start is a matter
/// of few seconds. To write a state costs as much as thousands of events.
fn large_pause(snapshot_bytes: u64) -> u64 {
    let spared = if snapshot_bytes < LARGE_BYTES { 0 } else { (snapshot_bytes / 256).min(SPARED_MAX) };
    spared.max(snapshot_bytes / 1024)
}

/// What a record weighs: itself and its events.
pub fn weight(input: &Input) -> u64 {
    match input {
        Input::Batch(batch) => 1 + (batch.events.len() + batch.rejected.len()) as u64,
        Input::Command(_)
        | Input::Topology { .. }
        | Input::Policy { .. }
        | Input::Model { .. }
        | Input::MetricModel { .. }
        | Input::Shadow { .. }
        | Input::Delivered(_)
        | Input::Tick => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_is_written_less_often() {
        let mib = |n: u64| large_pause(n * 1024 * 1024);
        assert_eq!(
            [mib(0), mib(1), mib(10), mib(48), mib(100), mib(500)],
            [0, 1024, 40_960, 196_608, 200_000, 512_000]
        );
    }
}
