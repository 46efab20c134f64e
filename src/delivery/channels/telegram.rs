//! Telegram bot.
//!
//! Formats: core.telegram.org/bots/api#sendmessage. At most 4,096 characters; 20 messages a minute to one group. Without
//! `parse_mode` the text is only text. What it wants to be waited for stands in `parameters.retry_after`.

use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Attempt, Ground, Manner, Robot, Secret, fit};
use crate::delivery::acts::Button;
use crate::delivery::http::{Answer, Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// Messages that a bot may send to one group in a minute.
pub const PER_MINUTE: u32 = 20;

/// What a button may say back.
const DATA_BYTES_MAX: usize = 64;
const CHARS_MAX: usize = 4096;

/// A bot, and where it writes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The bot's token, `123456:ABC…`.
    pub token: Secret,
    /// The number of a chat, or `@name` of a channel.
    #[serde(default)]
    pub chat: String,
    /// The `secret_token` of `setWebhook`: with it messages have buttons, whose presses come to `/api/v1/callbacks/<id>`.
    #[serde(default)]
    pub callback_secret: Option<Secret>,
    /// Another server that speaks the same.
    #[serde(default = "server")]
    pub server: String,
}

fn server() -> String {
    "https://api.telegram.org".into()
}

pub struct Telegram {
    url: Url,
    chat: String,
    has_buttons: bool,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the server's address is refused, or the token is none.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Telegram), SetupError> {
        let token = self.token.text().trim();
        let is_token = token.contains(':') && token.chars().all(|c| c.is_ascii_alphanumeric() || ":_-".contains(c));
        if !is_token {
            return Err(SetupError::setting("token", "write what @BotFather gave, as in 123456:ABC-def"));
        }
        let url = ground.target(&format!("{}/bot{token}/sendMessage", self.server.trim_end_matches('/')))?;
        Ok((
            url.clone(),
            Telegram {
                url,
                chat: self.chat,
                has_buttons: self.callback_secret.is_some(),
                manner: ground.manner.clone(),
            },
        ))
    }
}

impl Robot for Telegram {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let lines = Lines::of(notice, &self.manner.style());
        let text = std::iter::once(lines.title.as_str()).chain(lines.rest()).collect::<Vec<_>>().join("\n");
        let mut body = json!({
            "chat_id": self.chat,
            "text": fit::chars(&text, CHARS_MAX),
            "link_preview_options": { "is_disabled": true },
        });
        let mut rows = Vec::new();
        if let Some(url) = &lines.url {
            rows.push(json!([{ "text": self.manner.lang.open(), "url": url }]));
        }
        let buttons = self.manner.acts.buttons(notice, self.manner.lang);
        if self.has_buttons && !buttons.is_empty() {
            let button =
                |one: Button| json!({ "text": one.name, "callback_data": format!("{}:{}", one.word, one.mark) });
            let fits =
                |button: &Value| button["callback_data"].as_str().is_some_and(|data| data.len() <= DATA_BYTES_MAX);
            rows.push(buttons.into_iter().map(button).filter(fits).collect());
        }
        if !rows.is_empty() {
            body["reply_markup"] = json!({ "inline_keyboard": rows });
        }
        Ok(Call::json(self.url.clone(), &body))
    }

    fn id_places(&self) -> &[&str] {
        &["/result/message_id"]
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        let body = answer.json();
        match (answer.status.as_u16(), body["ok"].as_bool()) {
            (200..300, Some(true)) => Attempt::Accepted,
            (200..300, Some(false)) => Attempt::Refused { why: answer.why() },
            (200..300, None) => answer.strange(),
            (429, _) => {
                let asked = body["parameters"]["retry_after"].as_u64().map(|secs| Duration::from_secs(secs.min(600)));
                Attempt::TryLater { why: answer.why(), wait: asked.or(answer.wait) }
            }
            // A token that is none.
            (404, _) => Attempt::LockedOut { why: answer.why() },
            _ => answer.judge(),
        }
    }
}
