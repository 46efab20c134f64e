//! Actions at work (自动控制): which are asked for, what holds them back, and what follows when an executor fails or is silent.
//!
//! The engine only decides; a request is a notice to a receiver like any other, with the same key and retries. The same
//! action is not asked for on the same CI again within its cool-down, nor more often in an hour than its rule says, nor
//! where too much hangs on the CI: so a fault that comes back, and an action that makes it come back, end with people.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::care::Care;
use crate::domain::action::{Action, ActionReport, ActionResult, ActionState, HeldBy};
use crate::domain::ids::{AlertId, CiId, IncidentId, RuleId};
use crate::domain::incident::{IncidentState, IncidentView, TimelineKind};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::CiIx;
use crate::domain::topology::reach::Limits;
use crate::engine::audience::root_of;
use crate::engine::cell::Cell;
use crate::engine::checks::obstacle;
use crate::engine::effect::{Change, Effect, Notice, NoticeKind};
use crate::engine::fields::AlertFields;
use crate::engine::policy::actions::{ActionRule, Approval, COOL_DOWN_MAX, Target};
use crate::engine::policy::rule::{Rule, RuleHits};
use crate::engine::slab::Place;
use crate::engine::verdict::Unmet;

/// Actions of one incident; further rules are not looked at.
const ACTIONS_MAX: usize = 50;
/// Alerts of one incident that are looked at for CIs to act on.
const MEMBERS_LOOKED_MAX: usize = 1_000;
/// Requests that are remembered; the oldest are forgotten first.
const REMEMBERED_MAX: usize = 10_000;

/// What was asked for lately, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Requests(VecDeque<Request>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Request {
    run: Box<str>,
    ci: CiId,
    at: Timestamp,
}

impl Requests {
    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn note(&mut self, run: &str, ci: &CiId, at: Timestamp) {
        while self.0.front().is_some_and(|first| at.since(first.at) > COOL_DOWN_MAX || self.0.len() >= REMEMBERED_MAX) {
            self.0.pop_front();
        }
        self.0.push_back(Request { run: run.into(), ci: ci.clone(), at });
    }

    /// The limit that holds a rule's action back; `begun` are those of this moment, which nobody was asked for yet.
    fn limit(&self, rule: &ActionRule, ci: &CiId, begun: &[Action], now: Timestamp) -> Option<HeldBy> {
        let same = || self.0.iter().rev().filter(|one| one.run == rule.run);
        if let Some(last) = same().find(|one| one.ci == *ci) {
            let until = last.at.plus(rule.cool_down);
            if until > now {
                return Some(HeldBy::CoolDown { until });
            }
        }
        let is_next = |one: &&Action| one.run == rule.run && one.state == ActionState::Approved;
        let lately =
            same().filter(|one| now.since(one.at) < Span::hours(1)).count() + begun.iter().filter(is_next).count();
        (lately >= rule.hour_max as usize).then_some(HeldBy::HourMax { max: rule.hour_max })
    }
}

/// Why a rule asks for nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Inaction {
    Unmet(Unmet),
    /// No CI is known as the root cause.
    NoCi,
    /// The root cause is of another class.
    Class {
        class: Box<str>,
    },
    /// No CI of its classes has an alert that it asks for.
    NoMember,
    /// The incident has not lasted so long.
    NotYet {
        at: Timestamp,
    },
    /// It has come to this.
    Is(Box<Action>),
}

impl Cell {
    /// Lets the actions of an incident go on; says when the next one may begin.
    pub fn keep_actions(&mut self, care: &mut Care, group: Place, view: &IncidentView) -> Option<Timestamp> {
        if self.policy.actions.is_empty() && care.actions.is_empty() {
            return None;
        }
        let mut next = None;
        match view.state {
            IncidentState::Abnormal if self.speaks(group) => next = self.begin_actions(care, group, view),
            IncidentState::Abnormal | IncidentState::Recovering => {}
            IncidentState::Recovered | IncidentState::Closed | IncidentState::Merged => {
                for action in &mut care.actions {
                    if matches!(action.state, ActionState::Asked | ActionState::Approved) {
                        (action.state, action.at, action.due) = (ActionState::Dropped, self.now, None);
                        self.note(view.id, "headwater", TimelineKind::ActionHeldBack, said(action, "dropped"));
                    }
                }
            }
        }
        for action in &mut care.actions {
            match action.state {
                ActionState::Approved => self.request(action, view),
                ActionState::Asked | ActionState::Requested if action.due.is_some_and(|due| due <= self.now) => {
                    let end =
                        if action.state == ActionState::Asked { ActionState::Lapsed } else { ActionState::Silent };
                    self.fail(action, group, view.id, end, "");
                }
                _ => {}
            }
        }
        next
    }

    fn begin_actions(&mut self, care: &mut Care, group: Place, view: &IncidentView) -> Option<Timestamp> {
        let since = care.since.unwrap_or(self.now);
        let (mut next, mut begun): (Option<Timestamp>, Vec<Action>) = (None, Vec::new());
        let policy = self.policy.clone();
        let mut hits = std::mem::take(&mut self.hits);
        let fields = self.incident_fields(group, view);
        for rule in policy.actions.candidates(&fields) {
            let is_open = rule.during.as_ref().is_none_or(|during| during.open_until(self.now).is_some());
            if !is_open || !rule.applies(&fields, &mut hits) {
                continue;
            }
            // One that was begun before this spell counts for that one.
            let of_rule = care.actions.iter().filter(|action| action.rule == rule.id.id && action.at >= since);
            let done: Vec<CiId> = of_rule.map(|action| action.ci.id.clone()).collect();
            let targets = self.targets(rule, group, view, &done);
            let at = since.plus(rule.wait);
            if at > self.now && !targets.is_empty() {
                next = next.into_iter().chain([at]).min();
                continue;
            }
            for ci in targets {
                if care.actions.len() + begun.len() >= ACTIONS_MAX {
                    break;
                }
                hits.hit(&rule.id.id);
                care.numbered += 1;
                begun.push(self.action(rule, ci, format!("{}.{}", view.id, care.numbered).into(), &begun));
            }
        }
        self.hits = hits;
        for action in &begun {
            self.announce(action, group, view.id);
        }
        care.actions.extend(begun);
        next
    }

    /// What a rule acts on now, beside what it has acted on already.
    fn targets(&self, rule: &ActionRule, group: Place, view: &IncidentView, done: &[CiId]) -> Vec<CiIx> {
        let is_left =
            |ci: &CiIx| self.is_of_class(*ci, &rule.classes) && !done.iter().any(|id| id == self.topology.id(*ci));
        match &rule.target {
            Target::Root => {
                let root = root_of(view).and_then(|id| self.topology.find(id.as_str()));
                root.filter(is_left).into_iter().collect()
            }
            Target::Members { alerts, most } => {
                let room = (*most as usize).saturating_sub(done.len());
                if room == 0 {
                    return Vec::new();
                }
                let told = self.groups[group].members.iter().take(MEMBERS_LOOKED_MAX).filter(|m| self.is_told(**m));
                let mut hit: Vec<(AlertId, CiIx)> = told
                    .filter_map(|member| {
                        let alert = &self.alerts[*member];
                        let ci = alert.spot.ci().filter(is_left)?;
                        alerts.0.matches(&AlertFields::of(alert, &self.topology)).then_some((alert.id, ci))
                    })
                    .collect();
                hit.sort_unstable();
                let mut targets: Vec<CiIx> = Vec::new();
                for (_, ci) in hit {
                    if targets.len() < room && !targets.contains(&ci) {
                        targets.push(ci);
                    }
                }
                targets
            }
        }
    }

    /// The action of a rule as it begins.
    fn action(&self, rule: &ActionRule, ci: CiIx, id: Box<str>, begun: &[Action]) -> Action {
        let ci_ref = self.ci_ref(ci);
        let held = self.requests.limit(rule, &ci_ref.id, begun, self.now).or_else(|| {
            let cis = self.topology.impact(ci, &Limits::default()).reached.len() as u32;
            (cis > rule.blast_max).then_some(HeldBy::BlastMax { cis, max: rule.blast_max })
        });
        let (state, due) = match (held, rule.approval) {
            _ if rule.observe_only || self.policy.settings.observe_only => (ActionState::Tried, None),
            (Some(_), _) => (ActionState::HeldBack, None),
            (None, Approval::Within(time)) => (ActionState::Asked, Some(self.now.plus(time))),
            (None, Approval::None) => (ActionState::Approved, None),
        };
        Action {
            id,
            rule: rule.id.id.clone(),
            run: rule.run.clone(),
            with: rule.with.clone(),
            executor: rule.executor.clone(),
            ci: ci_ref,
            state,
            at: self.now,
            due,
            by: "".into(),
            said: "".into(),
            held,
            answer: rule.answer,
            escalate: rule.escalate.clone(),
        }
    }

    fn announce(&mut self, action: &Action, group: Place, incident: IncidentId) {
        match action.state {
            ActionState::Asked => {
                self.note(incident, "headwater", TimelineKind::ActionAsked, said(action, ""));
                self.tell_news(group, Change::Approval, std::iter::empty());
            }
            ActionState::HeldBack => {
                let why = action.held.map_or_else(String::new, word);
                self.note(incident, "headwater", TimelineKind::ActionHeldBack, said(action, &why));
                self.tell_news(group, Change::Approval, std::iter::empty());
            }
            ActionState::Tried => {
                self.note(incident, "headwater", TimelineKind::ActionHeldBack, said(action, "observe_only"));
            }
            _ => {}
        }
    }

    fn request(&mut self, action: &mut Action, view: &IncidentView) {
        (action.state, action.at, action.due) = (ActionState::Requested, self.now, Some(self.now.plus(action.answer)));
        self.requests.note(&action.run, &action.ci.id, self.now);
        self.moment.requested.push(action.id.clone());
        self.note(view.id, "headwater", TimelineKind::ActionRequested, said(action, action.executor.as_str()));
    }

    /// Hands out what was requested in this moment.
    pub fn send_actions(&mut self, care: &Care, view: &IncidentView) {
        let requested = std::mem::take(&mut self.moment.requested);
        for action in care.actions.iter().filter(|action| requested.contains(&action.id)) {
            let notice = Notice {
                key: action.key(),
                receiver: action.executor.clone(),
                kind: NoticeKind::Action,
                at: self.now,
                incident: view.clone(),
                rule: Some(action.rule.clone()),
                changes: Vec::new(),
                digest: None,
                to: None,
                told: Vec::new(),
                runbooks: Vec::new(),
                action: Some(action.id.clone()),
                by: "".into(),
            };
            self.moment.effects.push(Effect::Notify { notice: Box::new(notice) });
        }
    }

    /// An action came to nothing: people are told.
    fn fail(&mut self, action: &mut Action, group: Place, incident: IncidentId, end: ActionState, why: &str) {
        (action.state, action.at, action.due) = (end, self.now, None);
        if !why.is_empty() {
            action.said = why.into();
        }
        let word = match end {
            ActionState::Lapsed => "lapsed",
            ActionState::Silent => "silent",
            _ => why,
        };
        self.note(incident, "headwater", TimelineKind::ActionFailed, said(action, word));
        let called = action.escalate.iter().map(|one| (one.clone(), action.rule.clone())).collect::<Vec<_>>();
        self.tell_news(group, Change::ActionFailed, called.into_iter());
    }

    /// A person's word about an action.
    ///
    /// # Errors
    /// When there is nothing to say it of.
    pub fn judge_action(
        &mut self,
        incident: IncidentId,
        id: &str,
        yes: Answer,
        actor: &str,
    ) -> Result<(), &'static str> {
        let group = self.open_group(incident)?;
        let now = self.now;
        let care = &mut self.groups[group].incident.as_mut().ok_or("no such incident")?.care;
        let waiting = care.actions.iter_mut().filter(|action| action.state.may_be_approved());
        let mut meant: Vec<&mut Action> = waiting.filter(|action| id.is_empty() || *action.id == *id).collect();
        let action = match (meant.pop(), meant.is_empty()) {
            (Some(action), true) => action,
            (None, _) => return Err("no action of this incident waits for an approval"),
            (Some(_), false) => return Err("several actions wait: name one"),
        };
        let (state, kind) = match yes {
            Answer::Yes => (ActionState::Approved, TimelineKind::ActionApproved),
            Answer::No => (ActionState::Denied, TimelineKind::ActionDenied),
        };
        (action.state, action.at, action.due, action.by) = (state, now, None, actor.into());
        let line = said(action, "");
        self.note(incident, actor, kind, line);
        self.moment.groups.insert(group);
        Ok(())
    }

    /// The executor's word.
    ///
    /// # Errors
    /// When nobody waits for it.
    pub fn report_action(
        &mut self,
        incident: IncidentId,
        id: &str,
        report: &ActionReport,
        actor: &str,
    ) -> Result<(), &'static str> {
        let holds = |group: Place| {
            let incident = self.groups.get(group)?.incident.as_ref()?;
            incident.care.actions.iter().any(|action| *action.id == *id).then_some((group, incident.id))
        };
        // Its incident may have become part of another one.
        let known = self.by_incident.get(&incident).copied().and_then(&holds);
        let found = known.or_else(|| self.by_incident.values().find_map(|group| holds(*group)));
        let (group, incident) = found.ok_or("no such action, or its incident is gone")?;
        let care = &mut self.groups[group].incident.as_mut().ok_or("no such incident")?.care;
        let action = care.action(id).filter(|action| action.state.may_be_reported());
        let mut action = action.ok_or("the action has ended already")?.clone();
        action.said = report.text.clone();
        match report.result {
            ActionResult::Taken => {
                self.note(incident, actor, TimelineKind::ActionReported, said(&action, "taken"));
            }
            ActionResult::Done => {
                (action.state, action.at, action.due) = (ActionState::Done, self.now, None);
                let line = said(&action, &format!("done {}", report.text));
                self.note(incident, actor, TimelineKind::ActionReported, line.trim_end());
            }
            ActionResult::Failed => self.fail(&mut action, group, incident, ActionState::Failed, &report.text),
            ActionResult::Partial => {
                let why = format!("partial {}", report.text);
                self.fail(&mut action, group, incident, ActionState::Failed, why.trim_end());
            }
        }
        let care = &mut self.groups[group].incident.as_mut().ok_or("no such incident")?.care;
        if let Some(kept) = care.action(id) {
            *kept = action;
        }
        self.moment.groups.insert(group);
        Ok(())
    }

    /// A request was not delivered.
    pub fn action_unreached(&mut self, incident: IncidentId, id: &str, why: &str) {
        let report = ActionReport { result: ActionResult::Failed, text: why.into() }.cut();
        // One that has ended needs nobody to be told.
        let _ = self.report_action(incident, id, &report, "headwater");
    }

    /// Whether a CI is of one of the classes.
    fn is_of_class(&self, ci: CiIx, classes: &[Box<str>]) -> bool {
        classes.contains(&self.topology.class(ci).id)
    }

    /// What became of each action rule for an incident, or why it asks for nothing.
    pub fn inactions(&self, group: Place, view: &IncidentView) -> Vec<(RuleId, Inaction)> {
        let Some(incident) = self.groups.get(group).and_then(|g| g.incident.as_ref()) else { return Vec::new() };
        let fields = self.incident_fields(group, view);
        let root = root_of(view).and_then(|id| self.topology.find(id.as_str()));
        let why = |rule: &ActionRule| {
            if let Some(action) = incident.care.actions.iter().rev().find(|action| action.rule == rule.id.id) {
                return Inaction::Is(Box::new(action.clone()));
            }
            if let Some(during) = rule.during.as_ref().filter(|during| during.open_until(self.now).is_none()) {
                return Inaction::Unmet(Unmet::Closed { opens_at: during.next_change(self.now) });
            }
            if !rule.applies(&fields, &mut RuleHits::default()) {
                let unmet = obstacle(&rule.matches.0, &fields).unwrap_or(Unmet::Expression { failed: false });
                return Inaction::Unmet(unmet);
            }
            match (&rule.target, root) {
                (Target::Root, None) => return Inaction::NoCi,
                (Target::Root, Some(ci)) if !self.is_of_class(ci, &rule.classes) => {
                    return Inaction::Class { class: self.topology.class(ci).id.clone() };
                }
                (Target::Members { .. }, _) if self.targets(rule, group, view, &[]).is_empty() => {
                    return Inaction::NoMember;
                }
                (Target::Root | Target::Members { .. }, _) => {}
            }
            Inaction::NotYet { at: incident.care.since.unwrap_or(self.now).plus(rule.wait) }
        };
        self.policy.actions.all().iter().map(|rule| (rule.id.id.clone(), why(rule))).collect()
    }
}

/// A person's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
}

/// A line of the timeline: which action, by which rule, and what of it. It names no CI: not everybody may see it.
fn said(action: &Action, what: &str) -> String {
    let Action { id, rule, run, .. } = action;
    if what.is_empty() { format!("{id} {rule} {run}") } else { format!("{id} {rule} {run}: {what}") }
}

fn word(held: HeldBy) -> String {
    match held {
        HeldBy::CoolDown { until } => format!("cool_down {until}"),
        HeldBy::HourMax { max } => format!("hour_max {max}"),
        HeldBy::BlastMax { cis, max } => format!("blast_max {cis}>{max}"),
    }
}
