//! What is kept for an incident beside who was told: its service levels and its actions. Part of the engine's state.

use serde::{Deserialize, Serialize};

use crate::domain::action::{Action, ActionState};
use crate::domain::ids::RuleId;
use crate::domain::incident::{IncidentState, IncidentView, Priority};
use crate::domain::level::LevelClock;
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::cell::Cell;
use crate::engine::deadlines::Due;
use crate::engine::slab::Place;

/// Clocks and actions of one incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Care {
    /// Since when the incident is abnormal.
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<LevelClock>,
    /// For what the service levels were looked up last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels_for: Option<(Severity, Priority, u64)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// The clocks stand still since then: the incident is snoozed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Timestamp>,
    /// The number of the last action.
    pub numbered: u32,
    /// The earliest timer that is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timer: Option<Timestamp>,
}

impl Care {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The action of this id.
    pub fn action(&mut self, id: &str) -> Option<&mut Action> {
        self.actions.iter_mut().find(|action| *action.id == *id)
    }

    /// Takes over what was done for an incident that became part of this one. Nobody is waited for twice.
    pub fn absorb(&mut self, other: Self) {
        let known = |action: &Action, all: &[Action]| {
            all.iter().any(|mine| mine.rule == action.rule && mine.ci.id == action.ci.id)
        };
        for mut action in other.actions {
            if action.state == ActionState::Asked && known(&action, &self.actions) {
                (action.state, action.due) = (ActionState::Dropped, None);
            }
            self.actions.push(action);
        }
        self.timer = None;
    }

    /// When time alone changes something.
    fn wakes(&self) -> Option<Timestamp> {
        let runs = |clock: &&LevelClock| clock.met_at.is_none() && clock.breached_at.is_none() && self.paused.is_none();
        let levels = self.levels.iter().filter(runs);
        let levels = levels.map(|clock| if clock.is_near { clock.due } else { clock.near });
        levels.chain(self.actions.iter().filter_map(|action| action.due)).min()
    }
}

/// Whose rule asks for a message beside the routes.
pub type Called = (crate::domain::ids::ReceiverId, RuleId);

impl Cell {
    /// Lets clocks and actions of an incident follow what it has become, before people are told of it.
    pub fn take_care(&mut self, group: Place, view: &mut IncidentView) {
        let Some(incident) = self.groups.get_mut(group).and_then(|g| g.incident.as_mut()) else { return };
        if incident.care.is_empty() && self.policy.levels.is_empty() && self.policy.actions.is_empty() {
            return;
        }
        let mut care = std::mem::take(&mut incident.care);
        if view.state == IncidentState::Abnormal {
            care.since.get_or_insert(self.now);
        }
        self.keep_levels(&mut care, group, view);
        let begins_at = self.keep_actions(&mut care, group, view);
        (view.levels, view.actions) = (care.levels.as_slice().into(), care.actions.as_slice().into());
        self.send_actions(&care, view);
        if matches!(view.state, IncidentState::Recovered | IncidentState::Closed) {
            care.since = None;
        }
        let is_open = matches!(view.state, IncidentState::Abnormal | IncidentState::Recovering);
        let wakes = care.wakes().filter(|_| view.state == IncidentState::Abnormal);
        let answers = care.actions.iter().filter_map(|action| action.due);
        let next = wakes.into_iter().chain(answers).chain(begins_at.filter(|_| is_open));
        if let Some(next) = next.filter(|at| *at > self.now).min()
            && care.timer.is_none_or(|timer| timer > next || timer <= self.now)
        {
            care.timer = Some(next);
            self.deadlines.set(next, Due::Care(group));
        }
        if let Some(incident) = self.groups.get_mut(group).and_then(|g| g.incident.as_mut()) {
            incident.care = care;
        }
    }

    /// A timer: a clock or an action of the incident has come to its time.
    pub fn care_due(&mut self, group: Place) {
        if self.groups.get(group).is_some_and(|g| g.incident.is_some()) {
            self.moment.groups.insert(group);
        }
    }
}
