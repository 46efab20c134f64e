//! From messages to records: parts are put together, and each partition's chain is followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::RecentCommits;
use super::frame::{Frame, unpack};
use crate::journal::ReadError;
use crate::journal::digest::ChainHash;
use crate::journal::jetstream::read::damage;
use crate::journal::jetstream::recent::READERS;
use crate::journal::jetstream::{JetStreamStore, unread};
use crate::journal::packed::text_bytes;
use crate::nats::pull::Read;
use crate::nats::streams::{Which, ask};
use crate::outbox::OutboxRecord;

/// Puts commits together that came in several messages.
pub struct Assembler {
    store: JetStreamStore,
    recent: Arc<RecentCommits>,
    /// By partition: the parts of a commit that is not complete.
    waiting: BTreeMap<u16, Waiting>,
    /// By partition: the last hash that was read.
    hashes: BTreeMap<u16, ChainHash>,
}

struct Waiting {
    frame: Frame,
    seq: u64,
    bytes: Vec<u8>,
}

impl Assembler {
    /// An assembler that has read nothing.
    pub fn new(store: JetStreamStore, recent: Arc<RecentCommits>) -> Self {
        Self { store, recent, waiting: BTreeMap::new(), hashes: BTreeMap::new() }
    }

    /// Takes messages in, in order; returns the records that are complete with them.
    ///
    /// # Errors
    /// When something is not what was written.
    pub async fn take(&mut self, messages: Vec<Read>) -> Result<Vec<OutboxRecord>, ReadError> {
        let stream = self.store.stream("outbox");
        let mut records = Vec::new();
        for message in messages {
            let wrong = |why: String| damage(&stream, format!("outbox record {} {why}", message.seq));
            let (frame, part) = Frame::read(&message.body).map_err(wrong)?;
            let mut bytes = self.parts_before(&frame).await?;
            bytes.extend_from_slice(part);
            if !frame.is_last_part() {
                self.waiting.insert(frame.partition, Waiting { frame, seq: message.seq, bytes });
                continue;
            }
            let known = self.hashes.insert(frame.partition, frame.after.hash);
            if known.is_some_and(|hash| hash != frame.before.hash) {
                return Err(wrong("does not follow the one before".into()));
            }
            let decided = self.decided(&frame, bytes.into()).map_err(wrong)?;
            let placed = |one: &OutboxRecord| OutboxRecord { seq: message.seq, epoch: frame.epoch, ..one.clone() };
            records.extend(decided.iter().map(placed));
        }
        Ok(records)
    }

    /// The decisions of a whole commit, not yet at their place: those that are known here, or those that it says.
    fn decided(&self, frame: &Frame, whole: Bytes) -> Result<Arc<[OutboxRecord]>, String> {
        let known = self.recent.take(&frame.after.hash, &whole);
        let follows = |known: &Arc<[OutboxRecord]>| known.first().is_some_and(|one| one.prev_hash == frame.before.hash);
        if let Some(known) = known.filter(follows) {
            return Ok(known);
        }
        let decided: Arc<[OutboxRecord]> = unpack(frame, &whole)?.into();
        if !decided.is_empty() {
            let text_bytes = text_bytes(&whole);
            self.recent.keep(frame.after.hash, whole, text_bytes, decided.clone(), READERS - 1);
        }
        Ok(decided)
    }

    /// The parts of the same commit before this one: from memory, or asked for when reading began in between. What an
    /// owner left unfinished is dropped.
    async fn parts_before(&mut self, frame: &Frame) -> Result<Vec<u8>, ReadError> {
        let waiting = self.waiting.remove(&frame.partition);
        if frame.part == 0 {
            return Ok(Vec::new());
        }
        if let Some(waiting) = waiting.filter(|one| one.seq == frame.behind && one.frame.part + 1 == frame.part) {
            return Ok(waiting.bytes);
        }
        let stream = self.store.stream("outbox");
        let (mut parts, mut seq) = (Vec::new(), frame.behind);
        for part in (0..frame.part).rev() {
            let found =
                ask(self.store.nats(), &stream, Which::Seq(seq)).await.map_err(|error| unread(&stream, error))?;
            let found =
                found.ok_or_else(|| damage(&stream, format!("message {seq} is gone, it is part of a record")))?;
            let wrong = |why: String| damage(&stream, format!("outbox record {seq} {why}"));
            let (before, bytes) = Frame::read(&found.body).map_err(wrong)?;
            if before.part != part || before.after != frame.after {
                return Err(wrong("is not the part that belongs here".into()));
            }
            parts.push(bytes.to_vec());
            seq = before.behind;
        }
        parts.reverse();
        Ok(parts.concat())
    }
}
