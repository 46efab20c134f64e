//! The way upstream: which CIs could have caused an alert here, how likely and how fast.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::fixed::{Milli, ln_permille};
use super::lookup::Lookup;
use super::tuning::Tuning;
use crate::domain::time::Span;
use crate::domain::topology::{CiIx, Topology};

/// CIs whose way upstream is remembered at once.
const REMEMBERED_MAX: usize = 20_000;

/// A CI upstream.
#[derive(Clone, Copy, Debug)]
pub struct Up {
    pub ci: CiIx,
    /// Log-probability that its failure is felt here.
    pub path: Milli,
    /// Typical delay along the path.
    pub delay: Span,
    pub hops: u8,
    /// The CI just below it on the path.
    pub branch: CiIx,
    /// A silent cause may be inferred along this path.
    pub infers: bool,
}

/// The ways upstream that were asked for lately. Only speeds things up: never part of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    known: Lookup<CiIx, std::sync::Arc<[Up]>>,
}

impl Upstream {
    /// All CIs that could have caused an alert on `ci`, likeliest first.
    pub fn of(&mut self, topology: &Topology, tuning: &Tuning, ci: CiIx) -> std::sync::Arc<[Up]> {
        if let Some(known) = self.known.get(&ci) {
            return known.clone();
        }
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        let found: std::sync::Arc<[Up]> = walk(topology, tuning, ci).into();
        self.known.insert(ci, found.clone());
        found
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    cost: Reverse<Milli>,
    hops: Reverse<u8>,
    ci: Reverse<CiIx>,
    delay: i64,
    infers: bool,
    branch: CiIx,
}

fn walk(topology: &Topology, tuning: &Tuning, from: CiIx) -> Vec<Up> {
    let mut found = Vec::new();
    let mut best = BTreeMap::from([(from, 0)]);
    let mut done = BTreeSet::new();
    let start = Step { cost: Reverse(0), hops: Reverse(0), ci: Reverse(from), delay: 0, infers: true, branch: from };
    let mut open = BinaryHeap::from([start]);
    while let Some(step) = open.pop() {
        let ci = step.ci.0;
        if found.len() >= tuning.upstream_max || !done.insert(ci) {
            continue;
        }
        if step.hops.0 > 0 {
            found.push(Up {
                ci,
                path: -step.cost.0,
                delay: Span(step.delay),
                hops: step.hops.0,
                branch: step.branch,
                infers: step.infers,
            });
        }
        if step.hops.0 >= tuning.hops_max {
            continue;
        }
        for edge in topology.causes(ci) {
            let kind = topology.kind(edge.kind);
            let (touch, pass) = kind.strength(*edge);
            let gain = if step.hops.0 == 0 { ln_permille(touch.into()) } else { ln_permille(pass.into()) + tuning.hop };
            let cost = step.cost.0 - gain;
            if -cost < tuning.path_min || done.contains(&edge.ci) || best.get(&edge.ci).is_some_and(|b| *b <= cost) {
                continue;
            }
            best.insert(edge.ci, cost);
            open.push(Step {
                cost: Reverse(cost),
                hops: Reverse(step.hops.0 + 1),
                ci: Reverse(edge.ci),
                delay: step.delay + kind.delay_typ.0,
                infers: step.infers && kind.infers,
                branch: ci,
            });
        }
    }
    found
}
