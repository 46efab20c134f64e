//! Views of the board: filters that somebody keeps under a name, for oneself or for everybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{Caller, Role};
use super::paging::Listed;
use super::problem::{ApiError, Body, Params, Problem};
use super::state::Api;
use super::view_file::{Kept, ViewError};

/// The longest name and query, in characters.
const NAME_CHARS_MAX: usize = 60;
const QUERY_CHARS_MAX: usize = 1_000;

/// A view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViewItem {
    pub name: String,
    /// The board's address behind the question mark.
    pub query: String,
    /// Everybody sees it.
    pub shared: bool,
    /// Who keeps it.
    pub by: String,
    /// It is the caller's own.
    pub own: bool,
}

/// A view to be kept; one of the caller's with this name is replaced.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewView {
    pub name: String,
    #[serde(default)]
    pub query: String,
    #[serde(default)]
    pub shared: bool,
}

/// Which view.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct WhichView {
    pub name: String,
    /// Whose; absent: the caller's. Administrators drop those of others.
    pub by: Option<String>,
}

fn item(kept: Kept, caller: &Caller) -> ViewItem {
    let Kept { owner, name, query, shared, .. } = kept;
    ViewItem { own: *owner == *caller.name, by: owner.into(), name, query, shared }
}

/// The caller's views and those that are shared, by owner and name.
#[utoipa::path(get, path = "/api/v1/views", tag = "incidents",
    responses((status = 200, body = Listed<ViewItem>), (status = "default", body = Problem)))]
pub async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Listed<ViewItem>>, ApiError> {
    let (tenant, who) = (caller.tenant.clone(), caller.name.clone());
    let seen = tokio::task::spawn_blocking(move || api.views.seen(&tenant, &who)).await.map_err(ApiError::internal)?;
    let items = seen.into_iter().map(|kept| item(kept, &caller)).collect();
    Ok(Json(Listed { items, next: None, feed: None }))
}

/// Keeps a view. Viewers keep views for themselves only.
#[utoipa::path(post, path = "/api/v1/views", tag = "incidents", request_body = NewView,
    responses((status = 204), (status = "default", body = Problem)))]
pub async fn keep(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(view): Body<NewView>,
) -> Result<StatusCode, ApiError> {
    let NewView { name, query, shared } = view;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || query.chars().count() > QUERY_CHARS_MAX {
        let what = format!("name: 1 to {NAME_CHARS_MAX} characters; query: at most {QUERY_CHARS_MAX}");
        return Err(ApiError::Bad(what));
    }
    if shared && caller.role == Role::Viewer {
        return Err(ApiError::Forbidden("a viewer keeps views for itself only"));
    }
    let kept = Kept { tenant: caller.tenant.clone(), owner: caller.name.clone(), name, query, shared };
    written(api, move |api| api.views.keep(kept)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Drops a view.
#[utoipa::path(delete, path = "/api/v1/views", tag = "incidents", params(WhichView),
    responses((status = 204), (status = "default", body = Problem)))]
pub async fn drop_one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(which): Params<WhichView>,
) -> Result<StatusCode, ApiError> {
    let by = which.by.unwrap_or_else(|| caller.name.to_string());
    if *by != *caller.name && caller.role != Role::Admin {
        return Err(ApiError::Forbidden("only its owner or an administrator drops a view"));
    }
    let tenant = caller.tenant.clone();
    let was_there = written(api, move |api| api.views.drop_one(&tenant, &by, &which.name)).await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::NotFound("view")) }
}

/// The file is written and synced, or the servers are asked: not on a thread that serves connections.
async fn written<T: Send + 'static>(
    api: Arc<Api>,
    change: impl FnOnce(&Api) -> Result<T, ViewError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(move || change(&api)).await.map_err(ApiError::internal)?;
    done.map_err(|error| match error {
        ViewError::TooMany | ViewError::TooManyShared => ApiError::Bad(error.to_string()),
        ViewError::Io(cause) => ApiError::internal(format!("views are not written: {cause}")),
        ViewError::Away(why) => {
            tracing::warn!(why, "a view is not kept");
            ApiError::TryLater { wait_secs: 2 }
        }
    })
}
