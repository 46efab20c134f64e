//! Alerts as the engine keeps them: nodes of the forest "which alert explains which".

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::children::Children;
use super::facts::Facts;
use super::fixed::{Milli, ln_ratio};
use super::kept::Kept;
use super::rare::Rare;
use super::slab::Place;
use crate::domain::alert::AlertState;
use crate::domain::few::Few;
use crate::domain::ids::{AlertId, SourceId};
use crate::domain::label::Labels;
use crate::domain::mute::{MuteEffect, MutedBy};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::domain::topology::CiIx;

/// Where an alert is: a CI, or an object that the CMDB does not know (interned by the cell).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Spot {
    Ci(CiIx),
    Object(u32),
}

impl Spot {
    /// The CI, when it is one.
    pub const fn ci(self) -> Option<CiIx> {
        match self {
            Self::Ci(ci) => Some(ci),
            Self::Object(_) => None,
        }
    }
}

/// What an inferred cause is: a CI without an alert of its own that explains others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inferred {
    /// Guessed while evidence still came in; its children are asked again later.
    First,
    /// Guessed again with that evidence.
    Again,
}

/// How an alert came to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bond {
    /// Best explanation by topology, delay and statistics.
    Evidence,
    /// Several alerts together accuse the parent's CI, which has an alert of its own; not judged one by one.
    Joint,
    /// A lone alert that recurred, or background noise of one type: kept in one incident.
    Fold,
    /// A rule said so.
    Rule,
    /// A person said so: never looked at again.
    Person,
}

/// One alert, from its first event to the end of its incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct Alert {
    pub fingerprint: Arc<str>,
    pub source: SourceId,
    pub name: Arc<str>,
    pub title: Arc<str>,
    pub object: Arc<str>,
    pub labels: Labels,
    /// Fields that only rules ask for, by name, in order.
    pub facts: Facts,
    /// What few alerts have.
    pub rare: Rare,
    /// Source's clock: start of the latest change.
    pub last_start: Timestamp,
    /// Our clock: latest event, begin of the present stretch of firing.
    pub last_seen: Timestamp,
    pub firing_since: Timestamp,
    pub count: u64,
    /// What its last event without an id said, as a hash.
    pub body: u64,
    pub muted_by: Few<MutedBy>,
    // From here on: what is asked of every alert that may be a cause. It lies together in memory.
    pub id: AlertId,
    /// Source's clock: earliest start.
    pub starts: Timestamp,
    /// Our clock: first event.
    pub received: Timestamp,
    pub parent: Option<Place>,
    pub group: Place,
    pub children: Children,
    pub score: Milli,
    /// Index of the source in the cell's clock table.
    pub clock: u32,
    /// Index of the alert type (source and name) in the cell's statistics.
    pub kind: u32,
    pub cycles: u32,
    pub spot: Spot,
    pub severity: Severity,
    pub state: AlertState,
    pub chronic: bool,
    pub inferred: Option<Inferred>,
    pub declared_symptom: bool,
    /// How unusual it is, per mille, where a detector says so; else 0.
    pub anomaly: u16,
    /// It is about the CI's own equipment or resources.
    pub intrinsic: bool,
    /// The strongest effect of what mutes it.
    pub mute: Option<MuteEffect>,
    pub bond: Bond,
    /// Changes its state too often.
    pub flapping: bool,
    /// Its type was known for background noise when it was promoted.
    pub noisy: bool,
    /// It has fired without a pause for as long as the rules hold such an alert.
    pub lasted: bool,
    /// It is listed among the alerts that fire.
    pub listed: bool,
}

impl Alert {
    /// Whether it counts as serious by itself.
    pub fn is_serious(&self) -> bool {
        self.inferred.is_none() && self.severity >= Severity::Major
    }

    /// Whether it tells of an attack or of what somebody did against the rules, not of a failure (X.736).
    pub fn tells_of_a_violation(&self) -> bool {
        self.facts.get("event_type", &self.object).is_some_and(|word| word.ends_with("_VIOLATION"))
    }

    /// Log-odds of its anomaly score, where a detector gave one.
    pub fn anomaly_odds(&self) -> Option<Milli> {
        let score = u64::from(self.anomaly.min(999));
        (score > 0).then(|| ln_ratio(score, 1000 - score))
    }

    /// Whether it can be the cause of others.
    pub fn can_cause(&self) -> bool {
        !self.chronic && self.takes_part()
    }

    /// Whether it is an alert (no inferred cause) that has a say in incidents.
    pub fn counts_in_incidents(&self) -> bool {
        self.inferred.is_none() && self.takes_part()
    }

    /// Whether it has a say in incidents: nothing mutes it, or only its notices are muted.
    pub fn takes_part(&self) -> bool {
        self.mute.is_none_or(|effect| effect == MuteEffect::Notice)
    }

    /// Whether it is firing.
    pub fn is_firing(&self) -> bool {
        self.inferred.is_none() && self.state == AlertState::Firing
    }
}
