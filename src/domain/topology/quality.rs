//! How good a topology is as a ground to reason on. Nothing here refuses a topology.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::draft::{BadRelation, Bounded, Occurring, Place};
use super::{CiIx, Resolution, Topology};
use crate::domain::ids::CiId;

/// Names shown per cycle, class or key; the rest is counted.
const MEMBERS_SHOWN: usize = 20;

/// CIs that can all fail each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cycle {
    /// How many CIs are on it.
    pub size: usize,
    /// The first of them by order of definition, at most 20.
    pub cis: Vec<CiId>,
    /// Whether it is made of relations between peers only, where cycles belong.
    pub expected: bool,
}

/// A key that several CIs carry: alerts that name it cannot be placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SharedKey {
    pub key: Box<str>,
    /// At most 20.
    pub cis: Vec<CiId>,
}

/// A relation that a CI lacks and nearly all of its class have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingRelation {
    pub ci: CiId,
    /// Relation type id.
    pub relation: Arc<str>,
    /// Class of the other end, the cause.
    pub class: Box<str>,
    /// The cause that is presumed, where its neighbours leave no doubt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presumed: Option<CiId>,
}

/// The report. All lists are in a fixed order and bounded; counts are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quality {
    pub version: u64,
    pub cis: usize,
    pub edges: usize,
    /// CIs per class.
    pub classes: BTreeMap<Box<str>, u32>,
    /// CIs without any edge.
    pub orphans: Bounded<CiId>,
    /// Cycles of causes, in order of their first CI.
    pub cycles: Bounded<Cycle>,
    /// Cycles that are not made of peer relations only.
    pub cycles_unexpected: u64,
    /// Relations with an end that is no CI.
    pub dangling: Bounded<BadRelation>,
    /// Relations from a CI to itself.
    pub to_itself: Bounded<BadRelation>,
    /// Relations said more than once.
    pub repeated: u64,
    /// Relations per type that is left out.
    pub ignored: BTreeMap<Box<str>, Occurring>,
    /// Fields that nothing reads: perhaps misspelt.
    pub unused_fields: BTreeMap<Box<str>, Occurring>,
    /// CIs per class that nobody declared.
    pub unknown_classes: BTreeMap<Box<str>, Occurring>,
    /// The files, by the numbers in places.
    pub files: Vec<Box<str>>,
    /// CIs with neither a team of their own nor a class with an owner, per class.
    pub without_owner: BTreeMap<Box<str>, u64>,
    /// Relations that CIs lack and nearly all of their class have, by CI.
    pub missing_relations: Bounded<MissingRelation>,
    /// CIs that can be found by their id only.
    pub without_key: Bounded<CiId>,
    /// Keys that mean more than one CI, in order of the first CI that carries them.
    pub shared_keys: Bounded<SharedKey>,
}

impl Quality {
    /// Looks at the whole topology: linear in CIs, keys and edges.
    pub fn of(topology: &Topology) -> Self {
        let notes = topology.notes();
        let mut quality = Self {
            version: topology.version(),
            cis: topology.len(),
            edges: topology.edges(),
            dangling: notes.dangling.clone(),
            to_itself: notes.to_itself.clone(),
            repeated: notes.repeated,
            ignored: notes.ignored.clone(),
            unused_fields: notes.unused_fields.clone(),
            unknown_classes: notes.unknown_classes.clone(),
            files: notes.files.clone(),
            ..Self::default()
        };
        for ix in topology.all() {
            quality.look_at(topology, ix);
        }
        let missing = |ci, kind, presumed: Option<CiIx>| {
            let kind = topology.kind(kind);
            let (relation, class) = (kind.relation.clone(), kind.cause_class.clone());
            let presumed = presumed.map(|cause| topology.id(cause).clone());
            MissingRelation { ci: topology.id(ci).clone(), relation, class, presumed }
        };
        let unknown = topology.all_gaps().iter().map(|gap| (gap.ci, gap.kind, None));
        let presumed = topology.all_presumed().iter().map(|(ci, cause, kind)| (*ci, *kind, Some(*cause)));
        let mut all: Vec<_> = unknown.chain(presumed).collect();
        all.sort_unstable();
        for (ci, kind, presumed) in all {
            quality.missing_relations.push(|| missing(ci, kind, presumed));
        }
        for cycle in cycles(topology) {
            quality.cycles_unexpected += u64::from(!cycle.expected);
            quality.cycles.push(|| cycle);
        }
        quality
    }

    /// What was read and not understood, or left out: one line per thing, with the place where it stands first, in
    /// the order of places.
    pub fn warnings(&self) -> Vec<String> {
        let mut found: Vec<(Place, String)> = Vec::new();
        for (class, Occurring { count, first }) in &self.unknown_classes {
            let what = format!(
                "class {class:?} is not known ({count} CIs): taken as a class without area, owner and \
                behaviour; use one of `topology/classes.yaml`, or map it"
            );
            found.push((*first, what));
        }
        for (field, Occurring { count, first }) in &self.unused_fields {
            found.push((*first, format!("field {field:?} is read by nothing ({count} times): perhaps misspelt")));
        }
        for (relation, Occurring { count, first }) in &self.ignored {
            found.push((*first, format!("relations of type {relation:?} are left out by the mapping ({count})")));
        }
        for bad in &self.dangling.first {
            let BadRelation { from, to, kind, place } = bad;
            found.push((*place, format!("{from} {kind} {to}: one of the two is no CI; the relation is left out")));
        }
        for bad in &self.to_itself.first {
            found.push((bad.place, format!("{} {} itself; the relation is left out", bad.from, bad.kind)));
        }
        found.sort();
        let file = |place: Place| self.files.get(usize::from(place.file)).map_or("", |name| name);
        let mut lines: Vec<String> =
            found.into_iter().map(|(place, what)| format!("{}:{}: {what}", file(place), place.line)).collect();
        let hidden = [&self.dangling, &self.to_itself].map(|list| list.count - list.first.len() as u64);
        match hidden.iter().sum::<u64>() {
            0 => {}
            n => lines.push(format!("and {n} more relations that are left out")),
        }
        lines
    }

    fn look_at(&mut self, topology: &Topology, ix: CiIx) {
        let class = topology.class(ix);
        let id = topology.id(ix);
        self.classes.entry(class.id.clone()).or_insert_with(|| topology.population(ix));
        if topology.causes(ix).is_empty() && topology.effects(ix).is_empty() {
            self.orphans.push(|| id.clone());
        }
        if class.owner.is_none() && topology.attributes(ix).owner_team.is_none() {
            *self.without_owner.entry(class.id.clone()).or_default() += 1;
        }
        let mut keys = 0;
        for key in std::iter::once(topology.name(ix)).chain(topology.aliases(ix)).filter(|key| *key != id.as_str()) {
            keys += 1;
            self.look_at_key(topology, ix, key);
        }
        if keys == 0 {
            self.without_key.push(|| id.clone());
        }
    }

    fn look_at_key(&mut self, topology: &Topology, ix: CiIx, key: &str) {
        let Resolution::Ambiguous(cis) = topology.resolve(key) else { return };
        if cis.first() == Some(&ix) {
            self.shared_keys.push(|| SharedKey {
                key: key.into(),
                cis: cis.iter().take(MEMBERS_SHOWN).map(|ix| topology.id(*ix).clone()).collect(),
            });
        }
    }
}

/// Strongly connected components of two or more CIs, in order of their first CI.
pub fn cycles(topology: &Topology) -> Vec<Cycle> {
    let mut found: Vec<Vec<CiIx>> = Tarjan::of(topology).run();
    for members in &mut found {
        members.sort_unstable();
    }
    found.sort_unstable();
    found.iter().map(|members| describe(topology, members)).collect()
}

fn describe(topology: &Topology, members: &[CiIx]) -> Cycle {
    let expected = members.iter().all(|ix| {
        let inside = topology.effects(*ix).iter().filter(|edge| members.binary_search(&edge.ci).is_ok());
        inside.into_iter().all(|edge| topology.kind(edge.kind).cycles_expected)
    });
    let cis = members.iter().take(MEMBERS_SHOWN).map(|ix| topology.id(*ix).clone()).collect();
    Cycle { size: members.len(), cis, expected }
}

/// Tarjan's algorithm without recursion: an estate can be deeper than a stack.
struct Tarjan<'t> {
    topology: &'t Topology,
    /// Order of visit from 1; 0 = not yet visited.
    order: Vec<u32>,
    low: Vec<u32>,
    on_stack: Vec<bool>,
    stack: Vec<CiIx>,
    visited: u32,
    found: Vec<Vec<CiIx>>,
}

impl<'t> Tarjan<'t> {
    fn of(topology: &'t Topology) -> Self {
        let n = topology.len();
        Self {
            topology,
            order: vec![0; n],
            low: vec![0; n],
            on_stack: vec![false; n],
            stack: Vec::new(),
            visited: 0,
            found: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Vec<CiIx>> {
        for ix in self.topology.all() {
            if self.order[ix.at()] == 0 {
                self.walk(ix);
            }
        }
        self.found
    }

    fn walk(&mut self, from: CiIx) {
        self.visit(from);
        // CIs on the way, each with the number of its edges already followed.
        let mut way = vec![(from, 0)];
        while let Some((ix, next)) = way.pop() {
            if let Some(edge) = self.topology.effects(ix).get(next) {
                way.push((ix, next + 1));
                if self.order[edge.ci.at()] == 0 {
                    self.visit(edge.ci);
                    way.push((edge.ci, 0));
                } else if self.on_stack[edge.ci.at()] {
                    self.low[ix.at()] = self.low[ix.at()].min(self.order[edge.ci.at()]);
                }
                continue;
            }
            if let Some((before, _)) = way.last() {
                self.low[before.at()] = self.low[before.at()].min(self.low[ix.at()]);
            }
            if self.low[ix.at()] == self.order[ix.at()] {
                self.close(ix);
            }
        }
    }

    fn visit(&mut self, ix: CiIx) {
        self.visited += 1;
        self.order[ix.at()] = self.visited;
        self.low[ix.at()] = self.visited;
        self.stack.push(ix);
        self.on_stack[ix.at()] = true;
    }

    fn close(&mut self, root: CiIx) {
        let at = self.stack.iter().rposition(|ix| *ix == root).expect("the root of a component is on the stack");
        let members = self.stack.split_off(at);
        for ix in &members {
            self.on_stack[ix.at()] = false;
        }
        if members.len() > 1 {
            self.found.push(members);
        }
    }
}

#[cfg(test)]
mod tests {
    use petgraph::algo::tarjan_scc;
    use petgraph::graph::{DiGraph, NodeIndex};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::topology::testing::topology;

    proptest! {
        #[test]
        fn cycles_are_those_a_graph_library_finds(edges in prop::collection::vec((0u32..25, 0u32..25), 0..60)) {
            let relations: Vec<_> = edges.iter().map(|(a, b)| (*a, *b, "hard")).collect();
            let mut graph = DiGraph::<(), ()>::new();
            for _ in 0..25 {
                graph.add_node(());
            }
            for (a, b) in &edges {
                graph.update_edge(NodeIndex::new(*a as usize), NodeIndex::new(*b as usize), ());
            }
            let mut oracle: Vec<Vec<String>> = tarjan_scc(&graph)
                .into_iter()
                .filter(|members| members.len() > 1)
                .map(|members| {
                    let mut numbers: Vec<usize> = members.iter().map(|n| n.index()).collect();
                    numbers.sort_unstable();
                    numbers.iter().take(MEMBERS_SHOWN).map(|n| format!("c{n}")).collect()
                })
                .collect();
            oracle.sort();
            let mut ours: Vec<Vec<String>> = cycles(&topology(25, &relations))
                .into_iter()
                .map(|cycle| cycle.cis.iter().map(ToString::to_string).collect())
                .collect();
            ours.sort();
            prop_assert_eq!(ours, oracle);
        }
    }

    #[test]
    fn only_cycles_of_peers_are_expected() {
        let made = topology(5, &[(0, 1, "peers"), (2, 3, "hard"), (3, 2, "hard")]);
        let quality = Quality::of(&made);
        assert_eq!((quality.cycles.count, quality.cycles_unexpected), (2, 1));
        assert!(quality.cycles.first[0].expected && !quality.cycles.first[1].expected);
        assert_eq!(quality.orphans.first, [CiId::from("c4")]);
        assert_eq!(quality.without_key.count, 5);
        assert_eq!(quality.without_owner.get("thing"), Some(&5));
        assert_eq!(quality.unknown_classes["thing"].count, 5);
    }

    #[test]
    fn a_long_chain_does_not_need_a_deep_stack() {
        let relations: Vec<_> = (0..50_000).map(|n| (n, n + 1, "hard")).collect();
        assert!(cycles(&topology(50_001, &relations)).is_empty());
    }
}
