//! WeCom (企业微信) group robot.
//!
//! Formats and limits: developer.work.weixin.qq.com/document/path/91770. 20 messages a minute and robot; `markdown` has
//! at most 4,096 bytes, `text` 2,048, of UTF-8. People are called by name only in a `text`. Its Markdown has no escape.

use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Attempt, Ground, Manner, Robot, Secret, code, fit};
use crate::delivery::http::{Answer, Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// Messages that a robot may send in a minute.
pub const PER_MINUTE: u32 = 20;

const MARKDOWN_BYTES_MAX: usize = 4096;
const TEXT_BYTES_MAX: usize = 2048;

/// A robot of a group.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As the group's settings show it: `https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…`.
    pub url: Secret,
    /// User ids of those who are called by name; `@all` is everybody.
    #[serde(default)]
    pub mention: Vec<String>,
    /// The same by mobile number.
    #[serde(default)]
    pub mention_mobiles: Vec<String>,
}

pub struct WeCom {
    url: Url,
    settings: Settings,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused or lacks its key.
    pub fn ready(self, ground: &Ground) -> Result<(Url, WeCom), SetupError> {
        let url = ground.target(self.url.text())?;
        if !url.query_pairs().any(|(name, value)| name == "key" && !value.is_empty()) {
            return Err(SetupError::setting("url", "it has no key; copy it whole from the robot's settings"));
        }
        Ok((url.clone(), WeCom { url, settings: self, manner: ground.manner.clone() }))
    }
}

impl Robot for WeCom {
    fn name(&self) -> &'static str {
        "wecom"
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let Settings { mention, mention_mobiles, .. } = &self.settings;
        let lines = Lines::of(notice, &self.manner.style());
        let body = if mention.is_empty() && mention_mobiles.is_empty() {
            let mut text = vec![format!("**{}**", fit::plain(&lines.title))];
            text.extend(lines.rest().map(|line| format!("> {}", fit::plain(line))));
            let link = lines.url.as_ref().map(|url| format!("[{}]({url})", self.manner.lang.open()));
            json!({
                "msgtype": "markdown",
                "markdown": { "content": fit::lines(&text, link.as_deref(), MARKDOWN_BYTES_MAX) },
            })
        } else {
            let text: Vec<String> =
                std::iter::once(lines.title.as_str()).chain(lines.rest()).map(str::to_owned).collect();
            json!({
                "msgtype": "text",
                "text": {
                    "content": fit::lines(&text, lines.url.as_deref(), TEXT_BYTES_MAX),
                    "mentioned_list": mention,
                    "mentioned_mobile_list": mention_mobiles,
                },
            })
        };
        Ok(Call::json(self.url.clone(), &body))
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        match code(answer, "errcode", "errmsg") {
            Err(attempt) => attempt,
            Ok((0, _)) => Attempt::Accepted,
            // Too often; a minute is what it counts by.
            Ok((45_009 | 45_033, why)) => Attempt::TryLater { why, wait: Some(Duration::from_secs(60)) },
            // -1: busy.
            Ok((-1, why)) => Attempt::TryLater { why, wait: None },
            // A key that is none, a robot that was removed.
            Ok((93_000 | 93_008 | 40_014 | 40_001, why)) => Attempt::LockedOut { why },
            Ok((_, why)) => Attempt::Refused { why },
        }
    }
}
