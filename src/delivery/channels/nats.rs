//! NATS: messages and requests for actions on a subject, as requests that are answered.
//!
//! Whoever listens answers each: a stream by its acknowledgement (`{"stream": …, "seq": …}`), an executor by
//! `{"result": "taken"|"done"|"partial"|"failed", "text": …}`, anybody else by any text. Without an answer it is tried again with the
//! same `Nats-Msg-Id`. The connection is the one of the section `nats`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Ground, Manner};
use crate::delivery::http::SetupError;
use crate::delivery::message::Message;
use crate::delivery::request::{self, Request};
use crate::delivery::{Attempt, Channel};
use crate::engine::effect::Notice;

/// The longest subject.
const SUBJECT_BYTES_MAX: usize = 200;
/// What Headwater itself listens to or tells there: a message to it would come back.
const OURS: [&str; 6] = ["src", "incidents", "alerts", "audit", "dead", "headwater"];
/// What is quoted of an answer, in characters.
const QUOTE_CHARS_MAX: usize = 200;

/// One message that is to be answered.
#[derive(Clone, Debug)]
pub struct Posted {
    pub subject: String,
    /// The same for the same message.
    pub key: String,
    pub body: Vec<u8>,
    pub timeout: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unanswered {
    #[error("NATS is not in use: write `nats.urls`")]
    Unused,
    #[error("nobody listens at the subject")]
    Nobody,
    #[error("no answer: {0}")]
    Away(String),
}

/// Sends and waits for the answer.
pub type Post = Arc<dyn Fn(Posted) -> BoxFuture<'static, Result<Bytes, Unanswered>> + Send + Sync>;

/// The connection, which is made after the receivers are known.
#[derive(Clone, Default)]
pub struct Bus(Arc<OnceLock<Post>>);

impl Bus {
    /// From now on messages go there.
    pub fn lead_to(&self, post: Post) {
        // It is led once; the client comes back by itself.
        let _ = self.0.set(post);
    }
}

/// How it is set up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to: no wildcards.
    pub subject: String,
}

/// A receiver on a subject.
struct OnSubject {
    subject: String,
    manner: Manner,
    bus: Bus,
    timeout: Duration,
}

impl Settings {
    /// Sets it up.
    ///
    /// # Errors
    /// When the subject is none.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let is_token =
            |token: &str| !token.is_empty() && token.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
        if self.subject.len() > SUBJECT_BYTES_MAX || !self.subject.split('.').all(is_token) {
            let why =
                format!("{:?} is no subject; write words with dots between, for example ops.actions", self.subject);
            return Err(SetupError::setting("subject", why));
        }
        let first = self.subject.split('.').next().unwrap_or_default();
        if OURS.contains(&first) {
            let why = format!("{first}.> is Headwater's own; choose another, for example ops.{}", self.subject);
            return Err(SetupError::setting("subject", why));
        }
        let (manner, bus) = (ground.manner.clone(), ground.bus.clone());
        Ok(Arc::new(OnSubject { subject: self.subject, manner, bus, timeout: ground.timeout }))
    }
}

impl OnSubject {
    fn body(&self, notice: &Notice) -> Vec<u8> {
        let body = match Request::of(notice, &self.manner.style()) {
            Some(request) => serde_json::to_vec(&request),
            None => serde_json::to_vec(&Message::of(notice, &self.manner.style())),
        };
        body.expect("a message has text keys only")
    }
}

impl Channel for OnSubject {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let Some(post) = self.bus.0.get() else {
                return Attempt::TryLater { why: Unanswered::Unused.to_string(), wait: None };
            };
            let (subject, key, timeout) = (self.subject.clone(), notice.key.to_string(), self.timeout);
            match post(Posted { subject, key, body: self.body(notice), timeout }).await {
                Ok(answer) => judge(notice, &answer),
                Err(error) => Attempt::TryLater { why: error.to_string(), wait: None },
            }
        })
    }

    fn preview(&self, notice: &Notice) -> Result<String, String> {
        let body: Value = serde_json::from_slice(&self.body(notice)).unwrap_or_default();
        Ok(format!("{}\n{}", self.subject, serde_json::to_string_pretty(&body).unwrap_or_default()))
    }
}

fn judge(notice: &Notice, answer: &[u8]) -> Attempt {
    if notice.action.is_some()
        && let Some(report) = request::report(answer)
    {
        return Attempt::Answered { report: Box::new(report) };
    }
    let body: Value = serde_json::from_slice(answer).unwrap_or_default();
    if body.get("error").is_some_and(|error| !error.is_null()) {
        let why: String = body["error"].to_string().chars().take(QUOTE_CHARS_MAX).collect();
        return Attempt::TryLater { why, wait: None };
    }
    Attempt::Accepted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::template::example;
    use crate::domain::action::ActionResult;

    #[test]
    fn an_answer_is_taken_for_what_it_is() {
        let mut notice = example();
        let check = |notice: &Notice, answer: &str| judge(notice, answer.as_bytes());
        assert_eq!(check(&notice, r#"{"stream":"OPS","seq":3}"#), Attempt::Accepted);
        assert_eq!(check(&notice, "thanks"), Attempt::Accepted);
        let full = check(&notice, r#"{"error":{"code":503,"description":"insufficient resources"}}"#);
        assert!(matches!(full, Attempt::TryLater { why, .. } if why.contains("insufficient")));
        // Who is told something reports nothing.
        assert_eq!(check(&notice, r#"{"result":"done"}"#), Attempt::Accepted);
        notice.action = Some("i0-1.1".into());
        let done = check(&notice, r#"{"result":"done","text":"restarted"}"#);
        assert!(matches!(done, Attempt::Answered { report } if report.result == ActionResult::Done));
        assert_eq!(check(&notice, r#"{"result":"perhaps"}"#), Attempt::Accepted);
    }
}
