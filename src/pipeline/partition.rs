//! One partition as the engine's thread keeps it, and when it is worth a snapshot.

use crate::engine::Engine;
use crate::engine::input::Input;
use crate::engine::snapshot::SNAPSHOT_FORMAT;
use crate::journal::snapshot::Snapshot;
use crate::outbox::OutboxHead;

/// An engine with its place in journal and outbox.
pub struct Partition {
    pub engine: Engine,
    pub head: OutboxHead,
    /// The last journal record in the engine's state.
    pub seq: u64,
    /// Events and records since the newest snapshot, and how long that is.
    pub since_snapshot: u64,
    pub snapshot_bytes: u64,
    /// Up to where the kept snapshots go, oldest first.
    pub kept: Vec<u64>,
}

impl Partition {
    /// An engine that has applied nothing.
    pub fn new(engine: Engine, head: OutboxHead) -> Self {
        Self { engine, head, seq: 0, since_snapshot: 0, snapshot_bytes: 0, kept: Vec::new() }
    }

    /// Whether a start would have to read or step through much. A large state is written less often: as many events
    /// as its snapshot has KiB lie between two. One of a quiet tenant is written too, when others have written as
    /// much (`applied` is the last record of all): nobody reads so far back for it, and old records can go.
    pub fn needs_snapshot(&self, every: u64, applied: u64) -> bool {
        let pause = if every == 1 { 1 } else { every.max(self.snapshot_bytes / 1024) };
        let older = if self.kept.len() < 2 { 0 } else { self.kept[0] };
        self.since_snapshot >= pause || (every > 1 && self.seq > older && applied - older >= pause)
    }

    /// The state as it is now.
    pub fn snapshot(&mut self, number: u16) -> Snapshot {
        let body = self.engine.freeze();
        (self.since_snapshot, self.snapshot_bytes) = (0, body.len() as u64);
        let (journal_seq, outbox_seq) = (self.seq, self.head.seq);
        self.kept.push(journal_seq);
        if self.kept.len() > 2 {
            self.kept.remove(0);
        }
        Snapshot { partition: number, journal_seq, outbox_seq, format: SNAPSHOT_FORMAT, body }
    }
}

/// What a record weighs: itself and its events.
pub fn weight(input: &Input) -> u64 {
    match input {
        Input::Batch(batch) => 1 + (batch.events.len() + batch.rejected.len()) as u64,
        Input::Command(_) | Input::Topology { .. } | Input::Policy { .. } | Input::Delivered(_) | Input::Tick => 1,
    }
}
