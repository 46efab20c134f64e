//! Packs messages of one listener into batches and keeps them, however long that takes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, timeout_at};

use super::Heard;
use super::settings::Ready;
use crate::decode::mapping::Shape;
use crate::decode::{Body, Decoded};
use crate::engine::input::Batch;
use crate::intake::counters::Origins;
use crate::intake::format::{Format, Sender as Whose};
use crate::intake::rates::Turn;
use crate::intake::registry::Delivered;
use crate::intake::sink::SinkError;
use crate::intake::{Intake, deeds};

/// Messages that wait for the journal.
const WAITING_MAX: usize = 50_000;
/// Messages in one journal record.
const BATCH_MAX: usize = 500;
/// Bytes in one journal record.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// So long a message may wait for others.
const WAIT: Duration = Duration::from_millis(50);
/// The pause when the journal has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// One listener's.
pub struct Keeper {
    intake: Arc<Intake>,
    ready: Arc<Ready>,
    lines: Lines,
    waiting: Receiver<String>,
}

/// The way in: JSON texts without line breaks.
#[derive(Clone)]
pub struct Lines {
    pub intake: Arc<Intake>,
    ready: Arc<Ready>,
    sender: Sender<String>,
}

impl Lines {
    /// Hands a message over, or drops it when too many wait: whoever sent it cannot be told to wait.
    pub fn offer(&self, line: String) {
        let heard = if self.sender.try_send(line).is_ok() { Heard::Taken } else { Heard::Dropped };
        self.heard(heard);
    }

    /// Hands a message over; waits while too many wait, so that its sender is slowed down.
    pub async fn hand_over(&self, line: String) {
        let taken = self.sender.send(line).await.is_ok();
        self.heard(if taken { Heard::Taken } else { Heard::Dropped });
    }

    /// Counts a message.
    pub fn heard(&self, heard: Heard) {
        self.ready.heard(&self.intake, heard);
    }
}

impl Keeper {
    /// Makes it and the way in.
    pub fn new(intake: Arc<Intake>, ready: Arc<Ready>) -> Self {
        let (sender, waiting) = channel(WAITING_MAX);
        let lines = Lines { intake: intake.clone(), ready: ready.clone(), sender };
        Self { intake, ready, lines, waiting }
    }

    /// A way in.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Keeps messages until the future is dropped.
    pub async fn run(mut self) {
        while let Some(first) = self.waiting.recv().await {
            let until = Instant::now() + WAIT;
            let (mut body, mut count) = (first, 1);
            while count < BATCH_MAX
                && body.len() < BATCH_BYTES
                && let Ok(Some(line)) = timeout_at(until, self.waiting.recv()).await
            {
                body.push('\n');
                body.push_str(&line);
                count += 1;
            }
            // While a source is over its rate its messages wait here, and then where they come from, or are dropped.
            let mut turn = Turn::of_events(count);
            while let Some(wait) = self.intake.turn(&self.ready.tenant, &self.ready.source, &mut turn).await {
                sleep(wait).await;
            }
            self.keep(&body).await;
        }
    }

    async fn keep(&self, body: &str) {
        while let Err(error) = keep(&self.intake, &self.ready, body).await {
            let wait = match error {
                SinkError::TryLater { wait } => wait,
                SinkError::Failed(cause) => {
                    tracing::error!(cause, source.id = %self.ready.source, "messages of a listener are not kept yet");
                    PAUSE
                }
            };
            sleep(wait).await;
        }
    }
}

/// Decodes messages, one per line, and puts their events into the journal.
///
/// # Errors
/// When the journal does not take them now.
pub async fn keep(intake: &Intake, ready: &Ready, body: &str) -> Result<(), SinkError> {
    let (tenant, source) = (ready.tenant.clone(), ready.source.clone());
    let sender = Whose { tenant, source, received_at: (intake.now)() };
    let format = Format::Mapping(ready.mapping.clone(), Shape::Lines);
    let decoded = match intake.decode(&format, &sender, Body::from(body.as_bytes())) {
        Ok(decoded) => decoded,
        Err(error) => {
            tracing::error!(%error, source.id = %sender.source, "messages of a listener are not read");
            return Ok(());
        }
    };
    let seen = Delivered { at: sender.received_at, format: &ready.mapping, body: body.as_bytes(), decoded: &decoded };
    intake.registry.saw(&sender.tenant, &sender.source, &seen);
    if !intake.registry.is_enabled(&sender.tenant, &sender.source, sender.received_at) {
        return Ok(());
    }
    let Decoded { events, rejected, orders, counts } = decoded;
    let commands = deeds::commands((&sender.tenant, &sender.source), "", orders);
    let (origins, letters) = (Origins::of(&events), rejected.iter().map(|rejected| rejected.letter.clone()).collect());
    let batch = Batch { tenant: sender.tenant, events, rejected: letters, replay_of: None };
    if !batch.events.is_empty() || !batch.rejected.is_empty() {
        intake.sink.accept(batch).await?;
    }
    for command in commands {
        intake.sink.order(command).await?;
    }
    intake.counters.request();
    intake.counters.body(body.len());
    intake.counters.kept(&origins, &rejected, &counts);
    Ok(())
}
