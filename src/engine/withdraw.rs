//! Withdraw: an incident whose reason went to another one goes on there, when what is left of it would not be told.

use serde::{Deserialize, Serialize};

use super::alert::Bond;
use super::cell::Cell;
use super::deadlines::Due;
use super::group::Merit;
use super::lifecycle::Incident;
use super::slab::Place;
use crate::domain::ids::{AlertId, IncidentId};
use crate::domain::incident::{IncidentState, Progress};
use crate::domain::time::{Span, Timestamp};

/// So long after its last loss it is asked what is left of an incident.
const PAUSE: Span = Span::mins(10);

/// The last alert that went from an incident to another group, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    alert: AlertId,
    at: Timestamp,
}

impl Loss {
    /// When to ask what is left.
    pub fn due(self) -> Timestamp {
        self.at.plus(PAUSE)
    }
}

impl Incident {
    /// Whether somebody has acted on it.
    fn is_touched(&self) -> bool {
        self.progress != Progress::Triggered
            || self.root_confirmed
            || self.chosen_root.is_some()
            || !self.rejected_roots.is_empty()
            || self.severity.is_some()
            || self.assignee.is_some()
            || !self.ending.is_empty()
    }
}

impl Cell {
    /// Notes that some alerts of an incident are in another group now.
    pub fn note_loss(&mut self, from: Place, gone: &[Place]) {
        let real = gone.iter().map(|place| &self.alerts[*place]).find(|alert| alert.inferred.is_none());
        let Some(alert) = real.map(|alert| alert.id) else { return };
        let now = self.now;
        let Some(incident) = self.groups.get_mut(from).and_then(|group| group.incident.as_mut()) else { return };
        let loss = Loss { alert, at: now };
        if incident.loss.replace(loss).is_none() {
            self.deadlines.set(loss.due(), Due::Doubt(from));
        }
    }

    /// A timer: an incident has lost alerts. If nobody has acted on it and what is left would not be told, it goes on in
    /// the incident that has what it was told for, and its own alerts are held again.
    pub fn reconsider(&mut self, place: Place) {
        let now = self.now;
        let Some(incident) = self.groups.get_mut(place).and_then(|group| group.incident.as_mut()) else { return };
        let Some(loss) = incident.loss else { return };
        if loss.due() > now {
            return self.deadlines.set(loss.due(), Due::Doubt(place));
        }
        incident.loss = None;
        if incident.is_touched() || incident.state == IncidentState::Closed || self.is_worth_telling(place) {
            return;
        }
        // Where a person has put it says nothing of what is left.
        let gone = self.by_alert.get(&loss.alert).filter(|gone| self.alerts[**gone].bond != Bond::Person).copied();
        let heir = gone.and_then(|gone| Some((self.incident_of(gone)?, self.alerts[gone].received)));
        if let Some((heir, since)) = heir.filter(|(heir, _)| Some(*heir) != self.incident_id_of(place)) {
            self.withdraw(place, heir, since);
        }
    }

    /// Whether what is in a group would be told by itself. What the model only doubts stays told.
    fn is_worth_telling(&self, place: Place) -> bool {
        match self.merit_untold(place) {
            Merit::Told | Merit::Earned | Merit::Doubtful { .. } => true,
            Merit::Alone(only) => self.alerts[only].lasted,
            Merit::Empty | Merit::Chronic | Merit::OnlyNoise | Merit::FewCis { .. } => false,
        }
    }

    /// `since` is when what it was told for began: the rest of it does not go to the heir, and tells nothing of its age.
    fn withdraw(&mut self, place: Place, heir: IncidentId, since: Timestamp) {
        let (Some(id), Some(into)) = (self.incident_id_of(place), self.by_incident.get(&heir).copied()) else { return };
        self.moving_members(place, Some(id), None);
        let mut lost = self.end_merged(place, heir);
        if let Some(lost) = &mut lost {
            lost.first_alert_at = since;
        }
        self.inherit(into, lost);
        self.moment.groups.insert(into);
        self.plan_to_forget(place);
    }
}
