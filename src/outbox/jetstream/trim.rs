//! Removing from journal and outbox what no start needs any more, once it is old enough.

use std::collections::BTreeSet;

use super::JetStreamOutbox;
use crate::domain::time::Timestamp;
use crate::journal::ReadError;
use crate::journal::jetstream::snapshots::Trimmed;
use crate::journal::jetstream::unread;
use crate::nats::NatsError;
use crate::nats::streams::{Which, ask, look, purge_up_to, subjects};

impl JetStreamOutbox {
    /// Removes the records before `before` that are behind nobody's older snapshot: of each partition with records behind
    /// its older snapshot everything from there is kept, and of each partition its last outbox message (else a writer that
    /// expects none would be let in). A partition without two snapshots keeps everything. Returns what is removed by now.
    ///
    /// # Errors
    /// When the server does not do it: it can be called again at any time.
    pub async fn trim(&self, before: Timestamp) -> Result<Trimmed, ReadError> {
        let failed = |error: NatsError| unread("trim", error);
        let (place, was) = self.store.trimmed().await?;
        if !self.is_older("journal", was.journal_seq + 1, before).await.map_err(failed)? {
            return Ok(was);
        }
        let free = self.free().await?;
        let journal_seq = self.older("journal", was.journal_seq, free.journal_seq, before).await.map_err(failed)?;
        let outbox_seq = self.older("outbox", was.outbox_seq, free.outbox_seq, before).await.map_err(failed)?;
        let trimmed = Trimmed { journal_seq, outbox_seq };
        if trimmed != was {
            let marked = self.store.mark_trimmed(place, &trimmed).await;
            marked.map_err(|error| unread("trim", NatsError::away(error)))?;
        }
        // Also what was marked before and not removed, because somebody was killed in between.
        for (kind, seq) in [("journal", journal_seq), ("outbox", outbox_seq)] {
            purge_up_to(self.store.nats(), &self.store.stream(kind), seq).await.map_err(failed)?;
        }
        Ok(trimmed)
    }

    /// Up to where no start needs anything.
    async fn free(&self) -> Result<Trimmed, ReadError> {
        let failed = |error: NatsError| unread("trim", error);
        let nats = self.store.nats();
        let mut free = Trimmed { journal_seq: u64::MAX, outbox_seq: u64::MAX };
        for partition in self.used().await.map_err(failed)? {
            let Some((_, pointer)) = self.store.pointer(partition).await? else { return Ok(Trimmed::default()) };
            let (Some(older), Some(last)) = (pointer.kept.get(1), self.head_frame(partition).await?) else {
                return Ok(Trimmed::default());
            };
            let head = Self::head_of(partition, Some(&last));
            let subject = self.store.subject(format_args!("journal.{partition}"));
            let record = ask(nats, &self.store.stream("journal"), Which::Last(&subject)).await.map_err(failed)?;
            if record.is_some_and(|record| record.seq > older.journal_seq) {
                free.journal_seq = free.journal_seq.min(older.journal_seq);
            }
            let needed = if head.journal_seq > older.journal_seq { older.outbox_seq } else { head.seq };
            free.outbox_seq = free.outbox_seq.min(needed.saturating_sub(1));
        }
        for (kind, seq) in [("journal", &mut free.journal_seq), ("outbox", &mut free.outbox_seq)] {
            let end = look(nats, &self.store.stream(kind)).await.map_err(failed)?.map_or(0, |found| found.last_seq);
            *seq = (*seq).min(end);
        }
        Ok(free)
    }

    /// The partitions of which there is anything.
    async fn used(&self) -> Result<BTreeSet<u16>, NatsError> {
        let mut used = BTreeSet::new();
        for kind in ["journal", "outbox"] {
            let filter = self.store.subject(format_args!("{kind}.*"));
            let all = subjects(self.store.nats(), &self.store.stream(kind), &filter).await?;
            used.extend(all.iter().filter_map(|subject| subject.rsplit('.').next()?.parse::<u16>().ok()));
        }
        Ok(used)
    }

    /// The last message behind `from` and up to `to` that was stored before `before`; `from` when there is none.
    async fn older(&self, kind: &str, from: u64, to: u64, before: Timestamp) -> Result<u64, NatsError> {
        let (mut from, mut to) = (from, to.max(from));
        while from < to {
            let middle = from + (to - from).div_ceil(2);
            if self.is_older(kind, middle, before).await? {
                from = middle;
            } else {
                to = middle - 1;
            }
        }
        Ok(from)
    }

    /// Whether a message was stored before `before`; one that is gone was.
    async fn is_older(&self, kind: &str, seq: u64, before: Timestamp) -> Result<bool, NatsError> {
        let stored = ask(self.store.nats(), &self.store.stream(kind), Which::Seq(seq)).await?;
        Ok(stored.is_none_or(|stored| stored.stamp < before))
    }
}
