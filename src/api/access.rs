//! Who calls, and what it may do: authentication in front of every route, roles on each of them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::problem::ApiError;
use super::session::Asked;
use super::state::Api;
pub use crate::domain::access::Role;
use crate::domain::ci::Area;
use crate::domain::ids::{OrgId, TenantId};
use crate::projection::scope::Scope;

/// The roles a route is open to; one column set of the matrix in `routes.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Without a credential.
    Public,
    To(&'static [Role]),
}

impl Open {
    /// Whether the role may.
    pub fn allows(self, role: Role) -> bool {
        match self {
            Self::Public => true,
            Self::To(roles) => roles.contains(&role),
        }
    }
}

/// The one who calls, as its credential says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The credential's id.
    pub credential: Box<str>,
    /// The credential's name: the actor of its commands.
    pub name: Box<str>,
    pub tenant: TenantId,
    pub role: Role,
    /// `None`: all organisations.
    pub orgs: Option<BTreeSet<OrgId>>,
    /// `None`: all managed-object areas.
    pub areas: Option<BTreeSet<Area>>,
}

impl Caller {
    /// What it may see.
    pub fn scope(&self) -> Scope {
        Scope { tenant: self.tenant.clone(), orgs: self.orgs.clone(), areas: self.areas.clone() }
    }

    /// Numbers of the whole tenant are for callers who may see all of it.
    pub fn whole_tenant(&self) -> Result<(), ApiError> {
        if self.scope().is_whole() {
            return Ok(());
        }
        Err(ApiError::Forbidden("this is counted per tenant and needs a credential for all organisations and areas"))
    }
}

/// Tells who a token belongs to.
pub trait Authenticate: Send + Sync {
    /// The caller, unless the token is unknown, revoked or expired. Compares in constant time.
    fn bearer(&self, token: &str) -> Option<Caller>;
    /// The caller of a credential that has been proven before, unless it was revoked or has expired since.
    fn proven(&self, credential: &str) -> Option<Caller>;
    /// A seal over a text that only instances can make that know the credential; none when it was revoked or has expired.
    fn seal(&self, credential: &str, text: &str) -> Option<String>;
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or(ApiError::Unauthorized)
    }
}

/// The session cookie's name. The prefix makes browsers insist on HTTPS and this host.
pub const fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-headwater" } else { "headwater" }
}

/// The layer in front of every route under `/api/`: finds the caller; a credential that fails never falls
/// through to another kind.
pub async fn authenticate(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    // Who has signed in at another instance is learnt of first.
    if !request.headers().contains_key(header::AUTHORIZATION)
        && let Some(id) = session_cookie(request.headers(), api.settings.secure_cookies)
    {
        api.sessions.learn(id, (api.now)(), &*api.auth).await;
    }
    match caller(&api, request.method(), request.headers()) {
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
        }
        Ok(None) => {}
        Err(error) => return error.into_response(),
    }
    next.run(request).await
}

/// The layer on each route: deny by default.
pub async fn guard(State(open): State<Open>, request: Request, next: Next) -> Response {
    let allowed = match (open, request.extensions().get::<Caller>()) {
        (Open::Public, _) => Ok(()),
        (Open::To(_), None) => Err(ApiError::Unauthorized),
        (Open::To(roles), Some(caller)) if roles.contains(&caller.role) => Ok(()),
        (Open::To(_), Some(_)) => Err(ApiError::Forbidden("this credential's role may not do that")),
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn caller(api: &Api, method: &Method, headers: &HeaderMap) -> Result<Option<Caller>, ApiError> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(bearer_token).ok_or(ApiError::Unauthorized)?;
        return api.auth.bearer(&token).map(Some).ok_or(ApiError::Unauthorized);
    }
    let Some(id) = session_cookie(headers, api.settings.secure_cookies) else { return Ok(None) };
    // An ended session is no credential; public routes (sign in again) still work.
    let Some(caller) = api.sessions.caller(id, (api.now)(), &*api.auth, asked(headers)) else { return Ok(None) };
    if !method.is_safe() {
        check_same_origin(headers)?;
    }
    Ok(Some(caller))
}

/// The header with which the console marks what it asks for while nobody touches it.
const BACKGROUND: &str = "x-headwater-background";

/// Browsers mark a feed by what it accepts; it cannot have a header of its own.
fn asked(headers: &HeaderMap) -> Asked {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let by_page = headers.contains_key(BACKGROUND) || accepted.starts_with("text/event-stream");
    if by_page { Asked::ByPage } else { Asked::ByPerson }
}

fn bearer_token(value: &str) -> Option<Cow<'_, str>> {
    let (scheme, token) = value.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(token.trim().into()),
        // For clients that know nothing else, such as a browser's data source or amtool: the password is the token.
        "basic" => {
            let text = String::from_utf8(STANDARD.decode(token.trim()).ok()?).ok()?;
            Some(text.split_once(':')?.1.to_owned().into())
        }
        _ => None,
    }
}

/// The session's id from the cookies.
pub fn session_cookie(headers: &HeaderMap, secure: bool) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == cookie_name(secure))
        .map(|(_, id)| id)
}

/// A browser's change must come from our own page: `Origin` names our host, and a body is JSON
/// (which a foreign page cannot send without asking first).
pub fn check_same_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    const FOREIGN: ApiError = ApiError::Forbidden("a change with a session cookie must come from this console");
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).ok_or(FOREIGN)?;
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).ok_or(FOREIGN)?;
    if text(header::HOST) != Some(host) {
        return Err(FOREIGN);
    }
    let has_body = text(header::CONTENT_LENGTH).is_some_and(|n| n != "0") || headers.contains_key("transfer-encoding");
    let is_json = text(header::CONTENT_TYPE).is_some_and(|t| t.split(';').next() == Some("application/json"));
    if has_body && !is_json {
        return Err(ApiError::MediaType);
    }
    Ok(())
}
