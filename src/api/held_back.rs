//! Messages that were not sent by themselves because they came too fast or a budget was used up, and the storm that holds them back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Caller;
use super::orders::{IdempotencyKey, Taken, submit};
use super::problem::{ApiError, Body, Problem};
use super::state::Api;
use crate::domain::ids::ReceiverId;
use crate::engine::input::Order;
use crate::wording::lang::Lang;
use crate::wording::mask::mask;
use crate::wording::titles::own_titled;

/// What is held back, and why.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HeldBack {
    /// A storm of incidents goes on since then; absent: none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm_since: Option<String>,
    /// Incidents that it has opened, or the last one had.
    pub storm_incidents: u32,
    /// When the last one ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm_ended: Option<String>,
    /// Messages that are not listed because there were more than 10,000.
    pub cut: u32,
    /// The latest message to each receiver of each incident, for 24 hours, or until it is told.
    pub items: Vec<HeldItem>,
}

/// One message that was told in a summary only, or not at all.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HeldItem {
    pub receiver: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    pub incident: String,
    /// Absent: it is not in memory any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Permanent link to its page.
    pub url: String,
    /// opened, updated, recovered …
    pub kind: &'static str,
    pub at: String,
    /// The budget that was used up: it was not told at all. Absent: it was told in a summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
}

/// How much of a budget is used up, by all receivers that share it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BudgetLine {
    pub id: String,
    /// Messages of this hour, and what may be.
    pub hour: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hour_max: Option<u32>,
    /// Messages of 24 hours, and what may be.
    pub day: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_max: Option<u32>,
    /// Messages held back since ever.
    pub held: u64,
}

/// To whom.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TellHeldBody {
    /// Absent: to all receivers.
    pub receiver: Option<String>,
}

/// Lists what was held back.
#[utoipa::path(get, path = "/api/v1/held-back", tag = "notices",
    responses((status = 200, body = HeldBack), (status = "default", body = Problem)))]
pub async fn list(State(api): State<Arc<Api>>, caller: Caller, lang: Lang) -> Result<Json<HeldBack>, ApiError> {
    caller.whole_tenant()?;
    let storm = api.rules.storm(&caller.tenant);
    let state = api.live.read();
    let board = state.tenant(&caller.tenant).map(|tenant| &tenant.board);
    let items = storm.held().map(|held| HeldItem {
        receiver: held.receiver.to_string(),
        person: held.person.as_ref().map(ToString::to_string),
        incident: held.incident.to_string(),
        title: board
            .and_then(|board| board.get(held.incident))
            .map(|found| own_titled(&mask(&found.view.title), lang).into_owned()),
        url: format!("{}/incidents/{}", api.settings.base_url, held.incident),
        kind: held.kind.as_str(),
        at: held.at.to_string(),
        budget: (!held.budget.is_empty()).then(|| held.budget.to_string()),
    });
    Ok(Json(HeldBack {
        storm_since: storm.since.map(|at| at.to_string()),
        storm_incidents: storm.incidents,
        storm_ended: storm.ended.map(|at| at.to_string()),
        cut: storm.cut,
        items: items.collect(),
    }))
}

/// Tells it now, each incident by itself and as it is, as far as it is still abnormal; refused while a storm goes on.
#[utoipa::path(post, path = "/api/v1/held-back/tell", tag = "notices", params(IdempotencyKey), request_body = TellHeldBody,
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn tell(
    State(api): State<Arc<Api>>,
    caller: Caller,
    key: IdempotencyKey,
    Body(body): Body<TellHeldBody>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let receiver = body.receiver.as_deref().map(ReceiverId::from);
    submit(&api, &caller, &key.or("")?, Order::TellHeld { receiver }).await
}
