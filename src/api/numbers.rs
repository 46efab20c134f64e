//! Overview and conservation.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::problem::{ApiError, Problem};
use super::state::Api;
use crate::domain::ci::Area;
use crate::projection::counts;
use crate::projection::overview::{self, WINDOW};
use crate::wording::words::{AreaWord, SeverityWord};

/// The numbers on top of the screen, over what the caller may see.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OverviewBody {
    /// Everything up to here is counted.
    pub at: String,
    pub open: u64,
    pub unacknowledged: u64,
    /// Open, but all alerts are resolved.
    pub recovering: u64,
    pub by_severity: BTreeMap<&'static str, u64>,
    /// Open incidents by managed-object area; `unknown` has no area.
    pub by_area: BTreeMap<&'static str, u64>,
    /// The worst severity among an area's open incidents; an area without any is absent.
    pub worst_by_area: BTreeMap<&'static str, SeverityWord>,
    pub window_hours: i64,
    /// Mean time to acknowledge in the window; null: none was acknowledged.
    pub mtta_seconds: Option<i64>,
    /// Mean time from opening to closing in the window; null: none was closed.
    pub mttr_seconds: Option<i64>,
    pub opened_in_window: u64,
    pub alerts_held: u64,
    /// No receiver is configured: whatever happens, nobody is told.
    pub tells_nobody: bool,
    /// What is worse than it should be although the program serves; `/readyz` says more to who may know.
    pub degraded: Vec<&'static str>,
    /// Of the whole tenant: absent for a caller limited to organisations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub funnel: Option<FunnelBody>,
    /// Events of the whole tenant whose content was poor, by what is wrong: late, future, duplicate, unparsable,
    /// unmapped_severity, unresolved_object, truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<BTreeMap<&'static str, u64>>,
}

/// From events to incidents, since counting began.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FunnelBody {
    pub events: u64,
    pub alerts: u64,
    pub incidents: u64,
    pub alerts_firing: u64,
    /// 1 − incidents / events.
    pub compression: Option<f64>,
    pub noisy_sources: Vec<Noisy>,
    pub noisy_names: Vec<Noisy>,
    pub noisy_cis: Vec<Noisy>,
    /// The sources with the most events, and what their events became.
    pub by_source: Vec<SourceCounts>,
}

/// One source's part of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceCounts {
    pub source: String,
    pub events: u64,
    /// Incidents whose first alert it told.
    pub incidents: u64,
    /// 1 − incidents / events.
    pub compression: f64,
}

/// One noisy thing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Noisy {
    pub key: String,
    pub events: u64,
}

/// Open incidents by severity and area, what waits, MTTA, MTTR, compression, who is noisy.
#[utoipa::path(get, path = "/api/v1/overview", tag = "numbers",
    responses((status = 200, body = OverviewBody), (status = "default", body = Problem)))]
pub async fn overview(State(api): State<Arc<Api>>, caller: Caller) -> Json<OverviewBody> {
    let state = api.live.read();
    let scope = caller.scope();
    let seen = state.tenant(&caller.tenant).map(|t| overview::overview(t, &scope, state.stamp)).unwrap_or_default();
    let by_severity = SeverityWord::ALL.iter().map(|word| {
        let n = seen.open_by_severity.get(&(*word).into()).copied().unwrap_or(0);
        (word.word(), n)
    });
    let mut by_area: BTreeMap<&'static str, u64> = AreaWord::ALL
        .iter()
        .map(|word| (word.word(), seen.open_by_area.get(&Some((*word).into())).copied().unwrap_or(0)))
        .collect();
    by_area.insert("unknown", seen.open_by_area.get(&None).copied().unwrap_or(0));
    let word = |area: Option<Area>| area.map_or("unknown", |area| AreaWord::from(area).word());
    let worst_by_area = seen.worst_by_area.iter().map(|(area, worst)| (word(*area), SeverityWord::from(*worst)));
    Json(OverviewBody {
        worst_by_area: worst_by_area.collect(),
        at: state.stamp.to_string(),
        open: seen.open,
        unacknowledged: seen.unacknowledged,
        recovering: seen.recovering,
        by_severity: by_severity.collect(),
        by_area,
        window_hours: WINDOW.as_secs() / 3600,
        mtta_seconds: seen.mtta_ms.map(|ms| ms / 1000),
        mttr_seconds: seen.mttr_ms.map(|ms| ms / 1000),
        opened_in_window: seen.opened_in_window,
        alerts_held: seen.held,
        tells_nobody: api.notices.tells_nobody(),
        degraded: degraded(&api),
        quality: seen.funnel.as_ref().map(|funnel| funnel.quality.rows().into_iter().collect()),
        funnel: seen.funnel.map(funnel),
    })
}

/// The kinds of trouble, each once.
fn degraded(api: &Api) -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = api.troubles().into_iter().map(|trouble| trouble.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn funnel(funnel: overview::Funnel) -> FunnelBody {
    let noisy = |list: Vec<(Box<str>, u64)>| {
        list.into_iter().map(|(key, events)| Noisy { key: key.into(), events }).collect::<Vec<_>>()
    };
    let by_source = funnel.by_source.into_iter().map(|one| SourceCounts {
        source: one.source.into(),
        events: one.events,
        incidents: one.incidents,
        compression: f64::from(one.compression_per_mille) / 1000.0,
    });
    FunnelBody {
        by_source: by_source.collect(),
        events: funnel.events,
        alerts: funnel.alerts,
        incidents: funnel.incidents,
        alerts_firing: funnel.alerts_firing,
        compression: funnel.compression_per_mille.map(|n| f64::from(n) / 1000.0),
        noisy_sources: noisy(funnel.noisy_sources),
        noisy_names: noisy(funnel.noisy_names),
        noisy_cis: noisy(funnel.noisy_cis),
    }
}

/// Both sides of the law of conservation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConservationBody {
    /// Counted at the door.
    pub accepted: u64,
    /// The sum of everything below.
    pub accounted: u64,
    pub balanced: bool,
    pub applied: Applied,
    pub duplicate: u64,
    /// By kind of mute.
    pub muted: BTreeMap<Cow<'static, str>, u64>,
    /// By reason.
    pub dead_lettered: BTreeMap<Cow<'static, str>, u64>,
    /// Durable, but not decided yet.
    pub pending: u64,
    /// The newest journal record that is counted.
    pub journal_seq: u64,
}

/// Events that did something.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Applied {
    pub total: u64,
    pub joined: u64,
    pub opened: u64,
    pub held: u64,
    pub resolved: u64,
}

/// Where the tenant's accepted events ended: accepted = applied + duplicate + muted + dead-lettered + pending.
#[utoipa::path(get, path = "/api/v1/conservation", tag = "numbers",
    responses((status = 200, body = ConservationBody), (status = "default", body = Problem)))]
pub async fn conservation(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<ConservationBody>, ApiError> {
    caller.whole_tenant()?;
    let state = api.live.read();
    let counts = state.tenant(&caller.tenant).map(|tenant| tenant.conservation.clone()).unwrap_or_default();
    Ok(Json(body(counts, state.journal_seq)))
}

fn body(counts: counts::Conservation, journal_seq: u64) -> ConservationBody {
    ConservationBody {
        accepted: counts.accepted,
        accounted: counts.accounted(),
        balanced: counts.holds(),
        applied: Applied {
            total: counts.applied(),
            joined: counts.joined,
            opened: counts.opened,
            held: counts.held,
            resolved: counts.resolved,
        },
        duplicate: counts.duplicate,
        muted: counts.muted,
        dead_lettered: counts.dead_lettered,
        pending: counts.pending,
        journal_seq,
    }
}
