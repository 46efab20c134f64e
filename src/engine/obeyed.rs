//! Orders that were carried out lately: the same one, sent twice, is done once.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::input::Command;
use super::lookup::Lookup;

/// Orders remembered per tenant; the oldest is forgotten first.
const OBEYED_MAX: usize = 10_000;

/// Why an order is refused whose id its actor has used for another one.
pub const ID_USED: &str = "this id was used for another order: choose a new one";

/// What became of the orders whose senders chose an id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Obeyed {
    ends: Lookup<Box<str>, End>,
    order: VecDeque<Box<str>>,
}

/// How one ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct End {
    /// Tells the same order from another one under the same id.
    body: u64,
    refused: Option<Box<str>>,
}

/// What is known of an order before it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    Fresh,
    /// It was done, or refused, before.
    Again(Option<Box<str>>),
    /// Its id was used for something else.
    OtherBody,
}

impl Obeyed {
    /// Looks whether this actor has sent an order with this id before.
    pub fn look(&self, command: &Command) -> Known {
        match self.ends.get(&key(command)) {
            None => Known::Fresh,
            Some(end) if end.body == body(command) => Known::Again(end.refused.clone()),
            Some(_) => Known::OtherBody,
        }
    }

    /// Remembers how an order ended; one without an id is not remembered.
    pub fn remember(&mut self, command: &Command, refused: Option<Box<str>>) {
        if command.id.is_empty() {
            return;
        }
        while self.order.len() >= OBEYED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ends.remove(&oldest);
        }
        let key = key(command);
        self.order.push_back(key.clone());
        self.ends.insert(key, End { body: body(command), refused });
    }
}

/// An id belongs to who chose it: nobody can use up somebody else's.
fn key(command: &Command) -> Box<str> {
    format!("{}\u{1f}{}", command.actor, command.id).into()
}

/// FNV-1a over the order as the journal writes it.
fn body(command: &Command) -> u64 {
    let text = serde_json::to_vec(&command.order).expect("an order has text keys only");
    text.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::IncidentId;
    use crate::engine::input::Order;

    fn command(actor: &str, id: &str, incident: u64) -> Command {
        let order = Order::Acknowledge { incident: IncidentId(incident) };
        Command { tenant: "t".into(), actor: actor.into(), id: id.into(), via: "".into(), order }
    }

    #[test]
    fn an_id_stands_for_one_order_of_one_actor() {
        let mut obeyed = Obeyed::default();
        obeyed.remember(&command("li", "a", 1), None);
        obeyed.remember(&command("li", "b", 1), Some("no such incident".into()));
        obeyed.remember(&command("li", "", 1), None);
        let check = |actor, id, incident, known| assert_eq!(obeyed.look(&command(actor, id, incident)), known);
        check("li", "a", 1, Known::Again(None));
        check("li", "b", 1, Known::Again(Some("no such incident".into())));
        check("li", "a", 2, Known::OtherBody);
        check("wang", "a", 1, Known::Fresh);
        check("li", "", 1, Known::Fresh);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut obeyed = Obeyed::default();
        for n in 0..=OBEYED_MAX {
            obeyed.remember(&command("li", &n.to_string(), 1), None);
        }
        assert_eq!(obeyed.look(&command("li", "0", 1)), Known::Fresh);
        assert_eq!(obeyed.look(&command("li", "1", 1)), Known::Again(None));
        assert_eq!((obeyed.ends.len(), obeyed.order.len()), (OBEYED_MAX, OBEYED_MAX));
    }
}
