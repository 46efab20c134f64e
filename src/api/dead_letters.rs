//! Events that could not be taken, with their bytes and reasons, and trying them again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::orders::{Taken, refused};
use super::paging::{self, Listed, read_time};
use super::past::past;
use super::problem::{ApiError, Body, Id, Params, Problem};
use super::state::{Api, WriteError};
use crate::domain::ids::EventRef;
use crate::engine::input::DeadLetter;
use crate::projection::history::find::{self, Judged, Raw};
use crate::projection::history::search::{self, EventFilter};
use crate::wording::lang::{Lang, Text};
use crate::wording::letters;
use crate::wording::mask::mask;

/// The most dead letters that one call tries again.
const REPLAYS_MAX: usize = 500;

/// One dead letter.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeadLetterItem {
    /// `e<journal sequence>.<index>`.
    pub id: String,
    pub at: String,
    pub source: String,
    /// malformed, too_large, bad_time or over_limit.
    pub reason: &'static str,
    pub reason_label: &'static str,
    /// Where and what to do, as it was kept.
    pub detail: String,
    /// The same for people.
    pub text: Text,
    /// As received, at most 64 KiB; invalid bytes replaced, phone numbers and secrets masked.
    pub raw: String,
    pub decoder: String,
    /// The event that it became when it was tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_as: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_at: Option<String>,
}

impl DeadLetterItem {
    /// The item; `None` for what is no dead letter.
    pub fn of(judged: &Judged, lang: Lang) -> Option<Self> {
        let letter = letter(judged)?;
        let text = letters::detail(&letter.why);
        Some(Self {
            id: judged.event.to_string(),
            at: judged.at.to_string(),
            source: letter.source.to_string(),
            reason: letter.why.word(),
            reason_label: letters::label(&letter.why, lang),
            detail: mask(letter.why.detail()).into_owned(),
            text: Text::new(mask(&text.zh), mask(&text.en)),
            raw: mask(&letter.raw).into_owned(),
            decoder: letter.decoder.to_string(),
            replayed_as: judged.replayed.as_ref().map(|(event, _)| event.clone()),
            replayed_at: judged.replayed.as_ref().map(|(_, at)| at.to_string()),
        })
    }
}

fn letter(judged: &Judged) -> Option<&DeadLetter> {
    match &judged.raw {
        Raw::Letter(letter) => Some(letter),
        Raw::Event(_) => None,
    }
}

/// Which dead letters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterQuery {
    pub source: Option<String>,
    /// malformed, too_large, bad_time or over_limit.
    pub reason: Option<String>,
    /// Received at or after (RFC 3339).
    pub since: Option<String>,
    /// Received before (RFC 3339).
    pub until: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// The tenant's dead letters, newest first.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters", params(DeadLetterQuery),
    responses((status = 200, body = Listed<DeadLetterItem>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(query): Params<DeadLetterQuery>,
) -> Result<Json<Listed<DeadLetterItem>>, ApiError> {
    caller.whole_tenant()?;
    let limit = paging::limit(query.limit)?;
    let before = paging::read_event(query.after.as_deref())?;
    let filter = EventFilter {
        since: read_time("since", query.since.as_deref())?,
        until: read_time("until", query.until.as_deref())?,
        source: query.source,
        verdicts: vec!["rejected".into()],
        reason: query.reason,
        ..EventFilter::default()
    };
    let scope = caller.scope();
    let page = past(&api, move |history| search::events(history, &scope, &filter, before, limit)).await?;
    let items = page.items.iter().filter_map(|judged| DeadLetterItem::of(judged, lang)).collect();
    Ok(Json(Listed { items, next: page.next.map(|event| event.to_string()), feed: None }))
}

async fn kept(api: &Arc<Api>, caller: &Caller, id: EventRef) -> Result<Judged, ApiError> {
    let scope = caller.scope();
    let found = past(api, move |history| find::event(history, &scope, id)).await?;
    found.filter(|judged| letter(judged).is_some()).ok_or(ApiError::NotFound("dead letter"))
}

/// One dead letter.
#[utoipa::path(get, path = "/api/v1/dead-letters/{id}", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 200, body = DeadLetterItem), (status = "default", body = Problem)))]
pub async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<EventRef>,
) -> Result<Json<DeadLetterItem>, ApiError> {
    caller.whole_tenant()?;
    let judged = kept(&api, &caller, id).await?;
    DeadLetterItem::of(&judged, lang).map(Json).ok_or(ApiError::NotFound("dead letter"))
}

async fn try_again(api: &Arc<Api>, caller: &Caller, id: EventRef) -> Result<u64, ApiError> {
    let judged = kept(api, caller, id).await?;
    if let Some((event, _)) = &judged.replayed {
        let errors = vec![format!("it was tried again before and is event {event}")];
        return Err(refused(WriteError::Refused { errors }));
    }
    let letter = letter(&judged).ok_or(ApiError::NotFound("dead letter"))?;
    api.writes.replay(caller.tenant.clone(), id, letter.clone()).await.map_err(refused)
}

/// Decodes a dead letter again, for example after its mapping was corrected. It is kept until that succeeds.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/replay", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn replay(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<EventRef>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let seq = try_again(&api, &caller, id).await?;
    Ok((StatusCode::ACCEPTED, Json(Taken { seq })))
}

/// Several dead letters.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replays {
    /// 1 to 500.
    pub ids: Vec<String>,
}

/// What became of one of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Replayed {
    pub id: String,
    /// The journal sequence, when it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// What became of all of them, in the order of the request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AllReplayed {
    pub taken: usize,
    pub items: Vec<Replayed>,
}

/// Decodes several dead letters again, each for itself.
#[utoipa::path(post, path = "/api/v1/dead-letters/replay", tag = "dead letters", request_body = Replays,
    responses((status = 202, body = AllReplayed), (status = "default", body = Problem)))]
pub async fn replay_many(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<Replays>,
) -> Result<(StatusCode, Json<AllReplayed>), ApiError> {
    caller.whole_tenant()?;
    if body.ids.is_empty() || body.ids.len() > REPLAYS_MAX {
        return Err(ApiError::Bad(format!("ids: name 1 to {REPLAYS_MAX}")));
    }
    let mut items = Vec::with_capacity(body.ids.len());
    for id in body.ids {
        let outcome = match EventRef::parse(&id) {
            Some(event) => try_again(&api, &caller, event).await,
            None => Err(ApiError::NotFound("dead letter")),
        };
        items.push(match outcome {
            Ok(seq) => Replayed { id, seq: Some(seq), errors: Vec::new() },
            Err(ApiError::Refused { errors, .. }) => Replayed { id, seq: None, errors },
            // Whoever is too fast hears of it at once; what was taken until here is taken.
            Err(error @ ApiError::TryLater { .. }) if items.is_empty() => return Err(error),
            Err(error) => Replayed { id, seq: None, errors: vec![error.to_string()] },
        });
    }
    let taken = items.iter().filter(|item| item.seq.is_some()).count();
    Ok((StatusCode::ACCEPTED, Json(AllReplayed { taken, items })))
}
