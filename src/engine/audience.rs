//! Who was told what of an incident. Part of the engine's state, so that nobody is told twice.

use serde::{Deserialize, Serialize};

use super::effect::{Change, NoticeKind};
use super::oncall::care::Called;
use super::oncall::page::Escalation;
use super::route::RouteHit;
use super::slab::Place;
use crate::domain::ids::{CiId, PersonId, ReceiverId, RuleId};
use crate::domain::incident::{IncidentState, IncidentView, Priority};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// The receivers of one incident, and when the engine looks at them again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audience {
    pub listeners: Vec<Listener>,
    /// What the routes were asked about last; they are asked again when it has changed.
    pub asked: Option<Asked>,
    /// Since when the incident has been abnormal: from then delays count.
    pub since: Option<Timestamp>,
    /// The highest storm threshold that was written down.
    pub stormed: u32,
    /// When it was looked at last, every firing alert was muted.
    pub hushed: bool,
    /// Policies that tell people, one after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalations: Vec<Escalation>,
    /// Receivers that a service level or an action calls beside the routes, and are told next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub called: Vec<Called>,
    /// The earliest timer that is set.
    pub timer: Option<Timestamp>,
}

/// What routes can tell incidents apart by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub severity: Severity,
    pub priority: Priority,
    /// The alert on top of the tree, and the first candidate.
    pub top: Place,
    pub root: Option<CiId>,
    pub services: u32,
    /// Alerts, CIs and percent of confidence, for routes that ask for them.
    #[serde(default, skip_serializing_if = "is_unasked")]
    pub extent: [u32; 3],
}

fn is_unasked(extent: &[u32; 3]) -> bool {
    *extent == [0; 3]
}

/// What a receiver knows of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Nothing: it is told at `due`, unless the incident recovers before.
    Nothing,
    /// That it recovered, or was closed, and now it is back: it is told so at `due`.
    Gone,
    Opened,
    Recovered,
    Closed,
}

/// One receiver of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    pub receiver: ReceiverId,
    /// The route that named it.
    pub rule: RuleId,
    pub knows: Known,
    pub due: Timestamp,
    pub repeat: Option<Span>,
    pub observe_only: bool,
    /// When it was told last, and what.
    pub told_at: Timestamp,
    pub severity: Severity,
    pub priority: Priority,
    pub root: Option<CiId>,
    /// Another incident has become part of this one, and it was not told yet.
    pub merged: bool,
    /// The incident has crossed a storm threshold, and it was not told yet.
    pub storm: bool,
    /// A change of lesser weight waits for the end of the interval.
    pub waits: bool,
    /// What time or an executor has brought, and it was not told yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<Change>,
}

/// What of the incident decides whether something is told, beside the view.
#[derive(Clone, Copy, Debug)]
pub struct Urge {
    pub now: Timestamp,
    /// How often a changed root or a merge is told at most.
    pub interval: Span,
}

impl Listener {
    /// A receiver that a route has found.
    pub fn of(hit: RouteHit, since: Timestamp) -> Self {
        Self {
            receiver: hit.receiver,
            rule: hit.rule,
            knows: Known::Nothing,
            due: since.plus(hit.delay),
            repeat: hit.repeat,
            observe_only: hit.observe_only,
            told_at: Timestamp(0),
            severity: Severity::Cleared,
            priority: Priority::P4,
            root: None,
            merged: false,
            storm: false,
            waits: false,
            news: Vec::new(),
        }
    }

    /// Takes in how a route wants it told now.
    fn follow(&mut self, hit: RouteHit, since: Timestamp) {
        self.knows = match self.knows {
            Known::Nothing | Known::Gone => self.knows,
            Known::Recovered | Known::Closed => Known::Gone,
            // It was only recorded that it would be told.
            Known::Opened if self.observe_only && !hit.observe_only => Known::Nothing,
            Known::Opened => Known::Opened,
        };
        (self.rule, self.repeat) = (hit.rule, hit.repeat);
        if self.knows != Known::Opened {
            (self.due, self.observe_only) = (since.plus(hit.delay), hit.observe_only);
        }
    }

    /// What it must be told now of the incident as it is.
    pub fn next(&mut self, view: &IncidentView, urge: Urge) -> Option<(NoticeKind, Vec<Change>)> {
        self.waits = false;
        let kind = match (self.knows, view.state) {
            (Known::Nothing, IncidentState::Abnormal) if self.due <= urge.now => NoticeKind::Opened,
            (Known::Gone, IncidentState::Abnormal) if self.due <= urge.now => NoticeKind::Reopened,
            (Known::Opened, IncidentState::Recovered) => NoticeKind::Recovered,
            (Known::Opened | Known::Recovered, IncidentState::Closed) => NoticeKind::Closed,
            (Known::Opened, IncidentState::Merged) => NoticeKind::Merged,
            (Known::Opened, IncidentState::Abnormal) => return self.next_of_open(view, urge),
            (Known::Nothing | Known::Gone | Known::Opened | Known::Recovered | Known::Closed, _) => return None,
        };
        Some((kind, Vec::new()))
    }

    fn next_of_open(&mut self, view: &IncidentView, urge: Urge) -> Option<(NoticeKind, Vec<Change>)> {
        let mut changes = Vec::new();
        let mut add = |holds: bool, change| changes.extend(holds.then_some(change));
        add(view.severity > self.severity, Change::Severity);
        add(view.priority < self.priority, Change::Priority);
        add(self.storm, Change::Storm);
        changes.extend(&self.news);
        let weighty = !changes.is_empty();
        let asleep = view.snoozed_until.is_some();
        let root = root_of(view) != self.root.as_ref();
        if root || self.merged {
            let may = weighty || (!asleep && urge.now.since(self.told_at) >= urge.interval);
            self.waits = !may;
            changes.extend((may && root).then_some(Change::Root));
            changes.extend((may && self.merged).then_some(Change::Merged));
        }
        if !changes.is_empty() {
            let kind = if changes == [Change::Merged] { NoticeKind::Merged } else { NoticeKind::Updated };
            return Some((kind, changes));
        }
        let unseen = view.acknowledged_at.is_none() && !asleep;
        let again = self.repeat.is_some_and(|repeat| urge.now.since(self.told_at) >= repeat);
        (unseen && again).then(|| (NoticeKind::Reminder, Vec::new()))
    }

    /// Notes what it has been told.
    pub fn told(&mut self, kind: NoticeKind, view: &IncidentView, now: Timestamp) {
        self.told_at = now;
        self.knows = match kind {
            NoticeKind::Recovered => Known::Recovered,
            NoticeKind::Closed => Known::Closed,
            NoticeKind::Opened
            | NoticeKind::Reopened
            | NoticeKind::Updated
            | NoticeKind::Merged
            | NoticeKind::Reminder
            | NoticeKind::Action
            | NoticeKind::Test
            | NoticeKind::Digest => Known::Opened,
        };
        let fresh = matches!(kind, NoticeKind::Opened | NoticeKind::Reopened);
        // What went down is not told; coming up to what is known already is no news.
        self.severity = if fresh { view.severity } else { self.severity.max(view.severity) };
        self.priority = if fresh { view.priority } else { self.priority.min(view.priority) };
        self.root = root_of(view).cloned();
        (self.merged, self.storm, self.waits) = (false, false, false);
        self.news.clear();
    }

    /// When it must be looked at next, if nothing else happens; `None` when only a change matters.
    pub fn wakes(&self, awake: Awake, interval: Span) -> Option<Timestamp> {
        match (self.knows, awake) {
            (Known::Nothing | Known::Gone, Awake::Acknowledged | Awake::Unseen) => Some(self.due),
            (Known::Opened, Awake::Acknowledged) => self.waits.then(|| self.told_at.plus(interval)),
            (Known::Opened, Awake::Unseen) => {
                let waits = self.waits.then(|| self.told_at.plus(interval));
                waits.into_iter().chain(self.repeat.map(|repeat| self.told_at.plus(repeat))).min()
            }
            (_, Awake::No) | (Known::Recovered | Known::Closed, _) => None,
        }
    }
}

/// Whether an incident lets time tell people something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awake {
    /// It is not abnormal, or snoozed.
    No,
    /// Somebody has it: no reminders.
    Acknowledged,
    Unseen,
}

/// The CI that is taken for the root cause.
pub fn root_of(view: &IncidentView) -> Option<&CiId> {
    view.candidates.first().map(|best| &best.ci.id)
}

impl Audience {
    /// Takes in what the routes say now. Who was told stays, and goes on hearing of it.
    pub fn follow(&mut self, hits: Vec<RouteHit>, now: Timestamp) {
        let since = *self.since.get_or_insert(now);
        for listener in &mut self.listeners {
            if hits.iter().all(|hit| hit.receiver != listener.receiver) {
                listener.repeat = None;
            }
        }
        let found = |receiver: &ReceiverId| hits.iter().any(|hit| hit.receiver == *receiver);
        self.listeners.retain(|l| l.knows == Known::Opened || found(&l.receiver));
        for hit in hits {
            match self.listeners.iter_mut().find(|l| l.receiver == hit.receiver) {
                Some(listener) => listener.follow(hit, since),
                None => self.listeners.push(Listener::of(hit, since)),
            }
        }
    }

    /// Something that those who know of the incident must hear.
    pub fn note_news(&mut self, news: Change) {
        for listener in self.listeners.iter_mut().filter(|l| l.knows == Known::Opened) {
            if !listener.news.contains(&news) {
                listener.news.push(news);
            }
        }
    }

    /// Those who were called are told at once; who knows of the incident hears the news anyway.
    pub fn take_called(&mut self, now: Timestamp) {
        for (receiver, rule) in std::mem::take(&mut self.called) {
            match self.listeners.iter_mut().find(|l| l.receiver == receiver) {
                Some(listener) => listener.due = listener.due.min(now),
                None => {
                    let (delay, repeat, observe_only) = (Span(0), None, false);
                    self.listeners.push(Listener::of(RouteHit { receiver, rule, delay, repeat, observe_only }, now));
                }
            }
        }
    }

    /// Lets a receiver, or a person by it, be told once more as if for the first time.
    pub fn tell_anew(&mut self, receiver: &ReceiverId, person: Option<&PersonId>, now: Timestamp) {
        if person.is_none()
            && let Some(listener) = self.listeners.iter_mut().find(|l| l.receiver == *receiver)
        {
            (listener.knows, listener.due) = (Known::Nothing, now);
        }
        let pages = self.escalations.iter_mut().filter(|one| !one.is_over).flat_map(|one| &mut one.pages);
        for page in pages.filter(|page| page.receiver == *receiver && page.person.as_ref() == person) {
            (page.due, page.told_at) = (Some(now), None);
        }
    }

    /// When time alone tells somebody something.
    pub fn wakes(&self, awake: Awake, interval: Span) -> impl Iterator<Item = Timestamp> {
        let listeners = self.listeners.iter().filter_map(move |listener| listener.wakes(awake, interval));
        listeners.chain(self.escalations.iter().filter_map(move |one| one.wakes(awake)))
    }

    /// The spell is over: who was not told is not told any more, and the next spell is routed afresh.
    pub fn rest(&mut self) {
        (self.asked, self.since) = (None, None);
        self.listeners.retain_mut(|listener| match listener.knows {
            Known::Nothing => false,
            Known::Gone => {
                listener.knows = Known::Recovered;
                true
            }
            Known::Opened | Known::Recovered | Known::Closed => true,
        });
    }

    /// Takes over the listeners of an incident that became part of this one. They have been told so.
    pub fn absorb(&mut self, other: Self, now: Timestamp) {
        let told = |l: &Listener| l.knows == Known::Opened;
        for listener in self.listeners.iter_mut().filter(|l| told(l)) {
            if other.listeners.iter().any(|o| told(o) && o.receiver == listener.receiver) {
                listener.told_at = now;
            } else {
                listener.merged = true;
            }
        }
        for mut listener in other.listeners.into_iter().filter(told) {
            listener.told_at = now;
            match self.listeners.iter_mut().find(|l| l.receiver == listener.receiver) {
                Some(known) if told(known) => {}
                Some(waiting) => *waiting = listener,
                None => self.listeners.push(listener),
            }
        }
        for one in other.escalations {
            match self.escalations.iter_mut().find(|mine| mine.policy == one.policy) {
                Some(mine) => mine.absorb(one),
                None => self.escalations.push(Escalation { is_over: false, ..one }),
            }
        }
        self.called.extend(other.called);
        // The routes are asked again: the survivor is another incident now.
        self.asked = None;
        self.since = self.since.into_iter().chain(other.since).min();
        self.stormed = self.stormed.max(other.stormed);
    }
}
