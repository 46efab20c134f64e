//! Following the journal: records as they come, in order and without a gap.

use std::sync::Arc;
use std::time::Duration;

use super::read::record;
use super::{JetStreamStore, unread};
use crate::journal::{Follow, Of, ReadError, Record};
use crate::nats::pull::Puller;

/// A follower of one partition's journal, or of all.
pub struct Tail {
    store: JetStreamStore,
    of: Of,
    seen: u64,
    puller: Option<Puller>,
    rebuilt: u64,
}

impl Tail {
    /// Follows from the record behind `after`.
    pub fn new(store: JetStreamStore, of: Of, after: u64) -> Self {
        Self { store, of, seen: after, puller: None, rebuilt: 0 }
    }

    async fn read(&mut self, patience: Duration) -> Result<Vec<Arc<Record>>, ReadError> {
        let (stream, filter) = (self.store.stream("journal"), self.store.journal_filter(self.of));
        let mut puller = match self.puller.take() {
            Some(puller) => puller,
            None => {
                self.store.whole_behind(self.of, self.seen).await?;
                Puller::new(self.store.nats().clone(), &stream, &filter, self.seen)
            }
        };
        let read = puller.next(patience).await.map_err(|error| unread(&filter, error))?;
        if puller.rebuilt() > self.rebuilt {
            // The reading began anew: the stream may be another one now, or shorter.
            self.store.whole_behind(self.of, self.seen).await?;
            self.rebuilt = puller.rebuilt();
        }
        let records: Vec<_> =
            read.iter().map(|read| record(&self.store, &stream, read).map(Arc::new)).collect::<Result<_, _>>()?;
        self.seen = records.last().map_or(self.seen, |last| last.seq);
        self.puller = Some(puller);
        Ok(records)
    }
}

impl Follow<Record> for Tail {
    fn seen(&self) -> u64 {
        self.seen
    }

    fn next(&mut self, patience: Duration) -> Result<Vec<Arc<Record>>, ReadError> {
        let store = self.store.clone();
        let outcome = store.wait(self.read(patience));
        if outcome.is_err() {
            (self.puller, self.rebuilt) = (None, 0);
        }
        outcome
    }
}
