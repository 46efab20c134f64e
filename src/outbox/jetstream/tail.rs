//! Following the outbox of all partitions: records as they are committed.

use std::sync::Arc;
use std::time::Duration;

use super::JetStreamOutbox;
use super::reading::Assembler;
use crate::journal::jetstream::unread;
use crate::journal::{Follow, ReadError};
use crate::nats::pull::Puller;
use crate::outbox::OutboxRecord;

/// A follower of the outbox.
pub struct Tail {
    outbox: JetStreamOutbox,
    seen: u64,
    live: Option<(Puller, Assembler)>,
    rebuilt: u64,
}

impl Tail {
    /// Follows from the record behind `after`.
    pub fn new(outbox: JetStreamOutbox, after: u64) -> Self {
        Self { outbox, seen: after, live: None, rebuilt: 0 }
    }

    async fn read(&mut self, patience: Duration) -> Result<Vec<Arc<OutboxRecord>>, ReadError> {
        let store = self.outbox.store.clone();
        let (mut puller, mut assembler) = match self.live.take() {
            Some(live) => live,
            None => {
                self.outbox.whole_behind(self.seen).await?;
                let filter = store.subject("outbox.*");
                let puller = Puller::new(store.nats().clone(), &store.stream("outbox"), &filter, self.seen);
                (puller, Assembler::new(store.clone(), self.outbox.recent.clone()))
            }
        };
        let read = puller.next(patience).await.map_err(|error| unread("outbox", error))?;
        if puller.rebuilt() > self.rebuilt {
            self.outbox.whole_behind(self.seen).await?;
            self.rebuilt = puller.rebuilt();
        }
        let records = assembler.take(read).await?;
        self.seen = records.last().map_or(self.seen, |last| last.seq);
        self.live = Some((puller, assembler));
        Ok(records.into_iter().map(Arc::new).collect())
    }
}

impl Follow<OutboxRecord> for Tail {
    fn seen(&self) -> u64 {
        self.seen
    }

    fn next(&mut self, patience: Duration) -> Result<Vec<Arc<OutboxRecord>>, ReadError> {
        let store = self.outbox.store.clone();
        let outcome = store.wait(self.read(patience));
        if outcome.is_err() {
            (self.live, self.rebuilt) = (None, 0);
        }
        outcome
    }
}
