//! Feishu / Lark (飞书) app: cards with buttons, to a chat or to a person.
//!
//! Documents: open.feishu.cn, "自建应用获取 tenant_access_token" (`/open-apis/auth/v3/tenant_access_token/internal`) and
//! "发送消息" (`/open-apis/im/v1/messages?receive_id_type=…`): `content` is a JSON **text**; of several requests with one `uuid`
//! (at most 50 characters) within an hour one is sent; a card has at most 30 KB; 1,000 messages a minute, 5 a second to one chat.
//! What is pressed comes back to the card's request address ([`crate::delivery::ears`]).

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::app::{Api, Judged, by_app};
use super::feishu::card;
use super::{Attempt, Channel, Ground, Manner, Secret, code, fit};
use crate::delivery::Acted;
use crate::delivery::acts::Button;
use crate::delivery::ears::Tongue;
use crate::delivery::http::{Answer, Call, SetupError};
use crate::domain::time::Span;
use crate::engine::effect::Notice;

/// Messages that an app may send in a minute.
pub const PER_MINUTE: u32 = 300;

/// Of what is said of a deed.
const SAID_BYTES_MAX: usize = 1000;

/// An app of one's own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default = "server")]
    pub server: String,
    pub app_id: String,
    pub app_secret: Secret,
    /// A chat (`oc_…`), a person (`ou_…`, `on_…`) or a mail address; none: people by their contacts only.
    #[serde(default)]
    pub to: String,
    /// Of the page 事件与回调: what proves a callback.
    #[serde(default)]
    pub verification_token: Option<Secret>,
    #[serde(default)]
    pub encrypt_key: Option<Secret>,
}

fn server() -> String {
    "https://open.feishu.cn".into()
}

struct Feishu {
    token_url: Url,
    send_url: Url,
    settings: Settings,
}

/// Which kind of id it is.
fn kind_of(to: &str) -> Option<&'static str> {
    match to.split_once('_').map(|(kind, _)| kind) {
        Some("oc") => Some("chat_id"),
        Some("ou") => Some("open_id"),
        Some("on") => Some("union_id"),
        _ if to.contains('@') => Some("email"),
        _ => None,
    }
}

impl Settings {
    /// How what is pressed on a card is believed; none: cards have no buttons.
    pub fn tongue(&self) -> Option<Tongue> {
        let verification_token = self.verification_token.clone()?;
        Some(Tongue::Feishu { verification_token, encrypt_key: self.encrypt_key.clone() })
    }

    /// # Errors
    /// When the address is refused, or `to` is no id.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let base = self.server.trim_end_matches('/').to_owned();
        let token_url = ground.target(&format!("{base}/open-apis/auth/v3/tenant_access_token/internal"))?;
        let Some(kind) = kind_of(&self.to) else {
            let why = format!("{:?} is no id; write a chat oc_…, a person ou_… or on_…, or a mail address", self.to);
            return Err(SetupError::setting("to", why));
        };
        let send_url = ground.target(&format!("{base}/open-apis/im/v1/messages?receive_id_type={kind}"))?;
        by_app(Feishu { token_url, send_url, settings: self }, ground)
    }
}

impl Feishu {
    fn card(&self, notice: &Notice, manner: &Manner) -> Value {
        let button = |one: Button| json!({ "tag": "button", "type": "default", "text": { "tag": "plain_text", "content": one.name }, "value": { "word": one.word, "mark": one.mark } });
        let is_heard = self.settings.verification_token.is_some();
        let buttons = manner.acts.buttons(notice, manner.lang).into_iter().filter(|_| is_heard).map(button);
        let mut card = card(notice, manner, None, &[], buttons.collect());
        // When it is changed, it changes for everybody who sees it.
        card["config"]["update_multi"] = true.into();
        card
    }

    fn body(&self, notice: &Notice, manner: &Manner) -> Value {
        let card = self.card(notice, manner);
        let uuid = hex::encode(&Sha256::digest(notice.key.as_bytes())[..20]);
        json!({ "receive_id": self.settings.to, "msg_type": "interactive", "content": card.to_string(), "uuid": uuid })
    }
}

impl Api for Feishu {
    fn name(&self) -> &'static str {
        "feishu_app"
    }

    fn ask(&self) -> Call {
        let own = json!({ "app_id": self.settings.app_id, "app_secret": self.settings.app_secret.text() });
        Call::json(self.token_url.clone(), &own)
    }

    fn read(&self, answer: &Answer) -> Result<(String, Span), Attempt> {
        match code(answer, "code", "msg")? {
            (0, _) => {}
            (_, why) => return Err(Attempt::LockedOut { why }),
        }
        let body = answer.json();
        let token = body["tenant_access_token"].as_str().ok_or_else(|| answer.strange())?;
        Ok((token.to_owned(), Span::secs(body["expire"].as_i64().unwrap_or(0))))
    }

    fn call(&self, notice: &Notice, manner: &Manner, token: &str) -> Call {
        Call::json(self.send_url.clone(), &self.body(notice, manner)).with("authorization", &format!("Bearer {token}"))
    }

    fn id_places(&self) -> &[&str] {
        &["/data/message_id"]
    }

    fn judge(&self, answer: &Answer) -> Judged {
        // A refusal comes with a 4xx and a number.
        let body = answer.json();
        let why = format!("code {}: {}", body["code"], body["msg"].as_str().unwrap_or_default());
        Judged::Ended(match body["code"].as_i64() {
            Some(0) if answer.status.is_success() => Attempt::Accepted,
            Some(99_991_661 | 99_991_663 | 99_991_664 | 99_991_668) => return Judged::StaleToken(why),
            Some(99_991_400 | 230_020) => Attempt::TryLater { why, wait: Some(Duration::from_secs(60)) },
            // No right to send, or the app is switched off.
            Some(99_991_672 | 99_991_662 | 230_006) => Attempt::LockedOut { why },
            Some(_) if !answer.status.is_server_error() => Attempt::Refused { why },
            _ if answer.status.is_success() => answer.strange(),
            _ => answer.judge(),
        })
    }

    /// To a message of somebody's (`om_…`): "回复消息".
    fn reply(&self, to: &str, said: &str, token: &str) -> Option<Call> {
        let is_id = !to.is_empty() && to.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let mut url = is_id.then(|| self.token_url.clone())?;
        url.set_path(&format!("{}/im/v1/messages/{to}/reply", url.path().split("/auth/").next()?));
        let content = json!({ "text": fit::plain(said) }).to_string();
        Some(
            Call::json(url, &json!({ "msg_type": "text", "content": content }))
                .with("authorization", &format!("Bearer {token}")),
        )
    }

    fn preview(&self, notice: &Notice, manner: &Manner) -> String {
        let body = self.body(notice, manner);
        let card: Value = serde_json::from_str(body["content"].as_str().unwrap_or_default()).unwrap_or_default();
        serde_json::to_string_pretty(&card).unwrap_or_default()
    }

    fn acted(&self, acted: &Acted<'_>, manner: &Manner) -> Option<Value> {
        let mut card = self.card(acted.notice, manner);
        let said =
            json!({ "tag": "div", "text": { "tag": "plain_text", "content": fit::bytes(acted.said, SAID_BYTES_MAX) } });
        card["elements"].as_array_mut()?.insert(0, said);
        Some(card)
    }
}
