//! What people said of incidents, as models may learn it: shown with its weight, and revocable.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::orders::{Taken, submit};
use super::paging::{self, Listed, cursor, read_cursor};
use super::past::past;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use crate::engine::input::Order;
use crate::projection::history::audit::{self, Audited};

/// The orders that are judgements, and the one that takes them back.
const ACTIONS: [&str; 7] = ["merge", "split", "move", "confirm_root", "reject_root", "set_root", "revoke"];
/// Audit entries looked through for one page.
const LOOKED_MAX: usize = 20_000;

/// One judgement.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeedbackItem {
    /// The journal record: also its id.
    pub seq: u64,
    pub at: String,
    pub by: String,
    /// merge, split, move, confirm_root, reject_root or set_root.
    pub says: &'static str,
    /// The incident.
    pub about: String,
    /// Per mille, shared by the pairs that it gives.
    pub weight: u32,
    /// It counts for nothing any more.
    pub revoked: bool,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct FeedbackQuery {
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
}

fn order(entry: &Audited) -> Option<Order> {
    entry.refused.is_none().then(|| serde_json::from_str(&entry.detail).ok()).flatten()
}

/// Merges, splits, moves and words about root causes that were carried out, newest first.
#[utoipa::path(get, path = "/api/v1/feedback", tag = "feedback", params(FeedbackQuery),
    responses((status = 200, body = Listed<FeedbackItem>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<FeedbackQuery>,
) -> Result<Json<Listed<FeedbackItem>>, ApiError> {
    caller.whole_tenant()?;
    let limit = paging::limit(query.limit)?;
    let before = read_cursor(query.after.as_deref())?.map(|(_, seq)| seq);
    let scope = caller.scope();
    // Who revoked something did so later: the newest entries tell it.
    let entries = past(&api, move |history| audit::entries_of(history, &scope, &ACTIONS, None, LOOKED_MAX)).await?;
    let carried_out: Vec<(&Audited, Order)> = entries.iter().filter_map(|entry| Some((entry, order(entry)?))).collect();
    let revoked: BTreeSet<u64> = carried_out.iter().filter_map(|(_, order)| revokes(order)).collect();
    let older = carried_out.iter().filter(|(entry, _)| before.is_none_or(|before| entry.seq < before));
    let items = older.filter_map(|(entry, order)| item(entry, order, &revoked));
    let mut items: Vec<FeedbackItem> = items.take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursor(0, last.seq));
    Ok(Json(Listed { items, next, feed: None }))
}

const fn revokes(order: &Order) -> Option<u64> {
    match order {
        Order::Revoke { of } => Some(*of),
        _ => None,
    }
}

fn item(entry: &Audited, order: &Order, revoked: &BTreeSet<u64>) -> Option<FeedbackItem> {
    let (says, weight) = order.judgement()?;
    Some(FeedbackItem {
        seq: entry.seq,
        at: entry.at.to_string(),
        by: entry.actor.clone(),
        says,
        about: entry.about.clone(),
        weight,
        revoked: revoked.contains(&entry.seq),
    })
}

/// Lets a judgement count for nothing; the incidents stay as they are.
#[utoipa::path(post, path = "/api/v1/feedback/{seq}/revoke", tag = "feedback", params(("seq" = u64, Path)),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn revoke(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(seq): Id<u64>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let scope = caller.scope();
    let found = past(&api, move |history| audit::entries(history, &scope, Some(seq + 1), 1)).await?;
    let entry = found.first().filter(|entry| entry.seq == seq).ok_or(ApiError::NotFound("judgement"))?;
    if order(entry).and_then(|order| order.judgement()).is_none() {
        return Err(ApiError::NotFound("judgement"));
    }
    submit(&api, &caller, "", Order::Revoke { of: seq }).await
}
