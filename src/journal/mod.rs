//! The record: one ordered log of everything that can change a decision, and the only clock the engine knows.
//!
//! `sqlite` keeps it in one file on this machine, `jetstream` on a cluster of NATS servers. An append is answered when
//! the record is as durable as the configuration promises, and not before.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;
use crate::engine::input::Input;

pub mod body;
pub mod digest;
pub mod jetstream;
pub mod packed;
pub mod snapshot;
pub mod sqlite;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place among those of all partitions: growing, from 1. In one file it is gapless.
    pub seq: u64,
    /// The partition whose engine applies it.
    pub partition: u16,
    /// When it was stored. On a cluster a new leader's clock may be behind the former one's: the engine takes the maximum.
    pub stamp: Timestamp,
    /// What is applied.
    pub input: Arc<Input>,
    /// Its stored form.
    pub body: Bytes,
}

/// Where an accepted input stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The record's sequence.
    pub seq: u64,
}

/// What "accepted" survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Loss of power: the disk confirms every commit before the answer.
    #[default]
    Power,
    /// Any end of the process, but not of the machine.
    Process,
}

impl Durability {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Process => "process",
        }
    }
}

/// Why an input was not taken. Nothing of it is stored, except after `Unsure` and `Halted`, where it is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// More is waiting than the limits allow: try again after `wait`.
    #[error("the journal is busy; try again in {wait:?}")]
    TryLater {
        /// How long to wait, at least.
        wait: Duration,
    },
    /// No space: try again after `wait`, when somebody has made room.
    #[error("the disk of the journal is full; make room, then try again in {wait:?}")]
    Full {
        /// How long to wait, at least.
        wait: Duration,
    },
    /// No answer came: whether it is stored is not known. Append the same again; a repeat is recognised.
    #[error("the journal did not answer; try the same again in {wait:?}")]
    Unsure {
        /// How long to wait, at least.
        wait: Duration,
    },
    /// The input can never be stored.
    #[error("the input cannot be stored: {why}")]
    Unfit {
        /// What is wrong with it.
        why: String,
    },
    /// The store has stopped; only a restart of the program helps.
    #[error("the journal has stopped ({why}); restart the program")]
    Halted {
        /// The first failure.
        why: Arc<str>,
    },
}

/// What is wrong with the stored records, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is damaged: {found}; {remedy}")]
pub struct Damage {
    /// The file, and the record where one is known.
    pub place: String,
    /// What was found.
    pub found: String,
    /// What an operator does about it.
    pub remedy: &'static str,
}

/// Why stored records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The records are not what was written: halt, do what the remedy says.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The records asked for have passed their retention and are gone.
    #[error("records after {after} were asked for, the oldest kept one is {oldest}")]
    Gone {
        /// The sequence that was asked for.
        after: u64,
        /// The oldest sequence there is.
        oldest: u64,
    },
    /// The store has stopped; only a restart of the program helps.
    #[error("the journal has stopped ({why}); restart the program")]
    Halted {
        /// The first failure.
        why: Arc<str>,
    },
    /// The file could not be read; trying again may help.
    #[error("read {path}")]
    Failed {
        /// The file.
        path: String,
        /// What the system or the database says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Whose records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those of all partitions.
    All,
    /// Those of one.
    Partition(u16),
}

/// An ordered, durable log.
pub trait Journal: Send + Sync {
    /// Writes `input` at the end; resolves when it is durable.
    fn append(&self, partition: u16, input: Input) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// Reads records of all partitions behind `after` in order: at least one when there is one, and no more than needed
    /// to exceed `bytes_max`. Blocks on the store.
    ///
    /// # Errors
    /// When a record is damaged, gone or unreadable.
    fn read_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError>;

    /// Reads records of one partition in the same way. `after` is 0 or a record of this partition.
    ///
    /// # Errors
    /// When a record is damaged, gone or unreadable.
    fn read_partition(&self, partition: u16, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError>;

    /// Follows the log from the record behind `after`.
    fn follow(&self, of: Of, after: u64) -> impl Follow<Record> + 'static;
}

/// A follower of a log: each record once, in order, without a gap.
pub trait Follow<R>: Send {
    /// The last record that was handed out.
    fn seen(&self) -> u64;

    /// Waits for the next records; empty when there was none within `patience`. Blocks.
    ///
    /// # Errors
    /// When records are damaged, gone or unreadable. The next call goes on where this one ended.
    fn next(&mut self, patience: Duration) -> Result<Vec<Arc<R>>, ReadError>;
}
