//! Webhook: a signed POST after the Standard Webhooks specification.

use std::fmt::Write as _;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Attempt;
use super::channels::{Ground, Manner, Robot};
use super::http::{Answer, Call, SetupError};
use super::message::Message;
use super::request::{self, Request};
use super::signature::Secrets;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// How a webhook is set up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to.
    pub url: String,
    /// What signs: `whsec_` and base64; two while they are exchanged.
    pub secret: SecretTexts,
}

/// Secrets as they are written in the configuration: one per line, or a list. Prints as `***`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SecretTexts {
    Lines(String),
    List(Vec<String>),
}

impl std::fmt::Debug for SecretTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl SecretTexts {
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Lines(text) => text.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
            Self::List(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

/// A receiver that takes signed POSTs.
pub struct Webhook {
    url: Url,
    secrets: Secrets,
    manner: Manner,
}

impl Settings {
    /// Sets a webhook up.
    ///
    /// # Errors
    /// When the target or a secret is refused.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Webhook), SetupError> {
        let url = ground.egress.target(&self.url)?;
        let secrets = Secrets::parse(self.secret.texts());
        let secrets = secrets.map_err(|error| SetupError::setting("secret", error.to_string()))?;
        Ok((url.clone(), Webhook { url, secrets, manner: ground.manner.clone() }))
    }
}

impl Robot for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn call(&self, notice: &Notice, at: Timestamp) -> Result<Call, String> {
        let id = header_text(&notice.key);
        let body = match Request::of(notice, &self.manner.style()) {
            Some(request) => serde_json::to_vec(&request),
            None => serde_json::to_vec(&Message::of(notice, &self.manner.style())),
        };
        let body = body.expect("a message has text keys only");
        let at_secs = at.0.div_euclid(1000);
        let signature = self.secrets.sign(&id, at_secs, &body);
        Ok(Call::post(self.url.clone(), "application/json", body)
            .with("webhook-signature", &signature)
            .with("webhook-timestamp", &at_secs.to_string())
            .with("idempotency-key", &id)
            .with("webhook-id", &id))
    }

    /// An executor may say at once what of it.
    fn judge(&self, answer: &Answer) -> Attempt {
        match (answer.judge(), request::report(&answer.body)) {
            (Attempt::Accepted, Some(report)) => Attempt::Answered { report: Box::new(report) },
            (attempt, _) => attempt,
        }
    }
}

/// A key as a header can hold it: letters, digits, `-` and `_` as they are, everything else as %XX. The signed text
/// has dots between its parts, so the key has none.
fn header_text(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::header_text;

    #[test]
    fn a_key_fits_into_a_header() {
        assert_eq!(header_text("i7-3-noc_1-opened"), "i7-3-noc_1-opened");
        assert_eq!(header_text("i7-3-值班.a\r\n-opened"), "i7-3-%E5%80%BC%E7%8F%AD%2Ea%0D%0A-opened");
    }
}
