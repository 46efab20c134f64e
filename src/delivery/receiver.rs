//! The task of one receiver: takes notices in, sends what is due, reports what ended.

use std::sync::Arc;

use futures::future::pending;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::fate::{Fate, Fates};
use super::queue::{Left, LineId, Queue};
use super::settings::Settings;
use super::{Attempt, Channel, Clock, ReceiverState, Report, States, delivered, request};
use crate::domain::ids::ReceiverId;
use crate::engine::effect::Notice;
use crate::engine::input::{Delivered, DeliveryOutcome, Receipt};

/// What the task of one receiver needs.
pub struct Task {
    /// Who is told.
    pub receiver: ReceiverId,
    /// How.
    pub channel: Arc<dyn Channel>,
    /// How hard it is tried.
    pub settings: Settings,
    /// Tells how old a notice is.
    pub clock: Clock,
    /// Is told how notices ended.
    pub report: Report,
    /// Is shown how the receiver does.
    pub states: States,
}

impl Task {
    /// Works until `closing` changes or nobody can hand in notices any more; then waits for the attempts that are
    /// under way, and until their ends are on record.
    pub async fn run(self, mut notices: UnboundedReceiver<Notice>, mut closing: watch::Receiver<bool>) {
        let mut queue = Queue::new(self.settings.clone());
        let mut attempts: JoinSet<(LineId, Attempt)> = JoinSet::new();
        let mut reports: JoinSet<Option<LineId>> = JoinSet::new();
        let (sender, mut heard) = unbounded_channel();
        // Nobody listens any more when the task ends.
        let tell = move |fate: Fate| drop(sender.send(fate));
        let listening = self.channel.follow(&tell, &self.settings);
        let mut fates = listening.is_some().then(Fates::default);
        let mut listening = listening.unwrap_or_else(|| Box::pin(pending()));
        let mut is_open = true;
        while is_open || !attempts.is_empty() || !reports.is_empty() {
            while is_open && let Some(notice) = queue.take_due(Instant::now()) {
                if self.channel.is_unverified(&notice) {
                    queue.pass_over(&LineId::of(&notice));
                    self.show(&queue);
                    self.pass_over(&notice, Some(LineId::of(&notice)), &mut reports);
                    continue;
                }
                let channel = Arc::clone(&self.channel);
                let is_late = request::is_late(&notice, &self.clock);
                attempts.spawn(async move {
                    let attempt =
                        if is_late { request::late(notice.asks()) } else { attempt(&*channel, &notice).await };
                    (LineId::of(&notice), attempt)
                });
            }
            let due = queue.next_due();
            tokio::select! {
                notice = notices.recv(), if is_open => match notice {
                    // It is known before anything is tried, and waits for no pause of the receiver's.
                    Some(notice) if self.channel.is_unverified(&notice) => self.pass_over(&notice, None, &mut reports),
                    Some(notice) => {
                        let left = queue.push(notice, Instant::now());
                        self.show(&queue);
                        let _ = self.tell(left, None, &mut reports);
                    }
                    None => is_open = false,
                },
                Some(ended) = attempts.join_next() => {
                    let taken = self.settle(&mut queue, ended, &mut reports);
                    let known = fates.as_mut().zip(taken);
                    let second = known.and_then(|(fates, taken)| fates.taken(taken, Instant::now()));
                    self.learn(second, &mut reports);
                }
                Some(fate) = heard.recv(), if is_open => {
                    let second = fates.as_mut().and_then(|fates| fates.heard(fate, Instant::now()));
                    self.learn(second, &mut reports);
                }
                never = &mut listening, if is_open => match never {},
                Some(reported) = reports.join_next() => {
                    if let Some(id) = reported.expect("a report does not panic and is not aborted") {
                        queue.release(&id, Instant::now());
                    }
                }
                _ = closing.changed(), if is_open => is_open = false,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if is_open && due.is_some() => {}
            }
        }
    }

    /// Takes in how an attempt ended; gives what was taken by the receiver.
    fn settle(
        &self,
        queue: &mut Queue,
        ended: Result<(LineId, Attempt), JoinError>,
        reports: &mut JoinSet<Option<LineId>>,
    ) -> Option<Delivered> {
        let (id, attempt) = ended.expect("an attempt does not panic and is not aborted");
        let failure = match &attempt {
            Attempt::Accepted | Attempt::Noted { .. } | Attempt::Filed { .. } | Attempt::Answered { .. } => None,
            Attempt::TryLater { why, .. } | Attempt::Refused { why } | Attempt::LockedOut { why } => Some(why.clone()),
        };
        let first = queue.first(&id).expect("an incident under way has a notice");
        if let Some(why) = &failure {
            let attempt = first.attempts;
            tracing::warn!(incident.id = %id.incident, receiver = %self.receiver, attempt, why, "notice not delivered");
        }
        let now = (self.clock)();
        let is_old =
            now.since(first.notice.at) > self.settings.give_up_after || request::is_late(&first.notice, &self.clock);
        let was_locked_out = queue.is_locked_out();
        let left = queue.settle(&id, attempt, is_old, Instant::now());
        if queue.is_locked_out() && !was_locked_out {
            tracing::error!(receiver = %self.receiver, why = failure, "the receiver locks us out: sending pauses");
        }
        self.note(|state| {
            state.locked_out = queue.is_locked_out().then(|| failure.clone().unwrap_or_default());
            if failure.is_some() {
                state.failed += 1;
                state.last_failure = failure;
                state.fails_since.get_or_insert(now);
            } else {
                state.fails_since = None;
            }
        });
        self.show(queue);
        self.tell(left, Some(id), reports)
    }

    /// Reports a notice that left the queue, and gives it when the receiver has it; `held` is the incident whose next notice waits
    /// for that.
    fn tell(
        &self,
        left: Option<Left>,
        held: Option<LineId>,
        reports: &mut JoinSet<Option<LineId>>,
    ) -> Option<Delivered> {
        let (waiting, outcome) = match left {
            None => return None,
            Some(Left::Accepted(waiting)) => {
                self.note(|state| state.accepted += 1);
                (waiting, DeliveryOutcome::Accepted)
            }
            Some(Left::GaveUp(waiting, why)) => {
                let incident = waiting.notice.incident.id;
                tracing::error!(incident.id = %incident, receiver = %self.receiver, why, "notice given up");
                self.note(|state| state.given_up += 1);
                (waiting, DeliveryOutcome::GaveUp(why))
            }
            Some(Left::Folded(waiting)) => {
                self.note(|state| state.folded += 1);
                (waiting, DeliveryOutcome::Folded)
            }
        };
        let held = held.filter(|_| outcome != DeliveryOutcome::Folded);
        let ended = delivered(&waiting.notice, outcome, waiting.attempts);
        let (to, said) = (self.channel.address(&waiting.notice).into(), waiting.said.as_str().into());
        let receipt =
            Some(Box::new(Receipt { to, said, told_at: None })).filter(|receipt| **receipt != Receipt::default());
        let (ticket, report) = (waiting.ticket.clone(), waiting.report.clone());
        let ended = Delivered { ticket, report, receipt, ..ended };
        // What is heard of it later says which telling it is about.
        let told_at = Some(waiting.notice.at);
        let noted = |receipt: &Receipt| Box::new(Receipt { told_at, ..receipt.clone() });
        let taken = (ended.outcome == DeliveryOutcome::Accepted)
            .then(|| Delivered { receipt: ended.receipt.as_deref().map(noted), ..ended.clone() });
        let report = (self.report)(ended);
        reports.spawn(async move {
            report.await;
            held
        });
        taken
    }

    /// Reports what became of a message after the receiver had taken it.
    fn learn(&self, second: Option<Delivered>, reports: &mut JoinSet<Option<LineId>>) {
        let Some(ended) = second else { return };
        if let DeliveryOutcome::GaveUp(why) = &ended.outcome {
            tracing::warn!(incident.id = %ended.incident, receiver = %self.receiver, why, "a message was taken and did not arrive");
            self.note(|state| state.given_up += 1);
        }
        let report = (self.report)(ended);
        reports.spawn(async move {
            report.await;
            None
        });
    }

    /// Reports a page to an address that nobody has shown to be the person's.
    fn pass_over(&self, notice: &Notice, held: Option<LineId>, reports: &mut JoinSet<Option<LineId>>) {
        tracing::info!(incident.id = %notice.incident.id, receiver = %self.receiver, "address not verified, next way tried");
        let receipt = Receipt { to: self.channel.address(notice).into(), ..Receipt::default() };
        let ended = delivered(notice, DeliveryOutcome::Unverified, 0);
        let report = (self.report)(Delivered { receipt: Some(Box::new(receipt)), ..ended });
        reports.spawn(async move {
            report.await;
            held
        });
    }

    fn show(&self, queue: &Queue) {
        self.note(|state| {
            state.waiting = queue.len();
            state.fails_since = state.fails_since.filter(|_| state.waiting > 0);
        });
    }

    fn note(&self, note: impl FnOnce(&mut ReceiverState)) {
        let mut states = self.states.lock().expect("no holder of the states' lock panics");
        note(states.entry(self.receiver.clone()).or_default());
    }
}

/// One attempt. A channel that panics is a channel that failed: the others go on.
async fn attempt(channel: &dyn Channel, notice: &Notice) -> Attempt {
    let sending = std::panic::AssertUnwindSafe(channel.send(notice));
    match futures::FutureExt::catch_unwind(sending).await {
        Ok(attempt) => attempt,
        Err(_) => Attempt::Refused { why: format!("the channel {} panicked", channel.name()) },
    }
}
