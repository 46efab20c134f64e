//! From a domain to its parent: events that deliveries append to another tenant's partition of the same journal.

use futures::FutureExt as _;

use super::log::AnyLog;
use crate::delivery::Attempt;
use crate::delivery::parent::Sink;
use crate::domain::partition::partition_of;
use crate::engine::input::Input;
use crate::journal::AppendError;

/// The way into the journal. What is not known to be stored is appended again: its id makes that harmless.
pub fn sink(log: &AnyLog) -> Sink {
    let log = log.clone();
    std::sync::Arc::new(move |batch| {
        let appending = log.append(partition_of(&batch.tenant), Input::Batch(batch));
        appending
            .map(|appended| match appended {
                Ok(_) => Attempt::Accepted,
                Err(
                    error
                    @ (AppendError::TryLater { wait } | AppendError::Full { wait } | AppendError::Unsure { wait }),
                ) => Attempt::TryLater { why: error.to_string(), wait: Some(wait) },
                Err(error @ AppendError::Halted { .. }) => Attempt::TryLater { why: error.to_string(), wait: None },
                Err(error @ AppendError::Unfit { .. }) => Attempt::Refused { why: error.to_string() },
            })
            .boxed()
    })
}
