//! Metric points in our own JSON: one, an array, `{"points": […]}`, or one of these as the `data` of a structured CloudEvent.
//! A bad point is refused with its own reason and takes no neighbour along.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::limits::{Limits, cut_identity};
use super::reader::{AHEAD_REFUSED, bad_time, body_error, capped, open, short};
use super::times::{Moment, parse};
use super::{Body, BodyError};
use crate::domain::event::ObjectRef;
use crate::domain::label::Labels;
use crate::domain::point::{Aspect, Measure, Point, Worse};
use crate::domain::reject::Reject;
use crate::domain::time::Timestamp;

/// This decoder's name in dead letters.
pub const DECODER: &str = "metric";

/// What was read of a body.
#[derive(Debug, Default, PartialEq)]
pub struct Points {
    pub points: Vec<Point>,
    /// Places in the body, from 0, and why those points are no points.
    pub refused: Vec<(usize, Reject)>,
}

/// A reading of a series. Series are told apart by object, name and labels.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a point as a JSON object")]
#[schemars(title = "Headwater metric point, version 1")]
pub struct PointForm {
    /// The metric's name, for example `http_request_duration_seconds`.
    pub name: String,
    /// What it was measured on, as in events: at least one key.
    pub object: ObjectRef,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    pub value: f64,
    /// When it was measured. Points of a series come in this order; one that is not newer than the last is passed over.
    pub at: When,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What it shows of the object; unless given, told by the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<Aspect>,
    /// What the numbers are; unless given, told by how they look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// Where it goes when something is wrong; unless given, `either` for traffic and else `up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worse: Option<Worse>,
    /// It counts up and begins anew when its sender does, as counters of Prometheus do: its rate per second is watched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counter: bool,
}

/// RFC 3339 text, or a number since 1970 whose unit is told by its size.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`at` must be RFC 3339 text or a number since 1970")]
pub enum When {
    Text(String),
    Whole(i64),
    Fraction(f64),
}

/// A body that holds its points one level down.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    points: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    specversion: Option<IgnoredAny>,
    name: Option<IgnoredAny>,
}

/// Decodes a body that was received at this time.
///
/// # Errors
/// When nothing of it can be read.
pub fn decode(body: Body<'_>, received_at: Timestamp, limits: &Limits) -> Result<Points, BodyError> {
    let opened = open(body, limits.depth);
    if opened.deep {
        return Err(BodyError::Unreadable(format!("nested deeper than {}: flatten it", limits.depth)));
    }
    let mut out = Points::default();
    read_any(opened.text.trim(), received_at, limits, &mut out)?;
    Ok(out)
}

fn read_any(text: &str, received_at: Timestamp, limits: &Limits, out: &mut Points) -> Result<(), BodyError> {
    if text.starts_with('[') {
        let raws = capped::<&RawValue>(text, limits.events).map_err(|error| body_error(&error, limits.events))?;
        for (index, raw) in raws.into_iter().enumerate() {
            read(index, raw.get(), received_at, limits, out);
        }
        return Ok(());
    }
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| body_error(&error, limits.events))?;
    match serde_json::from_str::<Wrapped<'_>>(whole.get()) {
        Ok(Wrapped { points: Some(points), name: None, .. }) => read_any(points.get(), received_at, limits, out),
        Ok(Wrapped { data: Some(data), specversion: Some(_), .. }) => read_any(data.get(), received_at, limits, out),
        Ok(_) | Err(_) => {
            read(0, whole.get(), received_at, limits, out);
            Ok(())
        }
    }
}

fn read(index: usize, raw: &str, received_at: Timestamp, limits: &Limits, out: &mut Points) {
    let form = serde_json::from_str::<PointForm>(raw).map_err(|error| Reject::Malformed(error.to_string()));
    match form.and_then(|form| form.point(received_at, limits)) {
        Ok(point) => out.points.push(point),
        Err(why) => out.refused.push((index, short(why))),
    }
}

impl PointForm {
    fn point(self, received_at: Timestamp, limits: &Limits) -> Result<Point, Reject> {
        let identity = |text: String| cut_identity(&text, limits.identity_chars).unwrap_or(text);
        if self.name.is_empty() {
            return Err(Reject::Malformed("name is empty: give the metric's name".into()));
        }
        if self.object.keys_in_order().all(str::is_empty) {
            return Err(Reject::Malformed("object has no key: give ci_id, name, ip or one of keys".into()));
        }
        if self.labels.len() > limits.labels {
            let why = format!(
                "{} labels are more than {}: they tell series apart, keep few",
                self.labels.len(),
                limits.labels
            );
            return Err(Reject::TooLarge(why));
        }
        let at = self.at.read()?;
        if at.since(received_at) > AHEAD_REFUSED {
            let why = format!("at {at} is more than 24 hours ahead of us ({received_at}): set the source's clock");
            return Err(Reject::BadTime(why));
        }
        let ObjectRef { ci_id, class, name, ip, keys } = self.object;
        let some = |text: Option<String>| text.filter(|text| !text.is_empty()).map(identity);
        let [ci_id, class, object_name, ip] = [ci_id, class, name, ip].map(some);
        let keys = keys.into_iter().take(16).map(|(key, value)| (identity(key), identity(value))).collect();
        let labels: Vec<(String, String)> =
            self.labels.into_iter().map(|(key, value)| (identity(key), identity(value))).collect();
        Ok(Point {
            name: identity(self.name).into(),
            object: ObjectRef { ci_id, class, name: object_name, ip, keys },
            labels: Labels::of(labels.iter().map(|(key, value)| (key.as_str(), value.as_str()))),
            value: self.value,
            at,
            unit: self.unit.map(|unit| identity(unit).into()),
            aspect: self.aspect,
            measure: self.measure,
            worse: self.worse,
            is_counter: self.counter,
        })
    }
}

impl When {
    fn read(&self) -> Result<Timestamp, Reject> {
        match self {
            Self::Text(text) => parse(text).ok_or_else(|| bad_time("at", text)),
            Self::Whole(n) => Moment::Whole(*n).read("at"),
            Self::Fraction(n) => Moment::Fraction(*n).read("at"),
        }
    }
}

impl From<&Point> for PointForm {
    fn from(point: &Point) -> Self {
        Self {
            name: point.name.to_string(),
            object: point.object.clone(),
            labels: point.labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            value: point.value,
            at: When::Text(point.at.to_string()),
            unit: point.unit.as_deref().map(str::to_owned),
            aspect: point.aspect,
            measure: point.measure,
            worse: point.worse,
            counter: point.is_counter,
        }
    }
}

/// Points as a body that `decode` reads.
pub fn encode(points: &[Point]) -> Vec<u8> {
    let forms: Vec<PointForm> = points.iter().map(PointForm::from).collect();
    serde_json::to_vec(&forms).expect("a point has text keys and finite numbers only")
}

/// The published schema: file name and text.
pub fn schema() -> (&'static str, String) {
    let schema = schemars::schema_for!(PointForm);
    ("point.v1.json", serde_json::to_string_pretty(&schema).expect("a schema has text keys only") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        r#"{"name":"cpu","object":{"name":"web"},"labels":{"core":"0"},"value":0.5,"at":"2026-01-05T00:00:00Z"}"#;

    fn decoded(text: &str) -> Result<Points, BodyError> {
        decode(Body::from(text.as_bytes()), Timestamp::parse("2026-01-05T00:01:00Z").unwrap(), &Limits::MODEL)
    }

    #[test]
    fn one_several_wrapped_and_in_a_cloudevent_are_the_same() {
        let one = decoded(ONE).unwrap();
        assert_eq!((one.points.len(), &*one.points[0].name, one.points[0].value), (1, "cpu", 0.5));
        for text in [
            format!("[{ONE}]"),
            format!(r#"{{"points":[{ONE}]}}"#),
            format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"headwater.metric.v1","data":[{ONE}]}}"#),
        ] {
            assert_eq!(decoded(&text).unwrap(), one, "{text}");
        }
        let written = String::from_utf8(encode(&one.points)).unwrap();
        assert_eq!(decoded(&written).unwrap(), one, "{written}");
    }

    #[test]
    fn a_bad_point_is_told_by_its_place_and_takes_no_other_along() {
        let bad = [
            ("7", "a point as a JSON object"),
            (r#"{"name":"cpu","object":{"name":"a"},"value":"high","at":1}"#, "invalid type: string"),
            (r#"{"name":"cpu","object":{},"value":1,"at":1}"#, "object has no key"),
            (r#"{"name":"cpu","object":{"name":"a"},"value":1}"#, "missing field `at`"),
            (r#"{"name":"cpu","object":{"name":"a"},"value":1,"at":[]}"#, "RFC 3339"),
            (r#"{"name":"cpu","object":{"name":"a"},"value":1,"at":"2030-01-01T00:00:00Z"}"#, "24 hours ahead"),
            (r#"{"name":"cpu","object":{"name":"a"},"value":1e999,"at":1}"#, "out of range"),
            (r#"{"name":"cpu","object":{"name":"a"},"value":1,"at":1,"vlaue":2}"#, "vlaue"),
        ];
        for (text, said) in bad {
            let read = decoded(&format!("[{ONE},{text},{ONE}]")).unwrap();
            assert_eq!((read.points.len(), read.refused.len(), read.refused[0].0), (2, 1, 1), "{text}");
            assert!(read.refused[0].1.detail().contains(said), "{text}: {:?}", read.refused);
        }
        assert!(decoded("{").is_err() && decoded(&"[".repeat(100)).is_err());
    }
}
