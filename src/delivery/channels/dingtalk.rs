//! DingTalk (钉钉) group robot.
//!
//! Formats and limits: open.dingtalk.com, "自定义机器人接入" and "自定义机器人安全设置". 20 messages a minute and robot;
//! beyond that the robot is shut out for ten minutes. Texts are planned for 4,000 bytes. The signature is the base64 of
//! HMAC-SHA256 with the **secret as key** over `<milliseconds>\n<secret>`, and stands in the **URL**.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Attempt, Ground, Manner, Robot, Secret, code, fit, with_keyword};
use crate::delivery::http::{Answer, Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::seal::hmac_sha256;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// Messages that a robot may send in a minute.
pub const PER_MINUTE: u32 = 20;

const BYTES_MAX: usize = 4000;

/// How long a robot is shut out that has sent too much.
const SHUT_OUT: Duration = Duration::from_secs(600);

/// A robot of a group.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As the group's settings show it: `https://oapi.dingtalk.com/robot/send?access_token=…`.
    pub url: Secret,
    /// Of the security setting 加签, begins with `SEC`.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Of the app whose robot is in the group: what people write to it (认领 i0-12) comes to `/api/v1/callbacks/<id>`.
    #[serde(default)]
    pub app_secret: Option<Secret>,
    /// Of the security setting 自定义关键词: stands in every message.
    #[serde(default)]
    pub keyword: Option<String>,
    /// Mobile numbers of those who are called by name.
    #[serde(default)]
    pub mention: Vec<String>,
    /// Calls everybody.
    #[serde(default)]
    pub mention_all: bool,
}

pub struct DingTalk {
    url: Url,
    settings: Settings,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused or lacks its token.
    pub fn ready(self, ground: &Ground) -> Result<(Url, DingTalk), SetupError> {
        let url = ground.target(self.url.text())?;
        if !url.query_pairs().any(|(name, value)| name == "access_token" && !value.is_empty()) {
            return Err(SetupError::setting("url", "it has no access_token; copy it whole from the robot's settings"));
        }
        Ok((url.clone(), DingTalk { url, settings: self, manner: ground.manner.clone() }))
    }
}

/// The signature of a moment, before it is written into a URL.
fn sign(secret: &str, at_ms: i64) -> String {
    let text = format!("{at_ms}\n{secret}");
    BASE64_STANDARD.encode(hmac_sha256(secret.as_bytes(), &[text.as_bytes()]))
}

impl Robot for DingTalk {
    fn name(&self) -> &'static str {
        "dingtalk"
    }

    fn call(&self, notice: &Notice, at: Timestamp) -> Result<Call, String> {
        let settings = &self.settings;
        let mut url = self.url.clone();
        if let Some(secret) = &settings.secret {
            let sign = sign(secret.text(), at.0);
            url.query_pairs_mut().append_pair("timestamp", &at.0.to_string()).append_pair("sign", &sign);
        }
        let lines = Lines::of(notice, &self.manner.style());
        let title = with_keyword(&lines.title, settings.keyword.as_deref());
        let mut text = vec![format!("### {}", fit::markdown(&title))];
        // One line break is none in its Markdown.
        text.extend(lines.rest().flat_map(|line| [String::new(), fit::markdown(line)]));
        let called: String = settings.mention.iter().map(|mobile| format!(" @{mobile}")).collect();
        let link = lines.url.as_ref().map(|url| format!("\n[{}]({url})", self.manner.lang.open()));
        let last =
            format!("{}{}", link.unwrap_or_default(), if called.is_empty() { called } else { format!("\n\n{called}") });
        let text = fit::lines(&text, (!last.is_empty()).then_some(last.as_str()), BYTES_MAX);
        let body = json!({
            "msgtype": "markdown",
            "markdown": { "title": fit::chars(&title, 100), "text": text },
            "at": { "atMobiles": settings.mention, "isAtAll": settings.mention_all },
        });
        Ok(Call::json(url, &body))
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        match code(answer, "errcode", "errmsg") {
            Err(attempt) => attempt,
            Ok((0, _)) => Attempt::Accepted,
            Ok((130_101, why)) => Attempt::TryLater { why, wait: Some(SHUT_OUT) },
            // -1: busy.
            Ok((-1, why)) => Attempt::TryLater { why, wait: None },
            // Signature, keyword or address; a token or a group that is gone.
            Ok((310_000 | 300_001 | 300_005 | 400_013 | 400_101 | 400_102, why)) => Attempt::LockedOut { why },
            Ok((_, why)) => Attempt::Refused { why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn signs_as_its_document_says() {
        assert_eq!(sign("SECtestsecret", 1_700_000_000_000), "7LVwF0dAF3/+MRRulbpE4y72Ogzykc6bS2nG4I99T4s=");
    }
}
