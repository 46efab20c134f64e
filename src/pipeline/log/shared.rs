//! The log on a NATS cluster, which several instances write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Log;
use crate::domain::partition::PARTITIONS;
use crate::domain::time::Timestamp;
use crate::engine::input::{Digest, Input};
use crate::journal::jetstream::JetStreamStore;
use crate::journal::snapshot::{Snapshot, Snapshots as _};
use crate::journal::{AppendError, Appended, Follow, Journal as _, Of, ReadError, Record};
use crate::outbox::jetstream::JetStreamOutbox;
use crate::outbox::{CommitError, Decided, Outbox as _, OutboxHead, OutboxRecord};

/// Streams in use.
pub struct SharedLog {
    store: JetStreamStore,
    outbox: JetStreamOutbox,
    is_full: Arc<AtomicBool>,
}

impl SharedLog {
    /// The log of a store, written in the name of `owner`, which no other instance may have.
    pub fn new(store: JetStreamStore, owner: &str) -> Self {
        Self { outbox: JetStreamOutbox::new(store.clone(), owner), store, is_full: Arc::default() }
    }
}

impl Log for SharedLog {
    fn append(&self, partition: u16, input: Input) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let (store, is_full) = (self.store.clone(), self.is_full.clone());
        async move {
            let appended = store.append(partition, input).await;
            is_full.store(matches!(appended, Err(AppendError::Full { .. })), Ordering::Relaxed);
            appended
        }
        .boxed()
    }

    fn append_blocking(&self, partition: u16, input: Input) -> Result<Appended, AppendError> {
        self.store.wait(self.append(partition, input))
    }

    fn records_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        self.store.read_after(after, bytes_max)
    }

    fn record(&self, seq: u64) -> Result<Option<Record>, ReadError> {
        self.store.wait(self.store.record(seq))
    }

    fn next_of(&self, partition: u16, after: u64) -> Result<Option<u64>, ReadError> {
        self.store.wait(self.store.next_of(partition, after))
    }

    fn follow(&self, after: u64) -> Box<dyn Follow<Record>> {
        Box::new(self.store.follow(Of::All, after))
    }

    fn decisions_after(&self, after: u64, bytes_max: usize) -> Result<Vec<OutboxRecord>, ReadError> {
        self.outbox.read_after(after, bytes_max)
    }

    fn follow_decisions(&self, after: u64) -> Box<dyn Follow<OutboxRecord>> {
        Box::new(self.outbox.follow(after))
    }

    fn head(&self, partition: u16) -> Result<OutboxHead, ReadError> {
        self.outbox.head(partition)
    }

    fn claim(&self, partition: u16) -> Result<OutboxHead, CommitError> {
        self.store.wait(self.outbox.claim(partition))
    }

    fn commit(&self, partition: u16, behind: u64, decided: Vec<Decided>) -> Result<OutboxHead, CommitError> {
        self.store.wait(self.outbox.commit(partition, behind, decided))
    }

    fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), AppendError> {
        self.store.wait(self.store.put_snapshot(snapshot))
    }

    fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, ReadError> {
        self.store.latest_snapshot(partition)
    }

    fn kept_snapshots(&self) -> Result<BTreeMap<u16, Vec<u64>>, ReadError> {
        self.store.wait(async {
            let mut all = BTreeMap::new();
            for partition in 0..PARTITIONS {
                if let Some((_, pointer)) = self.store.pointer(partition).await? {
                    all.insert(partition, pointer.kept.iter().rev().map(|sealed| sealed.journal_seq).collect());
                }
            }
            Ok(all)
        })
    }

    fn put_text(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Digest, AppendError>> {
        let store = self.store.clone();
        async move { store.put_text(bytes).await }.boxed()
    }

    fn text(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ReadError> {
        self.store.wait(self.store.text(digest))
    }

    fn oldest(&self) -> Result<u64, ReadError> {
        self.store.wait(self.store.oldest())
    }

    fn tidy(&self, before: Timestamp) -> Result<bool> {
        self.store.wait(self.outbox.trim(before))?;
        Ok(false)
    }

    fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    fn is_shared(&self) -> bool {
        true
    }
}
