//! The log in one file on this machine, which nobody else can open meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Log;
use crate::domain::time::Timestamp;
use crate::engine::input::{Digest, Input};
use crate::journal::snapshot::{Snapshot, Snapshots as _};
use crate::journal::sqlite::Store;
use crate::journal::{AppendError, Appended, Follow, Journal as _, Of, ReadError, Record};
use crate::outbox::sqlite::SqliteOutbox;
use crate::outbox::{CommitError, Decided, Outbox as _, OutboxHead, OutboxRecord};

/// An open file.
pub struct FileLog {
    store: Store,
    outbox: SqliteOutbox,
}

impl FileLog {
    /// The log of a store.
    pub fn new(store: Store) -> Self {
        Self { outbox: SqliteOutbox::new(store.clone()), store }
    }
}

impl Log for FileLog {
    fn append(&self, partition: u16, input: Input) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let store = self.store.clone();
        async move { store.append(partition, input).await }.boxed()
    }

    fn append_blocking(&self, partition: u16, input: Input) -> Result<Appended, AppendError> {
        self.store.append_blocking(partition, input)
    }

    fn records_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        self.store.read_after(after, bytes_max)
    }

    fn record(&self, seq: u64) -> Result<Option<Record>, ReadError> {
        match self.store.read_after(seq.saturating_sub(1), 1) {
            Ok(records) => Ok(records.into_iter().next().filter(|record| record.seq == seq)),
            Err(ReadError::Gone { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn next_of(&self, partition: u16, after: u64) -> Result<Option<u64>, ReadError> {
        Ok(self.store.read_partition(partition, after, 1)?.first().map(|record| record.seq))
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
        futures::executor::block_on(self.outbox.claim(partition))
    }

    fn commit(&self, partition: u16, behind: u64, decided: Vec<Decided>) -> Result<OutboxHead, CommitError> {
        self.outbox.commit_blocking(partition, behind, decided)
    }

    fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), AppendError> {
        futures::executor::block_on(self.store.put_snapshot(snapshot))
    }

    fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, ReadError> {
        self.store.latest_snapshot(partition)
    }

    fn kept_snapshots(&self) -> Result<BTreeMap<u16, Vec<u64>>, ReadError> {
        self.store.kept_snapshots()
    }

    fn put_text(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Digest, AppendError>> {
        let store = self.store.clone();
        async move { store.put_blob(bytes).await }.boxed()
    }

    fn text(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ReadError> {
        self.store.blob(digest)
    }

    fn oldest(&self) -> Result<u64, ReadError> {
        self.store.oldest()
    }

    fn tidy(&self, before: Timestamp) -> Result<bool> {
        let moved = self.store.move_to_archive()?;
        let expired = self.store.expire_archive(before)?;
        Ok(!moved.is_nothing() || !expired.is_nothing())
    }

    fn is_full(&self) -> bool {
        self.store.gauge().is_full()
    }

    fn halted(&self) -> Option<Arc<str>> {
        self.store.gauge().halted()
    }

    fn is_shared(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Durability;
    use crate::journal::sqlite::OpenOptions;
    use crate::pipeline::log::AnyLog;
    use crate::pipeline::log::promises::{Site, all_promises};

    struct OneFile(tempfile::TempDir);

    impl Site for OneFile {
        fn open(&mut self, before: Option<AnyLog>) -> AnyLog {
            drop(before);
            let options = OpenOptions {
                durability: Durability::Process,
                ballast_bytes: 0,
                ..OpenOptions::new(crate::clock::machine())
            };
            Arc::new(FileLog::new(Store::open(self.0.path(), options).unwrap()))
        }

        fn take_over(&mut self) -> AnyLog {
            std::fs::remove_file(self.0.path().join("headwater.lock")).unwrap();
            self.open(None)
        }

        fn now(&self) -> Timestamp {
            crate::clock::machine()()
        }

        fn wait<T>(&self, future: impl Future<Output = T>) -> T {
            futures::executor::block_on(future)
        }
    }

    #[test]
    fn one_file_keeps_the_promises() {
        all_promises(OneFile(tempfile::tempdir().unwrap()));
    }
}
