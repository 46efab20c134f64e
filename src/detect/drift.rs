//! Whether series still behave as those did by which a model was made: how rare readings are, now and then.
//!
//! A series is measured against its own past, so the shares below hardly depend on what is measured; they change when many
//! series change their ways. The measure is the population stability index: the sum over bins of (p - q) ln(p / q).

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::time::{Span, Timestamp};

/// Digits of rarity at which one bin ends and the next begins.
pub const EDGES: [f32; BINS - 1] = [0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0];
/// Bins.
pub const BINS: usize = 8;
/// Index from which on something has changed; below a tenth nothing has.
pub const DRIFTED_FROM: f64 = 0.25;
/// Readings without which nothing is said.
pub const READINGS_MIN: u64 = 10_000;
/// Hours that count.
const HOURS: usize = 24;
/// A share that is not there is taken for this one.
const SHARE_MIN: f64 = 0.0005;

/// How many readings were how rare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scores(pub [u64; BINS]);

impl Scores {
    /// Counts a reading.
    pub fn add(&mut self, rarity: f32) {
        self.0[EDGES.iter().position(|edge| rarity < *edge).unwrap_or(BINS - 1)] += 1;
    }

    /// Counts others in.
    pub fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, more)| *own += more);
    }

    /// Readings in all.
    pub fn readings(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Their shares, per ten thousand.
    pub fn shares(&self) -> Shares {
        let all = self.readings().max(1);
        Shares(self.0.map(|count| (count * 10_000 / all) as u32))
    }
}

/// Shares of readings, per ten thousand, from usual to rare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Shares(pub [u32; BINS]);

impl Shares {
    /// Whether they are shares of one whole; rounding may lose some.
    pub fn are_whole(&self) -> bool {
        (9_900..=10_000).contains(&self.0.iter().copied().map(u64::from).sum::<u64>())
    }

    /// How far these are from those, by the population stability index: 0 when they are the same.
    pub fn index(&self, other: &Self) -> f64 {
        let share = |n: u32| (f64::from(n) / 10_000.0).max(SHARE_MIN);
        self.0.iter().zip(other.0).map(|(a, b)| (share(*a), share(b))).map(|(p, q)| (p - q) * (p / q).ln()).sum()
    }
}

/// How rare the readings of the last day were.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    hours: VecDeque<(i64, Scores)>,
}

impl Recent {
    /// Counts a reading that came at `now`.
    pub fn add(&mut self, now: Timestamp, rarity: f32) {
        let hour = now.0.div_euclid(Span::hours(1).0);
        match self.hours.back_mut() {
            // A clock that goes back counts in the newest hour.
            Some((last, scores)) if *last >= hour => scores.add(rarity),
            _ => {
                let mut scores = Scores::default();
                scores.add(rarity);
                self.hours.push_back((hour, scores));
            }
        }
        let newest = self.hours.back().map_or(hour, |(last, _)| *last);
        while self.hours.front().is_some_and(|(first, _)| newest - first >= HOURS as i64) {
            self.hours.pop_front();
        }
    }

    /// All of them together.
    pub fn scores(&self) -> Scores {
        let mut all = Scores::default();
        self.hours.iter().for_each(|(_, scores)| all.add_all(scores));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_changed_is_near_and_what_has_is_far() {
        let mut before = Scores::default();
        (0..10_000).for_each(|n| before.add(-(1.0 - (n as f32 + 0.5) / 10_000.0).log10()));
        let shares = before.shares();
        assert!(shares.are_whole() && shares.index(&shares) < 1e-9, "{shares:?}");
        let mut alike = Scores::default();
        (0..9_000).for_each(|n| alike.add(-(1.0 - (n as f32 + 0.5) / 9_100.0).log10()));
        assert!(shares.index(&alike.shares()) < 0.1, "{:?}", alike.shares());
        let mut other = Scores::default();
        (0..10_000).for_each(|n| other.add(if n % 3 == 0 { 1.7 } else { 0.2 }));
        assert!(shares.index(&other.shares()) > DRIFTED_FROM);
    }

    #[test]
    fn only_the_last_day_counts() {
        let mut recent = Recent::default();
        let at = |hour: i64| Timestamp(hour * 3_600_000 + 5);
        (0..30).for_each(|hour| recent.add(at(hour), 0.0));
        assert_eq!((recent.scores().readings(), recent.hours.len()), (24, 24));
        recent.add(at(10), 3.0);
        assert_eq!(recent.scores().0, [24, 0, 0, 0, 0, 0, 0, 1], "a clock that goes back loses nothing");
    }
}
