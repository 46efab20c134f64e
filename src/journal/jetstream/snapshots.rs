//! Snapshots in a stream of pieces. A pointer, replaced by compare-and-set, names the newest two; pieces without a pointer
//! are nobody's and are swept. One mark for all partitions says how far the logs were trimmed.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::read::damage;
use super::{JetStreamStore, refusal, unread};
use crate::journal::digest::ChainHash;
use crate::journal::packed::Pieces;
use crate::journal::snapshot::{Snapshot, Snapshots};
use crate::journal::{AppendError, ReadError};
use crate::nats::NatsError;
use crate::nats::publish::{Outgoing, publish};
use crate::nats::streams::{Purge, Which, ask, purge, subjects};

/// A piece at most; also at most half of what the server takes at once.
const PIECE_BYTES: usize = 512 * 1024;
/// Pieces that are on their way at a time.
const PIECES_AT_ONCE: usize = 8;
/// Where the mark stands.
const TRIMMED: &str = "pointer.trimmed";
/// The version of the pointer's format.
const POINTER_FORMAT: u32 = 2;

/// Which snapshots a partition has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    format: u32,
    /// Newest first, at most two.
    pub kept: Vec<Sealed>,
}

/// A snapshot whose pieces are all there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    pub journal_seq: u64,
    pub outbox_seq: u64,
    format: u32,
    bytes: usize,
    /// Whether the body is packed; before the pointer's format 2 it was plain text.
    #[serde(default)]
    packed: bool,
    /// Where its pieces stand.
    subject: String,
    digest: String,
}

impl Sealed {
    /// Over everything that is kept of a snapshot, its body as it is stored.
    fn digest_of(&self, partition: u16, body: &[u8]) -> String {
        let (journal_seq, outbox_seq) = (self.journal_seq.to_be_bytes(), self.outbox_seq.to_be_bytes());
        let parts: [&[u8]; 5] = [&partition.to_be_bytes(), &journal_seq, &outbox_seq, &self.format.to_be_bytes(), body];
        ChainHash::of(&parts).to_string()
    }
}

/// What was removed on purpose: journal and outbox up to and with these records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trimmed {
    pub journal_seq: u64,
    pub outbox_seq: u64,
}

impl JetStreamStore {
    /// What was removed on purpose, and where that is told.
    ///
    /// # Errors
    /// When it is unreadable.
    pub async fn trimmed(&self) -> Result<(u64, Trimmed), ReadError> {
        let (stream, subject) = (self.stream("snapshots"), self.subject(TRIMMED));
        let last = ask(self.nats(), &stream, Which::Last(&subject)).await.map_err(|error| unread(&subject, error))?;
        let Some(last) = last else { return Ok((0, Trimmed::default())) };
        let trimmed = serde_json::from_slice(&last.body)
            .map_err(|error| damage(&stream, format!("the mark {subject} is unreadable: {error}")))?;
        Ok((last.seq, trimmed))
    }

    /// Tells readers first: what they miss up to there is gone on purpose. `behind` is where it was told before.
    ///
    /// # Errors
    /// When the server does not take it, or somebody else was faster.
    pub async fn mark_trimmed(&self, behind: u64, trimmed: &Trimmed) -> Result<(), AppendError> {
        let body = serde_json::to_vec(trimmed).expect("a mark has text keys only");
        let subject = self.subject(TRIMMED);
        let message = Outgoing { subject, headers: HeaderMap::new(), body: body.into(), behind: Some(behind) };
        publish(self.nats(), &self.stream("snapshots"), message).await.map(drop).map_err(refusal)
    }

    /// The partition's pointer and where it stands; `None` when it never had a snapshot.
    ///
    /// # Errors
    /// When it is unreadable.
    pub async fn pointer(&self, partition: u16) -> Result<Option<(u64, Pointer)>, ReadError> {
        let (stream, subject) = (self.stream("snapshots"), self.subject(format_args!("pointer.{partition}")));
        let last = ask(self.nats(), &stream, Which::Last(&subject)).await.map_err(|error| unread(&subject, error))?;
        let Some(last) = last else { return Ok(None) };
        let pointer: Pointer = serde_json::from_slice(&last.body)
            .map_err(|error| damage(&stream, format!("the pointer {subject} is unreadable: {error}")))?;
        if pointer.format > POINTER_FORMAT {
            let found = format!("the pointer {subject} has format {}: use a newer program", pointer.format);
            return Err(damage(&stream, found));
        }
        Ok(Some((last.seq, pointer)))
    }

    async fn point(&self, partition: u16, behind: u64, pointer: &Pointer) -> Result<(), AppendError> {
        let body = serde_json::to_vec(pointer).expect("a pointer has text keys only");
        let subject = self.subject(format_args!("pointer.{partition}"));
        let message = Outgoing { subject, headers: HeaderMap::new(), body: body.into(), behind: Some(behind) };
        publish(self.nats(), &self.stream("snapshots"), message).await.map(drop).map_err(refusal)
    }

    async fn open_snapshot(&self, partition: u16, sealed: &Sealed) -> Result<Snapshot, ReadError> {
        let body = self.pieces(&sealed.subject).await?;
        let damaged = |what: &str| damage(&self.stream("snapshots"), format!("the snapshot {} {what}", sealed.subject));
        if sealed.digest_of(partition, &body) != sealed.digest {
            return Err(damaged("does not match its digest"));
        }
        let body = if sealed.packed { Pieces::split(&body).map_err(|why| damaged(&why))? } else { Pieces(vec![body]) };
        let &Sealed { journal_seq, outbox_seq, format, .. } = sealed;
        Ok(Snapshot { partition, journal_seq, outbox_seq, format, body })
    }

    /// Writes the pieces one behind the other and waits for all of them.
    pub(super) async fn write_pieces(&self, subject: &str, body: &[u8]) -> Result<(), AppendError> {
        let (stream, piece_bytes) = (self.stream("snapshots"), PIECE_BYTES.min(self.nats().client.max_payload() / 2));
        let pieces = body.len().div_ceil(piece_bytes).max(1);
        // The client keeps the order in which they are handed in, and there is nobody else under this subject. A large
        // state is copied piece by piece, not once more as a whole.
        let sends = futures::stream::iter(0..pieces).map(|n| {
            let (from, to) = (n * piece_bytes, ((n + 1) * piece_bytes).min(body.len()));
            let body = Bytes::copy_from_slice(&body[from..to]);
            let message = Outgoing { subject: subject.to_owned(), headers: HeaderMap::new(), body, behind: None };
            publish(self.nats(), &stream, message)
        });
        sends.buffered(PIECES_AT_ONCE).try_for_each(|_| async { Ok(()) }).await.map_err(refusal)
    }

    /// Removes pieces that no pointer names. Pieces of a later record may be on their way and stay.
    async fn sweep(&self, partition: u16, pointer: &Pointer) -> Result<(), NatsError> {
        let stream = self.stream("snapshots");
        let filter = self.subject(format_args!("snapshot.{partition}.*"));
        let all = subjects(self.nats(), &stream, &filter).await?;
        let named: BTreeSet<&str> = pointer.kept.iter().map(|sealed| sealed.subject.as_str()).collect();
        let newest = pointer.kept.first().map_or(0, |sealed| sealed.journal_seq);
        for subject in all.iter().filter(|subject| !named.contains(subject.as_str())) {
            let seq = subject.rsplit('.').next().and_then(|name| name.split('-').next()?.parse::<u64>().ok());
            if seq.is_some_and(|seq| seq <= newest) {
                purge(self.nats(), &stream, subject, Purge::All).await?;
            }
        }
        let subject = self.subject(format_args!("pointer.{partition}"));
        match ask(self.nats(), &stream, Which::Last(&subject)).await? {
            Some(last) => purge(self.nats(), &stream, &subject, Purge::Before(last.seq)).await,
            None => Ok(()),
        }
    }
}

impl Snapshots for JetStreamStore {
    async fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), AppendError> {
        let later = |error: ReadError| {
            tracing::error!(%error, "a snapshot cannot be written now, the older ones stay");
            AppendError::TryLater { wait: Duration::from_secs(1) }
        };
        let partition = snapshot.partition;
        let (behind, before) = self.pointer(partition).await.map_err(later)?.unwrap_or_default();
        if before.kept.first().is_some_and(|newest| newest.journal_seq > snapshot.journal_seq) {
            return Err(AppendError::Unfit { why: "there is a newer snapshot of this partition".into() });
        }
        let name = format!("snapshot.{partition}.{}-{}", snapshot.journal_seq, rand::random::<u32>());
        let body = snapshot.body.joined();
        let mut sealed = Sealed {
            journal_seq: snapshot.journal_seq,
            outbox_seq: snapshot.outbox_seq,
            format: snapshot.format,
            bytes: body.len(),
            packed: true,
            subject: self.subject(name),
            digest: String::new(),
        };
        sealed.digest = sealed.digest_of(partition, &body);
        self.write_pieces(&sealed.subject, &body).await?;
        drop(body);
        self.open_snapshot(partition, &sealed).await.map_err(later)?;
        let kept = [sealed].into_iter().chain(before.kept).take(2).collect();
        let pointer = Pointer { format: POINTER_FORMAT, kept };
        self.point(partition, behind, &pointer).await?;
        if let Err(error) = self.sweep(partition, &pointer).await {
            // The next snapshot sweeps again.
            tracing::warn!(%error, "pieces of old snapshots were not removed");
        }
        Ok(())
    }

    fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, ReadError> {
        self.wait(async {
            let Some((_, pointer)) = self.pointer(partition).await? else { return Ok(None) };
            let mut failure = None;
            for sealed in &pointer.kept {
                match self.open_snapshot(partition, sealed).await {
                    Ok(snapshot) => return Ok(Some(snapshot)),
                    Err(error) => {
                        tracing::error!(%error, "a snapshot is unusable, trying the one before");
                        failure.get_or_insert(error);
                    }
                }
            }
            failure.map_or(Ok(None), Err)
        })
    }
}
