//! The CIs of an estate and how faults spread between them: immutable, compact, replaced as a whole.
//!
//! All edges are stored cause → effect, so that correlation and root cause need no code per relation type.
//! Indexes (`CiIx`, `KindIx`) are valid for one `Topology` only; what outlives it keeps the `CiId`.

pub mod draft;
mod finish;
pub mod gaps;
mod keys;
pub mod merge;
mod presumed;
pub mod quality;
pub mod reach;
pub mod schema;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::ci::CiRef;
use super::ids::{CiId, OrgId, TenantId};
use draft::Notes;
use gaps::Gap;
use keys::KeyIndex;
use schema::{Class, Kind, Schema};

/// A CI's place in one topology; 0 is the first one defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CiIx(pub u32);

impl CiIx {
    /// The place as an index into a list.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// A row of one topology's table of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KindIx(pub u16);

/// A class's number in one topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassIx(pub u16);

/// One end of a fault's possible way from a cause to an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The other end.
    pub ci: CiIx,
    /// How the fault travels.
    pub kind: KindIx,
    /// The redundancy group of the effect CI this edge belongs to; 0 = none.
    pub group: u16,
}

/// A redundancy group of an effect CI: it stands while enough causes are healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The effect CI.
    pub ci: CiIx,
    /// The group's number within the CI, from 1.
    pub number: u16,
    /// Edges in the group.
    pub members: u32,
    /// Members that must be healthy; 1 to `members`.
    pub need: u32,
}

impl Group {
    /// Whether the effect CI is hit once so many members have failed.
    pub const fn falls_at(&self, failed: u32) -> bool {
        self.members.saturating_sub(failed) < self.need
    }
}

/// Whether a CI is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CiState {
    #[default]
    Running,
    /// Mutes the CI's alerts.
    Maintenance,
    Retired,
}

impl CiState {
    /// Reads the wire word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "running" => Some(Self::Running),
            "maintenance" => Some(Self::Maintenance),
            "retired" => Some(Self::Retired),
            _ => None,
        }
    }
}

/// What the CMDB says about a CI besides its name and relations. Equal ones are stored once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Attributes {
    pub org: Option<OrgId>,
    pub tenant: Option<TenantId>,
    pub env: Option<Arc<str>>,
    pub owner_team: Option<Arc<str>>,
    /// Site, region or room: the largest place people name.
    pub site: Option<Arc<str>>,
    /// 1 (most critical) to 5.
    pub criticality: Option<u8>,
    /// Level of classified protection (等保), 1 to 5.
    pub db_level: Option<u8>,
    pub state: CiState,
    /// Whether silence of this CI means anything.
    pub monitored: bool,
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            org: None,
            tenant: None,
            env: None,
            owner_team: None,
            site: None,
            criticality: None,
            db_level: None,
            state: CiState::Running,
            monitored: true,
            labels: BTreeMap::new(),
        }
    }
}

/// What a key of an event's object means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    One(CiIx),
    /// Several CIs carry the key, in order of definition.
    Ambiguous(Vec<CiIx>),
    Unknown,
}

impl Resolution {
    /// The CI, when the key means exactly one.
    pub fn one(&self) -> Option<CiIx> {
        match self {
            Self::One(ci) => Some(*ci),
            Self::Ambiguous(_) | Self::Unknown => None,
        }
    }
}

/// Edges grouped by one of their ends.
#[derive(Debug, Default)]
struct Edges {
    /// Where each CI's edges begin; one more entry than CIs.
    start: Vec<u32>,
    edges: Vec<Edge>,
}

impl Edges {
    fn of(&self, ix: CiIx) -> &[Edge] {
        &self.edges[self.start[ix.at()] as usize..self.start[ix.at() + 1] as usize]
    }
}

/// The estate: CIs, their keys and the ways faults spread. Immutable; made by `Draft::finish`.
///
/// About 250 bytes per CI with three edges, besides its own text.
#[derive(Debug)]
pub struct Topology {
    version: u64,
    schema: Arc<Schema>,
    ids: Vec<CiId>,
    /// Each CI as effects show it, made when it is first shown.
    shown: Vec<OnceLock<Arc<CiRef>>>,
    class_of: Vec<u16>,
    /// The schema's classes, then those declared by mappings or merely seen.
    classes: Vec<Class>,
    /// CIs per class.
    population: Vec<u32>,
    attributes_of: Vec<u32>,
    attributes: Vec<Attributes>,
    keys: KeyIndex,
    kinds: Vec<Kind>,
    causes: Edges,
    effects: Edges,
    /// Sorted by CI and number.
    groups: Vec<Group>,
    /// Sorted by CI.
    gaps: Vec<Gap>,
    /// Edges that the CMDB lacks: effect, cause, kind. Sorted.
    presumed: Vec<(CiIx, CiIx, KindIx)>,
    notes: Notes,
}

impl Topology {
    /// A topology without CIs, version 0.
    pub fn empty(schema: Arc<Schema>) -> Self {
        draft::Draft::start(schema).finish(0)
    }

    /// A topology without CIs, classes and relation types.
    pub fn none() -> Arc<Self> {
        Arc::new(Self::empty(Arc::new(Schema::default())))
    }

    /// How many CIs there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no CI at all.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The version given when it was loaded.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The classes and relation types it was read by.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// All classes: those of the schema, and those that the CMDB declared.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// All CIs in order of definition.
    pub fn all(&self) -> impl ExactSizeIterator<Item = CiIx> + use<> {
        (0..self.ids.len() as u32).map(CiIx)
    }

    /// How many edges there are.
    pub fn edges(&self) -> usize {
        self.causes.edges.len()
    }

    /// The CI with exactly this id.
    pub fn find(&self, id: &str) -> Option<CiIx> {
        self.keys.find(id, &self.ids)
    }

    /// The CIs that carry this key: id, name, alias, address, serial number …
    ///
    /// An id wins over other keys. An exact match wins over one that differs in ASCII case. When nothing
    /// carries the key and it ends in `:port`, the part before it is tried.
    pub fn resolve(&self, key: &str) -> Resolution {
        self.keys.resolve(key, &self.ids)
    }

    /// The CI as answers and effects show it.
    pub fn ci(&self, ix: CiIx) -> Arc<CiRef> {
        let make = || {
            let class = self.class(ix);
            Arc::new(CiRef {
                id: self.id(ix).clone(),
                name: self.name(ix).into(),
                class: class.id.clone(),
                area: class.area,
                org: self.attributes(ix).org.clone(),
            })
        };
        self.shown[ix.at()].get_or_init(make).clone()
    }

    /// The CI's id.
    pub fn id(&self, ix: CiIx) -> &CiId {
        &self.ids[ix.at()]
    }

    /// The CI's name for people; its id when the CMDB gives none.
    pub fn name(&self, ix: CiIx) -> &str {
        self.keys.name(ix).unwrap_or_else(|| self.id(ix).as_str())
    }

    /// The CI's other keys (aliases, addresses …), in order of definition.
    pub fn aliases(&self, ix: CiIx) -> impl Iterator<Item = &str> {
        self.keys.aliases(ix)
    }

    /// The CI's class; a class the schema does not know has generic properties.
    pub fn class(&self, ix: CiIx) -> &Class {
        &self.classes[usize::from(self.class_of[ix.at()])]
    }

    /// The number of the CI's class.
    pub fn class_ix(&self, ix: CiIx) -> ClassIx {
        ClassIx(self.class_of[ix.at()])
    }

    /// The classes of the cause ends of edges to CIs of a class, in order.
    pub fn classes_above(&self, class: ClassIx) -> Vec<ClassIx> {
        let effect = &self.classes[usize::from(class.0)].id;
        let causes: BTreeSet<&str> = self
            .kinds
            .iter()
            .filter(|kind| kind.effect_class == *effect)
            .map(|kind| kind.cause_class.as_ref())
            .collect();
        let numbered = self.classes.iter().enumerate();
        numbered.filter(|(_, c)| causes.contains(c.id.as_ref())).map(|(at, _)| ClassIx(at as u16)).collect()
    }

    /// How many CIs of the same class there are, this one included.
    pub fn population(&self, ix: CiIx) -> u32 {
        self.population[usize::from(self.class_of[ix.at()])]
    }

    /// What else the CMDB says about the CI.
    pub fn attributes(&self, ix: CiIx) -> &Attributes {
        &self.attributes[self.attributes_of[ix.at()] as usize]
    }

    /// Edges whose effect end is this CI, sorted by cause.
    pub fn causes(&self, ix: CiIx) -> &[Edge] {
        self.causes.of(ix)
    }

    /// Edges whose cause end is this CI, sorted by effect.
    pub fn effects(&self, ix: CiIx) -> &[Edge] {
        self.effects.of(ix)
    }

    /// Whether an edge to this effect CI is not in the CMDB but presumed, because nearly all of its class in the same place
    /// have it.
    pub fn is_presumed(&self, effect: CiIx, edge: &Edge) -> bool {
        !self.presumed.is_empty() && self.presumed.binary_search(&(effect, edge.ci, edge.kind)).is_ok()
    }

    /// The same of an edge from this cause CI, as `effects` gives it.
    pub fn is_presumed_from(&self, cause: CiIx, edge: &Edge) -> bool {
        self.is_presumed(edge.ci, &Edge { ci: cause, ..*edge })
    }

    /// The edges that are presumed: effect, cause, kind.
    pub fn all_presumed(&self) -> &[(CiIx, CiIx, KindIx)] {
        &self.presumed
    }

    /// How faults travel on edges of this kind.
    ///
    /// Panics when the index is of another topology.
    pub fn kind(&self, kind: KindIx) -> &Kind {
        &self.kinds[usize::from(kind.0)]
    }

    /// All kinds in use, by index.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Redundancy group `number` of this effect CI; `None` for number 0.
    pub fn group(&self, ix: CiIx, number: u16) -> Option<&Group> {
        let at = self.groups.binary_search_by_key(&(ix, number), |g| (g.ci, g.number)).ok()?;
        Some(&self.groups[at])
    }

    /// From 0 (facility) to 6 (business).
    pub fn layer(&self, ix: CiIx) -> u8 {
        self.class(ix).layer
    }

    /// What loading noticed and did not refuse.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    use super::draft::{CiDraft, Draft, Place, RelationDraft, Strength};
    use super::schema::{Need, TypeIx};
    use super::*;

    #[test]
    fn edges_lead_from_cause_to_effect_and_groups_hold_their_members() {
        let made =
            testing::topology(4, &[(0, 3, "pair"), (1, 3, "pair"), (2, 3, "hard"), (2, 3, "hard"), (3, 3, "hard")]);
        let ends = |edges: &[Edge]| edges.iter().map(|e| (e.ci.0, e.group)).collect::<Vec<_>>();
        assert_eq!(ends(made.causes(CiIx(3))), [(0, 1), (1, 1), (2, 0)]);
        assert_eq!(ends(made.effects(CiIx(0))), [(3, 1)]);
        let group = *made.group(CiIx(3), 1).expect("two feeds make a group");
        assert_eq!((group.members, group.need), (2, 1));
        assert!(!group.falls_at(1) && group.falls_at(2));
        assert_eq!((made.notes().repeated, made.notes().to_itself.count), (1, 1));
        assert_eq!(made.population(CiIx(0)), 4);
    }

    #[test]
    fn a_single_member_is_no_group_and_a_ci_can_say_what_it_needs() {
        let schema = testing::schema();
        let mut draft = Draft::start(schema);
        let needs = [("feeds", Need::AtLeast(2))];
        for (id, needs) in
            [("a", &needs[..0]), ("b", &needs[..0]), ("c", &needs[..0]), ("x", &needs[..]), ("y", &needs[..0])]
        {
            draft.ci(CiDraft { id, needs, ..CiDraft::default() }, Place::default()).expect("fits");
        }
        for (from, to, group) in [("a", "x", "feeds"), ("b", "x", "feeds"), ("c", "x", "feeds"), ("a", "y", "feeds")] {
            let relation = RelationDraft { from, to, kind: TypeIx(0), group, strength: Strength::AsTyped };
            draft.relation(&relation, Place::default()).expect("fits");
        }
        let made = draft.finish(1);
        let group = made.group(CiIx(3), 1).expect("three feeds");
        assert_eq!((group.members, group.need), (3, 2));
        assert_eq!(made.causes(CiIx(4))[0].group, 0);
        assert!(made.group(CiIx(4), 1).is_none());
    }

    #[test]
    fn nothing_is_found_in_an_empty_topology() {
        let none = Topology::none();
        assert!(none.is_empty() && none.find("a").is_none());
        assert_eq!(none.resolve("a"), Resolution::Unknown);
    }
}
