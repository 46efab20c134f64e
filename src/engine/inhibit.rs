//! Inhibition: while an alert of a rule's source side fires, alerts of its target side that agree in some fields are
//! muted. Sources and targets are found by rule and values, never by going through all alerts.
//!
//! As in Alertmanager: a missing field is empty; an alert that matches both sides is not inhibited by alerts of which
//! the same is true, itself included; a source counts while it fires, whoever mutes it. Besides, a source that is
//! trusted less than the target's does not count.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::cell::Cell;
use super::checks::{Checks, obstacle};
use super::deadlines::Due;
use super::fields::AlertFields;
use super::lookup::Lookup;
use super::policy::Policy;
use super::policy::kinds::InhibitRule;
use super::slab::Place;
use super::verdict::{Stage, Unmet};
use crate::domain::ids::{AlertId, RuleId};
use crate::domain::matcher::Fields;
use crate::domain::mute::{MuteEffect, MutedBy};
use crate::domain::time::Timestamp;

/// The sides of rules on which a firing alert stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides {
    source: Vec<Side>,
    target: Vec<Side>,
}

/// One side of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Side {
    rule: RuleId,
    /// The rule and the values of its `equal` fields.
    key: Box<str>,
    /// The alert stands on the other side, too.
    both: bool,
    /// Source side: not heard of for longer than the rule's `recent`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lapsed: bool,
}

type Alerts = BTreeSet<(AlertId, Place)>;

/// How a source stands: whether on both sides, and how far its source is trusted.
type Rank = (bool, u8);

/// Firing alerts by the sides on which they stand. Made again from the alerts after a restart.
#[derive(Clone, Debug, Default)]
pub struct Inhibitors {
    sources: Lookup<Box<str>, BTreeMap<Rank, Alerts>>,
    targets: Lookup<Box<str>, Alerts>,
}

/// Finds one source for a target, or says why none counts.
fn find(ranks: Option<&BTreeMap<Rank, Alerts>>, both: bool, needed: u8) -> Result<AlertId, Unmet> {
    let Some(ranks) = ranks.filter(|ranks| !ranks.is_empty()) else { return Err(Unmet::NoSource) };
    let counts = |rank: &Rank| !(both && rank.0) && rank.1 >= needed;
    let first = ranks.iter().filter(|(rank, _)| counts(rank)).filter_map(|(_, alerts)| alerts.first()).min();
    if let Some((alert, _)) = first {
        return Ok(*alert);
    }
    match ranks.keys().filter(|(is_both, _)| !(both && *is_both)).map(|(_, trust)| *trust).max() {
        Some(source) => Err(Unmet::LessTrusted { source, needed }),
        None => Err(Unmet::BothSides),
    }
}

/// The sides on which an alert stands.
fn sides_of(policy: &Policy, fields: &dyn Fields) -> Option<Box<Sides>> {
    let mut sides = Sides::default();
    let mut last = None;
    for rule in policy.inhibit_index.candidates(fields).map(|side| side / 2) {
        if last.replace(rule) == Some(rule) {
            continue;
        }
        let rule = &policy.inhibit[rule];
        let (source, target) = (rule.source.0.matches(fields), rule.target.0.matches(fields));
        let side = || Side { rule: rule.id.id.clone(), key: key(rule, fields), both: source && target, lapsed: false };
        sides.source.extend(source.then(side));
        sides.target.extend(target.then(side));
    }
    (!sides.source.is_empty() || !sides.target.is_empty()).then(|| Box::new(sides))
}

fn key(rule: &InhibitRule, fields: &dyn Fields) -> Box<str> {
    let mut key = rule.id.id.to_string();
    for field in &rule.equal {
        key.push('\u{1f}');
        key.push_str(&fields.field(field).unwrap_or_default());
    }
    key.into()
}

impl Inhibitors {
    /// Adds an alert's sides; returns the targets that have a source of a rank they had not.
    fn enter(&mut self, alert: (AlertId, Place), trust: u8, sides: &Sides) -> Alerts {
        let mut touched = Alerts::new();
        for side in sides.source.iter().filter(|side| !side.lapsed) {
            let ranks = self.sources.or_insert_with(side.key.clone(), BTreeMap::new);
            let alerts = ranks.entry((side.both, trust)).or_default();
            if alerts.is_empty() {
                touched.extend(self.targets.get(&side.key).into_iter().flatten());
            }
            alerts.insert(alert);
        }
        for side in &sides.target {
            self.targets.or_insert_with(side.key.clone(), Alerts::new).insert(alert);
        }
        touched.remove(&alert);
        touched
    }

    /// Takes an alert's sides away; returns the targets that have lost the last source of a rank.
    fn leave(&mut self, alert: (AlertId, Place), trust: u8, sides: &Sides) -> Alerts {
        let mut touched = Alerts::new();
        for side in sides.source.iter().filter(|side| !side.lapsed) {
            let Some(ranks) = self.sources.get_mut(&side.key) else { continue };
            let rank = (side.both, trust);
            if let Some(alerts) = ranks.get_mut(&rank) {
                alerts.remove(&alert);
                if alerts.is_empty() {
                    ranks.remove(&rank);
                    touched.extend(self.targets.get(&side.key).into_iter().flatten());
                }
            }
            if ranks.is_empty() {
                self.sources.remove(&side.key);
            }
        }
        for side in &sides.target {
            if let Some(alerts) = self.targets.get_mut(&side.key) {
                alerts.remove(&alert);
                if alerts.is_empty() {
                    self.targets.remove(&side.key);
                }
            }
        }
        touched.remove(&alert);
        touched
    }
}

impl Cell {
    fn trust_of(&self, alert: &Alert) -> u8 {
        self.policy.trust(alert.source.as_str())
    }

    /// The sides on which an alert stands now.
    fn sides_of(&self, place: Place) -> Option<Box<Sides>> {
        let alert = &self.alerts[place];
        let mut sides = sides_of(&self.policy, &AlertFields::of(alert, &self.topology))?;
        self.mark_lapsed(&mut sides, alert.last_seen);
        Some(sides)
    }

    /// Notes which source sides of an alert that was heard of then do not count any more.
    fn mark_lapsed(&self, sides: &mut Sides, last_seen: Timestamp) {
        for side in &mut sides.source {
            let recent = self.inhibit_rule(&side.rule).and_then(|rule| rule.recent);
            side.lapsed = recent.is_some_and(|recent| self.now >= last_seen.plus(recent));
        }
    }

    /// A firing alert takes its sides (again, when its fields have changed); alerts that this concerns are looked at.
    pub fn take_sides(&mut self, place: Place) {
        if self.policy.inhibit.is_empty() && self.alerts[place].rare.sides.is_none() {
            return;
        }
        let sides = self.sides_of(place);
        if sides == self.alerts[place].rare.sides {
            return;
        }
        let mut touched = self.put_sides_down(place);
        if let Some(sides) = sides {
            let alert = &self.alerts[place];
            let (name, trust) = ((alert.id, place), self.trust_of(alert));
            touched.extend(self.inhibitors.enter(name, trust, &sides));
            self.wait_for_lapse(place, &sides);
            self.alerts[place].rare.make().sides = Some(sides);
        }
        self.remute_others(touched);
    }

    /// An alert that fires no more stands on no side.
    pub fn leave_sides(&mut self, place: Place) {
        let touched = self.put_sides_down(place);
        self.remute_others(touched);
    }

    fn put_sides_down(&mut self, place: Place) -> Alerts {
        let Some(sides) = self.alerts[place].rare.found().and_then(|parts| parts.sides.take()) else {
            return Alerts::new();
        };
        let alert = &self.alerts[place];
        let (name, trust) = ((alert.id, place), self.trust_of(alert));
        self.inhibitors.leave(name, trust, &sides)
    }

    /// All sides anew: rules or topology are others. Nobody is looked at; the caller does that.
    pub fn take_all_sides(&mut self) {
        self.inhibitors = Inhibitors::default();
        for place in self.firing() {
            let sides = self.sides_of(place);
            if let Some(sides) = &sides {
                let alert = &self.alerts[place];
                let (name, trust) = ((alert.id, place), self.trust_of(alert));
                self.inhibitors.enter(name, trust, sides);
                self.wait_for_lapse(place, sides);
            }
            if self.alerts[place].rare.sides != sides {
                self.alerts[place].rare.make().sides = sides;
            }
        }
    }

    /// The index again, from what the alerts remember.
    pub fn find_inhibitors(&mut self) {
        self.inhibitors = Inhibitors::default();
        for place in self.firing() {
            let alert = &self.alerts[place];
            if let Some(sides) = &alert.rare.sides {
                let trust = self.policy.trust(alert.source.as_str());
                self.inhibitors.enter((alert.id, place), trust, sides);
            }
        }
    }

    /// Who inhibits an alert, and how far.
    pub fn inhibited(&self, alert: &Alert, checks: &mut Checks) -> Vec<(MuteEffect, MutedBy)> {
        let mut found = Vec::new();
        let Some(sides) = &alert.rare.sides else { return found };
        let needed = self.trust_of(alert);
        for side in &sides.target {
            let rule = &side.rule;
            match find(self.inhibitors.sources.get(&side.key), side.both, needed) {
                Ok(source) => {
                    checks.hit(Stage::Mute, rule, &source.to_string(), None);
                    let by =
                        MutedBy::Inhibition { rule: rule.clone(), source: self.named(alert, rule).unwrap_or(source) };
                    found.push((self.inhibit_rule(rule).map_or(MuteEffect::Keep, |r| r.effect), by));
                }
                Err(unmet) => checks.miss(Stage::Mute, Some(rule), "", || unmet),
            }
        }
        found
    }

    /// Notes which rules were looked at for an alert that stands on no target side of theirs.
    pub fn note_not_inhibited(&self, fields: &dyn Fields, checks: &mut Checks) {
        for rule in self.policy.inhibit_index.candidates(fields).filter(|side| side % 2 == 1).map(|side| side / 2) {
            let rule = &self.policy.inhibit[rule];
            if let Some(unmet) = obstacle(&rule.target.0, fields) {
                checks.miss(Stage::Mute, Some(&rule.id.id), "", || unmet);
            }
        }
    }

    /// The alert that is named already as the one that inhibits by this rule, while it fires.
    fn named(&self, alert: &Alert, rule: &RuleId) -> Option<AlertId> {
        alert.muted_by.iter().find_map(|by| match by {
            MutedBy::Inhibition { rule: known, source } if known == rule => {
                let place = self.by_alert.get(source)?;
                self.alerts.get(*place).is_some_and(|alert| alert.listed).then_some(*source)
            }
            MutedBy::Inhibition { .. }
            | MutedBy::Silence { .. }
            | MutedBy::Maintenance { .. }
            | MutedBy::CiState
            | MutedBy::Flapping
            | MutedBy::Rule { .. } => None,
        })
    }

    fn inhibit_rule(&self, rule: &RuleId) -> Option<&InhibitRule> {
        self.policy.inhibit.iter().find(|known| known.id.id == *rule)
    }

    fn wait_for_lapse(&mut self, place: Place, sides: &Sides) {
        let active = sides.source.iter().filter(|side| !side.lapsed);
        let recent = active.filter_map(|side| self.inhibit_rule(&side.rule)?.recent).min();
        if let Some(recent) = recent {
            self.deadlines.set(self.alerts[place].last_seen.plus(recent).max(self.now), Due::Lapse(place));
        }
    }

    /// A timer: a source may not have been heard of for too long.
    pub fn lapse(&mut self, place: Place) {
        let Some(alert) = self.alerts.get(place) else { return };
        let Some(mut sides) = alert.rare.sides.clone() else { return };
        let last_seen = alert.last_seen;
        self.mark_lapsed(&mut sides, last_seen);
        self.change_sides(place, sides);
    }

    /// The alert was heard of: its source sides count again.
    pub fn revive_sides(&mut self, place: Place) {
        let lapsed = |sides: &Sides| sides.source.iter().any(|side| side.lapsed);
        let Some(sides) = self.alerts[place].rare.sides.as_ref().filter(|sides| lapsed(sides)) else { return };
        let mut sides = sides.clone();
        for side in &mut sides.source {
            side.lapsed = false;
        }
        self.change_sides(place, sides);
    }

    fn change_sides(&mut self, place: Place, sides: Box<Sides>) {
        let mut touched = self.put_sides_down(place);
        let alert = &self.alerts[place];
        let (name, trust) = ((alert.id, place), self.trust_of(alert));
        touched.extend(self.inhibitors.enter(name, trust, &sides));
        self.wait_for_lapse(place, &sides);
        self.alerts[place].rare.make().sides = Some(sides);
        self.remute_others(touched);
    }
}
