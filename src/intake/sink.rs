//! Where accepted events go. The pipeline stands behind it; tests put a list there.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::engine::input::{Batch, Command};

/// Keeps for good what comes in.
pub trait Sink: Send + Sync {
    /// Returns once the batch is durable. When the future is dropped before, the batch may or may not be kept.
    fn accept(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, SinkError>>;

    /// The same for an order of a source.
    fn order(&self, command: Command) -> BoxFuture<'_, Result<(), SinkError>>;
}

/// A batch that is durable. Its event `n` has the reference `e<seq>.<first + n>`; dead letters count on after the
/// events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The journal sequence of its record.
    pub seq: u64,
    /// Its first event's index within the record.
    pub first: u32,
}

/// Why a batch was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Nothing of it was kept: the sender may send it again then.
    #[error("busy, try again in {wait:?}")]
    TryLater { wait: Duration },
    /// It cannot be said whether it was kept: the sender should send it again; a repeat is recognised.
    #[error("the journal failed: {0}")]
    Failed(String),
}
