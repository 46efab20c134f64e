//! Whether scoring keeps pace: what a point costs, over a few thousand of them. When it is too much, series are judged by the
//! last hours alone for a minute, which costs a fraction; then the model is tried again.

use crate::domain::time::{Span, Timestamp};

/// Points of which the mean is taken.
const POINTS: u64 = 2_000;
/// How long one goes without the model.
const REST: Span = Span::mins(1);

/// What points cost lately.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    points: u64,
    spent_us: u64,
    rests_until: Option<Timestamp>,
    /// How often it was too slow.
    pub rests: u64,
}

impl Pace {
    /// Takes in what so many points cost together, microseconds; `most` is what one may cost, 0 for anything.
    pub fn take(&mut self, points: u64, spent_us: u64, most: u32, now: Timestamp) {
        if most == 0 || self.is_resting(now) {
            return;
        }
        self.points += points;
        self.spent_us += spent_us;
        if self.points < POINTS {
            return;
        }
        if self.spent_us > self.points.saturating_mul(u64::from(most)) {
            self.rests_until = Some(now.plus(REST));
            self.rests += 1;
        }
        (self.points, self.spent_us) = (0, 0);
    }

    /// Whether one goes without the model now.
    pub fn is_resting(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_slow_rests_for_a_minute_and_is_tried_again() {
        let (mut pace, most) = (Pace::default(), 10);
        let at = |secs: i64| Timestamp(secs * 1000);
        pace.take(1999, 1_000_000, most, at(0));
        assert!(!pace.is_resting(at(0)), "few points prove nothing");
        pace.take(1, 0, most, at(1));
        assert!(pace.is_resting(at(1)) && pace.is_resting(at(60)) && !pace.is_resting(at(61)));
        pace.take(5000, 49_000, most, at(62));
        assert!(!pace.is_resting(at(62)) && pace.rests == 1, "{pace:?}");
        pace.take(5000, 9_000_000, 0, at(63));
        assert!(!pace.is_resting(at(63)), "without a limit nothing is too slow");
    }
}
