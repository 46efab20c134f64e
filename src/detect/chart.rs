//! The last readings of a series as its chart shows them.

use super::expected::Usual;
use super::ring::Ring;
use super::score::of_spreads;
use crate::domain::series::{Opinion, Sample};
use crate::domain::time::Timestamp;

/// Readings that a chart shows.
pub const CHART: usize = 120;

/// How a series was at a reading, in a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum State {
    #[default]
    Usual,
    Unusual,
    /// A level that stayed is what is usual from here on.
    Settled,
}

/// A reading as it is kept.
#[derive(Clone, Copy, Debug, Default)]
struct Dot {
    /// Seconds since 1970, good until 2106.
    at_secs: u32,
    value: f32,
    usual: Usual,
    score: u16,
    by: Opinion,
    state: State,
}

/// The chart.
#[derive(Debug, Default)]
pub struct Chart(Ring<Dot, CHART>);

impl Chart {
    /// Takes a reading: what was usual, the spreads by which the last hours and the pattern say that it is not.
    pub fn draw(&mut self, (at, value): (Timestamp, f64), usual: Usual, (hours, pattern): (f64, f64), state: State) {
        let by = if hours > pattern { Opinion::Hours } else { Opinion::Pattern };
        let at_secs = u32::try_from(at.0 / 1000).unwrap_or(u32::MAX);
        self.0.push(Dot { at_secs, value: value as f32, usual, score: of_spreads(hours.max(pattern)), by, state });
    }

    /// The newest reading, and when it was.
    pub fn last(&self) -> Option<(Timestamp, f32)> {
        self.0.last().map(|dot| (dot.at(), dot.value))
    }

    /// The readings, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        self.0.iter().map(|dot| Sample {
            at: dot.at(),
            value: f64::from(dot.value),
            expected: f64::from(dot.usual.centre),
            spread: f64::from(dot.usual.spread),
            score: dot.score,
            by: dot.by,
            is_unusual: dot.state == State::Unusual,
            has_settled: dot.state == State::Settled,
        })
    }
}

impl Dot {
    const fn at(&self) -> Timestamp {
        Timestamp(self.at_secs as i64 * 1000)
    }
}
