//! Regrouping: what people order about which alerts are one incident.

use super::alert::Bond;
use super::cell::Cell;
use super::slab::Place;
use crate::domain::ids::{AlertId, IncidentId};
use crate::domain::incident::TimelineKind;

impl Cell {
    pub fn merge(&mut self, from: IncidentId, into: IncidentId, actor: &str) -> Result<(), &'static str> {
        let (from_group, into_group) = (self.open_group(from)?, self.open_group(into)?);
        if from_group == into_group {
            return Err("an incident cannot be merged into itself");
        }
        let (child, parent) = (self.groups[from_group].root, self.groups[into_group].root);
        self.moment.survivor = Some(into);
        self.attach(child, parent, Bond::Person, 0);
        self.moment.survivor = None;
        self.note(into, actor, TimelineKind::Merged, from.to_string());
        Ok(())
    }

    pub fn split(&mut self, incident: IncidentId, alerts: &[AlertId], actor: &str) -> Result<(), &'static str> {
        let group = self.open_group(incident)?;
        let places: Vec<Place> = alerts.iter().filter_map(|a| self.by_alert.get(a).copied()).collect();
        let Some(first) = places.first().copied() else { return Err("no such alert") };
        if places.iter().any(|p| self.alerts[*p].group != group) {
            return Err("an alert is not part of this incident");
        }
        if places.len() as u32 >= self.groups[group].alerts() {
            return Err("at least one alert must stay");
        }
        // The lowest first: what stays of those below moves up, and is there as an heir when the root leaves.
        let mut lowest_first = places.clone();
        lowest_first.sort_by_key(|place| std::cmp::Reverse(self.depth(*place)));
        for place in lowest_first {
            self.uproot(place, &places);
        }
        // As one of many lone ones of its type it may have been folded in again at once; a person says that it stands for itself.
        self.cut_off(first);
        for place in &places[1..] {
            self.attach(*place, first, Bond::Person, 0);
        }
        let new = self.alerts[first].group;
        self.alerts[first].bond = Bond::Person;
        if self.groups[new].incident.is_none() {
            self.open(new);
        }
        self.note(incident, actor, TimelineKind::Split, format!("{} alerts", places.len()));
        Ok(())
    }

    pub fn shift(&mut self, alert: AlertId, into: IncidentId, actor: &str) -> Result<(), &'static str> {
        let place = self.by_alert.get(&alert).copied().ok_or("no such alert")?;
        let target = self.open_group(into)?;
        if self.alerts[place].group == target {
            return Err("the alert is part of that incident already");
        }
        if self.groups[self.alerts[place].group].alerts() > 1 {
            self.uproot(place, &[place]);
        }
        let root = self.groups[target].root;
        self.attach(place, root, Bond::Person, 0);
        self.note(into, actor, TimelineKind::Moved, alert.to_string());
        Ok(())
    }

    /// How many alerts an alert hangs on, one below the other.
    fn depth(&self, place: Place) -> usize {
        std::iter::successors(self.alerts[place].parent, |above| self.alerts[*above].parent).count()
    }

    /// Takes one alert out of its tree; its children that do not go too move up to what it hung on.
    fn uproot(&mut self, place: Place, going: &[Place]) {
        let parent = self.alerts[place].parent;
        let staying: Vec<Place> = self.alerts[place].children.iter().copied().filter(|c| !going.contains(c)).collect();
        match parent {
            Some(parent) => {
                for child in staying {
                    let bond = match self.alerts[child].bond {
                        bond @ (Bond::Rule | Bond::Person) => bond,
                        Bond::Evidence | Bond::Joint | Bond::Fold => Bond::Evidence,
                    };
                    self.attach(child, parent, bond, 0);
                }
                self.detach(place);
            }
            None => {
                // The root leaves: its first child that stays leads the rest and keeps the incident.
                let Some(heir) = staying.first().copied() else { return };
                let group = self.alerts[place].group;
                for child in &staying {
                    let bond = self.alerts[*child].bond;
                    self.alerts[place].children.remove(*child, bond);
                }
                let alert = &mut self.alerts[heir];
                (alert.parent, alert.bond) = (None, Bond::Evidence);
                for child in &staying[1..] {
                    let alert = &mut self.alerts[*child];
                    alert.parent = Some(heir);
                    let bond = alert.bond;
                    self.alerts[heir].children.push(*child, bond);
                }
                self.groups[group].root = heir;
                let alert = &mut self.alerts[place];
                alert.parent = Some(heir);
                let bond = alert.bond;
                self.alerts[heir].children.push(place, bond);
                self.detach(place);
            }
        }
    }
}
