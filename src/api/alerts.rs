//! Alerts: those that fire or belong to an incident on the board, and those that are held.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Caller;
use super::incident_types::AlertItem;
use super::lang::Lang;
use super::paging::{self, Listed, cursor, read_place};
use super::past::past;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use super::words::{AlertStateWord, SeverityWord};
use crate::domain::ids::AlertId;
use crate::projection::alerts::AlertFilter;
use crate::projection::history::find;

/// Filters of the alert list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct AlertQuery {
    pub state: Vec<AlertStateWord>,
    pub severity: Vec<SeverityWord>,
    pub source: Vec<String>,
    /// Id of the CI.
    pub ci: Option<String>,
    pub muted: Option<bool>,
    /// Part of name, title, object or the CI's name; any case.
    pub q: Option<String>,
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
    alert_page(&api, &caller, lang, query, None)
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
    alert_page(&api, &caller, lang, query, Some(true))
}

fn alert_page(
    api: &Api,
    caller: &Caller,
    lang: Lang,
    query: AlertQuery,
    held: Option<bool>,
) -> Result<Json<Listed<AlertItem>>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let after = read_place(query.after.as_deref(), AlertId)?;
    let filter = AlertFilter {
        states: query.state.into_iter().map(Into::into).collect(),
        severities: query.severity.into_iter().map(Into::into).collect(),
        sources: query.source.into_iter().map(Into::into).collect(),
        ci: query.ci.map(Into::into),
        held,
        muted: query.muted,
        q: query.q,
    };
    let state = api.live.read();
    let Some(tenant) = state.tenant(&caller.tenant) else {
        return Ok(Json(Listed { items: Vec::new(), next: None, feed: None }));
    };
    let page = tenant.alerts.page(&caller.scope(), &filter, after, limit);
    let items = page.items.iter().map(|row| AlertItem::of_row(row, lang)).collect();
    Ok(Json(Listed { items, next: page.next.map(|at| cursor(at.0.0.0, at.1.0.0)), feed: None }))
}

/// One alert.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = AlertItem), (status = "default", body = Problem)))]
pub async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<AlertId>,
) -> Result<Json<AlertItem>, ApiError> {
    {
        let state = api.live.read();
        let row = state.tenant(&caller.tenant).and_then(|tenant| tenant.alerts.get(id));
        if let Some(row) = row.filter(|row| caller.scope().sees_one(row.org())) {
            return Ok(Json(AlertItem::of_row(row, lang)));
        }
    }
    let scope = caller.scope();
    let old = past(&api, move |history| find::alert(history, &scope, id)).await?;
    old.map(|view| Json(AlertItem::of(&view, lang))).ok_or(ApiError::NotFound("alert"))
}
