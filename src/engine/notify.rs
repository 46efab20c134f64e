//! Notify: who is told of an incident, when, and of what. Looks at what people were told and at what is so, and
//! tells the difference; so a restart repeats nothing and forgets nothing.

use std::borrow::Cow;

use super::alert::Alert;
use super::audience::{Asked, Audience, Awake, Known, Listener, Urge, root_of};
use super::cell::Cell;
use super::checks::obstacle;
use super::deadlines::Due;
use super::effect::{Change, Notice, NoticeKind, RunbookLink};
use super::fields::CiFacts;
use super::input::{Delivered, DeliveryOutcome};
use super::oncall::care::Called;
use super::oncall::names::policy_of;
use super::oncall::page::Escalation;
use super::oncall::paging::News;
use super::policy::rule::{Rule, RuleHits};
use super::policy::runbooks::Runbook;
use super::route::route;
use super::slab::Place;
use super::verdict::Unmet;
use crate::domain::ids::RuleId;
use crate::domain::incident::{IncidentState, IncidentView, TimelineKind};
use crate::domain::matcher::Fields;
use crate::domain::topology::Topology;

/// Runbooks named in one message.
const RUNBOOKS_MAX: usize = 3;

/// An incident's fields as routes see them: its own, then those of its root CI, then those of the alert on top.
pub struct IncidentFields<'a> {
    view: &'a IncidentView,
    ci: Option<CiFacts<'a>>,
    top: Option<&'a Alert>,
}

impl<'a> IncidentFields<'a> {
    /// The incident's own fields and those of its root CI.
    pub fn of(view: &'a IncidentView, topology: &'a Topology) -> Self {
        let ci = root_of(view).and_then(|id| topology.find(id.as_str()));
        Self { view, ci: ci.map(|ci| CiFacts::of(topology, ci)), top: None }
    }
}

impl Fields for IncidentFields<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let view = self.view;
        match name {
            "severity" => return Some(Cow::Borrowed(view.severity.as_str())),
            "priority" => return Some(Cow::Borrowed(view.priority.as_str())),
            "title" => return Some(Cow::Borrowed(&view.title)),
            "services" => return Some(Cow::Owned(view.services.join(", "))),
            "confidence" => return Some(Cow::Owned(confidence(view).to_string())),
            "alert_count" => return Some(Cow::Owned(view.alert_count.to_string())),
            "ci_count" => return Some(Cow::Owned(view.ci_count.to_string())),
            "service_count" => return Some(Cow::Owned(view.services.len().to_string())),
            "status" => return Some(Cow::Borrowed("firing")),
            _ => {}
        }
        if let Some(value) = self.ci.and_then(|ci| ci.field(name)) {
            return Some(value);
        }
        self.top?.own_field(name)
    }
}

/// How sure the root cause is, in percent: 100 when a person has confirmed it, 0 when none is known.
fn confidence(view: &IncidentView) -> i32 {
    if view.root_confirmed { 100 } else { view.candidates.first().map_or(0, |best| best.score / 10) }
}

/// What of its size routes may ask for.
fn extent(view: &IncidentView) -> [u32; 3] {
    [view.alert_count, view.ci_count, confidence(view).unsigned_abs()]
}

impl Cell {
    /// Whether an alert may tell people: it fires and nothing mutes it.
    pub fn is_told(&self, place: Place) -> bool {
        self.alerts.get(place).is_some_and(|alert| alert.is_firing() && alert.muted_by.is_empty())
    }

    /// Before the moment is told: an incident of which all alerts were muted may speak again.
    pub fn wake_hushed(&mut self) {
        let hushed = |cell: &Self, group| {
            cell.groups.get(group).and_then(|g| g.incident.as_ref()).is_some_and(|i| i.audience.hushed)
        };
        let touched = std::mem::take(&mut self.moment.alerts);
        for place in touched.iter() {
            if !self.is_told(place) {
                continue;
            }
            let group = self.alerts[place].group;
            if hushed(self, group) {
                self.groups[group].incident.as_mut().expect("just looked at").audience.hushed = false;
                self.moment.groups.insert(group);
            }
        }
        self.moment.alerts = touched;
    }

    /// Tells who must know of this version of an incident, and sets a timer for who must know later.
    pub fn notify(&mut self, group: Place, view: &IncidentView) {
        let Some(incident) = self.groups.get_mut(group).and_then(|g| g.incident.as_mut()) else { return };
        let mut audience = std::mem::take(&mut incident.audience);
        self.mark_storm(&mut audience, view);
        match view.state {
            IncidentState::Abnormal => self.ask_routes(&mut audience, group, view),
            IncidentState::Recovered | IncidentState::Closed => audience.rest(),
            IncidentState::Recovering | IncidentState::Merged => {}
        }
        audience.take_called(self.now);
        self.tell_all(&mut audience, group, view);
        self.set_timer(&mut audience, group);
        if let Some(incident) = self.groups.get_mut(group).and_then(|g| g.incident.as_mut()) {
            incident.audience = audience;
        }
    }

    /// Tells of the last version of an incident that was merged, or that came to nothing.
    pub fn notify_end(&mut self, mut audience: Audience, group: Place, view: &IncidentView) {
        audience.listeners.retain(|l| l.knows != Known::Nothing);
        self.tell_all(&mut audience, group, view);
    }

    /// Writes down each storm threshold that the incident has crossed.
    fn mark_storm(&mut self, audience: &mut Audience, view: &IncidentView) {
        if view.alert_count <= audience.stormed {
            return;
        }
        let new = audience.stormed + 1..=view.alert_count;
        let crossed: Vec<u32> = self.policy.settings.storm.iter().copied().filter(|n| new.contains(n)).collect();
        for threshold in crossed {
            self.note(view.id, "headwater", TimelineKind::Storm, threshold.to_string());
            for listener in &mut audience.listeners {
                listener.storm = true;
            }
        }
        audience.stormed = view.alert_count;
    }

    /// News that time or an executor brings: for those who were told of the incident, and for whom a rule calls beside them.
    pub fn tell_news(&mut self, group: Place, news: Change, called: impl Iterator<Item = Called>) {
        let Some(incident) = self.groups.get_mut(group).and_then(|g| g.incident.as_mut()) else { return };
        incident.audience.note_news(news);
        incident.audience.called.extend(called);
    }

    fn ask_routes(&mut self, audience: &mut Audience, group: Place, view: &IncidentView) {
        let top = self.groups[group].root;
        let same = audience.asked.as_ref().is_some_and(|asked| {
            (asked.severity, asked.priority, asked.top) == (view.severity, view.priority, top)
                && asked.root.as_ref() == root_of(view)
                && asked.services as usize == view.services.len()
                && (!self.policy.routes_by_extent || asked.extent == extent(view))
        });
        if same {
            return;
        }
        let policy = self.policy.clone();
        let mut rule_hits = std::mem::take(&mut self.hits);
        let mut hits = route(&policy, &self.incident_fields(group, view), self.now, &mut rule_hits);
        self.hits = rule_hits;
        for hit in &mut hits {
            hit.observe_only |= policy.settings.observe_only;
        }
        audience.follow(hits, self.now);
        audience.asked = Some(Asked {
            severity: view.severity,
            priority: view.priority,
            top,
            root: root_of(view).cloned(),
            services: view.services.len() as u32,
            extent: if self.policy.routes_by_extent { extent(view) } else { [0; 3] },
        });
    }

    /// The incident as routes see it.
    pub fn incident_fields<'a>(&'a self, group: Place, view: &'a IncidentView) -> IncidentFields<'a> {
        let (top, members) = (&self.groups[group].root, &self.groups[group].members);
        let alert = std::iter::once(top).chain(members).map(|p| &self.alerts[*p]).find(|a| a.inferred.is_none());
        IncidentFields { top: alert, ..IncidentFields::of(view, &self.topology) }
    }

    /// What is written about what to do.
    pub fn runbooks_of(&self, view: &IncidentView) -> Vec<RunbookLink> {
        if self.policy.runbooks.is_empty() {
            return Vec::new();
        }
        let Some(group) = self.by_incident.get(&view.id).copied() else { return Vec::new() };
        let fields = self.incident_fields(group, view);
        let mut hits = RuleHits::default();
        let fitting = self.policy.runbooks.candidates(&fields).filter(|book| book.applies(&fields, &mut hits));
        fitting.take(RUNBOOKS_MAX).map(Runbook::link).collect()
    }

    /// Routes that do not name their receivers for the incident, and why.
    pub fn unmet_routes(&self, group: Place, view: &IncidentView) -> Vec<(RuleId, Unmet)> {
        let fields = self.incident_fields(group, view);
        let mut hits = RuleHits::default();
        let unmet = self.policy.routes.all().iter().filter_map(|route| {
            let opens_at = match &route.during {
                Some(during) if during.open_until(self.now).is_none() => Some(during.next_change(self.now)),
                Some(_) | None => None,
            };
            let unmet = match opens_at {
                Some(opens_at) => Unmet::Closed { opens_at },
                None if route.applies(&fields, &mut hits) => return None,
                None => obstacle(&route.matches.0, &fields).unwrap_or(Unmet::Expression { failed: false }),
            };
            Some((route.id.id.clone(), unmet))
        });
        unmet.collect()
    }

    fn tell_all(&mut self, audience: &mut Audience, group: Place, view: &IncidentView) {
        let urge = Urge { now: self.now, interval: self.policy.settings.update_interval };
        let mut escalations = std::mem::take(&mut audience.escalations);
        for listener in &mut audience.listeners {
            let Some((kind, changes)) = listener.next(view, urge) else { continue };
            let ends = matches!(kind, NoticeKind::Recovered | NoticeKind::Closed)
                || (kind == NoticeKind::Merged && view.state == IncidentState::Merged);
            if !ends && !self.speaks(group) {
                audience.hushed = true;
                continue;
            }
            self.tell_one(listener, kind, changes, view, &mut escalations);
        }
        if escalations.iter().any(|one| one.wakes(self.awake(group)).is_some_and(|at| at <= self.now))
            && !self.speaks(group)
        {
            audience.hushed = true;
        } else {
            self.climb(&mut escalations, view, self.awake(group));
        }
        audience.escalations = escalations;
    }

    /// Whether an incident may tell people: not when all of its firing alerts are muted.
    pub fn speaks(&self, group: Place) -> bool {
        let group = &self.groups[group];
        group.firing() == 0 || group.members.iter().any(|member| self.is_told(*member))
    }

    fn tell_one(
        &mut self,
        listener: &mut Listener,
        kind: NoticeKind,
        changes: Vec<Change>,
        view: &IncidentView,
        escalations: &mut Vec<Escalation>,
    ) {
        let now = self.now;
        listener.told(kind, view, now);
        let said = format!("{} {}", listener.receiver, kind.as_str());
        if listener.observe_only || self.policy.settings.observe_only {
            listener.observe_only |= matches!(kind, NoticeKind::Opened | NoticeKind::Reopened);
            return self.note(view.id, "headwater", TimelineKind::WouldNotify, said);
        }
        if let Some(policy) = policy_of(&listener.receiver) {
            return self.page(escalations, policy, &listener.rule, News { kind, changes }, view);
        }
        let _ = self.hand_out(Box::new(Notice {
            key: "".into(),
            receiver: listener.receiver.clone(),
            kind,
            at: now,
            incident: view.clone(),
            rule: Some(listener.rule.clone()),
            changes,
            digest: None,
            to: None,
            told: Vec::new(),
            runbooks: self.runbooks_of(view),
            action: None,
            by: "".into(),
        }));
    }

    /// Sets the timer for the next listener that time alone wakes.
    fn set_timer(&mut self, audience: &mut Audience, group: Place) {
        let awake = self.awake(group);
        let interval = self.policy.settings.update_interval;
        let next = audience.wakes(awake, interval).filter(|at| *at > self.now).min();
        let Some(next) = next else { return };
        if audience.timer.is_none_or(|timer| timer > next || timer <= self.now) {
            audience.timer = Some(next);
            self.deadlines.set(next, Due::Tell(group));
        }
    }

    fn awake(&self, group: Place) -> Awake {
        match self.groups.get(group).and_then(|g| g.incident.as_ref()) {
            Some(i) if i.state != IncidentState::Abnormal || i.snoozed_until.is_some() => Awake::No,
            Some(i) if i.acknowledged_at.is_some() => Awake::Acknowledged,
            Some(_) => Awake::Unseen,
            None => Awake::No,
        }
    }

    /// A timer: somebody waits to be told.
    pub fn tell_waiting(&mut self, group: Place) {
        let awake = self.awake(group);
        let interval = self.policy.settings.update_interval;
        let Some(incident) = self.groups.get_mut(group).and_then(|g| g.incident.as_mut()) else { return };
        let mut audience = std::mem::take(&mut incident.audience);
        if audience.timer.is_some_and(|timer| timer <= self.now) {
            audience.timer = None;
        }
        let due = audience.wakes(awake, interval).any(|at| at <= self.now);
        if due && !audience.hushed {
            self.moment.groups.insert(group);
        } else {
            self.set_timer(&mut audience, group);
        }
        if let Some(incident) = self.groups.get_mut(group).and_then(|g| g.incident.as_mut()) {
            incident.audience = audience;
        }
    }

    /// Other rules hold: who waits for the word of a route that is gone is asked for again, at once when nobody has
    /// been told; other incidents ask when they change.
    pub fn reroute(&mut self) {
        let policy = self.policy.clone();
        self.spending.keep(&policy.settings.budgets);
        let receivers = policy.receivers();
        self.flows.keep(|receiver| receivers.contains(&receiver));
        let places: Vec<Place> =
            self.groups.iter().filter(|(_, g)| g.incident.is_some()).map(|(place, _)| place).collect();
        for place in places {
            let Some(incident) = self.groups[place].incident.as_mut() else { continue };
            incident.audience.asked = None;
            let listeners = &incident.audience.listeners;
            let waits = listeners.iter().any(|l| l.knows != Known::Opened || l.observe_only);
            if incident.state == IncidentState::Abnormal && waits {
                self.moment.groups.insert(place);
            }
        }
    }

    /// Takes in how a message went.
    pub fn note_delivery(&mut self, delivered: &Delivered) {
        match &delivered.outcome {
            DeliveryOutcome::GaveUp(why) => {
                let whose = delivered.person.as_ref().map_or_else(String::new, |person| format!("/{person}"));
                let said = format!("{}{whose}: {why}", delivered.receiver);
                self.note(delivered.incident, "headwater", TimelineKind::NotifyFailed, said);
                if let Some(action) = action_of(delivered) {
                    self.action_unreached(delivered.incident, action, why);
                }
                if let Some(person) = &delivered.person {
                    self.page_failed(delivered, person);
                }
            }
            DeliveryOutcome::Unverified => {
                let Some(person) = &delivered.person else { return };
                let said = format!("{}/{person} unverified", delivered.receiver);
                self.note(delivered.incident, "headwater", TimelineKind::NotifyFailed, said);
                self.page_failed(delivered, person);
            }
            DeliveryOutcome::Unaddressed => {
                let said = format!("{}: nobody is told, no receiver is configured", delivered.receiver);
                self.note(delivered.incident, "headwater", TimelineKind::NotifyFailed, said);
            }
            DeliveryOutcome::Accepted => {
                if let Some(ticket) = &delivered.ticket {
                    self.keep_ticket(delivered, ticket);
                }
                if let (Some(report), Some(action)) = (&delivered.report, action_of(delivered)) {
                    // One that comes late, or twice, changes nothing.
                    let _ = self.report_action(delivered.incident, action, report, delivered.receiver.as_str());
                }
            }
            DeliveryOutcome::Folded => {}
        }
    }
}

/// The action that a request was about: its key is `<action>-<executor>-action`.
fn action_of(delivered: &Delivered) -> Option<&str> {
    delivered.key.strip_suffix("-action")?.strip_suffix(delivered.receiver.as_str())?.strip_suffix('-')
}
