//! A work queue: each message is handed out until it is let go of. Nothing is ever given up by count. One consumer reads all of
//! it, or one for each subject, so that nobody waits for what another one has sent.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{Config, Stream};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use futures::StreamExt as _;
use futures::stream::ReadyChunks;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::NatsError;
use super::connect::Nats;
use super::settings::is_token;
use super::streams::{Keeping, Wanted, ensure, subjects};

/// The name of the consumer that reads everything: all instances share it.
const CONSUMER: &str = "headwater";
/// A consumer of one subject that nobody reads for so long is removed by the server; what waits stays.
const INACTIVE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Bytes that are handed out at once, one message aside.
const BYTES_AT_ONCE: usize = 16 * 1024 * 1024;
/// Messages that are handed out at once; four times as many may wait to be let go of.
pub const MESSAGES_AT_ONCE: usize = 256;
/// A message comes again when it was not let go of for so long.
pub const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// Silence after which the server is asked whether something waits.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// How large a queue may become, and how often it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub bytes_max: i64,
    pub replicas: usize,
}

/// One queue.
#[derive(Clone)]
pub struct Queue {
    nats: Nats,
    wanted: Wanted,
}

/// Messages as they come.
pub struct Reading {
    consumer: Consumer<Config>,
    chunks: ReadyChunks<Stream>,
    name: String,
}

impl Queue {
    /// Makes or checks a tenant's queue of messages whose subject ends in one of `kinds`.
    ///
    /// # Errors
    /// When it is unsafe, or the server does not answer.
    pub async fn open(nats: Nats, name: &str, tenant: &str, kinds: &[&str], size: Size) -> Result<Self, NatsError> {
        if !is_token(tenant) {
            let why = "it cannot be part of a subject";
            return Err(NatsError::refused(format!("tenant {tenant}"), why, "use letters, digits, `-` and `_`"));
        }
        let wanted = Wanted {
            name: format!("{name}-{tenant}"),
            subjects: kinds.iter().map(|kind| format!("src.{tenant}.*.{kind}")).collect(),
            keeping: Keeping::Queue { bytes_max: size.bytes_max },
            replicas: size.replicas,
        };
        ensure(&nats, &wanted).await?;
        Ok(Self { nats, wanted })
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.wanted.name
    }

    /// Begins to read everything.
    ///
    /// # Errors
    /// When stream or consumer is not as it must be, or the server does not answer.
    pub async fn read(&self) -> Result<Reading, NatsError> {
        self.read_by(CONSUMER, "").await
    }

    /// Begins to read what was sent under one subject.
    ///
    /// # Errors
    /// When stream or consumer is not as it must be, or the server does not answer.
    pub async fn read_subject(&self, subject: &str) -> Result<Reading, NatsError> {
        // The server keeps a consumer's state under its name: a short one, whatever the subject is called.
        let name = format!("subject-{}", hex::encode(&Sha256::digest(subject.as_bytes())[..8]));
        self.read_by(&name, subject).await
    }

    /// The subjects whose messages wait.
    ///
    /// # Errors
    /// When the server does not answer, or the stream is gone.
    pub async fn waiting(&self) -> Result<BTreeSet<String>, NatsError> {
        Ok(subjects(&self.nats, self.name(), ">").await?.into_iter().collect())
    }

    /// Sees to it that subjects can have consumers of their own: an earlier version read all of them by one.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn by_subject(&self) -> Result<(), NatsError> {
        ensure(&self.nats, &self.wanted).await?;
        let stream = self.nats.jetstream.get_stream(self.name()).await.map_err(NatsError::away)?;
        if stream.consumer_info(CONSUMER).await.is_ok() {
            // What it had handed out is handed out again, which is harmless.
            stream.delete_consumer(CONSUMER).await.map_err(NatsError::away)?;
        }
        Ok(())
    }

    async fn read_by(&self, name: &str, filter: &str) -> Result<Reading, NatsError> {
        // Somebody may have deleted or changed it since.
        ensure(&self.nats, &self.wanted).await?;
        let consumer = self.consumer(name, filter).await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(MESSAGES_AT_ONCE)
            // A message that is larger than all this together would never come.
            .max_bytes_per_batch(BYTES_AT_ONCE.max(2 * self.nats.client.max_payload()))
            .heartbeat(Duration::from_secs(1))
            .expires(Duration::from_secs(10))
            .messages()
            .await
            .map_err(NatsError::away)?;
        Ok(Reading { consumer, chunks: messages.ready_chunks(MESSAGES_AT_ONCE), name: self.name().to_owned() })
    }

    /// Tries again for ever what only ends in a failure, which is logged once: `what` says what does not happen.
    pub async fn always<F>(&self, what: &str, mut attempt: impl FnMut() -> F)
    where
        F: Future<Output = Result<Infallible, NatsError>>,
    {
        let mut said = String::new();
        loop {
            let Err(error) = attempt().await;
            let error = error.to_string();
            if error != said {
                tracing::warn!(error, stream = self.name(), "{what}, trying again");
                said = error;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn consumer(&self, name: &str, filter: &str) -> Result<Consumer<Config>, NatsError> {
        let config = Config {
            durable_name: Some(name.into()),
            filter_subject: filter.into(),
            inactive_threshold: if filter.is_empty() { Duration::ZERO } else { INACTIVE_MAX },
            description: Some("Headwater takes what sources send".into()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: TAKEN_WITHIN,
            // For ever: a message that is given up by the server would be lost without a word.
            max_deliver: -1,
            max_ack_pending: 4 * MESSAGES_AT_ONCE as i64,
            ..Config::default()
        };
        let stream = self.nats.jetstream.get_stream(self.name()).await.map_err(NatsError::away)?;
        let consumer: Consumer<Config> = stream.get_or_create_consumer(name, config).await.map_err(NatsError::away)?;
        let found = &consumer.cached_info().config;
        let what = format!("consumer {name} of stream {}", self.name());
        if found.max_deliver > 0 || found.ack_policy != AckPolicy::Explicit || found.filter_subject != filter {
            let why = "it gives messages up, or passes some over";
            return Err(NatsError::refused(what, why, "delete it: it is made again as it must be"));
        }
        Ok(consumer)
    }
}

impl Reading {
    /// Waits for messages; may be none.
    ///
    /// # Errors
    /// When the consumer is gone, or silent although something waits: begin to read again.
    pub async fn next(&mut self) -> Result<Vec<Message>, NatsError> {
        if let Some(messages) = self.within(SILENCE_MAX).await? {
            return Ok(messages);
        }
        let info = self.consumer.get_info().await.map_err(NatsError::away)?;
        if info.num_pending > 0 {
            return Err(NatsError::away(format!("{} messages wait and do not come", info.num_pending)));
        }
        Ok(Vec::new())
    }

    /// Messages that come within `wait`; `None` when none has come. The server is not asked whether any waits.
    ///
    /// # Errors
    /// When the consumer is gone.
    pub async fn within(&mut self, wait: Duration) -> Result<Option<Vec<Message>>, NatsError> {
        let Ok(chunk) = timeout(wait, self.chunks.next()).await else { return Ok(None) };
        let chunk = chunk.ok_or_else(|| NatsError::away("the consumer is gone"))?;
        let (taken, failed): (Vec<_>, Vec<_>) = chunk.into_iter().partition(Result::is_ok);
        // The stream goes on by itself after a missed heartbeat.
        if let Some(Err(error)) = failed.into_iter().next() {
            tracing::debug!(%error, stream = self.name, "a message did not come");
        }
        Ok(Some(taken.into_iter().flatten().collect()))
    }
}
