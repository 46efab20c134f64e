//! A ticket system of one's own, over REST: paths and bodies are templates in the configuration.
//!
//! `find` is what makes it one ticket per incident: a system that cannot be searched leaves it out, and then an answer that
//! is lost can make a second ticket. Texts in bodies are Jinja templates with `name`, `id`, `title`, `text`, `priority`, `severity`,
//! `incident`, `url`; what an alert says goes into the finished text and is never read as a template.

use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior, context};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Asked, Found, State, System, Tickets, Wire, Words, strange, text};
use crate::delivery::channels::{Ground, Secret};
use crate::delivery::http::SetupError;
use crate::delivery::{Attempt, Channel};
use crate::engine::effect::Notice;
use crate::wording::words::PriorityWord;

/// Steps that one template may take.
const FUEL: u64 = 20_000;

/// A system.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: String,
    /// The header `Authorization`, whole.
    #[serde(default)]
    pub authorization: Option<Secret>,
    pub open: Step,
    /// A search by `{{ name }}`; its answer is the ticket, or a list of which the first one is.
    #[serde(default)]
    pub find: Option<Step>,
    #[serde(default)]
    pub note: Option<Step>,
    #[serde(default)]
    pub close: Option<Step>,
    #[serde(default)]
    pub reopen: Option<Step>,
    /// Where a ticket's id, number and address stand in an answer.
    #[serde(default = "id")]
    pub id: String,
    #[serde(default)]
    pub number: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    /// What the system sends as `?token=` or in the header `x-token` when people have changed a ticket.
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
}

/// One request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(default = "post")]
    pub method: String,
    /// A template, too; what is filled in is encoded.
    pub path: String,
    #[serde(default)]
    pub body: Map<String, Value>,
    /// Where the list stands in the answer of a search; none: the answer is it.
    #[serde(default)]
    pub list: Option<String>,
}

fn post() -> String {
    "POST".into()
}

fn id() -> String {
    "/id".into()
}

pub struct Rest {
    settings: Settings,
    templates: Environment<'static>,
}

impl Settings {
    /// # Errors
    /// When the address is refused, or a template or method is wrong.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let credential = self.authorization.as_ref().map(|text| ("authorization", text.text().trim().to_owned()));
        let wire = Wire::new(&self.server, credential, ground)?;
        let mut templates = Environment::new();
        templates.set_fuel(Some(FUEL));
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let rest = Rest { settings: self, templates };
        let settings = &rest.settings;
        let named = [
            ("open", Some(&settings.open)),
            ("find", settings.find.as_ref()),
            ("note", settings.note.as_ref()),
            ("close", settings.close.as_ref()),
            ("reopen", settings.reopen.as_ref()),
        ];
        for (name, step) in named.into_iter().filter_map(|(name, step)| Some((name, step?))) {
            Method::from_bytes(step.method.as_bytes()).map_err(|_| SetupError::setting(name, "its method is none"))?;
            let tried = rest.request(step, &Values::default());
            tried.map_err(|why| SetupError::setting(name, why))?;
        }
        Ok(Tickets::channel(rest, wire, ground))
    }
}

/// What templates are filled from.
#[derive(Default)]
struct Values {
    name: String,
    id: String,
    title: String,
    text: String,
    priority: &'static str,
    severity: &'static str,
    incident: String,
}

impl Values {
    fn of(name: &str, notice: Option<&Notice>, found: Option<&Found>, words: Option<&Words>) -> Self {
        let incident = notice.map(|notice| &notice.incident);
        Self {
            name: name.to_owned(),
            id: found.map(|found| found.id.clone()).unwrap_or_default(),
            title: words.map(|words| words.title.clone()).unwrap_or_default(),
            text: words.map(|words| words.body(usize::MAX)).unwrap_or_default(),
            priority: incident.map(|incident| PriorityWord::from(incident.priority).word()).unwrap_or_default(),
            severity: incident.map(|incident| incident.severity.as_str()).unwrap_or_default(),
            incident: incident.map(|incident| incident.id.to_string()).unwrap_or_default(),
        }
    }

    fn context(&self, encode: fn(&str) -> String) -> minijinja::Value {
        context! {
            name => encode(&self.name), id => encode(&self.id), title => encode(&self.title), text => encode(&self.text),
            priority => self.priority, severity => self.severity, incident => encode(&self.incident),
        }
    }
}

/// A text as a part of a path or query.
fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().fold(String::new(), |safe, byte| {
        if is_plain(byte) { safe + &char::from(byte).to_string() } else { format!("{safe}%{byte:02X}") }
    })
}

impl Rest {
    fn request(&self, step: &Step, values: &Values) -> Result<(String, Value), String> {
        let failed = |error: minijinja::Error| format!("a template of this receiver: {error}");
        let path = self.templates.render_str(&step.path, values.context(encoded)).map_err(failed)?;
        let plain = values.context(str::to_owned);
        let body = self.fill(&Value::Object(step.body.clone()), &plain).map_err(failed)?;
        Ok((path, body))
    }

    fn fill(&self, value: &Value, values: &minijinja::Value) -> Result<Value, minijinja::Error> {
        Ok(match value {
            Value::String(text) => Value::String(self.templates.render_str(text, values)?),
            Value::Array(items) => items.iter().map(|item| self.fill(item, values)).collect::<Result<_, _>>()?,
            Value::Object(map) => {
                let filled = map.iter().map(|(key, item)| Ok((key.clone(), self.fill(item, values)?)));
                Value::Object(filled.collect::<Result<_, minijinja::Error>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    async fn ask(&self, wire: &Wire, step: &Step, values: &Values) -> Result<Value, Attempt> {
        let (path, body) = self.request(step, values).map_err(|why| Attempt::Refused { why })?;
        let method = Method::from_bytes(step.method.as_bytes()).unwrap_or(Method::POST);
        let body = (method != Method::GET).then_some(&body);
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let pairs: Vec<(String, String)> = reqwest::Url::parse(&format!("form:?{query}"))
            .map(|url| url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect())
            .unwrap_or_default();
        let query: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        wire.ask(method, path, &query, body).await
    }

    fn found(&self, ticket: &Value) -> Option<Found> {
        let id = text(ticket, &self.settings.id)?;
        let find = |place: &Option<String>| place.as_deref().and_then(|place| text(ticket, place));
        let number = find(&self.settings.number).unwrap_or_else(|| id.clone());
        Some(Found { url: find(&self.settings.url).unwrap_or_default(), id, number })
    }

    async fn maybe(&self, wire: &Wire, step: Option<&Step>, found: &Found, words: &Words) -> Result<(), Attempt> {
        match step {
            Some(step) => {
                self.ask(wire, step, &Values::of(&words.name, None, Some(found), Some(words))).await.map(drop)
            }
            None => Ok(()),
        }
    }
}

impl System for Rest {
    fn name(&self) -> &'static str {
        "rest_ticket"
    }

    fn find<'a>(&'a self, wire: &'a Wire, name: &'a str, notice: &'a Notice) -> Asked<'a, Option<Found>> {
        Box::pin(async move {
            let Some(step) = &self.settings.find else { return Ok(None) };
            let told = self.ask(wire, step, &Values::of(name, Some(notice), None, None)).await?;
            let list = step.list.as_deref().map_or(Some(&told), |place| told.pointer(place));
            let list = list.ok_or_else(|| strange("the list", &told))?;
            Ok(match list {
                Value::Array(items) => items.first().and_then(|item| self.found(item)),
                one => self.found(one),
            })
        })
    }

    fn open<'a>(&'a self, wire: &'a Wire, name: &'a str, notice: &'a Notice, words: &'a Words) -> Asked<'a, Found> {
        Box::pin(async move {
            let values = Values::of(name, Some(notice), None, Some(words));
            let made = self.ask(wire, &self.settings.open, &values).await?;
            self.found(&made).ok_or_else(|| strange(&self.settings.id, &made))
        })
    }

    fn note<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move { self.maybe(wire, self.settings.note.as_ref(), ticket, words).await })
    }

    fn set<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, to: State, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move {
            self.note(wire, ticket, words).await?;
            let step = match to {
                State::Open => self.settings.reopen.as_ref(),
                State::Closed => self.settings.close.as_ref(),
            };
            self.maybe(wire, step, ticket, words).await
        })
    }
}
