//! The people, teams, plans, rosters and policies of a set of rules, found by name; and whether all that they name is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ladder::{EscalationRule, Target};
use super::people::{ContactPlan, ContactStep, PLAN_DEFAULT, Person, Team};
use super::roster::Roster;
use crate::domain::ids::{PersonId, ReceiverId};
use crate::engine::calendar::Calendar;
use crate::engine::policy::place::RuleName;

/// What stands before the name of a policy where a route names it as a receiver.
pub const PREFIX: &str = "oncall:";

/// The policy that a receiver's name stands for; none when it is a receiver of the configuration.
pub fn policy_of(receiver: &ReceiverId) -> Option<&str> {
    receiver.as_str().strip_prefix(PREFIX)
}

/// Everything about on-call that rules say.
#[derive(Clone, Debug, Default)]
pub struct OnCallRules {
    pub people: Vec<Person>,
    pub teams: Vec<Team>,
    pub plans: Vec<ContactPlan>,
    pub rosters: Vec<Roster>,
    pub escalations: Vec<EscalationRule>,
}

/// Something that is wrong: where, what, and what to do.
pub struct Wrong {
    pub name: RuleName,
    pub what: String,
    pub remedy: &'static str,
}

fn find<'a, T>(list: &'a [T], name: fn(&T) -> &RuleName, id: &str) -> Option<&'a T> {
    list.iter().find(|one| name(one).id.as_str() == id)
}

impl OnCallRules {
    /// A person.
    pub fn person(&self, id: &PersonId) -> Option<&Person> {
        find(&self.people, |one| &one.id, id.as_str())
    }

    /// A team.
    pub fn team(&self, id: &str) -> Option<&Team> {
        find(&self.teams, |one| &one.id, id)
    }

    /// A roster.
    pub fn roster(&self, id: &str) -> Option<&Roster> {
        find(&self.rosters, |one| &one.id, id)
    }

    /// An escalation policy.
    pub fn escalation(&self, id: &str) -> Option<&EscalationRule> {
        find(&self.escalations, |one| &one.id, id)
    }

    /// How a person is reached.
    pub fn steps<'a>(&'a self, person: &'a Person) -> &'a [ContactStep] {
        if !person.contact.is_empty() {
            return &person.contact;
        }
        let plan = find(&self.plans, |plan| &plan.id, person.plan.as_deref().unwrap_or(PLAN_DEFAULT));
        plan.map_or(&[], |plan| &plan.steps)
    }

    /// What messages call a person.
    pub fn called<'a>(&'a self, id: &'a PersonId) -> &'a str {
        self.person(id).map_or(id.as_str(), Person::called)
    }

    /// Receivers of the configuration that it names.
    pub fn receivers(&self) -> impl Iterator<Item = &ReceiverId> {
        let plans = self.plans.iter().flat_map(|plan| &plan.steps);
        let own = self.people.iter().flat_map(|person| &person.contact);
        let steps = plans.chain(own).flat_map(|step| &step.by);
        let ladders = self.escalations.iter().flat_map(|rule| {
            let targets = rule.levels.iter().flat_map(|level| &level.to);
            let rooms = targets.filter_map(|target| match target {
                Target::Receiver(receiver) => Some(receiver),
                Target::Person(_) | Target::Team(_) | Target::Roster(_) | Target::Backup(_) => None,
            });
            rooms.chain(&rule.fallback)
        });
        steps.chain(ladders)
    }

    /// Receivers by which single people are told.
    pub fn ways(&self) -> BTreeSet<&ReceiverId> {
        let plans = self.plans.iter().flat_map(|plan| &plan.steps);
        plans.chain(self.people.iter().flat_map(|person| &person.contact)).flat_map(|step| &step.by).collect()
    }

    /// Looks the calendars of all schedules up.
    pub fn resolve(&mut self, calendars: &BTreeMap<Box<str>, Arc<Calendar>>) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let mut note = |name: &RuleName, result: Result<(), Box<str>>| {
            if let Err(calendar) = result {
                let what = format!("{}: there is no calendar {calendar:?}", name.id);
                wrong.push(Wrong { name: name.clone(), what, remedy: "define it under `calendars`" });
            }
        };
        let resolve = |steps: &mut Vec<ContactStep>| {
            steps.iter_mut().filter_map(|step| step.during.as_mut()).try_for_each(|during| during.resolve(calendars))
        };
        for roster in &mut self.rosters {
            let result = roster.resolve(calendars);
            note(&roster.id, result);
        }
        for plan in &mut self.plans {
            let result = resolve(&mut plan.steps);
            note(&plan.id, result);
        }
        for person in &mut self.people {
            let result = resolve(&mut person.contact);
            note(&person.id, result);
            if let Some(quiet) = &mut person.quiet {
                let result = quiet.during.resolve(calendars);
                note(&person.id, result);
            }
        }
        wrong
    }

    /// Names that are not there, entries that stand twice, and people who cannot be reached. `named` are the policies that
    /// routes name, with the route.
    pub fn check<'a>(&self, named: impl Iterator<Item = (&'a RuleName, &'a str)>) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        twice(&self.people, |one| &one.id, "person", &mut wrong);
        twice(&self.teams, |one| &one.id, "team", &mut wrong);
        twice(&self.plans, |one| &one.id, "contact plan", &mut wrong);
        twice(&self.rosters, |one| &one.id, "roster", &mut wrong);
        twice(&self.escalations, |one| &one.id, "escalation policy", &mut wrong);
        for (route, policy) in named.filter(|(_, policy)| self.escalation(policy).is_none()) {
            let what = format!("{}: there is no escalation policy {policy:?}", route.id);
            wrong.push(Wrong { name: route.clone(), what, remedy: "define it under `escalations`" });
        }
        self.check_people(&mut wrong);
        self.check_levels(&mut wrong);
        wrong
    }

    fn check_people(&self, wrong: &mut Vec<Wrong>) {
        for person in self.people.iter().filter(|person| self.steps(person).is_empty()) {
            let plan = person.plan.as_deref().unwrap_or(PLAN_DEFAULT);
            let what = format!("{} cannot be reached: there is no contact plan {plan:?}", person.id.id);
            let remedy = "define the plan under `contact_plans`, or write `contact: [{ by: [sms] }]`";
            wrong.push(Wrong { name: person.id.clone(), what, remedy });
        }
        let mut unknown = |name: &RuleName, person: &PersonId| {
            if self.person(person).is_none() {
                let what = format!("{}: there is no person {:?}", name.id, person.as_str());
                wrong.push(Wrong { name: name.clone(), what, remedy: "define it under `people`" });
            }
        };
        for team in &self.teams {
            team.people.iter().for_each(|person| unknown(&team.id, person));
        }
        for roster in &self.rosters {
            roster.named().for_each(|person| unknown(&roster.id, person));
        }
    }

    fn check_levels(&self, wrong: &mut Vec<Wrong>) {
        for rule in &self.escalations {
            for target in rule.levels.iter().flat_map(|level| &level.to) {
                let (is_known, what, remedy) = match target {
                    Target::Person(id) => {
                        (self.person(id).is_some(), format!("person {:?}", id.as_str()), "define it under `people`")
                    }
                    Target::Team(id) => (self.team(id).is_some(), format!("team {id:?}"), "define it under `teams`"),
                    Target::Roster(id) | Target::Backup(id) => {
                        (self.roster(id).is_some(), format!("roster {id:?}"), "define it under `rosters`")
                    }
                    Target::Receiver(id) => (
                        policy_of(id).is_none(),
                        format!("receiver {:?}", id.as_str()),
                        "name a receiver of the configuration",
                    ),
                };
                if !is_known {
                    let what = format!("{}: there is no {what}", rule.id.id);
                    wrong.push(Wrong { name: rule.id.clone(), what, remedy });
                }
            }
            if let Some(id) = rule.fallback.iter().find(|id| policy_of(id).is_some()) {
                let what = format!("{}: the fallback {id} is no receiver", rule.id.id);
                wrong.push(Wrong { name: rule.id.clone(), what, remedy: "name a receiver of the configuration" });
            }
        }
    }
}

fn twice<T>(list: &[T], name: fn(&T) -> &RuleName, kind: &str, wrong: &mut Vec<Wrong>) {
    let mut seen = BTreeSet::new();
    for one in list {
        let name = name(one);
        if !seen.insert(&name.id) {
            let what = format!("{kind} {} stands twice", name.id);
            wrong.push(Wrong { name: name.clone(), what, remedy: "rename one of them" });
        }
    }
}
