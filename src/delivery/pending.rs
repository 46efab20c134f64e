//! Which committed notices have no result yet, and which were given up: what is sent after a restart, with the same
//! keys, and what people can have sent again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{IncidentId, PersonId, ReceiverId, TenantId};
use crate::domain::time::Timestamp;
use crate::engine::effect::{Effect, Notice};
use crate::engine::input::{Delivered, DeliveryOutcome};

/// Undelivered notices that are remembered; the oldest go first, and are counted.
pub const UNDELIVERED_MAX: usize = 10_000;

/// Where a notice was committed: the outbox record, and the effect's place in it. In the order of commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub outbox_seq: u64,
    pub index: u32,
}

/// A notice that was given up: kept until it is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    pub key: Box<str>,
    /// Where the notice itself is.
    pub place: Place,
    pub tenant: TenantId,
    pub incident: IncidentId,
    pub receiver: ReceiverId,
    /// Who was meant.
    #[serde(default)]
    pub person: Option<PersonId>,
    pub why: String,
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// What is known of all notices up to a point of the outbox.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pending {
    waiting: BTreeMap<Box<str>, (Place, TenantId)>,
    undelivered: BTreeMap<Box<str>, Undelivered>,
    /// Undelivered notices that `UNDELIVERED_MAX` pushed out.
    pub cut: u64,
}

impl Pending {
    /// Takes in what one outbox record committed; gives the notices that are to be sent.
    pub fn committed<'a>(&mut self, outbox_seq: u64, effects: &'a [Effect]) -> Vec<&'a Notice> {
        let mut fresh = Vec::new();
        for (index, effect) in effects.iter().enumerate() {
            let Effect::Notify { notice } = effect else { continue };
            let place = Place { outbox_seq, index: index as u32 };
            if let Entry::Vacant(vacant) = self.waiting.entry(notice.key.clone()) {
                vacant.insert((place, notice.incident.tenant.clone()));
                self.undelivered.remove(&notice.key);
                fresh.push(&**notice);
            }
        }
        fresh
    }

    /// Takes in how a notice ended; the journal has it with this stamp.
    pub fn ended(&mut self, delivered: &Delivered, at: Timestamp) {
        let Some((place, _)) = self.waiting.remove(&delivered.key) else { return };
        let why = match &delivered.outcome {
            DeliveryOutcome::GaveUp(why) => why,
            DeliveryOutcome::Accepted => {
                // The receiver knows a newer state than what could not be delivered before.
                let is_old = |old: &Undelivered| {
                    (old.incident, &old.receiver, &old.person)
                        == (delivered.incident, &delivered.receiver, &delivered.person)
                        && old.place < place
                };
                self.undelivered.retain(|_, old| !is_old(old));
                return;
            }
            // A page that was not sent is not owed: the person's next way, or the next level, has it.
            DeliveryOutcome::Folded | DeliveryOutcome::Unaddressed | DeliveryOutcome::Unverified => return,
        };
        if self.undelivered.len() >= UNDELIVERED_MAX
            && let Some(oldest) = self.undelivered.values().min_by_key(|old| old.place).map(|old| old.key.clone())
        {
            self.undelivered.remove(&oldest);
            self.cut += 1;
        }
        let key = delivered.key.clone();
        let undelivered = Undelivered {
            key: key.clone(),
            place,
            tenant: delivered.tenant.clone(),
            incident: delivered.incident,
            receiver: delivered.receiver.clone(),
            person: delivered.person.clone(),
            why: why.clone(),
            attempts: delivered.attempts,
            at,
        };
        self.undelivered.insert(key, undelivered);
    }

    /// What is known of some tenants' notices.
    pub fn of(&self, mine: impl Fn(&TenantId) -> bool) -> Self {
        let waiting = self.waiting.iter().filter(|(_, (_, tenant))| mine(tenant));
        let undelivered = self.undelivered.iter().filter(|(_, one)| mine(&one.tenant));
        Self {
            waiting: waiting.map(|(key, place)| (key.clone(), place.clone())).collect(),
            undelivered: undelivered.map(|(key, one)| (key.clone(), one.clone())).collect(),
            cut: self.cut,
        }
    }

    /// Takes in what `of` gave of other tenants.
    pub fn absorb(&mut self, other: Self) {
        self.waiting.extend(other.waiting);
        self.undelivered.extend(other.undelivered);
        self.cut = self.cut.max(other.cut);
    }

    /// Forgets a notice whose record is kept no longer: it cannot be sent any more.
    pub fn lose(&mut self, place: Place) {
        self.waiting.retain(|_, (waiting, _)| *waiting != place);
    }

    /// What waits for a result of some tenants, by key, in the order in which it was committed.
    pub fn waiting_of(&self, mine: impl Fn(&TenantId) -> bool) -> Vec<(Box<str>, Place)> {
        let own = self.waiting.iter().filter(|(_, (_, tenant))| mine(tenant));
        let mut places: Vec<(Box<str>, Place)> = own.map(|(key, (place, _))| (key.clone(), *place)).collect();
        places.sort_unstable_by_key(|(_, place)| *place);
        places
    }

    /// How many notices of a tenant wait for a result.
    pub fn waiting(&self, tenant: &TenantId) -> usize {
        self.waiting.values().filter(|(_, of)| of == tenant).count()
    }

    /// What was given up, by key.
    pub fn undelivered(&self) -> &BTreeMap<Box<str>, Undelivered> {
        &self.undelivered
    }
}
