//! Sessions at several instances: who has signed in at one is signed in at all, and out likewise. What is known here goes
//! on when the others cannot be asked.

use std::sync::Arc;
use std::time::Duration;

use super::{Key, MINUTE, SESSIONS_MAX, SIGN_INS_PER_MINUTE, Session, Sessions, WHOLE, alive, digest};
use crate::api::access::Authenticate;
use crate::api::problem::ApiError;
use crate::domain::seal::same;
use crate::domain::time::{Span, Timestamp};
use crate::shared::rates::{Limit, take};
use crate::shared::sessions::{Held, Known, end, read, write};
use crate::shared::{Away, Shared};

/// How often instances compare: so long a session that has ended elsewhere may go on here.
const COMPARE_EVERY: Duration = Duration::from_secs(1);
/// Others are told of the use of a session when they believe it to be unused for longer than this.
const TELL_AFTER: Span = Span::secs(30);
/// Sessions that are asked for in one call.
const ASKED_AT_ONCE: usize = 500;
/// The characters of a cookie's id.
const ID_CHARS: usize = 32;

/// What the seal is over.
fn sealed(key: &str, credential: &str, since: Timestamp) -> String {
    format!("session {key} {credential} {}", since.0)
}

fn held(key: &str, session: &Session, auth: &dyn Authenticate) -> Option<Held> {
    let seal = auth.seal(&session.credential, &sealed(key, &session.credential, session.since))?;
    let Session { credential, since, used } = session.clone();
    Some(Held { credential, since, used, seal: seal.into() })
}

/// How long a session may still be of use to anybody.
fn rest(since: Timestamp, now: Timestamp) -> Span {
    Span(WHOLE.0 - now.since(since).0)
}

impl Sessions {
    /// The same sessions at every instance.
    pub fn shared_by(self, shared: Arc<Shared>) -> Self {
        Self { shared: Some(shared), ..self }
    }

    /// Counts a sign-in of all instances together; while nobody can, each has counted its own.
    pub(super) async fn admit_together(&self) -> Result<(), ApiError> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let limit = Limit { name: "minute", period: MINUTE, most: SIGN_INS_PER_MINUTE, count: 1 };
        match take(shared, &["sign-ins"], &[limit]).await {
            Ok(Some(_)) => Err(ApiError::TooMany),
            Ok(None) | Err(Away) => Ok(()),
        }
    }

    /// Asks others for a session that is not known here.
    pub async fn learn(&self, id: &str, now: Timestamp, auth: &dyn Authenticate) {
        let Some(shared) = &self.shared else { return };
        let key = digest(id);
        let is_id = id.len() == ID_CHARS && id.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_id || self.lock().knows(&key) {
            return;
        }
        let name = hex::encode(key);
        let Ok(known) = read(shared, std::slice::from_ref(&name)).await else { return };
        let Some(Known::Held(held)) = known.into_iter().next() else { return };
        let seal = auth.seal(&held.credential, &sealed(&name, &held.credential, held.since));
        if !seal.is_some_and(|seal| same(seal, &*held.seal)) {
            tracing::warn!("a session in Redis has a wrong seal and opens nothing");
            return;
        }
        let session = Session { credential: held.credential, since: held.since, used: held.used.min(now) };
        let mut inner = self.lock();
        // It may have ended here while the others were asked.
        if alive(&session, now) && held.since <= now && !inner.knows(&key) && inner.by_id.len() < SESSIONS_MAX {
            inner.by_id.insert(key, session);
            inner.keep();
        }
    }

    /// Tells others of a session that was opened here. When they cannot be told now they are told later.
    pub(super) async fn tell(&self, id: &str, now: Timestamp, auth: &dyn Authenticate) {
        let key = digest(id);
        let session = self.lock().by_id.get(&key).cloned();
        if let (Some(shared), Some(session)) = (&self.shared, session)
            && let Some(held) = held(&hex::encode(key), &session, auth)
        {
            // Comparing makes up for what fails.
            let _ = write(shared, &hex::encode(key), &held, rest(session.since, now)).await;
        }
    }

    /// Tells others that a session has ended here.
    pub(super) async fn tell_end(&self, id: &str) {
        let Some(shared) = &self.shared else { return };
        let key = digest(id);
        if self.lock().ended.contains_key(&key) && end(shared, &hex::encode(key), WHOLE).await.is_ok() {
            self.lock().told(&key);
        }
    }

    /// Compares with others until the future is dropped.
    pub async fn compare_always(self: Arc<Self>, auth: Arc<dyn Authenticate>, now: impl Fn() -> Timestamp) {
        let Some(shared) = self.shared.clone() else { return };
        loop {
            tokio::time::sleep(COMPARE_EVERY).await;
            // While they are away both sides go on alone.
            let _ = self.compare(&shared, &*auth, now()).await;
        }
    }

    async fn compare(&self, shared: &Shared, auth: &dyn Authenticate, now: Timestamp) -> Result<(), Away> {
        let (sessions, ended) = {
            let mut inner = self.lock();
            inner.ended.retain(|_, ended| now.since(ended.at) < WHOLE);
            let untold = inner.ended.iter().filter(|(_, ended)| !ended.is_told).map(|(key, _)| *key);
            let untold: Vec<Key> = untold.collect();
            let live = inner.by_id.iter().filter(|(_, session)| alive(session, now));
            (live.map(|(key, session)| (*key, session.clone())).collect::<Vec<_>>(), untold)
        };
        for key in ended {
            end(shared, &hex::encode(key), WHOLE).await?;
            self.lock().told(&key);
        }
        for chunk in sessions.chunks(ASKED_AT_ONCE) {
            let names: Vec<String> = chunk.iter().map(|(key, _)| hex::encode(key)).collect();
            let known = read(shared, &names).await?;
            for (((key, session), name), known) in chunk.iter().zip(&names).zip(known) {
                self.settle(shared, (key, session, name), known, auth, now).await?;
            }
        }
        Ok(())
    }

    /// One session, and what others say of it.
    async fn settle(
        &self,
        shared: &Shared,
        (key, session, name): (&Key, &Session, &str),
        known: Known,
        auth: &dyn Authenticate,
        now: Timestamp,
    ) -> Result<(), Away> {
        // A credential that has ended has no sessions any more.
        let Some(ours) = held(name, session, auth) else { return Ok(()) };
        let is_untold = match known {
            Known::Ended => {
                let mut inner = self.lock();
                inner.by_id.remove(key);
                inner.keep();
                return Ok(());
            }
            Known::Held(theirs) if (Held { used: ours.used, ..theirs.clone() }) == ours => {
                let used = theirs.used.min(now);
                if let Some(session) = self.lock().by_id.get_mut(key) {
                    session.used = session.used.max(used);
                }
                session.used.since(theirs.used) > TELL_AFTER
            }
            Known::Held(_) | Known::Nothing => true,
        };
        // It may have ended here since it was looked up.
        if is_untold && self.lock().by_id.contains_key(key) {
            write(shared, name, &ours, rest(session.since, now)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::session::IDLE;

    #[test]
    fn a_seal_is_over_everything_that_opens_a_session() {
        let seal = sealed("k", "c", Timestamp(7));
        for other in [sealed("l", "c", Timestamp(7)), sealed("k", "d", Timestamp(7)), sealed("k", "c", Timestamp(8))] {
            assert_ne!(seal, other);
        }
        assert!(IDLE < WHOLE && rest(Timestamp(0), Timestamp(0)) == WHOLE);
    }
}
