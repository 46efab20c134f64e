//! What the pipeline stands on: journal, outbox, snapshots and texts, in one file or on a NATS cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use futures::future::BoxFuture;

use crate::domain::time::Timestamp;
use crate::engine::input::{Digest, Input};
use crate::journal::snapshot::Snapshot;
use crate::journal::{AppendError, Appended, Follow, ReadError, Record};
use crate::outbox::{CommitError, Decided, OutboxHead, OutboxRecord};

pub mod file;
#[cfg(test)]
pub mod promises;
pub mod shared;

/// A log in use. Calls that do not return a future block.
pub trait Log: Send + Sync {
    /// Writes `input` at the end of a partition's journal; resolves when it is durable.
    fn append(&self, partition: u16, input: Input) -> BoxFuture<'static, Result<Appended, AppendError>>;

    /// Does the same; blocks.
    ///
    /// # Errors
    /// When the input is not taken.
    fn append_blocking(&self, partition: u16, input: Input) -> Result<Appended, AppendError>;

    /// Reads journal records of all partitions behind `after`, in order.
    ///
    /// # Errors
    /// When a record is damaged, gone or unreadable.
    fn records_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError>;

    /// One journal record; `None` when it is kept no longer.
    ///
    /// # Errors
    /// When it is damaged or unreadable.
    fn record(&self, seq: u64) -> Result<Option<Record>, ReadError>;

    /// The first journal record of a partition behind `after`; `None` when there is none.
    ///
    /// # Errors
    /// When that is unreadable.
    fn next_of(&self, partition: u16, after: u64) -> Result<Option<u64>, ReadError>;

    /// Follows the journal of all partitions from the record behind `after`.
    fn follow(&self, after: u64) -> Box<dyn Follow<Record>>;

    /// Reads outbox records of all partitions behind `after`, in order. Those that were committed together and share a
    /// sequence come together.
    ///
    /// # Errors
    /// When a record is damaged, gone or unreadable.
    fn decisions_after(&self, after: u64, bytes_max: usize) -> Result<Vec<OutboxRecord>, ReadError>;

    /// Follows the outbox of all partitions from the record behind `after`.
    fn follow_decisions(&self, after: u64) -> Box<dyn Follow<OutboxRecord>>;

    /// The end of a partition's outbox.
    ///
    /// # Errors
    /// When it is unreadable.
    fn head(&self, partition: u16) -> Result<OutboxHead, ReadError>;

    /// Makes the caller the partition's only writer; returns the head behind which its first commit goes.
    ///
    /// # Errors
    /// When the log has stopped, does not answer, or is not what it was.
    fn claim(&self, partition: u16) -> Result<OutboxHead, CommitError>;

    /// Commits decisions behind the partition's last outbox record, all or none.
    ///
    /// # Errors
    /// When the decisions are refused or cannot be stored.
    fn commit(&self, partition: u16, behind: u64, decided: Vec<Decided>) -> Result<OutboxHead, CommitError>;

    /// Stores a snapshot, reads it back, and drops those beyond the newest two.
    ///
    /// # Errors
    /// When it cannot be stored; the older ones stay.
    fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), AppendError>;

    /// The newest snapshot of the partition that is intact; `None` when there is none at all.
    ///
    /// # Errors
    /// When there are snapshots and all of them are damaged or unreadable.
    fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, ReadError>;

    /// Up to which journal record the kept snapshots of each partition go, oldest first.
    ///
    /// # Errors
    /// When that is unreadable.
    fn kept_snapshots(&self) -> Result<BTreeMap<u16, Vec<u64>>, ReadError>;

    /// Keeps a text under its digest; resolves when it is durable, so that an input may name it.
    fn put_text(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Digest, AppendError>>;

    /// Reads a text; `None` when it was never kept.
    ///
    /// # Errors
    /// When it is not what was written, or unreadable.
    fn text(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ReadError>;

    /// The last journal record that is kept no longer; 0 when all are.
    ///
    /// # Errors
    /// When that is unreadable.
    fn oldest(&self) -> Result<u64, ReadError>;

    /// Takes out some of what no start needs any more, and of what was stamped before `before`; whether there is more.
    ///
    /// # Errors
    /// When the log does not do it. What was done so far is safe.
    fn tidy(&self, before: Timestamp) -> Result<bool>;

    /// Whether input is refused because there is no room.
    fn is_full(&self) -> bool;

    /// Why nothing can be written any more until the program starts again; a log on servers never says so.
    fn halted(&self) -> Option<Arc<str>> {
        None
    }

    /// Whether others may write the same log: then what was committed is shown when it is read back, in the same order
    /// everywhere.
    fn is_shared(&self) -> bool;
}

/// A log that its users share.
pub type AnyLog = Arc<dyn Log>;
