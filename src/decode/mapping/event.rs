//! How one event is made of one JSON object.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::pairs::PairsSpec;
use crate::decode::limits::shown;
use crate::decode::path::Place;
use crate::decode::reader::{Reader, bad_time};
use crate::decode::severity::{SeverityMap, Words};
use crate::decode::times::TimeFormat;
use crate::decode::value::{FromValue, OrValue, Value};
use crate::domain::event::{Event, MetricRef, ObjectRef, Status};
use crate::domain::ids::{OrgId, SourceId};
use crate::domain::label::identity_text;
use crate::domain::reject::Reject;
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;

/// What is wrong with a mapping: the place within it, and the cause.
pub(super) type Wrong = (String, String);

/// Where each field of an event stands.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventSpec {
    source: Option<Value>,
    id: Option<Value>,
    name: Value,
    title: Option<Value>,
    description: Option<Value>,
    severity: Option<OrValue<SeveritySpec>>,
    status: Option<Value>,
    starts_at: Option<OrValue<TimeSpec>>,
    ends_at: Option<OrValue<TimeSpec>>,
    observed_at: Option<OrValue<TimeSpec>>,
    object: ObjectSpec,
    #[serde(default)]
    labels: PairsSpec,
    #[serde(default)]
    annotations: PairsSpec,
    #[serde(default)]
    identity_labels: Vec<String>,
    acknowledged_by: Option<Value>,
    dedup_key: Option<Value>,
    event_type: Option<Value>,
    probable_cause: Option<Value>,
    specific_problem: Option<Value>,
    signal: Option<Value>,
    side: Option<Value>,
    metric: Option<MetricSpec>,
    trace_id: Option<Value>,
    #[serde(default)]
    links: Vec<Value>,
    org: Option<Value>,
    proposed_repair: Option<Value>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SeveritySpec {
    from: Value,
    map: Option<BTreeMap<String, Severity>>,
    uses: Option<String>,
    /// When the event has no severity word at all.
    default: Option<Severity>,
    #[serde(skip)]
    words: Option<SeverityMap>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TimeSpec {
    from: Value,
    format: Option<String>,
    zone: Option<String>,
    #[serde(skip)]
    parsed: TimeFormat,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ObjectSpec {
    ci_id: Option<Value>,
    class: Option<Value>,
    name: Option<Value>,
    ip: Option<Value>,
    keys: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MetricSpec {
    name: Value,
    value: Option<Value>,
    unit: Option<Value>,
    threshold: Option<Value>,
    direction: Option<Value>,
}

impl FromValue for SeveritySpec {
    fn from_value(from: Value) -> Self {
        Self { from, map: None, uses: None, default: None, words: None }
    }
}

impl FromValue for TimeSpec {
    fn from_value(from: Value) -> Self {
        Self { from, format: None, zone: None, parsed: TimeFormat::Auto }
    }
}

impl EventSpec {
    /// Checks and completes it; the error says at which field.
    pub fn ready(&mut self) -> Result<(), Wrong> {
        if let Some(OrValue(severity)) = &mut self.severity {
            if severity.map.is_some() && severity.uses.is_some() {
                return Err((".severity".into(), "give either map or uses, not both".into()));
            }
            severity.words = severity.map.take().map(SeverityMap::of_words);
        }
        let times = [
            (".starts_at", &mut self.starts_at),
            (".ends_at", &mut self.ends_at),
            (".observed_at", &mut self.observed_at),
        ];
        for (field, time) in times {
            if let Some(OrValue(time)) = time {
                time.parsed = TimeFormat::parse(time.format.as_deref(), time.zone.as_deref())
                    .map_err(|cause| (field.to_owned(), cause))?;
            }
        }
        let object = &self.object;
        if [&object.ci_id, &object.name, &object.ip].iter().all(|key| key.is_none()) && object.keys.is_empty() {
            return Err((".object".into(), "give at least one of ci_id, name, ip and keys".into()));
        }
        Ok(())
    }

    /// The severity map that is taken by name.
    pub fn severity_map(&self) -> Option<&str> {
        self.severity.as_ref()?.0.uses.as_deref()
    }

    /// Makes the event.
    pub fn read(&self, reader: &mut Reader<'_>, place: Place<'_, '_>) -> Result<Event, Reject> {
        let context = reader.context;
        let name = self.name.text(place).ok_or_else(|| Reject::Malformed("the mapping finds no name".into()))?;
        let name = reader.identity(&name);
        let received_at = context.received_at.unwrap_or_default();
        let mut event = Event::new(context.tenant.clone(), self.source(reader, place), &name, received_at);
        self.times(reader, &mut event, place)?;
        self.grade(reader, &mut event, place)?;
        event.object = object(reader, &self.object, place)?;
        let labels = self.labels.read(place);
        let chosen =
            self.identity_labels.iter().filter_map(|key| Some((key.as_str(), labels.get(key.as_str())?.as_ref())));
        let identity = identity_text(chosen);
        event.identity = reader.identity(&identity);
        event.labels = reader.labels(labels.iter().map(|(key, value)| (key.as_ref(), value.as_ref())));
        let annotations = self.annotations.read(place);
        let annotations = reader.pairs(annotations.iter().map(|(key, value)| (key.as_ref(), value.as_ref())));
        event.annotations.extend(&annotations);
        self.texts(reader, &mut event, place)?;
        reader.done(event)
    }

    /// The credential's source; the mapping's own part stands below it, or alone where the credential is for all.
    fn source(&self, reader: &mut Reader<'_>, place: Place<'_, '_>) -> SourceId {
        let credential = reader.context.source;
        let Some(part) = self.source.as_ref().and_then(|source| source.text(place)) else {
            return credential.clone();
        };
        let part = reader.identity(&part);
        match credential.as_str() {
            "" | "*" => SourceId::from(part.as_ref()),
            above => SourceId::from(format!("{above}/{part}")),
        }
    }

    fn times(&self, reader: &mut Reader<'_>, event: &mut Event, place: Place<'_, '_>) -> Result<(), Reject> {
        let starts_at = read_time(self.starts_at.as_ref(), "starts_at", place)?;
        let observed_at = read_time(self.observed_at.as_ref(), "observed_at", place)?;
        if reader.context.received_at.is_none() && starts_at.or(observed_at).is_none() {
            return Err(bad_time("observed_at", ""));
        }
        if let Some(at) = observed_at.or(starts_at.filter(|_| reader.context.received_at.is_none())) {
            reader.observed(event, at);
        }
        event.ends_at = read_time(self.ends_at.as_ref(), "ends_at", place)?;
        let starts_at = starts_at.unwrap_or_else(|| reader.now(event));
        reader.start(event, starts_at)
    }

    fn grade(&self, reader: &mut Reader<'_>, event: &mut Event, place: Place<'_, '_>) -> Result<(), Reject> {
        if let Some(OrValue(severity)) = &self.severity {
            let named = severity.uses.as_deref().and_then(|name| reader.context.severities.named(name));
            match severity.from.text(place) {
                Some(word) => {
                    let words = severity.words.as_ref().or(named).map_or(Words::BySource(None), Words::By);
                    reader.severity(event, &word, words);
                }
                None => event.severity = severity.default.unwrap_or_default(),
            }
        }
        let Some(status) = &self.status else { return Ok(()) };
        event.status = match status.text(place).as_deref() {
            Some("firing") => Status::Firing,
            Some("resolved") => Status::Resolved,
            Some("change") => Status::Change,
            _ => {
                let word = shown(&status.written(place));
                return Err(Reject::Malformed(format!(
                    "status is {word}: let the mapping make firing, resolved or change of it"
                )));
            }
        };
        Ok(())
    }

    fn texts(&self, reader: &mut Reader<'_>, event: &mut Event, place: Place<'_, '_>) -> Result<(), Reject> {
        let limits = reader.context.limits;
        if let Some(id) = self.id.as_ref().and_then(|value| value.text(place)) {
            event.id = reader.identity(&id);
        }
        if let Some(title) = self.title.as_ref().and_then(|value| value.text(place)) {
            event.title = reader.text(&title, limits.title_chars);
        }
        if let Some(words) = self.description.as_ref().and_then(|value| value.text(place)) {
            event.description = reader.text(&words, limits.description_chars);
        }
        event.acknowledged_by = reader.optional(text(&self.acknowledged_by, place).as_deref());
        event.dedup_key = reader.optional(text(&self.dedup_key, place).as_deref());
        event.probable_cause = reader.optional(text(&self.probable_cause, place).as_deref());
        event.specific_problem = reader.optional(text(&self.specific_problem, place).as_deref());
        event.trace_id = reader.optional(text(&self.trace_id, place).as_deref());
        let repair = text(&self.proposed_repair, place);
        event.proposed_repair = repair.map(|words| reader.text(&words, limits.description_chars));
        event.org = text(&self.org, place).map(|org| OrgId::from(reader.identity(&org).as_ref()));
        event.event_type = word("event_type", text(&self.event_type, place))?;
        event.signal = word("signal", text(&self.signal, place))?;
        event.side = word("side", text(&self.side, place))?;
        let links: Vec<Cow<'_, str>> = self.links.iter().filter_map(|link| link.text(place)).collect();
        event.links = reader.links(links.iter().map(AsRef::as_ref));
        event.metric = self.metric.as_ref().and_then(|metric| metric.read(reader, place));
        Ok(())
    }
}

/// What a value says here, if the mapping has it.
fn text<'n>(value: &'n Option<Value>, place: Place<'n, '_>) -> Option<Cow<'n, str>> {
    value.as_ref()?.text(place)
}

/// One of our own words, such as an event type.
fn word<T: for<'de> Deserialize<'de>>(field: &str, text: Option<Cow<'_, str>>) -> Result<Option<T>, Reject> {
    let Some(text) = text else { return Ok(None) };
    let read = T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&text));
    read.map(Some).map_err(|error| Reject::Malformed(format!("{field}: {error}")))
}

fn read_time(spec: Option<&OrValue<TimeSpec>>, field: &str, place: Place<'_, '_>) -> Result<Option<Timestamp>, Reject> {
    let Some(OrValue(spec)) = spec else { return Ok(None) };
    let Some(text) = spec.from.text(place) else { return Ok(None) };
    spec.parsed.read(&text).map(Some).ok_or_else(|| bad_time(field, &text))
}

fn object(reader: &mut Reader<'_>, spec: &ObjectSpec, place: Place<'_, '_>) -> Result<ObjectRef, Reject> {
    let mut key = |value: &Option<Value>| {
        let text = value.as_ref()?.text(place)?;
        Some(reader.identity(&text).into_string())
    };
    let (ci_id, class, name, ip) = (key(&spec.ci_id), key(&spec.class), key(&spec.name), key(&spec.ip));
    let keys = spec
        .keys
        .iter()
        .filter_map(|(word, value)| Some((word.clone(), reader.identity(&value.text(place)?).into_string())));
    let object = ObjectRef { ci_id, class, name, ip, keys: keys.collect() };
    if object.label().is_empty() {
        return Err(Reject::Malformed("the mapping finds no object: none of its keys has a value here".into()));
    }
    Ok(object)
}

impl MetricSpec {
    fn read(&self, reader: &mut Reader<'_>, place: Place<'_, '_>) -> Option<MetricRef> {
        let number = |value| text(value, place)?.trim().parse().ok().filter(|n: &f64| n.is_finite());
        let mut short = |text: Cow<'_, str>| {
            let short: Box<str> = reader.text(&text, reader.context.limits.label_key_chars);
            short.into_string()
        };
        Some(MetricRef {
            name: short(self.name.text(place)?),
            value: number(&self.value),
            unit: text(&self.unit, place).map(&mut short),
            threshold: number(&self.threshold),
            direction: text(&self.direction, place).map(&mut short),
        })
    }
}
