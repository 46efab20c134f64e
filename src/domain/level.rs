//! Service levels (SLA): until when somebody has an incident, and until when it is over.

use serde::{Deserialize, Serialize};

use super::ids::RuleId;
use super::time::{Span, Timestamp};

/// What has to have happened in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelKind {
    /// Somebody has acknowledged.
    Acknowledge,
    /// Nothing fires any more, or a person has closed it.
    Resolve,
}

impl LevelKind {
    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
        }
    }
}

/// One clock of an incident. It stands still outside the hours of its rule, which `near` and `due` have in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelClock {
    pub kind: LevelKind,
    /// The rule that sets it.
    pub rule: RuleId,
    pub limit: Span,
    pub since: Timestamp,
    /// From then on people are warned.
    pub near: Timestamp,
    pub due: Timestamp,
    /// People were warned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_near: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breached_at: Option<Timestamp>,
}

/// How a clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelState {
    Running,
    Near,
    Met,
    /// Not met in time; perhaps later.
    Breached,
}

impl LevelClock {
    /// How it stands.
    pub const fn state(&self) -> LevelState {
        match (self.breached_at, self.met_at) {
            (Some(_), _) => LevelState::Breached,
            (None, Some(_)) => LevelState::Met,
            (None, None) if self.is_near => LevelState::Near,
            (None, None) => LevelState::Running,
        }
    }
}
