//! A series that stands still though it never did: its sender repeats itself, or what is measured has died.

use super::state::{Reader, Writer};

/// The weight of a reading in how often the series moves, and how often it can be said to move at most.
const WEIGHT: f32 = 0.01;
const MOVES_MAX: f32 = 0.95;
/// Readings before which nothing is said.
const KNOWN_FROM: u32 = 100;
/// A run of equal readings is told when chance gives one so long less often than once in ten to this power.
const DIGITS: f32 = 20.0;

/// How often a series moves, and how long it has stood still.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flat {
    last: f32,
    readings: u32,
    run: u32,
    moves: f32,
}

impl Flat {
    /// Takes a reading; whether the series stands still now.
    pub fn take(&mut self, value: f64) -> bool {
        let value = value as f32;
        self.readings = self.readings.saturating_add(1);
        if self.readings == 1 || value != self.last {
            // The run that has ended says how often it moves; while it stands still nothing is learned of that.
            let still = self.run as f32;
            self.moves *= (1.0 - WEIGHT).powf(still.min(1000.0));
            self.moves += (1.0 - self.moves) * WEIGHT.max(1.0 / self.readings as f32);
            (self.last, self.run) = (value, 0);
            return false;
        }
        self.run = self.run.saturating_add(1);
        self.readings > KNOWN_FROM + self.run && self.run as f32 * -(1.0 - self.moves.min(MOVES_MAX)).log10() >= DIGITS
    }

    /// Writes it for [`Flat::read`].
    pub fn write(&self, out: &mut Writer<'_>) {
        out.f32(self.last);
        out.u32(self.readings);
        out.u32(self.run);
        out.f32(self.moves);
    }

    /// Reads what [`Flat::write`] wrote.
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { last: from.finite()?, readings: from.u32()?, run: from.u32()?, moves: from.finite()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_always_moved_and_stands_still_is_told_and_a_quiet_one_is_not() {
        let mut flat = Flat::default();
        assert!(!(0..300).any(|n| flat.take(f64::from(n * 7 % 13))));
        let told = (0..40).position(|_| flat.take(5.0));
        assert!(told.is_some_and(|n| (15..25).contains(&n)), "{told:?}");
        assert!(!flat.take(6.0));
        let mut errors = Flat::default();
        let often = |n: i32| f64::from(u8::from(n % 50 == 0));
        assert!(!(0..3000).any(|n| errors.take(often(n))), "errors that are nearly always none");
    }
}
