//! CloudEvents 1.0 over HTTP: structured (one event), batched (an array) and binary (attributes in `ce-*` headers).
//! `data` is an event of our own JSON; `id` within a CloudEvents `source` is the event's id.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{Node, Pairs, Str};
use super::limits::shown;
use super::native::{Written, plain};
use super::reader::{Reader, body_error, open};
use super::times::Moment;
use super::{Body, BodyError, Context, Decoded};
use crate::domain::event::{Event, ObjectRef, Status};
use crate::domain::label::Labels;
use crate::domain::reject::Reject;

/// This decoder's name in dead letters.
pub const DECODER: &str = "cloudevents";

/// The attributes of the specification; all others are extensions, which become annotations.
const ATTRIBUTES: [&str; 10] = [
    "data_base64",
    "datacontenttype",
    "dataschema",
    "id",
    "severitynumber",
    "severitytext",
    "source",
    "specversion",
    "subject",
    "type",
];

/// A CloudEvent: its attributes, sorted, and its data.
struct Envelope<'a> {
    attributes: Pairs<'a>,
    data: Option<Written<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let (mut attributes, mut data) = (Vec::with_capacity(8), None);
        while let Some(Str(key)) = map.next_key()? {
            if key == "data" {
                if data.is_some() {
                    return Err(A::Error::duplicate_field("data"));
                }
                data = Some(map.next_value()?);
                continue;
            }
            let value = match map.next_value::<Node<'de>>()? {
                Node::Null => continue,
                Node::Text(text) => text,
                Node::Array(_) | Node::Object(_) => {
                    return Err(A::Error::custom(format_args!("attribute {} is not a plain value", shown(&key))));
                }
                plain => Cow::Owned(plain.to_string()),
            };
            attributes.push((key, value));
        }
        attributes.sort_unstable();
        match attributes.windows(2).find(|two| two[0].0 == two[1].0) {
            Some(two) => Err(A::Error::custom(format_args!("attribute {} is given twice", shown(&two[0].0)))),
            None => Ok(Envelope { attributes: Pairs(attributes), data }),
        }
    }
}

/// Decodes a structured or batched body.
pub fn decode(body: Body<'_>, context: &Context<'_>) -> Result<Decoded, BodyError> {
    let opened = open(body, context.limits.depth);
    let mut reader = Reader::new(context, DECODER);
    let text = opened.text.trim_start();
    if text.starts_with('[') {
        reader.array(text, opened.deep, read)?;
    } else {
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| body_error(&error, context.limits.events))?;
        reader.single(0, whole.get(), &mut read);
    }
    Ok(reader.finish(&opened))
}

/// Decodes binary mode: the `ce-*` headers by their names without `ce-`, and the data. It is made structured first,
/// so that a dead letter has all of it.
pub fn decode_binary(headers: &[(&str, &str)], body: Body<'_>, context: &Context<'_>) -> Result<Decoded, BodyError> {
    let opened = open(body, context.limits.depth);
    let mut reader = Reader::new(context, DECODER);
    let data: &RawValue =
        serde_json::from_str(&opened.text).map_err(|error| body_error(&error, context.limits.events))?;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut structured = String::from("{");
    for (name, value) in headers {
        structured += &format!("{}:{},", quoted(&name.to_ascii_lowercase()), quoted(&percent_decoded(value)));
    }
    structured += &format!("\"data\":{}}}", data.get());
    reader.single(0, &structured, &mut read);
    Ok(reader.finish(&opened))
}

/// Header values carry other characters than printable ASCII as `%XX` of their UTF-8.
fn percent_decoded(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(value.len()), value.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|two| hex::decode(two).ok());
        bytes.push(hex.as_ref().map_or(*first, |byte| byte[0]));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn read(reader: &mut Reader<'_>, envelope: Envelope<'_>) -> Result<Event, Reject> {
    let Envelope { attributes, data } = envelope;
    if attributes.get("specversion") != "1.0" {
        let version = shown(attributes.get("specversion"));
        return Err(Reject::Malformed(format!("specversion is {version}: send CloudEvents 1.0")));
    }
    for required in ["id", "source", "type"] {
        if attributes.get(required).is_empty() {
            return Err(Reject::Malformed(format!("attribute {required} is missing")));
        }
    }
    let Some(mut data) = data else {
        return Err(Reject::Malformed(
            "data is missing: send the event there as JSON (data_base64 is not read)".into(),
        ));
    };
    let status = status(attributes.get("type"), data.status)?;
    data.status = Some(status);
    complete(&mut data, &attributes, status);
    let written_id = data.id.take();
    let mut event = data.event(reader)?;
    event.id = reader.identity(&format!("{}#{}", attributes.get("source"), attributes.get("id")));
    let extensions = attributes.iter().filter(|(key, _)| *key != "time" && ATTRIBUTES.binary_search(key).is_err());
    let own = [("ce_source", attributes.get("source")), ("data_id", plain(&written_id))];
    let annotations = reader.pairs(extensions.chain(own));
    event.annotations = Labels::of(annotations.into_iter().chain(event.annotations.iter()));
    if event.trace_id.is_none() {
        event.trace_id = trace_id(attributes.get("traceparent")).map(Into::into);
    }
    reader.done(event)
}

/// What the type says; the data may not say otherwise.
fn status(kind: &str, written: Option<Status>) -> Result<Status, Reject> {
    let status = match kind {
        "headwater.event.raised.v1" => Status::Firing,
        "headwater.event.cleared.v1" => Status::Resolved,
        "headwater.event.updated.v1" => written.unwrap_or_default(),
        "headwater.change.v1" => Status::Change,
        other => {
            return Err(Reject::Malformed(format!(
                "type is {}: send headwater.event.raised.v1, .cleared.v1, .updated.v1 or headwater.change.v1",
                shown(other)
            )));
        }
    };
    match written {
        Some(written) if written != status => {
            Err(Reject::Malformed(format!("data.status contradicts the type {kind}: leave it out or correct it")))
        }
        _ => Ok(status),
    }
}

/// Takes from the attributes what the data lacks.
fn complete<'t>(data: &mut Written<'t>, attributes: &'t Pairs<'_>, status: Status) {
    let some = |key| Some(attributes.get(key)).filter(|text| !text.is_empty());
    if data.starts_at.is_none() {
        data.starts_at = some("time").map(|time| Moment::Text(Cow::Borrowed(time)));
    }
    if data.object.is_none() {
        data.object = some("subject").map(|name| ObjectRef { name: Some(name.into()), ..ObjectRef::default() });
    }
    if data.name.is_none() && status == Status::Change {
        data.name = Some(Str(Cow::Borrowed("change")));
    }
    data.default_severity(attributes.get("severitynumber").parse().ok(), attributes.get("severitytext"));
}

/// The trace of a W3C `traceparent`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let id = traceparent.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_decoded_once() {
        assert_eq!(percent_decoded("/%E6%9C%BA%E6%88%BF%2520 50% %zz"), "/机房%20 50% %zz");
    }

    #[test]
    fn the_list_of_attributes_is_sorted() {
        assert!(ATTRIBUTES.is_sorted());
    }
}
