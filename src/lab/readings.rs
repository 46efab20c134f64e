//! Metrics of an estate with one fault: what the CIs measure on quiet days, and how a fault shows in it. No monitor says a
//! word; what is wrong is in the numbers alone.
//!
//! Where the fault goes and when is that of a storm ([`super::storm`]); here each CI that it reaches becomes slow at its
//! time, and the one that broke is full as well. Seeded and deterministic.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::storm::{Size, storm};
use crate::domain::event::{ObjectRef, Status};
use crate::domain::ids::TenantId;
use crate::domain::label::Labels;
use crate::domain::point::Point;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::{CiIx, Topology};

/// Quiet days before the fault, and the step of their readings.
const QUIET: Span = Span::hours(50);
const QUIET_STEP: Span = Span::mins(5);
/// Minutes that are played, a reading each; the fault begins after some of them.
const PLAYED: i64 = 14;
const FAULT_AFTER: Span = Span::mins(2);
/// CIs that the fault reaches: enough to see it spread, and not half of the estate.
const REACHED_MIN: usize = 6;
const REACHED_MAX: usize = 60;
/// CIs beside them that have nothing to do with it.
const OTHERS: usize = 60;
/// Draws of faults before it is given up.
const DRAWS: u64 = 400;
/// Layers of CIs that answer requests.
const ANSWERS_FROM: u8 = 2;

/// The readings of an estate, in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Readings {
    /// What was measured before the play begins.
    pub quiet: Vec<Point>,
    pub played: Vec<Point>,
    /// The CI that breaks.
    pub root: CiIx,
    /// How many CIs it reaches, itself among them.
    pub reached: usize,
    pub series: usize,
}

/// Readings that are played from `start`; `None` when no fault of the wanted kind was drawn.
pub fn readings(topology: &Topology, start: Timestamp, seed: u64) -> Option<Readings> {
    let (root, shown) = (seed..seed + DRAWS).find_map(|seed| fault(topology, start.plus(FAULT_AFTER), seed))?;
    let mut rng = SmallRng::seed_from_u64(seed);
    let bystander = |ci: &CiIx| topology.layer(*ci) >= ANSWERS_FROM && !shown.contains_key(ci);
    let others: Vec<CiIx> = topology.all().filter(bystander).collect();
    let step = (others.len() / OTHERS).max(1);
    let mut watched: BTreeMap<CiIx, Option<Timestamp>> =
        others.into_iter().step_by(step).map(|ci| (ci, None)).collect();
    watched.extend(shown.iter().map(|(ci, at)| (*ci, Some(*at))));
    let gauges: Vec<Gauge> = watched.iter().flat_map(|(ci, at)| gauges(topology, *ci, *at, root, &mut rng)).collect();
    let mut readings =
        Readings { quiet: Vec::new(), played: Vec::new(), root, reached: shown.len(), series: gauges.len() };
    for n in 0..QUIET.0 / QUIET_STEP.0 {
        let at = start.minus(QUIET).plus(Span(n * QUIET_STEP.0));
        readings.quiet.extend(gauges.iter().map(|gauge| gauge.read(at, &mut rng)));
    }
    for minute in 0..PLAYED {
        let at = start.plus(Span::mins(minute));
        readings.played.extend(gauges.iter().map(|gauge| gauge.read(at, &mut rng)));
    }
    Some(readings)
}

/// A fault of something that answers requests and says so at once: its CI, and when it shows where.
fn fault(topology: &Topology, at: Timestamp, seed: u64) -> Option<(CiIx, BTreeMap<CiIx, Timestamp>)> {
    let made = storm(topology, &TenantId::from("lab"), at, Size { faults: 1, gap: Span::mins(1), noise: 0 }, seed);
    let root = *made.roots.first()?;
    let mut shown = BTreeMap::new();
    for event in made.events.iter().filter(|event| event.status == Status::Firing) {
        let key = event.object.keys_in_order().next()?;
        let ci = topology.resolve(key).one()?;
        let first = shown.entry(ci).or_insert(event.starts_at);
        *first = (*first).min(event.starts_at);
    }
    let is_first = shown.get(&root) == shown.values().min();
    let is_wanted =
        is_first && topology.layer(root) >= ANSWERS_FROM && (REACHED_MIN..=REACHED_MAX).contains(&shown.len());
    is_wanted.then_some((root, shown))
}

/// Something that is measured on a CI.
struct Gauge {
    object: ObjectRef,
    name: &'static str,
    level: f64,
    phase: f64,
    /// From when on it is so many times its level.
    worse: Option<(Timestamp, f64)>,
}

fn gauges(topology: &Topology, ci: CiIx, breaks_at: Option<Timestamp>, root: CiIx, rng: &mut SmallRng) -> Vec<Gauge> {
    let object = ObjectRef { ci_id: Some(topology.id(ci).to_string()), ..ObjectRef::default() };
    let phase = rng.gen_range(0.0..0.6);
    let is_root = ci == root;
    let slower = if is_root { 12.0 } else { rng.gen_range(4.0..8.0) };
    let latency = Gauge {
        object: object.clone(),
        name: "response_time_seconds",
        level: rng.gen_range(0.01..0.2),
        phase,
        worse: breaks_at.map(|at| (at, slower)),
    };
    let level = rng.gen_range(0.25..0.4);
    let worse = breaks_at.filter(|_| is_root).map(|at| (at, 0.97 / level));
    vec![latency, Gauge { object, name: "cpu_usage", level, phase, worse }]
}

impl Gauge {
    /// The reading at a time: a mild day, a little noise, and the fault.
    fn read(&self, at: Timestamp, rng: &mut SmallRng) -> Point {
        let day = at.0.rem_euclid(Span::hours(24).0) as f64 / Span::hours(24).0 as f64;
        let wave = 1.0 + 0.12 * ((day + self.phase) * std::f64::consts::TAU).sin();
        let noise = 1.0 + rng.gen_range(-0.04..0.04);
        let fault = self.worse.filter(|(from, _)| at >= *from).map_or(1.0, |(_, times)| times);
        let value = self.level * wave * noise * fault;
        Point {
            name: self.name.into(),
            object: self.object.clone(),
            labels: Labels::default(),
            value: if self.name == "cpu_usage" { value.min(0.99) } else { value },
            at,
            unit: None,
            aspect: None,
            measure: None,
            worse: None,
            is_counter: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::built_in::read_topology;
    use crate::lab::estate::{Scale, sample_estate};

    #[test]
    fn a_fault_of_the_sample_estate_is_drawn_again_and_again_alike() {
        let estate = read_topology("sample", sample_estate(Scale::default()).as_bytes(), None, 1).unwrap();
        let start = Timestamp(1_704_189_600_000);
        let made = readings(&estate, start, 1).unwrap();
        assert_eq!(readings(&estate, start, 1).unwrap(), made);
        assert!(made.reached >= REACHED_MIN && made.series > 2 * made.reached, "{} {}", made.reached, made.series);
    }
}
