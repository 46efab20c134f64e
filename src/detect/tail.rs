//! How rare a number is among those that came before it: a histogram of sizes, and beyond its end a guess.
//!
//! Sizes are counted in steps of a quarter octave, so that one histogram of a fixed size serves whatever the unit is. Old
//! counts fade by halves. Input: numbers of at least zero. Fails where sizes of one step differ in what they mean.

/// Steps of the histogram.
const STEPS: usize = 96;
/// Steps per doubling, and the step of size one.
const PER_OCTAVE: f32 = 4.0;
const ONE_AT: f32 = 32.0;
/// Numbers before which nothing is rare.
const KNOWN_FROM: u16 = 20;
/// Numbers at which all counts are halved.
const KEPT: u16 = 8000;
/// A number is as rare as those that are at least this part of it.
const ALIKE: f32 = 0.85;
/// What is larger than everything before is rarer by its natural logarithm, up to this.
const BEYOND_MAX: f32 = 2.0;

/// What sizes came, how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    counts: [u16; STEPS],
    all: u16,
    top: f32,
}

impl Default for Tail {
    fn default() -> Self {
        Self { counts: [0; STEPS], all: 0, top: 1e-6 }
    }
}

fn step(size: f32) -> usize {
    let at = (size.max(1e-9).log2() * PER_OCTAVE + ONE_AT).max(0.0);
    (at as usize).min(STEPS - 1)
}

impl Tail {
    /// How rare a number is, as minus the decimal logarithm of the share of those like it or larger; then it counts, too.
    /// What is not a finite number is nothing.
    pub fn take(&mut self, size: f32) -> f32 {
        if !size.is_finite() || size < 0.0 {
            return 0.0;
        }
        let rarity = if size > 0.0 { self.rarity(size) } else { 0.0 };
        self.all += 1;
        self.counts[step(size)] += 1;
        self.top = self.top.max(size);
        if self.all >= KEPT {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.all = self.counts.iter().sum();
        }
        rarity
    }

    fn rarity(&self, size: f32) -> f32 {
        if self.all < KNOWN_FROM {
            return 0.0;
        }
        let alike: u32 = self.counts[step(size * ALIKE)..].iter().copied().map(u32::from).sum();
        let share = (alike as f32 + 0.5) / (f32::from(self.all) + 1.0);
        let beyond = if size > self.top { (size / self.top).ln().min(BEYOND_MAX) } else { 0.0 };
        beyond - share.min(1.0).log10()
    }

    /// Writes it for [`Tail::read`].
    pub fn write(&self, out: &mut super::state::Writer<'_>) {
        out.u16(self.all);
        out.f32(self.top);
        // Most steps are empty: pairs of step and count.
        let filled = self.counts.iter().filter(|count| **count > 0).count();
        out.u8(filled as u8);
        for (at, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            out.u8(at as u8);
            out.u16(*count);
        }
    }

    /// Reads what [`Tail::write`] wrote; `None` when it is no such thing.
    pub fn read(from: &mut super::state::Reader<'_>) -> Option<Self> {
        let (all, top) = (from.u16()?, from.f32()?);
        let mut counts = [0; STEPS];
        for _ in 0..from.u8()? {
            let at = usize::from(from.u8()?);
            *counts.get_mut(at)? = from.u16()?;
        }
        let sum: u32 = counts.iter().copied().map(u32::from).sum();
        (sum == u32::from(all) && all < KEPT && top.is_finite()).then_some(Self { counts, all, top })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_as_large_is_rare_and_what_comes_often_is_not() {
        let mut tail = Tail::default();
        for n in 0..1000 {
            tail.take(1.0 + (n % 10) as f32 / 10.0);
        }
        assert!(tail.rarity(1.5) < 0.5 && tail.rarity(3.0) > 3.0);
        let once = tail.take(9.0);
        let again = tail.take(9.0);
        assert!(once > again && again > 2.5, "{once} {again}");
        for _ in 0..100 {
            tail.take(9.0);
        }
        assert!(tail.take(9.0) < 1.2, "a habit is not rare");
    }

    #[test]
    fn odd_numbers_are_nothing_and_few_numbers_say_nothing() {
        let mut tail = Tail::default();
        assert_eq!((tail.take(f32::NAN), tail.take(-1.0), tail.all), (0.0, 0.0, 0));
        for _ in 0..19 {
            tail.take(1.0);
        }
        assert_eq!(tail.take(1e9), 0.0);
    }

    #[test]
    fn old_counts_fade() {
        let mut tail = Tail::default();
        for _ in 0..20_000 {
            tail.take(1.0);
        }
        assert!(tail.all < KEPT && tail.all >= KEPT / 2);
    }
}
