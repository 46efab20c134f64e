//! Maintenance windows that wait for a second person, where the rules in force ask for one. What is asked for and what
//! became of it stands in the audit: all instances know it, and nothing of it is in force.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::access::Caller;
use super::orders::{Taken, note, submit};
use super::paging::Listed;
use super::past::past;
use super::problem::{ApiError, Body, Id, Problem};
use super::rules::{self, Grounds, Persons, TakenAnswer};
use super::state::Api;
use super::windows::{with, without};
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::Order;
use crate::projection::history::audit::{self, Audited};

/// What the audit calls it.
const MADE: &str = "window_proposed";
const ENDED: &str = "window_end_proposed";
const APPROVED: &str = "window_approved";
const REFUSED: &str = "window_refused";
const ALL: [&str; 4] = [MADE, ENDED, APPROVED, REFUSED];
/// Entries looked through, and how long somebody may take to answer.
const LOOKED_MAX: usize = 5_000;
const KEPT: Span = Span::hours(30 * 24);

/// What somebody asks for, as the audit keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    /// The window to be made; none: the one that is named is to be ended.
    pub window: Option<Value>,
    pub reason: String,
}

/// Something that waits.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProposalItem {
    /// The journal record: also its id.
    pub seq: u64,
    /// The window's id.
    pub id: String,
    pub at: String,
    pub by: String,
    pub reason: String,
    /// The window to be made, as it was asked for; absent: the window is to be ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub window: Option<Value>,
}

/// Why somebody answers so.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    pub reason: String,
}

/// Asks for it; the journal sequence.
pub(super) async fn propose(api: &Api, caller: &Caller, id: &str, asked: &Proposed) -> Result<u64, ApiError> {
    let what = if asked.window.is_some() { MADE } else { ENDED };
    let detail = serde_json::to_string(asked).map_err(ApiError::internal)?;
    let order = Order::Noted { what: what.into(), about: id.into(), detail: detail.into() };
    let (_, Json(Taken { seq })) = submit(api, caller, "", order).await?;
    Ok(seq)
}

/// What waits, newest first. Entries come newest first.
fn waiting(entries: &[Audited], now: Timestamp) -> Vec<(&Audited, Proposed)> {
    let noted = |entry: &Audited| serde_json::from_str::<String>(&entry.detail).ok();
    let is_answer = |entry: &&Audited| entry.action == APPROVED || entry.action == REFUSED;
    let answered: BTreeSet<u64> =
        entries.iter().filter(is_answer).filter_map(|entry| noted(entry)?.parse().ok()).collect();
    let asked = entries.iter().filter(|entry| entry.action == MADE || entry.action == ENDED);
    asked
        .filter(|entry| entry.refused.is_none() && !answered.contains(&entry.seq) && now.since(entry.at) < KEPT)
        .filter_map(|entry| Some((entry, serde_json::from_str(&noted(entry)?).ok()?)))
        .collect()
}

async fn entries(api: &Arc<Api>, caller: &Caller) -> Result<Vec<Audited>, ApiError> {
    let scope = caller.scope();
    past(api, move |history| audit::entries_of(history, &scope, &ALL, None, LOOKED_MAX)).await
}

/// Windows that somebody wants to make or to end, and that wait for a second person.
#[utoipa::path(get, path = "/api/v1/windows/proposals", tag = "silences",
    responses((status = 200, body = Listed<ProposalItem>), (status = "default", body = Problem)))]
pub async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Listed<ProposalItem>>, ApiError> {
    caller.whole_tenant()?;
    let found = entries(&api, &caller).await?;
    let item = |(entry, asked): (&Audited, Proposed)| ProposalItem {
        seq: entry.seq,
        id: entry.about.clone(),
        at: entry.at.to_string(),
        by: entry.actor.clone(),
        reason: asked.reason,
        window: asked.window,
    };
    let items = waiting(&found, (api.now)()).into_iter().map(item).collect();
    Ok(Json(Listed { items, next: None, feed: None }))
}

/// One that waits: its window's id, who asked, and for what.
async fn found(api: &Arc<Api>, caller: &Caller, seq: u64) -> Result<(String, String, Proposed), ApiError> {
    caller.whole_tenant()?;
    let all = entries(api, caller).await?;
    let one = waiting(&all, (api.now)()).into_iter().find(|(entry, _)| entry.seq == seq);
    let (entry, asked) = one.ok_or(ApiError::NotFound("proposal that waits"))?;
    Ok((entry.about.clone(), entry.actor.clone(), asked))
}

/// Puts in force what another person asked for.
#[utoipa::path(post, path = "/api/v1/windows/proposals/{seq}/approve", tag = "silences",
    params(("seq" = u64, Path)), request_body = Answer,
    responses((status = 202, body = rules::RulesTaken), (status = "default", body = Problem)))]
pub async fn approve(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(seq): Id<u64>,
    Body(answer): Body<Answer>,
) -> Result<TakenAnswer, ApiError> {
    let (id, by, asked) = found(&api, &caller, seq).await?;
    if *by == *caller.name {
        return Err(ApiError::Forbidden("who asked for it does not approve it: the rules ask for a second person"));
    }
    let both = [&*asked.reason, &*answer.reason].into_iter().filter(|reason| !reason.trim().is_empty());
    let reason = format!("{} ({by}, {})", both.collect::<Vec<_>>().join("; "), caller.name);
    let grounds = Grounds { reason: &reason, persons: Persons::Two };
    let taken = match &asked.window {
        Some(window) => rules::change(&api, &caller, grounds, with(window)).await?,
        None => rules::change(&api, &caller, grounds, without(&id)).await?,
    };
    note(&api, &caller, APPROVED, &id, &seq.to_string()).await?;
    Ok(taken)
}

/// Says no to it, or takes back what one has asked for oneself.
#[utoipa::path(post, path = "/api/v1/windows/proposals/{seq}/refuse", tag = "silences",
    params(("seq" = u64, Path)),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn refuse(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(seq): Id<u64>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    let (id, ..) = found(&api, &caller, seq).await?;
    let order = Order::Noted { what: REFUSED.into(), about: id.into(), detail: seq.to_string().into() };
    submit(&api, &caller, "", order).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(seq: u64, action: &str, detail: &str) -> Audited {
        Audited {
            seq,
            at: Timestamp(seq as i64 * 1000),
            actor: "li".into(),
            action: action.into(),
            about: "w".into(),
            detail: serde_json::to_string(detail).unwrap(),
            refused: None,
        }
    }

    #[test]
    fn what_was_answered_or_is_too_old_waits_no_more() {
        let asked = Proposed { window: Some(json!({ "id": "w" })), reason: "work".into() };
        let text = serde_json::to_string(&asked).unwrap();
        let entries = [
            entry(50, ENDED, r#"{"window":null,"reason":"over"}"#),
            entry(40, REFUSED, "30"),
            entry(30, MADE, &text),
            entry(20, MADE, &text),
            entry(10, MADE, "nonsense"),
        ];
        let at = |now: i64| waiting(&entries, Timestamp(now)).iter().map(|(one, _)| one.seq).collect::<Vec<_>>();
        assert_eq!(at(60_000), [50, 20]);
        assert_eq!(at(KEPT.0 + 30_000), [50]);
        assert_eq!(waiting(&entries, Timestamp(60_000))[1].1, asked);
    }
}
