//! What people are shown as usual for a series, in its chart and in what is told of it: a line that no anomaly draws towards
//! itself. Nothing is judged by it.
//!
//! Before a usual day is known it is the level of the last hours, which does not learn while the series is unusual. Then it is
//! the usual day as it was when the half hour began, that is, of the days before. A level that stays is what is usual after as
//! many readings as the last hours have: from then on the last hours say it, until the usual day has seen it, too.

use super::baseline::Baseline;
use super::state::{Reader, Writer};
use crate::domain::time::{Span, Timestamp};

const HALF_HOUR_MS: i64 = 30 * 60 * 1000;
/// How long the last hours say it after a new level was accepted: as long as a day is learned at first.
const SETTLED_FOR: Span = Span::hours(48);

/// What is usual, and how far readings usually are from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usual {
    pub centre: f32,
    pub spread: f32,
}

/// What is expected of a series.
#[derive(Debug)]
pub struct Expected {
    half_hour: i64,
    /// What the days before have at this time.
    of_day: Option<f32>,
    settled_until: Timestamp,
}

impl Default for Expected {
    fn default() -> Self {
        Self { half_hour: i64::MIN, of_day: None, settled_until: Timestamp(i64::MIN) }
    }
}

impl Expected {
    /// A reading comes; `of_day` is what every day had at this time before it.
    pub fn enter(&mut self, at: Timestamp, of_day: Option<f32>) {
        let half_hour = at.0.div_euclid(HALF_HOUR_MS);
        if half_hour != self.half_hour {
            (self.half_hour, self.of_day) = (half_hour, of_day);
        }
    }

    /// A level that stayed is what is usual now.
    pub fn settle(&mut self, at: Timestamp) {
        self.settled_until = at.plus(SETTLED_FOR);
    }

    /// The level that was accepted is left again: the usual day says what is usual.
    pub fn unsettle(&mut self) {
        self.settled_until = Timestamp(i64::MIN);
    }

    /// Writes until when a new level is what is usual, for [`Expected::read`]. The usual day is asked again.
    pub fn write(&self, out: &mut Writer<'_>) {
        out.i64(self.settled_until.0);
    }

    /// Reads what [`Expected::write`] wrote.
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { settled_until: Timestamp(from.i64()?), ..Self::default() })
    }

    /// What is usual at this time. `hours` is what the last hours say, `past` their readings, for a series of which nothing
    /// else is known; `of_pattern` how far readings usually are from the usual day.
    pub fn usual(
        &self,
        at: Timestamp,
        hours: Option<&Baseline>,
        past: impl Iterator<Item = f32>,
        of_pattern: f32,
    ) -> Option<Usual> {
        let spread = hours.map_or(0.0, |hours| hours.spread() as f32);
        if let Some(centre) = self.of_day.filter(|_| at >= self.settled_until) {
            return Some(Usual { centre, spread: spread.max(of_pattern) });
        }
        if let Some(hours) = hours {
            return Some(Usual { centre: hours.centre() as f32, spread });
        }
        let (sum, many) = past.fold((0.0, 0.0), |(sum, many), value| (sum + value, many + 1.0));
        (many > 0.0).then_some(Usual { centre: sum / many, spread: 0.0 })
    }
}
