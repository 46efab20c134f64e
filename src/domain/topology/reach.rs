//! How far a fault may spread, and where one may come from. Work is bounded; what a bound cuts is counted.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use foldhash::fast::FixedState;
use serde::Serialize;

use super::schema::{Kind, Mode};
use super::{CiIx, Edge, Topology};
use crate::domain::time::Span;

/// What becomes of a reached CI, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReachState {
    /// It is no longer seen; it has not failed.
    Visibility,
    /// It has lost redundancy on the way but holds: a risk, no impact.
    Redundant,
    /// It suffers.
    Soft,
    /// It fails.
    Hard,
}

/// A CI that a fault reaches, or from which one may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub ci: CiIx,
    /// Edges on the likeliest way.
    pub hops: u8,
    /// Probability that the fault shows there, per mille, along the likeliest way.
    pub attenuation_pm: i32,
    pub state: ReachState,
    /// Soonest, usual and latest time from the failure of the cause to that of the effect.
    pub delay_min: Span,
    pub delay_typ: Span,
    pub delay_max: Span,
}

/// What one query may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub hops_max: u8,
    /// CIs in the answer.
    pub reached_max: usize,
    /// Edges that are looked at.
    pub edges_max: usize,
    /// Ways less likely than this are not followed, per mille.
    pub attenuation_min_pm: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { hops_max: 12, reached_max: 2000, edges_max: 20_000, attenuation_min_pm: 5 }
    }
}

/// The answer of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Sorted by state (worst first), likelihood, hops and place. The queried CI is not in it.
    pub reached: Vec<Reached>,
    /// A limit on hops, CIs or edges has cut something.
    pub truncated: bool,
}

/// A CI to be looked at. `Ord`: the worst state first, then the likeliest, the nearest and the first defined.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    state: ReachState,
    /// Probability that the fault shows here, per mille.
    touch_pm: i32,
    /// Probability that it goes on from here, per mille; at most `touch_pm`.
    pass_pm: i32,
    hops: Reverse<u8>,
    ci: Reverse<CiIx>,
    delay: [Span; 3],
}

impl Step {
    fn first(ci: CiIx) -> Self {
        Self {
            state: ReachState::Hard,
            touch_pm: 1000,
            pass_pm: 1000,
            hops: Reverse(0),
            ci: Reverse(ci),
            delay: [Span::default(); 3],
        }
    }

    /// One edge further.
    fn onward(&self, ci: CiIx, kind: &Kind, state: ReachState, (touch, pass): (i32, i32)) -> Self {
        let [min, typ, max] = self.delay;
        Self {
            state,
            touch_pm: self.pass_pm * touch / 1000,
            pass_pm: self.pass_pm * pass / 1000,
            hops: Reverse(self.hops.0 + 1),
            ci: Reverse(ci),
            delay: [Span(min.0 + kind.delay_min.0), Span(typ.0 + kind.delay_typ.0), Span(max.0 + kind.delay_max.0)],
        }
    }

    fn reached(&self) -> Reached {
        let [delay_min, delay_typ, delay_max] = self.delay;
        Reached {
            ci: self.ci.0,
            hops: self.hops.0,
            attenuation_pm: self.touch_pm,
            state: self.state,
            delay_min,
            delay_typ,
            delay_max,
        }
    }
}

/// Which way the walk goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Effects,
    Causes,
}

impl Topology {
    /// What a failure of this CI does: the CIs it reaches, with redundancy taken into account.
    ///
    /// A redundancy group falls when too few of its members are left standing by this very failure.
    pub fn impact(&self, ix: CiIx, limits: &Limits) -> Reach {
        Walk::from(self, ix, limits, Way::Effects).run()
    }

    /// From where a failure of this CI may have come.
    ///
    /// Each way is judged alone: a cause that takes down all members of a group at once shows as redundant.
    pub fn causes_of(&self, ix: CiIx, limits: &Limits) -> Reach {
        Walk::from(self, ix, limits, Way::Causes).run()
    }
}

struct Walk<'t> {
    topology: &'t Topology,
    limits: &'t Limits,
    way: Way,
    queue: BinaryHeap<Step>,
    /// Best step queued per CI; done ones stay, as nothing better can follow.
    best: HashMap<CiIx, Step, FixedState>,
    /// Failed members of each group seen so far.
    failed: HashMap<(CiIx, u16), u32, FixedState>,
    edges_left: usize,
    reach: Reach,
}

impl<'t> Walk<'t> {
    fn from(topology: &'t Topology, ix: CiIx, limits: &'t Limits, way: Way) -> Self {
        let first = Step::first(ix);
        let mut best = HashMap::default();
        best.insert(ix, first);
        Self {
            topology,
            limits,
            way,
            queue: BinaryHeap::from([first]),
            best,
            failed: HashMap::default(),
            edges_left: limits.edges_max,
            reach: Reach::default(),
        }
    }

    fn run(mut self) -> Reach {
        while let Some(step) = self.queue.pop() {
            if self.best.get(&step.ci.0) != Some(&step) {
                continue; // a better way was queued after this one
            }
            if step.hops.0 > 0 {
                if self.reach.reached.len() >= self.limits.reached_max {
                    self.reach.truncated = true;
                    break;
                }
                self.reach.reached.push(step.reached());
            }
            self.expand(&step);
        }
        self.reach
    }

    fn expand(&mut self, step: &Step) {
        let topology = self.topology;
        let edges = match self.way {
            Way::Effects => topology.effects(step.ci.0),
            Way::Causes => topology.causes(step.ci.0),
        };
        if edges.is_empty() || !self.goes_on(step) {
            return;
        }
        if step.hops.0 >= self.limits.hops_max {
            self.reach.truncated = true;
            return;
        }
        for edge in edges {
            if self.edges_left == 0 {
                self.reach.truncated = true;
                return;
            }
            self.edges_left -= 1;
            let kind = topology.kind(edge.kind);
            let next = match self.way {
                Way::Effects => self.struck(step, edge, kind),
                Way::Causes => self.striking(step, edge, kind),
            };
            if let Some(next) = next {
                self.offer(next);
            }
        }
    }

    /// An unseen CI has not failed: from it nothing spreads. (Its own causes do matter.)
    fn goes_on(&self, step: &Step) -> bool {
        match self.way {
            Way::Effects => step.state > ReachState::Visibility,
            Way::Causes => true,
        }
    }

    fn offer(&mut self, next: Step) {
        if next.touch_pm < self.limits.attenuation_min_pm {
            return;
        }
        match self.best.get_mut(&next.ci.0) {
            Some(best) if *best >= next => return,
            Some(best) => *best = next,
            None => drop(self.best.insert(next.ci.0, next)),
        }
        self.queue.push(next);
    }

    /// The effect end of an edge when its cause end is as `step` says.
    ///
    /// States come worst first, so all failures are counted before a group is judged to hold.
    fn struck(&mut self, step: &Step, edge: &Edge, kind: &Kind) -> Option<Step> {
        if kind.mode == Mode::Visibility {
            let unseen = step.state == ReachState::Hard;
            return unseen.then(|| step.onward(edge.ci, kind, ReachState::Visibility, kind.when_alone()));
        }
        let state = step.state.min(state_of(kind.mode));
        let Some(group) = self.topology.group(edge.ci, edge.group) else {
            return Some(step.onward(edge.ci, kind, state, kind.when_alone()));
        };
        let falls = match step.state {
            ReachState::Hard => {
                let failed = self.failed.entry((edge.ci, edge.group)).or_default();
                *failed += 1;
                group.falls_at(*failed)
            }
            ReachState::Soft => group.falls_at(1),
            ReachState::Redundant | ReachState::Visibility => false,
        };
        if falls {
            return Some(step.onward(edge.ci, kind, state, kind.when_alone()));
        }
        Some(step.onward(edge.ci, kind, ReachState::Redundant, kind.when_spared()))
    }

    /// The cause end of an edge whose effect end is as `step` says.
    fn striking(&self, step: &Step, edge: &Edge, kind: &Kind) -> Option<Step> {
        if kind.mode == Mode::Visibility {
            let observed = step.hops.0 == 0;
            return observed.then(|| step.onward(edge.ci, kind, ReachState::Visibility, kind.when_alone()));
        }
        let effect = step.ci.0;
        let holds = self.topology.group(effect, edge.group).is_some_and(|group| !group.falls_at(1));
        if holds {
            let state = step.state.min(ReachState::Redundant);
            return Some(step.onward(edge.ci, kind, state, kind.when_spared()));
        }
        Some(step.onward(edge.ci, kind, step.state.min(state_of(kind.mode)), kind.when_alone()))
    }
}

fn state_of(mode: Mode) -> ReachState {
    match mode {
        Mode::Hard => ReachState::Hard,
        Mode::Soft => ReachState::Soft,
        Mode::Visibility => ReachState::Visibility,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use petgraph::algo::dijkstra;
    use petgraph::graph::{DiGraph, NodeIndex};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::topology::testing::topology;

    const WIDE: Limits = Limits { hops_max: 255, reached_max: 10_000, edges_max: 1_000_000, attenuation_min_pm: 1 };

    fn states(reach: &Reach) -> BTreeMap<u32, ReachState> {
        reach.reached.iter().map(|r| (r.ci.0, r.state)).collect()
    }

    proptest! {
        #[test]
        fn certain_edges_reach_what_a_graph_library_reaches(
            edges in prop::collection::vec((0u32..30, 0u32..30), 0..90),
            from in 0u32..30,
        ) {
            let relations: Vec<_> = edges.iter().map(|(a, b)| (*a, *b, "hard")).collect();
            let made = topology(30, &relations);
            for (turned, reach) in
                [(false, made.impact(CiIx(from), &WIDE)), (true, made.causes_of(CiIx(from), &WIDE))]
            {
                let mut graph = DiGraph::<(), ()>::new();
                for _ in 0..30 {
                    graph.add_node(());
                }
                for (a, b) in &edges {
                    let (a, b) = if turned { (b, a) } else { (a, b) };
                    graph.update_edge(NodeIndex::new(*a as usize), NodeIndex::new(*b as usize), ());
                }
                let mut oracle: BTreeMap<u32, u8> = dijkstra(&graph, NodeIndex::new(from as usize), None, |_| 1u8)
                    .into_iter()
                    .map(|(node, hops)| (node.index() as u32, hops))
                    .collect();
                oracle.remove(&from);
                let ours: BTreeMap<u32, u8> = reach.reached.iter().map(|r| (r.ci.0, r.hops)).collect();
                prop_assert_eq!(ours, oracle);
                prop_assert!(!reach.truncated);
            }
        }

        #[test]
        fn what_fails_is_the_closure_over_redundancy(
            edges in prop::collection::btree_set((0u32..20, 0u32..20, prop::bool::ANY), 0..70),
            from in 0u32..20,
        ) {
            let relations: Vec<_> = edges
                .iter()
                .filter(|(a, b, _)| a != b)
                .map(|(a, b, pair)| (*a, *b, if *pair { "pair" } else { "hard" }))
                .collect();
            let made = topology(20, &relations);
            let mut failed = BTreeSet::from([from]);
            loop {
                let next: Vec<u32> = (0..20)
                    .filter(|ci| !failed.contains(ci))
                    .filter(|ci| {
                        let feeds: Vec<u32> = relations.iter().filter(|r| r.1 == *ci && r.2 == "pair").map(|r| r.0).collect();
                        let hard = relations.iter().any(|r| r.1 == *ci && r.2 == "hard" && failed.contains(&r.0));
                        hard || (!feeds.is_empty() && feeds.iter().all(|f| failed.contains(f)))
                    })
                    .collect();
                if next.is_empty() {
                    break;
                }
                failed.extend(next);
            }
            failed.remove(&from);
            let reach = made.impact(CiIx(from), &WIDE);
            let ours: BTreeSet<u32> =
                reach.reached.iter().filter(|r| r.state == ReachState::Hard).map(|r| r.ci.0).collect();
            prop_assert_eq!(ours, failed);
        }

        #[test]
        fn limits_hold_and_say_so(edges in prop::collection::vec((0u32..40, 0u32..40), 60..160)) {
            let relations: Vec<_> = edges.iter().map(|(a, b)| (*a, *b, "hard")).collect();
            let made = topology(40, &relations);
            let all = made.impact(CiIx(0), &WIDE).reached.len();
            let tight = made.impact(CiIx(0), &Limits { reached_max: 5, ..WIDE });
            prop_assert!(tight.reached.len() <= 5);
            prop_assert_eq!(tight.truncated, all > 5);
            let near = made.impact(CiIx(0), &Limits { hops_max: 1, ..WIDE });
            prop_assert!(near.reached.iter().all(|r| r.hops == 1));
        }
    }

    #[test]
    fn states_follow_the_weakest_edge() {
        // 0 feeds 1 and 2; both feed 3; 3 carries 4 softly; 4 carries 5; 6 watches 7; 0 feeds 6.
        let made = topology(
            8,
            &[
                (0, 1, "hard"),
                (0, 2, "hard"),
                (1, 3, "pair"),
                (2, 3, "pair"),
                (3, 4, "soft"),
                (4, 5, "hard"),
                (6, 7, "sees"),
                (0, 6, "hard"),
            ],
        );
        use ReachState::{Hard, Redundant, Soft, Visibility};
        let all = states(&made.impact(CiIx(0), &WIDE));
        assert_eq!(
            all,
            BTreeMap::from([(1, Hard), (2, Hard), (3, Hard), (4, Soft), (5, Soft), (6, Hard), (7, Visibility)])
        );
        let one = states(&made.impact(CiIx(1), &WIDE));
        assert_eq!(one, BTreeMap::from([(3, Redundant), (4, Redundant), (5, Redundant)]));
        let up = states(&made.causes_of(CiIx(7), &WIDE));
        assert_eq!(up, BTreeMap::from([(0, Visibility), (6, Visibility)]));
        let last = made.impact(CiIx(0), &WIDE).reached.into_iter().find(|r| r.ci == CiIx(5)).expect("reached");
        assert_eq!((last.hops, last.delay_typ), (4, Span::secs(4)));
    }
}
