//! What becomes of messages after their system has taken them, where it tells: whether they reached a telephone. It comes later, by
//! the system's own id of the message, and is a second end of the same notice.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::engine::input::{Delivered, DeliveryOutcome, Receipt};

/// Messages whose fate is waited for; the oldest go first. Centres try for three days at most.
const TAKEN_MAX: usize = 2_000;
const TAKEN_KEPT: Duration = Duration::from_secs(72 * 3_600);
/// What was heard of messages that are not known yet: the answer to the message itself may come behind it, but no attempt takes longer.
const EARLY_MAX: usize = 100;
const EARLY_KEPT: Duration = Duration::from_secs(600);

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

/// The messages of one receiver, for as long as something may be heard of them.
#[derive(Default)]
pub struct Fates {
    taken: VecDeque<Taken>,
    early: VecDeque<(Instant, Fate)>,
}

/// A message.
struct Taken {
    at: Instant,
    /// The ids of its parts, and whether each has arrived.
    parts: Vec<(String, bool)>,
    /// Its end so far; none: its fate is known, and what is told again is of no use.
    delivered: Option<Delivered>,
}

impl Fates {
    /// A message was taken; its ids stand in its receipt. Gives its second end where that is known already.
    pub fn taken(&mut self, delivered: Delivered, now: Instant) -> Option<Delivered> {
        self.forget(now);
        let said = delivered.receipt.as_ref().map(|receipt| &*receipt.said).unwrap_or_default();
        let ids: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
        if ids.is_empty() {
            return None;
        }
        if self.taken.len() == TAKEN_MAX {
            self.taken.pop_front();
        }
        let is_mine =
            |(_, fate): &(Instant, Fate)| ids.iter().any(|id| LIKENESSES.iter().any(|like| like(id, &fate.id)));
        let (mine, others): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.early).into_iter().partition(is_mine);
        self.early = others;
        let parts = ids.into_iter().map(|id| (id, false)).collect();
        self.taken.push_back(Taken { at: now, parts, delivered: Some(delivered) });
        mine.into_iter().find_map(|(_, fate)| self.heard(fate, now))
    }

    /// Something was heard of a message. Gives its second end once that is known of all its parts.
    pub fn heard(&mut self, fate: Fate, now: Instant) -> Option<Delivered> {
        self.forget(now);
        let Some((place, part)) = LIKENESSES.iter().find_map(|like| self.newest(|id| like(id, &fate.id))) else {
            if self.early.len() == EARLY_MAX {
                self.early.pop_front();
            }
            self.early.push_back((now, fate));
            return None;
        };
        let Taken { parts, delivered, .. } = &mut self.taken[place];
        if fate.end == End::Arrived {
            parts[part].1 = true;
            if parts.iter().any(|(_, has_arrived)| !has_arrived) {
                return None;
            }
        }
        delivered.take().map(|delivered| ended(delivered, fate.end))
    }

    /// The newest message that has such an id, and which of its parts: a centre that counts from 1 again means the newer one.
    fn newest(&self, is_it: impl Fn(&str) -> bool) -> Option<(usize, usize)> {
        let part = |taken: &Taken| taken.parts.iter().position(|(id, _)| is_it(id));
        self.taken.iter().enumerate().rev().find_map(|(place, taken)| Some((place, part(taken)?)))
    }

    /// Lets go of what nothing is heard of any more.
    fn forget(&mut self, now: Instant) {
        let is_past = |at: Instant, kept: Duration| now.duration_since(at) > kept;
        while self.taken.front().is_some_and(|taken| is_past(taken.at, TAKEN_KEPT)) {
            self.taken.pop_front();
        }
        while self.early.front().is_some_and(|(at, _)| is_past(*at, EARLY_KEPT)) {
            self.early.pop_front();
        }
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

/// Ways in which the id that was noted and the one that is heard are one, the surest first: many centres fill a number up with zeros, or
/// answer a message with a hexadecimal number and name it by the decimal one later.
const LIKENESSES: [fn(&str, &str) -> bool; 3] = [
    |noted, heard| noted.eq_ignore_ascii_case(heard),
    |noted, heard| is_one(noted, 10, heard, 10) || is_one(noted, 16, heard, 16),
    |noted, heard| is_one(noted, 16, heard, 10) || is_one(noted, 10, heard, 16),
];

fn is_one(noted: &str, base: u32, heard: &str, other: u32) -> bool {
    let number = u64::from_str_radix(noted, base).ok();
    number.is_some() && number == u64::from_str_radix(heard, other).ok()
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
        let ended = fates.heard(Fate { id: id.into(), end }, Instant::now())?;
        Some((ended.key.into(), ended.outcome, ended.receipt?.said.into()))
    }

    #[test]
    fn a_message_has_arrived_with_its_last_part_and_is_lost_with_the_first_that_is() {
        let mut fates = Fates::default();
        assert_eq!(fates.taken(message("none", ""), Instant::now()), None);
        for (key, said) in [("a", "1A2B 1A2C"), ("b", "7"), ("c", "x-1 x-2")] {
            assert_eq!(fates.taken(message(key, said), Instant::now()), None);
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
        let second = fates.taken(message("d", "9"), Instant::now());
        assert_eq!(second.map(|ended| ended.outcome), Some(lost));
        assert!(heard(&mut fates, "7", End::Arrived).is_some_and(|(key, ..)| key == "b"));
    }

    #[test]
    fn the_surest_and_the_newest_message_of_an_id_is_meant() {
        let mut fates = Fates::default();
        let key = |ended: Option<(String, DeliveryOutcome, String)>| ended.map(|(key, ..)| key);
        for (name, said) in [("ten", "10"), ("sixteen", "16"), ("old", "7"), ("new", "7")] {
            assert_eq!(fates.taken(message(name, said), Instant::now()), None);
        }
        // Filled up it is the decimal 16 before it is the hexadecimal 10.
        assert_eq!(key(heard(&mut fates, "0000000016", End::Arrived)), Some("sixteen".into()));
        assert_eq!(key(heard(&mut fates, "0000000010", End::Arrived)), Some("ten".into()));
        // The centre counts from 1 again; what it says twice is not the older one's, nor that of one that comes.
        assert_eq!(key(heard(&mut fates, "7", End::Arrived)), Some("new".into()));
        assert_eq!(key(heard(&mut fates, "7", End::Arrived)), None);
        assert_eq!(fates.taken(message("next", "7"), Instant::now()), None);
        assert_eq!(key(heard(&mut fates, "7", End::Lost("EXPIRED".into()))), Some("next".into()));
    }

    #[test]
    fn nothing_is_waited_for_for_ever() {
        let mut fates = Fates::default();
        let (begin, lost) = (Instant::now(), || End::Lost("EXPIRED".into()));
        assert_eq!(fates.heard(Fate { id: "8".into(), end: lost() }, begin), None);
        assert_eq!(fates.taken(message("a", "8"), begin + EARLY_KEPT * 2), None, "it was somebody else's");
        let late = begin + EARLY_KEPT * 2 + TAKEN_KEPT;
        assert!(fates.heard(Fate { id: "8".into(), end: lost() }, late).is_some());
        assert_eq!(fates.taken(message("b", "9"), late), None);
        let later = late + TAKEN_KEPT * 2;
        assert_eq!(fates.heard(Fate { id: "9".into(), end: lost() }, later), None);
    }
}
