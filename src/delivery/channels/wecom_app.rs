//! WeCom (企业微信) app: template cards with buttons, to people, departments or tags.
//!
//! Documents: developer.work.weixin.qq.com/document/path/91039 (`gettoken`), 90236 ("发送应用消息"). A card with buttons
//! (`button_interaction`) has a title of at most 36 characters, a text of at most 160, at most 6 buttons of 10 characters, whose
//! keys have at most 1,024 bytes, at most 6 lines of a name (5 characters) and a value (26) that may be links, and a `task_id` of at most 128 of `[0-9a-zA-Z_\-@]` that no other card of the app has. Repeats
//! within half an hour are sent once (`enable_duplicate_check`). 30 messages a minute to one person.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::app::{Api, Judged, access_token, by_app};
use super::{Attempt, Channel, Ground, Manner, Secret, code, fit};
use crate::delivery::Acted;
use crate::delivery::acts::Button;
use crate::delivery::ears::Tongue;
use crate::delivery::http::{Answer, Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::time::Span;
use crate::engine::effect::Notice;
use crate::wording::lang::Lang;

/// Messages that an app may send in a minute.
pub const PER_MINUTE: u32 = 300;

const TITLE_CHARS_MAX: usize = 36;
const TEXT_CHARS_MAX: usize = 160;
/// Lines that lead somewhere, and characters of what stands on them.
const LINKS_MAX: usize = 3;
const LINK_CHARS_MAX: usize = 26;
/// Of what stands on a button that is over.
const REPLACE_CHARS_MAX: usize = 20;
const PLAIN_BYTES_MAX: usize = 2048;
/// Seconds within which the same message is sent once.
const SAME_WITHIN_SECS: u32 = 1800;

/// An app of one's own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default = "server")]
    pub server: String,
    pub corp_id: String,
    pub agent_id: u32,
    pub secret: Secret,
    /// User ids with `|` between, or `@all`; none: people by their contacts only.
    #[serde(default)]
    pub to: String,
    /// Of the page 接收消息: what proves a callback.
    #[serde(default)]
    pub token: Option<Secret>,
    #[serde(default)]
    pub aes_key: Option<Secret>,
}

fn server() -> String {
    "https://qyapi.weixin.qq.com".into()
}

struct Wecom {
    base: Url,
    settings: Settings,
}

impl Settings {
    /// How what is pressed on a card is believed; none: there are no cards, but texts.
    pub fn tongue(&self) -> Option<Tongue> {
        let (token, aes_key, corp_id) = (self.token.clone()?, self.aes_key.clone()?, self.corp_id.clone());
        Some(Tongue::Wecom { token, aes_key, corp_id })
    }

    /// # Errors
    /// When the address is refused.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let base = ground.target(self.server.trim_end_matches('/'))?;
        let is_key = |key: &Secret| key.text().len() == 43 && key.text().chars().all(|c| c.is_ascii_alphanumeric());
        if self.aes_key.as_ref().is_some_and(|key| !is_key(key)) || self.token.is_some() != self.aes_key.is_some() {
            let why = "token and aes_key go together, and the key has 43 letters and digits; copy both from the page 接收消息";
            return Err(SetupError::setting("aes_key", why));
        }
        by_app(Wecom { base, settings: self }, ground)
    }
}

/// A card with buttons; `said` stands first in its text.
fn card(notice: &Notice, manner: &Manner, buttons: &[Button], said: Option<&str>) -> Value {
    let lines = Lines::of(notice, &manner.style());
    let button = |one: &Button| json!({ "text": fit::chars(one.name, 10), "style": 1, "key": format!("{}:{}", one.word, one.mark) });
    let mut card = json!({
        "card_type": "button_interaction",
        "main_title": { "title": fit::chars(&lines.title, TITLE_CHARS_MAX) },
        "sub_title_text": lines.brief(said, TEXT_CHARS_MAX),
        "button_list": buttons.iter().map(button).collect::<Vec<_>>(),
    });
    if let Some(url) = &lines.url {
        card["card_action"] = json!({ "type": 1, "url": url });
    }
    // The text has no room for whole links: what to do stands below it.
    let name = if manner.lang == Lang::Zh { "处置" } else { "To do" };
    let books = notice.runbooks.iter().filter(|book| !book.url.is_empty()).take(LINKS_MAX);
    let links = books.map(
        |book| json!({ "type": 1, "keyname": name, "value": fit::chars(&book.title, LINK_CHARS_MAX), "url": book.url }),
    );
    let links: Vec<Value> = links.collect();
    if !links.is_empty() {
        card["horizontal_content_list"] = links.into();
    }
    card
}

impl Wecom {
    fn url(&self, path: &str, pairs: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url.query_pairs_mut().extend_pairs(pairs);
        url
    }

    fn body(&self, notice: &Notice, manner: &Manner) -> Value {
        let lines = Lines::of(notice, &manner.style());
        let mut body = json!({ "touser": self.settings.to, "agentid": self.settings.agent_id,
            "enable_duplicate_check": 1, "duplicate_check_interval": SAME_WITHIN_SECS });
        let buttons = manner.acts.buttons(notice, manner.lang);
        if buttons.is_empty() || self.settings.token.is_none() {
            let text: Vec<String> =
                std::iter::once(lines.title.as_str()).chain(lines.rest()).map(str::to_owned).collect();
            body["msgtype"] = "text".into();
            body["text"] = json!({ "content": fit::lines(&text, lines.url.as_deref(), PLAIN_BYTES_MAX) });
            return body;
        }
        let mut card = card(notice, manner, &buttons, None);
        card["task_id"] = hex::encode(&Sha256::digest(notice.key.as_bytes())[..20]).into();
        body["msgtype"] = "template_card".into();
        body["template_card"] = card;
        body
    }
}

impl Api for Wecom {
    fn name(&self) -> &'static str {
        "wecom_app"
    }

    fn ask(&self) -> Call {
        let pairs = [("corpid", self.settings.corp_id.as_str()), ("corpsecret", self.settings.secret.text())];
        Call {
            method: Method::GET,
            ..Call::post(self.url("/cgi-bin/gettoken", &pairs), "application/json", Vec::new())
        }
    }

    fn read(&self, answer: &Answer) -> Result<(String, Span), Attempt> {
        access_token(answer)
    }

    fn call(&self, notice: &Notice, manner: &Manner, token: &str) -> Call {
        Call::json(self.url("/cgi-bin/message/send", &[("access_token", token)]), &self.body(notice, manner))
    }

    fn id_places(&self) -> &[&str] {
        &["/msgid"]
    }

    fn judge(&self, answer: &Answer) -> Judged {
        Judged::Ended(match code(answer, "errcode", "errmsg") {
            Err(attempt) => attempt,
            Ok((0, _)) => {
                let body = answer.json();
                let missing = body["invaliduser"].as_str().unwrap_or_default();
                // Some of several were told: trying again would tell them twice.
                let is_nobody = !missing.is_empty() && missing == self.settings.to;
                if is_nobody {
                    Attempt::Refused { why: "the app may not send to anybody who is named".into() }
                } else {
                    Attempt::Accepted
                }
            }
            Ok((40_001 | 40_014 | 42_001, why)) => return Judged::StaleToken(why),
            Ok((45_009 | 45_033, why)) => Attempt::TryLater { why, wait: Some(Duration::from_secs(60)) },
            Ok((-1, why)) => Attempt::TryLater { why, wait: None },
            // The same card was taken before, and the answer was lost.
            Ok((41_074, _)) => Attempt::Accepted,
            Ok((60_020 | 40_056 | 48_002, why)) => Attempt::LockedOut { why },
            Ok((_, why)) => Attempt::Refused { why },
        })
    }

    fn preview(&self, notice: &Notice, manner: &Manner) -> String {
        serde_json::to_string_pretty(&self.body(notice, manner)).unwrap_or_default()
    }

    /// The card with the buttons that are left; without any, what stands on those that were there.
    fn acted(&self, acted: &Acted<'_>, manner: &Manner) -> Option<Value> {
        let buttons = manner.acts.buttons(acted.notice, manner.lang);
        if buttons.is_empty() {
            return Some(json!({ "replace_name": fit::chars(acted.said, REPLACE_CHARS_MAX) }));
        }
        Some(card(acted.notice, manner, &buttons, Some(acted.said)))
    }
}
