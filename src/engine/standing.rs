//! What stands: everything that the engine knows, as it would be told to somebody who has heard nothing.

use std::sync::Arc;

use super::Engine;
use super::cell::Cell;
use super::effect::Effect;
use super::slab::Place;

impl Engine {
    /// Effects that tell every alert, incident and silence in memory as it is now: for a view that has lost its own
    /// record. Works on a copy, so that nothing changes by being told.
    pub fn standing(&self) -> Vec<Effect> {
        let mut copy = self.clone();
        copy.cells.values_mut().flat_map(Cell::standing).collect()
    }
}

impl Cell {
    fn standing(&mut self) -> Vec<Effect> {
        let alerts: Vec<Place> = self.by_alert.iter().map(|(_, place)| *place).collect();
        let mut effects: Vec<Effect> =
            alerts.into_iter().map(|place| Effect::Alert { alert: Arc::new(self.alert_view(place)) }).collect();
        let incidents: Vec<_> = self.incidents().collect();
        for (id, members) in incidents {
            let group = self.by_incident[&id];
            let told = self.groups[group].incident.as_ref().map_or(1, |incident| incident.version);
            let mut view = self.incident_view(group);
            view.version = told;
            effects.push(Effect::Incident {
                incident: Arc::new(view),
                joined: members.into_iter().collect(),
                left: Vec::new(),
            });
        }
        let silences = self.silences.values().cloned();
        effects.extend(silences.map(|silence| Effect::Silence { tenant: self.tenant.clone(), silence }));
        effects
    }
}
