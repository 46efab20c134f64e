//! Ticket systems that cannot reach us are asked what people have done to our tickets: where only we can open a connection.
//!
//! Only what is new since the last look is ordered. What a look after a start tells again is known to the engine by the ids of the
//! comments; its memory is that of all orders (`engine/obeyed.rs`).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use crate::acting::{Desk, Outcome, ticket};
use crate::delivery::ears::{Moved, Named, TicketDeed};
use crate::delivery::settings::ReceiverSettings;
use crate::domain::ids::ReceiverId;
use crate::domain::incident::TicketRef;
use crate::pipeline::Pipeline;

/// Tickets that are looked at in one round; the others have their turn in the next ones.
const TICKETS_MAX: usize = 200;
/// Tickets of which a system says nothing until the rest is left to the next round.
const FAILURES_MAX: usize = 3;

/// Asks the systems.
pub struct TicketWatch {
    pipeline: Arc<Pipeline>,
    desk: Arc<dyn Desk>,
    asked: Vec<(ReceiverId, Duration)>,
}

/// What is known of the tickets of one system.
#[derive(Default)]
struct Known {
    /// What was ordered, by ticket.
    seen: BTreeMap<Box<str>, Seen>,
    /// The ticket that was looked at last.
    last: Box<str>,
    /// Why it did not answer.
    failure: String,
}

impl Known {
    /// It does not answer: said once for each reason.
    fn note(&mut self, receiver: &ReceiverId, why: String) {
        if self.failure != why {
            tracing::warn!(receiver = %receiver, why, "a ticket system does not say what people have done; it is asked again");
        }
        self.failure = why;
    }
}

/// What was ordered because of one ticket.
#[derive(Default)]
struct Seen {
    /// Comments, with the moment of their last change.
    said: BTreeMap<String, String>,
    /// How far they are, and since when.
    moved: Option<(Moved, String)>,
}

impl Seen {
    /// What is new of a deed; nothing where it was ordered.
    fn fresh(&self, deed: TicketDeed) -> Option<TicketDeed> {
        let Moved::Said { id, text } = &deed.moved else {
            let is_known = self.moved.as_ref().is_some_and(|(moved, at)| (moved, at) == (&deed.moved, &deed.at));
            return (!is_known).then_some(deed);
        };
        match self.said.get(id) {
            None => Some(deed),
            Some(at) if *at == deed.at => None,
            Some(_) => Some(TicketDeed { moved: Moved::Edited { id: id.clone(), text: text.clone() }, ..deed }),
        }
    }

    fn keep(&mut self, moved: Moved, at: String) {
        match moved {
            Moved::Said { id, .. } | Moved::Edited { id, .. } => drop(self.said.insert(id, at)),
            // No system that is asked tells of what is gone.
            Moved::Deleted { id, .. } => drop(self.said.remove(&id)),
            Moved::Begun | Moved::Done => self.moved = Some((moved, at)),
        }
    }
}

impl TicketWatch {
    /// One for the receivers that are to be asked.
    pub fn new(receivers: &[ReceiverSettings], pipeline: Arc<Pipeline>, desk: Arc<dyn Desk>) -> Self {
        let asked = receivers.iter().filter(|one| one.enabled).filter_map(|one| Some((one.id.clone(), one.poll?)));
        Self { pipeline, desk, asked: asked.collect() }
    }

    /// Asks until the future is dropped; without anybody to ask it ends.
    pub async fn run(self) {
        join_all(self.asked.iter().map(|(receiver, every)| self.follow(receiver, *every))).await;
    }

    async fn follow(&self, receiver: &ReceiverId, every: Duration) {
        let mut known = Known::default();
        loop {
            tokio::time::sleep(every).await;
            self.look(receiver, &mut known).await;
        }
    }

    /// One round: the tickets of open incidents that this instance tells of.
    async fn look(&self, receiver: &ReceiverId, known: &mut Known) {
        let Some(channel) = self.pipeline.courier.channel(receiver) else { return };
        let tickets = self.tickets(receiver);
        known.seen.retain(|id, _| tickets.contains_key(id));
        let behind = tickets.range::<str, _>((Bound::Excluded(&*known.last), Bound::Unbounded));
        let turn = behind.chain(&tickets).map(|(_, ticket)| ticket).take(TICKETS_MAX.min(tickets.len()));
        let mut failures = 0;
        for one in turn.cloned().collect::<Vec<TicketRef>>() {
            known.last = one.id.clone();
            match channel.deeds(&one).await {
                Ok(deeds) => self.take(receiver, &one, deeds, known.seen.entry(one.id.clone()).or_default()).await,
                Err(why) => {
                    failures += 1;
                    known.note(receiver, why);
                }
            }
            if failures >= FAILURES_MAX {
                return;
            }
        }
        if failures == 0 {
            known.failure.clear();
        }
    }

    fn tickets(&self, receiver: &ReceiverId) -> BTreeMap<Box<str>, TicketRef> {
        let mine =
            self.desk.open_everywhere().into_iter().filter(|(tenant, _)| self.pipeline.courier.sends_for(tenant));
        let of = |tickets: Arc<[TicketRef]>| tickets.iter().find(|one| one.receiver == *receiver).cloned();
        let tickets = mine.filter_map(|(tenant, id)| of(self.desk.incident(&tenant, id)?.tickets));
        tickets.map(|ticket| (ticket.id.clone(), ticket)).collect()
    }

    async fn take(&self, receiver: &ReceiverId, one: &TicketRef, deeds: Vec<TicketDeed>, seen: &mut Seen) {
        let named = Named::Theirs(one.id.to_string());
        let is_moved = deeds.iter().any(|deed| matches!(deed.moved, Moved::Begun | Moved::Done));
        for deed in deeds {
            let Some(deed) = seen.fresh(deed) else { continue };
            let (moved, at) = (deed.moved.clone(), deed.at.clone());
            if ticket::take(&*self.desk, receiver, &named, deed).await == Outcome::Later {
                return;
            }
            seen.keep(moved, at);
        }
        if !is_moved {
            seen.moved = None;
        }
    }
}
