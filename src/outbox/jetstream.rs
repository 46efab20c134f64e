//! The outbox on NATS JetStream: one subject per partition, one message per micro-batch, appended by compare-and-set on
//! the subject's last sequence. That one write is commit, position, and fence.
//!
//! Whoever takes a partition over appends a **claim** with a higher epoch; from then on every commit of the former owner
//! is refused. When no answer comes, the subject's head is read from the stream's leader and compared with what was sent:
//! the same decisions under the same epoch are the same commit, however often they are sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::HeaderMap;
use tokio::time::{Instant, sleep};

use super::{CommitError, Decided, Outbox, OutboxHead, OutboxRecord};
use crate::journal::jetstream::read::{Range, damage, read_until};
use crate::journal::jetstream::recent::{READERS, Recent};
use crate::journal::jetstream::{JetStreamStore, unread};
use crate::journal::{Follow, ReadError};
use crate::nats::NatsError;
use crate::nats::publish::{BUSY_WAIT, FULL_WAIT, Outgoing, PublishError, publish};
use crate::nats::streams::{Stored, Which, ask, look, removed};
use frame::{Frame, Packed, Place};
use reading::Assembler;
use tail::Tail;

pub mod frame;
pub mod reading;
pub mod tail;
pub mod trim;

/// How long an unanswered commit is looked for before the caller is told to try again.
const RESOLVE_TIME_MAX: Duration = Duration::from_secs(20);
/// The pause between two looks.
const RESOLVE_PAUSE: Duration = Duration::from_millis(200);

/// The outbox of a store. Clones share what they own.
#[derive(Clone)]
pub struct JetStreamOutbox {
    store: JetStreamStore,
    /// Shown in claims, and tells two owners apart that took the same epoch.
    owner: Arc<str>,
    owned: Arc<Mutex<BTreeMap<u16, Owned>>>,
    recent: Arc<RecentCommits>,
}

/// Decisions that were committed or read just now: those of a commit, by the hash of its last one.
pub type RecentCommits = Recent<Arc<[OutboxRecord]>>;

/// A partition that this owner has claimed.
#[derive(Clone, Copy, Debug)]
struct Owned {
    epoch: u64,
    head: OutboxHead,
}

impl JetStreamOutbox {
    /// The outbox of `store`, written in the name of `owner`, which no other instance may have.
    pub fn new(store: JetStreamStore, owner: &str) -> Self {
        Self { store, owner: owner.into(), owned: Arc::default(), recent: Arc::default() }
    }

    /// Where a partition's outbox stands.
    fn subject(&self, partition: u16) -> String {
        self.store.subject(format_args!("outbox.{partition}"))
    }

    async fn head_frame(&self, partition: u16) -> Result<Option<(Stored, Frame)>, ReadError> {
        let (stream, subject) = (self.store.stream("outbox"), self.subject(partition));
        let last = ask(self.store.nats(), &stream, Which::Last(&subject)).await;
        let Some(last) = last.map_err(|error| unread(&subject, error))? else { return Ok(None) };
        let frame =
            Frame::read(&last.body).map_err(|why| damage(&stream, format!("outbox record {} {why}", last.seq)))?.0;
        Ok(Some((last, frame)))
    }

    fn head_of(partition: u16, last: Option<&(Stored, Frame)>) -> OutboxHead {
        let Some((stored, frame)) = last else {
            return OutboxHead::start(partition);
        };
        let Place { journal_seq, hash } = if frame.is_last_part() { frame.after } else { frame.before };
        OutboxHead { seq: stored.seq, journal_seq, hash }
    }

    /// Appends a frame; learns for certain whether it is there.
    async fn put(&self, frame: &Frame, body: bytes::Bytes) -> Result<u64, CommitError> {
        let (stream, subject) = (self.store.stream("outbox"), self.subject(frame.partition));
        let since = Instant::now();
        loop {
            let message = Outgoing {
                subject: subject.clone(),
                headers: HeaderMap::new(),
                body: body.clone(),
                behind: Some(frame.behind),
            };
            let error = match publish(self.store.nats(), &stream, message).await {
                Ok(seq) if seq > frame.behind => return Ok(seq),
                // A server that takes it for a repeat names the first one.
                Ok(seq) => PublishError::Unsure(format!("sequence {seq}")),
                Err(error) => error,
            };
            match error {
                PublishError::Full(_) => return Err(CommitError::TryLater { wait: FULL_WAIT }),
                PublishError::TryLater(_) => return Err(CommitError::TryLater { wait: BUSY_WAIT }),
                PublishError::TooLong { .. } => return Err(CommitError::Halted { why: error.to_string().into() }),
                PublishError::WentOn | PublishError::Unsure(_) => {}
            }
            match self.resolve(frame, since).await? {
                Some(seq) => return Ok(seq),
                None => tracing::warn!(partition = frame.partition, %error, "an outbox record is sent again"),
            }
        }
    }

    /// Asks the leader whether a frame is there: its sequence, or `None` when it can be sent again.
    async fn resolve(&self, frame: &Frame, since: Instant) -> Result<Option<u64>, CommitError> {
        loop {
            match self.head_frame(frame.partition).await {
                Ok(None) if frame.behind == 0 => return Ok(None),
                Ok(Some((stored, found))) if found == *frame => return Ok(Some(stored.seq)),
                Ok(Some((_, found))) if found.is_later_part_of(frame) => {
                    return self.part(frame, found).await.map(Some);
                }
                Ok(Some((stored, _))) if stored.seq == frame.behind => return Ok(None),
                Ok(found) => {
                    let place = found.map_or(0, |(stored, _)| stored.seq);
                    let (partition, behind) = (frame.partition, frame.behind);
                    let why = format!("partition {partition} is at outbox record {place}, not at {behind}");
                    return Err(CommitError::Fenced { why });
                }
                Err(error) if since.elapsed() > RESOLVE_TIME_MAX => {
                    tracing::warn!(%error, "it is not known whether an outbox record is stored");
                    return Err(CommitError::TryLater { wait: BUSY_WAIT });
                }
                Err(_) => sleep(RESOLVE_PAUSE).await,
            }
        }
    }

    /// The sequence of a part of a commit that is there up to `later`.
    async fn part(&self, frame: &Frame, mut later: Frame) -> Result<u64, CommitError> {
        let stream = self.store.stream("outbox");
        let halted = |why: String| CommitError::Halted { why: why.into() };
        while later.part > frame.part + 1 {
            let found = ask(self.store.nats(), &stream, Which::Seq(later.behind)).await.map_err(self::later)?;
            let found = found.ok_or_else(|| halted(format!("outbox message {} is gone", later.behind)))?;
            later = Frame::read(&found.body).map_err(halted)?.0;
        }
        Ok(later.behind)
    }

    /// Checks that the journal still has the last record that was decided.
    async fn fits_journal(&self, partition: u16, head: &OutboxHead) -> Result<(), CommitError> {
        if head.journal_seq == 0 {
            return Ok(());
        }
        let (stream, subject) = (self.store.stream("journal"), self.store.subject(format_args!("journal.{partition}")));
        let record = ask(self.store.nats(), &stream, Which::Seq(head.journal_seq)).await.map_err(later)?;
        let is_there = record.is_some_and(|record| record.subject == subject);
        // A partition that has been quiet for long keeps its last decision and not its last record.
        let trimmed = || async { self.store.trimmed().await.map_err(|error| later(NatsError::away(error))) };
        let is_whole = is_there || trimmed().await?.1.journal_seq >= head.journal_seq;
        let missing = || {
            let found = format!(
                "it has no record {} of partition {partition}, which the outbox has decided: the log is shorter than it was",
                head.journal_seq
            );
            damage(&stream, found)
        };
        let judged = self.store.journal_doubt().judge(head.journal_seq, is_whole.then_some(()).ok_or_else(missing));
        judged.map_err(|error| match error {
            ReadError::Damaged(damage) => CommitError::Halted { why: damage.to_string().into() },
            error => later(NatsError::away(error)),
        })
    }

    fn owned(&self, partition: u16, expected_last_seq: u64) -> Result<Owned, CommitError> {
        let owned = self.owned.lock().expect("nobody panics while holding it").get(&partition).copied();
        let owned =
            owned.ok_or_else(|| CommitError::Fenced { why: format!("partition {partition} is not claimed") })?;
        if owned.head.seq != expected_last_seq {
            let place = owned.head.seq;
            let why = format!("partition {partition} is at outbox record {place}, not at {expected_last_seq}");
            return Err(CommitError::Fenced { why });
        }
        Ok(owned)
    }

    /// Begins a partition's outbox where that of another log ends; returns the message that says so.
    ///
    /// # Errors
    /// When the partition has an outbox already, or the server does not take it.
    pub async fn adopt(&self, partition: u16, head: &OutboxHead) -> Result<u64, CommitError> {
        let frame = self.claim_frame(partition, 1, &OutboxHead { seq: 0, ..*head });
        self.put(&frame, frame.body(b"")).await
    }

    /// What says that this owner has the partition from `head` on.
    fn claim_frame(&self, partition: u16, epoch: u64, head: &OutboxHead) -> Frame {
        let place = Place { journal_seq: head.journal_seq, hash: head.hash };
        let owner = self.owner.to_string();
        Frame { partition, epoch, owner, part: 0, parts: 1, behind: head.seq, before: place, after: place }
    }

    fn own(&self, partition: u16, owned: Owned) {
        self.owned.lock().expect("nobody panics while holding it").insert(partition, owned);
    }

    fn disown(&self, partition: u16) {
        self.owned.lock().expect("nobody panics while holding it").remove(&partition);
    }

    async fn append(&self, partition: u16, mut owned: Owned, packed: &Packed) -> Result<OutboxHead, CommitError> {
        for (part, bytes) in packed.parts.iter().enumerate() {
            let place = Place { journal_seq: owned.head.journal_seq, hash: owned.head.hash };
            let frame = Frame {
                partition,
                epoch: owned.epoch,
                owner: self.owner.to_string(),
                part: part as u32,
                parts: packed.parts.len() as u32,
                behind: owned.head.seq,
                before: place,
                after: packed.after,
            };
            owned.head.seq = self.put(&frame, frame.body(bytes)).await?;
        }
        (owned.head.journal_seq, owned.head.hash) = (packed.after.journal_seq, packed.after.hash);
        self.own(partition, owned);
        Ok(owned.head)
    }

    pub(super) async fn whole_behind(&self, after: u64) -> Result<u64, ReadError> {
        let stream = self.store.stream("outbox");
        let failed = |error: NatsError| unread(&format!("stream {stream}"), error);
        let found = look(self.store.nats(), &stream).await.map_err(failed)?;
        let last = found.map(|found| found.last_seq).filter(|last| *last >= after);
        let last = last.ok_or_else(|| damage(&stream, format!("it is shorter than {after}, which was read from it")));
        let last = self.store.outbox_doubt().judge(after, last)?;
        let gone = removed(self.store.nats(), &stream, after).await.map_err(failed)?;
        gone.map_or(Ok(last), |gone| Err(ReadError::Gone { after, oldest: gone + 1 }))
    }

    async fn records(&self, after: u64, bytes_max: usize) -> Result<Vec<OutboxRecord>, ReadError> {
        let (stream, filter) = (self.store.stream("outbox"), self.store.subject("outbox.*"));
        let end = self.whole_behind(after).await?;
        let (mut assembler, mut after) = (Assembler::new(self.store.clone(), self.recent.clone()), after);
        loop {
            let read = read_until(&self.store, &stream, &filter, Range { after, end, bytes_max }).await?;
            let Some(last) = read.last() else { return Ok(Vec::new()) };
            after = last.seq;
            let records = assembler.take(read).await?;
            // Claims and first parts are no records yet.
            if !records.is_empty() || after >= end {
                return Ok(records);
            }
        }
    }
}

fn later(error: NatsError) -> CommitError {
    tracing::warn!(%error, "a partition cannot be claimed now");
    CommitError::TryLater { wait: BUSY_WAIT }
}

impl Outbox for JetStreamOutbox {
    async fn claim(&self, partition: u16) -> Result<OutboxHead, CommitError> {
        let last = self.head_frame(partition).await.map_err(|error| match error {
            ReadError::Damaged(_) | ReadError::Gone { .. } | ReadError::Halted { .. } => {
                CommitError::Halted { why: error.to_string().into() }
            }
            ReadError::Failed { .. } => CommitError::TryLater { wait: BUSY_WAIT },
        })?;
        let head = Self::head_of(partition, last.as_ref());
        self.fits_journal(partition, &head).await?;
        let epoch = last.map_or(0, |(_, frame)| frame.epoch) + 1;
        let frame = self.claim_frame(partition, epoch, &head);
        let seq = self.put(&frame, frame.body(b"")).await?;
        let head = OutboxHead { seq, ..head };
        self.own(partition, Owned { epoch: frame.epoch, head });
        Ok(head)
    }

    async fn commit(
        &self,
        partition: u16,
        expected_last_seq: u64,
        decided: Vec<Decided>,
    ) -> Result<OutboxHead, CommitError> {
        let owned = self.owned(partition, expected_last_seq)?;
        if decided.is_empty() {
            return Ok(owned.head);
        }
        let bytes_max = self.store.nats().client.max_payload();
        let packed = Packed::new(partition, &owned.head, &decided, bytes_max);
        let packed = packed.map_err(|why| CommitError::Fenced { why })?;
        let (whole, text_bytes, records) = (packed.whole.clone(), packed.text_bytes, packed.records.clone());
        self.recent.keep(packed.after.hash, whole, text_bytes, records, READERS);
        let committed = self.append(partition, owned, &packed).await;
        if matches!(committed, Err(CommitError::Fenced { .. } | CommitError::Halted { .. })) {
            self.disown(partition);
        }
        committed
    }

    fn read_after(&self, after: u64, bytes_max: usize) -> Result<Vec<OutboxRecord>, ReadError> {
        self.store.wait(self.records(after, bytes_max))
    }

    fn follow(&self, after: u64) -> impl Follow<OutboxRecord> + 'static {
        Tail::new(self.clone(), after)
    }

    fn head(&self, partition: u16) -> Result<OutboxHead, ReadError> {
        let last = self.store.wait(self.head_frame(partition))?;
        Ok(Self::head_of(partition, last.as_ref()))
    }
}
