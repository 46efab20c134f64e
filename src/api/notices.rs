//! How receivers are doing, and what could not be delivered to them: listed, and sent again on order.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::held_back::BudgetLine;
use super::orders::{IdempotencyKey, Taken, submit};
use super::paging::{self, Listed, cursor, read_cursor, read_time};
use super::past::past;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use crate::domain::ids::IncidentId;
use crate::engine::input::Order;
use crate::projection::history::find;
use crate::projection::history::notices::{self as told, Told};
use crate::wording::mask::mask;

/// Undelivered notices in one answer.
const LISTED_MAX: usize = 1_000;

/// How receivers are doing.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ReceiverList {
    /// The tenant's notices without a result yet.
    pub pending: u64,
    /// Receivers of the configuration; 0: nobody is told of anything.
    pub configured: usize,
    pub items: Vec<ReceiverLine>,
}

/// How one receiver is doing since the start.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ReceiverLine {
    pub id: String,
    /// The kind of channel, such as mail; empty: not configured, or switched off.
    pub kind: String,
    /// It rings, whatever somebody is doing: counted as an interruption of a person.
    pub interrupts: bool,
    /// Not configured, or switched off: nothing reaches it.
    pub reachable: bool,
    pub waiting: u64,
    pub accepted: u64,
    pub failed: u64,
    pub given_up: u64,
    pub folded: u64,
    /// Messages that it got in digests because they came too fast, since ever.
    pub held_back: u64,
    /// The budgets that it shares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetLine>,
    /// Why nothing is sent at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// A notice that could not be delivered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UndeliveredNotice {
    /// Its idempotency key: also its id here.
    pub key: String,
    pub incident: String,
    pub receiver: String,
    pub why: String,
    pub attempts: u32,
    /// When it was given up.
    pub at: String,
}

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

/// One message about an incident, to one receiver or to one person by it. Addresses are told masked only.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NoticeItem {
    pub key: String,
    pub receiver: String,
    /// Who was meant, and the level of which escalation policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// opened, updated, reminder, recovered, reopened, closed, merged or digest.
    pub kind: String,
    /// The incident's version that it told of.
    pub version: u32,
    /// The route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub at: String,
    /// accepted, gave_up, folded, unaddressed, unverified (the address was not shown to be the person's: the next way was tried) or pending.
    pub outcome: String,
    /// What the receiver said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Where it went, masked: `138***78`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The receiver's own id of the message, or what it said when it took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

impl From<Told> for NoticeItem {
    fn from(told: Told) -> Self {
        Self {
            key: told.key,
            receiver: told.receiver,
            person: told.person,
            policy: told.policy.filter(|policy| !policy.is_empty()),
            level: told.level,
            kind: told.kind,
            version: told.version,
            rule: told.rule,
            at: told.at.to_string(),
            outcome: told.outcome.unwrap_or_else(|| "pending".to_owned()),
            why: told.why.map(|why| mask(&why).into_owned()),
            attempts: told.attempts,
            ended_at: told.ended_at.map(|at| at.to_string()),
            ticket: told.ticket,
            address: told.address,
            said: told.said,
        }
    }
}

/// Who was told what of an incident, oldest first, at most 1,000: by which route, after how many attempts, with what answer.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/notices", tag = "notices", params(("id" = String, Path)),
    responses((status = 200, body = Listed<NoticeItem>), (status = "default", body = Problem)))]
pub async fn of_incident(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<IncidentId>,
) -> Result<Json<Listed<NoticeItem>>, ApiError> {
    let scope = caller.scope();
    let found = past(&api, move |history| match find::incident(history, &scope, id)? {
        Some(_) => told::of(history, id, LISTED_MAX).map(Some),
        None => Ok(None),
    });
    let all = found.await?.ok_or(ApiError::NotFound("incident"))?;
    Ok(Json(Listed { items: all.into_iter().map(NoticeItem::from).collect(), next: None, feed: None }))
}

/// Which part of the log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct LogQuery {
    /// Only to this person.
    pub person: Option<String>,
    pub receiver: Option<String>,
    /// accepted, gave_up, folded, unaddressed, unverified or pending.
    pub outcome: Option<String>,
    /// Told at or after (RFC 3339).
    pub since: Option<String>,
    /// Told before (RFC 3339).
    pub until: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogItem {
    pub incident: String,
    /// What rosters and messages call the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person_name: Option<String>,
    #[serde(flatten)]
    pub notice: NoticeItem,
}

/// How a message may have ended.
const OUTCOMES: [&str; 6] = ["accepted", "gave_up", "folded", "unaddressed", "unverified", "pending"];

/// Every message to every person and receiver, newest first: by which route, after how many attempts, with what answer.
#[utoipa::path(get, path = "/api/v1/notices", tag = "notices", params(LogQuery),
    responses((status = 200, body = Listed<LogItem>), (status = "default", body = Problem)))]
pub async fn log(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<LogQuery>,
) -> Result<Json<Listed<LogItem>>, ApiError> {
    caller.whole_tenant()?;
    let limit = paging::limit(query.limit)?;
    let before = read_cursor(query.after.as_deref())?.map(|(place, _)| place);
    if query.outcome.as_ref().is_some_and(|word| !OUTCOMES.contains(&word.as_str())) {
        return Err(ApiError::Bad(format!("outcome: write one of {}", OUTCOMES.join(", "))));
    }
    let asked = told::Asked {
        tenant: caller.tenant.clone(),
        person: query.person,
        receiver: query.receiver,
        outcome: query.outcome,
        since: read_time("since", query.since.as_deref())?,
        until: read_time("until", query.until.as_deref())?,
    };
    let mut found = past(&api, move |history| told::log(history, &asked, before, limit + 1)).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(place, ..)| cursor(*place, 0));
    let policy = api.rules.policy(&caller.tenant);
    let item = |(_, incident, told): (i64, IncidentId, Told)| LogItem {
        incident: incident.to_string(),
        person_name: told.person.as_deref().map(|person| policy.on_call.called(&person.into()).to_owned()),
        notice: NoticeItem::from(told),
    };
    Ok(Json(Listed { items: found.into_iter().map(item).collect(), next, feed: None }))
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
