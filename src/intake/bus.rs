//! The door in for integrators on NATS. Each tenant has a stream of its own; a message is taken out of it only when its
//! events are in the journal. Until then it comes again, which is harmless: every event has an id that does not change
//! with the delivery, and the engine knows it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::{AckKind, Message};
use futures::StreamExt as _;
use futures::future::join_all;
use tokio::time::timeout;

use super::Intake;
use super::sink::SinkError;
use crate::decode::{Counts, Decoded, Rejected};
use crate::domain::event::Event;
use crate::domain::ids::TenantId;
use crate::engine::input::Batch;
use crate::nats::NatsError;
use crate::nats::connect::Nats;
use crate::nats::settings::is_token;
use crate::nats::streams::{Keeping, Wanted, ensure};

pub mod letter;

/// The consumer's name: all instances share it.
const CONSUMER: &str = "headwater";
/// Messages that are taken at once; also how many wait for their end.
const MESSAGES_AT_ONCE: usize = 256;
/// Bytes of messages in one journal record, one message aside.
const RECORD_BYTES: usize = 2 * 1024 * 1024;
/// Events in one journal record, one message aside.
const RECORD_EVENTS: usize = 500;
/// A message comes again when it was not taken for so long.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// Silence after which the server is asked whether something waits.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// One tenant's door.
pub struct Bus {
    intake: Arc<Intake>,
    nats: Nats,
    tenant: TenantId,
    wanted: Wanted,
}

/// What a tenant's stream is like.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub bytes_max: i64,
    pub replicas: usize,
}

impl Bus {
    /// Makes or checks the tenant's stream.
    ///
    /// # Errors
    /// When it is unsafe, or the server does not answer.
    pub async fn open(intake: Arc<Intake>, nats: Nats, tenant: TenantId, size: Size) -> Result<Self, NatsError> {
        if !is_token(tenant.as_str()) {
            let why = "it cannot be part of a subject";
            return Err(NatsError::refused(format!("tenant {tenant}"), why, "use letters, digits, `-` and `_`"));
        }
        let wanted = Wanted {
            name: format!("SRC-{tenant}"),
            subjects: letter::KINDS.iter().map(|kind| format!("src.{tenant}.*.{kind}")).collect(),
            keeping: Keeping::Queue { bytes_max: size.bytes_max },
            replicas: size.replicas,
        };
        ensure(&nats, &wanted).await?;
        Ok(Self { intake, nats, tenant, wanted })
    }

    fn stream(&self) -> &str {
        &self.wanted.name
    }

    /// Takes events until the future is dropped. A failure is logged once and tried again.
    pub async fn run(self) {
        let mut said = String::new();
        loop {
            let Err(error) = self.take_all().await;
            let error = error.to_string();
            if error != said {
                tracing::warn!(error, stream = self.stream(), "events are not taken from NATS, trying again");
                said = error;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn consumer(&self) -> Result<Consumer<Config>, NatsError> {
        let config = Config {
            durable_name: Some(CONSUMER.into()),
            description: Some("Headwater takes the events of this tenant".into()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: TAKEN_WITHIN,
            // For ever: a message that is given up by the server would be lost without a word.
            max_deliver: -1,
            max_ack_pending: 4 * MESSAGES_AT_ONCE as i64,
            ..Config::default()
        };
        let stream = self.nats.jetstream.get_stream(self.stream()).await.map_err(NatsError::away)?;
        let consumer: Consumer<Config> =
            stream.get_or_create_consumer(CONSUMER, config).await.map_err(NatsError::away)?;
        let found = &consumer.cached_info().config;
        let what = format!("consumer {CONSUMER} of stream {}", self.stream());
        if found.max_deliver > 0 || found.ack_policy != AckPolicy::Explicit || !found.filter_subject.is_empty() {
            let why = "it gives messages up, or passes some over";
            return Err(NatsError::refused(what, why, "delete it: it is made again as it must be"));
        }
        Ok(consumer)
    }

    /// Takes what comes until the consumer fails or falls silent although something waits.
    async fn take_all(&self) -> Result<Infallible, NatsError> {
        // Somebody may have deleted or changed it since.
        ensure(&self.nats, &self.wanted).await?;
        let consumer = self.consumer().await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(MESSAGES_AT_ONCE)
            .heartbeat(Duration::from_secs(1))
            .expires(Duration::from_secs(10))
            .messages()
            .await
            .map_err(NatsError::away)?;
        let mut chunks = messages.ready_chunks(MESSAGES_AT_ONCE);
        loop {
            match timeout(SILENCE_MAX, chunks.next()).await {
                Ok(Some(chunk)) => {
                    let (taken, failed): (Vec<_>, Vec<_>) = chunk.into_iter().partition(Result::is_ok);
                    // The stream goes on by itself after a missed heartbeat.
                    if let Some(Err(error)) = failed.into_iter().next() {
                        tracing::debug!(%error, stream = self.stream(), "a message did not come");
                    }
                    self.take(taken.into_iter().flatten().collect()).await;
                }
                Ok(None) => return Err(NatsError::away("the consumer is gone")),
                Err(_) => {
                    let info = consumer.get_info().await.map_err(NatsError::away)?;
                    if info.num_pending > 0 {
                        return Err(NatsError::away(format!("{} messages wait and do not come", info.num_pending)));
                    }
                }
            }
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
