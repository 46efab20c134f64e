//! Early figures: what stood a while after each event arrived, before what came later corrected it.
//!
//! An event counts to the incident in which its alert was that long after the event; a root cause is the one that its
//! incident had that long after it was opened. So nothing is judged with a longer look-ahead than people had.

use std::collections::{BTreeMap, VecDeque};

use super::backtest::Outcome;
use super::score::ToldIncident;
use crate::domain::ids::IncidentId;
use crate::domain::time::{Span, Timestamp};
use crate::engine::effect::Effect;

/// Looks at a stream, each so long after what is looked at.
pub struct Early {
    pub after: Span,
    /// Events by their number in the outcome, and incidents, oldest first.
    events: VecDeque<(Timestamp, usize)>,
    incidents: VecDeque<(Timestamp, IncidentId)>,
    told: BTreeMap<IncidentId, ToldIncident>,
}

impl Early {
    /// Looks that have seen nothing so far.
    pub const fn after(after: Span) -> Self {
        Self { after, events: VecDeque::new(), incidents: VecDeque::new(), told: BTreeMap::new() }
    }

    /// Plans looks at the incidents that a step at `now` opened, and at its event, when it had one.
    pub fn plan(&mut self, now: Timestamp, event: Option<usize>, effects: &[Effect], outcome: &Outcome) {
        let due = now.plus(self.after);
        self.events.extend(event.map(|event| (due, event)));
        for effect in effects {
            if let Effect::Incident { incident, .. } = effect
                && !outcome.incidents.contains_key(&incident.id)
            {
                self.incidents.push_back((due, incident.id));
            }
        }
    }

    /// When it looks next.
    pub fn next(&self) -> Option<Timestamp> {
        let dues = [self.events.front().map(|(due, _)| *due), self.incidents.front().map(|(due, _)| *due)];
        dues.into_iter().flatten().min()
    }

    /// Looks at all that is due at `now`.
    pub fn look(&mut self, now: Timestamp, outcome: &Outcome) {
        while let Some((_, id)) = self.incidents.pop_front_if(|(due, _)| *due <= now) {
            let ranked = outcome.incidents.get(&id).map(|incident| incident.candidates.iter());
            let ranked = ranked.into_iter().flatten().map(|candidate| candidate.ci.id.to_string());
            self.told.entry(id).or_default().root_cause = ranked.collect();
        }
        while let Some((_, event)) = self.events.pop_front_if(|(due, _)| *due <= now) {
            let (id, alert) = &outcome.events[event];
            if let Some(incident) = alert.and_then(|alert| outcome.incident_of(alert)) {
                self.told.entry(incident).or_default().events.insert(id.to_string());
            }
        }
    }

    /// The incidents as they were seen.
    pub fn told(self) -> Vec<ToldIncident> {
        self.told.into_values().filter(|told| !told.events.is_empty()).collect()
    }
}
