//! From the outbox to the receivers, and their answers into the journal.
//!
//! What the outbox commits is handed to `delivery`; how each notice ended is appended to the journal and comes back
//! here as a record. Between the two a notice is pending: after a restart it is sent again, with the same key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::FutureExt as _;
use futures::future::join_all;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use super::partition_of;
use crate::clock::Clock;
use crate::delivery::pending::{Pending, Place};
use crate::delivery::settings::Ready;
use crate::delivery::{Delivery, Report};
use crate::domain::ids::ReceiverId;
use crate::engine::effect::{Effect, Notice};
use crate::engine::input::{Delivered, Input};
use crate::journal::sqlite::Store;
use crate::journal::{AppendError, Journal, ReadError, Record};
use crate::outbox::Outbox;
use crate::outbox::sqlite::SqliteOutbox;

/// Results that are appended at once.
const RESULTS_AT_ONCE: usize = 64;

/// Keeps the account of notices and hands them out.
pub struct Courier {
    pending: Mutex<Pending>,
    delivery: OnceLock<Delivery>,
    outbox: SqliteOutbox,
}

impl Courier {
    /// A courier that hands nothing out until `start`.
    pub fn new(outbox: SqliteOutbox) -> Self {
        Self { pending: Mutex::default(), delivery: OnceLock::new(), outbox }
    }

    /// Takes in the end of a notice, when the record is one; a second time changes nothing.
    pub fn ended(&self, record: &Record) {
        if let Input::Delivered(delivered) = &*record.input {
            self.lock().ended(delivered, record.stamp);
        }
    }

    /// Takes in one decided record, in journal order.
    pub fn committed(&self, record: &Record, outbox_seq: u64, effects: &[Effect]) {
        self.ended(record);
        let fresh = self.lock().committed(outbox_seq, effects);
        let Some(delivery) = self.delivery.get() else { return };
        for notice in fresh {
            delivery.notify(notice.clone());
        }
    }

    /// Begins to hand out, on the current runtime: first what waits from before.
    ///
    /// # Errors
    /// When a notice that waits cannot be read.
    pub fn start(&self, ready: BTreeMap<ReceiverId, Ready>, clock: &Clock, store: Store) -> Result<()> {
        let delivery = Delivery::start(ready, clock, recorder(store));
        for place in self.lock().places() {
            match self.notice(place) {
                Ok(notice) => delivery
                    .notify(notice.with_context(|| format!("outbox record {} has no notice", place.outbox_seq))?),
                Err(ReadError::Gone { .. }) => {
                    tracing::error!(outbox_seq = place.outbox_seq, "a notice is too old to be read, it is not sent");
                    self.lock().lose(place);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.delivery.set(delivery).is_err() {
            anyhow::bail!("the delivery was started before");
        }
        Ok(())
    }

    /// The notice that was committed at a place.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub fn notice(&self, place: Place) -> Result<Option<Notice>, ReadError> {
        let records = Outbox::read_after(&self.outbox, place.outbox_seq.saturating_sub(1), 1)?;
        let record = records.into_iter().next().filter(|record| record.seq == place.outbox_seq);
        Ok(match record.as_ref().and_then(|record| record.effects.get(place.index as usize)) {
            Some(Effect::Notify { notice }) => Some(Notice::clone(notice)),
            Some(
                Effect::Verdict { .. }
                | Effect::Alert { .. }
                | Effect::Incident { .. }
                | Effect::Timeline { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. },
            )
            | None => None,
        })
    }

    /// The account, to be looked at.
    pub fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("nobody panics while holding it")
    }

    /// The running delivery; none before `start`.
    pub fn delivery(&self) -> Option<&Delivery> {
        self.delivery.get()
    }

    /// Sends nothing more, and waits for what is under way.
    pub async fn close(&self, patience: Duration) {
        if let Some(delivery) = self.delivery.get() {
            delivery.close(patience).await;
        }
    }
}

/// A result and who waits for it to be on record.
type Result_ = (Delivered, oneshot::Sender<()>);

/// Appends results to the journal, in the order in which they are reported.
fn recorder(store: Store) -> Report {
    let (sender, results) = unbounded_channel::<Result_>();
    tokio::spawn(record(store, results));
    Arc::new(move |delivered| {
        let (stored, wait) = oneshot::channel();
        // When the recorder has ended, the journal has stopped: the notice stays pending.
        let _ = sender.send((delivered, stored));
        wait.map(drop).boxed()
    })
}

async fn record(store: Store, mut results: UnboundedReceiver<Result_>) {
    let mut waiting: Vec<Result_> = Vec::new();
    loop {
        if waiting.is_empty() && results.recv_many(&mut waiting, RESULTS_AT_ONCE).await == 0 {
            return;
        }
        let appends = waiting
            .iter()
            .map(|(delivered, _)| store.append(partition_of(&delivered.tenant), Input::Delivered(delivered.clone())));
        let outcomes = join_all(appends).await;
        let mut pause = None;
        let mut again = Vec::new();
        for ((delivered, stored), outcome) in std::mem::take(&mut waiting).into_iter().zip(outcomes) {
            match outcome {
                // Nobody waits for a notice that was given up at once.
                Ok(_) => drop(stored.send(())),
                Err(AppendError::TryLater { wait } | AppendError::Full { wait } | AppendError::Unsure { wait }) => {
                    pause = Some(wait);
                    again.push((delivered, stored));
                }
                Err(error @ (AppendError::Unfit { .. } | AppendError::Halted { .. })) => {
                    tracing::error!(%error, "the end of a notice is not on record: it is sent again after the next start");
                }
            }
        }
        waiting = again;
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}
