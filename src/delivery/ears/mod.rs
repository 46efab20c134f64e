//! What systems send back when somebody presses a button or answers a message: who it is, and what they want. Each request
//! is believed only when the system has signed it as its documents say.

use std::time::Duration;

use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::channels::Secret;
use crate::domain::seal::same;
use crate::domain::time::Timestamp;
use crate::wording::lang::Lang;

pub mod dingtalk;
pub mod dingtalk_card;
pub mod feishu;
pub mod phone;
pub mod slack;
pub mod telegram;
pub mod ticket;
pub mod wecom;

/// How old a signed request may be, and how far in the future.
pub const AGE_MAX: Duration = Duration::from_secs(300);

/// How a receiver's system is believed, and in which language it is answered.
#[derive(Clone, Debug)]
pub struct Ear {
    pub tongue: Tongue,
    pub lang: Lang,
}

/// What a system speaks, with what proves it.
#[derive(Clone, Debug)]
pub enum Tongue {
    Slack(Secret),
    Telegram(Secret),
    Dingtalk(Secret),
    DingtalkCard(Secret),
    Feishu { verification_token: Secret, encrypt_key: Option<Secret> },
    Wecom { token: Secret, aes_key: Secret, corp_id: String },
    Phone(phone::Answers),
    Ticket(ticket::Desk, Secret),
}

impl Ear {
    /// Reads a request.
    ///
    /// # Errors
    /// When it is not believed or not understood.
    pub fn hear(&self, call: &Call<'_>) -> Result<Heard, Deaf> {
        match &self.tongue {
            Tongue::Slack(secret) => slack::hear(secret.text(), call),
            Tongue::Telegram(secret) => telegram::hear(secret.text(), call),
            Tongue::Dingtalk(secret) => dingtalk::hear(secret.text(), call),
            Tongue::DingtalkCard(secret) => dingtalk_card::hear(secret.text(), call),
            Tongue::Feishu { verification_token, encrypt_key } => {
                let encrypt_key = encrypt_key.as_ref().map(Secret::text);
                feishu::hear(feishu::Keys { verification_token: verification_token.text(), encrypt_key }, call)
            }
            Tongue::Wecom { token, aes_key, corp_id } => {
                wecom::hear(wecom::Keys { token: token.text(), aes_key: aes_key.text(), corp_id }, call)
            }
            Tongue::Phone(answers) => phone::hear(answers, call),
            Tongue::Ticket(desk, secret) => ticket::hear(*desk, secret.text(), call),
        }
    }

    /// What the system is answered when somebody has pressed or written: a word for them, and what stands in the message's
    /// place now. None: it only wants to know that it was heard.
    pub fn answer(&self, said: &Said<'_>, now: Timestamp) -> Option<Reply> {
        let text = said.text;
        match &self.tongue {
            Tongue::Ticket(desk, _) => ticket::thanks(*desk),
            Tongue::Slack(_) => slack::answer(said),
            Tongue::Telegram(_) => telegram::answer(said),
            Tongue::Dingtalk(_) => {
                Some(Reply::Json(json!({ "msgtype": "text", "text": { "content": text } }).to_string()))
            }
            Tongue::DingtalkCard(_) => Some(dingtalk_card::answer(said.shown.clone())),
            Tongue::Feishu { .. } => feishu::answer(said),
            Tongue::Wecom { token, aes_key, corp_id } => {
                let keys = wecom::Keys { token: token.text(), aes_key: aes_key.text(), corp_id };
                wecom::answer(keys, said, now)
            }
            Tongue::Phone(_) => Some(Reply::Json(json!({ "code": 0, "message": text }).to_string())),
        }
    }
}

/// What somebody is answered.
pub struct Said<'a> {
    pub to: &'a Who,
    pub text: &'a str,
    /// What stands in the message's place, as its channel writes it.
    pub shown: Option<Value>,
}

/// One request of a system.
pub struct Call<'a> {
    pub headers: &'a HeaderMap,
    pub query: &'a [(String, String)],
    pub body: &'a [u8],
    pub now: Timestamp,
}

/// Somebody in a system, as it calls them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The system's own id.
    pub id: String,
    /// For people.
    pub name: String,
    /// Where they are answered.
    pub at: Place,
}

/// Where somebody is answered who has pressed or written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The answer to the request is what they read.
    #[default]
    Here,
    /// The answer to the request names what was pressed, by the system's id.
    Press(String),
    /// The answer to the request names the chat.
    Chat(i64),
    /// A request of its own, to what the receiver's channel knows by this text.
    Apart(String),
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Only the system itself: it wants this answer.
    Greeting(Reply),
    /// A button with a mark of ours: which word, on which mark.
    Pressed { by: Who, word: String, mark: String },
    /// A text, from somebody in a chat or at a number.
    Said { by: Who, text: String },
    /// People have done something to a ticket of ours. `proof` is what the system itself can be asked about; most have none.
    Ticket { ticket: Named, deed: TicketDeed, proof: String },
    /// Several at once, in their order.
    Several(Vec<Self>),
    /// Nothing that means something.
    Nothing,
}

/// How a system names a ticket to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By our name on it.
    Ours(String),
    /// By its own id.
    Theirs(String),
}

/// What somebody has done to a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketDeed {
    pub by: Who,
    pub moved: Moved,
    /// Since when it is so, as the system writes it; empty where it does not say, and of a comment that nobody has edited.
    pub at: String,
}

/// How far people are with a ticket, or what they say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Somebody works on it.
    Begun,
    Done,
    /// A comment that is not ours, by the system's id of it.
    Said {
        id: String,
        text: String,
    },
    /// One of them says something else now.
    Edited {
        id: String,
        text: String,
    },
    /// One of them is gone; what it said, where the system tells it.
    Deleted {
        id: String,
        text: String,
    },
}

/// An answer to the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Json(String),
    Plain(String),
    Xml(String),
}

/// Why a request is not believed, or not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Deaf {
    #[error("the signature does not fit: compare the secret in the receiver's settings with that of the system")]
    Unsigned,
    #[error("the request is older than five minutes, or of the future: compare the clocks")]
    Old,
    #[error("the body is not what this system sends: {0}")]
    Strange(String),
}

impl Call<'_> {
    fn header(&self, name: &str) -> Result<&str, Deaf> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Deaf::Unsigned)
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a time in seconds is near enough.
    fn is_fresh(&self, secs: i64) -> Result<(), Deaf> {
        let away = self.now.0.div_euclid(1000).saturating_sub(secs).unsigned_abs();
        if away <= AGE_MAX.as_secs() { Ok(()) } else { Err(Deaf::Old) }
    }
}

fn strange(error: impl std::fmt::Display) -> Deaf {
    Deaf::Strange(error.to_string())
}

/// Reads JSON.
fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Deaf> {
    serde_json::from_slice(body).map_err(strange)
}
