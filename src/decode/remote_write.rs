//! What Prometheus writes to others (remote write, version 1): protobuf in snappy, as points. What counts up (`…_total`, `…_sum`,
//! `…_count`) is turned into a rate where its series is watched; buckets of histograms and marks of series that ended are left out.

use prost::Message;

use super::points::Points;
use super::reader::{AHEAD_REFUSED, short};
use crate::domain::event::ObjectRef;
use crate::domain::label::Labels;
use crate::domain::point::Point;
use crate::domain::reject::Reject;
use crate::domain::time::Timestamp;

/// This decoder's name.
pub const DECODER: &str = "remote-write";
/// Labels of a series that count; more are refused.
const LABELS_MAX: usize = 50;
/// Characters of a name or value.
const CHARS_MAX: usize = 255;
/// Labels that name what was measured, best first.
const OBJECTS: [&str; 6] = ["instance", "host", "hostname", "pod", "node", "container"];

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp_ms: i64,
}

/// Decodes an unpacked body. What is left out on purpose is neither a point nor refused; the places are those of series.
///
/// # Errors
/// When it is no such message.
pub fn decode(body: &[u8], received_at: Timestamp) -> Result<Points, String> {
    let request = WriteRequest::decode(body).map_err(|error| {
        format!("no WriteRequest of Prometheus's remote write, version 1: {error}; set protobuf_message to prometheus.WriteRequest")
    })?;
    let mut out = Points::default();
    for (n, series) in request.series.into_iter().enumerate() {
        let samples = series.samples;
        match head(series.labels) {
            Ok(Some(head)) => {
                for sample in samples.into_iter().filter(|sample| sample.value.is_finite()) {
                    let at = Timestamp(sample.timestamp_ms);
                    if at.since(received_at) > AHEAD_REFUSED {
                        let why = format!("at {at} is more than 24 hours ahead of us ({received_at}): set the clock");
                        out.refused.push((n, short(Reject::BadTime(why))));
                        break;
                    }
                    out.points.push(Point { value: sample.value, at, ..head.clone() });
                }
            }
            Ok(None) => {}
            Err(why) => out.refused.push((n, short(why))),
        }
    }
    Ok(out)
}

/// A point of the series without value and time; `None` for one that is left out.
fn head(labels: Vec<Label>) -> Result<Option<Point>, Reject> {
    let is_long = |text: &str| text.len() > CHARS_MAX && text.chars().count() > CHARS_MAX;
    if labels.len() > LABELS_MAX || labels.iter().any(|one| is_long(&one.name) || is_long(&one.value)) {
        let why = format!(
            "more than {LABELS_MAX} labels, or one of more than {CHARS_MAX} characters: drop it by write_relabel_configs"
        );
        return Err(Reject::TooLarge(why));
    }
    let of = |name: &str| labels.iter().find(|one| one.name == name).map(|one| one.value.as_str());
    let name = of("__name__").filter(|name| !name.is_empty());
    let name: Box<str> = name.ok_or_else(|| Reject::Malformed("a series without __name__".into()))?.into();
    if name.ends_with("_bucket") && of("le").is_some() {
        return Ok(None);
    }
    let object = OBJECTS.iter().find_map(|label| Some((*label, of(label).filter(|value| !value.is_empty())?)));
    let Some((key, value)) = object else {
        let why = format!("{name} has none of the labels {}: add one by write_relabel_configs", OBJECTS.join(", "));
        return Err(Reject::Malformed(why));
    };
    let is_counter = ["_total", "_sum", "_count"].iter().any(|end| name.ends_with(end));
    let others = labels.iter().filter(|one| one.name != "__name__" && one.name != key);
    Ok(Some(Point {
        object: named(value),
        labels: Labels::of(others.map(|one| (one.name.as_str(), one.value.as_str()))),
        name,
        value: 0.0,
        at: Timestamp(0),
        unit: None,
        aspect: None,
        measure: None,
        worse: None,
        is_counter,
    }))
}

/// An address without its port: as an IP where it is one.
fn named(instance: &str) -> ObjectRef {
    let bare =
        instance.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let host = bare.map_or(instance, |(host, _)| host).trim_matches(['[', ']']);
    if host.parse::<std::net::IpAddr>().is_ok() {
        return ObjectRef { ip: Some(host.to_owned()), ..ObjectRef::default() };
    }
    ObjectRef { name: Some(host.to_owned()), ..ObjectRef::default() }
}

/// A series: its labels, a value and its time.
pub type Written<'a> = (&'a [(&'a str, &'a str)], f64, Timestamp);

/// A body as Prometheus would send it, unpacked.
pub fn encode(series: &[Written<'_>]) -> Vec<u8> {
    let one = |(labels, value, at): &Written<'_>| TimeSeries {
        labels: labels.iter().map(|(name, value)| Label { name: (*name).into(), value: (*value).into() }).collect(),
        samples: vec![Sample { value: *value, timestamp_ms: at.0 }],
    };
    WriteRequest { series: series.iter().map(one).collect() }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_767_225_600_000);

    #[test]
    fn series_become_points_of_their_instance() {
        let body = encode(&[
            (&[("__name__", "node_load1"), ("instance", "10.0.0.1:9100"), ("job", "node")], 0.5, NOW),
            (&[("__name__", "http_requests_total"), ("instance", "web-1:80"), ("code", "200")], 7.0, NOW),
            (&[("__name__", "latency_bucket"), ("instance", "web-1:80"), ("le", "0.1")], 7.0, NOW),
            (&[("__name__", "up"), ("instance", "web-1")], f64::NAN, NOW),
            (&[("instance", "web-1")], 1.0, NOW),
            (&[("__name__", "up"), ("job", "x")], 1.0, NOW),
            (&[("__name__", "up"), ("instance", "a")], 1.0, NOW.plus(AHEAD_REFUSED).plus(AHEAD_REFUSED)),
        ]);
        let read = decode(&body, NOW).unwrap();
        let told: Vec<String> = read
            .points
            .iter()
            .map(|point| {
                let labels: Vec<String> = point.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!(
                    "{} {} {} {} {}",
                    point.object.label(),
                    point.name,
                    labels.join(","),
                    point.value,
                    point.is_counter
                )
            })
            .collect();
        assert_eq!(told, ["10.0.0.1 node_load1 job=node 0.5 false", "web-1 http_requests_total code=200 7 true"]);
        assert_eq!(read.points[0].object.ip.as_deref(), Some("10.0.0.1"));
        let why: Vec<(usize, &str)> = read.refused.iter().map(|(n, why)| (*n, why.word())).collect();
        assert_eq!(why, [(4, "malformed"), (5, "malformed"), (6, "bad_time")]);
        assert!(read.refused[1].1.detail().contains("write_relabel_configs"));
        assert!(decode(b"{}", NOW).unwrap_err().contains("version 1"));
    }
}
