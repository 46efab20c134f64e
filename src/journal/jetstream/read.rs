//! Reading records: whether what is asked for is still there, then one by one, each compared with its digest.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::recent::READERS;
use super::{DIGEST, JetStreamStore, READ_TIME_MAX, WRITTEN, unread};
use crate::domain::time::{Span, Timestamp};
use crate::journal::body::decode;
use crate::journal::digest::ChainHash;
use crate::journal::packed::text_bytes;
use crate::journal::{Damage, Of, ReadError, Record};
use crate::nats::NatsError;
use crate::nats::pull::{Puller, Read};
use crate::nats::streams::{Which, ask, look, removed};

/// The remedy for a log that is not what was written.
pub const RESTORE: &str = "stop all instances, keep the stream as it is, and restore a backup of it";

/// A server's clock may be ahead of a writer's by so much.
const AHEAD_MAX: Span = Span::secs(60);

/// A log that is not what was written.
pub fn damage(stream: &str, found: impl Into<String>) -> ReadError {
    ReadError::Damaged(Damage { place: format!("stream {stream}"), found: found.into(), remedy: RESTORE })
}

/// Makes the record of a message.
///
/// # Errors
/// When it is not what was written.
pub fn record(store: &JetStreamStore, stream: &str, read: &Read) -> Result<Record, ReadError> {
    let wrong = |what: String| damage(stream, format!("journal record {} {what}", read.seq));
    let digest = read.headers.get(DIGEST).and_then(|digest| ChainHash::parse(digest.as_str()));
    let digest = digest.ok_or_else(|| wrong("has no digest".into()))?;
    let input = match store.inputs().take(&digest, &read.body) {
        Some(input) => input,
        None if digest != ChainHash::of(&[&read.body]) => return Err(wrong("does not match its digest".into())),
        None => {
            let input = Arc::new(decode(&read.body).map_err(wrong)?);
            store.inputs().keep(digest, read.body.clone(), text_bytes(&read.body), input.clone(), READERS - 1);
            input
        }
    };
    let partition = read.subject.rsplit('.').next().and_then(|token| token.parse().ok());
    let partition = partition.ok_or_else(|| wrong(format!("stands under the subject {}", read.subject)))?;
    let body = read.body.clone();
    Ok(Record { seq: read.seq, partition, stamp: stamp(read), input, body })
}

/// When a record was stored, as its server says, or its writer when the server's clock is far ahead of it.
fn stamp(read: &Read) -> Timestamp {
    let written = read.headers.get(WRITTEN).and_then(|text| text.as_str().parse().ok());
    written.map_or(read.stamp, |written| read.stamp.min(Timestamp(written).plus(AHEAD_MAX)))
}

impl JetStreamStore {
    /// The subject of a partition's journal, or of all.
    pub fn journal_filter(&self, of: Of) -> String {
        match of {
            Of::All => self.subject("journal.*"),
            Of::Partition(number) => self.subject(format_args!("journal.{number}")),
        }
    }

    /// Records behind `after`.
    pub(super) async fn records(&self, of: Of, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let (stream, filter) = (self.stream("journal"), self.journal_filter(of));
        let end = self.whole_behind(of, after).await?;
        let read = read_until(self, &stream, &filter, Range { after, end, bytes_max }).await?;
        read.iter().map(|read| record(self, &stream, read)).collect()
    }

    /// One record, from the leader; `None` when it is kept no longer.
    ///
    /// # Errors
    /// When it is damaged or unreadable.
    pub async fn record(&self, seq: u64) -> Result<Option<Record>, ReadError> {
        let stream = self.stream("journal");
        let stored = ask(self.nats(), &stream, Which::Seq(seq)).await.map_err(|error| unread(&stream, error))?;
        stored.map(|stored| record(self, &stream, &stored.into())).transpose()
    }

    /// The first journal record of a partition behind `after`; `None` when there is none.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn next_of(&self, partition: u16, after: u64) -> Result<Option<u64>, ReadError> {
        let (stream, subject) = (self.stream("journal"), self.subject(format_args!("journal.{partition}")));
        let next = ask(self.nats(), &stream, Which::Next(&subject, after + 1)).await;
        Ok(next.map_err(|error| unread(&stream, error))?.map(|stored| stored.seq))
    }

    /// The last journal record that is kept no longer; 0 when all are.
    ///
    /// # Errors
    /// When the server does not answer, or the stream is gone.
    pub async fn oldest(&self) -> Result<u64, ReadError> {
        let stream = self.stream("journal");
        let found = look(self.nats(), &stream).await.map_err(|error| unread(&stream, error))?;
        let oldest = found.map(|found| found.first_seq.saturating_sub(1));
        self.journal_doubt().judge(0, oldest.ok_or_else(|| damage(&stream, "it is gone")))
    }

    /// Checks that nothing behind `after` is gone; returns the last record.
    ///
    /// # Errors
    /// When records were trimmed, the stream is not the one that was opened, or the log is shorter than it was.
    pub async fn whole_behind(&self, of: Of, after: u64) -> Result<u64, ReadError> {
        self.journal_doubt().judge(after, self.look_behind(of, after).await)
    }

    async fn look_behind(&self, of: Of, after: u64) -> Result<u64, ReadError> {
        let stream = self.stream("journal");
        let failed = |error: NatsError| unread(&format!("stream {stream}"), error);
        let found = look(self.nats(), &stream).await.map_err(failed)?;
        let Some(found) = found.filter(|found| found.created == self.shared.journal.created) else {
            return Err(damage(&stream, "it was deleted or made anew while we used it"));
        };
        if found.last_seq < after {
            return Err(damage(&stream, format!("it ends at {}, record {after} was read from it", found.last_seq)));
        }
        let Of::Partition(number) = of else {
            let gone = removed(self.nats(), &stream, after).await.map_err(failed)?;
            return gone.map_or(Ok(found.last_seq), |last| Err(ReadError::Gone { after, oldest: last + 1 }));
        };
        let trimmed = self.trimmed().await?.1.journal_seq;
        if after < trimmed {
            return Err(ReadError::Gone { after, oldest: trimmed });
        }
        let subject = self.journal_filter(of);
        if after > trimmed {
            let place = ask(self.nats(), &stream, Which::Seq(after)).await.map_err(failed)?;
            if place.is_none_or(|record| record.subject != subject) {
                return Err(damage(
                    &stream,
                    format!("record {after} of partition {number} is gone, and nobody trimmed it"),
                ));
            }
        }
        let last = ask(self.nats(), &stream, Which::Last(&subject)).await.map_err(failed)?;
        Ok(last.map_or(0, |last| last.seq))
    }
}

/// What is read of a log.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub after: u64,
    /// The last message there is.
    pub end: u64,
    pub bytes_max: usize,
}

/// Reads messages behind `after` up to `end`, or until they exceed `bytes_max`.
///
/// # Errors
/// When the server does not hand them out in time.
pub async fn read_until(
    store: &JetStreamStore,
    stream: &str,
    filter: &str,
    range: Range,
) -> Result<Vec<Read>, ReadError> {
    if range.end <= range.after {
        return Ok(Vec::new());
    }
    let mut puller = Puller::new(store.nats().clone(), stream, filter, range.after);
    let started = Instant::now();
    let (mut all, mut bytes) = (Vec::new(), 0);
    while puller.seen() < range.end && (all.is_empty() || bytes < range.bytes_max) {
        let more = puller.next(Duration::from_secs(1)).await.map_err(|error| unread(filter, error))?;
        for read in more {
            if !all.is_empty() && bytes >= range.bytes_max {
                break;
            }
            bytes += read.body.len();
            all.push(read);
        }
        if started.elapsed() > READ_TIME_MAX {
            let seen = puller.seen();
            let why = format!("{seen} of {} messages were handed out in {READ_TIME_MAX:?}", range.end);
            return Err(unread(filter, NatsError::away(why)));
        }
    }
    puller.close().await;
    Ok(all)
}
