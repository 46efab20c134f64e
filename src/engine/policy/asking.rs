//! The conditions of all rules in one list, for whoever asks them outside of a step: what asking each one costs.

use super::Policy;
use super::expression::Expression;
use super::index::Index;
use super::matching::Match;
use super::place::RuleName;
use super::rule::{Rule, Rules};
use crate::domain::matcher::Fields;

/// What a rule is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An event, or the alert that it became: both have the same fields.
    Event,
    Incident,
}

/// A rule with all that it asks.
#[derive(Clone, Debug)]
pub struct Asking<'a> {
    pub section: &'static str,
    pub name: &'a RuleName,
    pub about: Subject,
    conditions: Vec<(&'a Match, Option<&'a Expression>)>,
    index: Index,
}

impl Asking<'_> {
    /// Whether a step would ask it at all: the index passes over rules that name another source or alert.
    pub fn is_asked(&self, fields: &dyn Fields) -> bool {
        self.index.candidates(fields).next().is_some()
    }

    /// How many of its conditions hold: all that a step evaluates of them.
    pub fn holding(&self, fields: &dyn Fields) -> usize {
        let holds = |(matches, when): &&(&Match, Option<&Expression>)| {
            matches.0.matches(fields) && when.is_none_or(|when| when.holds(fields).unwrap_or(false))
        };
        self.conditions.iter().filter(holds).count()
    }
}

impl Policy {
    /// Every rule that asks something, in the order of the stages.
    pub fn asking(&self) -> Vec<Asking<'_>> {
        let inhibit = self
            .inhibit
            .iter()
            .map(|rule| asking("inhibit", &rule.id, Subject::Event, vec![(&rule.source, None), (&rule.target, None)]));
        let correlate = self.correlate.iter().map(|rule| {
            let conditions = rule.conditions.iter().map(|one| (&one.matches, one.when.as_ref())).collect();
            asking("correlate", &rule.id, Subject::Event, conditions)
        });
        of(&self.dedup, Subject::Event)
            .chain(of(&self.enrich, Subject::Event))
            .chain(of(&self.adjust, Subject::Event))
            .chain(of(&self.mute, Subject::Event))
            .chain(of(&self.maintenance, Subject::Event))
            .chain(inhibit)
            .chain(of(&self.group, Subject::Event))
            .chain(correlate)
            .chain(of(&self.promote, Subject::Event))
            .chain(of(&self.routes, Subject::Incident))
            .chain(of(&self.runbooks, Subject::Incident))
            .chain(of(&self.levels, Subject::Incident))
            .chain(of(&self.majors, Subject::Incident))
            .chain(of(&self.actions, Subject::Incident))
            .collect()
    }
}

fn of<T: Rule>(rules: &Rules<T>, about: Subject) -> impl Iterator<Item = Asking<'_>> {
    rules.all().iter().map(move |rule| asking(T::SECTION, rule.name(), about, vec![(rule.matches(), rule.when())]))
}

fn asking<'a>(
    section: &'static str,
    name: &'a RuleName,
    about: Subject,
    conditions: Vec<(&'a Match, Option<&'a Expression>)>,
) -> Asking<'a> {
    let index = Index::of(conditions.iter().map(|(matches, _)| &matches.0));
    Asking { section, name, about, conditions, index }
}

#[cfg(test)]
mod tests {
    use super::super::place::RuleFile;
    use super::*;
    use crate::domain::event::Event;
    use crate::domain::time::Timestamp;

    #[test]
    fn every_rule_is_listed_and_asked_as_a_step_would() {
        let text = "
mute:
  - {id: fans, match: {name: FanNoise}}
  - {id: late, match: {severity: '>= major'}}
inhibit:
  - {id: pair, source: {name: FanNoise}, target: {name: Other}}
routes:
  - {id: fallback, receivers: [noc]}
";
        let files = [RuleFile { name: "a.yaml".into(), text: text.into() }];
        let policy = Policy::compile(1, &files).unwrap();
        let event = Event::new("t".into(), "prom".into(), "FanNoise", Timestamp(0));
        let told: Vec<String> = policy
            .asking()
            .iter()
            // A set that says nothing of promotion has the built-in rules.
            .filter(|one| one.section != "promote")
            .map(|one| format!("{} {} {} {}", one.section, one.name.id, one.is_asked(&event), one.holding(&event)))
            .collect();
        assert_eq!(told, ["mute fans true 1", "mute late true 0", "inhibit pair true 1", "routes fallback true 1"]);
        assert_eq!(policy.asking().len(), policy.rules().len());
    }
}
