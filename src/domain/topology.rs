//! The CMDB as the engine sees it: CIs and directed edges "a fault here may hit there", as compact arrays.
//!
//! Immutable; a change makes another version. What is known of classes and relation types is data
//! (`topology/classes.yaml`, `topology/relations.yaml`).

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ci::{Area, CiRef};
use super::ids::{CiId, OrgId};
use super::time::Span;

mod build;

pub use build::{Builder, CiDraft, Quality, RelationDraft};

/// A CI's number within one version of the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CiIx(pub u32);

/// A relation kind's number within one version of the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KindIx(pub u16);

/// What the operator says a CI is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CiState {
    #[default]
    Running,
    Maintenance,
    Retired,
}

/// How strongly a failed cause is felt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The effect fails too.
    #[default]
    Hard,
    /// The effect suffers.
    Soft,
    /// The effect only can no longer be seen.
    Visibility,
}

/// A class of CIs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    pub id: Box<str>,
    pub zh: Box<str>,
    pub en: Box<str>,
    #[serde(default)]
    pub area: Option<Area>,
    /// 0 facility … 6 business: where a drawing puts it.
    pub layer: u8,
    /// How often such a CI is a cause rather than a victim, per mille.
    #[serde(default = "half")]
    pub root_prior: i32,
    /// What people use: named in an incident's impact.
    #[serde(default)]
    pub is_service: bool,
    /// Role that owns such CIs when the CMDB names nobody.
    #[serde(default)]
    pub owner: Option<Box<str>>,
    /// Typical probable causes (X.733).
    #[serde(default)]
    pub causes: Vec<Box<str>>,
}

fn half() -> i32 {
    500
}

/// A relation type: how a fault goes from cause to effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Relation type, for example `hosts`.
    #[serde(rename = "id")]
    pub relation: Box<str>,
    pub zh: Box<str>,
    pub en: Box<str>,
    /// As written "A relation B": does the fault go from A to B, or from B to A?
    pub flows: Flow,
    #[serde(rename = "delay_min_secs")]
    pub delay_min: Secs,
    #[serde(rename = "delay_typ_secs")]
    delay_typ_secs: Secs,
    #[serde(rename = "delay_max_secs")]
    pub delay_max: Secs,
    /// Typical delay.
    #[serde(skip)]
    pub delay_typ: Span,
    /// Per mille: the effect shows an alert, and the fault goes on from it.
    pub touch: i32,
    pub pass: i32,
    /// The same where the effect has two or more such causes.
    pub touch_redundant: i32,
    pub pass_redundant: i32,
    #[serde(default)]
    pub mode: Mode,
    /// A cause without an alert may be inferred through it.
    #[serde(default = "yes")]
    pub infers: bool,
}

/// Whole seconds in a file.
pub type Secs = i64;

fn yes() -> bool {
    true
}

/// The direction of a fault along "A relation B".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// A fails, B suffers.
    Forward,
    /// B fails, A suffers.
    Backward,
}

/// Everything that is known of classes and relation types.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub classes: Vec<Class>,
    pub kinds: Vec<Kind>,
}

impl Schema {
    /// Puts classes and relation types together.
    pub fn of(classes: Vec<Class>, mut kinds: Vec<Kind>) -> Self {
        for kind in &mut kinds {
            kind.delay_typ = Span::secs(kind.delay_typ_secs);
        }
        Self { classes, kinds }
    }
}

/// What the CMDB says of a CI beyond its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    pub org: Option<OrgId>,
    pub owner_team: Option<Arc<str>>,
    pub site: Option<Arc<str>>,
    /// 1 (most) to 5.
    pub criticality: Option<u8>,
    pub state: CiState,
}

/// An edge as seen from one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The other end.
    pub ci: CiIx,
    pub kind: KindIx,
}

/// Which CI a key means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    One(CiIx),
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

/// A CI reached from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub ci: CiIx,
    pub hops: u32,
    /// A redundant partner may keep it up.
    pub redundant: bool,
}

#[derive(Clone, Debug, Default)]
struct Adjacency {
    start: Vec<u32>,
    edges: Vec<Edge>,
}

impl Adjacency {
    fn of(&self, ci: CiIx) -> &[Edge] {
        let at = ci.0 as usize;
        match (self.start.get(at), self.start.get(at + 1)) {
            (Some(from), Some(to)) => &self.edges[*from as usize..*to as usize],
            _ => &[],
        }
    }
}

#[derive(Clone, Debug)]
struct Ci {
    id: CiId,
    name: Box<str>,
    class: u16,
    attributes: u32,
}

/// One version of the topology.
#[derive(Clone, Debug)]
pub struct Topology {
    version: u64,
    schema: Arc<Schema>,
    classes: Vec<Class>,
    population: Vec<u32>,
    cis: Vec<Ci>,
    attributes: Vec<Attributes>,
    keys: HashMap<Box<str>, CiIx, foldhash::fast::FixedState>,
    shared_keys: HashMap<Box<str>, Vec<CiIx>, foldhash::fast::FixedState>,
    causes: Adjacency,
    effects: Adjacency,
}

impl Topology {
    /// A topology without a CI.
    pub fn none() -> Arc<Self> {
        Arc::new(Builder::of(Arc::new(Schema::default()), 0).finish().0)
    }

    /// Its version.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// How many CIs there are.
    pub fn len(&self) -> usize {
        self.cis.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cis.is_empty()
    }

    /// How many edges there are.
    pub fn edges(&self) -> usize {
        self.causes.edges.len()
    }

    /// All CIs in the order of the file.
    pub fn all(&self) -> impl Iterator<Item = CiIx> + use<> {
        (0..self.cis.len() as u32).map(CiIx)
    }

    /// The CI with this id.
    pub fn find(&self, id: &str) -> Option<CiIx> {
        self.keys.get(id).copied().filter(|ci| self.cis[ci.0 as usize].id.as_str() == id)
    }

    /// The CI that a key (id, name, address, host name …) means; a trailing `:port` is left out when unknown.
    pub fn resolve(&self, key: &str) -> Resolution {
        let exact = self.exactly(key);
        if exact != Resolution::Unknown {
            return exact;
        }
        let lower = key.trim().to_lowercase();
        let found = self.exactly(&lower);
        if found != Resolution::Unknown {
            return found;
        }
        match lower.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => self.exactly(host),
            Some(_) | None => Resolution::Unknown,
        }
    }

    fn exactly(&self, key: &str) -> Resolution {
        match (self.keys.get(key), self.shared_keys.get(key)) {
            (Some(ci), None) => Resolution::One(*ci),
            (_, Some(cis)) => Resolution::Ambiguous(cis.clone()),
            (None, None) => Resolution::Unknown,
        }
    }

    /// The CI's id.
    pub fn id(&self, ci: CiIx) -> &CiId {
        &self.cis[ci.0 as usize].id
    }

    /// The CI as people are shown it.
    pub fn ci(&self, ci: CiIx) -> CiRef {
        let (one, class) = (&self.cis[ci.0 as usize], self.class(ci));
        CiRef {
            id: one.id.clone(),
            name: one.name.clone(),
            class: class.id.clone(),
            area: class.area,
            org: self.attributes(ci).org.clone(),
        }
    }

    /// The CI's class; one made up for a class that the schema does not know.
    pub fn class(&self, ci: CiIx) -> &Class {
        &self.classes[usize::from(self.cis[ci.0 as usize].class)]
    }

    /// How many CIs of the same class there are.
    pub fn population(&self, ci: CiIx) -> u32 {
        self.population[usize::from(self.cis[ci.0 as usize].class)]
    }

    /// What else the CMDB says of it.
    pub fn attributes(&self, ci: CiIx) -> &Attributes {
        &self.attributes[self.cis[ci.0 as usize].attributes as usize]
    }

    /// What may fail it.
    pub fn causes(&self, ci: CiIx) -> &[Edge] {
        self.causes.of(ci)
    }

    /// What it may fail.
    pub fn effects(&self, ci: CiIx) -> &[Edge] {
        self.effects.of(ci)
    }

    /// A relation kind.
    pub fn kind(&self, kind: KindIx) -> &Kind {
        &self.schema.kinds[usize::from(kind.0)]
    }

    /// Everything downstream (or upstream) within `hops_max` hops and `cis_max` CIs, nearest first; and whether
    /// a limit cut it.
    pub fn reach(&self, from: CiIx, way: Way, hops_max: u32, cis_max: usize) -> (Vec<Reached>, bool) {
        let mut seen: std::collections::HashSet<CiIx, foldhash::fast::FixedState> =
            std::collections::HashSet::default();
        seen.insert(from);
        let mut found: Vec<Reached> = Vec::new();
        let (mut next, mut at, mut cut) = (0, Reached { ci: from, hops: 0, redundant: false }, false);
        loop {
            let edges = match way {
                Way::Effects => self.effects(at.ci),
                Way::Causes => self.causes(at.ci),
            };
            for edge in edges {
                if seen.contains(&edge.ci) {
                    continue;
                }
                if at.hops >= hops_max || found.len() >= cis_max {
                    cut = true;
                    continue;
                }
                seen.insert(edge.ci);
                let effect = if way == Way::Effects { edge.ci } else { at.ci };
                let same = |e: &&Edge| self.kind(e.kind).relation == self.kind(edge.kind).relation;
                let redundant = at.redundant || self.causes(effect).iter().filter(same).nth(1).is_some();
                found.push(Reached { ci: edge.ci, hops: at.hops + 1, redundant });
            }
            match found.get(next) {
                Some(reached) => at = *reached,
                None => return (found, cut),
            }
            next += 1;
        }
    }
}

/// Downstream or upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Effects,
    Causes,
}
