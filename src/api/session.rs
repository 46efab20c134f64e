//! Console sessions: kept here, not in the browser; the cookie holds only a random id.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::access::{self, Authenticate, Caller, check_same_origin, cookie_name};
use super::problem::{ApiError, Body, Problem};
use super::session_file::{self, Kept};
use super::state::Api;
use crate::domain::time::{Span, Timestamp};
use crate::shared::Shared;
use crate::wording::words::AreaWord;

mod others;

/// A session ends after this long without a request by a person.
pub const IDLE: Span = Span::mins(30);
/// A session ends this long after signing in, whatever happens.
pub const WHOLE: Span = Span::hours(12);
/// Sessions kept; the one idle for longest goes first.
const SESSIONS_MAX: usize = 10_000;
/// Sign-ins evaluated per minute, all together.
const SIGN_INS_PER_MINUTE: u32 = 120;
const MINUTE: Duration = Duration::from_secs(60);

/// Who wants something of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    ByPerson,
    /// The feed, or a page that follows it: nobody need be there.
    ByPage,
}

/// The SHA-256 of a cookie.
type Key = [u8; 32];

#[derive(Clone)]
struct Session {
    /// Each request asks the token store again: a revoked credential ends its sessions at once.
    credential: Box<str>,
    since: Timestamp,
    used: Timestamp,
}

/// A session that ended here before its time.
struct EndedHere {
    at: Timestamp,
    /// Whether other instances know.
    is_told: bool,
}

#[derive(Default)]
struct Inner {
    by_id: BTreeMap<Key, Session>,
    /// Sessions that must not be opened again because another instance has not heard of their end.
    ended: BTreeMap<Key, EndedHere>,
    /// Credentials that sign in once, by their invitation.
    invited: BTreeMap<Key, Box<str>>,
    /// The minute that is being counted, and its sign-ins.
    minute: (i64, u32),
    /// Where the sessions survive the end of the program; `None`: nowhere.
    file: Option<PathBuf>,
}

impl Inner {
    /// Whether anything is known of a session here, be it that it has ended.
    fn knows(&self, key: &Key) -> bool {
        self.by_id.contains_key(key) || self.ended.contains_key(key)
    }

    fn told(&mut self, key: &Key) {
        if let Some(ended) = self.ended.get_mut(key) {
            ended.is_told = true;
        }
    }

    /// Writes the sessions down. Failing to costs a sign-in after the next start, nothing else.
    fn keep(&self) {
        let Some(file) = &self.file else { return };
        let kept = |(key, session): (&[u8; 32], &Session)| Kept {
            cookie_sha256: hex::encode(key),
            credential: session.credential.clone(),
            since: session.since,
        };
        if let Err(error) = session_file::write(file, self.by_id.iter().map(kept).collect()) {
            tracing::warn!(%error, file = %file.display(), "sessions not written, a restart signs people out");
        }
    }
}

/// All sessions of this instance.
#[derive(Default)]
pub struct Sessions {
    inner: Mutex<Inner>,
    /// What instances share, when there are several.
    shared: Option<Arc<Shared>>,
}

impl Sessions {
    /// Sessions that survive a restart in this file; the time without a request counts from the start again.
    pub fn kept_in(file: &Path, now: Timestamp) -> Self {
        let kept = session_file::read(file).unwrap_or_else(|error| {
            tracing::warn!(%error, file = %file.display(), "sessions not read, people sign in again");
            Vec::new()
        });
        let read = |kept: Kept| {
            let key: [u8; 32] = hex::decode(&kept.cookie_sha256).ok()?.try_into().ok()?;
            Some((key, Session { credential: kept.credential, since: kept.since, used: now }))
        };
        let by_id = kept.into_iter().filter_map(read).filter(|(_, session)| alive(session, now)).collect();
        let inner = Mutex::new(Inner { by_id, file: Some(file.to_owned()), ..Inner::default() });
        Self { inner, shared: None }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a sign-in; refused above the limit. Atomic under parallel bursts.
    fn admit(&self, now: Timestamp) -> Result<(), ApiError> {
        let minute = now.0 / 60_000;
        let mut inner = self.lock();
        if inner.minute.0 != minute {
            inner.minute = (minute, 0);
        }
        inner.minute.1 += 1;
        if inner.minute.1 > SIGN_INS_PER_MINUTE { Err(ApiError::TooMany) } else { Ok(()) }
    }

    /// A word that signs one browser in, once, as this credential (its id): for a link that is printed.
    pub fn invite(&self, credential: &str) -> String {
        let word = random();
        self.lock().invited.insert(digest(&word), credential.into());
        word
    }

    /// The credential that an invitation stands for; it is used up.
    fn take_invited(&self, word: &str) -> Option<Box<str>> {
        self.lock().invited.remove(&digest(word))
    }

    /// Makes a session for a proven credential; returns the cookie's id (shown once).
    fn open(&self, credential: &str, now: Timestamp) -> String {
        let id = random();
        let mut inner = self.lock();
        inner.by_id.retain(|_, session| alive(session, now));
        if inner.by_id.len() >= SESSIONS_MAX
            && let Some(oldest) = inner.by_id.iter().min_by_key(|(_, s)| s.used).map(|(key, _)| *key)
        {
            inner.by_id.remove(&oldest);
        }
        inner.by_id.insert(digest(&id), Session { credential: credential.into(), since: now, used: now });
        inner.keep();
        id
    }

    /// The caller behind a cookie, while session and token live. What a page asks for by itself is no use of it.
    pub fn caller(&self, id: &str, now: Timestamp, auth: &dyn Authenticate, asked: Asked) -> Option<Caller> {
        let key = digest(id);
        let mut inner = self.lock();
        let session = inner.by_id.get_mut(&key)?;
        let caller = if alive(session, now) { auth.proven(&session.credential) } else { None };
        if caller.is_some() {
            if asked == Asked::ByPerson {
                session.used = now;
            }
        } else {
            inner.by_id.remove(&key);
        }
        caller
    }

    /// Whether the session behind a cookie lives still. Asking is no use of it.
    pub fn lives(&self, id: &str, now: Timestamp) -> bool {
        self.lock().by_id.get(&digest(id)).is_some_and(|session| alive(session, now))
    }

    fn close(&self, id: &str, now: Timestamp) {
        let (mut inner, key) = (self.lock(), digest(id));
        if inner.by_id.remove(&key).is_none() {
            return;
        }
        if self.shared.is_some() && inner.ended.len() < SESSIONS_MAX {
            inner.ended.insert(key, EndedHere { at: now, is_told: false });
        }
        inner.keep();
    }
}

fn alive(session: &Session, now: Timestamp) -> bool {
    now.since(session.used) < IDLE && now.since(session.since) < WHOLE
}

/// 128 random bits.
fn random() -> String {
    let mut bytes = [0u8; 16];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn digest(id: &str) -> Key {
    Sha256::digest(id.as_bytes()).into()
}

/// Sign in with a token, or with the word of a link that was printed for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    pub token: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct Me {
    pub name: String,
    /// viewer, operator, analyst or admin.
    pub role: &'static str,
    pub tenant: String,
    /// Organisations it is limited to; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orgs: Option<Vec<String>>,
    /// Managed-object areas it is limited to; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub areas: Option<Vec<AreaWord>>,
    pub version: &'static str,
    /// The server's clock, which ages and spans are told by.
    pub now: String,
}

impl Me {
    fn of(caller: &Caller, now: Timestamp) -> Self {
        Self {
            name: caller.name.to_string(),
            role: caller.role.as_str(),
            tenant: caller.tenant.to_string(),
            orgs: caller.orgs.as_ref().map(|orgs| orgs.iter().map(ToString::to_string).collect()),
            areas: caller.areas.as_ref().map(|areas| areas.iter().copied().map(Into::into).collect()),
            version: env!("CARGO_PKG_VERSION"),
            now: now.to_string(),
        }
    }
}

/// Signs the console in: answers with an HttpOnly cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = SignIn,
    responses((status = 200, body = Me), (status = "default", body = Problem)))]
pub async fn sign_in(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Body(body): Body<SignIn>,
) -> Result<Response, ApiError> {
    check_same_origin(&headers)?;
    let now = (api.now)();
    api.sessions.admit(now)?;
    api.sessions.admit_together().await?;
    let caller = match api.sessions.take_invited(body.token.trim()) {
        Some(credential) => api.auth.proven(&credential),
        None => api.auth.bearer(body.token.trim()),
    };
    let caller = caller.ok_or(ApiError::Unauthorized)?;
    if caller.role == access::Role::Source {
        return Err(ApiError::Forbidden("a source's token delivers events; it does not open the console"));
    }
    // A session that came with the request ends: ids are never reused across sign-ins.
    if let Some(old) = access::session_cookie(&headers, api.settings.secure_cookies) {
        api.sessions.close(old, now);
        api.sessions.tell_end(old).await;
    }
    let id = api.sessions.open(&caller.credential, now);
    api.sessions.tell(&id, now, &*api.auth).await;
    let cookie = cookie(&api, &id, WHOLE.as_secs());
    Ok(([(header::SET_COOKIE, cookie)], Json(Me::of(&caller, now))).into_response())
}

/// Who is signed in, with which role, organisations and areas.
#[utoipa::path(get, path = "/api/v1/session", tag = "session",
    responses((status = 200, body = Me), (status = "default", body = Problem)))]
pub async fn me(State(api): State<Arc<Api>>, caller: Caller) -> Json<Me> {
    Json(Me::of(&caller, (api.now)()))
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session",
    responses((status = 204), (status = "default", body = Problem)))]
pub async fn sign_out(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if let Some(id) = access::session_cookie(&headers, api.settings.secure_cookies) {
        api.sessions.close(id, (api.now)());
        api.sessions.tell_end(id).await;
    }
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(&api, "", 0))]).into_response()
}

fn cookie(api: &Api, id: &str, max_age_secs: i64) -> HeaderValue {
    let secure = api.settings.secure_cookies;
    let name = cookie_name(secure);
    let mark = if secure { "; Secure" } else { "" };
    let text = format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_secs}{mark}");
    HeaderValue::from_str(&text).expect("the id is hexadecimal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::access::Role;

    const T0: Timestamp = Timestamp(1_767_571_200_000);

    /// Knows one credential, until it is revoked.
    struct One(bool);

    impl Authenticate for One {
        fn bearer(&self, token: &str) -> Option<Caller> {
            self.proven(token)
        }

        fn proven(&self, credential: &str) -> Option<Caller> {
            let (credential, name) = (credential.into(), "li.na".into());
            self.0.then_some(Caller {
                credential,
                name,
                tenant: "a".into(),
                role: Role::Operator,
                orgs: None,
                areas: None,
            })
        }

        fn seal(&self, _: &str, _: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn a_session_survives_a_restart_but_neither_its_end_nor_its_credential() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.json");
        let sessions = Sessions::kept_in(&file, T0);
        let (stays, ends) = (sessions.open("c1", T0), sessions.open("c1", T0));
        sessions.close(&ends, T0);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&stays) && !text.contains(&ends), "a cookie's id is nowhere on disk");
        let later = T0.plus(Span::hours(1));
        let is_in =
            |now, id: &str, auth: &One| Sessions::kept_in(&file, now).caller(id, now, auth, Asked::ByPerson).is_some();
        assert!(is_in(later, &stays, &One(true)));
        assert!(!is_in(later, &ends, &One(true)), "signed out is signed out");
        assert!(!is_in(later, &stays, &One(false)), "a revoked credential has no session");
        assert!(!is_in(T0.plus(WHOLE), &stays, &One(true)), "twelve hours are counted from signing in");
        std::fs::write(&file, "{}").unwrap();
        assert!(!is_in(later, &stays, &One(true)), "a damaged file lets nobody in");
    }
}
