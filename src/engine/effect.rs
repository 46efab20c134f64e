//! What comes out of `step`: data, performed by others after it is committed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::verdict::Verdict;
use crate::domain::action::Action;
use crate::domain::alert::AlertView;
use crate::domain::ids::{AlertId, IncidentId, PersonId, ReceiverId, RuleId, TenantId};
use crate::domain::incident::{IncidentView, Priority, TimelineEntry};
use crate::domain::mute::Silence;
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;

/// The version of the outbox's format; a reader takes this one and the one before. 2: the JSON of 1, packed.
pub const OUTBOX_FORMAT: u32 = 2;

/// One consequence. The order within a step is the order in which they hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "effect")]
pub enum Effect {
    /// The end of event `index` of the record that was applied (dead letters count on after the events).
    Verdict { index: u32, verdict: Verdict },
    /// More than the count of an alert changed.
    Alert { alert: Arc<AlertView> },
    /// An incident's header as it is now, and who came and went since the version before.
    Incident {
        incident: Arc<IncidentView>,
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
    /// What became of a command; `again` when its actor had sent it before and nothing was done now.
    CommandDone {
        tenant: TenantId,
        refused: Option<Box<str>>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
}

/// One message to one receiver about one version of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Stable: `<incident>-<version>-<receiver>-<kind>`, and `-<person>` where one is meant.
    pub key: Box<str>,
    pub receiver: ReceiverId,
    pub kind: NoticeKind,
    pub at: Timestamp,
    pub incident: IncidentView,
    /// The route that named the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// Why an update is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What came too fast for the receiver and is told here at once; `incident` is the worst of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Box<NoticeDigest>>,
    /// Who is meant, when the receiver is a way to many people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Box<Addressee>>,
    /// Who else was told by the same escalation policy, as messages call them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Box<str>>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runbooks: Vec<RunbookLink>,
    /// To an executor: which of the incident's actions is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Box<str>>,
    /// Who has it now, as messages call them, where that is the news.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub by: Box<str>,
}

impl Notice {
    /// The receiver, and the person where one is meant: `sms/li`.
    pub fn whom(&self) -> String {
        match &self.to {
            Some(to) => format!("{}/{}", self.receiver, to.person),
            None => self.receiver.to_string(),
        }
    }

    /// The action that an executor is asked for.
    pub fn asks(&self) -> Option<&Action> {
        let id = self.action.as_ref()?;
        self.incident.actions.iter().find(|action| action.id == *id)
    }
}

/// A person who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressee {
    pub person: PersonId,
    /// As messages call them.
    pub name: Box<str>,
    /// The escalation policy; empty: they were assigned.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub policy: Box<str>,
    /// Its level, from 1.
    pub level: u32,
    /// What is kept of the addresses that the person has shown to be theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verified: Vec<Box<str>>,
}

/// Where it is written what to do about such an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookLink {
    pub title: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub url: Box<str>,
    /// The first steps, in a sentence or two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Box<str>>,
}

/// The receiver that is the parent domain of the incident's own: it gets every message by itself, as an event.
pub const PARENT: &str = "parent";

/// Why a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    Opened,
    /// It has changed in a way that people must know.
    Updated,
    /// Nothing new; nobody has acknowledged it yet.
    Reminder,
    Recovered,
    /// It had recovered or was closed, and is back.
    Reopened,
    Closed,
    /// It became part of another incident (`merged_into`), or others became part of it.
    Merged,
    /// Several messages as one, because the receiver's flow limit was reached.
    Digest,
    /// An executor is asked for an action.
    Action,
    /// About no incident: it shows a person that a way works, or brings a code, which stands in the place of the title.
    Test,
}

impl NoticeKind {
    /// Whether it is about an incident that is open, so that something can be done about it.
    pub const fn is_of_open(self) -> bool {
        match self {
            Self::Opened | Self::Updated | Self::Reminder | Self::Reopened => true,
            Self::Recovered | Self::Closed | Self::Merged | Self::Digest | Self::Test | Self::Action => false,
        }
    }

    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Reminder => "reminder",
            Self::Recovered => "recovered",
            Self::Reopened => "reopened",
            Self::Closed => "closed",
            Self::Merged => "merged",
            Self::Digest => "digest",
            Self::Action => "action",
            Self::Test => "test",
        }
    }

    /// Whether a newer message about the incident may take its place before it was sent.
    pub const fn may_be_folded(self) -> bool {
        match self {
            Self::Opened | Self::Digest | Self::Action | Self::Test => false,
            Self::Updated | Self::Reminder | Self::Recovered | Self::Reopened | Self::Closed | Self::Merged => true,
        }
    }
}

/// What of an open incident has changed for a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is more severe.
    Severity,
    /// It comes before others now.
    Priority,
    /// It has crossed a storm threshold.
    Storm,
    /// Another CI is taken for the root cause.
    Root,
    /// Another incident became part of it.
    Merged,
    /// An action waits for a person's word.
    Approval,
    /// An action came to nothing.
    ActionFailed,
    /// A service level is about to be missed.
    LevelNear,
    LevelBreached,
    /// It is handled as a major incident.
    Major,
    /// Somebody has it.
    Acknowledged,
}

/// Messages that came too fast.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NoticeDigest {
    /// How many messages it stands for.
    pub messages: u32,
    /// The latest message of each incident, at most `flow::LINES_MAX`; further ones are only counted.
    pub lines: Vec<DigestLine>,
    /// It was a storm of incidents that held them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<StormNews>,
}

/// What a receiver is told of a storm of incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StormNews {
    pub since: Timestamp,
    /// Incidents that it has opened so far.
    pub incidents: u32,
    /// It is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_over: bool,
}

/// One message of a digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestLine {
    pub incident: IncidentId,
    pub version: u32,
    pub kind: NoticeKind,
    pub severity: Severity,
    pub priority: Priority,
    pub title: Box<str>,
}
