//! An alert as the rest of the program sees it: a condition on a CI, from firing to resolved.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ci::CiRef;
use super::event::{Side, Signal};
use super::few::Few;
use super::ids::{AlertId, IncidentId, SourceId, TenantId};
use super::label::Labels;
use super::mute::MutedBy;
use super::severity::Severity;
use super::text;
use super::time::Timestamp;

/// The two states of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    Firing,
    Resolved,
}

/// What the engine tells about an alert whenever more than its count has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertView {
    pub id: AlertId,
    pub tenant: TenantId,
    pub source: SourceId,
    #[serde(deserialize_with = "text::shared")]
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty", deserialize_with = "text::shared")]
    pub title: Arc<str>,
    pub severity: Severity,
    pub state: AlertState,
    /// `None` when the CMDB does not know the object (then `object` is all we have).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<Arc<CiRef>>,
    #[serde(deserialize_with = "text::shared")]
    pub object: Arc<str>,
    #[serde(default, skip_serializing_if = "Labels::are_none")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// By our clock (journal stamps).
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// By the source's clock.
    pub starts_at: Timestamp,
    /// Events folded into this alert.
    pub count: u64,
    #[serde(default, skip_serializing_if = "<[MutedBy]>::is_empty")]
    pub muted_by: Few<MutedBy>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flapping: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// Firing but without an incident: waiting for evidence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}
