//! The door in for integrators on NATS. Each tenant has a stream of its own; a message is taken out of it only when its
//! events are in the journal. Until then it comes again, which is harmless: every event has an id that does not change
//! with the delivery, and the engine knows it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use futures::future::join_all;

use super::Intake;
use super::sink::SinkError;
use crate::decode::{Counts, Decoded, Rejected};
use crate::domain::event::Event;
use crate::domain::ids::TenantId;
use crate::engine::input::Batch;
use crate::nats::NatsError;
use crate::nats::connect::Nats;
use crate::nats::queue::{Queue, Size, TAKEN_WITHIN};

pub mod letter;
pub mod points;

/// Bytes of messages in one journal record, one message aside.
const RECORD_BYTES: usize = 2 * 1024 * 1024;
/// Events in one journal record, one message aside.
const RECORD_EVENTS: usize = 500;
/// The pause when the journal has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// One tenant's door.
pub struct Bus {
    intake: Arc<Intake>,
    tenant: TenantId,
    queue: Queue,
}

impl Bus {
    /// Makes or checks the tenant's stream.
    ///
    /// # Errors
    /// When it is unsafe, or the server does not answer.
    pub async fn open(intake: Arc<Intake>, nats: Nats, tenant: TenantId, size: Size) -> Result<Self, NatsError> {
        let queue = Queue::open(nats, "SRC", tenant.as_str(), &letter::KINDS, size).await?;
        Ok(Self { intake, tenant, queue })
    }

    fn stream(&self) -> &str {
        self.queue.name()
    }

    /// Takes events until the future is dropped. A failure is logged once and tried again.
    pub async fn run(self) {
        self.queue.always("events are not taken from NATS", || self.take_all()).await;
    }

    async fn take_all(&self) -> Result<Infallible, NatsError> {
        let mut reading = self.queue.read().await?;
        loop {
            self.take(reading.next().await?).await;
        }
    }

    /// Takes messages in order, some to one journal record.
    async fn take(&self, messages: Vec<Message>) {
        let mut waiting = Pack::default();
        for message in messages {
            let decoded = letter::open(&self.intake, &self.tenant, &message);
            let is_full = waiting.bytes + message.payload.len() > RECORD_BYTES
                || waiting.events.len() + decoded.events.len() > RECORD_EVENTS;
            if is_full && !waiting.messages.is_empty() {
                self.keep(std::mem::take(&mut waiting)).await;
            }
            waiting.add(message, decoded);
        }
        if !waiting.messages.is_empty() {
            self.keep(waiting).await;
        }
    }

    /// Puts events into the journal, however long that takes, and only then lets go of their messages.
    async fn keep(&self, pack: Pack) {
        let Pack { messages, events, rejected, counts, bytes } = pack;
        self.intake.counters.request();
        self.intake.counters.body(bytes);
        let letters: Vec<_> = rejected.iter().map(|rejected| rejected.letter.clone()).collect();
        let count = events.len();
        let batch = Batch { tenant: self.tenant.clone(), events, rejected: letters, replay_of: None };
        let mut is_kept = batch.events.is_empty() && batch.rejected.is_empty();
        while !is_kept {
            let wait = match self.intake.sink.accept(batch.clone()).await {
                Ok(_) => {
                    self.intake.counters.kept(count, &rejected, &counts);
                    is_kept = true;
                    continue;
                }
                Err(SinkError::TryLater { wait }) => wait,
                Err(SinkError::Failed(cause)) => {
                    tracing::error!(stream = self.stream(), cause, "events from NATS are not kept yet");
                    PAUSE
                }
            };
            // Otherwise they come again while they still wait here.
            join_all(messages.iter().map(|message| message.ack_with(AckKind::Progress))).await;
            tokio::time::sleep(wait.min(TAKEN_WITHIN / 3)).await;
        }
        for outcome in join_all(messages.iter().map(Message::double_ack)).await {
            if let Err(error) = outcome {
                tracing::debug!(%error, stream = self.stream(), "a message comes once more, which is harmless");
            }
        }
    }
}

/// Messages that become one journal record.
#[derive(Default)]
struct Pack {
    messages: Vec<Message>,
    events: Vec<Event>,
    rejected: Vec<Rejected>,
    counts: Counts,
    bytes: usize,
}

impl Pack {
    fn add(&mut self, message: Message, decoded: Decoded) {
        self.bytes += message.payload.len();
        self.messages.push(message);
        self.events.extend(decoded.events);
        self.rejected.extend(decoded.rejected);
        self.counts.add(&decoded.counts);
    }
}
