//! The deeds: tells receivers what was decided, at least once and with a key that stays the same.
//!
//! Each receiver has its own queue and its own task, so that a receiver that hangs delays nobody else. A receiver
//! sees the versions of an incident in increasing order, one at a time. What cannot be sent is tried again with
//! growing pauses for a day; versions that wait behind it are folded into the newest one. How each notice ended is
//! reported once, and becomes an input of the journal.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ears::TicketDeed;
use fate::{Listening, Tell};
use futures::future::BoxFuture;
use serde_json::Value;
use settings::{Ready, Settings};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::domain::action::ActionReport;
use crate::domain::ids::{PersonId, ReceiverId};
use crate::domain::incident::TicketRef;
use crate::domain::reach::Way;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;
use crate::engine::input::{Delivered, DeliveryOutcome};
use crate::wording::lang::Lang;

pub mod acts;
mod aside;
mod brief;
pub mod channels;
pub mod contacts;
mod digest;
pub mod ears;
pub mod egress;
pub mod fate;
mod form;
pub mod http;
pub mod lines;
pub mod message;
pub mod parent;
pub mod pending;
mod queue;
pub mod receipt;
mod receiver;
pub mod request;
pub mod schedule;
pub mod settings;
pub mod signature;
pub mod template;
mod test_page;
pub mod tickets;
pub mod webhook;

#[cfg(test)]
mod tests;

/// The machine's clock, or a test's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Is told how each notice ended, exactly once and in order. The call takes it over and is quick; the future ends when
/// it is on record.
pub type Report = Arc<dyn Fn(Delivered) -> BoxFuture<'static, ()> + Send + Sync>;

const UNKNOWN: &str = "no receiver of this name is configured";
const SWITCHED_OFF: &str = "the receiver is switched off";

/// A way to tell people: one file per system.
pub trait Channel: Send + Sync {
    /// The kind of channel, for logs and the console.
    fn name(&self) -> &'static str;

    /// Tries once to hand over a notice. Has to end by itself within a time-out of its own.
    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt>;

    /// What would be sent, for people to look at.
    ///
    /// # Errors
    /// Why there is nothing to see.
    fn preview(&self, _: &Notice) -> Result<String, String> {
        Err(format!("a receiver of the kind {} shows nothing beforehand", self.name()))
    }

    /// Where a notice goes, masked: what nobody can be reached with. Empty: whoever reads the receiver.
    fn address(&self, _: &Notice) -> String {
        String::new()
    }

    /// How a person is reached by it; none: not in person, or they have no address.
    fn way(&self, _: &PersonId, _: Timestamp) -> Option<Way> {
        None
    }

    /// Whether it is a page to an address that nobody has shown to be the person's, and such ones are not used: it is not sent.
    fn is_unverified(&self, _: &Notice) -> bool {
        false
    }

    /// Listens for what becomes of messages that were taken, where the system tells it later; most tell nothing. Who is not let in waits
    /// as the settings say.
    fn follow<'a>(&'a self, _: Tell<'a>, _: &'a Settings) -> Option<Listening<'a>> {
        None
    }

    /// Tells somebody who has acted or asked, at the place that the system named in its callback.
    fn reply<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Attempt> {
        Box::pin(std::future::ready(no_reply(self.name())))
    }

    /// Whether what a callback has brought as a proof is the system's own. Most prove themselves by a secret alone.
    ///
    /// # Errors
    /// Why it cannot be asked now.
    fn vouches<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(std::future::ready(Ok(true)))
    }

    /// What people have done to a ticket of this system so far: what they have said, the oldest first, and how far they are.
    ///
    /// # Errors
    /// Why it does not say.
    fn deeds<'a>(&'a self, _: &'a TicketRef) -> BoxFuture<'a, Result<Vec<TicketDeed>, String>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// What stands in a message's place once somebody has acted from it; none where a message stays as it was sent.
    fn acted(&self, _: &Acted<'_>) -> Option<Value> {
        None
    }
}

/// The end of an answer to a place that is none.
fn no_reply(name: &str) -> Attempt {
    Attempt::Refused { why: format!("a receiver of the kind {name} takes no answer there") }
}

/// Somebody has acted from a message.
#[derive(Clone, Copy, Debug)]
pub struct Acted<'a> {
    /// The incident as it stands now, told to nobody in particular: whoever sees the message sees this.
    pub notice: &'a Notice,
    /// Who has done what, and what became of it.
    pub said: &'a str,
    /// The language of who has acted.
    pub lang: Lang,
}

/// How one attempt ended: what is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has it.
    Accepted,
    /// The receiver has it, and this is what it calls it or says of it.
    Noted {
        /// Its own id of the message, or its words.
        said: String,
    },
    /// The ticket system has it, and this is where.
    Filed {
        /// The ticket.
        ticket: Box<TicketRef>,
    },
    /// An executor has it, and says at once what of it.
    Answered {
        /// What it says.
        report: Box<ActionReport>,
    },
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
    /// The kind of channel; empty while it is switched off.
    pub kind: &'static str,
    /// It is configured, but switched off.
    pub switched_off: bool,
    /// Why nothing is sent at the moment.
    pub locked_out: Option<String>,
    /// The last failure.
    pub last_failure: Option<String>,
    /// When an attempt failed first, of those since it accepted one last or nothing waited.
    pub fails_since: Option<Timestamp>,
}

/// What receivers' tasks and their observers both look at.
type States = Arc<Mutex<BTreeMap<ReceiverId, ReceiverState>>>;

/// The running delivery. When it is dropped, what is under way is cut off: close it before.
pub struct Delivery {
    receivers: BTreeMap<ReceiverId, UnboundedSender<Notice>>,
    tasks: Mutex<JoinSet<()>>,
    closing: watch::Sender<bool>,
    states: States,
    unknown: AtomicU64,
    report: Report,
}

impl Delivery {
    /// Starts one task per receiver on the current runtime.
    pub fn start(ready: BTreeMap<ReceiverId, Ready>, clock: &Clock, report: Report) -> Self {
        let states = States::default();
        let (closing, _) = watch::channel(false);
        let mut receivers = BTreeMap::new();
        let mut tasks = JoinSet::new();
        for (receiver, Ready { channel, settings }) in ready {
            let kind = channel.as_ref().map_or("", |channel| channel.name());
            let state = ReceiverState { kind, switched_off: channel.is_none(), ..ReceiverState::default() };
            states.lock().expect("no holder of the states' lock panics").insert(receiver.clone(), state);
            let Some(channel) = channel else { continue };
            let (sender, notices) = unbounded_channel();
            let task = receiver::Task {
                receiver: receiver.clone(),
                channel,
                settings,
                clock: Arc::clone(clock),
                report: Arc::clone(&report),
                states: Arc::clone(&states),
            };
            tasks.spawn(task.run(notices, closing.subscribe()));
            receivers.insert(receiver, sender);
        }
        Self { receivers, tasks: Mutex::new(tasks), closing, states, unknown: AtomicU64::new(0), report }
    }

    /// Takes over a committed notice; returns at once. Of notices about one incident, hand in older versions first.
    /// After a restart, hand in again what was not reported before: the key is the same.
    pub fn notify(&self, notice: Notice) {
        if let Some(receiver) = self.receivers.get(&notice.receiver) {
            // A task that has ended was told to close: the notice stays without a result and is sent after the start.
            let _ = receiver.send(notice);
            return;
        }
        if self.is_to_nobody() {
            drop((self.report)(delivered(&notice, DeliveryOutcome::Unaddressed, 0)));
            return;
        }
        let is_off = {
            let mut states = self.states.lock().expect("no holder of the states' lock panics");
            states.get_mut(&notice.receiver).map(|state| state.given_up += 1).is_some()
        };
        let why = if is_off { SWITCHED_OFF } else { UNKNOWN };
        if !is_off && self.unknown.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(receiver = %notice.receiver, "a notice went to a receiver that is not configured: it is kept as undelivered; add it to `receivers`, or take it out of the routes");
        }
        // The end is taken over by the call; nothing waits for it.
        drop((self.report)(delivered(&notice, DeliveryOutcome::GaveUp(why.to_owned()), 0)));
    }

    /// Sends nothing more, and waits until the attempts that are under way have ended and that is on record; what
    /// takes longer than `patience` is left and sent again after the next start.
    pub async fn close(&self, patience: Duration) {
        // Without tasks nobody listens, and nothing is to be waited for.
        let _ = self.closing.send(true);
        let mut tasks = std::mem::take(&mut *self.tasks.lock().expect("no holder of the tasks' lock panics"));
        let ended = tokio::time::timeout(patience, async { while tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::warn!("receivers did not answer in time: what was under way is sent again after the next start");
            tasks.shutdown().await;
        }
    }

    /// Whether no receiver at all is configured: then nothing is owed.
    pub fn is_to_nobody(&self) -> bool {
        self.states.lock().expect("no holder of the states' lock panics").is_empty()
    }

    /// How the receivers are doing.
    pub fn states(&self) -> BTreeMap<ReceiverId, ReceiverState> {
        self.states.lock().expect("no holder of the states' lock panics").clone()
    }

    /// Notices to receivers that are not configured, since the start.
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
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
        person: notice.to.as_ref().map(|to| to.person.clone()),
        ticket: None,
        report: None,
        receipt: None,
    }
}
