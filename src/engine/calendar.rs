//! Workdays and holidays, and points of local time that are right across changes of the clock.

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Weekday};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::domain::time::Timestamp;

/// The zone of every time in a rule that names none.
pub const ZONE_DEFAULT: Tz = chrono_tz::Asia::Shanghai;
/// The most days that one list of a calendar may name.
const DAYS_MAX: usize = 4000;
/// A gap in local time is never longer (a zone may skip a whole day).
const GAP_MINUTES_MAX: i64 = 25 * 60;

/// Which days people work.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Days of the week without work, unless `workdays` says otherwise.
    #[serde(default = "weekend", deserialize_with = "weekdays")]
    #[schemars(with = "Vec<DayText>")]
    pub weekend: Vec<Weekday>,
    /// Days off, whatever day of the week: dates or ranges `2026-02-15..2026-02-23`.
    #[serde(default, deserialize_with = "dates")]
    #[schemars(with = "Vec<DatesText>")]
    pub holidays: BTreeSet<NaiveDate>,
    /// Worked days, whatever day of the week (调休): they win over `weekend` and `holidays`.
    #[serde(default, deserialize_with = "dates")]
    #[schemars(with = "Vec<DatesText>")]
    pub workdays: BTreeSet<NaiveDate>,
    /// Where the days come from, for people.
    #[serde(default)]
    pub note: String,
}

impl Calendar {
    /// Whether people work on this day.
    pub fn is_workday(&self, day: NaiveDate) -> bool {
        self.workdays.contains(&day) || !(self.holidays.contains(&day) || self.weekend.contains(&day.weekday()))
    }
}

/// A day of the week, as [`weekdays`] reads it, for JSON Schemas.
pub struct DayText;

impl JsonSchema for DayText {
    fn schema_name() -> Cow<'static, str> {
        "Weekday".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(?i:mon|tue|wed|thu|fri|sat|sun)" })
    }
}

/// A date or a range of them, as `dates` reads it, for JSON Schemas.
struct DatesText;

impl JsonSchema for DatesText {
    fn schema_name() -> Cow<'static, str> {
        "Dates".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^\d{4}-\d{1,2}-\d{1,2}(\s*\.\.\s*\d{4}-\d{1,2}-\d{1,2})?$";
        json_schema!({ "type": "string", "pattern": pattern })
    }
}

fn weekend() -> Vec<Weekday> {
    vec![Weekday::Sat, Weekday::Sun]
}

/// Reads days of the week, for example `[sat, sun]`.
pub fn weekdays<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Weekday>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    let read = |word: &String| {
        word.parse::<Weekday>().map_err(|_| {
            serde::de::Error::custom(format!(
                "{word:?} is not a day of the week; write mon, tue, wed, thu, fri, sat or sun"
            ))
        })
    };
    words.iter().map(read).collect()
}

fn dates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<NaiveDate>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let mut days = BTreeSet::new();
    for text in &texts {
        let wrong =
            || serde::de::Error::custom(format!("{text:?} is not a date; write 2026-10-01 or 2026-10-01..2026-10-07"));
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let first = NaiveDate::parse_from_str(first.trim(), "%Y-%m-%d").map_err(|_| wrong())?;
        let last = NaiveDate::parse_from_str(last.trim(), "%Y-%m-%d").map_err(|_| wrong())?;
        if last < first || last.signed_duration_since(first).num_days() > 366 {
            return Err(wrong());
        }
        days.extend(first.iter_days().take_while(|day| *day <= last));
        if days.len() > DAYS_MAX {
            return Err(serde::de::Error::custom(format!("more than {DAYS_MAX} days; remove past years")));
        }
    }
    Ok(days)
}

/// Which of two readings of a local time is meant when the clock goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The earlier one.
    Start,
    /// The later one: a window is never shorter than the clock on the wall says.
    End,
}

/// The instant at which a clock on the wall of `zone` shows `local`; the end of the gap when it never does.
pub fn instant(zone: Tz, local: NaiveDateTime, edge: Edge) -> Timestamp {
    for minutes in 0..GAP_MINUTES_MAX {
        let Some(shifted) = local.checked_add_signed(TimeDelta::minutes(minutes)) else { break };
        match (zone.from_local_datetime(&shifted), edge) {
            (chrono::LocalResult::Single(at), _)
            | (chrono::LocalResult::Ambiguous(at, _), Edge::Start)
            | (chrono::LocalResult::Ambiguous(_, at), Edge::End) => return Timestamp(at.timestamp_millis()),
            (chrono::LocalResult::None, _) => {}
        }
    }
    Timestamp(local.and_utc().timestamp_millis())
}

/// What clocks and calendars in `zone` show.
pub fn local(zone: Tz, at: Timestamp) -> DateTime<Tz> {
    at.to_utc().with_timezone(&zone)
}

/// The day `days` later; stops at the end of the calendar.
pub fn day_after(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX)
}

/// The day `days` earlier; stops at the begin of the calendar.
pub fn day_before(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days)).unwrap_or(NaiveDate::MIN)
}

/// How many days the month of `day` has.
pub fn days_in_month(day: NaiveDate) -> u32 {
    let (year, month) = if day.month() == 12 { (day.year() + 1, 1) } else { (day.year(), day.month() + 1) };
    NaiveDate::from_ymd_opt(year, month, 1).and_then(|first| first.pred_opt()).map_or(31, |last| last.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: Tz, text: &str, edge: Edge, utc: &str) {
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        assert_eq!(instant(zone, local, edge), Timestamp::parse(utc).unwrap(), "{zone} {text}");
    }

    #[test]
    fn local_times_are_right_across_changes_of_the_clock() {
        use chrono_tz::{America::St_Johns, Asia::Shanghai, Australia::Lord_Howe, Europe::Berlin, Pacific::Apia};
        check(Shanghai, "2026-03-29 02:30", Edge::Start, "2026-03-28T18:30:00Z");
        check(Berlin, "2026-03-29 01:59", Edge::Start, "2026-03-29T00:59:00Z");
        check(Berlin, "2026-03-29 02:30", Edge::Start, "2026-03-29T01:00:00Z");
        check(Berlin, "2026-10-25 02:30", Edge::Start, "2026-10-25T00:30:00Z");
        check(Berlin, "2026-10-25 02:30", Edge::End, "2026-10-25T01:30:00Z");
        check(Lord_Howe, "2026-10-04 02:15", Edge::Start, "2026-10-03T15:30:00Z");
        check(St_Johns, "2026-07-01 00:00", Edge::Start, "2026-07-01T02:30:00Z");
        check(Apia, "2011-12-30 12:00", Edge::Start, "2011-12-30T10:00:00Z");
    }

    #[test]
    fn made_up_workdays_win_over_weekends_and_holidays_over_weekdays() {
        let calendar: Calendar =
            serde_saphyr::from_str("{holidays: ['2026-02-15..2026-02-23'], workdays: ['2026-02-14', '2026-02-28']}")
                .unwrap();
        let check = |day: &str, works: bool| {
            assert_eq!(calendar.is_workday(NaiveDate::parse_from_str(day, "%Y-%m-%d").unwrap()), works, "{day}");
        };
        check("2026-02-13", true);
        check("2026-02-14", true);
        check("2026-02-15", false);
        check("2026-02-18", false);
        check("2026-02-23", false);
        check("2026-02-24", true);
        check("2026-02-22", false);
        check("2026-02-28", true);
        check("2026-03-01", false);
    }

    #[test]
    fn months_have_their_ends() {
        let check = |day: &str, days: u32| {
            assert_eq!(days_in_month(NaiveDate::parse_from_str(day, "%Y-%m-%d").unwrap()), days, "{day}");
        };
        check("2026-02-01", 28);
        check("2028-02-29", 29);
        check("2026-12-31", 31);
        check("2026-04-10", 30);
    }

    #[test]
    fn wrong_days_are_refused_with_a_remedy() {
        for text in ["{holidays: [2026-13-01]}", "{holidays: ['2026-01-05..2026-01-01']}", "{weekend: [funday]}"] {
            let error = serde_saphyr::from_str::<Calendar>(text).expect_err(text).to_string();
            assert!(error.contains("write"), "{error}");
        }
    }
}
