//! Whether the program lives, is ready, and its numbers for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::{Caller, Role};
use super::problem::{ApiError, Problem};
use super::state::{Api, Rules, Trouble};
use crate::engine::identity::CiLookups;
use crate::projection::live::State as Shown;
use crate::projection::overview::overview;
use crate::projection::scope::Scope;
use crate::wording::words::{AreaWord, SeverityWord};

/// Whether it can serve, and if not, why.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Ready {
    pub ready: bool,
    /// What is missing, in words for the operator.
    pub missing: Vec<String>,
    /// What is worse than it should be although it serves.
    pub degraded: Vec<String>,
}

/// The process lives.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, body = String)))]
pub async fn livez() -> &'static str {
    "ok\n"
}

/// Journal and outbox are reachable, replay is done, rules and topology are loaded. Names and causes are told to who
/// may see the whole tenant; without a credential one learns only of what kind the trouble is.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Ready), (status = 503, body = Ready)))]
pub async fn readyz(State(api): State<Arc<Api>>, caller: Option<Extension<Caller>>) -> Response {
    let trusted = caller.is_some_and(|Extension(caller)| caller.role != Role::Source && caller.scope().is_whole());
    let words = |troubles: Vec<Trouble>| -> Vec<String> {
        let word = |trouble: Trouble| if trusted { trouble.detail } else { trouble.kind.to_owned() };
        let mut words: Vec<String> = troubles.into_iter().map(word).collect();
        words.dedup();
        words
    };
    let missing = words((api.readiness)());
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let progress = api.history.progress();
    let mut degraded = words(api.troubles());
    if !progress.whole {
        degraded.push(format!("the history is being made; it has come to journal record {}", progress.journal_seq));
    }
    (status, Json(Ready { ready: missing.is_empty(), missing, degraded })).into_response()
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Word {
    word: String,
}

/// OpenMetrics. Without a credential only where the settings allow it.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, body = String), (status = "default", body = Problem)))]
pub async fn metrics(State(api): State<Arc<Api>>, caller: Option<Extension<Caller>>) -> Result<Response, ApiError> {
    if let Some(Extension(caller)) = caller {
        caller.whole_tenant()?;
    }
    let mut registry = Registry::with_prefix("headwater");
    {
        let shown = api.live.read();
        ends(&mut registry, &shown);
        gauges(&mut registry, &shown);
        lookups(&mut registry, &shown, &*api.rules);
        number(&mut registry, "journal_seq", "newest journal record that is shown", shown.journal_seq);
        number(&mut registry, "outbox_seq", "newest outbox record that is shown", shown.outbox_seq);
    }
    let progress = api.history.progress();
    number(&mut registry, "history_seq", "newest journal record in the history", progress.journal_seq);
    number(&mut registry, "history_whole", "1 when the history is complete", u64::from(progress.whole));
    (api.more_metrics)(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(ApiError::internal)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn number(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

/// The two sides of conservation, over all tenants.
fn ends(registry: &mut Registry, shown: &Shown) {
    let (mut accepted, mut pending, mut unbalanced) = (0, 0, 0);
    let mut ended = std::collections::BTreeMap::<String, u64>::new();
    let quality = Family::<Word, Gauge>::default();
    for (_, tenant) in shown.tenants() {
        let counts = &tenant.conservation;
        accepted += counts.accepted;
        pending += counts.pending;
        unbalanced += u64::from(!counts.holds());
        let mut add = |word: &str, n: u64| *ended.entry(word.to_owned()).or_default() += n;
        add("duplicate", counts.duplicate);
        add("joined", counts.joined);
        add("opened", counts.opened);
        add("held", counts.held);
        add("resolved", counts.resolved);
        counts.muted.iter().for_each(|(word, n)| add(&format!("muted_{word}"), *n));
        counts.dead_lettered.iter().for_each(|(word, n)| add(&format!("dead_{word}"), *n));
        for (word, n) in tenant.quality().rows() {
            quality.get_or_create(&Word { word: word.to_owned() }).inc_by(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
    registry.register("events_accepted", "events taken at the door", ConstCounter::new(accepted));
    number(registry, "events_pending", "events without a verdict yet", pending);
    number(registry, "tenants_unbalanced", "tenants whose conservation does not hold", unbalanced);
    let verdicts = Family::<Word, Gauge>::default();
    for (word, n) in ended {
        verdicts.get_or_create(&Word { word }).set(i64::try_from(n).unwrap_or(i64::MAX));
    }
    registry.register("events_ended", "events by verdict and reason", verdicts);
    registry.register("events_quality", "events whose content was poor, by what is wrong", quality);
}

/// How events found their CIs, over all tenants.
fn lookups(registry: &mut Registry, shown: &Shown, rules: &dyn Rules) {
    let found = Family::<Word, Gauge>::default();
    for (tenant, _) in shown.tenants() {
        let CiLookups { resolved, unresolved, ambiguous, .. } = rules.lookups(tenant);
        for (word, n) in [("resolved", resolved), ("unresolved", unresolved), ("ambiguous", ambiguous)] {
            found.get_or_create(&Word { word: word.to_owned() }).inc_by(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
    registry.register("ci_lookups", "events by how they found their CI", found);
}

fn gauges(registry: &mut Registry, shown: &Shown) {
    let by_severity = Family::<Word, Gauge>::default();
    let by_area = Family::<Word, Gauge>::default();
    let (mut firing, mut held, mut waiting) = (0, 0, 0);
    for (id, tenant) in shown.tenants() {
        let seen = overview(tenant, &Scope::whole(id.clone()), shown.stamp);
        for (severity, n) in &seen.open_by_severity {
            let word = SeverityWord::from(*severity).word().to_owned();
            by_severity.get_or_create(&Word { word }).inc_by(*n as i64);
        }
        for (area, n) in &seen.open_by_area {
            let word = area.map_or("unknown", |area| AreaWord::from(area).word()).to_owned();
            by_area.get_or_create(&Word { word }).inc_by(*n as i64);
        }
        firing += tenant.alerts.firing();
        held += seen.held;
        waiting += seen.unacknowledged;
    }
    registry.register("incidents_open", "open incidents by severity", by_severity);
    registry.register("incidents_open_by_area", "open incidents by managed-object area", by_area);
    number(registry, "incidents_unacknowledged", "open incidents that nobody has acknowledged", waiting);
    number(registry, "alerts_firing", "alerts that fire", firing);
    number(registry, "alerts_held", "alerts that fire without an incident", held);
}
