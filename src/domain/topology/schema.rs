//! What kinds of CIs there are, and how faults travel along each type of relation.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::Edge;
use crate::domain::ci::Area;
use crate::domain::time::Span;

/// How many classes one topology may have: the schema's, those of mappings and unknown ones.
pub const CLASSES_MAX: usize = 4096;

/// How often `like` is followed.
const LIKE_MAX: usize = 4;

/// Layer of a class nobody declared: between containers and shared platforms.
const LAYER_GENERIC: u8 = 3;

/// Root prior of a class that says nothing of it, per mille.
pub const ROOT_PRIOR_GENERIC: i32 = 500;

/// A class of CIs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Class {
    pub id: Box<str>,
    pub zh: Box<str>,
    pub en: Box<str>,
    /// `None` for a class nobody declared.
    pub area: Option<Area>,
    /// 0 facility, 1 hardware and network, 2 virtual, 3 container, 4 shared platform, 5 application, 6 business.
    pub layer: u8,
    /// How often such a CI is a root cause rather than a victim, per mille.
    pub root_prior: i32,
    /// What people use: named in an incident's impact.
    pub is_service: bool,
    /// Names of the keys that such a CI usually has.
    pub keys: Vec<Box<str>>,
    /// Role that owns such a CI when the CMDB names no team.
    pub owner: Option<Box<str>>,
    /// Typical X.733 probable causes of its alerts.
    pub causes: Vec<Box<str>>,
    /// Overrides of relation types for this class hold too, unless there are own ones.
    pub like: Option<Box<str>>,
    /// Beyond what every estate should model.
    pub optional: bool,
    /// False for a class that was only seen in a CMDB.
    pub declared: bool,
}

impl Class {
    /// A class that was seen but never declared.
    pub fn generic(id: &str) -> Self {
        Self {
            id: id.into(),
            zh: id.into(),
            en: id.into(),
            area: None,
            layer: LAYER_GENERIC,
            root_prior: ROOT_PRIOR_GENERIC,
            is_service: false,
            keys: Vec::new(),
            owner: None,
            causes: Vec::new(),
            like: None,
            optional: false,
            declared: false,
        }
    }
}

/// What becomes of the effect CI when the cause CI fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It fails.
    Hard,
    /// It suffers.
    Soft,
    /// It is no longer seen; it has not failed.
    Visibility,
}

/// Between which ends of a relation "A type B" a fault travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// From A to B.
    Forward,
    /// From B to A.
    Backward,
    /// Either way: peers.
    Both,
    /// Not at all; the relation is checked but makes no edge.
    None,
}

/// How many members of a redundancy group must be healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    AtLeast(u32),
    /// Share of the members, per mille, rounded up.
    Share(u32),
}

impl Need {
    /// The number for a group of so many members: 1 to `members`.
    pub fn of(self, members: u32) -> u32 {
        let need = match self {
            Self::AtLeast(n) => n,
            Self::Share(pm) => (u64::from(members) * u64::from(pm)).div_ceil(1000) as u32,
        };
        need.clamp(1, members.max(1))
    }
}

/// Whether several causes of one kind stand in for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Redundancy {
    /// Each cause alone hits the effect CI.
    None,
    /// All edges of the relation type into one CI form a group (when there are two or more).
    KOfN { need: Need },
}

/// How a fault travels along a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Travel {
    pub flow: Flow,
    /// Soonest, usual and latest time from the failure of the cause CI to the effect's alert.
    pub delay_min: Span,
    pub delay_typ: Span,
    pub delay_max: Span,
    /// Probability that the effect CI shows an alert when the cause CI fails, per mille.
    pub touch: i32,
    /// Probability that the fault goes on from the effect CI, per mille; at most `touch`.
    pub pass: i32,
    /// The same while the effect CI's redundancy group holds.
    pub touch_redundant: i32,
    pub pass_redundant: i32,
    pub mode: Mode,
    pub redundancy: Redundancy,
    /// A cause without an alert may be inferred through it.
    pub infers: bool,
}

/// Another way to travel between certain classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Classes of the cause end; empty = any.
    pub causes: Vec<Box<str>>,
    /// Classes of the effect end; empty = any.
    pub effects: Vec<Box<str>>,
    pub travel: Travel,
}

/// A type of relation, read "A type B".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationType {
    pub id: Box<str>,
    pub zh: Box<str>,
    pub en: Box<str>,
    /// The name of "B … A", also understood; for example `runs_on` for `hosts`.
    pub inverse: Option<Box<str>>,
    pub travel: Travel,
    /// The first that fits wins; those naming the class itself are tried before those of `like`.
    pub overrides: Vec<Override>,
    /// Whether cycles of this type alone are expected (peers, replicas).
    pub cycles_expected: bool,
    /// The effect end is inside or on the cause end: planned work on the cause is work on it, too.
    pub encloses: bool,
}

/// One resolved row: relation type, class of the cause, class of the effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Relation type id, for example `hosts`.
    pub relation: Arc<str>,
    pub zh: Box<str>,
    pub en: Box<str>,
    pub cause_class: Box<str>,
    pub effect_class: Box<str>,
    /// Soonest, usual and latest time from the failure of the cause CI to the effect's alert.
    pub delay_min: Span,
    pub delay_typ: Span,
    pub delay_max: Span,
    /// Probability that the effect CI shows an alert when the cause CI fails, per mille.
    pub touch: i32,
    /// Probability that the fault goes on from the effect CI, per mille; at most `touch`.
    pub pass: i32,
    /// The same while the effect CI's redundancy group holds.
    pub touch_redundant: i32,
    pub pass_redundant: i32,
    pub mode: Mode,
    pub redundancy: Redundancy,
    /// A cause without an alert may be inferred through it.
    pub infers: bool,
    /// Whether cycles of this type alone are expected.
    pub cycles_expected: bool,
    /// The effect end is inside or on the cause end.
    pub encloses: bool,
}

impl Kind {
    /// Touch and pass of an edge of this kind: smaller inside a redundancy group.
    pub const fn strength(&self, edge: Edge) -> (i32, i32) {
        if edge.group == 0 { self.when_alone() } else { self.when_spared() }
    }

    /// Touch and pass without redundancy, or when it is used up.
    pub const fn when_alone(&self) -> (i32, i32) {
        (self.touch, self.pass)
    }

    /// Touch and pass while the redundancy group holds.
    pub const fn when_spared(&self) -> (i32, i32) {
        (self.touch_redundant, self.pass_redundant)
    }
}

/// A relation type's number in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeIx(pub u16);

/// The classes and relation types by which topologies are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    classes: Vec<Class>,
    types: Vec<RelationType>,
    class_by_id: BTreeMap<Box<str>, u16>,
    /// Ids and inverse names; true = inverse.
    type_by_name: BTreeMap<Box<str>, (TypeIx, bool)>,
}

impl Schema {
    /// Puts classes and relation types together; of two with one name the first is found.
    pub fn of(classes: Vec<Class>, types: Vec<RelationType>) -> Self {
        let mut class_by_id = BTreeMap::new();
        for (at, class) in classes.iter().enumerate().take(CLASSES_MAX) {
            class_by_id.entry(class.id.clone()).or_insert(at as u16);
        }
        let mut type_by_name = BTreeMap::new();
        for (at, kind) in types.iter().enumerate().take(usize::from(u16::MAX)) {
            type_by_name.entry(kind.id.clone()).or_insert((TypeIx(at as u16), false));
            if let Some(inverse) = &kind.inverse {
                type_by_name.entry(inverse.clone()).or_insert((TypeIx(at as u16), true));
            }
        }
        Self { classes, types, class_by_id, type_by_name }
    }

    /// All classes, in the order of the file.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// All relation types, in the order of the file.
    pub fn types(&self) -> &[RelationType] {
        &self.types
    }

    /// The class with this id.
    pub fn class(&self, id: &str) -> Option<&Class> {
        self.class_by_id.get(id).map(|&at| &self.classes[usize::from(at)])
    }

    /// The relation type with this id or inverse name, and which of the two it is (true = inverse).
    pub fn relation(&self, name: &str) -> Option<(TypeIx, bool)> {
        self.type_by_name.get(name).copied()
    }

    /// The relation type at this number.
    pub fn relation_type(&self, ix: TypeIx) -> &RelationType {
        &self.types[usize::from(ix.0)]
    }
}

/// How a fault travels along "A type B" for these two classes, each given with what it is like, nearest first.
pub(super) fn travel<'s>(kind: &'s RelationType, a: &[Box<str>], b: &[Box<str>]) -> &'s Travel {
    // Which of A and B is the cause is said by the type's own direction, also for overrides.
    let (causes, effects) = match kind.travel.flow {
        Flow::Backward => (b, a),
        Flow::Forward | Flow::Both | Flow::None => (a, b),
    };
    for depth in 0..causes.len() + effects.len() - 1 {
        for (cause_depth, cause) in causes.iter().enumerate().take(depth + 1) {
            let Some(effect) = effects.get(depth - cause_depth) else { continue };
            if let Some(found) = kind.overrides.iter().find(|o| o.fits(cause, effect)) {
                return &found.travel;
            }
        }
    }
    &kind.travel
}

impl Override {
    fn fits(&self, cause: &str, effect: &str) -> bool {
        let among = |ids: &[Box<str>], id: &str| ids.is_empty() || ids.iter().any(|known| known.as_ref() == id);
        among(&self.causes, cause) && among(&self.effects, effect)
    }
}

/// The class itself and what it is like, nearest first; never empty.
pub(super) fn lineage<'c>(class: &'c Class, find: impl Fn(&str) -> Option<&'c Class>) -> Vec<Box<str>> {
    let mut line = vec![class.id.clone()];
    let mut like = class.like.as_ref();
    while let Some(id) = like.filter(|id| line.len() <= LIKE_MAX && !line.contains(id)) {
        line.push(id.clone());
        like = find(id).and_then(|c| c.like.as_ref());
    }
    line
}
