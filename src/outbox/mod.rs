//! The promise: what the engine decided, committed before anybody acts on it.
//!
//! Every journal record is decided by exactly one outbox record, also when the decision is to do nothing: so the
//! last outbox record of a partition says how far its engine has come, and no record can be passed over unseen.
//! A record's hash covers the hash of the partition's record before it, the journal record and the effects, but not
//! the epoch: whoever decides again gets the same hash, or has decided otherwise.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::engine::effect::{Effect, OUTBOX_FORMAT};
use crate::journal::digest::ChainHash;
use crate::journal::packed::{PACKED, pack_written, unpack, with_text};
use crate::journal::{Follow, ReadError};

pub mod jetstream;
pub mod sqlite;

const _: () = assert!(OUTBOX_FORMAT == PACKED as u32, "the first byte says the format");

/// What was decided about one journal record.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRecord {
    /// Its place among those of all partitions: growing, from 1. Records that were committed together may share it.
    pub seq: u64,
    /// The partition.
    pub partition: u16,
    /// The journal record that was decided.
    pub journal_seq: u64,
    /// The opening of the store, or the claim of the partition, under which it was committed.
    pub epoch: u64,
    /// What follows, in order; may be nothing.
    pub effects: Arc<Vec<Effect>>,
    /// The hash of the partition's record before this one.
    pub prev_hash: ChainHash,
    /// The hash of this one.
    pub hash: ChainHash,
    /// The stored form of the effects.
    pub body: Bytes,
}

/// The end of one partition's outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxHead {
    /// The last record or claim; 0 when there is none.
    pub seq: u64,
    /// The last journal record that is decided; 0 when there is none.
    pub journal_seq: u64,
    /// The last record's hash.
    pub hash: ChainHash,
}

impl OutboxHead {
    /// The end of an outbox that has nothing yet.
    pub fn start(partition: u16) -> Self {
        Self { seq: 0, journal_seq: 0, hash: ChainHash::outbox_start(partition) }
    }
}

/// A decision to commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The journal record that was decided: the one behind the last decided one of the partition.
    pub journal_seq: u64,
    /// What follows, in order; shared, because the one who decides shows it when it is committed.
    pub effects: Arc<Vec<Effect>>,
}

/// Why a decision was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Somebody else has decided, or a record would be decided twice or passed over: drop the engine's state.
    #[error("the decision is refused: {why}")]
    Fenced {
        /// What does not fit.
        why: String,
    },
    /// No space, or no answer: commit the same again after `wait`. If it is stored after all, that is recognised.
    #[error("the outbox cannot take it now (is its disk full?); try again in {wait:?}")]
    TryLater {
        /// How long to wait, at least.
        wait: Duration,
    },
    /// The store has stopped; whether the decision is stored is told by the head after a restart.
    #[error("the outbox has stopped ({why}); restart the program")]
    Halted {
        /// The first failure.
        why: Arc<str>,
    },
}

/// Deciding a journal record again gave something else than what was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journal record {journal_seq} was decided with hash {stored}, deciding it again gives {computed}")]
pub struct Divergence {
    /// The journal record.
    pub journal_seq: u64,
    /// What was committed.
    pub stored: ChainHash,
    /// What was computed now.
    pub computed: ChainHash,
}

impl OutboxRecord {
    /// Compares `effects`, decided again, with what was committed.
    ///
    /// # Errors
    /// When they differ.
    pub fn verify(&self, effects: &[Effect]) -> Result<(), Divergence> {
        let computed = decision_hash(&self.prev_hash, self.journal_seq, &effects_text(effects));
        if computed == self.hash {
            return Ok(());
        }
        Err(Divergence { journal_seq: self.journal_seq, stored: self.hash, computed })
    }
}

/// The hash of a decision.
pub fn decision_hash(prev: &ChainHash, journal_seq: u64, effects: &[u8]) -> ChainHash {
    ChainHash::of(&[&prev.0, &journal_seq.to_be_bytes(), effects])
}

/// The JSON of effects, over which the hash is made.
pub fn effects_text(effects: &[Effect]) -> Vec<u8> {
    serde_json::to_vec(effects).expect("effects have text keys only, so they can be written as JSON")
}

/// The stored form of a decision's effects: one byte that says the format's version, then the JSON, packed.
pub fn encode(effects: &[Effect]) -> Bytes {
    let written = pack_written(|text| serde_json::to_writer(text, effects));
    written.expect("effects have text keys only, so they can be written as JSON").into()
}

/// The JSON in a stored form, of this format or the one before.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn text_of(body: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    unpack(body)
}

/// Reads what `encode` wrote, and what it wrote in the format before.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn decode(body: &[u8]) -> Result<Vec<Effect>, String> {
    with_text(body, |text| serde_json::from_slice(text))?.map_err(|error| format!("is unreadable: {error}"))
}

/// A durable log of decisions with one writer per partition.
pub trait Outbox: Send + Sync {
    /// Makes the caller the partition's only writer: whoever was it before is refused from now on. Returns the head
    /// behind which the first commit goes.
    fn claim(&self, partition: u16) -> impl Future<Output = Result<OutboxHead, CommitError>> + Send;

    /// Commits decisions about consecutive records of a partition, all or none; resolves when they are durable,
    /// with the partition's new head. `expected_last_seq` is the partition's last outbox record as the caller
    /// knows it (0 for none).
    fn commit(
        &self,
        partition: u16,
        expected_last_seq: u64,
        decided: Vec<Decided>,
    ) -> impl Future<Output = Result<OutboxHead, CommitError>> + Send;

    /// Reads records of all partitions behind `after` in order: at least one when there is one, and no more than
    /// needed to exceed `bytes_max`. Blocks on the disk.
    ///
    /// # Errors
    /// When a record is damaged, gone or unreadable.
    fn read_after(&self, after: u64, bytes_max: usize) -> Result<Vec<OutboxRecord>, ReadError>;

    /// Follows the outbox of all partitions from the record behind `after`.
    fn follow(&self, after: u64) -> impl Follow<OutboxRecord> + 'static;

    /// The end of a partition.
    ///
    /// # Errors
    /// When it is unreadable.
    fn head(&self, partition: u16) -> Result<OutboxHead, ReadError>;
}

#[cfg(test)]
mod tests;
