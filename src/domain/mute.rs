//! Why an alert tells nobody: silences, maintenance windows, inhibition, flapping.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{AlertId, RuleId, SilenceId, WindowId};
use super::matcher::Matchers;
use super::time::Timestamp;

/// Who muted an alert. Muting never blocks a resolution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum MutedBy {
    /// A person's silence.
    Silence { id: SilenceId },
    /// Planned work.
    Maintenance { id: WindowId },
    /// The CI's own state in the CMDB is `maintenance`.
    CiState,
    /// Another alert explains it.
    Inhibition { rule: RuleId, source: AlertId },
    /// Too many changes of state.
    Flapping,
    /// A rule drops the event.
    Rule { rule: RuleId },
}

/// How much is muted, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MuteEffect {
    /// The alert joins incidents as ever; it only tells nobody.
    Notice,
    /// The alert is recorded and marked; it takes no part in incidents.
    #[default]
    Keep,
    /// The event is counted and forgotten. An alert that fires already is kept out as with `Keep`.
    Drop,
}

impl MuteEffect {
    /// Whether it is the usual one: then it is not written.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A person's decision to mute matching alerts until a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    pub id: SilenceId,
    pub matchers: Matchers,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub created_by: String,
    #[serde(default)]
    pub comment: String,
    #[serde(default, skip_serializing_if = "MuteEffect::is_usual")]
    pub effect: MuteEffect,
}
