//! How receivers are doing, and what could not be delivered to them: listed, and sent again on order.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::orders::{IdempotencyKey, Taken, submit};
use super::problem::{ApiError, Id, Problem};
use super::state::{Api, ReceiverList, UndeliveredNotice};
use crate::engine::input::Order;

/// Undelivered notices in one answer.
const LISTED_MAX: usize = 1_000;

/// What could not be delivered, newest first, at most 1,000.
#[derive(Serialize, ToSchema)]
pub struct UndeliveredList {
    pub items: Vec<UndeliveredNotice>,
}

/// The receivers that the tenant's routes name.
#[utoipa::path(get, path = "/api/v1/receivers", tag = "notices",
    responses((status = 200, body = ReceiverList), (status = "default", body = Problem)))]
pub async fn receivers(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<ReceiverList>, ApiError> {
    caller.whole_tenant()?;
    Ok(Json(api.notices.receivers(&caller.tenant)))
}

/// Notices that were given up. One that a newer message to the same receiver has overtaken is not listed any more.
#[utoipa::path(get, path = "/api/v1/notices/undelivered", tag = "notices",
    responses((status = 200, body = UndeliveredList), (status = "default", body = Problem)))]
pub async fn undelivered(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<UndeliveredList>, ApiError> {
    caller.whole_tenant()?;
    Ok(Json(UndeliveredList { items: api.notices.undelivered(&caller.tenant, LISTED_MAX) }))
}

/// Sends one of them again, with the same key.
#[utoipa::path(post, path = "/api/v1/notices/undelivered/{id}/resend", tag = "notices",
    params(("id" = String, Path), IdempotencyKey),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn resend(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(key): Id<String>,
    id: IdempotencyKey,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let found = api.notices.undelivered_notice(&caller.tenant, &key).map_err(ApiError::internal)?;
    let notice = Box::new(found.ok_or(ApiError::NotFound("notice"))?);
    submit(&api, &caller, &id.or("")?, Order::Resend { notice }).await
}
