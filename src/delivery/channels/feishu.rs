//! Feishu / Lark (飞书) group robot.
//!
//! Formats and limits: open.feishu.cn, "自定义机器人使用指南" (ucTM5YjL3ETO24yNxkjN). 100 messages a minute and 5 a
//! second; a body has at most 20 KB. The signature is the base64 of HMAC-SHA256 with **`<seconds>\n<secret>` as key**
//! over **nothing**, and stands in the **body**: the other way round than DingTalk's.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Attempt, Colour, Ground, Manner, Robot, Secret, code, fit, with_keyword};
use crate::delivery::http::{Answer, Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::seal::hmac_sha256;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// Messages that a robot may send in a minute.
pub const PER_MINUTE: u32 = 100;

/// Of the text: JSON around it, and `\u` for what has no other form, stay within 20 KB.
const BYTES_MAX: usize = 12_000;

/// A robot of a group.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As the group's settings show it: `https://open.feishu.cn/open-apis/bot/v2/hook/…`.
    pub url: Secret,
    /// Of the security setting 签名校验.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Of the security setting 自定义关键词: stands in every message.
    #[serde(default)]
    pub keyword: Option<String>,
    /// Open ids of those who are called by name; `all` is everybody.
    #[serde(default)]
    pub mention: Vec<String>,
}

pub struct Feishu {
    url: Url,
    settings: Settings,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused, or somebody who is called is no id.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Feishu), SetupError> {
        let url = ground.target(self.url.text())?;
        let is_id = |id: &String| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if let Some(wrong) = self.mention.iter().find(|id| !is_id(id)) {
            return Err(SetupError::setting("mention", format!("{wrong:?} is no open id; write ou_…, or all")));
        }
        Ok((url.clone(), Feishu { url, settings: self, manner: ground.manner.clone() }))
    }
}

fn sign(secret: &str, at_secs: i64) -> String {
    let key = format!("{at_secs}\n{secret}");
    BASE64_STANDARD.encode(hmac_sha256(key.as_bytes(), &[]))
}

/// The card of a notice; `buttons` come behind the link.
pub fn card(notice: &Notice, manner: &Manner, keyword: Option<&str>, mention: &[String], buttons: Vec<Value>) -> Value {
    let lines = Lines::of(notice, &manner.style());
    let title = with_keyword(&lines.title, keyword);
    let mut elements = vec![json!({
        "tag": "div", "text": { "tag": "plain_text", "content": fit::lines(lines.rest(), None, BYTES_MAX) },
    })];
    let called: String = mention.iter().map(|id| format!("<at id={id}></at>")).collect();
    if !called.is_empty() {
        elements.push(json!({ "tag": "markdown", "content": called }));
    }
    let link = lines.url.as_ref().map(|url| {
        json!({ "tag": "button", "type": "primary", "url": url, "text": { "tag": "plain_text", "content": manner.lang.open() } })
    });
    let actions: Vec<Value> = link.into_iter().chain(buttons).collect();
    if !actions.is_empty() {
        elements.push(json!({ "tag": "action", "actions": actions }));
    }
    json!({
        "config": { "wide_screen_mode": true },
        "header": {
            "title": { "tag": "plain_text", "content": fit::bytes(&title, 1000) },
            "template": Colour::of(notice).word(),
        },
        "elements": elements,
    })
}

impl Robot for Feishu {
    fn name(&self) -> &'static str {
        "feishu"
    }

    fn call(&self, notice: &Notice, at: Timestamp) -> Result<Call, String> {
        let Settings { keyword, mention, .. } = &self.settings;
        let card = card(notice, &self.manner, keyword.as_deref(), mention, Vec::new());
        let mut body = json!({ "msg_type": "interactive", "card": card });
        if let Some(secret) = &self.settings.secret {
            let at_secs = at.0.div_euclid(1000);
            body["timestamp"] = at_secs.to_string().into();
            body["sign"] = sign(secret.text(), at_secs).into();
        }
        Ok(Call::json(self.url.clone(), &body))
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        match code(answer, "code", "msg") {
            Err(attempt) => attempt,
            Ok((0, _)) => Attempt::Accepted,
            Ok((11_232, why)) => Attempt::TryLater { why, wait: Some(Duration::from_secs(60)) },
            // Token, signature or time, address, keyword.
            Ok((19_001 | 19_021 | 19_022 | 19_024, why)) => Attempt::LockedOut { why },
            Ok((_, why)) => Attempt::Refused { why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sign;

    /// The inputs of the official sample.
    #[test]
    fn signs_as_its_document_says() {
        assert_eq!(sign("demo", 1_599_360_473), "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=");
    }
}
