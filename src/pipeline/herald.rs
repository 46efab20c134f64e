//! Tells on NATS what was committed: follows outbox and journal from where the stream ends. After a crash it may tell
//! some of it once more, under the same ids.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::HeaderMap;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::runtime::Handle;

use super::past::{Records, whole_commits};
use super::{PATIENCE, Pipeline};
use crate::domain::time::{Span, Timestamp};
use crate::journal::ReadError;
use crate::nats::NatsError;
use crate::nats::connect::Nats;
use crate::nats::publish::{Outgoing, PublishError, publish};
use crate::nats::streams::{Stored, Wanted, Which, ask, ensure};
use crate::outbox::OutboxRecord;
use crate::projection::Committed;
use crate::projection::bus::tellings;

/// The header with the place in the outbox, and the one with its hash.
const PLACE: &str = "Headwater-Outbox-Seq";
const HASH: &str = "Headwater-Outbox-Hash";
/// The header with the first place of what was under way together: everything before that was confirmed.
const FROM: &str = "Headwater-Outbox-From";
/// Outbox records that are told together.
const STEPS_AT_ONCE: usize = 64;
/// Messages that are on their way at a time.
const SENDS_AT_ONCE: usize = 512;
/// How soon the views are looked at again.
const SHOWN_SOON: Duration = Duration::from_micros(200);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells what was committed.
pub struct Herald {
    pub pipeline: Arc<Pipeline>,
    pub nats: Nats,
    pub runtime: Handle,
    /// The stream that keeps what is told, and for how long: what is older is not told.
    pub stream: Wanted,
    pub age_max: Span,
}

impl Herald {
    /// Tells until the program stops; blocks. A failure is logged once and tried again.
    pub fn run(self) {
        let mut is_failing = false;
        while !self.is_over() {
            if !self.pipeline.lease.duty().is_first() {
                std::thread::sleep(PATIENCE);
                continue;
            }
            if let Err(error) = self.tell_all() {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(error = format!("{error:#}"), "nothing is told on NATS, trying again each second");
                }
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.pipeline.health.stop.load(Ordering::SeqCst)
    }

    /// Tells while it is this instance's turn.
    fn tell_all(&self) -> Result<()> {
        let log = &self.pipeline.log;
        let mut after = self.told_up_to()?;
        if let Err(ReadError::Gone { oldest, .. }) = log.decisions_after(after, 1) {
            tracing::warn!(oldest, "outbox records before this one are gone and are not told");
            after = oldest - 1;
        }
        let mut decisions = log.follow_decisions(after);
        let mut records = Records::of_log(log.clone());
        while !self.is_over() && self.pipeline.lease.duty().is_first() {
            let next = decisions.next(PATIENCE)?;
            for chunk in whole_commits(&next, STEPS_AT_ONCE) {
                self.tell(chunk, &mut records)?;
            }
        }
        Ok(())
    }

    /// The outbox record up to which everything is told; 0 when the stream belongs to another outbox. Messages that are under
    /// way together may be stored with gaps: whatever the last one belongs to is told once more.
    fn told_up_to(&self) -> Result<u64> {
        let Some(last) = self.runtime.block_on(self.last_told())? else { return Ok(0) };
        let header = |name: &str| last.headers.get(name).map(ToString::to_string).unwrap_or_default();
        let seq: u64 = header(PLACE).parse().context("the last message of the stream is not ours")?;
        let records = match self.pipeline.log.decisions_after(seq.saturating_sub(1), 1) {
            Err(ReadError::Gone { .. }) => return Ok(seq),
            records => records?,
        };
        if records.iter().any(|record| record.seq == seq && record.hash.to_string() == header(HASH)) {
            // Programs before this header told one record after the other.
            let from = last.headers.get(FROM).map_or(Ok(seq), |from| from.as_str().parse::<u64>());
            return Ok(from.context("the last message of the stream is not ours")?.min(seq).saturating_sub(1));
        }
        tracing::warn!(
            stream = self.stream.name,
            "the stream was told of another outbox: everything that is kept is told anew"
        );
        Ok(0)
    }

    /// The last message of the stream that tells what was committed. Refusals of CMDB exports stand there, too.
    async fn last_told(&self) -> Result<Option<Stored>, NatsError> {
        // Somebody may have deleted or changed it since.
        let found = ensure(&self.nats, &self.stream).await?;
        for seq in (found.first_seq.max(1)..=found.last_seq).rev() {
            let message = ask(&self.nats, &self.stream.name, Which::Seq(seq)).await?;
            if let Some(told) = message.filter(|message| message.headers.get(PLACE).is_some()) {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    fn tell(&self, decided: &[Arc<OutboxRecord>], records: &mut Records) -> Result<()> {
        // Whoever is told may ask at once: the views have it first.
        let is_shown = |one: &OutboxRecord| self.pipeline.has_applied(one.partition, one.journal_seq);
        while !self.is_over() && !decided.iter().all(|one| is_shown(one)) {
            std::thread::sleep(SHOWN_SOON);
        }
        let now: Timestamp = (self.pipeline.clock)();
        let from = decided.first().map_or(0, |first| first.seq);
        let mut sends = Vec::new();
        for decision in decided {
            let Some(record) = records.of(decision)? else { continue };
            if now.since(record.stamp) > self.age_max {
                continue;
            }
            let step = Committed {
                partition: record.partition,
                journal_seq: record.seq,
                outbox_seq: decision.seq,
                stamp: record.stamp,
                input: Some(record.input.clone()),
                effects: decision.effects.clone(),
            };
            for telling in tellings(&step) {
                let mut headers = HeaderMap::new();
                headers.insert(async_nats::header::NATS_MESSAGE_ID, telling.id);
                headers.insert("Content-Type", "application/cloudevents+json");
                headers.insert(PLACE, decision.seq.to_string());
                headers.insert(HASH, decision.hash.to_string());
                headers.insert(FROM, from.to_string());
                let message = Outgoing { subject: telling.subject, headers, body: telling.body.into(), behind: None };
                sends.push(self.send(message));
            }
        }
        // The client sends them in the order in which they stand here.
        let sends = futures::stream::iter(sends).buffered(SENDS_AT_ONCE);
        Ok(self.runtime.block_on(sends.try_for_each(|()| async { Ok(()) }))?)
    }

    async fn send(&self, message: Outgoing) -> Result<(), PublishError> {
        let subject = message.subject.clone();
        match publish(&self.nats, &self.stream.name, message).await {
            Err(error @ PublishError::TooLong { .. }) => {
                tracing::error!(%error, subject, "something is not told on NATS; raise max_payload of nats-server");
                Ok(())
            }
            told => told.map(drop),
        }
    }
}
