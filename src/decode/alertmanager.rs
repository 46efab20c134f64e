//! Alertmanager's API v2: the body of `POST /api/v2/alerts`, as rule evaluators send it.
//!
//! Identity is the whole set of labels, as there, but without the labels that only tell replicas apart. A zero time
//! is no time; an end that has come is a resolution. What a label means (object, severity, title) is data:
//! `rules/alertmanager.yaml`.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::formats::{FormatError, read_yaml};
use super::json::{Pairs, Str};
use super::native::plain;
use super::reader::{Reader, bad_time, open};
use super::severity::Words;
use super::times;
use super::{Body, BodyError, Context, Decoded};
use crate::domain::event::{Event, ObjectRef, Signal, Status};
use crate::domain::label::identity_text;
use crate::domain::reject::Reject;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::{Span, Timestamp};

/// This decoder's name in dead letters.
pub const DECODER: &str = "alertmanager";

/// What labels and annotations mean.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertmanagerRules {
    name: Vec<String>,
    title: Vec<String>,
    description: Vec<String>,
    links: Vec<String>,
    severity_label: String,
    severity_map: String,
    replica_labels: Vec<String>,
    /// The kind of telemetry that alerts come from.
    signal: Option<Signal>,
    /// A posted alert that names no end is over after so long without another word. 0: no posted alert ends by itself, not even
    /// at the end that it names.
    #[serde(default = "five_minutes", deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    resolve_timeout: Span,
    object: Vec<ObjectRow>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ObjectRow {
    /// All of them must be there; their values are joined by `/`.
    labels: Vec<String>,
    #[serde(default)]
    key: ObjectKey,
    /// The value is `host:port`: the port is no part of the object, and a host that is an address is its `ip`.
    #[serde(default)]
    host_port: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ObjectKey {
    CiId,
    #[default]
    Name,
    Ip,
}

/// Alertmanager's own default.
const fn five_minutes() -> Span {
    Span::mins(5)
}

/// One alert of either format.
#[derive(Deserialize)]
#[serde(expecting = "an alert as a JSON object")]
pub(super) struct Posted<'a> {
    #[serde(borrow)]
    pub labels: Option<Pairs<'a>>,
    #[serde(borrow)]
    annotations: Option<Pairs<'a>>,
    #[serde(borrow, rename = "startsAt")]
    starts_at: Option<Str<'a>>,
    #[serde(borrow, rename = "endsAt")]
    ends_at: Option<Str<'a>>,
    #[serde(borrow, rename = "generatorURL")]
    generator_url: Option<Str<'a>>,
    // What Grafana says beside.
    #[serde(borrow, rename = "dashboardURL")]
    dashboard_url: Option<Str<'a>>,
    #[serde(borrow, rename = "panelURL")]
    panel_url: Option<Str<'a>>,
    #[serde(borrow, rename = "valueString")]
    value_string: Option<Str<'a>>,
    /// Only the webhook has it.
    status: Option<PostedStatus>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PostedStatus {
    Firing,
    Resolved,
}

/// Decodes a body.
pub fn decode(body: Body<'_>, context: &Context<'_>, rules: &AlertmanagerRules) -> Result<Decoded, BodyError> {
    let opened = open(body, context.limits.depth);
    let mut reader = Reader::new(context, DECODER);
    let text = opened.text.trim_start();
    if !text.starts_with('[') {
        return Err(BodyError::Unreadable("the body must be a JSON array of alerts".into()));
    }
    reader.array(text, opened.deep, |reader, posted: Posted<'_>| {
        let mut event = posted.event(reader, rules)?;
        event.expires_at = rules.expiry(&event, reader.now(&event));
        Ok(event)
    })?;
    Ok(reader.finish(&opened))
}

impl AlertmanagerRules {
    /// When a posted alert is over by itself.
    fn expiry(&self, event: &Event, received_at: Timestamp) -> Option<Timestamp> {
        let lasts = event.status == Status::Firing && self.resolve_timeout > Span::default();
        lasts.then(|| event.ends_at.unwrap_or(received_at.plus(self.resolve_timeout)))
    }

    /// Reads one YAML file; `place` is named in errors.
    pub fn parse(place: &str, yaml: &str) -> Result<Self, FormatError> {
        read_yaml(place, yaml)
    }

    fn is_replica(&self, label: &str) -> bool {
        self.replica_labels.iter().any(|replica| replica == label)
    }

    fn object(&self, reader: &mut Reader<'_>, labels: &Pairs<'_>) -> ObjectRef {
        let mut object = ObjectRef::default();
        let whole = |row: &&ObjectRow| row.labels.iter().all(|label| !labels.get(label).is_empty());
        let Some(row) = self.object.iter().find(whole) else { return object };
        let value = match row.labels.as_slice() {
            [one] => labels.get(one).to_owned(),
            several => several.iter().map(|label| labels.get(label)).collect::<Vec<_>>().join("/"),
        };
        let value = if row.host_port { host(&value) } else { &value };
        let is_address = row.host_port && value.parse::<IpAddr>().is_ok();
        let text = Some(reader.identity(value).into_string());
        match row.key {
            ObjectKey::CiId => object.ci_id = text,
            ObjectKey::Name if is_address => object.ip = text,
            ObjectKey::Name => object.name = text,
            ObjectKey::Ip => object.ip = text,
        }
        object
    }
}

/// `host:port` and `[v6]:port` without the port; anything else as it is.
fn host(address: &str) -> &str {
    match address.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(v6) => v6,
                None if host.contains(':') => address,
                None => host,
            }
        }
        _ => address,
    }
}

/// A time of Alertmanager's; its zero time (year 1) is none.
fn time(field: &str, text: &Option<Str<'_>>) -> Result<Option<Timestamp>, Reject> {
    let text = plain(text);
    if text.is_empty() || text.starts_with("0001-01-01") {
        return Ok(None);
    }
    times::parse(text).map(Some).ok_or_else(|| bad_time(field, text))
}

/// The first of these that has a value.
fn first<'t>(keys: &[String], pairs: &'t Pairs<'_>) -> &'t str {
    keys.iter().map(|key| pairs.get(key)).find(|value| !value.is_empty()).unwrap_or("")
}

impl Posted<'_> {
    /// Makes the event of it.
    pub fn event(self, reader: &mut Reader<'_>, rules: &AlertmanagerRules) -> Result<Event, Reject> {
        let (context, limits) = (reader.context, reader.context.limits);
        let labels = self.labels.as_ref().filter(|labels| labels.iter().any(|(_, value)| !value.is_empty()));
        let Some(labels) = labels else {
            return Err(Reject::Malformed("an alert needs at least one label with a value".into()));
        };
        let nothing = Pairs::default();
        let annotations = self.annotations.as_ref().unwrap_or(&nothing);
        let name = first(&rules.name, labels);
        let name = reader.identity(if name.is_empty() { "alert" } else { name });
        let received_at = context.received_at.unwrap_or_default();
        let mut event = Event::new(context.tenant.clone(), context.source.clone(), &name, received_at);
        self.times(reader, &mut event)?;
        let words = Words::BySource(context.severities.named(&rules.severity_map));
        reader.severity(&mut event, labels.get(&rules.severity_label), words);
        event.title = reader.text(first(&rules.title, annotations), limits.title_chars);
        event.description = reader.text(first(&rules.description, annotations), limits.description_chars);
        event.object = rules.object(reader, labels);
        let identity = labels.iter().filter(|(key, _)| !rules.is_replica(key));
        event.dedup_key = Some(reader.whole_identity(identity_text(identity.clone())));
        event.labels = reader.labels(identity);
        let replicas = labels.iter().filter(|(key, _)| rules.is_replica(key));
        let annotations_kept = reader.pairs(annotations.iter().chain(replicas));
        event.annotations.extend(&annotations_kept);
        if let Some(value) = &self.value_string {
            event.annotations.insert("value", &reader.text::<String>(&value.0, limits.label_value_chars));
        }
        let links = rules.links.iter().map(|key| annotations.get(key));
        let own = [&self.generator_url, &self.panel_url, &self.dashboard_url].map(plain);
        event.signal = rules.signal;
        event.links = reader.links(own.into_iter().chain(links));
        reader.done(event)
    }

    fn times(&self, reader: &mut Reader<'_>, event: &mut Event) -> Result<(), Reject> {
        let starts_at = time("startsAt", &self.starts_at)?;
        let ends_at = time("endsAt", &self.ends_at)?;
        if starts_at.zip(ends_at).is_some_and(|(start, end)| end < start) {
            return Err(Reject::BadTime("endsAt is before startsAt: set the sender's clock".into()));
        }
        if reader.context.received_at.is_none() {
            event.observed_at = starts_at.or(ends_at).ok_or_else(|| bad_time("startsAt", ""))?;
        }
        let ended = ends_at.is_some_and(|end| end <= reader.now(event));
        event.status = match self.status {
            Some(PostedStatus::Resolved) => Status::Resolved,
            None if ended => Status::Resolved,
            Some(PostedStatus::Firing) | None => Status::Firing,
        };
        event.ends_at = ends_at;
        let raised_or_cleared = match event.status {
            Status::Resolved => ends_at.or(starts_at),
            Status::Firing | Status::Change => starts_at,
        };
        reader.start(event, raised_or_cleared.unwrap_or_else(|| reader.now(event)))
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_port_is_no_part_of_the_object() {
        let check = |address: &str, want: &str| assert_eq!(host(address), want);
        check("10.0.0.1:9100", "10.0.0.1");
        check("db-1.example:9100", "db-1.example");
        check("[fd00::1]:9100", "fd00::1");
        check("fd00::1", "fd00::1");
        check("https://portal.example/login", "https://portal.example/login");
        check("db-1", "db-1");
    }
}
