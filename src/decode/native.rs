//! Our own JSON: one event, an array of events, or `{"events": […]}`. Unknown fields reject the event by name, so
//! that a misspelt field is noticed on the first day and not after the first incident.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{Node, Pairs, Str};
use super::points::When;
use super::reader::{Reader, bad_time, body_error, open};
use super::severity::{Words, from_otel_number};
use super::times::Moment;
use super::{Body, BodyError, Context, Decoded};
use crate::domain::event::{Event, EventType, MetricRef, ObjectRef, Side, Signal, Status};
use crate::domain::ids::OrgId;
use crate::domain::reject::{NATIVE, Reject};

/// This decoder's name in dead letters.
pub const DECODER: &str = NATIVE;

/// An event as it is written. Also the `data` of our CloudEvents.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an event as a JSON object")]
#[schemars(title = "Headwater event, version 1", rename = "Event")]
pub(super) struct Written<'a> {
    /// Told apart by it from others of the source: the same one again is a duplicate.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    pub id: Option<Str<'a>>,
    /// Unless given, `firing`.
    pub status: Option<Status>,
    /// `critical`, `major`, `minor`, `warning`, `indeterminate`, `cleared`, or a word of the source's severity map.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    pub severity: Option<Str<'a>>,
    /// The source's own word for it, for people to read.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    source_severity: Option<Str<'a>>,
    /// What kind of alert it is: the same word for the same condition on every object.
    #[serde(borrow)]
    #[schemars(with = "String", required)]
    pub name: Option<Str<'a>>,
    /// One line for people.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    title: Option<Str<'a>>,
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    description: Option<Str<'a>>,
    /// What it is about: at least one key.
    pub object: Option<ObjectRef>,
    /// What tells alerts apart and is matched by rules.
    #[serde(borrow)]
    #[schemars(with = "Option<BTreeMap<String, Option<String>>>")]
    labels: Option<Pairs<'a>>,
    /// What people read beside it.
    #[serde(borrow)]
    #[schemars(with = "Option<BTreeMap<String, Option<String>>>")]
    annotations: Option<Pairs<'a>>,
    /// When it began; of a resolved alert when it had begun.
    #[serde(borrow)]
    #[schemars(with = "When", required)]
    pub starts_at: Option<Moment<'a>>,
    /// When it ended.
    #[serde(borrow)]
    #[schemars(with = "Option<When>")]
    ends_at: Option<Moment<'a>>,
    /// It ends by itself then, unless it is sent again.
    #[serde(borrow)]
    #[schemars(with = "Option<When>")]
    expires_at: Option<Moment<'a>>,
    /// When the source saw it; unless given, when it came in.
    #[serde(borrow)]
    #[schemars(with = "Option<When>")]
    observed_at: Option<Moment<'a>>,
    /// Who has acknowledged it at the source: its incident is acknowledged here, too.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    acknowledged_by: Option<Str<'a>>,
    /// Events of one key are one alert; unless given, it is made of source, name, object and labels.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    dedup_key: Option<Str<'a>>,
    event_type: Option<EventType>,
    /// As in ITU-T X.733.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    probable_cause: Option<Str<'a>>,
    /// As in ITU-T X.733.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    specific_problem: Option<Str<'a>>,
    signal: Option<Signal>,
    side: Option<Side>,
    /// The reading behind it.
    metric: Option<MetricRef>,
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    trace_id: Option<Str<'a>>,
    /// Addresses that people open: a runbook, a dashboard.
    #[serde(borrow)]
    #[schemars(with = "Option<Vec<String>>")]
    links: Option<Vec<Str<'a>>>,
    /// The organisation whose it is; unless given, that of its CI.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    org: Option<Str<'a>>,
    /// What to do about it.
    #[serde(borrow)]
    #[schemars(with = "Option<String>")]
    proposed_repair: Option<Str<'a>>,
    // Fields of the model that decide nothing here: kept as annotations under their own names.
    #[serde(borrow)]
    #[schemars(with = "Option<Value>")]
    anomaly: Option<Node<'a>>,
    #[serde(borrow)]
    #[schemars(with = "Option<Value>")]
    span_id: Option<Node<'a>>,
    #[serde(borrow)]
    #[schemars(with = "Option<Value>")]
    area: Option<Node<'a>>,
    #[serde(borrow)]
    #[schemars(with = "Option<Value>")]
    env: Option<Node<'a>>,
    #[serde(borrow)]
    #[schemars(with = "Option<Value>")]
    trend: Option<Node<'a>>,
    #[serde(borrow)]
    #[schemars(with = "Option<Value>")]
    backed_up: Option<Node<'a>>,
    #[serde(borrow)]
    #[schemars(with = "Option<Value>")]
    backup_object: Option<Node<'a>>,
    #[serde(borrow)]
    #[schemars(with = "Option<Value>")]
    raw: Option<Node<'a>>,
}

/// A body that holds its events one level down; whatever stands beside them is ignored.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    name: Option<IgnoredAny>,
}

/// The published schema: file name and text.
pub fn schema() -> (&'static str, String) {
    let schema = schemars::schema_for!(Written<'_>);
    ("event.v1.json", serde_json::to_string_pretty(&schema).expect("a schema has text keys only") + "\n")
}

/// Decodes a body.
pub fn decode(body: Body<'_>, context: &Context<'_>) -> Result<Decoded, BodyError> {
    let opened = open(body, context.limits.depth);
    let mut reader = Reader::new(context, DECODER);
    let text = opened.text.trim_start();
    if text.starts_with('[') {
        reader.array(text, opened.deep, read)?;
        return Ok(reader.finish(&opened));
    }
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| body_error(&error, context.limits.events))?;
    match serde_json::from_str::<Wrapped<'_>>(whole.get()) {
        Ok(Wrapped { events: Some(events), name: None }) => reader.array(events.get(), opened.deep, read)?,
        Ok(_) | Err(_) => reader.single(0, whole.get(), &mut read),
    }
    Ok(reader.finish(&opened))
}

fn read(reader: &mut Reader<'_>, written: Written<'_>) -> Result<Event, Reject> {
    written.event(reader)
}

/// The text, or the empty text.
pub(super) fn plain<'t>(text: &'t Option<Str<'_>>) -> &'t str {
    text.as_ref().map_or("", |text| text.0.as_ref())
}

impl<'a> Written<'a> {
    /// Makes the event of it.
    pub fn event(self, reader: &mut Reader<'_>) -> Result<Event, Reject> {
        let (context, limits) = (reader.context, reader.context.limits);
        let name = reader.identity(plain(&self.name));
        let received_at = context.received_at.unwrap_or_default();
        let mut event = Event::new(context.tenant.clone(), context.source.clone(), &name, received_at);
        event.id = reader.identity(plain(&self.id));
        event.status = self.status.unwrap_or_default();
        self.times(reader, &mut event)?;
        reader.severity(&mut event, plain(&self.severity), Words::Ours);
        if let Some(word) = &self.source_severity {
            event.source_severity = reader.text(&word.0, limits.label_key_chars);
        }
        event.title = reader.text(plain(&self.title), limits.title_chars);
        event.description = reader.text(plain(&self.description), limits.description_chars);
        self.pairs(reader, &mut event);
        event.acknowledged_by = reader.optional(Some(plain(&self.acknowledged_by)));
        event.dedup_key = reader.optional(Some(plain(&self.dedup_key)));
        event.event_type = self.event_type;
        event.probable_cause = reader.optional(Some(plain(&self.probable_cause)));
        event.specific_problem = reader.optional(Some(plain(&self.specific_problem)));
        (event.signal, event.side) = (self.signal, self.side);
        event.trace_id = reader.optional(Some(plain(&self.trace_id)));
        event.links = reader.links(self.links.iter().flatten().map(|link| link.0.as_ref()));
        event.org = self.org.as_ref().map(|org| OrgId::from(reader.identity(&org.0).as_ref()));
        event.proposed_repair =
            self.proposed_repair.as_ref().map(|words| reader.text(&words.0, limits.description_chars));
        event.object = bounded_object(reader, self.object.unwrap_or_default())?;
        event.metric = self.metric.map(|metric| bounded_metric(reader, metric));
        reader.done(event)
    }

    fn times(&self, reader: &mut Reader<'_>, event: &mut Event) -> Result<(), Reject> {
        let read = |field, at: &Option<Moment<'a>>| at.as_ref().map(|at| at.read(field)).transpose();
        let Some(starts_at) = read("starts_at", &self.starts_at)? else {
            return Err(bad_time("starts_at", ""));
        };
        let observed_at = read("observed_at", &self.observed_at)?;
        if let Some(at) = observed_at.or(Some(starts_at).filter(|_| reader.context.received_at.is_none())) {
            reader.observed(event, at);
        }
        event.ends_at = read("ends_at", &self.ends_at)?;
        event.expires_at = read("expires_at", &self.expires_at)?;
        reader.start(event, starts_at)
    }

    fn pairs(&self, reader: &mut Reader<'_>, event: &mut Event) {
        let others = [
            ("anomaly", &self.anomaly),
            ("area", &self.area),
            ("backed_up", &self.backed_up),
            ("backup_object", &self.backup_object),
            ("env", &self.env),
            ("raw", &self.raw),
            ("span_id", &self.span_id),
            ("trend", &self.trend),
        ];
        let others: Vec<(&str, Cow<'_, str>)> =
            others.into_iter().filter_map(|(key, node)| Some((key, node.as_ref()?.text()?))).collect();
        event.labels = reader.labels(self.labels.iter().flat_map(Pairs::iter));
        // Written annotations win over a field of the same name.
        let others = others.iter().map(|(key, value)| (*key, value.as_ref()));
        let mut annotations = reader.pairs(others);
        annotations.extend(reader.pairs(self.annotations.iter().flat_map(Pairs::iter)));
        event.annotations.extend(&annotations);
    }

    /// Fills in a severity where the event has none: OpenTelemetry's number, or else the sender's word.
    pub fn default_severity(&mut self, number: Option<u8>, word: &'a str) {
        if self.severity.is_none() && (number.is_some() || !word.is_empty()) {
            let by_number = number.map(|number| from_otel_number(number).as_str());
            self.severity = Some(Str(Cow::Borrowed(by_number.unwrap_or(word))));
            self.source_severity = Some(Str(Cow::Borrowed(word))).filter(|word| !word.0.is_empty());
        }
    }
}

/// The object with each key as identity; an error when there is no key.
fn bounded_object(reader: &mut Reader<'_>, object: ObjectRef) -> Result<ObjectRef, Reject> {
    if object.keys_in_order().all(str::is_empty) {
        return Err(Reject::Malformed("object has no key: give ci_id, name, ip or one of keys".into()));
    }
    let mut short = |text: String| match reader.identity(&text) {
        same if *same == *text => text,
        cut => cut.into_string(),
    };
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let [ci_id, class, name, ip] =
        [object.ci_id, object.class, object.name, object.ip].map(|text| some(text).map(&mut short));
    let keys = object.keys.into_iter().filter(|(_, value)| !value.is_empty()).take(16);
    let keys = keys.map(|(key, value)| (short(key), short(value))).collect();
    Ok(ObjectRef { ci_id, class, name, ip, keys })
}

fn bounded_metric(reader: &mut Reader<'_>, mut metric: MetricRef) -> MetricRef {
    metric.name = reader.identity(&metric.name).into_string();
    for text in [&mut metric.unit, &mut metric.direction].into_iter().flatten() {
        let short: Box<str> = reader.text(text, 64);
        *text = short.into_string();
    }
    metric
}
