//! 移动云MAS (China Mobile's Mobile Agent Server), ordinary SMS (`/sms/norsubmit`).
//!
//! Formats as its HTTP interface document says them, quoted at blog.csdn.net/m0_51527921/article/details/128002580: the body
//! is the base64 of a JSON with `mac`, the lower-case MD5 of `ecName + apId + secretKey + mobiles + content + sign +
//! addSerial`; at most 5,000 numbers; the answer is `{rspcod, msgGroup, success}`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::fields::Fields;
use super::{Attempt, Ground, Manner, Robot, Secret, one_or_more};
use crate::delivery::ears::phone::Answers;
use crate::delivery::http::{Answer, Call, SetupError};
use crate::domain::time::Timestamp;
use crate::domain::written::OneOrMore;
use crate::engine::effect::Notice;

const NUMBERS_MAX: usize = 5000;

/// An account, its signature, and who is told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `…/sms/norsubmit` of the account.
    pub url: String,
    /// 企业名称.
    pub ec_name: String,
    /// 接口账号.
    pub ap_id: String,
    /// 接口密码.
    pub secret_key: Secret,
    /// 签名编码.
    pub sign: String,
    /// 扩展码.
    #[serde(default)]
    pub add_serial: String,
    /// Mobile numbers.
    #[serde(default, deserialize_with = "one_or_more")]
    #[schemars(with = "OneOrMore<String>")]
    pub to: Vec<String>,
    /// Characters of a text; more than 70 are several messages.
    #[serde(default = "chars_max")]
    pub chars_max: usize,
    /// No names of machines, addresses or services.
    #[serde(default)]
    pub nameless: bool,
    /// How answers to a message come back.
    #[serde(default)]
    pub answers: Option<Answers>,
}

/// Three parts of 67 characters, as SMS in Chinese are counted.
const fn chars_max() -> usize {
    201
}

pub struct CloudMas {
    url: Url,
    settings: Settings,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused, or nobody is told.
    pub fn ready(self, ground: &Ground) -> Result<(Url, CloudMas), SetupError> {
        let url = ground.target(&self.url)?;
        if !(1..=NUMBERS_MAX).contains(&self.to.len()) || !self.to.iter().all(|to| is_mobile(to)) {
            return Err(SetupError::setting("to", "write one mobile number or a list of them, digits only"));
        }
        Ok((url.clone(), CloudMas { url, settings: self, manner: ground.manner.clone() }))
    }
}

fn is_mobile(text: &str) -> bool {
    (5..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Settings {
    /// The check value of a text.
    fn mac(&self, mobiles: &str, content: &str) -> String {
        let Self { ec_name, ap_id, secret_key, sign, add_serial, .. } = self;
        let all = format!("{ec_name}{ap_id}{}{mobiles}{content}{sign}{add_serial}", secret_key.text());
        hex::encode(Md5::digest(all.as_bytes()))
    }
}

impl Robot for CloudMas {
    fn name(&self) -> &'static str {
        "cloud_mas"
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let settings = &self.settings;
        let content = Fields::of(notice, &self.manner, settings.nameless, settings.chars_max).text;
        let mobiles = settings.to.join(",");
        let body = json!({
            "ecName": settings.ec_name,
            "apId": settings.ap_id,
            "mobiles": mobiles,
            "content": content,
            "sign": settings.sign,
            "addSerial": settings.add_serial,
            "mac": settings.mac(&mobiles, &content),
        });
        let body = BASE64_STANDARD.encode(body.to_string());
        Ok(Call::post(self.url.clone(), "application/json; charset=utf-8", body.into_bytes()))
    }

    fn id_places(&self) -> &[&str] {
        &["/msgGroup", "/mgsGroup"]
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        if !answer.status.is_success() {
            return answer.judge();
        }
        let body = answer.json();
        let why = answer.why();
        match (body["rspcod"].as_str(), body["success"].as_bool()) {
            (Some("success"), Some(true)) => Attempt::Accepted,
            (Some("IllegalMac" | "IllegalSignId" | "InvalidUsrOrPwd" | "NoSignId"), _) => Attempt::LockedOut { why },
            (Some(_), _) => Attempt::Refused { why },
            (None, _) => answer.strange(),
        }
    }
}
