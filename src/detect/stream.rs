//! A series and its bar: readings in, scores out, and the moments that are worth telling.

use serde::{Deserialize, Serialize};

use super::bar::{Bar, ECHO, Numbers};
use super::pattern::{Glance, Pattern, View};
use super::state::{Reader, Writer};
use crate::domain::time::Timestamp;

/// How many of the last readings must be above the bar: one alone proves little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What is told, and how soon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ear {
    pub trigger: Trigger,
    /// The height from which on a rare reading is told, in bars that no alarm has raised.
    pub height_from: f32,
    pub numbers: Numbers,
}

impl Default for Ear {
    fn default() -> Self {
        Self { trigger: Trigger::default(), height_from: 1.5, numbers: Numbers::default() }
    }
}

impl Ear {
    /// Each reading above the bar is told at once.
    pub fn each() -> Self {
        Self { trigger: Trigger { of: 1, last: 1 }, height_from: 1.0, numbers: Numbers::default() }
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
}

/// One series with its bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    pattern: Pattern,
    bar: Bar,
    hits: u8,
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
        let Ear { trigger, height_from, numbers } = ear;
        self.bar.pass(&numbers);
        let height = self.bar.height(glance.rarity, &numbers);
        let is_high = height >= 1.0 && glance.rarity >= height_from * numbers.told_from;
        let hits = is_mature && is_high && counts(&glance);
        self.hits = self.hits << 1 | u8::from(hits);
        let tells = hits && trigger.is_met(self.hits);
        if tells {
            self.bar.told(glance.rarity, &numbers);
            self.hits = 0;
        }
        Said { glance, height: if hits { height } else { height.min(ECHO) }, tells }
    }

    /// Writes it for [`Stream::read`].
    pub fn write(&self, out: &mut Writer<'_>) {
        self.pattern.write(out);
        self.bar.write(out);
        out.u8(self.hits);
    }

    /// Reads what [`Stream::write`] wrote.
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { pattern: Pattern::read(from)?, bar: Bar::read(from)?, hits: from.u8()? })
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
        let each = Ear::each().trigger;
        assert!(each.is_met(1) && !each.is_met(0b10));
        assert!(!Trigger { of: 0, last: 0 }.is_met(0), "nothing is told of nothing");
    }
}
