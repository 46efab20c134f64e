//! Events that could not be taken, with their bytes and reasons, and trying them again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::orders::{Taken, refused};
use super::paging::{self, Listed};
use super::past::past;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use crate::domain::ids::EventRef;
use crate::projection::history::find::{self, Kept};

/// One dead letter.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeadLetterItem {
    /// `e<journal sequence>.<index>`.
    pub id: String,
    pub at: String,
    pub source: String,
    /// malformed, too_large, bad_time or over_limit.
    pub reason: &'static str,
    /// Where and what to do.
    pub detail: String,
    /// As received, at most 64 KiB; invalid bytes replaced.
    pub raw: String,
    pub decoder: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_at: Option<String>,
}

impl From<&Kept> for DeadLetterItem {
    fn from(kept: &Kept) -> Self {
        let letter = &kept.letter;
        Self {
            id: kept.event.to_string(),
            at: kept.at.to_string(),
            source: letter.source.to_string(),
            reason: letter.why.word(),
            detail: letter.why.detail().to_owned(),
            raw: letter.raw.to_string(),
            decoder: letter.decoder.to_string(),
            replayed_at: kept.replayed_at.map(|at| at.to_string()),
        }
    }
}

/// A page of dead letters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterQuery {
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
}

/// The tenant's dead letters, newest first.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters", params(DeadLetterQuery),
    responses((status = 200, body = Listed<DeadLetterItem>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<DeadLetterQuery>,
) -> Result<Json<Listed<DeadLetterItem>>, ApiError> {
    caller.whole_tenant()?;
    let limit = paging::limit(query.limit)?;
    let bad = || ApiError::Bad("after: not a cursor of this list; start again without it".into());
    let before = query.after.as_deref().map(|text| EventRef::parse(text).ok_or_else(bad)).transpose()?;
    let scope = caller.scope();
    let kept = past(&api, move |history| find::dead_letters(history, &scope, before, limit)).await?;
    let next = kept.last().filter(|_| kept.len() == limit).map(|last| last.event.to_string());
    Ok(Json(Listed { items: kept.iter().map(Into::into).collect(), next, feed: None }))
}

/// Decodes a dead letter again, for example after its mapping was corrected.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/replay", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn replay(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<EventRef>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let scope = caller.scope();
    let kept = past(&api, move |history| find::dead_letter(history, &scope, id)).await?;
    let kept = kept.ok_or(ApiError::NotFound("dead letter"))?;
    let seq = api.writes.replay(caller.tenant, kept.letter).await.map_err(refused)?;
    api.history.mark_replayed(id.seq, id.index, (api.now)());
    Ok((StatusCode::ACCEPTED, Json(Taken { seq })))
}
