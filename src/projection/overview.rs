//! The numbers on top of the screen, over what the caller may see.

use std::collections::BTreeMap;

use super::board::{Glance, is_open};
use super::counts::DataQuality;
use super::scope::Scope;
use super::tenant::TenantView;
use crate::domain::ci::Area;
use crate::domain::incident::{IncidentState, Progress};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// The window of MTTA and MTTR.
pub const WINDOW: Span = Span::hours(24);
/// How many noisy sources, names and CIs are listed.
const TOP_MAX: usize = 10;

/// One call's worth of numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    pub at: Timestamp,
    pub open: u64,
    pub unacknowledged: u64,
    pub recovering: u64,
    pub open_by_severity: BTreeMap<Severity, u64>,
    /// Incidents without an area are under `None`.
    pub open_by_area: BTreeMap<Option<Area>, u64>,
    /// The worst severity among an area's open incidents.
    pub worst_by_area: BTreeMap<Option<Area>, Severity>,
    /// Mean time to acknowledge, over incidents acknowledged in the window, milliseconds.
    pub mtta_ms: Option<i64>,
    /// Mean time from opening to the close, over incidents closed in the window, milliseconds.
    pub mttr_ms: Option<i64>,
    /// Incidents opened in the window (of those still in memory).
    pub opened_in_window: u64,
    pub held: u64,
    /// The funnel: of the whole tenant, so only for callers who may see all of it.
    pub funnel: Option<Funnel>,
}

/// From events to incidents, since counting began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Funnel {
    pub events: u64,
    pub alerts: u64,
    pub incidents: u64,
    pub alerts_firing: u64,
    /// 1 − incidents / events, per mille.
    pub compression_per_mille: Option<u32>,
    pub noisy_sources: Vec<(Box<str>, u64)>,
    pub noisy_names: Vec<(Box<str>, u64)>,
    pub noisy_cis: Vec<(Box<str>, u64)>,
    /// The sources with the most events.
    pub by_source: Vec<OfSource>,
    pub quality: DataQuality,
}

/// What one source's events became, since counting began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfSource {
    pub source: Box<str>,
    pub events: u64,
    /// Incidents whose first alert it told.
    pub incidents: u64,
    /// 1 − incidents / events, per mille.
    pub compression_per_mille: u32,
}

/// Counts one tenant.
pub fn overview(tenant: &TenantView, scope: &Scope, now: Timestamp) -> Overview {
    let mut seen = Overview { at: now, ..Overview::default() };
    let mut acknowledged = Mean::default();
    let mut closed = Mean::default();
    let since = now.minus(WINDOW);
    for glance in tenant.board.glances(scope) {
        count_open(&mut seen, &glance);
        seen.opened_in_window += u64::from(glance.opened_at >= since);
        acknowledged.add(glance.opened_at, glance.acknowledged_at.filter(|at| *at >= since));
        let merged = glance.state == IncidentState::Merged;
        closed.add(glance.opened_at, glance.closed_at.filter(|at| *at >= since && !merged));
    }
    seen.mtta_ms = acknowledged.mean();
    seen.mttr_ms = closed.mean();
    seen.held = tenant.alerts.held(scope);
    seen.funnel = scope.is_whole().then(|| funnel(tenant));
    seen
}

fn count_open(seen: &mut Overview, glance: &Glance) {
    if !is_open(glance.state) {
        return;
    }
    seen.open += 1;
    seen.unacknowledged += u64::from(glance.progress == Progress::Triggered);
    seen.recovering += u64::from(glance.state != IncidentState::Abnormal);
    *seen.open_by_severity.entry(glance.severity).or_default() += 1;
    *seen.open_by_area.entry(glance.area).or_default() += 1;
    let worst = seen.worst_by_area.entry(glance.area).or_default();
    *worst = glance.severity.max(*worst);
}

fn funnel(tenant: &TenantView) -> Funnel {
    let events = tenant.conservation.accepted;
    let noisy_sources = tenant.noisy_sources.top(TOP_MAX);
    let by_source = noisy_sources.iter().map(|(source, events)| {
        let incidents = tenant.incidents_by_source.of(source);
        let compression_per_mille = compression(*events, incidents);
        OfSource { source: source.clone(), events: *events, incidents, compression_per_mille }
    });
    Funnel {
        by_source: by_source.collect(),
        events,
        alerts: tenant.alerts_made,
        incidents: tenant.incidents_made,
        alerts_firing: tenant.alerts.firing(),
        compression_per_mille: (events > 0).then(|| compression(events, tenant.incidents_made)),
        noisy_sources,
        noisy_names: tenant.noisy_names.top(TOP_MAX),
        noisy_cis: tenant.noisy_cis.top(TOP_MAX),
        quality: tenant.quality(),
    }
}

/// 1 − incidents / events, per mille.
const fn compression(events: u64, incidents: u64) -> u32 {
    if events == 0 || incidents >= events {
        return 0;
    }
    1000 - (incidents * 1000 / events) as u32
}

#[derive(Default)]
struct Mean {
    sum_ms: i64,
    n: i64,
}

impl Mean {
    fn add(&mut self, from: Timestamp, to: Option<Timestamp>) {
        if let Some(to) = to {
            self.sum_ms += to.since(from).0.max(0);
            self.n += 1;
        }
    }

    fn mean(&self) -> Option<i64> {
        (self.n > 0).then(|| self.sum_ms / self.n)
    }
}
