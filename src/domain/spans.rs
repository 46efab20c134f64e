//! Lengths of time as people write them: `90s`, `5m`, `2h`, `1h30m`, `7d`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::time::Span;

/// The longest length of time that can be written: 400 days.
const SPAN_MAX: Span = Span::hours(400 * 24);

/// Reads one or more numbers with a unit (`s`, `m`, `h`, `d`); `0` needs none.
pub fn parse(text: &str) -> Option<Span> {
    let text = text.trim();
    if text == "0" {
        return Some(Span::secs(0));
    }
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes().get(digits)? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty() && total <= SPAN_MAX.as_secs()).then(|| Span::secs(total))
}

/// How [`parse`] reads a length of time, for JSON Schemas.
pub struct SpanText;

impl JsonSchema for SpanText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    /// A `0` needs no quotes.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": r"^\s*(0|([0-9]+[smhd])+)\s*$",
            "minimum": 0,
            "maximum": 0,
        })
    }
}

/// For `#[serde(deserialize_with)]`.
pub fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{text:?} is not a length of time; write 90s, 5m, 2h, 1h30m or 7d (at most 400d)"
        ))
    })
}

/// The same for a field that may be left out.
pub fn maybe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    span(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lengths_of_time() {
        let check = |text: &str, secs: Option<i64>| assert_eq!(parse(text), secs.map(Span::secs), "{text}");
        check("90s", Some(90));
        check("5m", Some(300));
        check("1h30m", Some(5400));
        check("400d", Some(400 * 86_400));
        check("0", Some(0));
        check("401d", None);
        check("5", None);
        check("m", None);
        check("", None);
        check("5 m", None);
        check("-5m", None);
        check("99999999999999999999d", None);
        check("9223372036854775807d", None);
        check("５m", None);
    }
}
