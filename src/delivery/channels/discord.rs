//! Discord webhook.
//!
//! Formats: docs.discord.com, "Webhook Resource: Execute Webhook" and "Embed Limits": a title has at most 256 characters,
//! a description 4,096. 30 messages a minute and webhook. `allowed_mentions` with nothing in it calls nobody.

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Attempt, Colour, Ground, Manner, Robot, Secret, fit};
use crate::delivery::http::{Answer, Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// Messages that a webhook may send in a minute.
pub const PER_MINUTE: u32 = 30;

const TITLE_CHARS_MAX: usize = 256;
/// Characters that count twice on their side are why bytes are counted here.
const DESCRIPTION_BYTES_MAX: usize = 4000;

/// A webhook of a channel.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As the channel's settings show it: `https://discord.com/api/webhooks/…`.
    pub url: Secret,
}

pub struct Discord {
    url: Url,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Discord), SetupError> {
        let url = ground.target(self.url.text())?;
        Ok((url.clone(), Discord { url, manner: ground.manner.clone() }))
    }
}

impl Robot for Discord {
    fn name(&self) -> &'static str {
        "discord"
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let lines = Lines::of(notice, &self.manner.style());
        let colour = match Colour::of(notice) {
            Colour::Red => 0xd9_2d_20,
            Colour::Orange => 0xe0_7b_00,
            Colour::Yellow => 0xe3_b3_41,
            Colour::Blue => 0x2f_6f_eb,
            Colour::Green => 0x2d_a4_4e,
        };
        let mut embed = json!({
            "title": fit::chars(&fit::markdown(&lines.title), TITLE_CHARS_MAX),
            "description": fit::lines(lines.rest().map(fit::markdown), None, DESCRIPTION_BYTES_MAX),
            "color": colour,
        });
        if let Some(url) = &lines.url {
            embed["url"] = url.as_str().into();
        }
        Ok(Call::json(self.url.clone(), &json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } })))
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        match answer.status.as_u16() {
            // The webhook is gone.
            404 => Attempt::LockedOut { why: answer.why() },
            _ => answer.judge(),
        }
    }
}
