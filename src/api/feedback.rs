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
use super::problem::{ApiError, Body, Id, Params, Problem};
use super::state::Api;
use crate::domain::ids::IncidentId;
use crate::engine::input::Order;
use crate::projection::history::audit::{self, Audited};
use crate::projection::history::find;

/// The orders that are judgements, and the one that takes them back.
const ACTIONS: [&str; 9] =
    ["merge", "split", "move", "confirm_root", "reject_root", "set_root", FALSE_ALARM, MISSED, "revoke"];
/// What the audit calls an incident that was none, and a fault of which no alert told.
const FALSE_ALARM: &str = "false_alarm";
const MISSED: &str = "missed";
/// The longest note and object, in characters.
const TEXT_CHARS_MAX: usize = 1_000;
/// Audit entries looked through for one page.
const LOOKED_MAX: usize = 20_000;

/// One judgement.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeedbackItem {
    /// The journal record: also its id.
    pub seq: u64,
    pub at: String,
    pub by: String,
    /// merge, split, move, confirm_root, reject_root, set_root, false_alarm or missed.
    pub says: &'static str,
    /// The incident; of a fault that was missed: what was at fault.
    pub about: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Per mille, shared by the pairs that it gives; 0: models learn nothing from it.
    pub weight: u32,
    /// It counts for nothing any more.
    pub revoked: bool,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct FeedbackQuery {
    /// Only what was said of this incident, or of this object.
    pub about: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
}

/// What somebody says of alerts as a whole.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFeedback {
    pub says: Saying,
    /// false_alarm: the incident's id. missed: what was at fault, such as a CI.
    pub about: String,
    #[serde(default)]
    pub note: String,
}

/// What can be said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Saying {
    /// The incident was none: nothing was wrong.
    FalseAlarm,
    /// Something was wrong, and no alert told of it.
    Missed,
}

/// What an entry says, its note and its weight; none: it says nothing of alerts, or it was not carried out.
fn says(entry: &Audited) -> Option<(&'static str, String, u32)> {
    let noted = || serde_json::from_str(&entry.detail).unwrap_or_default();
    match entry.action.as_str() {
        _ if entry.refused.is_some() => None,
        FALSE_ALARM => Some((FALSE_ALARM, noted(), 0)),
        MISSED => Some((MISSED, noted(), 0)),
        _ => order(entry)?.judgement().map(|(word, weight)| (word, String::new(), weight)),
    }
}

/// Says that an incident was a false alarm, or that a fault was missed; counted in the reports, and revocable.
#[utoipa::path(post, path = "/api/v1/feedback", tag = "feedback", request_body = NewFeedback,
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn say(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(said): Body<NewFeedback>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    let about = said.about.trim();
    if about.is_empty() || about.chars().count() > TEXT_CHARS_MAX || said.note.chars().count() > TEXT_CHARS_MAX {
        return Err(ApiError::Bad(format!(
            "about, note: say what it is about, each at most {TEXT_CHARS_MAX} characters"
        )));
    }
    let what = match said.says {
        Saying::FalseAlarm => {
            let id = IncidentId::parse(about).ok_or(ApiError::NotFound("incident"))?;
            let scope = caller.scope();
            let found = past(&api, move |history| find::incident(history, &scope, id)).await?;
            found.ok_or(ApiError::NotFound("incident"))?;
            FALSE_ALARM
        }
        Saying::Missed => MISSED,
    };
    let order = Order::Noted { what: what.into(), about: about.into(), detail: said.note.trim().into() };
    submit(&api, &caller, "", order).await
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
    let revoked: BTreeSet<u64> = entries.iter().filter_map(order).filter_map(|order| revokes(&order)).collect();
    let is_asked = |entry: &&Audited| query.about.as_ref().is_none_or(|about| *about == entry.about);
    let older = entries.iter().filter(|entry| before.is_none_or(|before| entry.seq < before)).filter(is_asked);
    let items = older.filter_map(|entry| item(entry, &revoked));
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

fn item(entry: &Audited, revoked: &BTreeSet<u64>) -> Option<FeedbackItem> {
    let (says, note, weight) = says(entry)?;
    Some(FeedbackItem {
        seq: entry.seq,
        at: entry.at.to_string(),
        by: entry.actor.clone(),
        says,
        about: entry.about.clone(),
        note,
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
    if says(entry).is_none() {
        return Err(ApiError::NotFound("judgement"));
    }
    submit(&api, &caller, "", Order::Revoke { of: seq }).await
}
