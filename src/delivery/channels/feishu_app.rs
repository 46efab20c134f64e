//! Feishu / Lark (飞书) app: cards with buttons, to a chat or to a person.
//!
//! Documents: open.feishu.cn, "自建应用获取 tenant_access_token" (`/open-apis/auth/v3/tenant_access_token/internal`) and
//! "发送消息" (`/open-apis/im/v1/messages?receive_id_type=…`): `content` is a JSON **text**; of several requests with one `uuid`
//! (at most 50 characters) within an hour one is sent; a card has at most 30 KB; 1,000 messages a minute, 5 a second to one chat.
//! What is pressed comes back to the card's request address ([`crate::delivery::ears`]).

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::app::Token;
use super::feishu::card;
use super::{Attempt, Channel, Ground, Manner, Secret, code};
use crate::delivery::Clock;
use crate::delivery::ears::Tongue;
use crate::delivery::http::{Call, Line, SetupError};
use crate::domain::time::Span;
use crate::engine::effect::Notice;

/// Messages that an app may send in a minute.
pub const PER_MINUTE: u32 = 300;

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

/// The app, and the way to it.
struct App {
    token_url: Url,
    send_url: Url,
    settings: Settings,
    manner: Manner,
    token: Token,
    line: Arc<Line>,
    clock: Clock,
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
        let (line, clock) = (ground.line(&token_url)?, Arc::clone(&ground.clock));
        let (manner, token) = (ground.manner.clone(), ground.token.clone());
        Ok(Arc::new(App { token_url, send_url, settings: self, manner, token, line, clock }))
    }
}

impl App {
    async fn fetch(&self) -> Result<(String, Span), Attempt> {
        let own = json!({ "app_id": self.settings.app_id, "app_secret": self.settings.app_secret.text() });
        let answer = self.line.send(Call::json(self.token_url.clone(), &own)).await?;
        match code(&answer, "code", "msg")? {
            (0, _) => {}
            (_, why) => return Err(Attempt::LockedOut { why }),
        }
        let body = answer.json();
        let token = body["tenant_access_token"].as_str().ok_or_else(|| answer.strange())?;
        Ok((token.to_owned(), Span::secs(body["expire"].as_i64().unwrap_or(0))))
    }

    fn body(&self, notice: &Notice) -> Value {
        let lang = self.manner.lang;
        let mark = self.manner.acts.mark(notice).filter(|_| self.settings.verification_token.is_some());
        let button = |(word, name): (&str, &str), mark: &str| json!({ "tag": "button", "type": "default", "text": { "tag": "plain_text", "content": name }, "value": { "word": word, "mark": mark } });
        let buttons = mark.map(|mark| lang.buttons().into_iter().map(|one| button(one, &mark)).collect::<Vec<_>>());
        let card = card(notice, &self.manner, None, &[], buttons.unwrap_or_default());
        let uuid = hex::encode(&Sha256::digest(notice.key.as_bytes())[..20]);
        json!({ "receive_id": self.settings.to, "msg_type": "interactive", "content": card.to_string(), "uuid": uuid })
    }

    async fn try_once(&self, notice: &Notice) -> Result<(), Attempt> {
        let token = self.token.get((self.clock)(), self.fetch().boxed()).await?;
        let call =
            Call::json(self.send_url.clone(), &self.body(notice)).with("authorization", &format!("Bearer {token}"));
        let answer = self.line.send(call).await?;
        // A refusal comes with a 4xx and a number.
        let body = answer.json();
        let said = format!("code {}: {}", body["code"], body["msg"].as_str().unwrap_or_default());
        match body["code"].as_i64() {
            Some(0) if answer.status.is_success() => Ok(()),
            Some(99_991_661 | 99_991_663 | 99_991_664 | 99_991_668) => {
                self.token.forget(&token).await;
                Err(Attempt::TryLater { why: said, wait: Some(Duration::from_secs(1)) })
            }
            Some(99_991_400 | 230_020) => Err(Attempt::TryLater { why: said, wait: Some(Duration::from_secs(60)) }),
            // No right to send, or the app is switched off.
            Some(99_991_672 | 99_991_662 | 230_006) => Err(Attempt::LockedOut { why: said }),
            Some(_) if !answer.status.is_server_error() => Err(Attempt::Refused { why: said }),
            _ if answer.status.is_success() => Err(answer.strange()),
            _ => Err(answer.judge()),
        }
    }
}

impl Channel for App {
    fn name(&self) -> &'static str {
        "feishu_app"
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            match self.try_once(notice).await {
                Ok(()) => Attempt::Accepted,
                Err(attempt) => attempt,
            }
        })
    }

    fn preview(&self, notice: &Notice) -> Result<String, String> {
        let body = self.body(notice);
        let card: Value = serde_json::from_str(body["content"].as_str().unwrap_or_default()).unwrap_or_default();
        Ok(serde_json::to_string_pretty(&card).unwrap_or_default())
    }
}
