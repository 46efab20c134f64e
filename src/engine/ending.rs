//! Ending: what people find out about an incident, whether it is handled as a major one, and what must be written down before
//! it closes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::effect::Change;
use super::input::Order;
use super::oncall::care::Called;
use super::policy::priorities::Times;
use super::policy::rule::Rule as _;
use super::slab::Place;
use crate::domain::ending::{Conclusion, Finding, Findings, Major, Review};
use crate::domain::ids::RuleId;
use crate::domain::incident::{IncidentState, IncidentView, TimelineKind};

/// What is kept of an incident's end. Part of the engine's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ending {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Arc<Conclusion>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<Arc<Major>>,
    /// A person has said that it is none: no rule declares it again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_no_major: bool,
    #[serde(skip_serializing_if = "is_missing")]
    pub review: Review,
}

fn is_missing(review: &Review) -> bool {
    *review == Review::Missing
}

impl Ending {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over what is known of an incident that became part of this one: its own holds.
    pub fn absorb(&mut self, other: Self) {
        self.conclusion = self.conclusion.take().or(other.conclusion);
        self.major = self.major.take().or(other.major);
        self.review = self.review.max(other.review);
    }

    fn findings(&self) -> Findings {
        self.conclusion.as_ref().map(|said| said.findings.clone()).unwrap_or_default()
    }
}

impl Cell {
    /// Carries out what is ordered of an incident's end.
    pub fn sum_up(&mut self, order: &Order, actor: &str) -> Result<(), &'static str> {
        if let Order::Review { incident, review, .. } = order {
            // Of one that memory has forgotten, the history alone keeps it.
            if let Ok(place) = self.open_group(*incident) {
                self.keep_review(place, *review, actor);
            }
            return Ok(());
        }
        let Some(incident) = order.incident() else { return Ok(()) };
        let place = self.open_group(incident)?;
        match order {
            Order::Conclude { findings, .. } => self.conclude(place, findings, actor)?,
            Order::DeclareMajor { note, .. } => {
                let is_major = self.ending(place).is_some_and(|ending| ending.major.is_some());
                if is_major {
                    return Err("it is a major incident already");
                }
                self.declare_major(place, actor, note);
            }
            Order::RevokeMajor { note, .. } => self.revoke_major(place, actor, note)?,
            _ => {}
        }
        Ok(())
    }

    fn ending(&mut self, place: Place) -> Option<&mut Ending> {
        Some(&mut self.groups.get_mut(place)?.incident.as_mut()?.ending)
    }

    /// Whether a person may close an incident, who says this of it.
    pub fn may_close(&mut self, place: Place, said: Option<&Findings>) -> Result<(), &'static str> {
        if self.waits_for_review(place) {
            return Err("a major incident closes once its post-mortem is published");
        }
        let policy = self.policy.clone();
        let closing = &policy.settings.closing;
        let times = if policy.key_period(self.now).is_some() { Times::Key } else { Times::Usual };
        let group = &self.groups[place];
        let Some(incident) = group.incident.as_ref() else { return Ok(()) };
        let severity = incident.severity.unwrap_or_else(|| group.severity());
        let known = incident.ending.findings();
        let known = said.map_or_else(|| known.clone(), |said| known.with(said));
        if policy.priorities.of(severity, incident.extent.reach, times) > closing.from {
            return Ok(());
        }
        match closing.needs.iter().find(|finding| known.of(**finding).is_empty()) {
            None => Ok(()),
            Some(Finding::Cause) => Err("`cause` is missing: the rules ask for what caused it (settings.closing)"),
            Some(Finding::Solution) => Err("`solution` is missing: the rules ask for what ended it (settings.closing)"),
            Some(Finding::Impact) => Err("`impact` is missing: the rules ask for whom it hit (settings.closing)"),
            Some(Finding::Category) => Err("`category` is missing: the rules ask for one (settings.closing)"),
        }
    }

    /// Writes down what was found out.
    pub fn conclude(&mut self, place: Place, said: &Findings, actor: &str) -> Result<(), &'static str> {
        let (now, policy) = (self.now, self.policy.clone());
        let categories = &policy.settings.closing.categories;
        if !said.category.is_empty() && !categories.is_empty() && !categories.contains(&said.category) {
            return Err("`category` is none of those that the rules have (settings.closing.categories)");
        }
        let Some(ending) = self.ending(place).filter(|_| !said.are_none()) else { return Ok(()) };
        let findings = ending.findings().with(said);
        let told = [&said.solution, &said.cause, &said.impact, &said.category];
        let told = told.into_iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
        ending.conclusion = Some(Arc::new(Conclusion { findings, by: actor.into(), at: now }));
        self.note_of(place, actor, TimelineKind::Concluded, told);
        Ok(())
    }

    /// Lets rules declare an incident a major one, before people are told of it.
    pub fn judge_major(&mut self, group: Place, view: &mut IncidentView) {
        if self.policy.majors.is_empty() || view.state != IncidentState::Abnormal {
            return;
        }
        if self.ending(group).is_none_or(|ending| ending.major.is_some() || ending.is_no_major) {
            return;
        }
        let policy = self.policy.clone();
        let mut hits = std::mem::take(&mut self.hits);
        let fields = self.incident_fields(group, view);
        let mut rules = policy.majors.candidates(&fields);
        let found = rules.find(|rule| !rule.by_hand && rule.applies(&fields, &mut hits)).map(|rule| rule.id.id.clone());
        if let Some(rule) = &found {
            hits.hit(rule);
        }
        self.hits = hits;
        if let Some(rule) = found {
            self.make_major(group, &format!("rule:{rule}"), view);
            self.note(view.id, "headwater", TimelineKind::MajorDeclared, rule.as_str());
        }
    }

    /// Declares it, and calls whom the rules name.
    fn make_major(&mut self, group: Place, by: &str, view: &mut IncidentView) {
        let major = Arc::new(Major { since: self.now, by: by.into() });
        view.major = Some(major.clone());
        let called = self.called_for_major(group, view);
        if let Some(ending) = self.ending(group) {
            ending.major = Some(major);
        }
        self.tell_news(group, Change::Major, called.into_iter());
    }

    /// Receivers of the rules that fit, and of those that wait for a person's word.
    fn called_for_major(&mut self, group: Place, view: &IncidentView) -> Vec<Called> {
        let policy = self.policy.clone();
        let mut hits = std::mem::take(&mut self.hits);
        let fields = self.incident_fields(group, view);
        let fitting = policy.majors.all().iter().filter(|rule| rule.applies(&fields, &mut hits));
        let called = fitting.flat_map(|rule| rule.receivers.iter().map(move |to| (to.clone(), rule.id.id.clone())));
        let called: Vec<(_, RuleId)> = called.collect();
        self.hits = hits;
        called
    }

    fn declare_major(&mut self, place: Place, actor: &str, note: &str) {
        let mut view = self.incident_view(place);
        if let Some(ending) = self.ending(place) {
            ending.is_no_major = false;
        }
        self.make_major(place, actor, &mut view);
        self.note_of(place, actor, TimelineKind::MajorDeclared, note);
    }

    fn revoke_major(&mut self, place: Place, actor: &str, note: &str) -> Result<(), &'static str> {
        let none = "it is no major incident";
        let ending = self.ending(place).ok_or(none)?;
        ending.major.take().ok_or(none)?;
        ending.is_no_major = true;
        self.note_of(place, actor, TimelineKind::MajorRevoked, note);
        Ok(())
    }

    /// Its post-mortem has come further; what waited for it closes. What is published stays so while people write on a draft.
    fn keep_review(&mut self, place: Place, review: Review, actor: &str) {
        let Some(ending) = self.ending(place) else { return };
        ending.review = ending.review.max(review);
        self.note_of(place, actor, TimelineKind::Reviewed, review.as_str());
        self.close_recovered(place);
    }

    /// Whether it stays open because its review is not published.
    pub fn waits_for_review(&mut self, place: Place) -> bool {
        let asked = self.policy.settings.closing.review;
        self.ending(place).is_some_and(|it| asked && it.major.is_some() && it.review != Review::Published)
    }

    fn note_of(&mut self, place: Place, actor: &str, kind: TimelineKind, detail: impl Into<Box<str>>) {
        let Some(id) = self.groups.get(place).and_then(|group| group.incident.as_ref()).map(|it| it.id) else { return };
        self.note(id, actor, kind, detail);
        self.moment.groups.insert(place);
    }
}
