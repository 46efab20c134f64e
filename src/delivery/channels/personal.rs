//! One receiver for many people: each is reached at an address of their own, by a channel that is made for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use serde_json::Value;

use super::{Ground, Kind, readers};
use crate::delivery::contacts::Contacts;
use crate::delivery::ears::TicketDeed;
use crate::delivery::fate::{Listening, Tell};
use crate::delivery::http::SetupError;
use crate::delivery::settings::Settings;
use crate::delivery::{Acted, Attempt, Channel, receipt, request};
use crate::domain::ids::{PersonId, ReceiverId};
use crate::domain::incident::TicketRef;
use crate::domain::reach::Way;
use crate::domain::time::Timestamp;
use crate::engine::effect::{Notice, NoticeKind};

/// Channels of single people that are kept; the rest are made again.
const KEPT_MAX: usize = 2_000;

/// A receiver, and the people behind it.
pub struct Personal {
    receiver: ReceiverId,
    kind: Kind,
    ground: Ground,
    contacts: Contacts,
    /// Tells whoever stands in the receiver's own settings; none: it reaches people only.
    all: Option<Arc<dyn Channel>>,
    /// Writes messages to anybody.
    any: Arc<dyn Channel>,
    each: Mutex<BTreeMap<String, Arc<dyn Channel>>>,
    name: &'static str,
}

impl Personal {
    /// Sets a receiver up.
    ///
    /// # Errors
    /// Which setting is wrong, and what to write.
    pub fn new(receiver: &ReceiverId, kind: Kind, ground: Ground, contacts: Contacts) -> Result<Self, SetupError> {
        // Settings are tried with somebody's address where there is none.
        let tried = if kind.is_addressed() { kind.clone() } else { kind.clone().to(kind.example()) };
        let made = tried.channel(&ground)?;
        let (name, is_addressed) = (made.name(), kind.is_addressed());
        let all = is_addressed.then(|| made.clone());
        Ok(Self { receiver: receiver.clone(), kind, ground, contacts, all, any: made, each: Mutex::default(), name })
    }

    /// The channel for a notice.
    fn channel(&self, notice: &Notice) -> Result<Arc<dyn Channel>, String> {
        let nobody =
            || "this receiver reaches single people only: name it in a contact plan, or give it `to`".to_owned();
        let Some(to) = notice.to.as_ref() else { return self.all.clone().ok_or_else(nobody) };
        let Some(takes) = self.kind.takes() else {
            // A room: the message says by name who is meant.
            return self.all.clone().ok_or_else(nobody);
        };
        let address = self.contacts.address(&to.person, &self.receiver, takes);
        let key = takes.key().unwrap_or(self.receiver.as_str());
        let missing = || {
            format!(
                "{} has no address for this receiver: write `{}: {{ {key}: … }}` into the contacts file",
                to.person, to.person
            )
        };
        let address = address.ok_or_else(missing)?;
        let mut ground = self.ground.clone();
        ground.manner.lang = self.contacts.language(&to.person).unwrap_or(ground.manner.lang);
        ground.manner.acts.reader = readers::at(&self.kind, &address);
        let kept_as = format!("{:?} {address}", ground.manner.lang);
        let mut each = self.each.lock().expect("nobody panics while holding it");
        if let Some(known) = each.get(&kept_as) {
            return Ok(known.clone());
        }
        // The reason may quote the address, which nobody is to read.
        let wrong = |_| format!("the address of {} for this receiver is none", to.person);
        let made = self.kind.clone().to(&address).channel(&ground).map_err(wrong)?;
        if each.len() >= KEPT_MAX {
            each.clear();
        }
        each.insert(kept_as, made.clone());
        Ok(made)
    }
}

impl Channel for Personal {
    fn name(&self) -> &'static str {
        self.name
    }

    fn preview(&self, notice: &Notice) -> Result<String, String> {
        self.channel(notice)?.preview(notice)
    }

    fn address(&self, notice: &Notice) -> String {
        let Some((to, takes)) = notice.to.as_ref().zip(self.kind.takes()) else {
            return receipt::masked(readers::addresses(&self.kind));
        };
        let address = self.contacts.address(&to.person, &self.receiver, takes);
        receipt::masked(address.as_deref())
    }

    fn way(&self, person: &PersonId, now: Timestamp) -> Option<Way> {
        self.contacts.way(person, &self.receiver, self.kind.takes()?, now)
    }

    fn follow<'a>(&'a self, tell: Tell<'a>, settings: &'a Settings) -> Option<Listening<'a>> {
        self.any.follow(tell, settings)
    }

    fn is_unverified(&self, notice: &Notice) -> bool {
        let reached = notice.to.as_ref().zip(self.kind.takes()).filter(|_| notice.kind != NoticeKind::Test);
        let Some((to, takes)) = reached else { return false };
        let Some(address) = self.contacts.address(&to.person, &self.receiver, takes) else { return false };
        let key = takes.key().unwrap_or(self.receiver.as_str());
        !self.contacts.may_page(to, notice.incident.severity, key, &address)
    }

    fn reply<'a>(&'a self, to: &'a str, said: &'a str) -> BoxFuture<'a, Attempt> {
        self.any.reply(to, said)
    }

    fn vouches<'a>(&'a self, proof: &'a str) -> BoxFuture<'a, Result<bool, String>> {
        self.any.vouches(proof)
    }

    fn deeds<'a>(&'a self, ticket: &'a TicketRef) -> BoxFuture<'a, Result<Vec<TicketDeed>, String>> {
        self.any.deeds(ticket)
    }

    fn acted(&self, acted: &Acted<'_>) -> Option<Value> {
        self.any.acted(acted)
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let is_executor = matches!(self.kind, Kind::Webhook(_) | Kind::Nats(_));
            let channel = if is_executor { Ok(()) } else { request::no_executor(notice, self.name) };
            match channel.and_then(|()| self.channel(notice)) {
                // It was verified, or could not be looked at, when it was asked for; the next time it is passed over.
                Ok(_) if self.is_unverified(notice) => {
                    Attempt::TryLater { why: "the address is not verified any more".to_owned(), wait: None }
                }
                Ok(channel) => channel.send(notice).await,
                Err(why) => Attempt::Refused { why },
            }
        })
    }
}
