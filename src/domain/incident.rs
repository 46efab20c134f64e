//! An incident: many alerts under one probable root cause. What people handle.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::ci::{Area, CiRef};
use super::ending::{Conclusion, Major, Review};
use super::ids::{AlertId, IncidentId, OrgId, ReceiverId, TenantId};
use super::level::LevelClock;
use super::severity::Severity;
use super::time::Timestamp;

/// Where an incident is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// Alerts are firing.
    Abnormal,
    /// All alerts are resolved; watched for a while (观察中).
    Recovering,
    /// Stayed quiet through the observation.
    Recovered,
    /// Closed, by a person or after the reopen gap.
    Closed,
    /// Absorbed by another incident (`merged_into`).
    Merged,
}

/// How far people are with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    Triggered,
    Processing,
    Closed,
}

/// P1 (first) to P4, from impact × urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Priority {
    P1,
    P2,
    P3,
    P4,
}

impl Priority {
    /// The next one up.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::P1 | Self::P2 => Self::P1,
            Self::P3 => Self::P2,
            Self::P4 => Self::P3,
        }
    }

    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
        }
    }
}

/// One term of a score, with its number. Sentences in zh and en are made from it at the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub term: EvidenceTerm,
    /// Contribution to the score, per mille of log-odds (may be negative).
    pub points: i32,
    /// What was counted or measured, and out of how many (0 = not a share).
    #[serde(default)]
    pub n: i64,
    #[serde(default)]
    pub of: i64,
    /// The CI, alert, rule or change the term speaks of.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub about: Box<str>,
}

/// The terms of correlation and root cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceTerm {
    /// n of `of` alerts of the incident lie downstream of the candidate.
    Coverage,
    /// The candidate began n ms before the first of the other CIs (negative: after).
    TimeOrder,
    /// Best path from cause to effect: n hops, attenuation in points. Of a candidate: all others were traced back to it.
    Path,
    /// The candidate's own alert has an explanation within the incident.
    Explained,
    /// How well the delay of n ms fits the relation's window.
    DelayFit,
    /// The class of the CI often is a cause.
    ClassPrior,
    /// The candidate raised a serious alert of its own (n = severity rank).
    OwnAlert,
    /// No alert of its own: inferred from what lies downstream.
    Silent,
    /// n of `of` monitored neighbours that should show symptoms are quiet.
    MissingSymptoms,
    /// A change on the CI n ms before.
    RecentChange,
    /// The source itself declares the alert a symptom.
    DeclaredSymptom,
    /// Same text or labels: similarity n per mille.
    Similarity,
    /// Redundancy: n of `of` feeders are still well.
    Redundancy,
    /// The CMDB lacks a relation that such CIs usually have: the cause is one of n.
    MissingRelation,
    /// Alert type or CI is known for background noise: n lone episodes of `of`.
    Noise,
    /// A rule said so.
    Rule,
    /// A person said so.
    Person,
    /// Anomaly score, per mille.
    Anomaly,
    /// What the model learned of `about` (question and feature), whose value is n.
    Learned,
}

/// A CI that may have started the incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub ci: Arc<CiRef>,
    /// Its first alert, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertId>,
    /// The CI has no alert of its own.
    #[serde(default)]
    pub inferred: bool,
    /// Share of the posterior, per mille.
    pub score: i32,
    pub evidence: Vec<Evidence>,
    /// A person rejected it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rejected: bool,
    /// Its alert tells of an attack or a violation, not of a failure: that others fail because of it is possible, and
    /// nothing proves it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub possible: bool,
}

/// One step of the propagation path: `effect` was hit through `cause`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStep {
    pub cause: Arc<CiRef>,
    pub effect: Arc<CiRef>,
    /// Relation type, for example `hosts`; `similar`, `rule` or `person` where no relation is known.
    pub relation: Arc<str>,
}

/// A change event attached as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    pub ci: Arc<CiRef>,
    pub at: Timestamp,
    pub title: Box<str>,
    pub source: Box<str>,
}

/// The incident's header: everything but the list of members and the timeline, which travel as deltas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentView {
    pub id: IncidentId,
    pub tenant: TenantId,
    /// Grows with every change; channels see it in increasing order.
    pub version: u32,
    pub title: Box<str>,
    pub state: IncidentState,
    pub progress: Progress,
    pub severity: Severity,
    pub priority: Priority,
    /// Best first, at most ten. The first one is the root cause; none when no CI is known.
    pub candidates: Arc<[Candidate]>,
    /// From the root outwards, at most 50 steps.
    pub path: Arc<[PathStep]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub changes: Arc<[ChangeView]>,
    pub alert_count: u32,
    pub firing_count: u32,
    pub event_count: u64,
    /// Distinct CIs among the members.
    pub ci_count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Area>,
    /// Business services downstream of the members, by name, at most 50.
    pub services: Arc<[Box<str>]>,
    /// Business services that redundancy still keeps up: at risk, not hit. By name, at most 50.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub at_risk: Arc<[Box<str>]>,
    /// CIs whose monitor is the cause: nothing is known of their state.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unseen_count: u32,
    /// Organisations of root and members: who may see it.
    pub orgs: Vec<OrgId>,
    pub first_alert_at: Timestamp,
    pub opened_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<IncidentId>,
    /// Tickets, one of each system.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub tickets: Arc<[TicketRef]>,
    /// What executors were asked to do, or would be.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub actions: Arc<[Action]>,
    /// Its service levels.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub levels: Arc<[LevelClock]>,
    /// A person confirmed the root cause.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub root_confirmed: bool,
    /// What people found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Arc<Conclusion>>,
    /// It is handled as a major one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major: Option<Arc<Major>>,
    /// How far its post-mortem has come.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub review: Review,
    pub topology_version: u64,
    pub ruleset_version: u64,
    /// The model that correlated it: 0 for the one that the program brings along.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub model_version: u64,
}

impl IncidentView {
    /// An incident of which nothing is known yet but that it began: no alert, no candidate, nobody told.
    pub fn new(id: IncidentId, tenant: TenantId, title: &str, at: Timestamp) -> Self {
        Self {
            id,
            tenant,
            version: 1,
            title: title.into(),
            state: IncidentState::Abnormal,
            progress: Progress::Triggered,
            severity: Severity::default(),
            priority: Priority::P4,
            candidates: Arc::default(),
            path: Arc::default(),
            changes: Arc::default(),
            alert_count: 0,
            firing_count: 0,
            event_count: 0,
            ci_count: 0,
            area: None,
            services: Arc::default(),
            at_risk: Arc::default(),
            unseen_count: 0,
            orgs: Vec::new(),
            first_alert_at: at,
            opened_at: at,
            updated_at: at,
            acknowledged_at: None,
            acknowledged_by: None,
            assignee: None,
            snoozed_until: None,
            recovered_at: None,
            closed_at: None,
            merged_into: None,
            tickets: Arc::default(),
            actions: Arc::default(),
            levels: Arc::default(),
            root_confirmed: false,
            conclusion: None,
            major: None,
            review: Review::Missing,
            topology_version: 1,
            ruleset_version: 1,
            model_version: 0,
        }
    }
}

fn is_zero<N: Default + PartialEq>(n: &N) -> bool {
    *n == N::default()
}

/// A ticket in a system of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRef {
    /// The receiver that opened it.
    pub receiver: ReceiverId,
    /// The kind of system.
    pub system: Box<str>,
    /// As the system's API names it.
    pub id: Box<str>,
    /// As people name it.
    pub number: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub url: Box<str>,
}

/// One line of an incident's timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    pub at: Timestamp,
    /// A user's name, or `headwater`.
    pub actor: Box<str>,
    pub kind: TimelineKind,
    /// The receiver by whose message a person acted; empty: the API or the console.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub via: Box<str>,
    /// A name, a comment, a state: what the kind speaks of.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub detail: Box<str>,
}

/// What a timeline entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineKind {
    Opened,
    AlertsJoined,
    AlertsLeft,
    RootChanged,
    RootConfirmed,
    RootRejected,
    SeverityChanged,
    StateChanged,
    Acknowledged,
    Unacknowledged,
    Assigned,
    Commented,
    Snoozed,
    Woken,
    Merged,
    Split,
    Moved,
    Reopened,
    Closed,
    Storm,
    Notified,
    /// Somebody would have been told, but rules are only being tried out.
    WouldNotify,
    NotifyFailed,
    /// A level of an escalation policy is told.
    Escalated,
    /// Nobody has duty, or nobody has acknowledged in the end: the fallback is told.
    NobodyAnswered,
    /// A ticket was opened, or found.
    TicketFiled,
    /// Somebody has ordered one.
    TicketOrdered,
    ChangeAttached,
    /// An action waits for a person's word.
    ActionAsked,
    ActionApproved,
    ActionDenied,
    /// An executor was asked.
    ActionRequested,
    /// The executor has said that it is done, or that it has begun.
    ActionReported,
    /// The executor failed, did not answer, or nobody approved.
    ActionFailed,
    /// A limit holds an action back, or it is only tried out, or not needed any more.
    ActionHeldBack,
    /// A service level is about to be missed.
    LevelNear,
    LevelBreached,
    /// The last of its alerts is over because its source, named in the detail, says it no longer.
    NoLongerReported,
    /// It is handled as a major incident from now on.
    MajorDeclared,
    MajorRevoked,
    /// What people found out was written down.
    Concluded,
    /// Its post-mortem was kept as a draft, or published.
    Reviewed,
}
