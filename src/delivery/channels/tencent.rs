//! Tencent Cloud SMS (`SendSms`).
//!
//! Formats: cloud.tencent.com/document/api/382/55981; "签名方法 v3" for `TC3-HMAC-SHA256`, whose published example is a test.
//! Texts are templates that were approved. Each number has its own result in the answer, so a receiver is one number:
//! of several some could have the message and others not.

use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::fields::{Fields, NAMES};
use super::{Attempt, Ground, Manner, Robot, Secret};
use crate::delivery::ears::phone::Answers;
use crate::delivery::http::{Answer, Call, SetupError, host};
use crate::domain::seal::hmac_sha256;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// SMS to one number.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub secret_id: String,
    pub secret_key: Secret,
    /// A number with its country, as in `+8613800000000`.
    #[serde(default)]
    pub to: String,
    /// SdkAppId.
    pub app_id: String,
    pub sign_name: String,
    pub template_id: String,
    /// The pieces that fill the template's variables, in their order.
    pub params: Vec<String>,
    #[serde(default = "chars_max")]
    pub chars_max: usize,
    /// No names of machines, addresses or services.
    #[serde(default)]
    pub nameless: bool,
    /// How answers to a message come back.
    #[serde(default)]
    pub answers: Option<Answers>,
    #[serde(default = "region")]
    pub region: String,
    #[serde(default = "url")]
    pub url: String,
}

const fn chars_max() -> usize {
    35
}

fn region() -> String {
    "ap-guangzhou".into()
}

fn url() -> String {
    "https://sms.tencentcloudapi.com/".into()
}

pub struct TencentSms {
    url: Url,
    settings: Settings,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused, the number is none, or a piece is not known.
    pub fn ready(self, ground: &Ground) -> Result<(Url, TencentSms), SetupError> {
        let url = ground.target(&self.url)?;
        let digits = self.to.strip_prefix('+').unwrap_or_default();
        if !(8..=20).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SetupError::setting("to", "write one number with its country, as in \"+8613800000000\""));
        }
        if let Some(piece) = self.params.iter().find(|piece| !Fields::is_known(piece)) {
            return Err(SetupError::setting("params", format!("{piece:?} is not known; write one of: {NAMES}")));
        }
        Ok((url.clone(), TencentSms { url, settings: self, manner: ground.manner.clone() }))
    }
}

/// What is signed.
struct Request<'a> {
    service: &'a str,
    host: &'a str,
    at_secs: i64,
    body: &'a str,
}

impl Request<'_> {
    /// The header `Authorization`.
    fn authorization(&self, secret_id: &str, secret_key: &str) -> String {
        let Self { service, host, at_secs, body } = self;
        let body = hex::encode(Sha256::digest(body.as_bytes()));
        let canonical = format!("POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\ncontent-type;host\n{body}");
        let date = chrono::DateTime::from_timestamp(*at_secs, 0).unwrap_or_default().format("%Y-%m-%d").to_string();
        let scope = format!("{date}/{service}/tc3_request");
        let canonical = hex::encode(Sha256::digest(canonical.as_bytes()));
        let text = format!("TC3-HMAC-SHA256\n{at_secs}\n{scope}\n{canonical}");
        let key = hmac_sha256(format!("TC3{secret_key}").as_bytes(), &[date.as_bytes()]);
        let key = hmac_sha256(&hmac_sha256(&key, &[service.as_bytes()]), &[b"tc3_request"]);
        let signature = hex::encode(hmac_sha256(&key, &[text.as_bytes()]));
        format!(
            "TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders=content-type;host, Signature={signature}"
        )
    }
}

impl Robot for TencentSms {
    fn name(&self) -> &'static str {
        "tencent_sms"
    }

    fn call(&self, notice: &Notice, at: Timestamp) -> Result<Call, String> {
        let settings = &self.settings;
        let fields = Fields::of(notice, &self.manner, settings.nameless, settings.chars_max);
        let fields = fields.saying_news(settings.params.iter().map(String::as_str));
        let filled: Vec<String> =
            settings.params.iter().map(|piece| fields.get(piece, settings.chars_max).unwrap_or_default()).collect();
        let body = json!({
            "PhoneNumberSet": [settings.to],
            "SmsSdkAppId": settings.app_id,
            "SignName": settings.sign_name,
            "TemplateId": settings.template_id,
            "TemplateParamSet": filled,
        });
        let body = body.to_string();
        let host = host(&self.url);
        let at_secs = at.0.div_euclid(1000);
        let request = Request { service: "sms", host: &host, at_secs, body: &body };
        let authorization = request.authorization(&settings.secret_id, settings.secret_key.text());
        Ok(Call::post(self.url.clone(), CONTENT_TYPE, body.into_bytes())
            .with("x-tc-action", "SendSms")
            .with("x-tc-version", "2021-01-11")
            .with("x-tc-region", &settings.region)
            .with("x-tc-timestamp", &at_secs.to_string())
            .with("authorization", &authorization))
    }

    fn id_places(&self) -> &[&str] {
        &["/Response/SendStatusSet/0/SerialNo", "/Response/RequestId"]
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        if !answer.status.is_success() {
            return answer.judge();
        }
        let body = answer.json();
        let code = body.pointer("/Response/Error/Code").or_else(|| body.pointer("/Response/SendStatusSet/0/Code"));
        let why = answer.why();
        match code.and_then(Value::as_str) {
            Some("Ok") => Attempt::Accepted,
            Some(code) if code.starts_with("LimitExceeded") || code == "RequestLimitExceeded" => {
                Attempt::TryLater { why, wait: Some(Duration::from_secs(60)) }
            }
            Some(code) if code.starts_with("InternalError") => Attempt::TryLater { why, wait: None },
            Some(code) if code.starts_with("AuthFailure") || code.starts_with("UnauthorizedOperation") => {
                Attempt::LockedOut { why }
            }
            Some(_) => Attempt::Refused { why },
            None => answer.strange(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Request;

    /// The example of the document on signatures, with the keys that it writes.
    #[test]
    fn signs_as_its_document_says() {
        let body = r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        let request = Request { service: "cvm", host: "cvm.tencentcloudapi.com", at_secs: 1_551_113_065, body };
        let said = request.authorization("AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******", "Gu5t9xGARNpq86cd98joQYCN3*******");
        let signature = "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c";
        let credential = "Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******/2019-02-25/cvm/tc3_request";
        assert!(said.contains(credential) && said.ends_with(signature), "{said}");
    }
}
