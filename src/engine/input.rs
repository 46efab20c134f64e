//! What goes into `step`, and how it is kept in the journal.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::effect::Notice;
use super::oncall::Override;
use crate::domain::action::ActionReport;
use crate::domain::ending::{Findings, Review};
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, CiId, EventRef, IncidentId, PersonId, ReceiverId, SilenceId, SourceId, TenantId};
use crate::domain::incident::TicketRef;
use crate::domain::knowledge::Known;
use crate::domain::mute::Silence;
pub use crate::domain::reject::DeadLetter;
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;

/// The version of the journal's format; a reader takes this one and the one before. 2: the JSON of 1, packed.
pub const JOURNAL_FORMAT: u32 = 2;

/// Everything that can change a decision, as the journal keeps it. Large texts (topology, rules) are kept
/// once by digest beside the journal and are named here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "input")]
pub enum Input {
    /// Decoded events of one tenant, and what could not be decoded.
    Batch(Batch),
    /// A person's (or program's) order.
    Command(Command),
    /// Another topology is valid from here on.
    Topology {
        tenant: TenantId,
        version: u64,
        digest: Digest,
        /// Who put it; empty in records of older programs.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        author: Box<str>,
    },
    /// Another set of rules is valid for a tenant from here on.
    Policy {
        tenant: TenantId,
        version: u64,
        digest: Digest,
        author: Box<str>,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        reason: Box<str>,
    },
    /// Another model is valid for a tenant from here on.
    Model {
        tenant: TenantId,
        version: u64,
        digest: Digest,
        author: Box<str>,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        reason: Box<str>,
    },
    /// Metric series of a tenant are judged by another model from here on. The engine decides nothing by it.
    MetricModel {
        tenant: TenantId,
        version: u64,
        digest: Digest,
        author: Box<str>,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        reason: Box<str>,
    },
    /// Other rules or other models run beside what is valid from here on, without effects; none of them: no longer.
    Shadow {
        tenant: TenantId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rules: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metric: Option<Digest>,
        /// The record of the trial that ends by this one, 0: none may run. Another one that runs goes on, and this one does not
        /// begin. Absent, as in records of earlier programs: whatever runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        in_place_of: Option<u64>,
        author: Box<str>,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        reason: Box<str>,
    },
    /// How a notification went.
    Delivered(Delivered),
    /// Time passes.
    Tick,
}

impl Input {
    /// The order, when it is one.
    pub const fn command(&self) -> Option<&Command> {
        match self {
            Self::Command(command) => Some(command),
            Self::Batch(_)
            | Self::Topology { .. }
            | Self::Policy { .. }
            | Self::Model { .. }
            | Self::MetricModel { .. }
            | Self::Shadow { .. }
            | Self::Delivered(_)
            | Self::Tick => None,
        }
    }
}

/// Events of one tenant and correlation domain, in order of arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    pub tenant: TenantId,
    pub events: Vec<Event>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<DeadLetter>,
    /// The dead letter that was tried again and gave these events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<EventRef>,
}

/// Who changes what decides, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    pub author: Box<str>,
    pub reason: Box<str>,
}

impl By {
    /// Somebody, without a reason.
    pub fn author(author: &str) -> Self {
        Self { author: author.into(), reason: "".into() }
    }
}

/// SHA-256 of a text, in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub Arc<str>);

/// The outcome of one notification: an input, because it decides what is sent next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    pub tenant: TenantId,
    pub incident: IncidentId,
    pub receiver: ReceiverId,
    pub key: Box<str>,
    pub outcome: DeliveryOutcome,
    pub attempts: u32,
    /// Who was meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// Where it is, in a ticket system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketRef>,
    /// What an executor has answered at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Box<ActionReport>>,
    /// Where it went and what the receiver calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Box<Receipt>>,
}

/// Where a message went and what became of it there; nobody can be reached with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The addresses, masked; empty: whoever reads the receiver.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub to: Box<str>,
    /// The receiver's own id of the message, or what it said when it took it.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub said: Box<str>,
    /// When the notice was told: only with what was heard of it after the receiver had taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
}

/// How a notification ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "why")]
pub enum DeliveryOutcome {
    Accepted,
    GaveUp(String),
    /// Not sent: a newer version of the incident goes to this receiver in its place.
    Folded,
    /// Not owed to anybody: no receiver at all is configured.
    Unaddressed,
    /// Not sent: nobody has shown that the address is the person's, and only such ones are used for pages.
    Unverified,
}

/// An operator's order. The API answers 202 with its journal sequence; the effect `CommandDone` tells the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    pub tenant: TenantId,
    pub actor: Box<str>,
    /// Chosen by the caller; the same id twice is done once. Empty: always done.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub id: Box<str>,
    /// The receiver by whose message the actor acted; empty: the API or the console.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub via: Box<str>,
    pub order: Order,
}

/// What can be ordered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    Acknowledge {
        incident: IncidentId,
    },
    Unacknowledge {
        incident: IncidentId,
    },
    Assign {
        incident: IncidentId,
        assignee: Box<str>,
    },
    Comment {
        incident: IncidentId,
        text: Box<str>,
    },
    Snooze {
        incident: IncidentId,
        until: Timestamp,
    },
    Wake {
        incident: IncidentId,
    },
    /// Closes the incident and its members.
    Close {
        incident: IncidentId,
        note: Box<str>,
        /// What was found out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        findings: Option<Box<Findings>>,
    },
    /// Writes down what was found out, also after the end. What is said takes the place of what was said before.
    Conclude {
        incident: IncidentId,
        findings: Box<Findings>,
    },
    /// Handles it as a major incident.
    DeclareMajor {
        incident: IncidentId,
        note: Box<str>,
    },
    /// It is none, whatever rules say.
    RevokeMajor {
        incident: IncidentId,
        note: Box<str>,
    },
    /// Keeps a post-mortem: its text is the history's, how far it has come is the incident's.
    Review {
        incident: IncidentId,
        review: Review,
        text: Box<str>,
    },
    Reopen {
        incident: IncidentId,
    },
    /// All of `from` goes into `into`.
    Merge {
        from: IncidentId,
        into: IncidentId,
    },
    /// These alerts become an incident of their own.
    Split {
        incident: IncidentId,
        alerts: Vec<AlertId>,
    },
    Move {
        alert: AlertId,
        into: IncidentId,
    },
    ConfirmRoot {
        incident: IncidentId,
    },
    RejectRoot {
        incident: IncidentId,
        ci: CiId,
    },
    SetRoot {
        incident: IncidentId,
        ci: CiId,
    },
    SetSeverity {
        incident: IncidentId,
        severity: Severity,
    },
    Silence {
        silence: Silence,
    },
    ExpireSilence {
        id: SilenceId,
    },
    /// What an earlier order taught counts for nothing; `of` is its journal record. The incidents stay as they are.
    Revoke {
        of: u64,
    },
    /// Somebody takes a duty for a while.
    Override {
        made: Box<Override>,
    },
    /// Takes that back.
    EndOverride {
        id: u64,
    },
    /// The calendar links of a roster are invalid from here on.
    RevokeCalendar {
        roster: Box<str>,
    },
    /// A person has shown that an address is theirs; what is kept of it reaches nobody.
    VerifyAddress {
        person: PersonId,
        way: Box<str>,
        print: Box<str>,
    },
    /// Tells a receiver again what could not be delivered, with the same key.
    Resend {
        notice: Box<Notice>,
    },
    /// Something that was done or said beside the engine: it stands in the journal for the audit, and changes nothing.
    Noted {
        /// The deed in a word, such as `token_made`.
        what: Box<str>,
        /// The incident, credential, source or window that it is about.
        about: Box<str>,
        detail: Box<str>,
    },
    /// Lets an action be done that waits for a person's word; empty: the only one.
    Approve {
        incident: IncidentId,
        action: Box<str>,
    },
    Deny {
        incident: IncidentId,
        action: Box<str>,
    },
    /// What an executor says of an action.
    ReportAction {
        incident: IncidentId,
        action: Box<str>,
        report: ActionReport,
    },
    /// Tells now what a storm has held back; empty: to all receivers.
    TellHeld {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receiver: Option<ReceiverId>,
    },
    /// A receiver that keeps tickets is told of the incident, though no route has done so.
    Ticket {
        incident: IncidentId,
        receiver: ReceiverId,
    },
    /// Brings what is known of how things were solved: it stands in the history, and decides nothing.
    Learn {
        entries: Vec<Known>,
    },
    Unlearn {
        key: Box<str>,
    },
    /// What a source orders for the incident that its alert of this key is in: which one that is, is known in its turn only.
    ForAlert {
        source: SourceId,
        key: Box<str>,
        deed: AlertDeed,
    },
}

/// What a source can order for the incident of its alert: what people there have done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "deed")]
pub enum AlertDeed {
    Acknowledge,
    Unacknowledge,
    Comment { text: Box<str> },
}

impl AlertDeed {
    /// The order, once the incident is known.
    pub fn order(&self, incident: IncidentId) -> Order {
        match self {
            Self::Acknowledge => Order::Acknowledge { incident },
            Self::Unacknowledge => Order::Unacknowledge { incident },
            Self::Comment { text } => Order::Comment { incident, text: text.clone() },
        }
    }
}

impl Order {
    /// Whether it makes no sense for an incident that is closed. Notes, what is learned of the cause, and what moves
    /// alerts or opens the incident again do.
    pub const fn needs_open(&self) -> bool {
        matches!(
            self,
            Self::Acknowledge { .. }
                | Self::Unacknowledge { .. }
                | Self::Assign { .. }
                | Self::Snooze { .. }
                | Self::Wake { .. }
                | Self::Close { .. }
                | Self::DeclareMajor { .. }
                | Self::RevokeMajor { .. }
                | Self::SetSeverity { .. }
                | Self::Approve { .. }
                | Self::Deny { .. }
                | Self::Ticket { .. }
        )
    }

    /// The incident that it changes.
    pub const fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Acknowledge { incident }
            | Self::Unacknowledge { incident }
            | Self::Assign { incident, .. }
            | Self::Comment { incident, .. }
            | Self::Snooze { incident, .. }
            | Self::Wake { incident }
            | Self::Close { incident, .. }
            | Self::Conclude { incident, .. }
            | Self::DeclareMajor { incident, .. }
            | Self::RevokeMajor { incident, .. }
            | Self::Review { incident, .. }
            | Self::Reopen { incident }
            | Self::Split { incident, .. }
            | Self::ConfirmRoot { incident }
            | Self::RejectRoot { incident, .. }
            | Self::SetRoot { incident, .. }
            | Self::SetSeverity { incident, .. }
            | Self::Approve { incident, .. }
            | Self::Deny { incident, .. }
            | Self::ReportAction { incident, .. }
            | Self::Ticket { incident, .. } => Some(*incident),
            Self::Merge { into, .. } | Self::Move { into, .. } => Some(*into),
            Self::Silence { .. }
            | Self::ExpireSilence { .. }
            | Self::Revoke { .. }
            | Self::Override { .. }
            | Self::EndOverride { .. }
            | Self::VerifyAddress { .. }
            | Self::RevokeCalendar { .. }
            | Self::Resend { .. }
            | Self::Noted { .. }
            | Self::TellHeld { .. }
            | Self::Learn { .. }
            | Self::Unlearn { .. }
            | Self::ForAlert { .. } => None,
        }
    }
}

/// What a judgement weighs, per mille: an alert that was moved or a root that was named was looked at itself; of a merge
/// or a split only the incidents were.
const LOOKED_AT: u32 = 1000;
const AS_A_WHOLE: u32 = 500;

impl Order {
    /// What an order says of incidents that models can learn from, in a word, and its weight.
    pub const fn judgement(&self) -> Option<(&'static str, u32)> {
        match self {
            Self::Merge { .. } => Some(("merge", AS_A_WHOLE)),
            Self::Split { .. } => Some(("split", AS_A_WHOLE)),
            Self::Move { .. } => Some(("move", LOOKED_AT)),
            Self::ConfirmRoot { .. } => Some(("confirm_root", LOOKED_AT)),
            Self::RejectRoot { .. } => Some(("reject_root", LOOKED_AT)),
            Self::SetRoot { .. } => Some(("set_root", LOOKED_AT)),
            Self::Acknowledge { .. }
            | Self::Unacknowledge { .. }
            | Self::Assign { .. }
            | Self::Comment { .. }
            | Self::Snooze { .. }
            | Self::Wake { .. }
            | Self::Close { .. }
            | Self::Conclude { .. }
            | Self::DeclareMajor { .. }
            | Self::RevokeMajor { .. }
            | Self::Review { .. }
            | Self::Reopen { .. }
            | Self::SetSeverity { .. }
            | Self::Silence { .. }
            | Self::ExpireSilence { .. }
            | Self::Revoke { .. }
            | Self::Override { .. }
            | Self::EndOverride { .. }
            | Self::VerifyAddress { .. }
            | Self::RevokeCalendar { .. }
            | Self::Resend { .. }
            | Self::Noted { .. }
            | Self::Approve { .. }
            | Self::Deny { .. }
            | Self::ReportAction { .. }
            | Self::Ticket { .. }
            | Self::TellHeld { .. }
            | Self::Learn { .. }
            | Self::Unlearn { .. }
            | Self::ForAlert { .. } => None,
        }
    }
}
