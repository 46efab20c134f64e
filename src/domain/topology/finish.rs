//! From a draft to a topology: resolve kinds, number the groups, sort the edges.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use foldhash::fast::FixedState;

use super::draft::{BadRelation, Draft, Pending, Strength, UNDEFINED};
use super::presumed::presume;
use super::schema::{Flow, Kind, Mode, Need, Redundancy, Schema, Travel, TypeIx, lineage, travel};
use super::{CiIx, Edge, Edges, Group, KindIx, Topology};

/// An edge before its group has a number. Sorted as declared: the members of a group lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Loose {
    pub effect: u32,
    /// Number of the group's label; 0 = none.
    pub label: u32,
    pub cause: u32,
    pub kind: u16,
}

impl Draft {
    /// Makes the topology. Relations whose ends are no CIs, or that lead from a CI to itself, are noted and left out.
    pub fn finish(mut self, version: u64) -> Topology {
        self.keys.close(&self.ids);
        let type_labels: Vec<u32> = self.schema.clone().types().iter().map(|kind| self.label(&kind.id)).collect();
        let mut rows = Rows::of(&self, type_labels);
        let mut loose = self.loose_edges(&mut rows);
        loose.sort_unstable();
        let before = loose.len();
        loose.dedup();
        self.notes.repeated = (before - loose.len()) as u64;
        let presumed = presume(&loose, &rows.kinds);
        if !presumed.is_empty() {
            loose.extend(&presumed);
            loose.sort_unstable();
        }
        let mut presumed: Vec<_> =
            presumed.iter().map(|edge| (CiIx(edge.effect), CiIx(edge.cause), KindIx(edge.kind))).collect();
        presumed.sort_unstable();
        let (edges, groups) = number_groups(&loose, &self.needs, &rows.kinds);
        drop(loose);
        let mut population = vec![0; self.classes.len()];
        for class in &self.class_of {
            population[usize::from(*class)] += 1;
        }
        let causes = by_effect(&edges, self.ids.len());
        let effects = by_cause(&edges, self.ids.len());
        let mut made = Topology {
            version,
            schema: self.schema,
            shown: vec![OnceLock::new(); self.ids.len()],
            ids: self.ids,
            class_of: self.class_of,
            classes: self.classes,
            population,
            attributes_of: self.attributes_of,
            attributes: self.attributes,
            keys: self.keys,
            kinds: rows.kinds,
            causes,
            effects,
            groups,
            gaps: Vec::new(),
            presumed,
            notes: self.notes,
        };
        made.gaps = made.find_gaps();
        made
    }

    fn loose_edges(&mut self, rows: &mut Rows) -> Vec<Loose> {
        let pending = std::mem::take(&mut self.pending);
        let mut loose = Vec::with_capacity(pending.len());
        for relation in pending {
            let (from, to) = (self.mentioned[relation.from as usize].1, self.mentioned[relation.to as usize].1);
            if from == UNDEFINED || to == UNDEFINED {
                let bad = self.bad(&relation);
                self.notes.dangling.push(|| bad);
                continue;
            }
            if from == to {
                let bad = self.bad(&relation);
                self.notes.to_itself.push(|| bad);
                continue;
            }
            let (a, b) = (self.class_of[from as usize], self.class_of[to as usize]);
            let row = rows.row(relation.kind, relation.strength, a, b);
            let label = |kind: u16| match (relation.label, rows.kinds[usize::from(kind)].redundancy) {
                (0, Redundancy::None) => 0,
                (0, Redundancy::KOfN { .. }) => rows.type_labels[usize::from(relation.kind.0)],
                (label, _) => label,
            };
            if let Some(kind) = row.forward {
                loose.push(Loose { effect: to, label: label(kind), cause: from, kind });
            }
            if let Some(kind) = row.backward {
                loose.push(Loose { effect: from, label: label(kind), cause: to, kind });
            }
        }
        loose
    }

    fn bad(&self, relation: &Pending) -> BadRelation {
        BadRelation {
            from: self.mentioned[relation.from as usize].0.clone(),
            to: self.mentioned[relation.to as usize].0.clone(),
            kind: self.schema.relation_type(relation.kind).id.clone(),
            place: super::draft::Place { file: relation.file, line: relation.line },
        }
    }
}

/// The kinds of a relation's edges, one per direction in which a fault travels.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    forward: Option<u16>,
    backward: Option<u16>,
}

/// Kinds in use, in order of first use.
struct Rows {
    schema: Arc<Schema>,
    /// Each class and what it is like.
    lineages: Vec<Vec<Box<str>>>,
    type_labels: Vec<u32>,
    kinds: Vec<Kind>,
    known: HashMap<(TypeIx, Strength, u16, u16), Row, FixedState>,
}

impl Rows {
    fn of(draft: &Draft, type_labels: Vec<u32>) -> Self {
        let by_id: BTreeMap<&str, _> = draft.classes.iter().map(|c| (c.id.as_ref(), c)).collect();
        let lineages = draft.classes.iter().map(|c| lineage(c, |id| by_id.get(id).copied())).collect();
        Self { schema: draft.schema.clone(), lineages, type_labels, kinds: Vec::new(), known: HashMap::default() }
    }

    /// The kinds of "A type B". Beyond 65 535 kinds, relations make no edges.
    fn row(&mut self, kind: TypeIx, strength: Strength, a: u16, b: u16) -> Row {
        if let Some(row) = self.known.get(&(kind, strength, a, b)) {
            return *row;
        }
        let schema = self.schema.clone();
        let how = travel(schema.relation_type(kind), &self.lineages[usize::from(a)], &self.lineages[usize::from(b)]);
        let forward = matches!(how.flow, Flow::Forward | Flow::Both);
        let backward = matches!(how.flow, Flow::Backward | Flow::Both);
        let row = Row {
            forward: forward.then(|| self.push(kind, strength, how, (a, b))).flatten(),
            backward: backward.then(|| self.push(kind, strength, how, (b, a))).flatten(),
        };
        self.known.insert((kind, strength, a, b), row);
        row
    }

    fn push(&mut self, kind: TypeIx, strength: Strength, how: &Travel, (cause, effect): (u16, u16)) -> Option<u16> {
        let number = u16::try_from(self.kinds.len()).ok()?;
        let named = self.schema.relation_type(kind);
        let mode = match (strength, how.mode) {
            (Strength::Soft, Mode::Hard) => Mode::Soft,
            (Strength::AsTyped | Strength::Soft, mode) => mode,
        };
        self.kinds.push(Kind {
            relation: named.id.as_ref().into(),
            zh: named.zh.clone(),
            en: named.en.clone(),
            cause_class: self.lineages[usize::from(cause)][0].clone(),
            effect_class: self.lineages[usize::from(effect)][0].clone(),
            delay_min: how.delay_min,
            delay_typ: how.delay_typ,
            delay_max: how.delay_max,
            touch: how.touch,
            pass: how.pass,
            touch_redundant: how.touch_redundant,
            pass_redundant: how.pass_redundant,
            mode,
            redundancy: how.redundancy,
            infers: how.infers,
            cycles_expected: named.cycles_expected,
            encloses: named.encloses,
        });
        Some(number)
    }
}

/// An edge with both ends.
struct Bound {
    effect: u32,
    edge: Edge,
}

/// Numbers the groups of each CI from 1. A group of one member is no group.
fn number_groups(loose: &[Loose], needs: &BTreeMap<(CiIx, u32), Need>, kinds: &[Kind]) -> (Vec<Bound>, Vec<Group>) {
    let mut edges = Vec::with_capacity(loose.len());
    let mut groups: Vec<Group> = Vec::new();
    for run in loose.chunk_by(|a, b| (a.effect, a.label) == (b.effect, b.label)) {
        let (ci, label) = (CiIx(run[0].effect), run[0].label);
        let mut number = 0;
        if label != 0 && run.len() > 1 {
            let last = groups.last().filter(|g| g.ci == ci).map_or(0, |g| g.number);
            number = last.saturating_add(1);
            let members = run.len() as u32;
            let usual = match kinds[usize::from(run[0].kind)].redundancy {
                Redundancy::KOfN { need } => need,
                Redundancy::None => Need::AtLeast(1),
            };
            let need = needs.get(&(ci, label)).copied().unwrap_or(usual).of(members);
            groups.push(Group { ci, number, members, need });
        }
        edges.extend(run.iter().map(|e| Bound {
            effect: e.effect,
            edge: Edge { ci: CiIx(e.cause), kind: KindIx(e.kind), group: number },
        }));
    }
    groups.shrink_to_fit();
    (edges, groups)
}

fn by_effect(bound: &[Bound], cis: usize) -> Edges {
    let start = starts(bound.iter().map(|b| b.effect), cis);
    let mut edges: Vec<Edge> = bound.iter().map(|b| b.edge).collect();
    for ci in 0..cis {
        edges[start[ci] as usize..start[ci + 1] as usize].sort_unstable();
    }
    Edges { start, edges }
}

fn by_cause(bound: &[Bound], cis: usize) -> Edges {
    let start = starts(bound.iter().map(|b| b.edge.ci.0), cis);
    let mut next = start.clone();
    let mut edges = vec![Edge { ci: CiIx(0), kind: KindIx(0), group: 0 }; bound.len()];
    for b in bound {
        let at = &mut next[b.edge.ci.at()];
        edges[*at as usize] = Edge { ci: CiIx(b.effect), ..b.edge };
        *at += 1;
    }
    Edges { start, edges }
}

/// Where each CI's edges begin; one more entry than CIs.
fn starts(ends: impl Iterator<Item = u32>, cis: usize) -> Vec<u32> {
    let mut start = vec![0u32; cis + 1];
    for end in ends {
        start[end as usize + 1] += 1;
    }
    for ci in 0..cis {
        start[ci + 1] += start[ci];
    }
    start
}
