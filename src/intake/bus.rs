//! The door in for integrators on NATS. Each tenant has a stream of its own; a message is taken out of it only when its
//! events are in the journal. Until then it comes again, which is harmless: every event has an id that does not change
//! with the delivery, and the engine knows it.
//!
//! Each subject is read by itself, so that a source with a long queue delays no other.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use futures::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Intake;
use super::counters::Origins;
use super::rates::Turn;
use super::sink::SinkError;
use crate::decode::{Counts, Decoded, Rejected};
use crate::domain::event::Event;
use crate::domain::ids::{SourceId, TenantId};
use crate::engine::input::{Batch, Command};
use crate::nats::NatsError;
use crate::nats::connect::Nats;
use crate::nats::queue::{Queue, Reading, Size, TAKEN_WITHIN};

pub mod letter;
pub mod points;

/// Bytes of messages in one journal record, one message aside.
const RECORD_BYTES: usize = 2 * 1024 * 1024;
/// Events in one journal record, one message aside.
const RECORD_EVENTS: usize = 500;
/// The pause when the journal has failed, or the server.
const PAUSE: Duration = Duration::from_secs(1);
/// How often new subjects are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Subjects that are read at a time; others wait until one of them has nothing more.
const SUBJECTS_MAX: usize = 256;
/// While others wait, a subject of which nothing has come for so long gives its place up.
const PAUSE_OF_OTHERS: Duration = Duration::from_millis(250);
/// Looks of ten seconds without a message after which a subject is not read any more, unless others wait.
const SILENT_LOOKS_MAX: usize = 360;

/// One tenant's door.
pub struct Bus {
    intake: Arc<Intake>,
    tenant: TenantId,
    queue: Queue,
    /// Subjects wait until another one has nothing more.
    is_crowded: watch::Sender<bool>,
}

impl Bus {
    /// Makes or checks the tenant's stream.
    ///
    /// # Errors
    /// When it is unsafe, or the server does not answer.
    pub async fn open(intake: Arc<Intake>, nats: Nats, tenant: TenantId, size: Size) -> Result<Self, NatsError> {
        let queue = Queue::open(nats, "SRC", tenant.as_str(), &letter::KINDS, size).await?;
        queue.by_subject().await?;
        Ok(Self { intake, tenant, queue, is_crowded: watch::Sender::new(false) })
    }

    fn stream(&self) -> &str {
        self.queue.name()
    }

    /// Takes events until the future is dropped. A failure is logged once and tried again.
    pub async fn run(self) {
        let bus = Arc::new(self);
        let (mut read, mut readers) = (BTreeSet::new(), JoinSet::new());
        // Whoever has waited longest comes first.
        let mut line: Vec<String> = Vec::new();
        let mut said = String::new();
        loop {
            let mut waiting = bus.queue.waiting().await.unwrap_or_else(|error| {
                bus.say(&mut said, &error);
                BTreeSet::new()
            });
            line.retain(|subject| waiting.remove(subject) && !read.contains(subject));
            line.extend(waiting.into_iter().filter(|subject| !read.contains(subject)));
            let room = line.len().min(SUBJECTS_MAX - read.len());
            for subject in line.drain(..room) {
                read.insert(subject.clone());
                readers.spawn(bus.clone().read(subject));
            }
            bus.is_crowded.send_replace(!line.is_empty());
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                Some(ended) = readers.join_next() => match ended {
                    Ok(subject) => {
                        read.remove(&subject);
                    }
                    // A reader that broke has met a bug: whoever watches this one says so.
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
            }
        }
    }

    /// Takes what comes under a subject until nothing more comes; returns the subject.
    async fn read(self: Arc<Self>, subject: String) -> String {
        let mut said = String::new();
        while let Err(error) = self.take_all(&subject).await {
            self.say(&mut said, &error);
            sleep(PAUSE).await;
        }
        subject
    }

    /// Logs a failure, unless it is the last one again.
    fn say(&self, said: &mut String, error: &NatsError) {
        let error = error.to_string();
        if error != *said {
            tracing::warn!(error, stream = self.stream(), "events are not taken from NATS, trying again");
            *said = error;
        }
    }

    async fn take_all(&self, subject: &str) -> Result<(), NatsError> {
        let source = letter::source(subject);
        let mut reading = self.queue.read_subject(subject).await?;
        let mut silent = 0;
        loop {
            let messages = self.look(&mut reading).await?;
            silent = if messages.is_empty() { silent + 1 } else { 0 };
            if silent > SILENT_LOOKS_MAX || (silent > 0 && *self.is_crowded.borrow()) {
                return Ok(());
            }
            self.take(&source, messages).await;
        }
    }

    /// Waits for messages, not long while others wait for the place.
    async fn look(&self, reading: &mut Reading) -> Result<Vec<Message>, NatsError> {
        let mut is_crowded = self.is_crowded.subscribe();
        tokio::select! {
            biased;
            messages = reading.next() => return messages,
            _ = is_crowded.wait_for(|is_crowded| *is_crowded) => {}
        }
        Ok(reading.within(PAUSE_OF_OTHERS).await?.unwrap_or_default())
    }

    /// Takes a source's messages in order, some to one journal record, and no faster than the source may send.
    async fn take(&self, source: &SourceId, messages: Vec<Message>) {
        let mut waiting = Pack::default();
        let mut messages = VecDeque::from(messages);
        while let Some(message) = messages.front() {
            let (decoded, commands) = letter::open(&self.intake, &self.tenant, message);
            let is_full = waiting.bytes + message.payload.len() > RECORD_BYTES
                || waiting.events.len() + decoded.events.len() > RECORD_EVENTS;
            if is_full && !waiting.messages.is_empty() {
                self.keep(std::mem::take(&mut waiting)).await;
            }
            let mut turn = Turn::new(decoded.events.len() + commands.len());
            while let Some(wait) = self.intake.turn(&self.tenant, source, &mut turn).await {
                if !waiting.messages.is_empty() {
                    self.keep(std::mem::take(&mut waiting)).await;
                }
                hold(messages.iter(), wait).await;
            }
            if let Some(message) = messages.pop_front() {
                waiting.add(message, decoded, commands);
            }
        }
        if !waiting.messages.is_empty() {
            self.keep(waiting).await;
        }
    }

    /// What came is not kept yet: it is tried again a little later.
    async fn wait(&self, messages: &[Message], error: SinkError) {
        let wait = match error {
            SinkError::TryLater { wait } => wait,
            SinkError::Failed(cause) => {
                tracing::error!(stream = self.stream(), cause, "events from NATS are not kept yet");
                PAUSE
            }
        };
        hold(messages.iter(), wait).await;
    }

    /// Puts events into the journal, however long that takes, and only then lets go of their messages.
    async fn keep(&self, pack: Pack) {
        let Pack { messages, events, rejected, commands, counts, bytes } = pack;
        self.intake.counters.request();
        self.intake.counters.body(bytes);
        let letters: Vec<_> = rejected.iter().map(|rejected| rejected.letter.clone()).collect();
        let origins = Origins::of(&events);
        let batch = Batch { tenant: self.tenant.clone(), events, rejected: letters, replay_of: None };
        let mut is_kept = batch.events.is_empty() && batch.rejected.is_empty();
        while !is_kept {
            match self.intake.sink.accept(batch.clone()).await {
                Ok(_) => {
                    self.intake.counters.kept(&origins, &rejected, &counts);
                    is_kept = true;
                }
                Err(error) => self.wait(&messages, error).await,
            }
        }
        for command in commands {
            while let Err(error) = self.intake.sink.order(command.clone()).await {
                self.wait(&messages, error).await;
            }
        }
        if let Err(error) = let_go(&messages).await {
            tracing::debug!(%error, stream = self.stream(), "messages come once more, which is harmless");
        }
    }
}

/// Tells the server that it may forget messages, and waits until it has heard of all: what one connection says is heard in
/// order, so that only the last one needs an answer.
async fn let_go(messages: &[Message]) -> Result<(), async_nats::Error> {
    let Some((last, before)) = messages.split_last() else { return Ok(()) };
    for message in before {
        message.ack().await?;
    }
    last.double_ack().await
}

/// Waits, but not longer than messages in hand may be told to wait: otherwise they come again while they still wait here.
async fn hold(messages: impl Iterator<Item = &Message>, wait: Duration) {
    join_all(messages.map(|message| message.ack_with(AckKind::Progress))).await;
    sleep(wait.min(TAKEN_WITHIN / 3)).await;
}

/// Messages that become one journal record.
#[derive(Default)]
struct Pack {
    messages: Vec<Message>,
    events: Vec<Event>,
    rejected: Vec<Rejected>,
    /// Orders of the senders, behind their events.
    commands: Vec<Command>,
    counts: Counts,
    bytes: usize,
}

impl Pack {
    fn add(&mut self, message: Message, decoded: Decoded, commands: Vec<Command>) {
        self.bytes += message.payload.len();
        self.messages.push(message);
        self.events.extend(decoded.events);
        self.rejected.extend(decoded.rejected);
        self.commands.extend(commands);
        self.counts.add(&decoded.counts);
    }
}
