//! Reading a stream in order: a pull consumer of our own, with heartbeats, that is made anew whenever it falls silent,
//! leaves a gap or is gone. Where to go on is known here and not by the server, so nothing is skipped and nothing told
//! twice.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::{HeaderMap, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::NatsError;
use super::connect::Nats;
use super::streams::{Stored, Which, ask};
use crate::domain::time::Timestamp;

/// Messages that are asked for at once.
const BATCH: usize = 128;
/// How often the server says that it is there while there is nothing.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long one question stands.
const EXPIRES: Duration = Duration::from_secs(10);
/// Silence after which the consumer is made anew.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How often the stream's end is compared with what was read.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The server removes the consumer of a reader that is gone.
const INACTIVE_MAX: Duration = Duration::from_secs(300);

/// A message as it is read.
#[derive(Clone, Debug)]
pub struct Read {
    pub subject: String,
    pub seq: u64,
    /// When the server stored it.
    pub stamp: Timestamp,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl From<Stored> for Read {
    fn from(stored: Stored) -> Self {
        let Stored { subject, seq, stamp, headers, body } = stored;
        Self { subject, seq, stamp, headers, body }
    }
}

/// Reads the messages under one subject of a stream, in order, from behind `seen`.
pub struct Puller {
    nats: Nats,
    stream: String,
    filter: String,
    seen: u64,
    reading: Option<Reading>,
    ready: VecDeque<Read>,
    looked: Instant,
    /// How often the consumer was made anew.
    rebuilt: u64,
}

/// A consumer and the question that stands.
struct Reading {
    consumer: String,
    inbox: Subscriber,
    inbox_subject: String,
    /// Messages that were asked for and have not come.
    asked: usize,
    /// The server's number of the last message that it handed to this consumer.
    delivered: u64,
    heard: Instant,
}

impl Puller {
    /// A reader of `filter` (which may have wildcards) from behind `seen`.
    pub fn new(nats: Nats, stream: &str, filter: &str, seen: u64) -> Self {
        let (stream, filter) = (stream.to_owned(), filter.to_owned());
        let looked = Instant::now();
        Self { nats, stream, filter, seen, reading: None, ready: VecDeque::new(), looked, rebuilt: 0 }
    }

    /// The last message that was handed out.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How often the reading had to begin anew since the first time.
    pub fn rebuilt(&self) -> u64 {
        self.rebuilt.saturating_sub(1)
    }

    /// Waits for messages; empty when there was none within `patience`.
    ///
    /// # Errors
    /// When the server does not answer. The next call goes on where this one ended.
    pub async fn next(&mut self, patience: Duration) -> Result<Vec<Read>, NatsError> {
        let until = Instant::now() + patience;
        loop {
            if self.reading.is_none() {
                self.reading = Some(self.begin().await?);
                self.rebuilt += 1;
            }
            if let Err(why) = self.receive(until).await {
                tracing::debug!(stream = self.stream, filter = self.filter, why, "reading begins anew");
                self.abandon().await;
                if Instant::now() >= until {
                    return Ok(Vec::new());
                }
                continue;
            }
            if let Some(last) = self.ready.back() {
                self.seen = last.seq;
                return Ok(self.ready.drain(..).collect());
            }
            self.look().await?;
            if Instant::now() >= until {
                return Ok(Vec::new());
            }
        }
    }

    async fn begin(&self) -> Result<Reading, NatsError> {
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.seen + 1 },
            ack_policy: AckPolicy::None,
            filter_subject: self.filter.clone(),
            inactive_threshold: INACTIVE_MAX,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        let made = self.nats.jetstream.create_consumer_on_stream(config, self.stream.clone()).await;
        let consumer = made.map_err(NatsError::away)?.cached_info().name.clone();
        let inbox_subject = self.nats.client.new_inbox();
        let inbox = self.nats.client.subscribe(inbox_subject.clone()).await.map_err(NatsError::away)?;
        Ok(Reading { consumer, inbox, inbox_subject, asked: 0, delivered: 0, heard: Instant::now() })
    }

    /// Takes what is there, or waits for the first message; an error says why the consumer cannot be trusted any more.
    async fn receive(&mut self, until: Instant) -> Result<(), String> {
        let Some(reading) = &mut self.reading else { return Ok(()) };
        if reading.asked == 0 {
            let question = json!({ "batch": BATCH, "expires": EXPIRES.as_nanos() as u64,
                                   "idle_heartbeat": HEARTBEAT.as_nanos() as u64 });
            let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream, reading.consumer);
            let sent = self.nats.client.publish_with_reply(
                subject,
                reading.inbox_subject.clone(),
                question.to_string().into(),
            );
            sent.await.map_err(|error| error.to_string())?;
            (reading.asked, reading.heard) = (BATCH, Instant::now());
        }
        let silent_at = reading.heard + SILENCE_MAX;
        let wait = until.min(silent_at).min(self.looked + LOOK_EVERY).saturating_duration_since(Instant::now());
        let message = match timeout(wait, reading.inbox.next()).await {
            Ok(Some(message)) => message,
            Ok(None) => return Err("the subscription ended".into()),
            Err(_) if Instant::now() >= silent_at => return Err("the server is silent".into()),
            Err(_) => return Ok(()),
        };
        reading.take(message, &mut self.ready, self.seen)?;
        while reading.asked > 0
            && let Some(Some(message)) = futures::FutureExt::now_or_never(reading.inbox.next())
        {
            reading.take(message, &mut self.ready, self.seen)?;
        }
        Ok(())
    }

    /// Compares the stream's end with what was read: a consumer can stand still without saying so.
    async fn look(&mut self) -> Result<(), NatsError> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked = Instant::now();
        let last = ask(&self.nats, &self.stream, Which::Last(&self.filter)).await?;
        if last.is_some_and(|last| last.seq > self.seen) {
            tracing::warn!(stream = self.stream, filter = self.filter, "a consumer stands still and is made anew");
            self.abandon().await;
        }
        Ok(())
    }

    async fn abandon(&mut self) {
        self.ready.clear();
        let Some(reading) = self.reading.take() else { return };
        // The server removes it by itself when this does not reach it.
        let _ = self.nats.jetstream.delete_consumer_from_stream(reading.consumer, self.stream.clone()).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// Ends the reading on the server, too.
    pub async fn close(mut self) {
        self.abandon().await;
    }
}

impl Reading {
    /// Takes one message of the inbox in.
    fn take(&mut self, message: async_nats::Message, ready: &mut VecDeque<Read>, seen: u64) -> Result<(), String> {
        self.heard = Instant::now();
        match message.status {
            None | Some(StatusCode::OK) => {}
            Some(StatusCode::IDLE_HEARTBEAT) => return Ok(()),
            Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => {
                self.asked = 0;
                return Ok(());
            }
            Some(status) => return Err(format!("{status} {}", message.description.unwrap_or_default())),
        }
        self.asked = self.asked.saturating_sub(1);
        let place = Place::read(message.reply.as_deref().unwrap_or_default()).ok_or("a message without its place")?;
        if place.delivered != self.delivered + 1 {
            return Err(format!("delivery {} came after {}", place.delivered, self.delivered));
        }
        self.delivered = place.delivered;
        if place.seq <= ready.back().map_or(seen, |last| last.seq) {
            return Err(format!("message {} came again", place.seq));
        }
        let (subject, body) = (message.subject.to_string(), message.payload);
        ready.push_back(Read {
            subject,
            seq: place.seq,
            stamp: place.stamp,
            headers: message.headers.unwrap_or_default(),
            body,
        });
        Ok(())
    }
}

/// What the subject to answer to says of a message: `$JS.ACK.….<stream>.<consumer>.<tries>.<seq>.<delivered>.<ns>.<rest>`.
struct Place {
    seq: u64,
    delivered: u64,
    stamp: Timestamp,
}

impl Place {
    fn read(reply: &str) -> Option<Self> {
        let parts: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        // Servers since 2.10 may put domain and account before the stream.
        let rest = if parts.len() >= 9 { &parts[2..] } else { &parts[..] };
        let number = |at: usize| rest.get(at)?.parse::<u64>().ok();
        Some(Self { seq: number(3)?, delivered: number(4)?, stamp: Timestamp((number(5)? / 1_000_000) as i64) })
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn places_of_old_and_new_servers_are_read() {
        for reply in
            ["$JS.ACK.S.c.1.100.7.1790230470084404000.42", "$JS.ACK._.hash.S.c.1.100.7.1790230470084404000.42.x"]
        {
            let place = Place::read(reply).unwrap();
            assert_eq!((place.seq, place.delivered, place.stamp.0), (100, 7, 1_790_230_470_084), "{reply}");
        }
        assert!(Place::read("_INBOX.x").is_none());
    }
}
