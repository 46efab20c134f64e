//! Who may come in: a bearer token, proven before anything else of a request is looked at.

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use super::refusal::Refusal;
use crate::access::store::Tokens;
use crate::domain::access::{Credential, Role};
use crate::domain::ids::SourceId;
use crate::domain::time::Timestamp;

/// Proves credentials.
pub trait Gate: Send + Sync {
    /// Who bears this token, unless it is unknown, revoked or expired. Compares in constant time.
    fn bearer(&self, token: &str, now: Timestamp) -> Option<Arc<Credential>>;
}

impl Gate for Tokens {
    fn bearer(&self, token: &str, now: Timestamp) -> Option<Arc<Credential>> {
        self.verify(token, now)
    }
}

/// Lets in who may deliver events: sources, and administrators who try one out.
pub fn admit(gate: &dyn Gate, headers: &HeaderMap, now: Timestamp) -> Result<Arc<Credential>, Refusal> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value.and_then(|value| value.split_once(' ')).ok_or(Refusal::Unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::Unauthorized);
    }
    let credential = gate.bearer(token.trim(), now).ok_or(Refusal::Unauthorized)?;
    match credential.role {
        Role::Source | Role::Admin => Ok(credential),
        Role::Viewer | Role::Operator | Role::Analyst => Err(Refusal::Forbidden),
    }
}

/// The source that a credential speaks for. A source named in the path must be its own; to a stranger it does not
/// exist. An administrator may speak for any source of the tenant.
pub fn source(credential: &Credential, in_path: Option<&str>) -> Result<SourceId, Refusal> {
    match (in_path, credential.role) {
        (None, _) => Ok(SourceId::from(&*credential.name)),
        (Some(named), _) if named == &*credential.name => Ok(SourceId::from(named)),
        (Some(named), Role::Admin) => Ok(SourceId::from(named)),
        (Some(_), Role::Source | Role::Viewer | Role::Operator | Role::Analyst) => Err(Refusal::NotFound),
    }
}
