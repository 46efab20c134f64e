//! Tokens of apps: fetched with the app's secret, kept until they end or are refused, shared by all people behind a receiver.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Mutex;

use super::Attempt;
use crate::domain::time::{Span, Timestamp};

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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

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
