//! Delays: how long a fault takes along a relation between two classes, and how much that varies, where a model has
//! learned it; elsewhere the relation's typical delay and the model's one width hold.

use schemars::JsonSchema;
use serde::Deserialize;

use super::tuning::Tuning;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::Span;
use crate::domain::topology::schema::Kind;
use crate::domain::topology::{KindIx, Topology};

/// A learned delay, as a model file has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// The relation type's id, and the classes of its ends.
    pub relation: Box<str>,
    pub cause: Box<str>,
    pub effect: Box<str>,
    /// The middle one.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub typical: Span,
    /// Standard deviation of ln(delay), per mille.
    pub spread: i64,
}

impl Delay {
    /// Whether it is of the same kind of relation.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.relation, &self.cause, &self.effect) == (&other.relation, &other.cause, &other.effect)
    }

    fn is_of(&self, kind: &Kind) -> bool {
        *self.relation == *kind.relation && self.cause == kind.cause_class && self.effect == kind.effect_class
    }
}

/// How long a fault takes, and how much that varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    pub typical: Span,
    pub spread: i64,
}

/// What the relations of a topology take, by a model.
#[derive(Clone, Debug, Default)]
pub struct Delays(Vec<Takes>);

impl Delays {
    /// Looks each kind of relation up.
    pub fn of(topology: &Topology, tuning: &Tuning) -> Self {
        let takes = |kind: &Kind| match tuning.delays.iter().find(|delay| delay.is_of(kind)) {
            Some(delay) => Takes { typical: delay.typical, spread: delay.spread },
            None => Takes { typical: kind.delay_typ, spread: tuning.spread },
        };
        Self(topology.kinds().iter().map(takes).collect())
    }

    /// Whether nothing was looked up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What one kind takes.
    pub fn along(&self, kind: KindIx) -> Takes {
        self.0[usize::from(kind.0)]
    }
}
