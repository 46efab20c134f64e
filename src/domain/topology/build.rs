//! Making a topology from CIs and relations as files give them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Adjacency, Attributes, Ci, CiIx, Class, Edge, Flow, KindIx, Schema, Topology};
use crate::domain::ids::CiId;

/// Findings of one sort that are listed by name; the rest is only counted.
const LISTED_MAX: usize = 50;

/// A CI as a file gives it.
#[derive(Clone, Debug, Default)]
pub struct CiDraft {
    pub id: String,
    pub class: String,
    /// Empty: the id.
    pub name: String,
    pub keys: Vec<String>,
    pub attributes: Attributes,
}

/// A relation as a file gives it: "`from` relation `to`".
#[derive(Clone, Debug, Default)]
pub struct RelationDraft {
    pub from: String,
    pub to: String,
    pub relation: String,
    /// The file writes it the other way round.
    pub inverse: bool,
}

/// Some findings by name, all of them by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Findings {
    pub count: usize,
    pub first: Vec<String>,
}

impl Findings {
    fn add(&mut self, what: impl Into<String>) {
        self.count += 1;
        if self.first.len() < LISTED_MAX {
            self.first.push(what.into());
        }
    }
}

/// How good the CMDB's content is. Nothing here refuses a topology.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Quality {
    pub cis: usize,
    pub relations: usize,
    /// CIs without any relation.
    pub orphans: Findings,
    /// Relations with an end that does not exist.
    pub dangling: Findings,
    /// Relation types that the schema does not know.
    pub unknown_relations: Findings,
    pub unknown_classes: Findings,
    /// Keys that mean more than one CI.
    pub ambiguous_keys: Findings,
    pub duplicate_ids: Findings,
    pub without_owner: usize,
    /// CIs on a cycle of causes.
    pub in_cycles: Findings,
}

/// Collects CIs and relations.
pub struct Builder {
    schema: Arc<Schema>,
    version: u64,
    classes: Vec<Class>,
    class_of: BTreeMap<Box<str>, u16>,
    kind_of: BTreeMap<Box<str>, KindIx>,
    cis: Vec<Ci>,
    attributes: Vec<Attributes>,
    attribute_of: HashMap<String, u32, foldhash::fast::FixedState>,
    keys: HashMap<Box<str>, CiIx, foldhash::fast::FixedState>,
    shared: HashMap<Box<str>, Vec<CiIx>, foldhash::fast::FixedState>,
    edges: Vec<(CiIx, CiIx, KindIx)>,
    quality: Quality,
}

impl Builder {
    /// Starts an empty topology of this version.
    pub fn of(schema: Arc<Schema>, version: u64) -> Self {
        let classes = schema.classes.clone();
        let class_of = classes.iter().enumerate().map(|(i, c)| (c.id.clone(), i as u16)).collect();
        let kind_of = schema.kinds.iter().enumerate().map(|(i, k)| (k.relation.clone(), KindIx(i as u16))).collect();
        Self {
            schema,
            version,
            classes,
            class_of,
            kind_of,
            cis: Vec::new(),
            attributes: Vec::new(),
            attribute_of: HashMap::default(),
            keys: HashMap::default(),
            shared: HashMap::default(),
            edges: Vec::new(),
            quality: Quality::default(),
        }
    }

    fn class(&mut self, id: &str) -> u16 {
        if let Some(class) = self.class_of.get(id) {
            return *class;
        }
        self.quality.unknown_classes.add(id);
        let class = self.classes.len() as u16;
        self.classes.push(Class {
            id: id.into(),
            zh: id.into(),
            en: id.into(),
            area: None,
            layer: 3,
            root_prior: 500,
            is_service: false,
            owner: None,
            causes: Vec::new(),
        });
        self.class_of.insert(id.into(), class);
        class
    }

    /// Adds a CI. A second one with the same id is left out and reported.
    pub fn ci(&mut self, draft: CiDraft) {
        let ix = CiIx(self.cis.len() as u32);
        if self.keys.get(draft.id.as_str()).is_some_and(|k| self.cis[k.0 as usize].id.as_str() == draft.id) {
            self.quality.duplicate_ids.add(draft.id);
            return;
        }
        let class = self.class(&draft.class);
        if draft.attributes.owner_team.is_none() && self.classes[usize::from(class)].owner.is_none() {
            self.quality.without_owner += 1;
        }
        let text = serde_json::to_string(&draft.attributes).unwrap_or_default();
        let attributes = match self.attribute_of.get(&text) {
            Some(known) => *known,
            None => {
                self.attributes.push(draft.attributes);
                self.attribute_of.insert(text, (self.attributes.len() - 1) as u32);
                (self.attributes.len() - 1) as u32
            }
        };
        let id = CiId::from(draft.id.as_str());
        let name: Box<str> = if draft.name.is_empty() { draft.id.as_str().into() } else { draft.name.as_str().into() };
        self.cis.push(Ci { id, name, class, attributes });
        // An id always wins over another CI's alias.
        if let Some(other) = self.keys.insert(draft.id.as_str().into(), ix) {
            self.quality.ambiguous_keys.add(format!("{} ({})", draft.id, self.cis[other.0 as usize].id));
        }
        if draft.name != draft.id {
            self.key(&draft.name, ix);
        }
        for key in &draft.keys {
            self.key(key, ix);
        }
    }

    fn key(&mut self, key: &str, ci: CiIx) {
        let lower = key.trim().to_lowercase();
        for key in if lower == key { vec![lower] } else { vec![lower, key.to_owned()] } {
            match self.keys.get(key.as_str()) {
                _ if key.is_empty() => {}
                None => {
                    self.keys.insert(key.into(), ci);
                }
                Some(other) if *other == ci || self.cis[other.0 as usize].id.as_str() == key => {}
                Some(other) => {
                    let all = self.shared.entry(key.as_str().into()).or_insert_with(|| vec![*other]);
                    if !all.contains(&ci) {
                        all.push(ci);
                    }
                    self.quality.ambiguous_keys.add(key);
                }
            }
        }
    }

    /// Adds a relation between CIs that were added before.
    pub fn relation(&mut self, draft: &RelationDraft) {
        self.quality.relations += 1;
        let Some(kind) = self.kind_of.get(draft.relation.as_str()).copied() else {
            self.quality.unknown_relations.add(&draft.relation);
            return;
        };
        let (Some(from), Some(to)) =
            (self.keys.get(draft.from.as_str()).copied(), self.keys.get(draft.to.as_str()).copied())
        else {
            self.quality.dangling.add(format!("{} {} {}", draft.from, draft.relation, draft.to));
            return;
        };
        let forward = self.schema.kinds[usize::from(kind.0)].flows == Flow::Forward;
        let (cause, effect) = if forward != draft.inverse { (from, to) } else { (to, from) };
        if cause != effect {
            self.edges.push((cause, effect, kind));
        }
    }

    /// The topology, and how good its content is.
    pub fn finish(mut self) -> (Topology, Quality) {
        self.edges.sort_unstable();
        self.edges.dedup();
        let n = self.cis.len();
        let effects = adjacency(n, self.edges.iter().map(|(c, e, k)| (*c, Edge { ci: *e, kind: *k })));
        let mut turned: Vec<_> = self.edges.iter().map(|(c, e, k)| (*e, Edge { ci: *c, kind: *k })).collect();
        turned.sort_by_key(|(e, _)| *e);
        let causes = adjacency(n, turned.into_iter());
        let mut population = vec![0; self.classes.len()];
        for ci in &self.cis {
            population[usize::from(ci.class)] += 1;
        }
        let mut quality = self.quality;
        quality.cis = n;
        for (at, ci) in self.cis.iter().enumerate() {
            let ix = CiIx(at as u32);
            if causes.of(ix).is_empty() && effects.of(ix).is_empty() {
                quality.orphans.add(ci.id.as_str());
            }
        }
        for ci in cycles(n, &effects, &causes) {
            quality.in_cycles.add(self.cis[ci.0 as usize].id.as_str());
        }
        let topology = Topology {
            version: self.version,
            schema: self.schema,
            classes: self.classes,
            population,
            cis: self.cis,
            attributes: self.attributes,
            keys: self.keys,
            shared_keys: self.shared,
            causes,
            effects,
        };
        (topology, quality)
    }
}

fn adjacency(n: usize, sorted: impl Iterator<Item = (CiIx, Edge)>) -> Adjacency {
    let mut start = vec![0u32; n + 1];
    let mut edges = Vec::new();
    for (from, edge) in sorted {
        start[from.0 as usize + 1] += 1;
        edges.push(edge);
    }
    for i in 0..n {
        start[i + 1] += start[i];
    }
    Adjacency { start, edges }
}

/// CIs that lie on or between cycles: what is left when CIs without causes, then those without effects, are
/// taken away again and again (Kahn's algorithm in both directions).
fn cycles(n: usize, effects: &Adjacency, causes: &Adjacency) -> Vec<CiIx> {
    let mut gone = vec![false; n];
    for (out, back) in [(effects, causes), (causes, effects)] {
        let mut left: Vec<usize> =
            (0..n).map(|i| back.of(CiIx(i as u32)).iter().filter(|e| !gone[e.ci.0 as usize]).count()).collect();
        let mut free: Vec<usize> = (0..n).filter(|i| left[*i] == 0 && !gone[*i]).collect();
        while let Some(at) = free.pop() {
            gone[at] = true;
            for edge in out.of(CiIx(at as u32)) {
                let other = edge.ci.0 as usize;
                if gone[other] {
                    continue;
                }
                left[other] = left[other].saturating_sub(1);
                if left[other] == 0 {
                    free.push(other);
                }
            }
        }
    }
    (0..n).filter(|i| !gone[*i]).map(|i| CiIx(i as u32)).collect()
}
