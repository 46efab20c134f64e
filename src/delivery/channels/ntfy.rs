//! ntfy, also on a server of one's own.
//!
//! Formats: docs.ntfy.sh/publish, "Publish as JSON": posted to the server's root; a message has at most 4,096 bytes.

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Colour, Ground, Manner, Robot, Secret, fit};
use crate::delivery::http::{Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

const BYTES_MAX: usize = 4000;

/// A topic.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whoever knows it can read along.
    #[serde(default)]
    pub topic: Secret,
    /// The server's root.
    #[serde(default = "server")]
    pub server: String,
    /// An access token, where the topic wants one.
    #[serde(default)]
    pub token: Option<Secret>,
}

fn server() -> String {
    "https://ntfy.sh/".into()
}

pub struct Ntfy {
    url: Url,
    settings: Settings,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the server's address is refused, or the topic is none.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Ntfy), SetupError> {
        let url = ground.target(&self.server)?;
        let topic = self.topic.text();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if !(1..=64).contains(&topic.len()) || !topic.chars().all(is_plain) {
            return Err(SetupError::setting("topic", "write 1 to 64 letters, digits, `-` or `_`"));
        }
        Ok((url.clone(), Ntfy { url, settings: self, manner: ground.manner.clone() }))
    }
}

impl Robot for Ntfy {
    fn name(&self) -> &'static str {
        "ntfy"
    }

    fn id_places(&self) -> &[&str] {
        &["/id"]
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let lines = Lines::of(notice, &self.manner.style());
        let (priority, tag) = match Colour::of(notice) {
            Colour::Red => (5, "rotating_light"),
            Colour::Orange => (4, "warning"),
            Colour::Yellow => (3, "warning"),
            Colour::Blue => (2, "information_source"),
            Colour::Green => (3, "white_check_mark"),
        };
        let mut body = json!({
            "topic": self.settings.topic.text(),
            "title": fit::bytes(&lines.title, 250),
            "message": fit::lines(lines.rest(), None, BYTES_MAX),
            "priority": priority,
            "tags": [tag],
        });
        if let Some(url) = &lines.url {
            body["click"] = url.as_str().into();
        }
        let call = Call::json(self.url.clone(), &body);
        Ok(match &self.settings.token {
            Some(token) => call.with("authorization", &format!("Bearer {}", token.text())),
            None => call,
        })
    }
}
