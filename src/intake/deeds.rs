//! What people have done with an alert where it comes from: acknowledged it, or written something to it. That is an order for the
//! incident that the alert is in, with the source as its actor; only the engine knows which one that is.

use crate::decode::{SourceDeed, SourceOrder};
use crate::domain::ids::{SourceId, TenantId};
use crate::engine::input::{AlertDeed, Command, Order};

/// The longest comment, in characters.
const TEXT_CHARS_MAX: usize = 4_000;

/// What a source's decoded orders come to. `id` is that of the message that brought them, so that they are done once however often
/// it comes; empty: it comes once.
pub fn commands((tenant, source): (&TenantId, &SourceId), id: &str, orders: Vec<SourceOrder>) -> Vec<Command> {
    let mut commands = Vec::new();
    for SourceOrder { key, deed, by, text } in orders {
        let deed = deed.map(|deed| match deed {
            SourceDeed::Acknowledge => AlertDeed::Acknowledge,
            SourceDeed::Unacknowledge => AlertDeed::Unacknowledge,
        });
        for deed in deed.into_iter().chain(comment(by.as_deref(), text.as_deref())) {
            let n = commands.len();
            let id = if id.is_empty() { String::new() } else { format!("{source}/{id}#{n}") };
            commands.push(command((tenant, source), &id, &key, deed));
        }
    }
    commands
}

fn command((tenant, source): (&TenantId, &SourceId), id: &str, key: &str, deed: AlertDeed) -> Command {
    let order = Order::ForAlert { source: source.clone(), key: key.into(), deed };
    Command { tenant: tenant.clone(), actor: source.as_str().into(), id: id.into(), via: "".into(), order }
}

/// What somebody wrote, with his name where it is told; none when nothing was written.
fn comment(user: Option<&str>, text: Option<&str>) -> Option<AlertDeed> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    let text = user.map_or_else(|| text.to_owned(), |user| format!("{user}: {text}"));
    Some(AlertDeed::Comment { text: text.chars().take(TEXT_CHARS_MAX).collect::<String>().into() })
}
