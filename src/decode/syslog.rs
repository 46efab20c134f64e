//! Syslog, RFC 5424 and RFC 3164, as the JSON object that the mapping `syslog` reads. What is not written as either is text.

use chrono::{Datelike, FixedOffset, NaiveDate, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use syslog_loose::{Message, Protocol, SyslogFacility, SyslogSeverity, Variant, parse_message_with_year_tz};

use super::text;
use crate::domain::time::Timestamp;

/// The longest message that is looked into; what is behind it is cut.
pub const BYTES_MAX: usize = 64 * 1024;

/// Where and when a message came in, and how its sender writes local times.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub peer: &'a str,
    pub received_at: Timestamp,
    /// The zone of times without one.
    pub zone: Tz,
}

/// One message as a JSON text without line breaks. Bytes that are no UTF-8 are read as GB18030 where that fits.
pub fn to_json(bytes: &[u8], arrival: &Arrival<'_>) -> String {
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    let text = text::read(bytes, None).text;
    let line = text.trim_matches(['\u{feff}', '\0', '\r', '\n', ' ']);
    let message = parse(line, arrival);
    let sd = structured(&message);
    let mut members = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(key.into(), value);
        }
    };
    put("peer", Some(arrival.peer.into()));
    put("format", Some(if matches!(message.protocol, Protocol::RFC5424(_)) { "rfc5424" } else { "rfc3164" }.into()));
    put("severity", message.severity.map(|severity| severity_number(severity).into()));
    put("facility", message.facility.map(|facility| facility_name(facility).into()));
    put("time", message.timestamp.map(|at| at.to_rfc3339().into()));
    put("hostname", Some(message.hostname.filter(|host| !host.is_empty()).unwrap_or(arrival.peer).into()));
    put("app", message.appname.map(Into::into));
    put("process_id", message.procid.map(|id| id.to_string().into()));
    put("message_id", message.msgid.map(Into::into));
    put("message", Some(message.msg.trim_start_matches('\u{feff}').into()));
    put("sd", sd);
    Value::Object(members).to_string()
}

fn parse<'l>(line: &'l str, arrival: &Arrival<'_>) -> Message<&'l str> {
    let now = Utc.timestamp_millis_opt(arrival.received_at.0).single().unwrap_or_default();
    let offset: FixedOffset = arrival.zone.offset_from_utc_datetime(&now.naive_utc()).fix();
    let today = now.with_timezone(&offset).date_naive();
    // A time without a year is the one next to now: a message of December may come in January.
    let year = |(month, day, ..): (u32, u32, u32, u32, u32)| {
        let same = NaiveDate::from_ymd_opt(today.year(), month, day);
        match same.map(|same| (same - today).num_days()) {
            Some(ahead) if ahead > 180 => today.year() - 1,
            Some(ahead) if ahead < -180 => today.year() + 1,
            Some(_) | None => today.year(),
        }
    };
    parse_message_with_year_tz(line, year, Some(offset), Variant::Either)
}

/// Structured data: element, then parameter; numbers of enterprises are left away (`alarm@32473` is `alarm`).
fn structured(message: &Message<&str>) -> Option<Value> {
    let mut elements = Map::new();
    for element in &message.structured_data {
        let id = element.id.split('@').next().unwrap_or_default();
        let params = element.params().map(|(name, value)| (name.to_string(), Value::from(value)));
        elements.insert(id.into(), Value::Object(params.collect()));
    }
    (!elements.is_empty()).then(|| json!(elements))
}

/// The number of RFC 5424; the library's words are only names.
fn severity_number(severity: SyslogSeverity) -> u8 {
    severity as u8
}

fn facility_name(facility: SyslogFacility) -> &'static str {
    facility.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[u8], wanted: &[(&str, Value)]) {
        let received_at = Timestamp::parse("2026-01-05T00:01:00Z").unwrap();
        let arrival = Arrival { peer: "10.0.0.9", received_at, zone: Tz::Asia__Shanghai };
        let told: Value = serde_json::from_str(&to_json(line, &arrival)).unwrap();
        for (pointer, want) in wanted {
            assert_eq!(told.pointer(pointer).unwrap_or(&Value::Null), want, "{pointer} of {told}");
        }
    }

    #[test]
    fn messages_are_read_as_they_are_written() {
        check(
            b"<165>1 2026-01-05T08:00:03.003+08:00 core-1 ifmgr 8710 LinkDown [alarm@32473 resource=\"Gi0/1\" perceivedSeverity=\"major\"] \xEF\xBB\xBFInterface down",
            &[
                ("/format", json!("rfc5424")),
                ("/severity", json!(5)),
                ("/facility", json!("local4")),
                ("/time", json!("2026-01-05T08:00:03.003+08:00")),
                ("/hostname", json!("core-1")),
                ("/app", json!("ifmgr")),
                ("/message_id", json!("LinkDown")),
                ("/sd/alarm/perceivedSeverity", json!("major")),
                ("/message", json!("Interface down")),
            ],
        );
        check(
            b"<34>Jan  5 08:00:03 web-1 su[77]: 'su root' failed for lonvick on /dev/pts/8",
            &[
                ("/severity", json!(2)),
                ("/hostname", json!("web-1")),
                ("/app", json!("su")),
                ("/process_id", json!("77")),
                ("/time", json!("2026-01-05T08:00:03+08:00")),
            ],
        );
        check(b"<11>Dec 31 23:59:59 web-1 app: late", &[("/time", json!("2025-12-31T23:59:59+08:00"))]);
        check("<11>Jan  5 08:00:03 ups-1 ups: 市电中断".as_bytes(), &[("/message", json!("市电中断"))]);
        let gbk =
            [b"<11>Jan  5 08:00:03 ups-1 ups: ".as_slice(), &encoding_rs::GBK.encode("市电中断，电池供电").0].concat();
        check(&gbk, &[("/message", json!("市电中断，电池供电")), ("/hostname", json!("ups-1"))]);
        check(b"no priority at all", &[("/hostname", json!("10.0.0.9")), ("/severity", Value::Null)]);
        check(b"", &[("/message", json!(""))]);
    }
}
