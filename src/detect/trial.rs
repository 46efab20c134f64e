//! A metric model that is tried beside the one that is valid: what each of them would have told.

use std::collections::VecDeque;

use super::score::{of_spreads, spreads_of};
use super::stream::Said;
use super::watch::Key;
use crate::domain::series::{Difference, Side, TrialOfSeries};
use crate::domain::time::{Span, Timestamp};

/// Readings within which both mean the same.
const SAME: u32 = 12;
/// Differences that are shown: the newest.
const SHOWN: usize = 50;
const DAY_MS: f64 = 86_400_000.0;

/// Who told something that the other one has not told yet, and at which reading of the series.
pub type Lone = (Side, u32);

/// A reading of which something was said.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub key: Key,
    pub object: &'a str,
    pub name: &'a str,
    pub at: Timestamp,
    pub value: f64,
    /// Which reading of its series it is.
    pub reading: u32,
    /// How long its series usually waits between two.
    pub gap: Option<Span>,
}

/// What came of a trial so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    from: Option<Timestamp>,
    until: Timestamp,
    readings: u64,
    days: f64,
    both: u64,
    only_valid: u64,
    only_tried: u64,
    latest: VecDeque<(Key, Difference)>,
}

impl Tried {
    /// Takes in what both say of a reading.
    pub fn take(&mut self, seen: &Seen<'_>, said: &Said, lone: &mut Option<Lone>) {
        let Some(beside) = said.beside.filter(|_| said.is_mature) else { return };
        self.from = self.from.or(Some(seen.at));
        self.until = self.until.max(seen.at);
        self.readings += 1;
        self.days += seen.gap.map_or(0.0, |gap| gap.0 as f64 / DAY_MS);
        let side = match (said.tells, beside.tells) {
            (false, false) => return,
            (true, true) => {
                self.both += 1;
                *lone = None;
                return;
            }
            (true, false) => Side::Valid,
            (false, true) => Side::Tried,
        };
        if let Some((other, at)) = *lone
            && other != side
            && seen.reading.saturating_sub(at) <= SAME
        {
            *lone = None;
            self.both += 1;
            *self.only(other) -= 1;
            if let Some(place) = self.latest.iter().rposition(|(key, _)| *key == seen.key) {
                self.latest.remove(place);
            }
            return;
        }
        *lone = Some((side, seen.reading));
        *self.only(side) += 1;
        if self.latest.len() == SHOWN {
            self.latest.pop_front();
        }
        let difference = Difference {
            series: hex::encode(seen.key).into(),
            object: seen.object.into(),
            name: seen.name.into(),
            at: seen.at,
            value: seen.value,
            expected: f64::from(said.glance.expected),
            valid_score: of_spreads(spreads_of(said.height)),
            tried_score: of_spreads(spreads_of(beside.height)),
            told_by: side,
        };
        self.latest.push_back((seen.key, difference));
    }

    fn only(&mut self, side: Side) -> &mut u64 {
        match side {
            Side::Valid => &mut self.only_valid,
            Side::Tried => &mut self.only_tried,
        }
    }

    /// For people: the newest differences first.
    pub fn shown(&self) -> TrialOfSeries {
        TrialOfSeries {
            from: self.from,
            until: self.until,
            readings: self.readings,
            series_days: self.days,
            both: self.both,
            only_valid: self.only_valid,
            only_tried: self.only_tried,
            latest: self.latest.iter().rev().map(|(_, difference)| difference.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::judge::Word;
    use crate::detect::pattern::{Glance, View};

    /// What both say at these readings of one series: `v` valid, `t` tried, `b` both, else nobody.
    fn tried(script: &str) -> (u64, u64, u64, usize) {
        let (mut tried, mut lone) = (Tried::default(), None);
        for (n, c) in script.chars().enumerate() {
            let glance = Glance { rarity: 2.0, view: View::Now, expected: 1.0, spread: 1.0 };
            let (tells, beside) = (matches!(c, 'v' | 'b'), matches!(c, 't' | 'b'));
            let word = Some(Word { height: 2.0, tells: beside });
            let said = Said { glance, height: 2.0, tells, beside: word, is_mature: true, is_rare: true };
            let at = Timestamp(n as i64 * 60_000);
            let gap = Some(Span::mins(1));
            let seen = Seen { key: [1; 16], object: "o", name: "n", at, value: 5.0, reading: n as u32, gap };
            tried.take(&seen, &said, &mut lone);
        }
        let shown = tried.shown();
        assert_eq!(shown.readings, script.len() as u64);
        (shown.both, shown.only_valid, shown.only_tried, shown.latest.len())
    }

    #[test]
    fn what_both_tell_within_a_dozen_readings_is_the_same() {
        assert_eq!(tried("..b..."), (1, 0, 0, 0));
        assert_eq!(tried("..v..t.."), (1, 0, 0, 0));
        assert_eq!(tried("..v.............t"), (0, 1, 1, 2));
        assert_eq!(tried("t..t..v"), (1, 0, 1, 1));
    }
}
