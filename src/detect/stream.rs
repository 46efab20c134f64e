//! A series and its bar: readings in, scores out, and the moments that are worth telling.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bar::Numbers;
use super::judge::{Judge, Rule, Word};
use super::pattern::{Glance, Pattern, View};
use super::state::{Reader, Writer};
use crate::domain::time::Timestamp;

/// How many of the last readings must be above the bar: one alone proves little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Trigger {
    /// So many …
    pub of: u8,
    /// … of the last so many, 8 at most.
    pub last: u8,
}

impl Default for Trigger {
    fn default() -> Self {
        Self { of: 2, last: 3 }
    }
}

/// By what a series is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ear {
    pub rule: Rule,
    /// The numbers of a model that is tried beside, and which trial it is.
    pub beside: Option<(u64, Numbers)>,
    pub by: Basis,
}

/// What of a series is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Its pattern and the last hours.
    Model,
    /// The last hours alone: there is no model that can be used, or no time for it.
    Hours,
}

impl Default for Ear {
    fn default() -> Self {
        Self::of(Numbers::default())
    }
}

impl Ear {
    /// By these numbers, else as by default.
    pub fn of(numbers: Numbers) -> Self {
        let rule = Rule { trigger: Trigger::default(), height_from: 1.5, numbers };
        Self { rule, beside: None, by: Basis::Model }
    }

    /// Each reading above the bar is told at once.
    pub fn each() -> Self {
        let rule = Rule { trigger: Trigger { of: 1, last: 1 }, height_from: 1.0, numbers: Numbers::default() };
        Self { rule, beside: None, by: Basis::Model }
    }
}

impl Trigger {
    /// Whether so many bits of the newest readings are set.
    pub fn is_met(self, hits: u8) -> bool {
        let last = hits & (u8::MAX >> (8 - self.last.clamp(1, 8)));
        last.count_ones() >= u32::from(self.of.max(1))
    }
}

/// What a reading says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    pub glance: Glance,
    /// How high above its bar, 1 being just as high.
    pub height: f32,
    /// Whether it is to be told now.
    pub tells: bool,
    /// What the model that is tried says of it.
    pub beside: Option<Word>,
    /// Whether enough is known of the series to judge.
    pub is_mature: bool,
    /// Whether it is above the bar at all, so that what another opinion tells may begin.
    pub is_rare: bool,
}

/// One series with its bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    pattern: Pattern,
    judge: Judge,
    /// The bar of the model that is tried, and of which trial it is.
    beside: Option<(u64, Judge)>,
}

impl Stream {
    /// What is known of the series.
    pub const fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Takes a reading. `counts` says whether what is rare about it matters to anybody.
    pub fn take(&mut self, at: Timestamp, value: f64, ear: Ear, counts: impl Fn(&Glance) -> bool) -> Said {
        self.take_without(at, value, ear, counts, &[])
    }

    /// Takes a reading, with some views left out.
    pub fn take_without(
        &mut self,
        at: Timestamp,
        value: f64,
        ear: Ear,
        counts: impl Fn(&Glance) -> bool,
        left_out: &[View],
    ) -> Said {
        let is_mature = self.pattern.is_mature();
        let glance = self.pattern.take_without(at, value, left_out);
        let counts = is_mature && counts(&glance);
        let beside = self.beside(&glance, &ear, counts);
        let is_rare = is_mature && self.judge.is_rare(&glance, &ear.rule);
        let Word { height, tells } = self.judge.take(&glance, &ear.rule, counts);
        Said { glance, height, tells, beside, is_mature, is_rare }
    }

    /// Another opinion has told it: that raises the bar as an alarm of the pattern does.
    pub fn is_told(&mut self, rarity: f32, numbers: &Numbers) {
        self.judge.is_told(rarity, numbers);
    }

    /// What the model that is tried says. It begins where the one that is valid stands.
    fn beside(&mut self, glance: &Glance, ear: &Ear, counts: bool) -> Option<Word> {
        let Some((trial, numbers)) = ear.beside else {
            self.beside = None;
            return None;
        };
        let own = self.judge;
        let (_, judge) = match &mut self.beside {
            Some(known) if known.0 == trial => known,
            other => other.insert((trial, own)),
        };
        Some(judge.take(glance, &Rule { numbers, ..ear.rule }, counts))
    }

    /// Writes it for [`Stream::read`]. What is tried beside begins anew.
    pub fn write(&self, out: &mut Writer<'_>) {
        self.pattern.write(out);
        self.judge.write(out);
    }

    /// Reads what [`Stream::write`] wrote.
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { pattern: Pattern::read(from)?, judge: Judge::read(from)?, beside: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_the_last_readings_tell() {
        let two_of_three = Trigger::default();
        for (hits, told) in [(0b001, false), (0b011, true), (0b101, true), (0b1001, false), (0b111, true)] {
            assert_eq!(two_of_three.is_met(hits), told, "{hits:b}");
        }
        let each = Ear::each().rule.trigger;
        assert!(each.is_met(1) && !each.is_met(0b10));
        assert!(!Trigger { of: 0, last: 0 }.is_met(0), "nothing is told of nothing");
    }

    #[test]
    fn what_is_tried_beside_has_a_bar_of_its_own_and_changes_nothing() {
        let loud = Numbers { told_from: 0.9, ..Numbers::default() };
        let ear = |beside| Ear { beside, ..Ear::each() };
        let (mut alone, mut tried) = (Stream::default(), Stream::default());
        let (mut told, mut beside) = (0, 0);
        for n in 0..3000i64 {
            let value = ((n * 7919) % 101) as f64 + if n % 700 == 699 { 400.0 } else { 0.0 };
            let at = Timestamp(n * 300_000);
            let one = alone.take(at, value, ear(None), |_| true);
            let trial = if n < 1000 { None } else { Some((7, loud)) };
            let two = tried.take(at, value, ear(trial), |_| true);
            assert_eq!((one.height.to_bits(), one.tells), (two.height.to_bits(), two.tells), "reading {n}");
            assert_eq!(two.beside.is_some(), n >= 1000);
            told += u32::from(two.tells && n >= 1000);
            beside += u32::from(two.beside.is_some_and(|word| word.tells));
        }
        assert!(beside > told, "a lower bar tells more: {beside} and {told}");
        // Another trial begins where what is valid stands.
        let at = Timestamp(3000 * 300_000);
        let anew = tried.take(at, 500.0, ear(Some((8, Numbers::default()))), |_| true);
        assert_eq!(anew.beside, Some(Word { height: anew.height, tells: anew.tells }));
    }
}
