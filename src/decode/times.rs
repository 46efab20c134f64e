//! Times as sources write them.

use std::borrow::Cow;
use std::fmt;

use chrono::format::{Item, Numeric, Parsed, StrftimeItems};
use chrono::{NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::reader::bad_time;
use crate::domain::reject::Reject;
use crate::domain::time::Timestamp;

/// A time in a JSON body: text, or a number since 1970 (seconds may have a fraction).
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Moment<'a> {
    Text(Cow<'a, str>),
    Whole(i64),
    Fraction(f64),
}

impl Moment<'_> {
    /// The point in time; `field` is named in the reason.
    pub fn read(&self, field: &str) -> Result<Timestamp, Reject> {
        match self {
            Moment::Text(text) => parse(text).ok_or_else(|| bad_time(field, text)),
            Moment::Whole(n) => Timestamp::from_epoch(*n).ok_or_else(|| bad_time(field, &n.to_string())),
            Moment::Fraction(n) => fraction(*n).ok_or_else(|| bad_time(field, &n.to_string())),
        }
    }
}

/// Seconds with a fraction below 1e11, else a whole number in a smaller unit.
fn fraction(n: f64) -> Option<Timestamp> {
    if !(0.0..1e18).contains(&n) {
        return None;
    }
    if n < 1e11 { Timestamp::from_epoch_ms((n * 1000.0).round() as i64) } else { Timestamp::from_epoch(n as i64) }
}

/// Reads the common form `2026-01-05T00:00:03.914Z` (any number of decimals, `Z` or `+08:00`) without detours;
/// everything else as `Timestamp::parse` does.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    rfc3339(text.as_bytes()).or_else(|| Timestamp::parse(text))
}

fn rfc3339(b: &[u8]) -> Option<Timestamp> {
    let two = |at: usize| Some(i64::from(digit(*b.get(at)?)?) * 10 + i64::from(digit(*b.get(at + 1)?)?));
    let mark = |at: usize, want: u8| (*b.get(at)? == want).then_some(());
    mark(4, b'-').and(mark(7, b'-')).and(mark(10, b'T')).and(mark(13, b':')).and(mark(16, b':'))?;
    let (year, month, day) = (two(0)? * 100 + two(2)?, two(5)?, two(8)?);
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    let day_ok = (1..=12).contains(&month) && (1..=28).contains(&day);
    if !day_ok || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (mut at, mut ms, mut weight) = (19, 0, 100);
    if b.get(at) == Some(&b'.') {
        at += 1;
        b.get(at).copied().and_then(digit)?;
        while let Some(tenth) = b.get(at).copied().and_then(digit) {
            ms += i64::from(tenth) * weight;
            weight /= 10;
            at += 1;
        }
    }
    let offset_minutes = match (b.get(at)?, b.len() - at) {
        (b'Z', 1) => 0,
        (sign @ (b'+' | b'-'), length @ (5 | 6)) if length == 5 || b[at + 3] == b':' => {
            let (hours, minutes) = (two(at + 1)?, two(b.len() - 2)?);
            let minutes = if hours < 24 && minutes < 60 { hours * 60 + minutes } else { return None };
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset_minutes) * 60 + second;
    Timestamp::from_epoch_ms(seconds * 1000 + ms)
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// Days of the Gregorian calendar; years count from March so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// A local time by a pattern, whatever that says.
fn local(text: &str, pattern: &[Item<'_>]) -> Option<NaiveDateTime> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, pattern.iter()).ok()?;
    parsed.to_naive_datetime_with_offset(0).ok()
}

/// The same where a pattern has the six numbers of date and time, and the text has each in its full width: the common case
/// without detours.
fn plain(text: &str, pattern: &[Item<'_>]) -> Option<NaiveDateTime> {
    let (mut rest, mut numbers) = (text.as_bytes(), [None; 6]);
    for item in pattern {
        let (at, width) = match item {
            Item::OwnedLiteral(words) | Item::OwnedSpace(words) => {
                rest = rest.strip_prefix(words.as_bytes())?;
                continue;
            }
            Item::Numeric(Numeric::Year, _) => (0, 4),
            Item::Numeric(Numeric::Month, _) => (1, 2),
            Item::Numeric(Numeric::Day, _) => (2, 2),
            Item::Numeric(Numeric::Hour, _) => (3, 2),
            Item::Numeric(Numeric::Minute, _) => (4, 2),
            Item::Numeric(Numeric::Second, _) => (5, 2),
            _ => return None,
        };
        let (digits, behind) = rest.split_at_checked(width)?;
        let number = digits.iter().try_fold(0, |n, byte| Some(n * 10 + u32::from(digit(*byte)?)));
        (numbers[at], rest) = (Some(number?), behind);
    }
    let [Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)] = numbers else { return None };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    date.and_hms_opt(hour, minute, second).filter(|_| rest.is_empty())
}

impl<'de: 'a, 'a> Deserialize<'de> for Moment<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

struct MomentVisitor;

impl<'de> Visitor<'de> for MomentVisitor {
    type Value = Moment<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time: RFC 3339 text or a number since 1970")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Moment<'de>, E> {
        Ok(Moment::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Moment<'de>, E> {
        Ok(Moment::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Moment<'de>, E> {
        Ok(Moment::Whole(n))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Moment<'de>, E> {
        Ok(Moment::Whole(i64::try_from(n).unwrap_or(-1)))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Moment<'de>, E> {
        Ok(Moment::Fraction(n))
    }
}

/// How a mapping says that times are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// RFC 3339, or a number whose unit is told by its size.
    #[default]
    Auto,
    /// A number of units since 1970; how many of them make a second.
    Epoch { per_second: i64 },
    /// A pattern such as `%Y-%m-%d %H:%M:%S`, and the zone that the times are in.
    Pattern { pattern: Vec<Item<'static>>, zone: Tz },
}

impl TimeFormat {
    /// `auto`, `rfc3339`, `s`, `ms`, `us`, `ns`, or a pattern with `%`. The zone (default UTC) is for patterns only.
    pub fn parse(format: Option<&str>, zone: Option<&str>) -> Result<Self, String> {
        let epoch = |per_second| Ok(Self::Epoch { per_second });
        match format.unwrap_or("auto") {
            "auto" | "rfc3339" => Ok(Self::Auto),
            "s" => epoch(1),
            "ms" => epoch(1000),
            "us" => epoch(1_000_000),
            "ns" => epoch(1_000_000_000),
            pattern if pattern.contains('%') => {
                let items = StrftimeItems::new(pattern)
                    .parse_to_owned()
                    .map_err(|_| format!("{pattern:?} is not a time pattern: write it like %Y-%m-%d %H:%M:%S"))?;
                let zone = zone.unwrap_or("UTC");
                let zone = zone.parse().map_err(|_| format!("{zone:?} is not a time zone such as Asia/Shanghai"))?;
                Ok(Self::Pattern { pattern: items, zone })
            }
            other => Err(format!("{other:?} is not a time format: use auto, s, ms, us, ns or a pattern with %")),
        }
    }

    /// Reads a time. A local time that a clock change skips does not exist; of two equal ones the earlier counts.
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Auto => parse(text.trim()).or_else(|| fraction(text.trim().parse().ok()?)),
            Self::Epoch { per_second } => {
                let ms = match text.trim().parse::<i64>() {
                    Ok(n) if *per_second <= 1000 => n.checked_mul(1000 / per_second)?,
                    Ok(n) => n / (per_second / 1000),
                    Err(_) => (text.trim().parse::<f64>().ok()? / *per_second as f64 * 1000.0).round() as i64,
                };
                Timestamp::from_epoch_ms(ms)
            }
            Self::Pattern { pattern, zone } => {
                let local = plain(text.trim(), pattern).or_else(|| local(text.trim(), pattern))?;
                Timestamp::from_epoch_ms(zone.from_local_datetime(&local).earliest()?.timestamp_millis())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_reads_what_the_long_way_reads() {
        for text in [
            "2026-01-05T00:00:03.914Z",
            "2026-12-28T23:59:59Z",
            "2024-02-28T08:00:03.9149999+08:00",
            "2000-03-01T00:00:00.000-05:30",
            "1970-01-01T00:00:00Z",
            "9999-12-28T00:00:00.1Z",
        ] {
            assert!(rfc3339(text.as_bytes()).is_some(), "{text}");
            assert_eq!(rfc3339(text.as_bytes()), Timestamp::parse(text), "{text}");
        }
        for day in 0..20_000 {
            let text = Timestamp(day * 86_400_000 + 1).to_string();
            assert_eq!(parse(&text), Some(Timestamp(day * 86_400_000 + 1)), "{text}");
        }
    }

    #[test]
    fn a_pattern_is_read_alike_by_the_short_and_the_long_way() {
        let items = |pattern: &str| StrftimeItems::new(pattern).parse_to_owned().unwrap();
        let check = |pattern: &str, text: &str, is_plain: bool| {
            let (items, short) = (items(pattern), plain(text, &items(pattern)));
            assert_eq!(short.is_some(), is_plain, "{text} by {pattern}");
            assert!(short.is_none() || short == local(text, &items), "{text} by {pattern}");
        };
        check("%Y.%m.%d %H:%M:%S", "2026.01.05 08:00:03", true);
        check("%Y-%m-%dT%H:%M:%S", "2024-02-29T23:59:59", true);
        check("%Y%m%d%H%M%S", "20260105080003", true);
        check("%d/%m/%Y %T", "05/01/2026 08:00:03", true);
        // Left to the long way: no time, another width, more than the six numbers, less than them.
        check("%Y.%m.%d %H:%M:%S", "2026.02.30 08:00:03", false);
        check("%Y.%m.%d %H:%M:%S", "2026.1.5 8:00:03", false);
        check("%Y.%m.%d %H:%M:%S", "2026.01.05 08:00:03 ", false);
        check("%Y.%m.%d %H:%M:%S", "2026.01.05  08:00:03", false);
        check("%Y.%m.%d %H:%M:%S", "2026.01.05 08:00:60", false);
        check("%Y%m%dT%H%M%S%.3f", "20260105T080003.914", false);
        check("%Y-%m-%d %H:%M", "2026-01-05 08:00", false);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "0001-01-01T00:00:00Z",
            "2026-13-05T00:00:03Z",
            "2026-02-30T00:00:03Z",
            "2026-01-05T00:00:03",
            "2026-01-05T24:00:03Z",
            "2026-01-05T00:00:03.Z+",
            "-1",
            "1e400",
            "nan",
            "2026-01-05T00:00:03+8:00",
        ] {
            assert_eq!(TimeFormat::Auto.read(text), None, "{text}");
        }
    }

    #[test]
    fn a_mapping_says_how_times_are_written() {
        let check = |format, zone, text: &str, want| {
            let format = TimeFormat::parse(Some(format), zone).expect("a format");
            assert_eq!(format.read(text).map(|at| at.to_string()).as_deref(), want, "{text}");
        };
        let shanghai = Some("Asia/Shanghai");
        check("s", None, "1767571203", Some("2026-01-05T00:00:03.000Z"));
        check("s", None, "1767571203.5", Some("2026-01-05T00:00:03.500Z"));
        check("ms", None, "5000", Some("1970-01-01T00:00:05.000Z"));
        check("us", None, "5000000", Some("1970-01-01T00:00:05.000Z"));
        check("ns", None, "1767571203914000000", Some("2026-01-05T00:00:03.914Z"));
        check("s", None, "-5", None);
        check("s", None, "9223372036854775807", None);
        check("auto", None, "1767571203.914", Some("2026-01-05T00:00:03.914Z"));
        check("%Y.%m.%d %H:%M:%S", shanghai, "2026.01.05 08:00:03", Some("2026-01-05T00:00:03.000Z"));
        check("%Y-%m-%d %H:%M:%S", Some("America/New_York"), "2026-03-08 02:30:00", None);
        assert!(TimeFormat::parse(Some("%Y-%Q"), None).is_err());
        assert!(TimeFormat::parse(Some("%Y"), Some("Mars/Base")).is_err());
        assert!(TimeFormat::parse(Some("minutes"), None).is_err());
    }
}
