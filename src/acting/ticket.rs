//! What people do to tickets comes back to their incidents: whoever works on one has the incident, one that is done closes it, and
//! what they say of it stands in its timeline. Systems tell it by callbacks, or are asked.

use super::{Desk, Outcome, actor};
use crate::delivery::channels::fit;
use crate::delivery::ears::{Moved, Named, TicketDeed};
use crate::delivery::tickets;
use crate::domain::ids::{IncidentId, ReceiverId, TenantId};
use crate::domain::incident::IncidentView;
use crate::engine::input::{Command, Order};
use crate::engine::obeyed::ID_USED;

/// So much of a comment that was deleted is told, in characters: which one it was.
const DELETED_CHARS_MAX: usize = 60;

/// Takes what was done to a ticket. It is done once, however often it is told: a comment by the system's id of it. One that is done
/// while alerts still fire, or that rules do not let close, is noted: the two disagree. The receiver notes it: systems tell that a
/// ticket is done with each later change, whoever makes it.
pub async fn take(desk: &dyn Desk, receiver: &ReceiverId, ticket: &Named, deed: TicketDeed) -> Outcome {
    let Some((tenant, incident)) = incident_of(desk, receiver, ticket) else { return Outcome::Done };
    let Some(view) = desk.incident(&tenant, incident) else { return Outcome::Done };
    let TicketDeed { by, moved, at } = deed;
    let name = tickets::name(&tenant, incident);
    let Some((id, asked)) = order(&view, &name, &moved, &at) else { return Outcome::Done };
    let via: Box<str> = receiver.as_str().into();
    let closes = matches!(asked, Order::Close { .. });
    let by = if moved == Moved::Done && !closes { via.clone() } else { actor(desk, receiver, &by) };
    let send = |actor: &str, id: &str, order: Order| {
        desk.order(Command { tenant: tenant.clone(), actor: actor.into(), id: id.into(), via: via.clone(), order })
    };
    match (send(&by, &id, asked).await, moved) {
        (Outcome::Refused(why), Moved::Done) if closes => {
            let text = format!("工单已关闭,故障未关闭 / the ticket is closed, the incident is not: {why}");
            send(&via, &format!("{id}-refused"), Order::Comment { incident, text: text.into() }).await
        }
        // It was edited while nobody looked.
        (Outcome::Refused(why), Moved::Said { id, text }) if why == ID_USED && !at.is_empty() => {
            let Some((id, asked)) = order(&view, &name, &Moved::Edited { id, text }, &at) else { return Outcome::Done };
            send(&by, &id, asked).await
        }
        (ended, _) => ended,
    }
}

/// The open incident that a ticket is about.
fn incident_of(desk: &dyn Desk, receiver: &ReceiverId, ticket: &Named) -> Option<(TenantId, IncidentId)> {
    let is_meant = |tenant: &TenantId, id: IncidentId| match ticket {
        Named::Ours(name) => tickets::name(tenant, id) == *name,
        Named::Theirs(theirs) => desk
            .incident(tenant, id)
            .is_some_and(|view| view.tickets.iter().any(|known| known.receiver == *receiver && *known.id == **theirs)),
    };
    desk.open_everywhere().into_iter().find(|(tenant, id)| is_meant(tenant, *id))
}

/// What is to be done, under a name that the same deed has whenever it is told again, and another one when it is done again: by the
/// moment that the system names, else by how the incident stands. None: nothing is left to do.
fn order(view: &IncidentView, name: &str, moved: &Moved, at: &str) -> Option<(String, Order)> {
    let (incident, n) = (view.id, view.firing_count);
    let comment = |text: String| Order::Comment { incident, text: text.into() };
    Some(match moved {
        Moved::Begun if view.acknowledged_at.is_some() => return None,
        Moved::Begun if at.is_empty() => (format!("{name}-Begun-{n}"), Order::Acknowledge { incident }),
        Moved::Begun => (format!("{name}-Begun-{at}"), Order::Acknowledge { incident }),
        Moved::Done => {
            let id = match (at, n) {
                // An incident that has come back since may be done with again.
                ("", _) => format!("{name}-Done-{n}-{}", view.recovered_at.unwrap_or_default().0),
                (at, 0) => format!("{name}-Done-{at}"),
                (at, _) => format!("{name}-Firing-{at}"),
            };
            let order = match n {
                0 => Order::Close { incident, note: "".into(), findings: None },
                // How many may be another number when it is told again.
                _ => comment("工单已关闭,但仍有告警 / the ticket is closed, but alerts still fire".to_owned()),
            };
            (id, order)
        }
        Moved::Said { id, text } => (format!("{name}-Said-{id}"), comment(text.clone())),
        Moved::Edited { id, text } => {
            let said = format!("更正先前的评论 / in place of an earlier comment: {text}");
            (format!("{name}-Said-{id}-{at}"), comment(said))
        }
        Moved::Deleted { id, text } if text.is_empty() => (
            format!("{name}-Said-{id}-deleted"),
            comment("删除了一条先前的评论 / an earlier comment was deleted".to_owned()),
        ),
        Moved::Deleted { id, text } => {
            let begin = fit::chars(text, DELETED_CHARS_MAX);
            let said = format!("删除了先前的评论 / an earlier comment was deleted: {begin}");
            (format!("{name}-Said-{id}-deleted"), comment(said))
        }
    })
}
