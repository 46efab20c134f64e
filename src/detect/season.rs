//! What a series is usually like at this time of the day and on this kind of day.
//!
//! A day has 48 half hours; working days, Saturdays and Sundays are told apart once each has been seen often enough. Days are
//! those of UTC: a season does not care when its day begins. Input: readings in order of time. Fails for seasons longer
//! than a week, and for what moves through the day (a job that runs every seven hours).

use crate::domain::time::Timestamp;

const HALF_HOURS: usize = 48;
/// Kinds of days: working days, Saturday, Sunday.
const KINDS: usize = 3;
/// Readings of a half hour without which it says nothing, and those of its kind of day without which all days count.
const SEEN_MIN: f32 = 2.0;
const KIND_SEEN_MIN: f32 = 6.0;
/// The weight of a reading in what a half hour is like, once there are many.
const WEIGHT_MIN: f32 = 0.1;
const HALF_HOUR_MS: i64 = 30 * 60 * 1000;
const DAY_MS: i64 = 48 * HALF_HOUR_MS;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct HalfHour {
    mean: f32,
    seen: f32,
}

impl HalfHour {
    fn add(&mut self, value: f32) {
        self.seen = (self.seen + 1.0).min(1000.0);
        self.mean += (value - self.mean) * (1.0 / self.seen).max(WEIGHT_MIN);
    }
}

/// The usual day of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Season {
    any: [HalfHour; HALF_HOURS],
    of_kind: [[HalfHour; HALF_HOURS]; KINDS],
}

impl Default for Season {
    fn default() -> Self {
        let day = [HalfHour::default(); HALF_HOURS];
        Self { any: day, of_kind: [day; KINDS] }
    }
}

/// The half hour of the day, and the kind of the day.
const fn place(at: Timestamp) -> (usize, usize) {
    let half_hour = at.0.rem_euclid(DAY_MS) / HALF_HOUR_MS;
    // The first of January 1970 was a Thursday.
    let kind = match (at.0.div_euclid(DAY_MS) + 4).rem_euclid(7) {
        0 => 2,
        6 => 1,
        _ => 0,
    };
    (half_hour as usize, kind)
}

impl Season {
    /// The usual reading at this time, once it is known.
    pub fn expected(&self, at: Timestamp) -> Option<f32> {
        let (half_hour, kind) = place(at);
        let of_kind = self.of_kind[kind][half_hour];
        let any = self.any[half_hour];
        if any.seen < SEEN_MIN {
            return None;
        }
        Some(if of_kind.seen >= KIND_SEEN_MIN { of_kind.mean } else { any.mean })
    }

    /// Learns a reading.
    pub fn add(&mut self, at: Timestamp, value: f32) {
        let (half_hour, kind) = place(at);
        self.any[half_hour].add(value);
        self.of_kind[kind][half_hour].add(value);
    }

    fn half_hours(&self) -> impl Iterator<Item = &HalfHour> {
        self.any.iter().chain(self.of_kind.iter().flatten())
    }

    /// Writes it for [`Season::read`].
    pub fn write(&self, out: &mut super::state::Writer<'_>) {
        for half_hour in self.half_hours() {
            out.u16(half_hour.seen as u16);
            if half_hour.seen > 0.0 {
                out.f32(half_hour.mean);
            }
        }
    }

    /// Reads what [`Season::write`] wrote.
    pub fn read(from: &mut super::state::Reader<'_>) -> Option<Self> {
        let mut season = Self::default();
        for half_hour in season.any.iter_mut().chain(season.of_kind.iter_mut().flatten()) {
            half_hour.seen = f32::from(from.u16()?);
            half_hour.mean = if half_hour.seen > 0.0 { from.f32()? } else { 0.0 };
            if !half_hour.mean.is_finite() {
                return None;
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
                season.add(at(day, half_hour), if busy { 100.0 } else { 10.0 });
            }
        }
        let told: Vec<f32> =
            [at(70, 20), at(70, 2), at(75, 20), at(76, 20)].map(|at| season.expected(at).unwrap()).into();
        assert!(told[0] > 95.0 && told[1] < 15.0 && told[2] < 15.0 && told[3] < 15.0, "{told:?}");
    }

    #[test]
    fn the_second_day_knows_the_first() {
        let mut season = Season::default();
        (0..2).for_each(|day| season.add(at(day, 8), 50.0));
        assert_eq!((season.expected(at(2, 8)), season.expected(at(2, 9))), (Some(50.0), None));
    }
}
