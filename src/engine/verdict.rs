//! Where an event ended. Every event ends in exactly one verdict with a reason.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{AlertId, IncidentId, RuleId};
use crate::domain::incident::Evidence;
use crate::domain::mute::MutedBy;
pub use crate::domain::reject::Reject;
use crate::domain::time::Timestamp;

/// The end of an event's journey through the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Nothing new: it repeats an event or an alert.
    Duplicate { alert: Option<AlertId>, why: Repeat },
    /// Recorded, but it tells nobody.
    Muted {
        /// None: a rule dropped the event.
        alert: Option<AlertId>,
        by: MutedBy,
        #[serde(default)]
        decision: Box<Decision>,
    },
    /// Its alert is part of an incident.
    Joined { alert: AlertId, incident: IncidentId, decision: Box<Decision> },
    /// It opened an incident.
    Opened { alert: AlertId, incident: IncidentId, decision: Box<Decision> },
    /// No incident of its own yet.
    Held { alert: Option<AlertId>, why: Hold, decision: Box<Decision> },
    /// It ended an alert.
    Resolved { alert: Option<AlertId>, why: Resolution },
    /// Dead letter.
    Rejected { why: Reject },
}

impl Verdict {
    /// The wire word: also the label of the counter.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Duplicate { .. } => "duplicate",
            Self::Muted { .. } => "muted",
            Self::Joined { .. } => "joined",
            Self::Opened { .. } => "opened",
            Self::Held { .. } => "held",
            Self::Resolved { .. } => "resolved",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// What was checked on the way to it.
    pub fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Joined { decision, .. }
            | Self::Opened { decision, .. }
            | Self::Held { decision, .. }
            | Self::Muted { decision, .. } => Some(decision),
            Self::Duplicate { .. } | Self::Resolved { .. } | Self::Rejected { .. } => None,
        }
    }

    /// The incident that it names.
    pub const fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Joined { incident, .. } | Self::Opened { incident, .. } => Some(*incident),
            Self::Duplicate { .. }
            | Self::Muted { .. }
            | Self::Held { .. }
            | Self::Resolved { .. }
            | Self::Rejected { .. } => None,
        }
    }

    /// The alert the event belongs to.
    pub const fn alert(&self) -> Option<AlertId> {
        match self {
            Self::Duplicate { alert, .. }
            | Self::Muted { alert, .. }
            | Self::Held { alert, .. }
            | Self::Resolved { alert, .. } => *alert,
            Self::Joined { alert, .. } | Self::Opened { alert, .. } => Some(*alert),
            Self::Rejected { .. } => None,
        }
    }
}

/// How an event repeats what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// Same event id (or same content, without an id) inside the window.
    SameEvent,
    /// The alert was firing already.
    StillFiring,
    /// The alert was resolved already.
    StillResolved,
    /// Older than what the alert is known to be.
    Late,
    /// Same event id with another body: the first one stands.
    Conflict,
}

/// Why an alert has no incident of its own yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Alone; waits for time, severity, a rule or a second alert.
    Lone,
    /// Known for flapping or background noise.
    Chronic,
    /// A rule's threshold has not been reached.
    BelowThreshold,
    /// It was sent to try the way here.
    Test,
    /// A change event: kept as evidence.
    Change,
}

/// What a resolution did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The alert is over.
    Ended,
    /// No such alert is known; kept for a short while in case its start comes late.
    BeforeStart,
}

/// What was checked on the way to a verdict, in order, with every number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub checks: Vec<Check>,
}

/// One thing a stage looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub stage: Stage,
    /// Whether it applied.
    pub matched: bool,
    /// The rule, when a rule was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// The alert, CI or incident looked at.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub about: Box<str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Why it did not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet: Option<Unmet>,
}

/// Why something that was looked at did not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Unmet {
    /// A field has another value than the rule asks for.
    Field { asks: Box<str>, value: Box<str> },
    /// The rule's expression is not true, or could not be evaluated.
    Expression { failed: bool },
    /// Outside of its times; it opens then.
    Closed { opens_at: Option<Timestamp> },
    /// The CI is not below the CIs that are meant.
    Elsewhere,
    /// No alert of the source side fires with the same values.
    NoSource,
    /// There are such alerts, but their sources are trusted less than the alert's.
    LessTrusted { source: u8, needed: u8 },
    /// There are such alerts, but like this one they match both sides of the rule.
    BothSides,
    /// The label is there already, and the rule does not overwrite.
    LabelThere { label: Box<str> },
    /// Nothing to be written: the pattern does not fit, or the table has no such row.
    NothingFound { field: Box<str> },
    /// The alert has as many labels as one may have.
    LabelsFull { max: u32 },
    /// The CMDB knows no such object.
    UnknownCi,
    /// The object's keys fit several CIs.
    AmbiguousCi { cis: u32 },
}

/// The engine's stages, in the order an event meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Dedup,
    Enrich,
    Mute,
    Anomaly,
    Correlate,
    RootCause,
    Lifecycle,
    Escalate,
    Route,
}
