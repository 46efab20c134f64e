//! Event ids of the last while: each once, in the order in which they came, found by its text.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use super::lane::Lane;
use super::lookup::Lookup;
use super::verdict::Repeat;
use crate::domain::time::{Span, Timestamp};

/// Event ids remembered at once.
pub const SEEN_MAX: usize = 200_000;

/// When an event came, its id, and its body as a hash.
#[derive(Clone, Debug)]
struct Known {
    at: Timestamp,
    key: Box<str>,
    body: u64,
}

/// Event ids of the last while.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Kept")]
pub struct Seen {
    order: Lane<Known>,
    /// Numbers of events by the text of their ids. Only looked up.
    numbers: HashTable<u32>,
    /// The number of the first one in order; the others count on.
    first: u32,
    /// Ids forgotten early because there were too many.
    pub cut: u64,
}

/// The same as snapshots have it: bodies by id, and ids in the order in which they came.
#[derive(Deserialize)]
struct Kept {
    bodies: Lookup<Box<str>, u64>,
    order: Lane<(Timestamp, Box<str>)>,
    cut: u64,
}

fn hash(key: &str) -> u64 {
    FixedState::with_seed(0x4865_6164).hash_one(key)
}

impl From<Kept> for Seen {
    fn from(Kept { mut bodies, mut order, cut }: Kept) -> Self {
        let mut seen = Self { cut, ..Self::default() };
        while let Some((at, key)) = order.pop_front() {
            if let Some(body) = bodies.remove(&key) {
                seen.add(Known { at, key, body });
            }
        }
        seen
    }
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bodies: Vec<(&str, u64)> = self.order.iter().map(|known| (&*known.key, known.body)).collect();
        bodies.sort_unstable();
        let order: Vec<(Timestamp, &str)> = self.order.iter().map(|known| (known.at, &*known.key)).collect();
        let mut kept = serializer.serialize_struct("Seen", 3)?;
        kept.serialize_field("bodies", &bodies)?;
        kept.serialize_field("order", &order)?;
        kept.serialize_field("cut", &self.cut)?;
        kept.end()
    }
}

impl Seen {
    fn known(&self, number: u32) -> Option<&Known> {
        self.order.get(number.wrapping_sub(self.first) as usize)
    }

    fn add(&mut self, known: Known) {
        let number = self.first.wrapping_add(self.order.len() as u32);
        let code = hash(&known.key);
        self.order.push_back(known);
        let (order, first) = (&self.order, self.first);
        let code_of = |number: &u32| order.get(number.wrapping_sub(first) as usize).map_or(0, |known| hash(&known.key));
        self.numbers.insert_unique(code, number, code_of);
    }

    fn drop_first(&mut self) {
        let Some(Known { key, .. }) = self.order.pop_front() else { return };
        let gone = self.first;
        if let Ok(number) = self.numbers.find_entry(hash(&key), |number| *number == gone) {
            number.remove();
        }
        self.first = gone.wrapping_add(1);
    }

    /// Remembers an event id; says how it repeats an earlier one.
    pub fn check(&mut self, key: String, body: u64, now: Timestamp, window: Span) -> Option<Repeat> {
        while let Some(Known { at, .. }) = self.order.front() {
            let full = self.order.len() >= SEEN_MAX;
            if now.since(*at) <= window && !full {
                break;
            }
            self.cut += u64::from(full);
            self.drop_first();
        }
        let is_it = |number: &u32| self.known(*number).is_some_and(|known| *known.key == *key);
        let number = self.numbers.find(hash(&key), is_it).copied();
        match number.and_then(|number| self.known(number)) {
            Some(known) if known.body == body => Some(Repeat::SameEvent),
            Some(_) => Some(Repeat::Conflict),
            None => {
                self.add(Known { at: now, key: key.into(), body });
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_for_their_window_and_the_oldest_go_first() {
        let mut seen = Seen::default();
        let window = Span(1000);
        for n in 0..3000 {
            assert_eq!(seen.check(format!("e{n}"), 1, Timestamp(n), window), None);
        }
        let again = |seen: &mut Seen, n: i64, body| seen.check(format!("e{n}"), body, Timestamp(3000), window);
        assert_eq!(again(&mut seen, 2500, 1), Some(Repeat::SameEvent));
        assert_eq!(again(&mut seen, 2000, 2), Some(Repeat::Conflict));
        let text = serde_json::to_string(&seen).unwrap();
        let mut read: Seen = serde_json::from_str(&text).unwrap();
        assert_eq!(again(&mut read, 2999, 1), Some(Repeat::SameEvent));
        assert_eq!(again(&mut read, 1999, 1), None, "it was forgotten");
        assert_eq!((read.order.len(), read.numbers.len()), (1001, 1001));
        for n in 0..SEEN_MAX {
            seen.check(format!("f{n}"), 1, Timestamp(3001), window);
        }
        assert_eq!((seen.order.len(), seen.numbers.len(), seen.cut), (SEEN_MAX, SEEN_MAX, 999));
    }
}
