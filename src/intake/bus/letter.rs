//! One message: whose it is by its subject, how it is written by its headers, and an id for every event in it. What
//! cannot be read becomes a dead letter; it was accepted from the publisher, so it is never simply dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};

use async_nats::jetstream::Message;
use async_nats::{HeaderMap, HeaderName};
use memchr::memmem;

use crate::decode::mapping::Shape;
use crate::decode::{Body, Decoded, Rejected};
use crate::domain::event::Status;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::reject::{DeadLetter, Reject};
use crate::domain::time::Timestamp;
use crate::engine::input::Command;
use crate::intake::body::{TEST, test_word};
use crate::intake::format::{Format, Sender};
use crate::intake::registry::Delivered;
use crate::intake::{Intake, deeds};

/// The last words of the subjects that are taken: events, and changes that somebody made.
pub const KINDS: [&str; 2] = ["event", "change"];

/// The header that names a mapping file for JSON of another kind.
const MAPPING: &str = "Headwater-Mapping";

/// What a message's subject and place say.
struct Envelope {
    sender: Sender,
    is_change: bool,
    /// The same for every delivery of the message, another one for every other message.
    id: String,
    /// The word of whoever tries the way here.
    test: Option<Box<str>>,
}

/// Decodes a message; every event of it has an id afterwards. Beside it the orders of its sender, each with an id of its own.
pub fn open(intake: &Intake, tenant: &TenantId, message: &Message) -> (Decoded, Vec<Command>) {
    let envelope = Envelope::read(tenant, message, (intake.now)());
    let format = format(message.headers.as_ref(), &message.payload);
    let mut decoded = decode(intake, &format, &envelope, &message.payload);
    let Sender { tenant, source, received_at } = &envelope.sender;
    let seen = Delivered { at: *received_at, format: format.decoder(), body: &message.payload, decoded: &decoded };
    intake.registry.saw(tenant, source, &seen);
    let is_alone = decoded.events.len() == 1;
    for (index, event) in decoded.events.iter_mut().enumerate() {
        event.test = envelope.test.clone();
        if envelope.is_change {
            event.status = Status::Change;
        }
        if event.id.is_empty() {
            let id = if is_alone { envelope.id.clone() } else { format!("{}#{index}", envelope.id) };
            event.id = id.chars().take(intake.limits.identity_chars).collect::<String>().into();
        }
    }
    let orders = std::mem::take(&mut decoded.orders);
    // Nothing comes of a test.
    let orders = if envelope.test.is_some() { Vec::new() } else { orders };
    let commands = deeds::commands((tenant, source), &envelope.id, orders);
    (decoded, commands)
}

fn decode(intake: &Intake, format: &Format, envelope: &Envelope, bytes: &[u8]) -> Decoded {
    let bytes_max = intake.settings.batch_bytes_max;
    if bytes.len() > bytes_max {
        let why = format!("{} bytes are more than {bytes_max}: send fewer events at once", bytes.len());
        return dead(intake, format, envelope, bytes, Reject::TooLarge(why));
    }
    let Sender { tenant, source, received_at } = &envelope.sender;
    if !intake.registry.is_enabled(tenant, source, *received_at) {
        let why = "this source is switched off: switch it on and try the dead letter again";
        return dead(intake, format, envelope, bytes, Reject::OverLimit(why.to_owned()));
    }
    let decode = || intake.decode(format, &envelope.sender, Body { bytes, charset: None });
    // A decoder that panics would meet the same message again and again.
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(decoded)) => decoded,
        Ok(Err(error)) => dead(intake, format, envelope, bytes, Reject::Malformed(error.to_string())),
        Err(_) => {
            let why = "the decoder broke on it; please report it with this message".to_owned();
            dead(intake, format, envelope, bytes, Reject::Malformed(why))
        }
    }
}

fn dead(intake: &Intake, format: &Format, envelope: &Envelope, bytes: &[u8], why: Reject) -> Decoded {
    let kept = &bytes[..bytes.len().min(intake.limits.raw_bytes)];
    let letter = DeadLetter {
        source: envelope.sender.source.clone(),
        why,
        raw: String::from_utf8_lossy(kept).into(),
        decoder: format.decoder().into(),
        received_at: envelope.sender.received_at,
    };
    Decoded { rejected: vec![Rejected { index: 0, letter }], ..Decoded::default() }
}

/// Who writes a subject, `src.<tenant>.<source>.<kind>`.
pub fn source(subject: &str) -> SourceId {
    SourceId::from(subject.split('.').nth(2).unwrap_or_default())
}

impl Envelope {
    /// The server lets a publisher write its own subject only, so the subject is who it is.
    fn read(tenant: &TenantId, message: &Message, now: Timestamp) -> Self {
        let source = source(&message.subject);
        let is_change = message.subject.split('.').nth(3) == Some("change");
        let (seq, stored_at) = message
            .info()
            .map_or((0, 0), |info| (info.stream_sequence, info.published.timestamp_nanos_opt().unwrap_or_default()));
        let given = message.headers.as_ref().and_then(|headers| headers.get(async_nats::header::NATS_MESSAGE_ID));
        let id = match given {
            Some(id) => id.to_string(),
            // A stream that is made anew counts from 1 again, but not at the same nanosecond.
            None => format!("nats-{seq}-{stored_at}"),
        };
        let received_at = Timestamp(stored_at / 1_000_000).min(now);
        let test = message.headers.as_ref().and_then(|headers| test_word(&header(headers, TEST)?));
        Self { sender: Sender { tenant: tenant.clone(), source, received_at }, is_change, id, test }
    }
}

/// How a message is written: as its headers say, else as it looks.
fn format(headers: Option<&HeaderMap>, body: &[u8]) -> Format {
    let Some(headers) = headers else { return by_look(body) };
    let find = |name: &str| header(headers, name);
    if let Some(mapping) = find(MAPPING) {
        let is_lines = find("Content-Type").is_some_and(|media| media.contains("ndjson") || media.contains("jsonl"));
        return Format::Mapping(mapping, if is_lines { Shape::Lines } else { Shape::Json });
    }
    if find("Content-Type")
        .is_some_and(|media| media.trim().to_ascii_lowercase().starts_with("application/cloudevents"))
    {
        return Format::CloudEvents;
    }
    if find("ce-specversion").is_some() {
        let attribute = |(key, values): (&HeaderName, &Vec<async_nats::HeaderValue>)| {
            let key = AsRef::<str>::as_ref(key).to_ascii_lowercase();
            Some((key.strip_prefix("ce-")?.to_owned(), values.first()?.to_string()))
        };
        let mut attributes: Vec<_> = headers.iter().filter_map(attribute).collect();
        attributes.sort();
        return Format::CloudEventsBinary(attributes);
    }
    by_look(body)
}

/// The first value of a header, in whatever case its name is written.
fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let named = headers.iter().find(|(key, _)| AsRef::<str>::as_ref(*key).eq_ignore_ascii_case(name));
    named.and_then(|(_, values)| values.first()).map(ToString::to_string)
}

/// A CloudEvent without a header says itself what it is: no other format of ours has this word.
fn by_look(body: &[u8]) -> Format {
    let says_so = memmem::find(body, b"\"specversion\"").is_some();
    if says_so { Format::CloudEvents } else { Format::Native }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&str, &str)], body: &str) -> String {
        let mut map = HeaderMap::new();
        for (key, value) in headers {
            map.insert(*key, *value);
        }
        match format(Some(&map), body.as_bytes()) {
            Format::Native => "native".into(),
            Format::CloudEvents => "structured".into(),
            Format::CloudEventsBinary(attributes) => format!("binary {attributes:?}"),
            Format::Mapping(name, shape) => format!("{name} {shape:?}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn headers_say_how_a_message_is_written() {
        assert_eq!(told(&[], "{\"name\":\"x\"}"), "native");
        assert_eq!(told(&[("Content-Type", "application/json")], "[]"), "native");
        assert_eq!(told(&[("Nats-Msg-Id", "1")], "{\"specversion\":\"1.0\"}"), "structured");
        assert_eq!(told(&[("content-type", "application/cloudevents+json; charset=utf-8")], "{}"), "structured");
        assert_eq!(told(&[("Headwater-Mapping", "zabbix")], "{}"), "zabbix Json");
        assert_eq!(told(&[("headwater-mapping", "z"), ("Content-Type", "application/x-ndjson")], ""), "z Lines");
        let binary = told(&[("ce-specversion", "1.0"), ("CE-Id", "7")], "{}");
        assert!(binary.starts_with("binary") && binary.contains("(\"id\", \"7\")"), "{binary}");
    }
}
