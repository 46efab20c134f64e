//! Pairs: which alert types begin together where the CMDB knows neither object, counted while running. Two types that
//! were never seen together before are joined by nothing but a rule.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::alert::Spot;
use super::cell::Cell;
use super::kin::AROUND;
use super::slab::Place;
use crate::domain::time::Timestamp;

/// Pairs that are counted at once.
const PAIRS_MAX: usize = 20_000;

/// How often two types began together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    types: (u32, u32),
    /// What begins within [`AROUND`] of the last time is the same occasion.
    occasions: u32,
    last: Timestamp,
}

/// Occasions by pair of types. Bounded: when it is full, all counts are halved and what was seen once goes.
#[derive(Clone, Debug, Default)]
pub struct Pairs(BTreeMap<(u32, u32), Pair>);

impl Pairs {
    /// How often these types began together.
    pub fn occasions(&self, a: u32, b: u32) -> u32 {
        self.0.get(&(a.min(b), a.max(b))).map_or(0, |pair| pair.occasions)
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn note(&mut self, a: u32, b: u32, now: Timestamp) {
        let types = (a.min(b), a.max(b));
        if self.0.len() >= PAIRS_MAX && !self.0.contains_key(&types) {
            self.0.retain(|_, pair| {
                pair.occasions /= 2;
                pair.occasions > 0
            });
        }
        let pair = self.0.entry(types).or_insert(Pair { types, occasions: 0, last: now });
        if pair.occasions == 0 || now.since(pair.last) > AROUND {
            pair.occasions += 1;
        }
        pair.last = now;
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values())
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<Pair>::deserialize(deserializer)?;
        Ok(Self(pairs.into_iter().map(|pair| (pair.types, pair)).collect()))
    }
}

impl Cell {
    /// Counts with which types a fresh alert on an object that no CMDB knows begins.
    pub fn note_pairs(&mut self, place: Place) {
        let alert = &self.alerts[place];
        if !matches!(alert.spot, Spot::Object(_)) || !self.asks() {
            return;
        }
        let (kind, onset) = (alert.kind, self.onset(alert));
        let near = |other: &Place| {
            let other = self.alerts.get(*other)?;
            (self.onset(other).since(onset).0.abs() <= AROUND.0).then_some(other.kind)
        };
        let mut kinds: Vec<u32> = self.beside.iter().filter_map(near).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let now = self.now;
        for other in kinds {
            self.pairs.note(kind, other, now);
        }
    }

    /// How often an alert's type began together with one of these, at most.
    pub fn together(&self, place: Place, others: impl Iterator<Item = Place>) -> u32 {
        let kind = self.alerts[place].kind;
        others.map(|other| self.pairs.occasions(kind, self.alerts[other].kind)).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Span;

    #[test]
    fn one_burst_is_one_occasion_and_the_count_is_bounded() {
        let mut pairs = Pairs::default();
        let at = |mins: i64| Timestamp(1_000_000_000_000).plus(Span::mins(mins));
        for mins in [0, 1, 2, 60, 61, 600] {
            pairs.note(7, 3, at(mins));
        }
        assert_eq!((pairs.occasions(3, 7), pairs.occasions(7, 3), pairs.occasions(3, 4)), (3, 3, 0));
        let written = serde_json::to_string(&pairs).unwrap();
        assert_eq!(serde_json::from_str::<Pairs>(&written).unwrap().0, pairs.0);
        for other in 0..PAIRS_MAX as u32 + 10 {
            pairs.note(10, 100 + other, at(0));
        }
        assert!(pairs.0.len() <= PAIRS_MAX && pairs.occasions(3, 7) == 1, "what is rare goes first");
    }
}
