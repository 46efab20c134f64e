//! From the outbox to the receivers, and their answers into the journal.
//!
//! What the outbox commits is handed to `delivery`; how each notice ended is appended to the journal and comes back
//! here as a record. Between the two a notice is pending: after a restart, or by the instance that comes next, it is sent
//! again, with the same key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use super::lease::Lease;
use super::log::AnyLog;
use crate::clock::Clock;
use crate::delivery::fate::{Listening, Tell};
use crate::delivery::pending::{Pending, Place};
use crate::delivery::settings::{Ready, Settings};
use crate::delivery::{Acted, Attempt, Channel, Delivery, Report};
use crate::domain::ids::{ReceiverId, TenantId};
use crate::domain::partition::partition_of;
use crate::domain::time::Span;
use crate::engine::effect::{Effect, Notice};
use crate::engine::input::{Delivered, Input};
use crate::journal::{AppendError, ReadError, Record};

/// Results that are appended at once.
const RESULTS_AT_ONCE: usize = 64;
/// How long attempts of which another instance takes over the rest may go on.
pub const HAND_OVER_TIME_MAX: Duration = Duration::from_millis(500);

/// Keeps the account of notices and hands them out.
pub struct Courier {
    pending: Mutex<Pending>,
    sending: Mutex<Sending>,
    outfit: Option<Outfit>,
    log: AnyLog,
    lease: Arc<Lease>,
}

/// What is needed to send.
struct Outfit {
    ready: BTreeMap<ReceiverId, Ready>,
    clock: Clock,
    runtime: Handle,
}

/// Whether notices are handed out.
#[derive(Default)]
enum Sending {
    #[default]
    Nothing,
    /// What waits from before is being read; what is committed meanwhile comes behind it.
    Begins {
        of: BTreeSet<u16>,
        fresh: Vec<Notice>,
    },
    Goes {
        of: BTreeSet<u16>,
        delivery: Arc<Delivery>,
    },
}

impl Courier {
    /// A courier that hands nothing out until it is told of which partitions. Without receivers it never does. With
    /// receivers it needs a runtime.
    pub fn new(log: AnyLog, lease: Arc<Lease>, receivers: Option<BTreeMap<ReceiverId, Ready>>, clock: &Clock) -> Self {
        let outfit = receivers.map(|ready| Outfit { ready, clock: clock.clone(), runtime: Handle::current() });
        Self { pending: Mutex::default(), sending: Mutex::default(), outfit, log, lease }
    }

    /// Takes in the end of a notice, when the record is one; a second time changes nothing.
    pub fn ended(&self, record: &Record) {
        if let Input::Delivered(delivered) = &*record.input {
            self.lock().ended(delivered, record.stamp);
        }
    }

    /// Takes in one decided record, in the order of the outbox.
    pub fn committed(&self, record: &Record, outbox_seq: u64, effects: &[Effect]) {
        self.ended(record);
        let mut pending = self.lock();
        let committed = pending.committed(outbox_seq, effects);
        if committed.is_empty() {
            return;
        }
        match &mut *self.sending() {
            Sending::Begins { of, fresh } if of.contains(&record.partition) => {
                fresh.extend(committed.into_iter().cloned());
            }
            Sending::Goes { of, delivery } if of.contains(&record.partition) => {
                committed.into_iter().for_each(|notice| delivery.notify(notice.clone()));
            }
            Sending::Nothing | Sending::Begins { .. } | Sending::Goes { .. } => {}
        }
    }

    /// Hands out the notices of these partitions from now on, and of no others: first what waits from before. Of none: nothing is begun,
    /// so that nothing listens in the place of the one who sends. Blocks; attempts that are under way may end first.
    ///
    /// # Errors
    /// When a notice that waits cannot be read.
    pub fn send_for(&self, of: BTreeSet<u16>) -> Result<()> {
        let Some(outfit) = &self.outfit else { return Ok(()) };
        let is_idle = of.is_empty();
        let next = if is_idle { Sending::Nothing } else { Sending::Begins { of: of.clone(), fresh: Vec::new() } };
        let before = std::mem::replace(&mut *self.sending(), next);
        if let Sending::Goes { delivery, .. } = before {
            outfit.runtime.block_on(delivery.close(HAND_OVER_TIME_MAX));
        }
        if is_idle {
            return Ok(());
        }
        let delivery = Arc::new(outfit.begin(&self.log, &self.lease));
        let waiting = self.lock().waiting_of(|tenant| of.contains(&partition_of(tenant)));
        let listed: BTreeSet<Box<str>> = waiting.iter().map(|(key, _)| key.clone()).collect();
        for (key, place) in waiting {
            match self.notice(place, &key) {
                Ok(notice) => delivery
                    .notify(notice.with_context(|| format!("outbox record {} has no notice", place.outbox_seq))?),
                Err(ReadError::Gone { .. }) => {
                    tracing::error!(outbox_seq = place.outbox_seq, "a notice is too old to be read, it is not sent");
                    self.lock().lose(place);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut sending = self.sending();
        if let Sending::Begins { fresh, .. } = &mut *sending {
            // What was committed before the list was made stands in both.
            fresh.retain(|notice| !listed.contains(&notice.key));
            fresh.drain(..).for_each(|notice| delivery.notify(notice));
        }
        *sending = Sending::Goes { of, delivery };
        Ok(())
    }

    /// How long a notice may wait for the most patient receiver.
    pub fn waits_max(&self) -> Span {
        let ready = self.outfit.iter().flat_map(|outfit| outfit.ready.values());
        let patience = ready.map(|ready| ready.settings.give_up_after).max().unwrap_or(Span(0));
        patience.max(Settings::default().give_up_after)
    }

    /// The notice with this key that was committed at a place.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub fn notice(&self, place: Place, key: &str) -> Result<Option<Notice>, ReadError> {
        let records = self.log.decisions_after(place.outbox_seq.saturating_sub(1), 1)?;
        let here = records.iter().filter(|record| record.seq == place.outbox_seq);
        let notices = here.flat_map(|record| record.effects.iter()).filter_map(|effect| match effect {
            Effect::Notify { notice } => Some(notice),
            Effect::Verdict { .. }
            | Effect::Alert { .. }
            | Effect::Incident { .. }
            | Effect::Timeline { .. }
            | Effect::Silence { .. }
            | Effect::CommandDone { .. } => None,
        });
        Ok(notices.into_iter().find(|notice| *notice.key == *key).map(|notice| Notice::clone(notice)))
    }

    /// The account, to be looked at.
    pub fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("nobody panics while holding it")
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().expect("nobody panics while holding it")
    }

    /// What a receiver would be sent.
    ///
    /// # Errors
    /// When there is no such receiver, or it shows nothing.
    pub fn preview(&self, notice: &Notice) -> Result<String, String> {
        self.channel(&notice.receiver)
            .ok_or_else(|| format!("receiver: {} is not configured, or switched off", notice.receiver))?
            .preview(notice)
    }

    /// What stands in a message's place once somebody has acted from it; none where a message stays as it was sent.
    pub fn acted(&self, acted: &Acted<'_>) -> Option<Value> {
        self.channel(&acted.notice.receiver)?.acted(acted)
    }

    /// Tells somebody who has acted or asked through a receiver, at the place that its system named.
    pub async fn reply(&self, receiver: &ReceiverId, to: &str, said: &str) {
        let Some(channel) = self.channel(receiver).cloned() else { return };
        match channel.reply(to, said).await {
            Attempt::Accepted | Attempt::Noted { .. } | Attempt::Filed { .. } | Attempt::Answered { .. } => {}
            Attempt::TryLater { why, .. } | Attempt::Refused { why } | Attempt::LockedOut { why } => {
                tracing::warn!(receiver = %receiver, why, "whoever has acted is not told what became of it");
            }
        }
    }

    /// The receiver's channel; none: it is not configured, or switched off.
    pub fn channel(&self, receiver: &ReceiverId) -> Option<&Arc<dyn Channel>> {
        self.outfit.as_ref()?.ready.get(receiver)?.channel.as_ref()
    }

    /// Whether this instance hands out the notices of a tenant.
    pub fn sends_for(&self, tenant: &TenantId) -> bool {
        matches!(&*self.sending(), Sending::Goes { of, .. } if of.contains(&partition_of(tenant)))
    }

    /// The running delivery; none while nothing is handed out.
    pub fn delivery(&self) -> Option<Arc<Delivery>> {
        match &*self.sending() {
            Sending::Goes { delivery, .. } => Some(delivery.clone()),
            Sending::Nothing | Sending::Begins { .. } => None,
        }
    }

    /// Sends nothing more, and waits for what is under way.
    pub async fn close(&self, patience: Duration) {
        if let Some(delivery) = self.delivery() {
            delivery.close(patience).await;
        }
    }
}

impl Outfit {
    /// A delivery that has nothing to do yet.
    fn begin(&self, log: &AnyLog, lease: &Arc<Lease>) -> Delivery {
        let _in = self.runtime.enter();
        let guarded = self.ready.iter().map(|(receiver, ready)| {
            let guarded = |channel: &Arc<dyn Channel>| -> Arc<dyn Channel> {
                Arc::new(Guarded { channel: channel.clone(), lease: lease.clone() })
            };
            let channel = ready.channel.as_ref().map(guarded);
            (receiver.clone(), Ready { channel, settings: ready.settings.clone() })
        });
        Delivery::start(guarded.collect(), &self.clock, recorder(log.clone()))
    }
}

/// A channel that is used only while this instance is known to be alive: another one may send already.
struct Guarded {
    channel: Arc<dyn Channel>,
    lease: Arc<Lease>,
}

impl Channel for Guarded {
    fn name(&self) -> &'static str {
        self.channel.name()
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        if self.lease.is_valid() {
            return self.channel.send(notice);
        }
        let why = "this instance was not heard of for a while: another one may send".to_owned();
        std::future::ready(Attempt::TryLater { why, wait: None }).boxed()
    }

    fn address(&self, notice: &Notice) -> String {
        self.channel.address(notice)
    }

    fn follow<'a>(&'a self, tell: Tell<'a>, settings: &'a Settings) -> Option<Listening<'a>> {
        self.channel.follow(tell, settings)
    }

    fn is_unverified(&self, notice: &Notice) -> bool {
        self.lease.is_valid() && self.channel.is_unverified(notice)
    }
}

/// A result and who waits for it to be on record.
type Result_ = (Delivered, oneshot::Sender<()>);

/// Appends results to the journal, in the order in which they are reported.
fn recorder(log: AnyLog) -> Report {
    let (sender, results) = unbounded_channel::<Result_>();
    tokio::spawn(record(log, results));
    Arc::new(move |delivered| {
        let (stored, wait) = oneshot::channel();
        // When the recorder has ended, the journal has stopped: the notice stays pending.
        let _ = sender.send((delivered, stored));
        wait.map(drop).boxed()
    })
}

async fn record(log: AnyLog, mut results: UnboundedReceiver<Result_>) {
    let mut waiting: Vec<Result_> = Vec::new();
    loop {
        if waiting.is_empty() && results.recv_many(&mut waiting, RESULTS_AT_ONCE).await == 0 {
            return;
        }
        let appends = waiting
            .iter()
            .map(|(delivered, _)| log.append(partition_of(&delivered.tenant), Input::Delivered(delivered.clone())));
        let outcomes = join_all(appends).await;
        let mut pause = None;
        let mut again = Vec::new();
        for ((delivered, stored), outcome) in std::mem::take(&mut waiting).into_iter().zip(outcomes) {
            match outcome {
                // Nobody waits for a notice that was given up at once.
                Ok(_) => drop(stored.send(())),
                Err(AppendError::TryLater { wait } | AppendError::Full { wait } | AppendError::Unsure { wait }) => {
                    pause = Some(wait);
                    again.push((delivered, stored));
                }
                Err(error @ (AppendError::Unfit { .. } | AppendError::Halted { .. })) => {
                    tracing::error!(%error, "the end of a notice is not on record: it is sent again after the next start");
                }
            }
        }
        waiting = again;
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}
