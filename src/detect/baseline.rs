//! What is usual for a series: a centre and a spread that a few odd readings do not move.
//!
//! The spread is the largest of three: the median distance from the centre (as for a normal distribution), the tail
//! (the distance that one reading in twenty exceeds), and the least distance that matters at all for such a series. The
//! tail keeps series quiet that have always jumped; the least distance keeps those quiet that never moved.
//! Input: readings of a time without a known fault, at least one. Parameters: the least distances below, by what the numbers are; the
//! same for all series. Fails where a series has a season longer than that
//! time: what comes every night is unusual to a baseline of the afternoon.

use crate::domain::point::{Measure, Worse};

/// A level is not told apart from its centre by less than this part of it.
const AMOUNT_LEAST: f64 = 0.1;
/// A share is not told apart from its centre by less than this.
const SHARE_LEAST: f64 = 0.005;
/// Nor how much is used of a limit by less than this.
const USAGE_LEAST: f64 = 0.03;
/// A spread of one reading is this much wider than one of many.
const FEW_READINGS: f64 = 10.0;
/// From the median distance to a standard deviation, and from the distance of the 95th of a hundred.
const MEDIAN_TO_DEVIATION: f64 = 1.4826;
const TAIL: f64 = 0.95;
const TAIL_TO_DEVIATION: f64 = 1.0 / 1.645;
/// Readings from which on there is a tail.
const TAIL_READINGS: usize = 5;
/// Readings of a window from which on a single one proves nothing.
const SUSTAINED_READINGS: usize = 3;

/// What is usual for a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    measure: Measure,
    centre: f64,
    spread: f64,
}

impl Baseline {
    /// Learns from readings; what is not a finite number does not count. `None` when nothing is left, and for a level
    /// that was always nothing: how much of it matters is not known.
    pub fn of(readings: &[f64], measure: Measure) -> Option<Self> {
        let sorted = sorted(readings.iter().copied());
        let centre = quantile(&sorted, 0.5)?;
        let distances = self::sorted(sorted.iter().map(|reading| (reading - centre).abs()));
        let many = sorted.len() as f64;
        let middle = quantile(&distances, 0.5)? * MEDIAN_TO_DEVIATION;
        let tail = if sorted.len() < TAIL_READINGS { 0.0 } else { quantile(&distances, TAIL)? * TAIL_TO_DEVIATION };
        let seen = middle.max(tail);
        let few = 1.0 + FEW_READINGS / many;
        let spread = match measure {
            Measure::Amount => seen.max(AMOUNT_LEAST * centre.abs()) * few,
            Measure::Share => seen.max(SHARE_LEAST) * few,
            Measure::Usage => seen.max(USAGE_LEAST) * few,
            // Counts vary by their root, and so does what is known of their centre.
            Measure::Count => seen.max(((centre.abs() + 1.0) * (1.0 + 1.0 / many)).sqrt()),
        };
        (spread > 0.0).then_some(Self { measure, centre, spread })
    }

    /// The usual reading.
    pub const fn centre(&self) -> f64 {
        self.centre
    }

    /// How far readings usually lie from it.
    pub const fn spread(&self) -> f64 {
        self.spread
    }

    /// The least distance from the centre that matters at all.
    pub fn least(&self) -> f64 {
        match self.measure {
            Measure::Amount => AMOUNT_LEAST * self.centre.abs(),
            Measure::Share => SHARE_LEAST,
            Measure::Usage => USAGE_LEAST,
            Measure::Count => (self.centre.abs() + 1.0).sqrt(),
        }
    }

    /// How many spreads a reading lies above the centre (negative: below).
    pub fn deviation(&self, reading: f64) -> f64 {
        (reading - self.centre) / self.spread
    }

    /// How many spreads a window of readings lies to the worse side, and the reading that says so: the second worst one,
    /// because a single one proves nothing; of one or two readings the milder one. Counts are taken together. `None`
    /// without readings.
    pub fn sustained(&self, window: &[f64], worse: Worse) -> Option<(f64, f64)> {
        let readings: Vec<f64> = window.iter().copied().filter(|reading| reading.is_finite()).collect();
        if self.measure == Measure::Count && !readings.is_empty() {
            let mean = readings.iter().sum::<f64>() / readings.len() as f64;
            return Some((to_worse(worse, self.deviation(mean)) * (readings.len() as f64).sqrt(), mean));
        }
        let mut told: Vec<(f64, f64)> = readings.into_iter().map(|r| (to_worse(worse, self.deviation(r)), r)).collect();
        told.sort_by(|a, b| b.0.total_cmp(&a.0));
        if told.len() >= SUSTAINED_READINGS { told.get(1).copied() } else { told.last().copied() }
    }
}

/// A deviation, positive to the worse side.
fn to_worse(worse: Worse, deviation: f64) -> f64 {
    match worse {
        Worse::Up => deviation,
        Worse::Down => -deviation,
        Worse::Either => deviation.abs(),
    }
}

fn sorted(readings: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = readings.filter(|reading| reading.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The reading below which a share of them lies, between two neighbours in proportion.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * sorted.len().checked_sub(1)? as f64;
    let (low, part) = (sorted[at as usize], at.fract());
    let high = sorted.get(at as usize + 1).copied().unwrap_or(low);
    Some(low + part * (high - low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(centre: f64, many: usize) -> Vec<f64> {
        (0..many).map(|n| centre * (1.0 + 0.02 * ((n * 7 % 11) as f64 - 5.0) / 5.0)).collect()
    }

    #[test]
    fn a_few_outliers_do_not_widen_what_is_usual_but_a_habit_of_jumping_does() {
        let calm = Baseline::of(&around(10.0, 100), Measure::Amount).unwrap();
        let mut outliers = around(10.0, 100);
        outliers[..3].fill(500.0);
        let same = Baseline::of(&outliers, Measure::Amount).unwrap();
        assert!(calm.deviation(20.0) > 8.0 && same.deviation(20.0) > 8.0, "{calm:?} {same:?}");
        let mut jumps = around(10.0, 100);
        jumps.iter_mut().step_by(10).for_each(|reading| *reading = 20.0);
        assert!(Baseline::of(&jumps, Measure::Amount).unwrap().deviation(20.0) < 2.0);
    }

    #[test]
    fn a_series_that_never_moved_needs_more_than_a_ripple() {
        let still = Baseline::of(&[0.0; 60], Measure::Share).unwrap();
        assert!(still.deviation(0.004) < 1.0 && still.deviation(0.05) > 5.0);
        let level = Baseline::of(&[50.0; 60], Measure::Amount).unwrap();
        assert!(level.deviation(54.0) < 1.0 && level.deviation(100.0) > 5.0);
    }

    #[test]
    fn one_reading_is_known_less_well_than_many() {
        let one = Baseline::of(&[10.0], Measure::Amount).unwrap();
        let many = Baseline::of(&[10.0; 100], Measure::Amount).unwrap();
        assert!(one.deviation(20.0) < 1.0 && many.deviation(20.0) > 9.0);
        assert_eq!(Baseline::of(&[f64::NAN], Measure::Amount), None);
        assert_eq!(Baseline::of(&[0.0; 9], Measure::Amount), None, "how much matters is not known");
    }

    #[test]
    fn a_single_spike_is_nothing_and_what_stays_is() {
        let usual = Baseline::of(&around(10.0, 100), Measure::Amount).unwrap();
        let spike = usual.sustained(&[10.0, 90.0, 10.0, 10.1], Worse::Up).unwrap().0;
        let stays = usual.sustained(&[10.0, 90.0, 80.0, 10.1], Worse::Up).unwrap();
        assert!(spike < 1.0 && stays.0 > 50.0 && stays.1 == 80.0);
        assert!(usual.sustained(&[10.0, 2.0, 2.0], Worse::Up).unwrap().0 < 0.1);
        assert!(usual.sustained(&[10.0, 2.0, 2.0], Worse::Down).unwrap().0 > 5.0);
        let errors = Baseline::of(&[0.0; 3], Measure::Count).unwrap();
        assert!(errors.sustained(&[0.0, 9.0, 9.0], Worse::Up).unwrap().0 > 8.0, "counts are taken together");
        assert_eq!(usual.sustained(&[f64::NAN], Worse::Up), None);
    }
}
