//! How far an escalation has come for one incident: part of the engine's state.

use serde::{Deserialize, Serialize};

use super::ladder::{Ladder, Until};
use crate::domain::ids::{PersonId, ReceiverId, RuleId};
use crate::domain::time::{Span, Timestamp};
use crate::engine::audience::Awake;
use crate::engine::effect::NoticeKind;

/// One way by which one person (or a room) is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// None: a receiver that whoever reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    pub receiver: ReceiverId,
    /// The level that asked for it, from 1; 0: the fallback.
    pub level: u32,
    /// It is to be told then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// It was told last then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// What became of it, for when the person's quiet hours end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_off: Option<PutOff>,
}

/// News that wait for the morning; later ones take their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutOff {
    pub kind: NoticeKind,
    pub until: Timestamp,
}

/// A policy at work for an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The policy's name; empty: somebody was assigned.
    pub policy: Box<str>,
    /// The route that named it.
    pub rule: RuleId,
    /// The policy as it was at the first page.
    pub ladder: Ladder,
    /// What a first page says: opened, or back again.
    pub news: NoticeKind,
    /// Rounds that are over, and the level that is told next, from 0.
    pub round: u32,
    pub level: usize,
    pub due: Option<Timestamp>,
    /// The level before that one was told then, in this spell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_at: Option<Timestamp>,
    pub pages: Vec<Page>,
    /// Acknowledged or snoozed: it begins anew when that ends.
    pub is_paused: bool,
    /// The incident's end was told.
    pub is_over: bool,
    /// The fallback has been told in this spell that a level had nobody.
    pub has_fallen_back: bool,
    /// Who has acknowledged, until the others have heard of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<Box<str>>,
}

impl Escalation {
    /// One whose first level is due.
    pub const fn begin(policy: Box<str>, rule: RuleId, ladder: Ladder, news: NoticeKind, now: Timestamp) -> Self {
        Self {
            policy,
            rule,
            ladder,
            news,
            round: 0,
            level: 0,
            due: Some(now),
            level_at: None,
            pages: Vec::new(),
            is_paused: false,
            is_over: false,
            has_fallen_back: false,
            taken_by: None,
        }
    }

    /// Whether it tells a person whom somebody chose.
    pub fn is_assignment(&self) -> bool {
        self.policy.is_empty()
    }

    /// Whether it goes on although somebody has the incident.
    pub fn goes_on(&self, awake: Awake) -> bool {
        match awake {
            Awake::Unseen => true,
            Awake::Acknowledged => self.ladder.until == Until::Close,
            Awake::No => false,
        }
    }

    /// Stops until the incident is nobody's again.
    pub fn pause(&mut self) {
        self.is_paused = true;
        self.stop();
    }

    /// Begins with the first level again.
    pub fn begin_again(&mut self, now: Timestamp) {
        (self.round, self.level, self.due, self.is_paused) = (0, 0, Some(now), false);
        (self.has_fallen_back, self.level_at) = (false, None);
    }

    /// Tells nobody any more by itself.
    pub fn stop(&mut self) {
        self.due = None;
        self.pages.iter_mut().for_each(|page| page.due = None);
    }

    /// When time alone makes it tell somebody.
    pub fn wakes(&self, awake: Awake) -> Option<Timestamp> {
        let put_off = self.pages.iter().filter_map(|page| page.put_off).map(|news| news.until);
        if self.is_over || !self.goes_on(awake) {
            return put_off.min();
        }
        self.pages.iter().filter_map(|page| page.due).chain(self.due).chain(put_off).min()
    }

    /// Asks for a page; one that is asked for already is not put off.
    pub fn ask(&mut self, person: Option<&PersonId>, receiver: &ReceiverId, level: u32, due: Timestamp) {
        let known = |page: &&mut Page| page.person.as_ref() == person && page.receiver == *receiver;
        if let Some(page) = self.pages.iter_mut().find(known) {
            page.due = Some(page.due.map_or(due, |before| before.min(due)));
            page.level = level;
            return;
        }
        let (person, receiver) = (person.cloned(), receiver.clone());
        self.pages.push(Page { person, receiver, level, due: Some(due), told_at: None, put_off: None });
    }

    /// Goes on to the next level, which is due after the wait; `has_told` says whether this one told somebody.
    pub fn step_up(&mut self, has_told: bool, now: Timestamp) {
        let wait = self.ladder.levels.get(self.level).map_or(Span(0), |level| level.wait);
        let wait = if has_told { wait } else { Span(0) };
        self.level += 1;
        let mut next = now.plus(wait);
        if self.level >= self.ladder.levels.len() && self.round < self.ladder.repeat.times {
            self.round += 1;
            self.level = 0;
            next = next.plus(self.ladder.repeat.pause(self.round));
        }
        (self.due, self.level_at) = (Some(next), Some(now));
    }

    /// The pages by which each person, and each room, was told first: they hear what becomes of it.
    pub fn told(&self) -> Vec<Page> {
        let mut told: Vec<Page> = Vec::new();
        for page in self.pages.iter().filter(|page| page.told_at.is_some()) {
            let is_same = |other: &Page| {
                other.person == page.person && (page.person.is_some() || other.receiver == page.receiver)
            };
            if !told.iter().any(is_same) {
                told.push(page.clone());
            }
        }
        told
    }

    /// Keeps news for later.
    pub fn put_off(&mut self, page: &Page, news: PutOff) {
        let same = |mine: &&mut Page| mine.person == page.person && mine.receiver == page.receiver;
        if let Some(mine) = self.pages.iter_mut().find(same) {
            mine.put_off = Some(news);
        }
    }

    /// The pages whose news have waited long enough, as they were; they wait no more.
    pub fn wake(&mut self, now: Timestamp) -> Vec<Page> {
        let due = |page: &&mut Page| page.put_off.is_some_and(|news| news.until <= now);
        let woken = self.pages.iter_mut().filter(due).map(|page| {
            let was = page.clone();
            page.put_off = None;
            was
        });
        woken.collect()
    }

    /// Whether what was told then is the last word that somebody has by a way, and came from the level that waits for an answer now.
    pub fn rests_on(&self, person: &PersonId, receiver: &ReceiverId, told_at: Timestamp) -> bool {
        // Between two rounds it is the last level.
        let number = if self.level == 0 { self.ladder.levels.len() } else { self.level } as u32;
        let is_it = |page: &Page| {
            let is_way = page.person.as_ref() == Some(person) && page.receiver == *receiver;
            is_way && page.level == number && page.due.is_none() && page.told_at == Some(told_at)
        };
        self.level_at.is_some_and(|begun| begun <= told_at) && self.pages.iter().any(is_it)
    }

    /// A page did not arrive: the person's next way is tried at once, and without one the next level.
    pub fn hurry(&mut self, person: &PersonId, now: Timestamp) {
        if self.is_over || self.is_paused {
            return;
        }
        let waiting = self.pages.iter_mut().filter(|page| page.person.as_ref() == Some(person));
        match waiting.filter(|page| page.due.is_some()).min_by_key(|page| page.due) {
            Some(page) => page.due = Some(now),
            None => self.due = self.due.map(|_| now),
        }
    }

    /// Takes over whom another one of the same policy has told.
    pub fn absorb(&mut self, other: Self) {
        for page in other.pages.into_iter().filter(|page| page.told_at.is_some()) {
            match self.pages.iter_mut().find(|mine| mine.person == page.person && mine.receiver == page.receiver) {
                Some(mine) => mine.told_at = mine.told_at.max(page.told_at),
                None => self.pages.push(Page { due: None, ..page }),
            }
        }
    }
}
