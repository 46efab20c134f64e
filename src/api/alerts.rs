//! Alerts: those that fire or belong to an incident on the board, those that are held, and those of the past.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::alert_types::AlertItem;
use super::paging::{self, Listed, cursor, read_place, read_time};
use super::past::past;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use crate::domain::alert::AlertView;
use crate::domain::event::MetricRef;
use crate::domain::ids::AlertId;
use crate::domain::time::Timestamp;
use crate::projection::alerts::AlertFilter;
use crate::projection::history::find::{self, Raw};
use crate::projection::history::search;
use crate::projection::scope::Scope;
use crate::projection::tenant::TenantView;
use crate::wording::lang::{Lang, Text};
use crate::wording::mask::mask_value;
use crate::wording::rarity;
use crate::wording::words::{AlertStateWord, SeverityWord, SideWord, SignalWord};

/// Filters of the alert list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct AlertQuery {
    /// Repeat the key for alternatives.
    pub state: Vec<AlertStateWord>,
    /// Repeat the key for alternatives.
    pub severity: Vec<SeverityWord>,
    /// Repeat the key for alternatives.
    pub source: Vec<String>,
    /// Repeat the key for alternatives; alerts of which it is not known are left out.
    pub signal: Vec<SignalWord>,
    /// Repeat the key for alternatives; alerts of which it is not known are left out.
    pub side: Vec<SideWord>,
    /// Id of the CI.
    pub ci: Option<String>,
    /// Firing, but without an incident of its own yet.
    pub held: Option<bool>,
    pub muted: Option<bool>,
    /// Part of name, title, object or the CI's name; any case.
    pub q: Option<String>,
    /// Search the history instead of what is open: slower, and nothing is forgotten within its retention.
    pub archive: bool,
    /// First seen at or after (RFC 3339); only in the archive.
    pub since: Option<String>,
    /// First seen before (RFC 3339); only in the archive.
    pub until: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// Alerts that fire or belong to an incident on the board, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertQuery),
    responses((status = 200, body = Listed<AlertItem>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(query): Params<AlertQuery>,
) -> Result<Json<Listed<AlertItem>>, ApiError> {
    page(&api, &caller, lang, query).await
}

/// Alerts that fire but have no incident of their own yet, newest first.
#[utoipa::path(get, path = "/api/v1/alerts/held", tag = "alerts", params(AlertQuery),
    responses((status = 200, body = Listed<AlertItem>), (status = "default", body = Problem)))]
pub async fn held(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(query): Params<AlertQuery>,
) -> Result<Json<Listed<AlertItem>>, ApiError> {
    page(&api, &caller, lang, AlertQuery { held: Some(true), ..query }).await
}

async fn page(
    api: &Arc<Api>,
    caller: &Caller,
    lang: Lang,
    query: AlertQuery,
) -> Result<Json<Listed<AlertItem>>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let after = read_place(query.after.as_deref(), AlertId)?;
    let span = (read_time("since", query.since.as_deref())?, read_time("until", query.until.as_deref())?);
    if !query.archive && span != (None, None) {
        return Err(ApiError::Bad("since, until: only with archive=true".into()));
    }
    let filter = AlertFilter {
        states: query.state.into_iter().map(Into::into).collect(),
        severities: query.severity.into_iter().map(Into::into).collect(),
        sources: query.source.into_iter().map(Into::into).collect(),
        signals: query.signal.into_iter().map(Into::into).collect(),
        sides: query.side.into_iter().map(Into::into).collect(),
        ci: query.ci.map(Into::into),
        held: query.held,
        muted: query.muted,
        q: query.q,
    };
    let scope = caller.scope();
    if query.archive {
        let page = past(api, move |history| search::alerts(history, &scope, &filter, span, after, limit)).await?;
        let items = page.items.iter().map(|view| AlertItem::of(view, lang)).collect();
        return Ok(Json(Listed { items, next: page.next.map(|at| cursor(at.0.0.0, at.1.0.0)), feed: None }));
    }
    let state = api.live.read();
    let Some(tenant) = state.tenant(&caller.tenant) else {
        return Ok(Json(Listed { items: Vec::new(), next: None, feed: None }));
    };
    let page = tenant.alerts.page(&scope, &filter, after, limit);
    let items = page.items.iter().map(|row| AlertItem::of_row(row, lang)).collect();
    Ok(Json(Listed { items, next: page.next.map(|at| cursor(at.0.0.0, at.1.0.0)), feed: None }))
}

/// An alert, and how unusual it is that one of its type comes on a CI of its class.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlertDetail {
    #[serde(flatten)]
    pub alert: AlertItem,
    /// Of the last 28 days; absent when its type was not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusual: Option<UnusualItem>,
    /// Absent when no event of it is kept any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<SaidItem>,
}

/// What the newest event of an alert said beside what correlates; phone numbers and secrets masked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SaidItem {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Addresses of dashboards, traces, logs, runbooks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed_repair: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricRef>,
}

/// What the newest of an alert's events said.
async fn said(api: &Arc<Api>, scope: Scope, id: AlertId) -> Result<Option<SaidItem>, ApiError> {
    let newest = past(api, move |history| find::events_of(history, &scope, id, 1)).await?;
    let Some(Raw::Event(event)) = newest.into_iter().next().map(|judged| judged.raw) else { return Ok(None) };
    let mut raw = serde_json::to_value(&event).unwrap_or_default();
    mask_value(&mut raw);
    Ok(serde_json::from_value(raw).ok())
}

/// How unusual a type is on a class.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UnusualItem {
    /// It came there for the first time within the last day.
    pub new: bool,
    pub first_seen: String,
    /// How often it began in the last 28 days, and how often any alert did.
    pub times: u64,
    pub of: u64,
    /// 1000: one of its kind; 0: every alert is of it.
    pub rarity_per_mille: u16,
    /// The entropy of its days: 1000 comes every day alike; 0 came on one day alone.
    pub noise_per_mille: u16,
    /// All of it in a sentence.
    pub text: Text,
}

impl UnusualItem {
    /// What is known of an alert's type on its class.
    pub fn of(tenant: &TenantView, alert: &AlertView, now: Timestamp) -> Option<Self> {
        let known = tenant.novelty.of(alert, now)?;
        let text = rarity::sentence(&rarity::Counted {
            is_new: known.is_new,
            is_on_ci: alert.ci.is_some(),
            first_seen: known.first_seen,
            times: known.times,
            of: known.of,
            rarity_per_mille: known.rarity_per_mille,
            noise_per_mille: known.noise_per_mille,
        });
        Some(Self {
            text,
            new: known.is_new,
            first_seen: known.first_seen.to_string(),
            times: known.times,
            of: known.of,
            rarity_per_mille: known.rarity_per_mille,
            noise_per_mille: known.noise_per_mille,
        })
    }
}

/// One alert.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = AlertDetail), (status = "default", body = Problem)))]
pub async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<AlertId>,
) -> Result<Json<AlertDetail>, ApiError> {
    let live = {
        let state = api.live.read();
        let tenant = state.tenant(&caller.tenant);
        let found = tenant.and_then(|tenant| Some((tenant, tenant.alerts.get(id)?)));
        found
            .filter(|(_, row)| caller.scope().sees_ci(row.ci()))
            .map(|(tenant, row)| (AlertItem::of_row(row, lang), UnusualItem::of(tenant, &row.view, state.stamp)))
    };
    let (alert, unusual) = match live {
        Some(found) => found,
        None => {
            let scope = caller.scope();
            let old = past(&api, move |history| find::alert(history, &scope, id)).await?;
            let view = old.ok_or(ApiError::NotFound("alert"))?;
            (AlertItem::of(&view, lang), unusual(&api, &caller, &view))
        }
    };
    let said = said(&api, caller.scope(), id).await?;
    Ok(Json(AlertDetail { alert, unusual, said }))
}

/// How unusual it is that an alert of this type comes on a CI of this class.
pub(super) fn unusual(api: &Api, caller: &Caller, alert: &AlertView) -> Option<UnusualItem> {
    let state = api.live.read();
    UnusualItem::of(state.tenant(&caller.tenant)?, alert, state.stamp)
}
