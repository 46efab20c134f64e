//! Calendars of rosters by a secret address: for phones and mail programs that cannot send a credential. Whoever has the address
//! reads who has duty, and nothing else; all addresses of a roster can be revoked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::orders::{Taken, submit};
use super::problem::{ApiError, Id, Problem};
use super::state::Api;
use crate::domain::time::Span;
use crate::engine::input::Order;
use crate::wording::ical;

/// Shifts from so long ago to so far ahead.
const BEFORE: Span = Span::hours(31 * 24);
const AHEAD: Span = Span::hours(100 * 24);

/// A secret address.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalendarLink {
    /// Whoever has it reads the roster's shifts.
    pub url: String,
}

/// The secret address of a roster's calendar, for programs that subscribe to calendars.
#[utoipa::path(get, path = "/api/v1/oncall/rosters/{id}/calendar", tag = "oncall", params(("id" = String, Path)),
    responses((status = 200, body = CalendarLink), (status = "default", body = Problem)))]
pub async fn link(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<Json<CalendarLink>, ApiError> {
    caller.whole_tenant()?;
    api.rules.policy(&caller.tenant).on_call.roster(&id).ok_or(ApiError::NotFound("roster"))?;
    let seal = api.settings.seal.as_ref().ok_or(ApiError::NotFound("calendar"))?;
    let token = seal.feed(&caller.tenant, &id, api.rules.revoked_links(&caller.tenant, &id));
    Ok(Json(CalendarLink { url: format!("{}/api/v1/oncall/calendars/{token}", api.settings.base_url) }))
}

/// Makes all secret addresses of a roster's calendar invalid; a new one can be had a second later.
#[utoipa::path(delete, path = "/api/v1/oncall/rosters/{id}/calendar", tag = "oncall", params(("id" = String, Path)),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn revoke(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    submit(&api, &caller, "", Order::RevokeCalendar { roster: id.into() }).await
}

/// The calendar behind a secret address (RFC 5545): a month back, a hundred days ahead.
#[utoipa::path(get, path = "/api/v1/oncall/calendars/{token}", tag = "oncall", params(("token" = String, Path)),
    responses((status = 200, body = String, content_type = "text/calendar"), (status = "default", body = Problem)))]
pub async fn read(State(api): State<Arc<Api>>, Id(token): Id<String>) -> Result<impl IntoResponse, ApiError> {
    let gone = || ApiError::NotFound("calendar");
    let (tenant, id, revoked) = api.settings.seal.as_ref().and_then(|seal| seal.read_feed(&token)).ok_or_else(gone)?;
    if revoked != api.rules.revoked_links(&tenant, &id) {
        return Err(gone());
    }
    let (policy, made, at) = (api.rules.policy(&tenant), api.rules.overrides(&tenant), (api.now)());
    let roster = policy.on_call.roster(&id).ok_or_else(gone)?;
    let shifts = roster.shifts(at.minus(BEFORE), at.plus(AHEAD), &made);
    let text = ical::calendar(roster.id.id.as_str(), &shifts, at, &|id| policy.on_call.called(id).to_owned());
    Ok(([(header::CONTENT_TYPE, "text/calendar; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], text))
}
