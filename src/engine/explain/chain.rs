//! How an alert came into its incident: from parent to parent, each with the terms of today.

use super::{Answer, Node, Reason, Weighed};
use crate::domain::ids::AlertId;
use crate::engine::cell::Cell;
use crate::engine::slab::Place;

/// Links told of one path.
const LINKS_MAX: usize = 32;

impl Cell {
    pub(super) fn explain_path(&mut self, alert: AlertId) -> Answer {
        let place = match self.sought_alert(alert) {
            Ok(place) => place,
            Err(answer) => return answer,
        };
        let mut answer = match self.incident_of(place) {
            Some(incident) => {
                let mut answer = Answer::because(Reason::InIncident(incident));
                answer.add(self.brought_by(place));
                answer
            }
            None => self.explain_held(place),
        };
        answer.path = self.path_of(place);
        answer
    }

    /// Why an alert is where it is, in one step.
    fn brought_by(&self, place: Place) -> Reason {
        let alert = &self.alerts[place];
        match alert.parent {
            Some(parent) => Reason::Explained { by: Box::new(self.node(parent)), bond: alert.bond },
            None => Reason::Top,
        }
    }

    /// The links from an alert to the top of its tree.
    pub(super) fn path_of(&mut self, place: Place) -> Vec<Weighed> {
        let mut path = Vec::new();
        let mut at = place;
        while let Some(parent) = self.alerts[at].parent.filter(|_| path.len() < LINKS_MAX) {
            path.push(self.bound(at, parent));
            at = parent;
        }
        path
    }

    /// The link by which an alert hangs on its parent.
    pub(super) fn bound(&mut self, effect: Place, cause: Place) -> Weighed {
        let bond = self.alerts[effect].bond;
        let rule = self.ruled_by(effect).cloned();
        match self.weigh_link(effect, cause) {
            Ok(found) => Weighed { bond: Some(bond), rule, ..found.told },
            Err(_) => {
                // It was weighed when it was made; what it was made of is not there any more.
                let sum = self.alerts[effect].score;
                let (cause, effect) = (self.node(cause), self.node(effect));
                Weighed { cause, effect: Some(effect), bond: Some(bond), rule, evidence: Vec::new(), sum, needs: 0 }
            }
        }
    }

    /// What is weighed as a root.
    pub(super) fn node_of_ci(&self, ci: crate::domain::topology::CiIx, alert: Option<AlertId>) -> Node {
        let id = self.topology.id(ci);
        Node {
            alert,
            object: id.as_str().into(),
            name: self.topology.name(ci).into(),
            ci: Some(id.clone()),
            incident: None,
        }
    }
}
