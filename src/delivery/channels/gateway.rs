//! A gateway of one's own for SMS or voice, over HTTP: what is sent and what its answer means is written in the
//! configuration.
//!
//! Each text in `body`, `headers` and `url` is a template of its own. What an alert says goes into the finished text
//! and is never read as a template; in a JSON body it stays one text whatever it contains, in a form it is encoded.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::fields::Fields;
use super::{Attempt, Ground, Manner, Robot, Secret, noted, one_or_more};
use crate::delivery::ears::phone::Answers;
use crate::delivery::http::{Answer, Call, SetupError};
use crate::domain::seal::hmac_sha256;
use crate::domain::time::Timestamp;
use crate::domain::written::OneOrMore;
use crate::engine::effect::Notice;

/// Steps that one template may take.
const FUEL: u64 = 20_000;

/// How `body` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Json,
    Form,
}

/// What an answer has to say.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Where in the JSON answer, as in `/result/code`.
    pub pointer: String,
    /// One of these there says yes.
    pub accepted: Vec<Value>,
    /// One of these says: later.
    #[serde(default)]
    pub later: Vec<Value>,
    /// Where its own id of the message stands, for the log.
    #[serde(default)]
    pub id: Option<String>,
}

/// A gateway, what it is sent, and who is told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub url: Secret,
    /// Numbers; in templates `to`.
    #[serde(default, deserialize_with = "one_or_more")]
    #[schemars(with = "OneOrMore<String>")]
    pub to: Vec<String>,
    #[serde(default)]
    pub format: Format,
    pub body: Map<String, Value>,
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// In templates `secret`.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Not set: the status says it.
    #[serde(default)]
    pub answer: Option<Expected>,
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

pub struct Gateway {
    url: Url,
    settings: Settings,
    manner: Manner,
    templates: Environment<'static>,
}

impl Settings {
    /// # Errors
    /// When the address is refused, or a template is wrong: each is tried once here.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Gateway), SetupError> {
        let url = ground.target(self.url.text())?;
        if self.to.is_empty() {
            return Err(SetupError::setting("to", "write one number or a list of them"));
        }
        let gateway =
            Gateway { url: url.clone(), settings: self, manner: ground.manner.clone(), templates: templates() };
        let values = gateway.values(&Fields::default(), Timestamp(0));
        let wrong = |setting| move |error: minijinja::Error| SetupError::setting(setting, error.to_string());
        gateway.filled(&gateway.settings.body, &values).map_err(wrong("body"))?;
        let headers = gateway.filled(&gateway.settings.headers, &values).map_err(wrong("headers"))?;
        if let Some(name) = headers.keys().find(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
            return Err(SetupError::setting("headers", format!("{name:?} is no name of a header")));
        }
        Ok((url, gateway))
    }
}

fn templates() -> Environment<'static> {
    let mut templates = Environment::new();
    templates.set_fuel(Some(FUEL));
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_filter("md5", |text: String| hex::encode(Md5::digest(text.as_bytes())));
    templates.add_filter("sha256", |text: String| hex::encode(<Sha256 as sha2::Digest>::digest(text.as_bytes())));
    templates.add_filter("base64", |text: String| BASE64_STANDARD.encode(text));
    templates.add_function("hmac_sha256", |key: String, text: String| hex::encode(hmac(&key, &text)));
    templates.add_function("hmac_sha256_base64", |key: String, text: String| BASE64_STANDARD.encode(hmac(&key, &text)));
    templates
}

fn hmac(key: &str, text: &str) -> [u8; 32] {
    hmac_sha256(key.as_bytes(), &[text.as_bytes()])
}

impl Gateway {
    fn values(&self, fields: &Fields, at: Timestamp) -> minijinja::Value {
        let secret = self.settings.secret.as_ref().map(Secret::text).unwrap_or_default();
        let own = context! { to => self.settings.to.clone(), secret => secret, at_secs => at.0.div_euclid(1000), at_ms => at.0 };
        context! { ..own, ..minijinja::Value::from(Serde(fields.clone())) }
    }

    fn filled(
        &self,
        from: &Map<String, Value>,
        values: &minijinja::Value,
    ) -> Result<Map<String, Value>, minijinja::Error> {
        from.iter().map(|(name, value)| Ok((name.clone(), self.fill(value, values)?))).collect()
    }

    /// Fills each text of a tree.
    fn fill(&self, value: &Value, values: &minijinja::Value) -> Result<Value, minijinja::Error> {
        Ok(match value {
            Value::String(text) => Value::String(self.templates.render_str(text, values)?),
            Value::Array(items) => items.iter().map(|item| self.fill(item, values)).collect::<Result<_, _>>()?,
            Value::Object(map) => Value::Object(self.filled(map, values)?),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }
}

/// A value as a form or a header has it.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Robot for Gateway {
    fn name(&self) -> &'static str {
        "gateway"
    }

    fn call(&self, notice: &Notice, at: Timestamp) -> Result<Call, String> {
        let settings = &self.settings;
        let values = self.values(&Fields::of(notice, &self.manner, settings.nameless, settings.chars_max), at);
        let failed = |error: minijinja::Error| format!("a template of this receiver: {error}");
        let body = self.filled(&settings.body, &values).map_err(failed)?;
        let headers = self.filled(&settings.headers, &values).map_err(failed)?;
        let mut call = match settings.format {
            Format::Json => Call::json(self.url.clone(), &Value::Object(body)),
            Format::Form => {
                let mut form = Url::parse("form:").expect("this is a URL");
                form.query_pairs_mut().extend_pairs(body.iter().map(|(name, value)| (name, text(value))));
                let form = form.query().unwrap_or_default().as_bytes().to_vec();
                Call::post(self.url.clone(), "application/x-www-form-urlencoded", form)
            }
        };
        for (name, value) in &headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&text(value)))
            {
                call.headers.insert(name, value);
            }
        }
        Ok(call)
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        let Some(expected) = self.settings.answer.as_ref().filter(|_| answer.status.is_success()) else {
            return answer.judge();
        };
        let body = answer.json();
        let why = answer.why();
        match body.pointer(&expected.pointer) {
            Some(found) if expected.accepted.contains(found) => {
                noted(Attempt::Accepted, answer, &expected.id.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Some(found) if expected.later.contains(found) => Attempt::TryLater { why, wait: None },
            Some(_) => Attempt::Refused { why },
            None => Attempt::TryLater { why: format!("nothing stands at {}: {why}", expected.pointer), wait: None },
        }
    }
}
