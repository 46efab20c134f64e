//! What comes out of `step`: data, performed by others after it is committed.

use serde::{Deserialize, Serialize};

use super::verdict::Verdict;
use crate::domain::alert::AlertView;
use crate::domain::ids::{AlertId, IncidentId, ReceiverId, TenantId};
use crate::domain::incident::{IncidentView, TimelineEntry};
use crate::domain::mute::Silence;
use crate::domain::time::Timestamp;

/// The version of the outbox's format; a reader takes this one and the one before.
pub const OUTBOX_FORMAT: u32 = 1;

/// One consequence. The order within a step is the order in which they hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "effect")]
pub enum Effect {
    /// The end of event `index` of the record that was applied (dead letters count on after the events).
    Verdict { index: u32, verdict: Verdict },
    /// More than the count of an alert changed.
    Alert { alert: Box<AlertView> },
    /// An incident's header as it is now, and who came and went since the version before.
    Incident {
        incident: Box<IncidentView>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        joined: Vec<AlertId>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<AlertId>,
    },
    /// A line of an incident's timeline.
    Timeline { tenant: TenantId, incident: IncidentId, entry: TimelineEntry },
    /// Tell a receiver. At least once; `key` is the idempotency key.
    Notify { notice: Box<Notice> },
    /// A silence was made, changed or expired.
    Silence { tenant: TenantId, silence: Silence },
    /// What became of a command.
    CommandDone { tenant: TenantId, refused: Option<Box<str>> },
}

/// One message to one receiver about one version of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Stable: `<incident>-<version>-<receiver>-<kind>`.
    pub key: Box<str>,
    pub receiver: ReceiverId,
    pub kind: NoticeKind,
    pub at: Timestamp,
    pub incident: IncidentView,
}

/// Why a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    Opened,
    Updated,
    Recovered,
    Closed,
    Merged,
}

impl NoticeKind {
    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Recovered => "recovered",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }
}
