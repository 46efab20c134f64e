//! Tickets in other systems: routes file them like any message, people order them beside the routes, and where each is
//! stays with its incident.

use super::audience::Known;
use super::cell::Cell;
use super::input::Delivered;
use crate::domain::ids::{IncidentId, ReceiverId, RuleId};
use crate::domain::incident::{IncidentState, TicketRef, TimelineKind};

/// Stands where a route's name does when a person has ordered the ticket.
const BY_HAND: &str = "by hand";

impl Cell {
    /// Tells a receiver of an incident that no route has told it of yet.
    ///
    /// # Errors
    /// Why it would not be told.
    pub fn order_ticket(
        &mut self,
        incident: IncidentId,
        receiver: &ReceiverId,
        actor: &str,
    ) -> Result<(), &'static str> {
        let place = self.open_group(incident)?;
        // What a tenant's rules do not name belongs to others.
        if !self.policy.receivers().contains(&receiver) {
            return Err("no rule names this receiver: name it in a route, though it fits nothing");
        }
        if !self.speaks(place) {
            return Err("everything of it that fires is muted: nobody is told of it");
        }
        let Some(found) = self.groups[place].incident.as_mut() else { return Err("it is no incident any more") };
        if found.state != IncidentState::Abnormal {
            return Err("the incident is not abnormal any more: reopen it first");
        }
        let knows = found.audience.listeners.iter().find(|one| one.receiver == *receiver).map(|one| one.knows);
        if knows == Some(Known::Opened) {
            return Err("this receiver has been told: its ticket is there, or on its way");
        }
        found.audience.called.push((receiver.clone(), RuleId::from(BY_HAND)));
        self.note(incident, actor, TimelineKind::TicketOrdered, receiver.to_string());
        self.moment.groups.insert(place);
        Ok(())
    }

    /// Keeps where a ticket is: later messages to its receiver go there.
    pub fn keep_ticket(&mut self, delivered: &Delivered, ticket: &TicketRef) {
        let Some(place) = self.by_incident.get(&delivered.incident).copied() else { return };
        let Some(incident) = self.groups.get_mut(place).and_then(|g| g.incident.as_mut()) else { return };
        if incident.tickets.iter().any(|known| known == ticket) {
            return;
        }
        incident.tickets.retain(|known| known.receiver != ticket.receiver);
        incident.tickets.push(ticket.clone());
        let id = incident.id;
        self.note(id, "headwater", TimelineKind::TicketFiled, format!("{} {}", ticket.system, ticket.number));
        self.moment.groups.insert(place);
    }
}
