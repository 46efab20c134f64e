//! Labelled series of known kinds, for judging a detector where nothing else is at hand: quiet ones, and the same with one
//! anomaly each. Seeded and deterministic.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::domain::time::{Span, Timestamp};

/// Readings of a series: two weeks, one every five minutes.
const READINGS: usize = 14 * 288;
const STEP: Span = Span::mins(5);
/// A Monday.
const START: Timestamp = Timestamp(1_704_067_200_000);
/// Anomalies come in the second week.
const FIRST: usize = 8 * 288;

/// What a series is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Like {
    Periodic,
    Step,
    Drift,
    Noisy,
    Linear,
}

impl Like {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Periodic, Self::Step, Self::Drift, Self::Noisy, Self::Linear];

    /// Its name in tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Periodic => "periodic",
            Self::Step => "step",
            Self::Drift => "drift",
            Self::Noisy => "low SNR",
            Self::Linear => "linear",
        }
    }
}

/// A series with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    pub name: String,
    pub like: Option<Like>,
    pub readings: Vec<(Timestamp, f64)>,
    /// Places of the first and the last reading of each anomaly.
    pub anomalies: Vec<(usize, usize)>,
}

/// So many series, the kinds by turns; with one anomaly each, or none.
pub fn series(count: usize, with_anomaly: Anomalous, seed: u64) -> Vec<Labelled> {
    (0..count).map(|n| one(Like::ALL[n % Like::ALL.len()], n, with_anomaly, seed)).collect()
}

/// Whether something is wrong in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomalous {
    Yes,
    No,
}

fn one(like: Like, number: usize, with_anomaly: Anomalous, seed: u64) -> Labelled {
    let mut rng = SmallRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
    let (level, phase) = (rng.gen_range(20.0..200.0), rng.gen_range(0.0..1.0));
    let noise = level * if like == Like::Noisy { 0.3 } else { 0.03 };
    let (slope, changes) = (rng.gen_range(-0.3..0.3) * level, rng.gen_range(200..800));
    let mut walk = 0.0;
    let mut readings: Vec<f64> = (0..READINGS)
        .map(|n| {
            let part = n as f64 / READINGS as f64;
            walk += rng.gen_range(-1.0..1.0) * level * 0.002;
            let shape = match like {
                Like::Periodic => 0.4 * level * ((n as f64 / 288.0 + phase) * std::f64::consts::TAU).sin(),
                Like::Step => {
                    if n / changes % 2 == 1 {
                        0.3 * level
                    } else {
                        0.0
                    }
                }
                Like::Drift => walk,
                Like::Noisy => 0.0,
                Like::Linear => slope * part,
            };
            // Noise that is the sum of three draws has hardly a tail, as that of most metrics.
            let jitter: f64 = (0..3).map(|_| rng.gen_range(-1.0..1.0)).sum();
            level + shape + noise * jitter
        })
        .collect();
    let mut anomalies = Vec::new();
    if with_anomaly == Anomalous::Yes {
        let (from, length) = (rng.gen_range(FIRST..READINGS - 100), rng.gen_range(12..48));
        let by = level.max(4.0 * noise) * rng.gen_range(0.8..1.6);
        match number / Like::ALL.len() % 3 {
            0 => readings[from..from + length].iter_mut().for_each(|value| *value += by),
            1 => readings[from..from + length].iter_mut().for_each(|value| *value -= by),
            _ => {
                for (n, value) in readings[from..from + length].iter_mut().enumerate() {
                    *value += if n % 2 == 0 { by } else { -by };
                }
            }
        }
        anomalies.push((from, from + length - 1));
    }
    let at = |n: usize| START.plus(Span(STEP.0 * n as i64));
    let readings = readings.into_iter().enumerate().map(|(n, value)| (at(n), value)).collect();
    Labelled { name: format!("{}-{number}", like.word()), like: Some(like), readings, anomalies }
}
