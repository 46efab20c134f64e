//! What becomes of messages after their system has taken them, where it tells: whether they reached a telephone. It comes later, by
//! the system's own id of the message, and is a second end of the same notice.

use std::collections::VecDeque;
use std::convert::Infallible;

use futures::future::BoxFuture;

use crate::engine::input::{Delivered, DeliveryOutcome, Receipt};

/// Messages whose fate is waited for; the oldest go first.
const TAKEN_MAX: usize = 2_000;
/// What was heard of messages that are not known yet: the answer to the message itself may come behind it.
const EARLY_MAX: usize = 100;

/// Is told what becomes of messages.
pub type Tell<'a> = &'a (dyn Fn(Fate) + Send + Sync);

/// Listens for what becomes of messages, for as long as it is asked.
pub type Listening<'a> = BoxFuture<'a, Infallible>;

/// What became of a message, or of a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The system's own id of it.
    pub id: String,
    pub end: End,
}

/// Whether it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Arrived,
    /// It did not, and this is why.
    Lost(String),
}

/// The messages of one receiver whose fate is not known.
#[derive(Default)]
pub struct Fates {
    /// With the ids of the parts that are not heard of.
    taken: VecDeque<(Vec<String>, Delivered)>,
    early: VecDeque<Fate>,
}

impl Fates {
    /// A message was taken; its ids stand in its receipt. Gives its second end where that is known already.
    pub fn taken(&mut self, delivered: &Delivered) -> Option<Delivered> {
        let said = delivered.receipt.as_ref().map(|receipt| &*receipt.said).unwrap_or_default();
        let ids: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
        if ids.is_empty() {
            return None;
        }
        if self.taken.len() == TAKEN_MAX {
            self.taken.pop_front();
        }
        let is_mine = |fate: &Fate| ids.iter().any(|id| is_same(id, &fate.id));
        let (mine, others): (VecDeque<Fate>, VecDeque<Fate>) =
            std::mem::take(&mut self.early).into_iter().partition(is_mine);
        self.early = others;
        self.taken.push_back((ids, delivered.clone()));
        mine.into_iter().find_map(|fate| self.heard(fate))
    }

    /// Something was heard of a message. Gives its second end once that is known of all its parts.
    pub fn heard(&mut self, fate: Fate) -> Option<Delivered> {
        let find = |is_it: &dyn Fn(&str) -> bool| self.taken.iter().position(|(ids, _)| ids.iter().any(|id| is_it(id)));
        let Some(place) = find(&|id| id == fate.id).or_else(|| find(&|id| is_same(id, &fate.id))) else {
            if self.early.len() == EARLY_MAX {
                self.early.pop_front();
            }
            self.early.push_back(fate);
            return None;
        };
        let (ids, _) = &mut self.taken[place];
        if fate.end == End::Arrived {
            let exact = ids.iter().position(|id| *id == fate.id);
            let at = exact.or_else(|| ids.iter().position(|id| is_same(id, &fate.id)))?;
            ids.remove(at);
            if !ids.is_empty() {
                return None;
            }
        }
        let (_, delivered) = self.taken.remove(place)?;
        Some(ended(delivered, fate.end))
    }
}

fn ended(delivered: Delivered, end: End) -> Delivered {
    match end {
        End::Arrived => {
            let told = |receipt: Box<Receipt>| {
                Box::new(Receipt { said: format!("{}: 已送达 / delivered", receipt.said).into(), ..*receipt })
            };
            let receipt = delivered.receipt.map(told);
            Delivered { receipt, ..delivered }
        }
        End::Lost(why) => {
            let outcome = DeliveryOutcome::GaveUp(format!("未送达 / undeliverable: {why}"));
            Delivered { outcome, ..delivered }
        }
    }
}

/// Whether two ids are one: many centres answer a message with a hexadecimal number and name it by the decimal one later, or fill it
/// up with zeros.
fn is_same(noted: &str, heard: &str) -> bool {
    let number = |text: &str, base| u64::from_str_radix(text, base).ok();
    let is_one = |one: Option<u64>, other: Option<u64>| one.is_some() && one == other;
    noted.eq_ignore_ascii_case(heard)
        || is_one(number(noted, 10), number(heard, 10))
        || is_one(number(noted, 16), number(heard, 10))
        || is_one(number(noted, 10), number(heard, 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: &str, said: &str) -> Delivered {
        let receipt = Receipt { to: "138***00".into(), said: said.into(), told_at: None };
        Delivered {
            tenant: "default".into(),
            incident: crate::domain::ids::IncidentId(1),
            receiver: "sms".into(),
            key: key.into(),
            outcome: DeliveryOutcome::Accepted,
            attempts: 1,
            person: Some("li".into()),
            ticket: None,
            report: None,
            receipt: Some(Box::new(receipt)),
        }
    }

    fn heard(fates: &mut Fates, id: &str, end: End) -> Option<(String, DeliveryOutcome, String)> {
        let ended = fates.heard(Fate { id: id.into(), end })?;
        Some((ended.key.into(), ended.outcome, ended.receipt?.said.into()))
    }

    #[test]
    fn a_message_has_arrived_with_its_last_part_and_is_lost_with_the_first_that_is() {
        let mut fates = Fates::default();
        assert_eq!(fates.taken(&message("none", "")), None);
        for (key, said) in [("a", "1A2B 1A2C"), ("b", "7"), ("c", "x-1 x-2")] {
            assert_eq!(fates.taken(&message(key, said)), None);
        }
        // The decimal form of 1A2B, filled up; then the other part as it was written.
        assert_eq!(heard(&mut fates, "0000006699", End::Arrived), None);
        let told = heard(&mut fates, "1a2c", End::Arrived);
        assert_eq!(told, Some(("a".into(), DeliveryOutcome::Accepted, "1A2B 1A2C: 已送达 / delivered".into())));
        let told = heard(&mut fates, "x-2", End::Lost("EXPIRED, error 002".into()));
        let lost = DeliveryOutcome::GaveUp("未送达 / undeliverable: EXPIRED, error 002".into());
        assert_eq!(told, Some(("c".into(), lost.clone(), "x-1 x-2".into())));
        assert_eq!(heard(&mut fates, "x-1", End::Arrived), None, "it is told once");
        // What is heard of a message before it is known is kept for it.
        assert_eq!(heard(&mut fates, "9", End::Lost("EXPIRED, error 002".into())), None);
        assert_eq!(fates.taken(&message("d", "9")).map(|ended| ended.outcome), Some(lost));
        assert!(heard(&mut fates, "7", End::Arrived).is_some_and(|(key, ..)| key == "b"));
    }
}
