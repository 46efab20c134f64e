//! Taken: an event that says who has acknowledged its alert where it comes from acknowledges the alert's incident here.

use super::cell::Cell;
use super::input::Order;
use super::verdict::{Repeat, Verdict};
use crate::domain::event::{Event, Status};

impl Cell {
    /// Acknowledges the incident of an event's alert in the name that the event says. An incident that somebody has keeps that one;
    /// the same words again, and words about what is over, say nothing new.
    pub fn heed(&mut self, event: &Event, verdict: &Verdict) {
        let Some(by) = event.acknowledged_by.as_deref().filter(|_| event.status == Status::Firing) else { return };
        let said_before = [Repeat::SameEvent, Repeat::Conflict, Repeat::StillResolved];
        if matches!(verdict, Verdict::Duplicate { why, .. } if said_before.contains(why)) {
            return;
        }
        let place = verdict.alert().and_then(|alert| self.by_alert.get(&alert)).copied();
        let group = place.map(|place| &self.groups[self.alerts[place].group]);
        let Some(incident) = group.and_then(|group| group.incident.as_ref()) else { return };
        if incident.acknowledged_at.is_some() {
            return;
        }
        let order = Order::Acknowledge { incident: incident.id };
        // The source was proven, the name was not: it must not look like a person who has signed in.
        let actor = format!("{by} ({})", event.source);
        self.moment.via = event.source.as_str().into();
        // A closed incident is nobody's to take.
        let _ = self.carry_out(&order, &actor);
        self.moment.via = "".into();
    }
}
