//! Points and spans of time. UTC milliseconds inside, RFC 3339 on the wire.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Stored as an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// The last point in time that we accept: 9999-12-31T23:59:59.999Z, the end of RFC 3339.
const LATEST_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// Reads RFC 3339 (also PagerDuty's `+0000` offset), or an integer of seconds, milliseconds,
    /// microseconds or nanoseconds since 1970 (told apart by their size).
    ///
    /// Returns `None` for anything else, and for times before 1970 or after the year 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(number) = text.parse::<i64>() {
            return Self::from_epoch(number);
        }
        let parsed = DateTime::parse_from_rfc3339(text)
            .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
            .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%z"))
            .ok()?;
        Self::from_epoch_ms(parsed.timestamp_millis())
    }

    /// Reads an integer whose unit is told by its size: s below 1e11, ms below 1e14, µs below 1e17, else ns.
    pub fn from_epoch(number: i64) -> Option<Self> {
        match number {
            ..=-1 => None,
            0..100_000_000_000 => Self::from_epoch_ms(number * 1000),
            100_000_000_000..100_000_000_000_000 => Self::from_epoch_ms(number),
            100_000_000_000_000..100_000_000_000_000_000 => Self::from_epoch_ms(number / 1000),
            _ => Self::from_epoch_ms(number / 1_000_000),
        }
    }

    /// Milliseconds since 1970; `None` before 1970 and after the year 9999.
    pub fn from_epoch_ms(ms: i64) -> Option<Self> {
        (0..=LATEST_MS).contains(&ms).then_some(Self(ms))
    }

    /// This point, `span` later; stops at the end of the range instead of overflowing.
    #[must_use]
    pub fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// This point, `span` earlier; stops at the end of the range instead of overflowing.
    #[must_use]
    pub fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The span from `earlier` to this point; negative when `earlier` is in fact later.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The same point for chrono; years beyond its range become 1970.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_millis())
    }
}

/// Writes RFC 3339 in UTC with milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Span {
    /// `n` seconds.
    pub const fn secs(n: i64) -> Self {
        Self(n.saturating_mul(1000))
    }

    /// `n` minutes.
    pub const fn mins(n: i64) -> Self {
        Self::secs(n.saturating_mul(60))
    }

    /// `n` hours.
    pub const fn hours(n: i64) -> Self {
        Self::mins(n.saturating_mul(60))
    }

    /// Whole seconds, rounded towards zero.
    pub const fn as_secs(self) -> i64 {
        self.0 / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_sources_send() {
        let check = |text: &str, ms: Option<i64>| assert_eq!(Timestamp::parse(text).map(|t| t.0), ms, "{text}");
        check("2026-01-05T00:00:03.914Z", Some(1_767_571_203_914));
        check("2026-01-05T08:00:03.914+08:00", Some(1_767_571_203_914));
        check("2026-01-05T08:00:03+0800", Some(1_767_571_203_000));
        check("1767571203", Some(1_767_571_203_000));
        check("1767571203914", Some(1_767_571_203_914));
        check("-5", None);
        check("0001-01-01T00:00:00Z", None);
        check("yesterday", None);
    }
}
