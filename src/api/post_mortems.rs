//! Post-mortems: drafted from what is known, written on by people, kept as a draft, published.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::orders::{Taken, submit};
use super::paging::{self, Listed, cursor, read_cursor};
use super::past::past;
use super::problem::{ApiError, Body, Id, Params, Problem};
use super::shift_reports::{markdown, zone};
use super::state::Api;
use crate::domain::ending::Review;
use crate::domain::ids::IncidentId;
use crate::engine::input::Order;
use crate::projection::history::find;
use crate::projection::history::reviews::{self, Kept};
use crate::wording::lang::Lang;
use crate::wording::mask::mask;
use crate::wording::report::{self, Reported};
use crate::wording::titles::own_titled;

/// Lines of a timeline in a draft.
const TIMELINE_MAX: usize = 1_000;
/// The longest text, in characters.
const TEXT_CHARS_MAX: usize = 200_000;

/// Which text, in which language, by which clock.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// `zh` or `en`, of a fresh draft.
    pub lang: Option<String>,
    /// The zone of a fresh draft's times, such as `Europe/Berlin`; absent: `Asia/Shanghai`.
    pub zone: Option<String>,
    /// Drafted anew from what is known, whatever was kept.
    pub fresh: bool,
    /// A version that was kept; absent: the newest.
    pub version: Option<u64>,
}

/// A version that was kept.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PostMortemItem {
    pub incident: String,
    pub title: String,
    /// Its number: give it back as `version` when you write.
    pub version: u64,
    /// draft or published.
    pub state: String,
    pub author: String,
    pub at: String,
}

impl PostMortemItem {
    fn of(kept: &Kept, title: &str, lang: Lang) -> Self {
        Self {
            incident: kept.incident.to_string(),
            title: own_titled(&mask(title), lang).into_owned(),
            version: kept.version,
            state: kept.state.clone(),
            author: kept.author.clone(),
            at: kept.at.to_string(),
        }
    }
}

/// The post-mortem in Markdown: as it was kept last; where nothing was kept, a draft of what is known, with room for what people
/// must say. The header `ETag` has the version that was kept, 0 for a fresh draft.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/post-mortem", tag = "incidents", params(("id" = String, Path), Wanted),
    responses((status = 200, body = String, content_type = "text/markdown"), (status = "default", body = Problem)))]
pub async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<IncidentId>,
    Params(asked): Params<Wanted>,
) -> Result<impl IntoResponse, ApiError> {
    // What a caller of some organisations may see of it is not all that a post-mortem tells.
    caller.whole_tenant()?;
    let by = Reported { lang, zone: zone(asked.zone.as_deref())? };
    let (scope, is_fresh, version) = (caller.scope(), asked.fresh, asked.version);
    let found = past(&api, move |history| {
        let Some(view) = find::incident(history, &scope, id)? else { return Ok(None) };
        let kept = if is_fresh { None } else { reviews::one(history, &scope.tenant, id, version)? };
        if let Some(kept) = kept {
            return Ok(Some((kept.version, kept.text)));
        }
        let alerts = find::members(history, id, None, report::ALERTS_MAX)?.0;
        let timeline = find::timeline(history, id, TIMELINE_MAX)?.0;
        let known = report::Known { view: &view, timeline: &timeline, alerts: &alerts };
        Ok(Some((0, report::post_mortem(&known, by))))
    });
    let (kept, text) = found.await?.ok_or(ApiError::NotFound("incident"))?;
    if version.is_some_and(|version| version != kept) {
        return Err(ApiError::NotFound("version"));
    }
    Ok(([(header::ETAG, format!("\"{kept}\""))], markdown(text)))
}

/// The versions that were kept, newest first, at most 50.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/post-mortem/versions", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = Listed<PostMortemItem>), (status = "default", body = Problem)))]
pub async fn versions(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<IncidentId>,
) -> Result<Json<Listed<PostMortemItem>>, ApiError> {
    caller.whole_tenant()?;
    let scope = caller.scope();
    let found = past(&api, move |history| match find::incident(history, &scope, id)? {
        Some(view) => Ok(Some((view.title, reviews::versions(history, &scope.tenant, id)?))),
        None => Ok(None),
    });
    let (title, kept) = found.await?.ok_or(ApiError::NotFound("incident"))?;
    let items = kept.iter().map(|kept| PostMortemItem::of(kept, &title, lang)).collect();
    Ok(Json(Listed { items, next: None, feed: None }))
}

/// What is kept.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPostMortem {
    /// Markdown.
    pub text: String,
    pub state: PostMortemState,
    /// The version that was read before; 0: none was kept.
    pub version: u64,
    /// Chosen by the caller: the same id twice is done once.
    #[serde(default)]
    pub command_id: String,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PostMortemState {
    Draft,
    Published,
}

/// Keeps a post-mortem as a draft, or publishes it. The versions before stay readable. What is published stays so while people
/// write on a draft: it is published until another version is.
#[utoipa::path(put, path = "/api/v1/incidents/{id}/post-mortem", tag = "incidents", params(("id" = String, Path)),
    request_body = NewPostMortem, responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn keep(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<IncidentId>,
    Body(new): Body<NewPostMortem>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let chars = new.text.chars().count();
    if new.text.trim().is_empty() || chars > TEXT_CHARS_MAX {
        return Err(ApiError::Bad(format!("text: write 1 to {TEXT_CHARS_MAX} characters")));
    }
    let scope = caller.scope();
    let found = past(&api, move |history| match find::incident(history, &scope, id)? {
        Some(_) => Ok(Some(reviews::one(history, &scope.tenant, id, None)?.map_or(0, |kept| kept.version))),
        None => Ok(None),
    });
    let newest = found.await?.ok_or(ApiError::NotFound("incident"))?;
    if newest != new.version {
        return Err(ApiError::Changed { version: newest });
    }
    let review = match new.state {
        PostMortemState::Draft => Review::Draft,
        PostMortemState::Published => Review::Published,
    };
    submit(&api, &caller, &new.command_id, Order::Review { incident: id, review, text: new.text.into() }).await
}

/// Which ones.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    /// published: what is published, also where a newer draft is written on; draft: only where the newest is one.
    pub state: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// The post-mortems that people have kept, newest first, each as it is now.
#[utoipa::path(get, path = "/api/v1/post-mortems", tag = "incidents", params(ListQuery),
    responses((status = 200, body = Listed<PostMortemItem>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(query): Params<ListQuery>,
) -> Result<Json<Listed<PostMortemItem>>, ApiError> {
    caller.whole_tenant()?;
    let limit = paging::limit(query.limit)?;
    if query.state.as_ref().is_some_and(|state| !["draft", "published"].contains(&state.as_str())) {
        return Err(ApiError::Bad("state: write draft or published".into()));
    }
    let before = read_cursor(query.after.as_deref())?.map(|(seq, _)| seq as u64);
    let scope = caller.scope();
    let found = past(&api, move |history| {
        let kept = reviews::newest(history, &scope.tenant, query.state.as_deref(), before, limit + 1)?;
        let titled = kept.into_iter().map(|kept| {
            let view = find::incident(history, &scope, kept.incident)?;
            Ok((kept, view.map(|view| view.title).unwrap_or_default()))
        });
        titled.collect::<rusqlite::Result<Vec<(Kept, Box<str>)>>>()
    });
    let mut found = found.await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(kept, _)| cursor(kept.version as i64, 0));
    Ok(Json(Listed {
        items: found.iter().map(|(kept, title)| PostMortemItem::of(kept, title, lang)).collect(),
        next,
        feed: None,
    }))
}
