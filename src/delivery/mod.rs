//! The deeds: tells receivers what was decided, at least once and with a key that stays the same.
//!
//! Each receiver has its own queue and its own task, so that a receiver that hangs delays nobody else. A receiver
//! sees the versions of an incident in increasing order, one at a time. What cannot be sent is tried again with
//! growing pauses for a day; versions that wait behind it are folded into the newest one. How each notice ended is
//! reported once, and becomes an input of the journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::domain::ids::ReceiverId;
use crate::domain::time::{Span, Timestamp};
use crate::engine::effect::Notice;
use crate::engine::input::{Delivered, DeliveryOutcome};

pub mod egress;
pub mod pending;
mod queue;
mod receiver;
pub mod schedule;
pub mod signature;
pub mod webhook;

#[cfg(test)]
mod tests;

/// The machine's clock, or a test's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Is told how each notice ended, exactly once. Called from the receiver's task: must be quick.
pub type Report = Arc<dyn Fn(Delivered) + Send + Sync>;

/// A way to tell people: one file per system.
pub trait Channel: Send + Sync {
    /// The kind of channel, for logs and the console.
    fn name(&self) -> &'static str;

    /// Tries once to hand over a notice. Has to end by itself within a time-out of its own.
    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt>;
}

/// How one attempt ended: what is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has it.
    Accepted,
    /// Try again, after `wait` when the receiver named a time.
    TryLater {
        /// What went wrong.
        why: String,
        /// What the receiver asked for; kept within 1 s and 10 min.
        wait: Option<Duration>,
    },
    /// The receiver does not want this notice.
    Refused {
        /// What it said.
        why: String,
    },
    /// The receiver does not want us (credentials, certificate, address): nothing else is sent either for a while.
    LockedOut {
        /// What it said.
        why: String,
    },
}

/// How hard it is tried.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Notices that are on their way to one receiver at a time.
    pub concurrency_max: usize,
    /// Notices that may wait for one receiver; more are given up at once.
    pub waiting_max: usize,
    /// The first pause; each further one is twice as long.
    pub retry_first: Duration,
    /// The longest pause.
    pub retry_max: Duration,
    /// A notice older than this is given up after its next failure.
    pub give_up_after: Span,
    /// How often a notice that is refused is tried again.
    pub refused_retries: u32,
    /// How long nothing is sent to a receiver that has locked us out; then one notice tries.
    pub locked_out_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency_max: 8,
            waiting_max: 20_000,
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
            give_up_after: Span::hours(24),
            refused_retries: 1,
            locked_out_pause: Duration::from_secs(300),
        }
    }
}

/// How a receiver is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverState {
    /// Notices that wait or are on their way.
    pub waiting: usize,
    /// Notices that the receiver has accepted since the start.
    pub accepted: u64,
    /// Attempts that failed since the start.
    pub failed: u64,
    /// Notices that were given up since the start.
    pub given_up: u64,
    /// Notices that were folded into newer ones since the start.
    pub folded: u64,
    /// Why nothing is sent at the moment.
    pub locked_out: Option<String>,
    /// The last failure.
    pub last_failure: Option<String>,
}

/// What receivers' tasks and their observers both look at.
type States = Arc<Mutex<BTreeMap<ReceiverId, ReceiverState>>>;

/// The running delivery. When it is dropped, the tasks end after the attempts that are under way.
pub struct Delivery {
    receivers: BTreeMap<ReceiverId, UnboundedSender<Notice>>,
    states: States,
    report: Report,
}

impl Delivery {
    /// Starts one task per receiver on the current runtime.
    pub fn start(
        channels: BTreeMap<ReceiverId, Arc<dyn Channel>>,
        settings: Settings,
        clock: &Clock,
        report: Report,
    ) -> Self {
        let states = States::default();
        let mut receivers = BTreeMap::new();
        for (receiver, channel) in channels {
            let (sender, notices) = unbounded_channel();
            let task = receiver::Task {
                receiver: receiver.clone(),
                channel,
                settings,
                clock: Arc::clone(clock),
                report: Arc::clone(&report),
                states: Arc::clone(&states),
            };
            states
                .lock()
                .expect("no holder of the states' lock panics")
                .insert(receiver.clone(), ReceiverState::default());
            tokio::spawn(task.run(notices));
            receivers.insert(receiver, sender);
        }
        Self { receivers, states, report }
    }

    /// Takes over a committed notice; returns at once. Of notices about one incident, hand in older versions first.
    /// After a restart, hand in again what was not reported before: the key is the same.
    pub fn notify(&self, notice: Notice) {
        let why = match self.receivers.get(&notice.receiver) {
            Some(receiver) => match receiver.send(notice) {
                Ok(()) => return,
                Err(refused) => return self.give_up(&refused.0, "the receiver's task has ended"),
            },
            None => "no receiver of this name is configured",
        };
        self.give_up(&notice, why);
    }

    fn give_up(&self, notice: &Notice, why: &str) {
        tracing::error!(incident.id = %notice.incident.id, receiver = %notice.receiver, why, "notice given up");
        (self.report)(delivered(notice, DeliveryOutcome::GaveUp(why.to_owned()), 0));
    }

    /// How the receivers are doing.
    pub fn states(&self) -> BTreeMap<ReceiverId, ReceiverState> {
        self.states.lock().expect("no holder of the states' lock panics").clone()
    }
}

fn delivered(notice: &Notice, outcome: DeliveryOutcome, attempts: u32) -> Delivered {
    Delivered {
        tenant: notice.incident.tenant.clone(),
        incident: notice.incident.id,
        receiver: notice.receiver.clone(),
        key: notice.key.clone(),
        outcome,
        attempts,
    }
}
