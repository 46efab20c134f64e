//! One series as it goes on: what was usual, its last readings, and whether they are unusual.
//!
//! A reading becomes part of what is usual when it has left the window that is judged, and not while the series is
//! unusual. A level that stays is the new usual one after a while, so that nothing is unusual for ever. Readings must come
//! in the order of time; what is not newer than the last one changes nothing, so a repeat does no harm.

use std::collections::VecDeque;

use super::anomaly::{ASKED_FROM, TOLD_FROM};
use super::baseline::Baseline;
use crate::domain::point::{Aspect, Measure, Worse};
use crate::domain::time::Timestamp;

/// Past readings that say what is usual.
const HISTORY: usize = 120;
/// Readings without which nothing is said.
const LEARNED_FROM: usize = 20;
/// Readings after which what is usual is worked out anew.
const FITTED_EVERY: usize = 10;
/// Readings that are judged together.
const WINDOW: usize = 3;

/// What is known of one series.
#[derive(Debug)]
pub struct Series {
    aspect: Aspect,
    measure: Option<Measure>,
    worse: Worse,
    past: VecDeque<f32>,
    /// While it is unusual: what has left the window since.
    since: VecDeque<f32>,
    window: VecDeque<(Timestamp, f64)>,
    baseline: Option<Baseline>,
    unfitted: usize,
    is_unusual: bool,
    last: Timestamp,
    /// When a reading came last, by our clock.
    pub heard: Timestamp,
}

/// What a window says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Spreads to the worse side.
    pub deviation: f64,
    /// The reading that says so.
    pub reading: f64,
    pub usual: f64,
    pub spread: f64,
    /// How many readings `usual` is of.
    pub learned: usize,
    pub from: Timestamp,
    pub until: Timestamp,
}

/// What a reading changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turn {
    /// It is not newer than the last one.
    Old,
    /// Not enough is known yet.
    Learning,
    Usual,
    Begun(Look),
    GoesOn(Look),
    Ended(Look),
}

impl Series {
    /// A series of which nothing is known.
    pub fn new(aspect: Aspect, measure: Option<Measure>, worse: Worse, now: Timestamp) -> Self {
        Self {
            aspect,
            measure,
            worse,
            past: VecDeque::new(),
            since: VecDeque::new(),
            window: VecDeque::with_capacity(WINDOW + 1),
            baseline: None,
            unfitted: 0,
            is_unusual: false,
            last: Timestamp(i64::MIN),
            heard: now,
        }
    }

    /// What it shows of its CI.
    pub const fn aspect(&self) -> Aspect {
        self.aspect
    }

    /// Takes a reading.
    pub fn take(&mut self, at: Timestamp, value: f64, now: Timestamp) -> Turn {
        self.heard = now;
        if at <= self.last {
            return Turn::Old;
        }
        self.last = at;
        self.window.push_back((at, value));
        if self.window.len() > WINDOW
            && let Some((_, left)) = self.window.pop_front()
        {
            self.pass(left as f32);
        }
        if self.past.len() < LEARNED_FROM || self.window.len() < WINDOW {
            return Turn::Learning;
        }
        self.judge()
    }

    /// A reading has left the window.
    fn pass(&mut self, value: f32) {
        if !self.is_unusual {
            push(&mut self.past, value);
            self.unfitted += 1;
            return;
        }
        push(&mut self.since, value);
        if self.since.len() == HISTORY {
            // It has been so for as long as we remember: now this is usual.
            self.past = std::mem::take(&mut self.since);
            self.unfitted = FITTED_EVERY;
        }
    }

    fn judge(&mut self) -> Turn {
        if self.baseline.is_none() || self.unfitted >= FITTED_EVERY {
            let readings: Vec<f64> = self.past.iter().copied().map(f64::from).collect();
            let measure = self.measure.unwrap_or_else(|| measure_of(self.aspect, &readings));
            self.baseline = Baseline::of(&readings, measure);
            self.unfitted = 0;
        }
        let Some(baseline) = self.baseline else { return Turn::Usual };
        let window: Vec<f64> = self.window.iter().map(|(_, value)| *value).collect();
        let Some((deviation, reading)) = baseline.sustained(&window, self.worse) else { return Turn::Usual };
        let at = |pair: Option<&(Timestamp, f64)>| pair.map_or(self.last, |(at, _)| *at);
        let look = Look {
            deviation,
            reading,
            usual: baseline.centre(),
            spread: baseline.spread(),
            learned: self.past.len(),
            from: at(self.window.front()),
            until: at(self.window.back()),
        };
        let was_unusual = self.is_unusual;
        self.is_unusual = deviation >= if was_unusual { ASKED_FROM } else { TOLD_FROM };
        match (was_unusual, self.is_unusual) {
            (false, false) => Turn::Usual,
            (false, true) => Turn::Begun(look),
            (true, true) => Turn::GoesOn(look),
            (true, false) => {
                self.since.clear();
                Turn::Ended(look)
            }
        }
    }
}

fn push(readings: &mut VecDeque<f32>, value: f32) {
    if readings.len() == HISTORY {
        readings.pop_front();
    }
    readings.push_back(value);
}

/// What the numbers seem to be, where nobody said it.
fn measure_of(aspect: Aspect, readings: &[f64]) -> Measure {
    let are_parts = readings.iter().all(|reading| (0.0..=1.0).contains(reading));
    let are_whole = readings.iter().all(|reading| *reading >= 0.0 && reading.fract() == 0.0);
    match aspect {
        // Nothing but zeros may be either: then one failure more is not the end of the world.
        Aspect::Errors if are_whole => Measure::Count,
        Aspect::Errors if are_parts => Measure::Share,
        Aspect::Saturation if are_parts => Measure::Usage,
        Aspect::Traffic | Aspect::Latency | Aspect::Errors | Aspect::Saturation => Measure::Amount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(n: usize) -> f64 {
        20.0 + (n * 7 % 5) as f64
    }

    /// The turns other than `Usual` and `Learning` of these readings, one a minute.
    fn turns(readings: impl IntoIterator<Item = f64>) -> Vec<(usize, &'static str)> {
        let mut series = Series::new(Aspect::Latency, None, Worse::Up, Timestamp(0));
        let mut told = Vec::new();
        for (n, value) in readings.into_iter().enumerate() {
            let at = Timestamp(60_000 * (n as i64 + 1));
            match series.take(at, value, at) {
                Turn::Begun(_) => told.push((n, "begun")),
                Turn::Ended(_) => told.push((n, "ended")),
                Turn::Old => told.push((n, "old")),
                Turn::Learning | Turn::Usual | Turn::GoesOn(_) => {}
            }
        }
        told
    }

    #[test]
    fn two_of_three_readings_begin_and_end_it() {
        let readings = (0..60).map(|n| if (40..50).contains(&n) { 200.0 } else { level(n) });
        assert_eq!(turns(readings), [(41, "begun"), (51, "ended")]);
        let spikes = (0..60).map(|n| if n % 10 == 9 { 200.0 } else { level(n) });
        assert_eq!(turns(spikes), [], "one reading alone proves nothing");
    }

    #[test]
    fn a_level_that_stays_is_the_new_usual_one() {
        let readings = (0..400).map(|n| if n >= 100 { 10.0 * level(n) } else { level(n) });
        let told = turns(readings);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0] == (101, "begun") && (200..260).contains(&told[1].0) && told[1].1 == "ended", "{told:?}");
    }

    #[test]
    fn what_is_not_newer_changes_nothing() {
        let mut series = Series::new(Aspect::Errors, None, Worse::Up, Timestamp(0));
        assert_eq!(series.take(Timestamp(5), 1.0, Timestamp(5)), Turn::Learning);
        assert_eq!(series.take(Timestamp(5), 9.0, Timestamp(6)), Turn::Old);
        assert_eq!((series.window.len(), series.heard), (1, Timestamp(6)));
    }

    #[test]
    fn what_numbers_are_is_told_by_how_they_look() {
        assert_eq!(measure_of(Aspect::Errors, &[0.0, 3.0]), Measure::Count);
        assert_eq!(measure_of(Aspect::Errors, &[0.0, 0.02]), Measure::Share);
        assert_eq!(measure_of(Aspect::Saturation, &[0.4, 0.6]), Measure::Usage);
        assert_eq!(measure_of(Aspect::Saturation, &[40.0]), Measure::Amount);
    }
}
