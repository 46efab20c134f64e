//! Apps: whatever needs a token for its messages. The token is fetched with the app's secret, kept until it ends or is
//! refused, and shared by all people behind a receiver.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Attempt, Channel, Ground, Manner, code, noted};
use crate::delivery::http::{Answer, Call, SetupError};
use crate::delivery::{Acted, no_reply};
use crate::domain::time::{Span, Timestamp};
use crate::engine::effect::Notice;

/// How long before its end a token is fetched anew.
const BEFORE_END: Span = Span::mins(5);
/// The shortest time for which one is kept: an answer that says less is not believed.
const KEPT_MIN: Span = Span::mins(1);

/// The token of an app.
#[derive(Clone, Default)]
pub struct Token(Arc<Mutex<Option<(String, Timestamp)>>>);

impl Token {
    /// The token that is valid, or a fresh one. Only one is fetched at a time.
    ///
    /// # Errors
    /// What to do next when there is none.
    pub async fn get(
        &self,
        now: Timestamp,
        fetch: BoxFuture<'_, Result<(String, Span), Attempt>>,
    ) -> Result<String, Attempt> {
        let mut kept = self.0.lock().await;
        if let Some((token, until)) = &*kept
            && *until > now
        {
            return Ok(token.clone());
        }
        let (token, valid_for) = fetch.await?;
        let kept_for = Span(valid_for.0 - BEFORE_END.0).max(KEPT_MIN);
        *kept = Some((token.clone(), now.plus(kept_for)));
        Ok(token)
    }

    /// The system does not know this token any more: the next one asks for another.
    pub async fn forget(&self, token: &str) {
        let mut kept = self.0.lock().await;
        if kept.as_ref().is_some_and(|(known, _)| known == token) {
            *kept = None;
        }
    }
}

/// What an app's documents say.
pub trait Api: Send + Sync + 'static {
    /// The kind of channel, for logs and the console.
    fn name(&self) -> &'static str;

    /// The request for a token.
    fn ask(&self) -> Call;

    /// The token in an answer, and for how long it is valid.
    ///
    /// # Errors
    /// What to do next when there is none.
    fn read(&self, answer: &Answer) -> Result<(String, Span), Attempt>;

    /// The request for a notice.
    fn call(&self, notice: &Notice, manner: &Manner, token: &str) -> Call;

    /// What an answer means.
    fn judge(&self, answer: &Answer) -> Judged;

    /// Where in an answer the system's own id of a message stands.
    fn id_places(&self) -> &[&str] {
        &[]
    }

    /// The further request that an answer asks for, whose answer then counts.
    fn again(&self, _: &Answer, _: &Notice, _: &str) -> Option<Call> {
        None
    }

    /// The request that answers a message of somebody's, by its id.
    fn reply(&self, _: &str, _: &str, _: &str) -> Option<Call> {
        None
    }

    /// What would be sent, for people to look at.
    fn preview(&self, notice: &Notice, manner: &Manner) -> String;

    /// What stands in a message's place once somebody has acted from it.
    fn acted(&self, acted: &Acted<'_>, manner: &Manner) -> Option<Value>;
}

/// The token in an answer of WeCom or DingTalk, and for how long it is valid.
///
/// # Errors
/// What to do next when there is none.
pub fn access_token(answer: &Answer) -> Result<(String, Span), Attempt> {
    match code(answer, "errcode", "errmsg")? {
        (0, _) => {}
        (-1, why) => return Err(Attempt::TryLater { why, wait: None }),
        (_, why) => return Err(Attempt::LockedOut { why }),
    }
    let body = answer.json();
    let token = body["access_token"].as_str().ok_or_else(|| answer.strange())?;
    Ok((token.to_owned(), Span::secs(body["expires_in"].as_i64().unwrap_or(0))))
}

/// What an answer means.
pub enum Judged {
    Ended(Attempt),
    /// The system does not know the token any more.
    StaleToken(String),
}

/// An app, and the way to it.
struct App<A> {
    api: A,
    ground: Ground,
}

/// Sets an app up.
///
/// # Errors
/// When there is no way to it.
pub fn by_app(api: impl Api, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
    ground.line(&api.ask().url)?;
    Ok(Arc::new(App { api, ground: ground.clone() }))
}

impl<A: Api> App<A> {
    async fn answer(&self, call: Call) -> Result<Answer, Attempt> {
        let line = self.ground.line(&call.url).map_err(|error| Attempt::Refused { why: error.to_string() })?;
        line.send(call).await
    }

    async fn fetch(&self) -> Result<(String, Span), Attempt> {
        self.api.read(&self.answer(self.api.ask()).await?)
    }

    async fn try_once(&self, notice: &Notice) -> Result<Attempt, Attempt> {
        let Ground { manner, token: kept, clock, .. } = &self.ground;
        let token = kept.get(clock(), self.fetch().boxed()).await?;
        let mut answer = self.answer(self.api.call(notice, manner, &token)).await?;
        if let Some(call) = self.api.again(&answer, notice, &token) {
            answer = self.answer(call).await?;
        }
        Ok(self.judge(&answer, &token).await)
    }

    async fn reply_once(&self, to: &str, said: &str) -> Result<Attempt, Attempt> {
        let Ground { token: kept, clock, .. } = &self.ground;
        let token = kept.get(clock(), self.fetch().boxed()).await?;
        let call = self.api.reply(to, said, &token).ok_or_else(|| no_reply(self.api.name()))?;
        Ok(self.judge(&self.answer(call).await?, &token).await)
    }

    async fn judge(&self, answer: &Answer, token: &str) -> Attempt {
        match self.api.judge(answer) {
            Judged::Ended(attempt) => noted(attempt, answer, self.api.id_places()),
            Judged::StaleToken(why) => {
                self.ground.token.forget(token).await;
                Attempt::TryLater { why, wait: Some(Duration::from_secs(1)) }
            }
        }
    }
}

impl<A: Api> Channel for App<A> {
    fn name(&self) -> &'static str {
        self.api.name()
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        Box::pin(async move { self.try_once(notice).await.unwrap_or_else(|attempt| attempt) })
    }

    fn reply<'a>(&'a self, to: &'a str, said: &'a str) -> BoxFuture<'a, Attempt> {
        Box::pin(async move { self.reply_once(to, said).await.unwrap_or_else(|attempt| attempt) })
    }

    fn preview(&self, notice: &Notice) -> Result<String, String> {
        Ok(self.api.preview(notice, &self.ground.manner))
    }

    fn acted(&self, acted: &Acted<'_>) -> Option<Value> {
        self.api.acted(acted, &Manner { lang: acted.lang, ..self.ground.manner.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_its_end_or_until_it_is_refused() {
        let token = Token::default();
        let fetched = |text: &str| std::future::ready(Ok((text.to_owned(), Span::hours(2)))).boxed();
        let at = |mins| Timestamp(0).plus(Span::mins(mins));
        assert_eq!(token.get(at(0), fetched("a")).await, Ok("a".into()));
        assert_eq!(token.get(at(114), fetched("b")).await, Ok("a".into()));
        assert_eq!(token.get(at(115), fetched("b")).await, Ok("b".into()));
        token.forget("a").await;
        assert_eq!(token.get(at(116), fetched("c")).await, Ok("b".into()), "another one was meant");
        token.forget("b").await;
        assert_eq!(token.get(at(116), fetched("c")).await, Ok("c".into()));
        let away = std::future::ready(Err(Attempt::Refused { why: "no".into() })).boxed();
        token.forget("c").await;
        assert!(token.get(at(117), away).await.is_err());
        assert_eq!(token.get(at(117), fetched("d")).await, Ok("d".into()));
    }
}
