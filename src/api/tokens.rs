//! Credentials: who has one, making and ending them. Only administrators; a token is shown once, when it is made.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{Caller, Role};
use super::orders::{note, refused};
use super::paging::{Listed, read_time};
use super::problem::{ApiError, Body, Id, Problem};
use super::state::{Api, WriteError};
use crate::access::file::Record;
use crate::access::store::Wanted;
use crate::domain::time::Timestamp;
use crate::wording::words::AreaWord;

/// What the audit calls it.
pub const MADE: &str = "token_made";
pub const ENDED: &str = "token_ended";

/// Where credentials are kept.
pub trait Credentials: Send + Sync {
    /// All of them, of every tenant.
    fn list(&self) -> Vec<Record>;
    /// Makes one; the token in the open.
    ///
    /// # Errors
    /// When the name is none, or the file cannot be written.
    fn create(&self, wanted: Wanted) -> Result<(String, String), WriteError>;
    /// Ends one.
    ///
    /// # Errors
    /// When there is none, or the file cannot be written.
    fn revoke(&self, id: &str) -> Result<(), WriteError>;
}

/// One credential. The token itself is kept nowhere.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenItem {
    pub id: String,
    pub name: String,
    #[schema(value_type = String)]
    pub role: Role,
    /// Absent: all organisations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orgs: Option<Vec<String>>,
    /// Absent: all managed-object areas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub areas: Option<Vec<AreaWord>>,
    pub created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// It opens something now.
    pub alive: bool,
}

impl TokenItem {
    fn of(record: &Record, now: Timestamp) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let alive = record.revoked_at.is_none() && record.expires_at.is_none_or(|at| at > now);
        Self {
            id: record.id.to_string(),
            name: record.name.to_string(),
            role: record.role,
            orgs: record.orgs.as_ref().map(|orgs| orgs.iter().map(ToString::to_string).collect()),
            areas: record.areas.as_ref().map(|areas| areas.iter().copied().map(Into::into).collect()),
            created_at: record.created_at.to_string(),
            expires_at: time(record.expires_at),
            revoked_at: time(record.revoked_at),
            last_used_at: time(record.last_used_at),
            alive,
        }
    }
}

/// A credential to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Letters, digits, `.`, `_` and `-`: the actor of what is done with it.
    pub name: String,
    #[schema(value_type = String)]
    pub role: Role,
    /// Absent: all organisations.
    #[serde(default)]
    pub orgs: Option<BTreeSet<String>>,
    /// Absent: all managed-object areas, and what has none.
    #[serde(default)]
    pub areas: Option<Vec<AreaWord>>,
    /// RFC 3339; absent: it does not expire.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// Made. Keep the token: it is not shown again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenMade {
    pub id: String,
    pub token: String,
}

/// All credentials of the tenant, the newest first.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "administration",
    responses((status = 200, body = Listed<TokenItem>), (status = "default", body = Problem)))]
pub async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Listed<TokenItem>>, ApiError> {
    caller.whole_tenant()?;
    let now = (api.now)();
    let mut own: Vec<Record> =
        api.credentials.list().into_iter().filter(|record| record.tenant == caller.tenant).collect();
    own.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
    let items = own.iter().map(|record| TokenItem::of(record, now)).collect();
    Ok(Json(Listed { items, next: None, feed: None }))
}

/// Makes a credential in the caller's tenant.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "administration", request_body = NewToken,
    responses((status = 201, body = TokenMade), (status = "default", body = Problem)))]
pub async fn make(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<NewToken>,
) -> Result<(StatusCode, Json<TokenMade>), ApiError> {
    caller.whole_tenant()?;
    let expires_at = read_time("expires_at", body.expires_at.as_deref())?;
    if expires_at.is_some_and(|at| at <= (api.now)()) {
        return Err(ApiError::Bad("expires_at: must be in the future".into()));
    }
    let orgs = body.orgs.map(|orgs| orgs.into_iter().map(Into::into).collect());
    let areas = body.areas.map(|areas| areas.into_iter().map(Into::into).collect());
    let wanted = Wanted { name: body.name, role: body.role, tenant: caller.tenant.clone(), orgs, areas, expires_at };
    let (name, role) = (wanted.name.clone(), wanted.role);
    // The file is written and synced: not on a thread that serves connections.
    let credentials = api.credentials.clone();
    let made = tokio::task::spawn_blocking(move || credentials.create(wanted)).await;
    let (id, token) = made.map_err(ApiError::internal)?.map_err(refused)?;
    tracing::info!(credential.id = id, credential.name = name, role = role.as_str(), actor = %caller.name, "credential made");
    // A credential that the audit does not know is none.
    if let Err(error) = note(&api, &caller, MADE, &name, &format!("{} {id}", role.as_str())).await {
        end(&api, &id).await?;
        return Err(error);
    }
    Ok((StatusCode::CREATED, Json(TokenMade { id, token })))
}

/// Ends a credential; feeds and sessions that were opened with it end within seconds.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "administration", params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = Problem)))]
pub async fn revoke(State(api): State<Arc<Api>>, caller: Caller, Id(id): Id<String>) -> Result<StatusCode, ApiError> {
    caller.whole_tenant()?;
    let known = api.credentials.list().into_iter().find(|record| *record.id == *id && record.tenant == caller.tenant);
    let record = known.ok_or(ApiError::NotFound("credential"))?;
    if *id == *caller.credential {
        return Err(ApiError::Bad("this is the credential you came with; end it with another one".into()));
    }
    end(&api, &id).await?;
    tracing::info!(credential.id = id, actor = %caller.name, "credential revoked");
    note(&api, &caller, ENDED, &record.name, &format!("{} {id}", record.role.as_str())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a credential; ending it again changes nothing.
async fn end(api: &Api, id: &str) -> Result<(), ApiError> {
    let (credentials, id) = (api.credentials.clone(), id.to_owned());
    let done = tokio::task::spawn_blocking(move || credentials.revoke(&id)).await;
    done.map_err(ApiError::internal)?.map_err(refused)
}
