//! The engine's state as of one journal record: where recovery starts.

use std::future::Future;

use super::packed::Pieces;
use super::{AppendError, Damage, ReadError};

/// A stored state of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The partition.
    pub partition: u16,
    /// The last journal record that is part of the state.
    pub journal_seq: u64,
    /// The partition's last outbox record at that point.
    pub outbox_seq: u64,
    /// The version of the body's format.
    pub format: u32,
    /// The state, packed while it was written: a large one is never whole in memory.
    pub body: Pieces,
}

impl Snapshot {
    /// The state's text.
    ///
    /// # Errors
    /// When its pieces are damaged.
    pub fn state(self) -> Result<Vec<u8>, ReadError> {
        let place = format!("the snapshot of partition {} up to record {}", self.partition, self.journal_seq);
        let damage = |found| Damage { place, found, remedy: "stop, and restore the last backup" };
        self.body.into_text().map_err(|why| damage(format!("a piece {why}")).into())
    }
}

/// Where snapshots are kept: the newest two of each partition.
pub trait Snapshots: Send + Sync {
    /// Stores a snapshot, reads it back, and drops those beyond the newest two.
    fn put_snapshot(&self, snapshot: Snapshot) -> impl Future<Output = Result<(), AppendError>> + Send;

    /// The newest snapshot of the partition that is intact; `None` when there is none at all.
    ///
    /// # Errors
    /// When there are snapshots and all of them are damaged, or the file cannot be read.
    fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, ReadError>;
}
