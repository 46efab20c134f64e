//! Alibaba Cloud: SMS (`SendSms`) and voice (`SingleCallByTts`).
//!
//! Formats: help.aliyun.com, "SendSms", "SingleCallByTts", and "V3 版本请求体&签名机制" for `ACS3-HMAC-SHA256`, whose published
//! example is a test. Texts are templates that were approved; their variables are filled from our pieces, and what looks like an
//! address in one makes the whole message refused (`isv.PARAM_NOT_SUPPORT_URL`). One sign, template and number gets at most 50
//! messages a day.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::fields::{Fields, NAMES};
use super::{Attempt, Ground, Manner, Robot, Secret, one_or_more};
use crate::delivery::ears::phone::Answers;
use crate::delivery::http::{Answer, Call, SetupError, host};
use crate::domain::seal::hmac_sha256;
use crate::domain::time::Timestamp;
use crate::domain::written::OneOrMore;
use crate::engine::effect::Notice;

const VERSION: &str = "2017-05-25";
const NUMBERS_MAX: usize = 1000;

/// A key of an account.
#[derive(Clone, Debug, Deserialize)]
struct Key {
    access_key_id: String,
    access_key_secret: Secret,
}

/// SMS to some numbers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsSettings {
    pub access_key_id: String,
    pub access_key_secret: Secret,
    /// Mobile numbers.
    #[serde(default, deserialize_with = "one_or_more")]
    #[schemars(with = "OneOrMore<String>")]
    pub to: Vec<String>,
    /// 签名名称.
    pub sign_name: String,
    /// `SMS_…`.
    pub template_code: String,
    /// The template's variables, each with the piece that fills it.
    pub params: BTreeMap<String, String>,
    /// Characters of a variable.
    #[serde(default = "chars_max")]
    pub chars_max: usize,
    /// No names of machines, addresses or services.
    #[serde(default)]
    pub nameless: bool,
    /// How answers to a message come back.
    #[serde(default)]
    pub answers: Option<Answers>,
    #[serde(default = "sms_url")]
    pub url: String,
}

/// A call to one number.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VoiceSettings {
    pub access_key_id: String,
    pub access_key_secret: Secret,
    /// The number that is called.
    #[serde(default)]
    pub to: String,
    /// `TTS_…`.
    pub tts_code: String,
    /// The template's variables, each with the piece that fills it.
    pub params: BTreeMap<String, String>,
    /// The number that is shown; none with the public service.
    #[serde(default)]
    pub shown_number: Option<String>,
    /// How often the text is read out.
    #[serde(default = "play_times")]
    pub play_times: u8,
    #[serde(default = "chars_max")]
    pub chars_max: usize,
    #[serde(default)]
    pub nameless: bool,
    /// How keys that are pressed during a call come back.
    #[serde(default)]
    pub answers: Option<Answers>,
    #[serde(default = "voice_url")]
    pub url: String,
}

const fn chars_max() -> usize {
    35
}

const fn play_times() -> u8 {
    2
}

fn sms_url() -> String {
    "https://dysmsapi.aliyuncs.com/".into()
}

fn voice_url() -> String {
    "https://dyvmsapi.aliyuncs.com/".into()
}

/// One action of the cloud's API.
pub struct Aliyun {
    action: Action,
    url: Url,
    manner: Manner,
    /// What is the same in each request.
    fixed: Vec<(&'static str, String)>,
    own: Own,
}

/// An action as its document calls it.
struct Action {
    /// The kind of channel.
    name: &'static str,
    /// The action's own name.
    word: &'static str,
    /// The parameter that takes the template's variables.
    variables: &'static str,
    /// They may hold URLs, names of hosts and IP addresses.
    takes_addresses: bool,
}

const SMS: Action = Action { name: "aliyun_sms", word: "SendSms", variables: "TemplateParam", takes_addresses: false };
const VOICE: Action =
    Action { name: "aliyun_voice", word: "SingleCallByTts", variables: "TtsParam", takes_addresses: true };

/// What both kinds are told in their settings.
struct Own {
    key: Key,
    params: BTreeMap<String, String>,
    chars_max: usize,
    nameless: bool,
}

impl Aliyun {
    /// # Errors
    /// When the address is refused, or a piece is not known.
    fn new(
        action: Action,
        own: Own,
        fixed: Vec<(&'static str, String)>,
        (url, ground): (&str, &Ground),
    ) -> Result<(Url, Self), SetupError> {
        let url = ground.target(url)?;
        known(&own.params)?;
        Ok((url.clone(), Self { action, url, manner: ground.manner.clone(), fixed, own }))
    }
}

fn known(params: &BTreeMap<String, String>) -> Result<(), SetupError> {
    match params.values().find(|piece| !Fields::is_known(piece)) {
        Some(piece) => Err(SetupError::setting("params", format!("{piece:?} is not known; write one of: {NAMES}"))),
        None => Ok(()),
    }
}

fn is_number(text: &str) -> bool {
    (3..=24).contains(&text.len()) && text.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit())
}

impl SmsSettings {
    /// # Errors
    /// When the address is refused, nobody is told, or a piece is not known.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Aliyun), SetupError> {
        if !(1..=NUMBERS_MAX).contains(&self.to.len()) || !self.to.iter().all(|to| is_number(to)) {
            return Err(SetupError::setting("to", "write one mobile number or a list of them, digits only"));
        }
        let fixed = vec![
            ("PhoneNumbers", self.to.join(",")),
            ("SignName", self.sign_name),
            ("TemplateCode", self.template_code),
        ];
        let key = Key { access_key_id: self.access_key_id, access_key_secret: self.access_key_secret };
        let own = Own { key, params: self.params, chars_max: self.chars_max, nameless: self.nameless };
        Aliyun::new(SMS, own, fixed, (&self.url, ground))
    }
}

impl VoiceSettings {
    /// # Errors
    /// When the address is refused, the number is none, or a piece is not known.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Aliyun), SetupError> {
        if !is_number(&self.to) {
            return Err(SetupError::setting("to", "write one number, digits only"));
        }
        if !(1..=3).contains(&self.play_times) {
            return Err(SetupError::setting("play_times", "write 1 to 3"));
        }
        let mut fixed =
            vec![("CalledNumber", self.to), ("TtsCode", self.tts_code), ("PlayTimes", self.play_times.to_string())];
        fixed.extend(self.shown_number.map(|number| ("CalledShowNumber", number)));
        let key = Key { access_key_id: self.access_key_id, access_key_secret: self.access_key_secret };
        let own = Own { key, params: self.params, chars_max: self.chars_max, nameless: self.nameless };
        Aliyun::new(VOICE, own, fixed, (&self.url, ground))
    }
}

/// What is signed: an action without a body.
struct Request<'a> {
    url: Url,
    action: &'a str,
    version: &'a str,
    date: &'a str,
    nonce: &'a str,
    query: BTreeMap<&'a str, &'a str>,
}

impl Request<'_> {
    /// The request with its `Authorization`.
    fn signed(&self, key: &Key) -> Call {
        let query: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let query = query.join("&");
        let empty = hex::encode(Sha256::digest(b""));
        let host = host(&self.url);
        let headers = [
            ("host", host.as_str()),
            ("x-acs-action", self.action),
            ("x-acs-content-sha256", &empty),
            ("x-acs-date", self.date),
            ("x-acs-signature-nonce", self.nonce),
            ("x-acs-version", self.version),
        ];
        let names = headers.map(|(name, _)| name).join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let path = self.url.path();
        let canonical = format!("POST\n{path}\n{query}\n{lines}\n{names}\n{empty}");
        let text = format!("ACS3-HMAC-SHA256\n{}", hex::encode(Sha256::digest(canonical.as_bytes())));
        let secret = key.access_key_secret.text().as_bytes();
        let signature = hex::encode(hmac_sha256(secret, &[text.as_bytes()]));
        let id = &key.access_key_id;
        let authorization = format!("ACS3-HMAC-SHA256 Credential={id},SignedHeaders={names},Signature={signature}");
        let mut url = self.url.clone();
        url.set_query(Some(&query));
        let call = Call { method: Method::POST, url, headers: HeaderMap::new(), body: Vec::new() };
        // The client writes `host` by itself.
        headers[1..]
            .iter()
            .fold(call, |call, (name, value)| call.with(name, value))
            .with("authorization", &authorization)
    }
}

/// The same for people, and no address for a filter: wide signs stand in place of what makes one.
fn without_addresses(text: &str) -> String {
    let letters: Vec<char> = text.replace("://", "：").chars().collect();
    let is_part = |place: Option<usize>| place.and_then(|n| letters.get(n)).is_some_and(char::is_ascii_alphanumeric);
    let plain = letters.iter().enumerate().map(|(n, letter)| match letter {
        '.' if is_part(n.checked_sub(1)) && is_part(Some(n + 1)) => '．',
        letter => *letter,
    });
    plain.collect()
}

/// RFC 3986: everything but letters, digits, `-`, `_`, `.` and `~` as %XX.
fn encoded(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            written.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = std::fmt::Write::write_fmt(&mut written, format_args!("%{byte:02X}"));
        }
    }
    written
}

impl Robot for Aliyun {
    fn name(&self) -> &'static str {
        self.action.name
    }

    fn call(&self, notice: &Notice, at: Timestamp) -> Result<Call, String> {
        let Own { key, params, chars_max, nameless } = &self.own;
        let fields =
            Fields::of(notice, &self.manner, *nameless, *chars_max).saying_news(params.values().map(String::as_str));
        let filled: BTreeMap<&str, String> = params
            .iter()
            .map(|(name, piece)| (name.as_str(), fields.get(piece, *chars_max).unwrap_or_default()))
            .map(|(name, text)| (name, if self.action.takes_addresses { text } else { without_addresses(&text) }))
            .collect();
        let filled = serde_json::to_string(&filled).expect("texts are JSON");
        let mut query: BTreeMap<&str, &str> = self.fixed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        query.insert(self.action.variables, &filled);
        let date = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
        let date = date.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        // Two attempts of one moment are told apart, too.
        let nonce = format!("{:032x}", rand::random::<u128>());
        let (url, action) = (self.url.clone(), self.action.word);
        let request = Request { url, action, version: VERSION, date: &date, nonce: &nonce, query };
        Ok(request.signed(key))
    }

    fn id_places(&self) -> &[&str] {
        &["/BizId", "/CallId", "/RequestId"]
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        let body = answer.json();
        let why = answer.why();
        match body["Code"].as_str() {
            Some("OK") if answer.status.is_success() => Attempt::Accepted,
            Some("isv.BUSINESS_LIMIT_CONTROL") => Attempt::TryLater { why, wait: Some(Duration::from_secs(60)) },
            Some(code)
                if code.starts_with("Throttling") || code == "isp.SYSTEM_ERROR" || code == "isp.RAM_PERMISSION" =>
            {
                Attempt::TryLater { why, wait: None }
            }
            Some(code)
                if code.contains("Signature")
                    || code.contains("AccessKey")
                    || code == "isv.ACCOUNT_ABNORMAL"
                    || code == "isp.RAM_PERMISSION_DENY"
                    || code == "Forbidden.RAM" =>
            {
                Attempt::LockedOut { why }
            }
            Some(_) if answer.status.is_server_error() => answer.judge(),
            Some(_) => Attempt::Refused { why },
            None if answer.status.is_success() => answer.strange(),
            None => answer.judge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_address_is_written_so_that_no_filter_takes_it_for_one() {
        assert_eq!(without_addresses("see http://a.example/x."), "see http：a．example/x.");
        assert_eq!(without_addresses("10.0.0.1 掉电. 87%"), "10．0．0．1 掉电. 87%");
    }

    /// The example of the document on signatures.
    #[test]
    fn signs_as_its_document_says() {
        let key = Key {
            access_key_id: "YourAccessKeyId".into(),
            access_key_secret: serde_json::from_str("\"YourAccessKeySecret\"").unwrap(),
        };
        let request = Request {
            url: "https://ecs.cn-shanghai.aliyuncs.com/".parse().unwrap(),
            action: "RunInstances",
            version: "2014-05-26",
            date: "2023-10-26T10:22:32Z",
            nonce: "3156853299f313e23d1673dc12e1703d",
            query: BTreeMap::from([
                ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
                ("RegionId", "cn-shanghai"),
            ]),
        };
        let call = request.signed(&key);
        let authorization = call.headers["authorization"].to_str().unwrap();
        let signature = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0";
        assert!(authorization.ends_with(&format!("Signature={signature}")), "{authorization}");
    }
}
