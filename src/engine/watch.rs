//! Watch: shows alerts to the correlation rules, and does what a hit says: join, promote, raise.

use super::cell::Cell;
use super::deadlines::Due;
use super::fields::AlertFields;
use super::gather;
use super::patterns::Sight;
use super::policy::patterns::{PatternEffect, PatternKind, PatternRule};
use super::slab::Place;
use super::verdict::Stage;
use crate::domain::ids::RuleId;
use crate::domain::matcher::Fields;

/// What was heard of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It has begun to fire, or fires again.
    Begin,
    /// It still fires.
    Repeat,
    /// It has begun to fire, but takes no part in incidents.
    Muted,
}

/// A condition that an alert meets.
struct Met {
    /// Index of the rule, and of its condition.
    rule: usize,
    condition: usize,
    key: Box<str>,
    distinct: Box<str>,
}

impl PatternRule {
    /// Whether the rule listens to it.
    const fn listens(&self, heard: Heard) -> bool {
        match heard {
            Heard::Begin => true,
            Heard::Repeat => matches!(self.kind, PatternKind::Absence) || self.repeats,
            // Somebody may mute a sign of life; that it stays away is news all the same.
            Heard::Muted => matches!(self.kind, PatternKind::Absence),
        }
    }
}

impl Cell {
    /// How an alert that fires again is heard of.
    pub fn begun(&self, place: Place) -> Heard {
        if self.alerts[place].takes_part() { Heard::Begin } else { Heard::Muted }
    }

    /// Shows an alert to the correlation rules.
    pub fn watch(&mut self, place: Place, heard: Heard) {
        if self.policy.correlate.is_empty() {
            return;
        }
        let policy = self.policy.clone();
        for met in self.conditions_met(place, heard) {
            let rule = &policy.correlate[met.rule];
            match rule.kind {
                PatternKind::Single => {
                    self.moment.checks.hit(Stage::Correlate, &rule.id.id, "", None);
                    self.pattern_hit(rule, &[place], None, &met.key);
                }
                PatternKind::PairWithWindow if met.condition == 1 => {
                    if let Some(story) = self.patterns.find(&met.key) {
                        self.patterns.end(story);
                    }
                }
                PatternKind::Pair
                | PatternKind::PairWithWindow
                | PatternKind::Threshold
                | PatternKind::Sequence
                | PatternKind::Absence
                | PatternKind::Group => self.take_sight(rule, met, place),
            }
        }
    }

    fn conditions_met(&mut self, place: Place, heard: Heard) -> Vec<Met> {
        let policy = self.policy.clone();
        let composite = self.moment.raising.is_some();
        let mut hits = std::mem::take(&mut self.hits);
        let fields = AlertFields::of(&self.alerts[place], &self.topology);
        let mut found = Vec::new();
        for (rule_index, index) in policy.correlate_index.candidates(&fields).map(|n| policy.correlate_steps[n]) {
            let rule = &policy.correlate[rule_index];
            let condition = &rule.conditions[index];
            let raises = matches!(rule.effect, PatternEffect::Raise(_));
            // Composites never make composites.
            if (composite && raises) || !rule.listens(heard) || !condition.matches.0.matches(&fields) {
                continue;
            }
            let holds = |when: &super::policy::expression::Expression| {
                when.holds(&fields).unwrap_or_else(|_| {
                    hits.error(&rule.id.id);
                    false
                })
            };
            if !condition.when.as_ref().is_none_or(holds) {
                continue;
            }
            let Some(key) = gather::key(&rule.id.id, &rule.by, &fields, false) else { continue };
            let distinct = rule.distinct.as_ref().and_then(|name| fields.field(name)).unwrap_or_default();
            found.push(Met { rule: rule_index, condition: index, key, distinct: distinct.as_ref().into() });
        }
        self.hits = hits;
        found
    }

    /// Adds an alert to the rule's story, and looks whether that is a hit.
    fn take_sight(&mut self, rule: &PatternRule, met: Met, place: Place) {
        let now = self.now;
        let begins = met.condition == 0 || rule.kind == PatternKind::Group;
        let known = self.patterns.find(&met.key);
        let story = match known {
            Some(story) => story,
            None if begins => {
                let Some(story) = self.patterns.begin(&rule.id.id, &met.key, now) else {
                    return self.hits.cut(&rule.id.id);
                };
                self.deadlines.set(now.plus(rule.within), Due::Pattern(story));
                story
            }
            None => return,
        };
        let sight = Sight { at: now, alert: place, condition: met.condition as u8, distinct: met.distinct };
        if self.patterns.see(story, rule, sight) {
            self.hits.cut(&rule.id.id);
        }
        let Some(open) = self.patterns.stories.get_mut(story) else { return };
        let (n, of) = open.progress(rule);
        let name = &rule.conditions[met.condition].name;
        self.moment.checks.hit(Stage::Correlate, &rule.id.id, name, Some((n.into(), of.into())));
        if rule.kind == PatternKind::Absence {
            let raised = open.raised.take();
            if std::mem::replace(&mut open.on, false) {
                self.deadlines.set(now.plus(rule.within), Due::Pattern(story));
            }
            if let Some(raised) = raised {
                self.end_composite(raised);
            }
            return;
        }
        if !open.holds(rule) {
            open.on = false;
            if !matches!(rule.effect, PatternEffect::Raise(_)) {
                self.moment.below.get_or_insert_with(|| rule.id.id.clone());
            }
            return;
        }
        // What comes after a hit belongs to it: only the newcomer is new.
        let (alerts, root) = (open.alerts(rule), rule.root.and_then(|condition| open.first_of(condition)));
        let alerts = if open.on { vec![alerts[0], place] } else { alerts };
        let is_new = !std::mem::replace(&mut open.on, true);
        if is_new {
            self.hits.hit(&rule.id.id);
        }
        self.effect(rule, &alerts, root, &met.key);
        if matches!(rule.kind, PatternKind::Pair | PatternKind::Sequence) {
            self.patterns.end(story);
        }
    }

    fn pattern_hit(&mut self, rule: &PatternRule, alerts: &[Place], root: Option<Place>, key: &str) {
        self.hits.hit(&rule.id.id);
        self.effect(rule, alerts, root, key);
    }

    fn effect(&mut self, rule: &PatternRule, alerts: &[Place], root: Option<Place>, key: &str) {
        let alerts: Vec<Place> = alerts.iter().copied().filter(|p| self.alerts.get(*p).is_some()).collect();
        match &rule.effect {
            PatternEffect::Join(_) if alerts.len() > 1 => self.join_by_rule(&rule.id.id, &alerts, root),
            PatternEffect::Join(_) | PatternEffect::Promote => self.open_by_rule(&rule.id.id, &alerts),
            PatternEffect::Raise(raise) => self.plan_composite(rule, raise, &alerts, key),
        }
    }

    /// A timer: a story's window is over.
    pub fn pattern_due(&mut self, place: Place) {
        let policy = self.policy.clone();
        let Some(story) = self.patterns.stories.get(place) else { return };
        let Some(rule) = policy.correlate.iter().find(|rule| rule.id.id == story.rule) else {
            self.patterns.end(place);
            return;
        };
        let from = if rule.kind == PatternKind::PairWithWindow { story.began } else { story.last };
        let due = from.plus(rule.within);
        if due > self.now {
            return self.deadlines.set(due, Due::Pattern(place));
        }
        let (alerts, key) = (story.alerts(rule), story.key.clone());
        match rule.kind {
            PatternKind::PairWithWindow => {
                self.patterns.end(place);
                let firing: Vec<Place> = alerts.into_iter().filter(|p| self.fires(*p)).collect();
                if !firing.is_empty() {
                    let root = firing.first().copied().filter(|_| rule.root == Some(0));
                    self.pattern_hit(rule, &firing, root, &key);
                }
            }
            PatternKind::Absence if !story.on => {
                if let Some(story) = self.patterns.stories.get_mut(place) {
                    story.on = true;
                }
                self.pattern_hit(rule, &alerts, None, &key);
            }
            PatternKind::Absence => {}
            PatternKind::Single
            | PatternKind::Pair
            | PatternKind::Threshold
            | PatternKind::Sequence
            | PatternKind::Group => {
                self.patterns.end(place);
            }
        }
    }

    fn fires(&self, place: Place) -> bool {
        self.alerts.get(place).is_some_and(|alert| alert.is_firing())
    }

    /// Other rules hold: what rules that are gone, or that ask for something else now, had begun is dropped.
    pub fn drop_stories(&mut self, before: &[PatternRule]) {
        let policy = self.policy.clone();
        let same = |id: &RuleId| {
            let find = |rules: &[PatternRule]| rules.iter().position(|rule| rule.id.id == *id);
            match (find(before), find(&policy.correlate)) {
                (Some(old), Some(new)) => before[old].asks_the_same(&policy.correlate[new]),
                (None, _) | (_, None) => false,
            }
        };
        for place in self.patterns.places() {
            if !same(&self.patterns.stories[place].rule)
                && let Some(story) = self.patterns.end(place)
                && let Some(raised) = story.raised
            {
                self.end_composite(raised);
            }
        }
        self.gathering.keep(|id| policy.group.all().iter().any(|rule| rule.id.id == *id));
    }
}
