//! An alert as snapshots keep it: what is as usual is left out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{Alert, Bond, Inferred, Spot};
use super::bonds::Ruled;
use super::children::Children;
use super::facts::Facts;
use super::fixed::Milli;
use super::flap::Flaps;
use super::inhibit::Sides;
use super::lease::Lease;
use super::memory::is_zero;
use super::rare::{Parts, Rare};
use super::slab::Place;
use crate::domain::alert::AlertState;
use crate::domain::few::Few;
use crate::domain::ids::{AlertId, SourceId};
use crate::domain::label::Labels;
use crate::domain::mute::{MuteEffect, MutedBy};
use crate::domain::severity::Severity;
use crate::domain::text;
use crate::domain::time::Timestamp;

/// An alert; `None` and what is missing: as with most alerts.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    id: AlertId,
    #[serde(deserialize_with = "text::shared")]
    fingerprint: Arc<str>,
    source: SourceId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<u32>,
    #[serde(deserialize_with = "text::shared")]
    name: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty", deserialize_with = "text::shared")]
    title: Arc<str>,
    #[serde(deserialize_with = "text::shared")]
    object: Arc<str>,
    #[serde(default, skip_serializing_if = "Labels::are_none")]
    labels: Labels,
    severity: Severity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<AlertState>,
    spot: Spot,
    received: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts: Option<Timestamp>,
    /// As `starts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_start: Option<Timestamp>,
    /// As `received`, and so are the next ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    firing_since: Option<Timestamp>,
    /// 1, and so is the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cycles: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inferred: Option<Inferred>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    chronic: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    declared_symptom: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anomaly: Option<u16>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    intrinsic: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    flapping: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    noisy: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lasted: bool,
    #[serde(default, skip_serializing_if = "<[MutedBy]>::is_empty")]
    muted_by: Few<MutedBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mute: Option<MuteEffect>,
    #[serde(default, skip_serializing_if = "Facts::are_none")]
    facts: Facts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flaps: Option<Box<Flaps>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sides: Option<Box<Sides>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<Lease>,
    #[serde(default, skip_serializing_if = "is_zero")]
    body: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bond: Option<Bond>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<Milli>,
    #[serde(default, skip_serializing_if = "<[Place]>::is_empty")]
    children: Few<Place>,
    group: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ruled: Option<Box<Ruled>>,
}

/// A value that is not as usual.
fn other<T: PartialEq>(value: T, usual: T) -> Option<T> {
    (value != usual).then_some(value)
}

impl From<Alert> for Kept {
    fn from(alert: Alert) -> Self {
        let rare = alert.rare.parts();
        Self {
            id: alert.id,
            fingerprint: alert.fingerprint,
            source: alert.source,
            clock: other(alert.clock, 0),
            kind: other(alert.kind, 0),
            name: alert.name,
            title: alert.title,
            object: alert.object,
            labels: alert.labels,
            severity: alert.severity,
            state: other(alert.state, AlertState::Firing),
            spot: alert.spot,
            received: alert.received,
            starts: other(alert.starts, alert.received),
            last_start: other(alert.last_start, alert.starts),
            last_seen: other(alert.last_seen, alert.received),
            firing_since: other(alert.firing_since, alert.received),
            count: other(alert.count, 1),
            cycles: other(alert.cycles, 1),
            inferred: alert.inferred,
            chronic: alert.chronic,
            declared_symptom: alert.declared_symptom,
            anomaly: other(alert.anomaly, 0),
            intrinsic: alert.intrinsic,
            flapping: alert.flapping,
            noisy: alert.noisy,
            lasted: alert.lasted,
            muted_by: alert.muted_by,
            mute: alert.mute,
            facts: alert.facts,
            flaps: rare.flaps,
            sides: rare.sides,
            lease: rare.lease,
            body: alert.body,
            parent: alert.parent,
            bond: other(alert.bond, Bond::Evidence),
            score: other(alert.score, 0),
            children: alert.children.into_places(),
            group: alert.group,
            ruled: rare.ruled,
        }
    }
}

impl From<Kept> for Alert {
    fn from(kept: Kept) -> Self {
        let starts = kept.starts.unwrap_or(kept.received);
        Self {
            id: kept.id,
            fingerprint: kept.fingerprint,
            source: kept.source,
            clock: kept.clock.unwrap_or(0),
            kind: kept.kind.unwrap_or(0),
            name: kept.name,
            title: kept.title,
            object: kept.object,
            labels: kept.labels,
            severity: kept.severity,
            state: kept.state.unwrap_or(AlertState::Firing),
            spot: kept.spot,
            starts,
            last_start: kept.last_start.unwrap_or(starts),
            received: kept.received,
            last_seen: kept.last_seen.unwrap_or(kept.received),
            firing_since: kept.firing_since.unwrap_or(kept.received),
            count: kept.count.unwrap_or(1),
            cycles: kept.cycles.unwrap_or(1),
            chronic: kept.chronic,
            inferred: kept.inferred,
            declared_symptom: kept.declared_symptom,
            anomaly: kept.anomaly.unwrap_or(0),
            intrinsic: kept.intrinsic,
            muted_by: kept.muted_by,
            mute: kept.mute,
            facts: kept.facts,
            flapping: kept.flapping,
            body: kept.body,
            noisy: kept.noisy,
            lasted: kept.lasted,
            listed: false,
            parent: kept.parent,
            bond: kept.bond.unwrap_or(Bond::Evidence),
            score: kept.score.unwrap_or(0),
            children: Children::read(kept.children),
            group: kept.group,
            rare: Rare::of(Parts { flaps: kept.flaps, sides: kept.sides, ruled: kept.ruled, lease: kept.lease }),
        }
    }
}
