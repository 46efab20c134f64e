//! Storm mode (风暴熔断): when incidents open faster than people can read, messages are held back and told as a summary.
//!
//! It stands on the flow limits of receivers: a storm only closes their gates for all at once. What was held back is listed,
//! and can be told after. It ends by itself when few incidents have opened for a while.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Engine;
use super::cell::Cell;
use super::deadlines::Due;
use super::effect::{Effect, Notice, NoticeKind, PARENT, StormNews};
use super::flow::{self, Gate};
use super::policy::settings::StormMode;
use crate::domain::ids::{IncidentId, PersonId, ReceiverId, TenantId};
use crate::domain::incident::{IncidentState, TimelineKind};
use crate::domain::time::{Span, Timestamp};

/// Messages that are listed; further ones are only counted.
const LISTED_MAX: usize = 10_000;
/// How long they are listed.
const LISTED_FOR: Span = Span::hours(24);

/// How fast incidents open, and what is held back because of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storm {
    /// When the last ones opened, within the window.
    opened: VecDeque<Timestamp>,
    /// It goes on since then.
    pub since: Option<Timestamp>,
    /// Incidents that it has opened.
    pub incidents: u32,
    /// When more than half as many as make a storm had opened for the last time.
    busy: Timestamp,
    /// The last one ended then.
    pub ended: Option<Timestamp>,
    /// The latest message to each receiver of each incident, by both.
    held: BTreeMap<Box<str>, HeldNotice>,
    /// Messages that are not listed because there were too many.
    pub cut: u32,
}

/// A message that was not sent by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldNotice {
    pub receiver: ReceiverId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    pub incident: IncidentId,
    pub kind: NoticeKind,
    pub at: Timestamp,
    /// The budget that was used up; empty: it came too fast, and was told in a summary.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub budget: Box<str>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// It is told, by itself or in a digest.
    Out,
    /// It is only listed.
    Kept,
}

impl Storm {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What was held back.
    pub fn held(&self) -> impl Iterator<Item = &HeldNotice> {
        self.held.values()
    }

    fn hold(&mut self, notice: &Notice, budget: &str) {
        let key: Box<str> = format!("{} {}", notice.whom(), notice.incident.id).into();
        if self.held.len() >= LISTED_MAX && !self.held.contains_key(&key) {
            self.cut = self.cut.saturating_add(1);
            return;
        }
        let held = HeldNotice {
            receiver: notice.receiver.clone(),
            person: notice.to.as_ref().map(|to| to.person.clone()),
            incident: notice.incident.id,
            kind: notice.kind,
            at: notice.at,
            budget: budget.into(),
        };
        self.held.insert(key, held);
    }

    /// What receivers are told of it.
    fn news(&self) -> Option<StormNews> {
        let (since, is_over) = (self.since?, false);
        Some(StormNews { since, incidents: self.incidents, is_over })
    }

    /// One more incident has opened.
    fn count(&mut self, mode: &StormMode, now: Timestamp) {
        self.opened.push_back(now);
        let most = mode.incidents as usize + 1;
        while self.opened.len() > most || self.opened.front().is_some_and(|first| now.since(*first) >= mode.within) {
            self.opened.pop_front();
        }
        let count = self.opened.len() as u32;
        if count > mode.incidents / 2 {
            self.busy = now;
        }
        if self.since.is_some() {
            self.incidents = self.incidents.saturating_add(1);
        } else if count > mode.incidents {
            // What an earlier one held back stays listed for its time.
            (self.since, self.ended, self.busy) = (Some(now), None, now);
            self.incidents = count;
        }
    }
}

impl Cell {
    /// An incident opens.
    pub fn count_opening(&mut self) {
        let Some(mode) = self.policy.settings.storm_mode.clone() else { return };
        let was_calm = self.storm.since.is_none();
        self.storm.count(&mode, self.now);
        if was_calm && self.storm.since.is_some() {
            self.deadlines.set(self.now.plus(mode.calm), Due::Digest);
        }
    }

    /// Hands a message out, or holds it back; the timeline says which.
    pub fn hand_out(&mut self, mut notice: Box<Notice>) -> Handed {
        notice.key = flow::key(&notice);
        let said = format!("{} {}", notice.whom(), notice.kind.as_str());
        let (id, held) = (notice.incident.id, notice.clone());
        let policy = self.policy.clone();
        if let Err(budget) = self.spending.spend(&policy.settings.budgets, &notice, self.now) {
            self.storm.hold(&held, &budget);
            self.note(
                id,
                "headwater",
                TimelineKind::NotifyFailed,
                format!("{}: budget {budget} is used up, held back", notice.whom()),
            );
            self.deadlines.set(self.now.plus(LISTED_FOR), Due::Digest);
            return Handed::Kept;
        }
        // An event for each version: a digest would be none.
        let passed = match notice.receiver.as_str() {
            PARENT => Ok(notice),
            _ => self.flows.pass(notice, self.policy.settings.flows(), self.now, self.gate(&held)),
        };
        match passed {
            Ok(notice) => {
                self.note(id, "headwater", TimelineKind::Notified, said);
                self.moment.effects.push(Effect::Notify { notice });
            }
            Err(due) => {
                self.storm.hold(&held, "");
                self.note(id, "headwater", TimelineKind::Notified, format!("{said} digest"));
                self.deadlines.set(due, Due::Digest);
            }
        }
        Handed::Out
    }

    fn gate(&self, notice: &Notice) -> Gate {
        let mode = self.policy.settings.storm_mode.as_ref().filter(|_| self.storm.since.is_some());
        let Some(mode) = mode else { return Gate::Open };
        let is_spared = mode.unless.is_some_and(|least| notice.incident.severity >= least);
        if is_spared || mode.apart.contains(&notice.receiver) { Gate::Open } else { Gate::Storm { every: mode.every } }
    }

    /// A timer: a receiver's messages of the last while are told as one, and a storm may be over.
    pub fn send_digests(&mut self) {
        let limits = self.policy.settings.flows();
        let calm = self.policy.settings.storm_mode.as_ref().map_or(Span(0), |mode| mode.calm);
        let mut news = self.storm.news();
        if news.is_some() {
            let ends = self.storm.busy.plus(calm);
            if ends <= self.now {
                (self.storm.since, self.storm.ended) = (None, Some(self.now));
                news = news.map(|news| StormNews { is_over: true, ..news });
                self.flows.end_storm(self.now);
            } else {
                self.deadlines.set(ends, Due::Digest);
            }
        }
        let now = self.now;
        self.storm.held.retain(|_, held| now.since(held.at) < LISTED_FOR);
        for notice in self.flows.digests(limits, now, news) {
            self.moment.effects.push(Effect::Notify { notice: Box::new(notice) });
        }
        if let Some(due) = self.flows.next_due(limits) {
            self.deadlines.set(due, Due::Digest);
        }
    }

    /// Tells what was held back, as far as it is still so: each incident by itself, as it is now.
    ///
    /// # Errors
    /// While the storm goes on, and when there is nothing.
    pub fn tell_held(&mut self, receiver: Option<&ReceiverId>) -> Result<(), &'static str> {
        if self.storm.since.is_some() {
            return Err("the storm goes on: what is held back can be told when it is over");
        }
        let is_meant = |held: &HeldNotice| receiver.is_none_or(|receiver| held.receiver == *receiver);
        let (meant, rest) = std::mem::take(&mut self.storm.held).into_iter().partition(|(_, held)| is_meant(held));
        self.storm.held = rest;
        let meant: BTreeMap<Box<str>, HeldNotice> = meant;
        if meant.is_empty() {
            return Err("nothing is held back for it");
        }
        let now = self.now;
        for held in meant.into_values() {
            let Some(group) = self.by_incident.get(&held.incident).copied() else { continue };
            let Some(incident) = self.groups.get_mut(group).and_then(|g| g.incident.as_mut()) else { continue };
            if incident.state == IncidentState::Abnormal {
                incident.audience.tell_anew(&held.receiver, held.person.as_ref(), now);
                self.moment.groups.insert(group);
            }
        }
        Ok(())
    }
}

impl Engine {
    /// How fast incidents of a tenant open, and what is held back.
    pub fn storm(&self, tenant: &TenantId) -> Storm {
        self.cells.get(tenant).map(|cell| cell.storm.clone()).unwrap_or_default()
    }
}
