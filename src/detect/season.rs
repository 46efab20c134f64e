//! What a series is usually like at this time of the day and on this kind of day.
//!
//! A day has 48 half hours; working days, Saturdays and Sundays are told apart once each has been seen often enough. Days are
//! those of UTC: a season does not care when its day begins. Input: readings in order of time. Fails for seasons longer
//! than a week, and for what moves through the day (a job that runs every seven hours).

use crate::domain::time::{Span, Timestamp};

const HALF_HOURS: usize = 48;
/// Kinds of days: working days, Saturday, Sunday.
const KINDS: usize = 3;
/// Readings of a half hour without which it says nothing, and those of its kind of day without which all days count.
const SEEN_MIN: u8 = 2;
const KIND_SEEN_MIN: u8 = 6;
/// The weight of a reading in what a half hour is like, once there are many.
const WEIGHT_MIN: f32 = 0.1;
/// Readings that are so far apart have that weight; closer ones have less.
const WHOLE_WEIGHT: Span = Span::mins(5);
const HALF_HOUR_MS: i64 = 30 * 60 * 1000;
const DAY_MS: i64 = 48 * HALF_HOUR_MS;

/// The half hours of any day, and behind them those of each kind of day.
const PLACES: usize = HALF_HOURS * (1 + KINDS);

/// The usual day of a series: what its half hours are like, and how often each was seen, up to 255.
#[derive(Clone, Debug, PartialEq)]
pub struct Season {
    means: [f32; PLACES],
    seen: [u8; PLACES],
}

impl Default for Season {
    fn default() -> Self {
        Self { means: [0.0; PLACES], seen: [0; PLACES] }
    }
}

/// The places of a time: of its half hour on any day, and on its kind of day.
const fn places(at: Timestamp) -> [usize; 2] {
    let half_hour = at.0.rem_euclid(DAY_MS) / HALF_HOUR_MS;
    // The first of January 1970 was a Thursday.
    let kind = match (at.0.div_euclid(DAY_MS) + 4).rem_euclid(7) {
        0 => 3,
        6 => 2,
        _ => 1,
    };
    [half_hour as usize, kind * HALF_HOURS + half_hour as usize]
}

impl Season {
    /// The usual reading at this time, once it is known.
    pub fn expected(&self, at: Timestamp) -> Option<f32> {
        let [any, of_kind] = places(at);
        if self.seen[any] < SEEN_MIN {
            return None;
        }
        Some(self.means[if self.seen[of_kind] >= KIND_SEEN_MIN { of_kind } else { any }])
    }

    /// Learns a reading that came so long after the one before: many readings of one half hour are not many days.
    pub fn add(&mut self, at: Timestamp, gap: Span, value: f32) {
        let least = WEIGHT_MIN * (gap.0.clamp(0, WHOLE_WEIGHT.0) as f32 / WHOLE_WEIGHT.0 as f32);
        for place in places(at) {
            self.seen[place] = self.seen[place].saturating_add(1);
            let weight = (1.0 / f32::from(self.seen[place])).max(least);
            self.means[place] += (value - self.means[place]) * weight;
        }
    }

    /// Writes it for [`Season::read`].
    pub fn write(&self, out: &mut super::state::Writer<'_>) {
        for (mean, seen) in self.means.iter().zip(self.seen) {
            out.u8(seen);
            if seen > 0 {
                out.f32(*mean);
            }
        }
    }

    /// Reads what [`Season::write`] wrote.
    pub fn read(from: &mut super::state::Reader<'_>) -> Option<Self> {
        let mut season = Self::default();
        for (mean, seen) in season.means.iter_mut().zip(&mut season.seen) {
            *seen = from.u8()?;
            if *seen > 0 {
                *mean = from.finite()?;
            }
        }
        Some(season)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64, half_hour: i64) -> Timestamp {
        // A Monday.
        Timestamp(1_704_067_200_000 + day * DAY_MS + half_hour * HALF_HOUR_MS)
    }

    #[test]
    fn nights_weekends_and_working_days_are_told_apart() {
        let mut season = Season::default();
        assert_eq!(season.expected(at(0, 20)), None);
        for day in 0..70 {
            for half_hour in 0..48 {
                let busy = (16..36).contains(&half_hour) && day % 7 < 5;
                season.add(at(day, half_hour), Span::mins(30), if busy { 100.0 } else { 10.0 });
            }
        }
        let told: Vec<f32> =
            [at(70, 20), at(70, 2), at(75, 20), at(76, 20)].map(|at| season.expected(at).unwrap()).into();
        assert!(told[0] > 95.0 && told[1] < 15.0 && told[2] < 15.0 && told[3] < 15.0, "{told:?}");
    }

    #[test]
    fn the_second_day_knows_the_first() {
        let mut season = Season::default();
        (0..2).for_each(|day| season.add(at(day, 8), Span::hours(24), 50.0));
        assert_eq!((season.expected(at(2, 8)), season.expected(at(2, 9))), (Some(50.0), None));
    }
}
