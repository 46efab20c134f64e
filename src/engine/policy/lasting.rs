//! Which longer fields of an event its alert must keep, because a rule asks for them after the event has gone.

use std::collections::BTreeSet;

use super::expression::Expression;
use super::matching::Match;
use super::read::Sections;
use super::rule::Rule;

/// Words by which an expression asks for longer fields.
const FAMILIES: [&str; 3] = ["description", "annotations", "metric"];

/// The longer fields that rules ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    fields: BTreeSet<Box<str>>,
    families: BTreeSet<&'static str>,
}

impl Lasting {
    /// What the rules of later stages ask for.
    pub fn of(all: &Sections) -> Self {
        let mut lasting = Self::default();
        lasting.section(&all.mute);
        lasting.section(&all.maintenance);
        lasting.section(&all.group);
        lasting.section(&all.promote);
        lasting.section(&all.routes);
        lasting.section(&all.runbooks);
        lasting.section(&all.service_levels);
        lasting.section(&all.major_incidents);
        lasting.section(&all.actions);
        for rule in &all.inhibit {
            lasting.condition(&rule.source, None);
            lasting.condition(&rule.target, None);
            lasting.names(&rule.equal);
        }
        for rule in &all.group {
            lasting.names(&rule.by);
        }
        for rule in &all.correlate {
            lasting.names(&rule.by);
            for condition in &rule.conditions {
                lasting.condition(&condition.matches, condition.when.as_ref());
            }
        }
        lasting
    }

    /// Whether any of them is asked for.
    pub fn asks_for_long(&self) -> bool {
        !self.fields.is_empty() || !self.families.is_empty()
    }

    /// Whether an alert keeps this field.
    pub fn keeps(&self, field: &str) -> bool {
        self.fields.contains(field) || self.families.contains(field.split('.').next().unwrap_or_default())
    }

    fn section<T: Rule>(&mut self, rules: &[T]) {
        for rule in rules {
            self.condition(rule.matches(), rule.when());
        }
    }

    fn condition(&mut self, Match(matchers): &Match, when: Option<&Expression>) {
        for matcher in matchers.0.iter().flatten() {
            self.name(matcher.field());
        }
        self.families.extend(FAMILIES.into_iter().filter(|word| when.is_some_and(|when| when.text().contains(word))));
    }

    fn names(&mut self, names: &[Box<str>]) {
        names.iter().for_each(|name| self.name(name));
    }

    fn name(&mut self, field: &str) {
        if FAMILIES.contains(&field.split('.').next().unwrap_or_default()) {
            self.fields.insert(field.into());
        }
    }
}
