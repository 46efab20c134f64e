//! Gather: grouping rules join alerts that agree in some fields, within a window.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::alert::Bond;
use super::cell::Cell;
use super::fields::AlertFields;
use super::lookup::Lookup;
use super::policy::kinds::{GroupRule, WindowStart};
use super::policy::rule::Rule;
use super::slab::Place;
use super::verdict::Stage;
use crate::domain::ids::RuleId;
use crate::domain::incident::IncidentState;
use crate::domain::matcher::Fields;
use crate::domain::time::Timestamp;

/// Windows that are open at once in one cell; when there are more, the oldest ends early.
const OPEN_MAX: usize = 50_000;
/// The longest value that tells groups apart, in characters; what follows is left out.
const VALUE_CHARS_MAX: usize = 256;

/// One open window of a grouping rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Window {
    rule: RuleId,
    /// The alert to which the others are bound.
    first: Place,
    until: Timestamp,
}

/// The open windows of all grouping rules, by rule and values.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gathering {
    open: Lookup<Box<str>, Window>,
    /// When to look whether a window is over.
    order: VecDeque<(Timestamp, Box<str>)>,
}

impl Gathering {
    /// Closes windows that are over. Whether one had to go early.
    fn close(&mut self, now: Timestamp) -> bool {
        let mut cut = false;
        while let Some((at, _)) = self.order.front()
            && (*at <= now || self.open.len() >= OPEN_MAX)
        {
            let full = *at > now;
            let Some((_, key)) = self.order.pop_front() else { break };
            match self.open.get(&key).map(|window| window.until) {
                Some(until) if until > now && !full => self.order.push_back((until, key)),
                Some(_) => {
                    cut |= full;
                    self.open.remove(&key);
                }
                None => {}
            }
        }
        cut
    }

    /// Forgets the windows of rules that are gone.
    pub fn keep(&mut self, known: impl Fn(&RuleId) -> bool) {
        let (open, order) = (&mut self.open, &mut self.order);
        order.retain(|(_, key)| {
            let stays = open.get(key).is_some_and(|window| known(&window.rule));
            if !stays {
                open.remove(key);
            }
            stays
        });
    }
}

/// The values by which alerts are one, after the rule's name; `None` when the rule is strict and one is empty.
pub fn key(rule: &RuleId, by: &[Box<str>], fields: &dyn Fields, strict: bool) -> Option<Box<str>> {
    let mut key = rule.as_str().to_owned();
    for name in by {
        let value = fields.field(name).unwrap_or_default();
        if strict && value.is_empty() {
            return None;
        }
        key.push('\u{1f}');
        key.extend(value.chars().take(VALUE_CHARS_MAX));
    }
    Some(key.into())
}

impl Cell {
    /// Joins a fresh alert with those that a grouping rule makes one with it. Whether it did.
    pub fn gather(&mut self, place: Place) -> bool {
        if self.policy.group.is_empty() || self.alerts[place].chronic {
            return false;
        }
        let policy = self.policy.clone();
        let mut hits = std::mem::take(&mut self.hits);
        let alert = &self.alerts[place];
        let fields = AlertFields::of(alert, &self.topology);
        let meant = |rule: &GroupRule| rule.known_cis || alert.spot.ci().is_none();
        let rule = policy.group.candidates(&fields).find(|rule| meant(rule) && rule.applies(&fields, &mut hits));
        let found = rule.and_then(|rule| Some((rule, key(&rule.id.id, &rule.by, &fields, rule.strict)?)));
        if let Some((rule, _)) = &found {
            hits.hit(&rule.id.id);
        }
        self.hits = hits;
        let Some((rule, key)) = found else { return false };
        if self.gathering.close(self.now) {
            self.hits.cut(&rule.id.id);
        }
        let first = self.gathering.open.get(&key).filter(|window| window.until > self.now).map(|window| window.first);
        match first.filter(|first| *first != place && self.takes_more(*first)) {
            Some(first) => {
                if rule.counts_from == WindowStart::Last
                    && let Some(window) = self.gathering.open.get_mut(&key)
                {
                    window.until = self.now.plus(rule.window);
                }
                let about = self.alerts[first].object.clone();
                self.moment.checks.hit(Stage::Correlate, &rule.id.id, &about, None);
                self.join_by_rule(&rule.id.id, &[first, place], None);
                true
            }
            None => {
                let until = self.now.plus(rule.window);
                let window = Window { rule: rule.id.id.clone(), first: place, until };
                if self.gathering.open.insert(key.clone(), window).is_none() {
                    self.gathering.order.push_back((until, key));
                }
                false
            }
        }
    }

    /// Whether others may still be bound to the first alert of a window.
    fn takes_more(&self, first: Place) -> bool {
        let Some(alert) = self.alerts.get(first) else { return false };
        let incident = self.groups.get(alert.group).and_then(|g| g.incident.as_ref());
        alert.bond != Bond::Person && alert.takes_part() && incident.is_none_or(|i| i.state != IncidentState::Closed)
    }
}
