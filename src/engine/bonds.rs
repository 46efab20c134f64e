//! Bonds of rules: alerts are one incident, or an incident at all, because an analyst wrote so. Statistics never undo
//! it; a person may, and then the rule leaves the alert where the person put it.

use serde::{Deserialize, Serialize};

use super::alert::Bond;
use super::cell::Cell;
use super::slab::Place;
use crate::domain::ids::RuleId;
use crate::domain::time::Timestamp;

/// What rules have made of an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ruled {
    /// The rule that binds it to its parent, or that opened its incident.
    pub by: Option<RuleId>,
    /// That rule takes it for the root cause.
    pub is_root: bool,
    /// The rule that raised it: no source sent it.
    pub raised_by: Option<RuleId>,
}

impl Cell {
    /// What rules have made of the alert, for change.
    pub fn ruled(&mut self, place: Place) -> &mut Ruled {
        self.alerts[place].rare.make().ruled.get_or_insert_default()
    }

    /// The rule that put an alert where it is, or opened its incident; none when a person has moved it since.
    pub fn ruled_by(&self, place: Place) -> Option<&RuleId> {
        let alert = &self.alerts[place];
        alert.rare.ruled.as_deref().filter(|_| alert.bond != Bond::Person)?.by.as_ref()
    }

    /// Whether a rule may move the alert: nobody has put it where it is.
    fn is_free(&self, place: Place) -> bool {
        self.alerts.get(place).is_some_and(|alert| alert.bond != Bond::Person && alert.takes_part())
    }

    /// Makes alerts one incident. `root` is the one that the rule takes for the cause; none: the engine decides.
    pub fn join_by_rule(&mut self, rule: &RuleId, alerts: &[Place], root: Option<Place>) {
        let alerts: Vec<Place> = alerts.iter().copied().filter(|p| self.is_free(*p)).collect();
        let Some(hub) = root.filter(|p| self.alerts.get(*p).is_some()).or_else(|| self.hub(&alerts)) else { return };
        if root == Some(hub) && self.is_free(hub) {
            self.lead(rule, hub);
        }
        for place in alerts {
            if place != hub {
                self.bind(rule, place, hub);
            }
        }
        self.consider(self.alerts[hub].group);
    }

    /// The alert to which the others are bound: one of the oldest incident, else the first.
    fn hub(&self, alerts: &[Place]) -> Option<Place> {
        let opened = |place: Place| {
            let incident = self.groups.get(self.alerts[place].group).and_then(|g| g.incident.as_ref());
            incident.map_or(Timestamp(i64::MAX), |i| i.opened_at)
        };
        alerts.iter().copied().min_by_key(|p| (opened(*p), self.alerts[*p].id))
    }

    /// Puts an alert on top of its tree for good.
    fn lead(&mut self, rule: &RuleId, place: Place) {
        self.cut_off(place);
        self.alerts[place].bond = Bond::Rule;
        let ruled = self.ruled(place);
        (ruled.by, ruled.is_root) = (Some(rule.clone()), true);
        if let Some(incident) = self.groups[self.alerts[place].group].incident.as_mut() {
            incident.ranked_for.1 = 0;
        }
    }

    /// Binds an alert to the hub. The tree in which it was comes along.
    fn bind(&mut self, rule: &RuleId, place: Place, hub: Place) {
        let bound = |cell: &Self, child: Place, parent: Place| {
            let alert = &cell.alerts[child];
            alert.parent == Some(parent) && alert.bond == Bond::Rule
        };
        if bound(self, place, hub) || bound(self, hub, place) {
            return;
        }
        if self.descends(hub, place) {
            if self.is_free(hub) {
                self.tie(rule, hub, place);
            }
            return;
        }
        let group = self.alerts[place].group;
        let top = self.groups[group].root;
        let moves = top != place && group != self.alerts[hub].group;
        if moves && self.alerts[top].inferred.is_none() && self.is_free(top) {
            self.tie(rule, top, hub);
        }
        self.tie(rule, place, hub);
    }

    fn tie(&mut self, rule: &RuleId, child: Place, parent: Place) {
        self.ruled(child).by = Some(rule.clone());
        self.attach(child, parent, Bond::Rule, 0);
    }

    /// Held alerts open an incident, each in its own tree.
    pub fn open_by_rule(&mut self, rule: &RuleId, alerts: &[Place]) {
        for place in alerts.iter().copied() {
            if !self.is_free(place) || !self.alerts[place].is_firing() {
                continue;
            }
            let group = self.alerts[place].group;
            if self.groups[group].incident.is_none() {
                self.alerts[place].lasted = true;
                self.ruled(place).by.get_or_insert_with(|| rule.clone());
                self.open(group);
            }
        }
    }
}
