//! Any JSON through a mapping: a YAML file that says where each field of an event stands. No code per source.
//!
//! The file format is told in `rules/mappings/README.md`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::formats::{FormatError, read_yaml};
use super::json::Node;
use super::path::{Path, Place};
use super::reader::{Opened, Reader, bad_time, body_error, canonical, open};
use super::severity::{SeverityMap, Words};
use super::times::TimeFormat;
use super::value::{FromValue, OrValue, Value};
use super::{Body, BodyError, Context, Decoded};
use crate::domain::event::{Event, MetricRef, ObjectRef, Status};
use crate::domain::ids::{OrgId, SourceId};
use crate::domain::reject::Reject;
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;

/// A mapping, ready to use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Its name: the last part of the address that events are sent to.
    pub mapping: String,
    /// One sentence for people.
    #[serde(default)]
    pub about: String,
    /// Where the array of events stands in the body; without it the body is one event or an array of events.
    events: Option<Path>,
    event: EventSpec,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventSpec {
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

#[derive(Clone, Debug, Deserialize)]
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

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeSpec {
    from: Value,
    format: Option<String>,
    zone: Option<String>,
    #[serde(skip)]
    parsed: TimeFormat,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ObjectSpec {
    ci_id: Option<Value>,
    class: Option<Value>,
    name: Option<Value>,
    ip: Option<Value>,
    keys: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PairsSpec {
    copy: Vec<CopySpec>,
    set: BTreeMap<String, Value>,
}

/// Copies the members of an object, the items of an array of pairs, or the items of an array of `key=value` texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CopySpec {
    from: Path,
    /// Only these keys.
    only: Option<Vec<String>>,
    #[serde(default)]
    except: Vec<String>,
    /// In an array of objects: the members that hold key and value.
    key: Option<String>,
    value: Option<String>,
    /// In an array of texts: what stands between key and value.
    separator: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
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

/// Whether a body is one JSON text or one per line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Json,
    Lines,
}

impl Mapping {
    /// Reads one YAML file; `place` is named in errors.
    pub fn parse(place: &str, yaml: &str) -> Result<Self, FormatError> {
        let mut mapping: Self = read_yaml(place, yaml)?;
        let value_error =
            |field: &str, cause: String| FormatError::Value { place: place.into(), field: field.into(), cause };
        let event = &mut mapping.event;
        if let Some(OrValue(severity)) = &mut event.severity {
            if severity.map.is_some() && severity.uses.is_some() {
                return Err(value_error("event.severity", "give either map or uses, not both".into()));
            }
            severity.words = severity.map.take().map(SeverityMap::of_words);
        }
        let times = [
            ("event.starts_at", &mut event.starts_at),
            ("event.ends_at", &mut event.ends_at),
            ("event.observed_at", &mut event.observed_at),
        ];
        for (field, time) in times {
            if let Some(OrValue(time)) = time {
                time.parsed = TimeFormat::parse(time.format.as_deref(), time.zone.as_deref())
                    .map_err(|cause| value_error(field, cause))?;
            }
        }
        let object = &event.object;
        if [&object.ci_id, &object.name, &object.ip].iter().all(|key| key.is_none()) && object.keys.is_empty() {
            return Err(value_error("event.object", "give at least one of ci_id, name, ip and keys".into()));
        }
        Ok(mapping)
    }

    /// The severity map that this mapping takes by name.
    pub fn severity_map(&self) -> Option<&str> {
        self.event.severity.as_ref()?.0.uses.as_deref()
    }

    /// Decodes a body.
    pub fn decode(&self, body: Body<'_>, shape: Shape, context: &Context<'_>) -> Result<Decoded, BodyError> {
        let opened = open(body, context.limits.depth);
        let mut reader = Reader::new(context, &self.mapping);
        match shape {
            Shape::Json => self.json(&mut reader, &opened)?,
            Shape::Lines => self.lines(&mut reader, &opened)?,
        }
        Ok(reader.finish(&opened))
    }

    /// Decodes one event on its own, as dead letters keep it. What its body said beside its events is lost.
    pub(super) fn decode_one(&self, body: Body<'_>, context: &Context<'_>) -> Decoded {
        let opened = open(body, context.limits.depth);
        let mut reader = Reader::new(context, &self.mapping);
        reader.single(0, &opened.text, &mut |reader, node: Node<'_>| self.event(reader, &node, &node));
        reader.finish(&opened)
    }

    fn json(&self, reader: &mut Reader<'_>, opened: &Opened<'_>) -> Result<(), BodyError> {
        let (text, limits) = (opened.text.trim_start(), reader.context.limits);
        let Some(path) = &self.events else {
            if text.starts_with('[') {
                return reader.array(text, opened.deep, |reader, node: Node<'_>| self.event(reader, &node, &node));
            }
            let raw: &serde_json::value::RawValue =
                serde_json::from_str(text).map_err(|error| body_error(&error, limits.events))?;
            reader.single(0, raw.get(), &mut |reader, node: Node<'_>| self.event(reader, &node, &node));
            return Ok(());
        };
        if opened.deep {
            return Err(BodyError::Unreadable(format!("arrays and objects are nested deeper than {}", limits.depth)));
        }
        let top: Node<'_> = serde_json::from_str(text).map_err(|error| body_error(&error, limits.events))?;
        let Some(Node::Array(events)) = path.find(Place { top: &top, event: &top }) else {
            return Err(BodyError::Unreadable(format!("there is no array of events at {path}")));
        };
        if events.len() > limits.events {
            return Err(BodyError::TooManyEvents { events_max: limits.events });
        }
        for (index, node) in events.iter().enumerate() {
            match self.event(reader, &top, node) {
                Ok(event) => reader.take(event),
                Err(why) => reader.refuse(index, why, &node.to_string()),
            }
        }
        Ok(())
    }

    fn lines(&self, reader: &mut Reader<'_>, opened: &Opened<'_>) -> Result<(), BodyError> {
        let lines = opened.text.lines().filter(|line| !line.trim().is_empty());
        for (index, line) in lines.enumerate() {
            if index == reader.context.limits.events {
                return Err(BodyError::TooManyEvents { events_max: index });
            }
            reader.single(index, line, &mut |reader, node: Node<'_>| self.event(reader, &node, &node));
        }
        Ok(())
    }

    fn event(&self, reader: &mut Reader<'_>, top: &Node<'_>, node: &Node<'_>) -> Result<Event, Reject> {
        if !matches!(node, Node::Object(_)) {
            return Err(Reject::Malformed("an event must be a JSON object".into()));
        }
        let (place, spec, context) = (Place { top, event: node }, &self.event, reader.context);
        let name = spec.name.text(place).ok_or_else(|| Reject::Malformed("the mapping finds no name".into()))?;
        let name = reader.identity(&name);
        let received_at = context.received_at.unwrap_or_default();
        let mut event = Event::new(context.tenant.clone(), self.source(reader, place), &name, received_at);
        self.times(reader, &mut event, place)?;
        self.grade(reader, &mut event, place)?;
        event.object = object(reader, &spec.object, place)?;
        let labels = spec.labels.read(place);
        let chosen =
            spec.identity_labels.iter().filter_map(|key| Some((key.as_str(), labels.get(key.as_str())?.as_ref())));
        let identity = canonical(chosen);
        event.identity = reader.identity(&identity);
        event.labels = reader.labels(labels.iter().map(|(key, value)| (key.as_ref(), value.as_ref())));
        let annotations = spec.annotations.read(place);
        let annotations = reader.pairs(annotations.iter().map(|(key, value)| (key.as_ref(), value.as_ref())));
        event.annotations.extend(&annotations);
        self.texts(reader, &mut event, place)?;
        reader.done(event)
    }

    /// The credential's source; the mapping's own part stands below it, or alone where the credential is for all.
    fn source(&self, reader: &mut Reader<'_>, place: Place<'_, '_>) -> SourceId {
        let credential = reader.context.source;
        let Some(part) = self.event.source.as_ref().and_then(|source| source.text(place)) else {
            return credential.clone();
        };
        let part = reader.identity(&part);
        match credential.as_str() {
            "" | "*" => SourceId::from(part.as_ref()),
            above => SourceId::from(format!("{above}/{part}")),
        }
    }

    fn times(&self, reader: &mut Reader<'_>, event: &mut Event, place: Place<'_, '_>) -> Result<(), Reject> {
        let spec = &self.event;
        let starts_at = read_time(spec.starts_at.as_ref(), "starts_at", place)?;
        let observed_at = read_time(spec.observed_at.as_ref(), "observed_at", place)?;
        if reader.context.received_at.is_none() && starts_at.or(observed_at).is_none() {
            return Err(bad_time("observed_at", ""));
        }
        if let Some(at) = observed_at.or(starts_at.filter(|_| reader.context.received_at.is_none())) {
            reader.observed(event, at);
        }
        event.ends_at = read_time(spec.ends_at.as_ref(), "ends_at", place)?;
        let starts_at = starts_at.unwrap_or_else(|| reader.now(event));
        reader.start(event, starts_at)
    }

    fn grade(&self, reader: &mut Reader<'_>, event: &mut Event, place: Place<'_, '_>) -> Result<(), Reject> {
        if let Some(OrValue(severity)) = &self.event.severity {
            let named = severity.uses.as_deref().and_then(|name| reader.context.severities.named(name));
            match severity.from.text(place) {
                Some(word) => {
                    let words = severity.words.as_ref().or(named).map_or(Words::BySource(None), Words::By);
                    reader.severity(event, &word, words);
                }
                None => event.severity = severity.default.unwrap_or_default(),
            }
        }
        let Some(status) = &self.event.status else { return Ok(()) };
        event.status = match status.text(place).as_deref() {
            Some("firing") => Status::Firing,
            Some("resolved") => Status::Resolved,
            Some("change") => Status::Change,
            other => {
                let word = super::limits::shown(other.unwrap_or(""));
                return Err(Reject::Malformed(format!(
                    "status is {word}: let the mapping make firing, resolved or change of it"
                )));
            }
        };
        Ok(())
    }

    fn texts(&self, reader: &mut Reader<'_>, event: &mut Event, place: Place<'_, '_>) -> Result<(), Reject> {
        let (spec, limits) = (&self.event, reader.context.limits);
        let text = |value: &Option<Value>| -> Option<String> { Some(value.as_ref()?.text(place)?.into_owned()) };
        if let Some(id) = spec.id.as_ref().and_then(|value| value.text(place)) {
            event.id = reader.identity(&id);
        }
        if let Some(title) = spec.title.as_ref().and_then(|value| value.text(place)) {
            event.title = reader.text(&title, limits.title_chars);
        }
        if let Some(words) = spec.description.as_ref().and_then(|value| value.text(place)) {
            event.description = reader.text(&words, limits.description_chars);
        }
        event.dedup_key = reader.optional(text(&spec.dedup_key).as_deref());
        event.probable_cause = reader.optional(text(&spec.probable_cause).as_deref());
        event.specific_problem = reader.optional(text(&spec.specific_problem).as_deref());
        event.trace_id = reader.optional(text(&spec.trace_id).as_deref());
        event.proposed_repair = text(&spec.proposed_repair).map(|words| reader.text(&words, limits.description_chars));
        event.org = text(&spec.org).map(|org| OrgId::from(reader.identity(&org).as_ref()));
        event.event_type = word("event_type", text(&spec.event_type))?;
        event.signal = word("signal", text(&spec.signal))?;
        event.side = word("side", text(&spec.side))?;
        let links: Vec<Cow<'_, str>> = spec.links.iter().filter_map(|link| link.text(place)).collect();
        event.links = reader.links(links.iter().map(AsRef::as_ref));
        event.metric = spec.metric.as_ref().and_then(|metric| metric.read(place));
        Ok(())
    }
}

/// One of our own words, such as an event type.
fn word<T: for<'de> Deserialize<'de>>(field: &str, text: Option<String>) -> Result<Option<T>, Reject> {
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

impl PairsSpec {
    /// All pairs, before they are cut. What is set wins over what is copied.
    fn read<'n>(&'n self, place: Place<'n, '_>) -> BTreeMap<Cow<'n, str>, Cow<'n, str>> {
        let mut pairs = BTreeMap::new();
        for copy in &self.copy {
            copy.read(place, &mut pairs);
        }
        for (key, value) in &self.set {
            if let Some(text) = value.text(place) {
                pairs.insert(Cow::Borrowed(key.as_str()), text);
            }
        }
        pairs
    }
}

impl CopySpec {
    fn read<'n>(&'n self, place: Place<'n, '_>, pairs: &mut BTreeMap<Cow<'n, str>, Cow<'n, str>>) {
        let mut add = |key: Cow<'n, str>, value: Option<Cow<'n, str>>| {
            let wanted = self.only.as_ref().is_none_or(|only| only.iter().any(|one| *one == key));
            if let Some(value) = value.filter(|_| wanted && !self.except.iter().any(|one| *one == key)) {
                pairs.insert(key, value);
            }
        };
        match self.from.find(place) {
            Some(Node::Object(members)) => {
                for (key, value) in members {
                    add(Cow::Borrowed(key.as_ref()), value.text());
                }
            }
            Some(Node::Array(items)) => {
                for item in items {
                    if let (Some(separator), Node::Text(text)) = (&self.separator, item) {
                        if let Some((key, value)) = text.split_once(separator.as_str()) {
                            add(Cow::Borrowed(key.trim()), Some(Cow::Borrowed(value.trim())));
                        }
                    } else if let (Some(key), Some(value)) = (&self.key, &self.value)
                        && let Some(key) = item.member(key).and_then(Node::text)
                    {
                        add(key, item.member(value).and_then(Node::text));
                    }
                }
            }
            _ => {}
        }
    }
}

impl MetricSpec {
    fn read(&self, place: Place<'_, '_>) -> Option<MetricRef> {
        let text = |value: &Option<Value>| -> Option<String> { Some(value.as_ref()?.text(place)?.into_owned()) };
        let number = |value: &Option<Value>| text(value)?.trim().parse().ok().filter(|n: &f64| n.is_finite());
        Some(MetricRef {
            name: self.name.text(place)?.into_owned(),
            value: number(&self.value),
            unit: text(&self.unit),
            threshold: number(&self.threshold),
            direction: text(&self.direction),
        })
    }
}
