//! On call: who is told of an incident in person, by which way, when, and what follows when nobody answers.
//!
//! [`people`] says how a person is reached, [`roster`] (with [`rotation`]) who has duty at a moment, [`ladder`] in which
//! order people are told. `paging` runs a ladder for an incident, as part of the engine's state: its timers are those of
//! the journal. Everything is decided from the rules, from the overrides that people made, and from the engine's clock.

pub mod care;
pub mod control;
pub mod ladder;
mod levels;
pub mod names;
pub mod page;
pub mod paging;
pub mod people;
pub mod roster;
pub mod rotation;
pub mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::cell::Cell;
use super::input::Order;
use super::policy::Policy;
use crate::domain::ids::{PersonId, TenantId};
use crate::domain::time::{Span, Timestamp};

/// Addresses that are known to be somebody's.
const VERIFIED_MAX: usize = 10_000;
/// Overrides that a tenant may have at a time.
const OVERRIDES_MAX: usize = 2_000;
/// The longest override, and how long one that is over is still shown.
const OVERRIDE_MAX: Span = Span::hours(92 * 24);
const KEPT: Span = Span::hours(35 * 24);

/// Somebody takes a duty for a while (临时调班).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    pub id: u64,
    pub roster: Box<str>,
    pub from: Timestamp,
    pub to: Timestamp,
    pub person: PersonId,
    /// Only where this person would have duty (a swap); none: whoever would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<PersonId>,
    /// Who made it, and why.
    pub by: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub note: Box<str>,
}

/// What of on-call is state: overrides that people made, and whose turn it is where turns are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OnCall {
    pub overrides: Vec<Override>,
    next: u64,
    /// How often a level that takes turns was told.
    turns: BTreeMap<Box<str>, u32>,
    /// Addresses that people have shown to be theirs, one of each person's ways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verified: Vec<Verified>,
    /// How often the calendar links of a roster were revoked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub revoked: BTreeMap<Box<str>, u32>,
}

/// Somebody has read what was sent to an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub person: PersonId,
    /// What the address is for: `mobile`, `mail`, or a receiver.
    pub way: Box<str>,
    /// What is kept of it: nobody can be reached with it.
    pub print: Box<str>,
    pub at: Timestamp,
}

impl OnCall {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds an override.
    ///
    /// # Errors
    /// Why it makes no sense.
    pub fn add(&mut self, mut one: Override, policy: &Policy, now: Timestamp) -> Result<u64, &'static str> {
        if policy.on_call.roster(&one.roster).is_none() {
            return Err("there is no such roster: see `rosters` in the rules");
        }
        let knows = |person: &PersonId| policy.on_call.person(person).is_some();
        if !knows(&one.person) || one.of.as_ref().is_some_and(|of| !knows(of)) {
            return Err("there is no such person: see `people` in the rules");
        }
        if one.to <= one.from || one.to <= now || one.to.since(one.from) > OVERRIDE_MAX {
            return Err("an override ends after its begin and after now, and lasts at most 92 days");
        }
        self.overrides.retain(|old| now.since(old.to) < KEPT);
        if self.overrides.len() >= OVERRIDES_MAX {
            return Err("there are 2,000 overrides: end some, or write them into the rules");
        }
        self.next += 1;
        one.id = self.next;
        self.overrides.push(one);
        Ok(self.next)
    }

    /// Takes an override back: one that has begun ends now.
    ///
    /// # Errors
    /// When there is none that could be.
    pub fn end(&mut self, id: u64, now: Timestamp) -> Result<Box<str>, &'static str> {
        let found = self.overrides.iter().position(|one| one.id == id && one.to > now);
        let place = found.ok_or("there is no such override, or it is over")?;
        let roster = self.overrides[place].roster.clone();
        if self.overrides[place].from < now {
            self.overrides[place].to = now;
        } else {
            self.overrides.remove(place);
        }
        Ok(roster)
    }

    /// Keeps that an address is the person's; the one before of the same way is not any more.
    ///
    /// # Errors
    /// When there is no such person, or there are too many.
    pub fn verify(&mut self, one: Verified, policy: &Policy) -> Result<(), &'static str> {
        if policy.on_call.person(&one.person).is_none() {
            return Err("there is no such person: see `people` in the rules");
        }
        self.verified.retain(|old| old.person != one.person || old.way != one.way);
        if self.verified.len() >= VERIFIED_MAX {
            self.verified.retain(|old| policy.on_call.person(&old.person).is_some());
        }
        if self.verified.len() >= VERIFIED_MAX {
            return Err("more addresses than can be kept are verified: take people who have left out of the rules");
        }
        self.verified.push(one);
        Ok(())
    }

    /// Makes the calendar links of a roster invalid.
    ///
    /// # Errors
    /// When there is no such roster.
    pub fn revoke_links(&mut self, roster: &str, policy: &Policy) -> Result<(), &'static str> {
        policy.on_call.roster(roster).ok_or("there is no such roster: see `rosters` in the rules")?;
        *self.revoked.entry(roster.into()).or_default() += 1;
        Ok(())
    }

    /// What is kept of a person's addresses.
    pub fn prints_of(&self, person: &PersonId) -> Vec<Box<str>> {
        self.verified.iter().filter(|one| one.person == *person).map(|one| one.print.clone()).collect()
    }

    /// Takes a turn: which of `of` it is.
    fn turn(&mut self, level: Box<str>, of: usize) -> usize {
        let turn = self.turns.entry(level).or_default();
        let mine = *turn as usize % of.max(1);
        *turn = turn.wrapping_add(1);
        mine
    }
}

impl Engine {
    /// Overrides of rosters that people made.
    pub fn overrides(&self, tenant: &TenantId) -> Vec<Override> {
        self.cells.get(tenant).map(|cell| cell.on_call.overrides.clone()).unwrap_or_default()
    }

    /// How often the calendar links of rosters were revoked.
    pub fn revoked_links(&self, tenant: &TenantId) -> BTreeMap<Box<str>, u32> {
        self.cells.get(tenant).map(|cell| cell.on_call.revoked.clone()).unwrap_or_default()
    }

    /// Addresses that people have shown to be theirs.
    pub fn verified(&self, tenant: &TenantId) -> Vec<Verified> {
        self.cells.get(tenant).map(|cell| cell.on_call.verified.clone()).unwrap_or_default()
    }
}

impl Cell {
    /// Carries out what is ordered of duty: who has it, by which addresses they are reached, who may read of it.
    pub fn change_duty(&mut self, order: &Order, actor: &str) -> Result<(), &'static str> {
        let policy = self.policy.clone();
        match order {
            Order::Override { made } => {
                let made = Override { by: actor.into(), ..Override::clone(made) };
                self.on_call.add(made, &policy, self.now).map(drop)
            }
            Order::EndOverride { id } => self.on_call.end(*id, self.now).map(drop),
            Order::VerifyAddress { person, way, print } => {
                let (person, way, print, at) = (person.clone(), way.clone(), print.clone(), self.now);
                self.on_call.verify(Verified { person, way, print, at }, &policy)
            }
            Order::RevokeCalendar { roster } => self.on_call.revoke_links(roster, &policy),
            _ => Ok(()),
        }
    }
}
