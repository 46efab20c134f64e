//! Who may come in: a token, proven before anything else of a request is looked at.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderMap, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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

/// A credential that was proven before the request went on: its body was signed.
#[derive(Clone)]
pub struct Proven(pub Arc<Credential>);

/// Headers in which senders have their token when it cannot be `Authorization`.
const HEADERS: [&str; 3] = ["x-api-key", "x-gitlab-token", "x-routing-key"];

/// Names under which a token may stand in the address, for senders that can set no header.
pub const IN_QUERY: [&str; 4] = ["token", "integration_key", "access_token", "key"];

/// What a request offers as its token. The first place that has something counts: a token that fails never falls
/// through to another one.
pub fn offered<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Option<Cow<'r, str>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        return match scheme.to_ascii_lowercase().as_str() {
            "bearer" | "geniekey" => Some(rest.trim().into()),
            // PagerDuty's way of writing it.
            "token" => Some(rest.trim().trim_start_matches("token=").into()),
            "basic" => basic(rest.trim()).map(Cow::Owned),
            _ => None,
        };
    }
    let of_header = HEADERS.into_iter().find_map(|name| headers.get(name)?.to_str().ok());
    of_header.or_else(|| IN_QUERY.into_iter().find_map(|name| in_query(uri, name))).map(Cow::Borrowed)
}

/// The password, or the user where there is no password.
fn basic(encoded: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(if password.is_empty() { user } else { password }.to_owned())
}

fn in_query<'r>(uri: &'r Uri, name: &str) -> Option<&'r str> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
}

/// Lets in who may deliver events: sources, and administrators who try one out.
pub fn admit(gate: &dyn Gate, headers: &HeaderMap, uri: &Uri, now: Timestamp) -> Result<Arc<Credential>, Refusal> {
    let token = offered(headers, uri).ok_or(Refusal::Unauthorized)?;
    let credential = gate.bearer(&token, now).ok_or(Refusal::Unauthorized)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_from_where_senders_put_it() {
        let check = |header: Option<(&'static str, &str)>, uri: &str, want: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, value.parse().unwrap());
            }
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(offered(&headers, &uri).as_deref(), want, "{header:?} {uri}");
        };
        check(Some(("authorization", "Bearer t1")), "/a?token=t2", Some("t1"));
        check(Some(("authorization", "GenieKey t1")), "/a", Some("t1"));
        check(Some(("authorization", "Token token=t1")), "/a", Some("t1"));
        // user:t1, t1:
        check(Some(("authorization", "Basic dXNlcjp0MQ==")), "/a", Some("t1"));
        check(Some(("authorization", "Basic dDE6")), "/a", Some("t1"));
        check(Some(("authorization", "Digest x")), "/a?token=t2", None);
        check(Some(("x-gitlab-token", "t1")), "/a", Some("t1"));
        check(None, "/a?x=1&integration_key=t2", Some("t2"));
        check(None, "/a?token=", None);
        check(None, "/a", None);
    }
}
