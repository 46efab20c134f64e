//! The way upstream: which CIs could have caused an alert here, how likely and how fast.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::delays::Delays;
use super::fixed::{Milli, ln_permille};
use super::gap::{self, Reach};
use super::lookup::Lookup;
use super::tuning::Tuning;
use crate::domain::time::Span;
use crate::domain::topology::{CiIx, ClassIx, Topology};

/// CIs upstream remembered at once, over all CIs asked for: 64 MiB.
const REMEMBERED_MAX: usize = 2_000_000;

/// Answers of `reach` remembered at once.
const REACHES_MAX: usize = 200_000;

/// A CI upstream.
#[derive(Clone, Copy, Debug)]
pub struct Up {
    pub ci: CiIx,
    /// Log-probability that its failure is felt here.
    pub path: Milli,
    /// Typical delay along the path, and its width: standard deviation of ln(delay), per mille.
    pub delay: Span,
    pub spread: i64,
    pub hops: u8,
    /// The CI just below it on the path.
    pub branch: CiIx,
    /// A silent cause may be inferred along this path.
    pub infers: bool,
    /// A relation on the way is not in the CMDB but presumed.
    pub presumed: bool,
}

/// The ways upstream that were asked for lately. Only speeds things up: never part of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    delays: Delays,
    known: Lookup<CiIx, Arc<[Up]>>,
    /// Length of all of them together.
    held: usize,
    /// What failed CIs do to the CIs of a class.
    reaches: Lookup<(CiIx, ClassIx), Option<Reach>>,
    /// From which classes faults come to a class.
    above: Lookup<ClassIx, Arc<[ClassIx]>>,
    /// Used again by every walk.
    costs: Lookup<CiIx, Cost>,
    open: BinaryHeap<Step>,
}

impl Upstream {
    /// All CIs that could have caused an alert on `ci`, likeliest first.
    pub fn of(&mut self, topology: &Topology, tuning: &Tuning, ci: CiIx) -> Arc<[Up]> {
        if let Some(known) = self.known.get(&ci) {
            return known.clone();
        }
        if self.held >= REMEMBERED_MAX {
            self.known.clear();
            self.held = 0;
        }
        if self.delays.is_empty() {
            self.delays = Delays::of(topology, tuning);
        }
        let found: Arc<[Up]> = self.walk(topology, tuning, ci).into();
        self.held += found.len() + 1;
        self.known.insert(ci, found.clone());
        found
    }

    /// The CIs of a class that a failed CI hits.
    pub fn reach(&mut self, topology: &Topology, from: CiIx, class: ClassIx) -> Option<Reach> {
        if let Some(known) = self.reaches.get(&(from, class)) {
            return *known;
        }
        if self.reaches.len() >= REACHES_MAX {
            self.reaches.clear();
        }
        let found = gap::reach(topology, from, class);
        self.reaches.insert((from, class), found);
        found
    }

    /// The classes from which a fault comes to CIs of `class` within two hops, itself first.
    pub fn above(&mut self, topology: &Topology, class: ClassIx) -> Arc<[ClassIx]> {
        if let Some(known) = self.above.get(&class) {
            return known.clone();
        }
        let mut found = vec![class];
        let mut from = 0;
        for _ in 0..2 {
            let to = found.len();
            for at in from..to {
                for above in topology.classes_above(found[at]) {
                    if !found.contains(&above) {
                        found.push(above);
                    }
                }
            }
            from = to;
        }
        let found: Arc<[ClassIx]> = found.into();
        self.above.insert(class, found.clone());
        found
    }

    fn walk(&mut self, topology: &Topology, tuning: &Tuning, from: CiIx) -> Vec<Up> {
        let mut found = Vec::new();
        self.costs.clear();
        self.open.clear();
        self.costs.insert(from, Cost { least: 0, done: false });
        let first = Step {
            cost: Reverse(0),
            hops: Reverse(0),
            ci: Reverse(from),
            delay: 0,
            spread: tuning.spread,
            infers: true,
            presumed: false,
            branch: from,
        };
        self.open.push(first);
        while let Some(step) = self.open.pop() {
            let ci = step.ci.0;
            if found.len() >= tuning.upstream_max {
                break;
            }
            let Some(cost) = self.costs.get_mut(&ci).filter(|cost| !cost.done) else { continue };
            cost.done = true;
            if step.hops.0 > 0 {
                found.push(step.up());
            }
            if step.hops.0 < tuning.hops_max {
                self.expand(topology, tuning, &step);
            }
        }
        found
    }

    fn expand(&mut self, topology: &Topology, tuning: &Tuning, step: &Step) {
        let ci = step.ci.0;
        for edge in topology.causes(ci) {
            let kind = topology.kind(edge.kind);
            let (touch, pass) = kind.strength(*edge);
            let gain = if step.hops.0 == 0 { ln_permille(touch.into()) } else { ln_permille(pass.into()) + tuning.hop };
            let cost = step.cost.0 - gain;
            if -cost < tuning.path_min {
                continue;
            }
            match self.costs.get_mut(&edge.ci) {
                Some(known) if known.done || known.least <= cost => continue,
                Some(known) => known.least = cost,
                None => drop(self.costs.insert(edge.ci, Cost { least: cost, done: false })),
            }
            let takes = self.delays.along(edge.kind);
            self.open.push(Step {
                cost: Reverse(cost),
                hops: Reverse(step.hops.0 + 1),
                ci: Reverse(edge.ci),
                delay: step.delay + takes.typical.0,
                // Several steps together vary as is usual.
                spread: if step.hops.0 == 0 { takes.spread } else { tuning.spread },
                infers: step.infers && kind.infers,
                presumed: step.presumed || topology.is_presumed(ci, edge),
                branch: ci,
            });
        }
    }
}

/// What it costs to reach a CI, as far as is known.
#[derive(Clone, Copy, Debug)]
struct Cost {
    least: Milli,
    done: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    cost: Reverse<Milli>,
    hops: Reverse<u8>,
    ci: Reverse<CiIx>,
    delay: i64,
    spread: i64,
    infers: bool,
    presumed: bool,
    branch: CiIx,
}

impl Step {
    const fn up(&self) -> Up {
        Up {
            ci: self.ci.0,
            path: -self.cost.0,
            delay: Span(self.delay),
            spread: self.spread,
            hops: self.hops.0,
            branch: self.branch,
            infers: self.infers,
            presumed: self.presumed,
        }
    }
}
