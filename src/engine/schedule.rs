//! When something holds: once, daily, weekly, monthly, by cron or by a calendar of workdays, in any time zone.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Weekday};
use chrono_tz::Tz;
use croner::Cron;
use schemars::JsonSchema;
use serde::Deserialize;

use super::calendar::{
    Calendar, DayText, Edge, ZONE_DEFAULT, day_after, day_before, days_in_month, instant, local, weekdays,
};
use crate::domain::spans::{self, SpanText};
use crate::domain::time::{Span, Timestamp};

/// How far ahead the next occurrence is looked for.
const HORIZON_DAYS: u64 = 800;
/// A window that began this many days ago cannot still be open (windows of a day end the next day at the latest).
const LOOK_BACK_DAYS: u64 = 2;
/// Windows that are added up.
const WINDOWS_MAX: usize = 4_000;
/// The longest window of a cron schedule.
const CRON_FOR_MAX: Span = Span::hours(7 * 24);

/// A begin and an end on the clock; an end at or before the begin is on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
#[schemars(extend("pattern" = r"^\s*\d{1,2}:\d{1,2}\s*-\s*\d{1,2}:\d{1,2}\s*$"))]
pub struct Hours {
    from_minute: i64,
    to_minute: i64,
}

impl TryFrom<String> for Hours {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let minute = |text: &str| -> Option<i64> {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
            let end_of_day = hour == 24 && minute == 0;
            (((0..24).contains(&hour) || end_of_day) && (0..60).contains(&minute)).then_some(hour * 60 + minute)
        };
        let parsed = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        match parsed {
            Some((from, to)) if from < 24 * 60 => {
                Ok(Self { from_minute: from, to_minute: if to <= from { to + 24 * 60 } else { to } })
            }
            _ => Err(format!("{text:?} is not a time of day; write 22:00-06:00 or 00:00-24:00")),
        }
    }
}

/// How the text of a point of time begins, and what may follow the date.
pub(super) const MOMENT_PATTERN: &str = r"^\d{4}-\d{1,2}-\d{1,2}([ Tt]\d{1,2}:.+)?$";

/// A point of local time, or one with its own offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
#[schemars(extend("pattern" = MOMENT_PATTERN))]
pub enum Moment {
    Local(NaiveDateTime),
    Fixed(Timestamp),
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let day = || NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
        ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
            .or_else(day)
            .map(Self::Local)
            .or_else(|| chrono::DateTime::parse_from_rfc3339(&text).ok().map(|at| Self::Fixed(at.to_utc().into())))
            .ok_or_else(|| {
                format!("{text:?} is not a point of time; write 2026-03-01 22:00 or 2026-03-01T22:00:00+08:00")
            })
    }
}

impl Moment {
    /// When that is; of two such times on the clock the one that is meant.
    pub fn at(self, zone: Tz, edge: Edge) -> Timestamp {
        match self {
            Self::Local(local) => instant(zone, local, edge),
            Self::Fixed(at) => at,
        }
    }
}

/// A day of the month from 1, or the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
#[schemars(extend("type" = ["string", "integer"], "pattern" = r"^(last|\d{1,2})$", "minimum" = 1, "maximum" = 31))]
enum MonthDay {
    Day(u32),
    Last,
}

impl TryFrom<String> for MonthDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.parse()) {
            ("last", _) => Ok(Self::Last),
            (_, Ok(day @ 1..=31)) => Ok(Self::Day(day)),
            _ => Err(format!("{text:?} is not a day of the month; write 1 to 31 or last")),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Once {
    from: Moment,
    to: Moment,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Weekly {
    #[serde(deserialize_with = "weekdays")]
    #[schemars(with = "Vec<DayText>")]
    days: Vec<Weekday>,
    at: Hours,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Monthly {
    days: Vec<MonthDay>,
    at: Hours,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ByCron {
    at: String,
    #[serde(rename = "for", deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    lasts: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum DayKind {
    Workday,
    Holiday,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ByCalendar {
    name: Box<str>,
    days: DayKind,
    at: Hours,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["once"]}, {"required": ["daily"]}, {"required": ["weekly"]},
    {"required": ["monthly"]}, {"required": ["cron"]}, {"required": ["calendar"]},
]))]
struct ScheduleText {
    once: Option<Once>,
    daily: Option<Hours>,
    weekly: Option<Weekly>,
    monthly: Option<Monthly>,
    cron: Option<ByCron>,
    calendar: Option<ByCalendar>,
    #[serde(default, deserialize_with = "zone")]
    #[schemars(with = "Option<String>")]
    zone: Option<Tz>,
    /// Not before, not after.
    starts: Option<Moment>,
    ends: Option<Moment>,
}

fn zone<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Tz>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let unknown = || serde::de::Error::custom(format!("{name:?} is no time zone; write for example Asia/Shanghai"));
    name.parse().map(Some).map_err(|_| unknown())
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Once(Once),
    Daily(Hours),
    Weekly(Weekly),
    Monthly(Monthly),
    Cron(Box<Cron>, Span),
    Calendar(ByCalendar, Option<Arc<Calendar>>),
}

/// When something holds.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "ScheduleText")]
#[schemars(with = "ScheduleText")]
pub struct Schedule {
    shape: Shape,
    #[schemars(with = "String")]
    zone: Tz,
    starts: Option<Moment>,
    ends: Option<Moment>,
}

impl TryFrom<ScheduleText> for Schedule {
    type Error = String;

    fn try_from(text: ScheduleText) -> Result<Self, String> {
        let zone = text.zone.unwrap_or(ZONE_DEFAULT);
        let cron = text.cron.map(|by| {
            let cron: Cron = by
                .at
                .parse()
                .map_err(|e| format!("{:?} is not a cron pattern: {e}; write minute hour day month weekday", by.at))?;
            if by.lasts <= Span::secs(0) || by.lasts > CRON_FOR_MAX {
                return Err("a cron window lasts more than nothing and at most 7d; correct `for`".to_owned());
            }
            Ok(Shape::Cron(Box::new(cron), by.lasts))
        });
        let mut shapes: Vec<Shape> = [
            text.once.map(Shape::Once),
            text.daily.map(Shape::Daily),
            text.weekly.map(Shape::Weekly),
            text.monthly.map(Shape::Monthly),
            cron.transpose()?,
            text.calendar.map(|by| Shape::Calendar(by, None)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (Some(shape), true) = (shapes.pop(), shapes.is_empty()) else {
            return Err("a schedule is exactly one of once, daily, weekly, monthly, cron, calendar; write one".into());
        };
        if let Shape::Once(once) = &shape
            && once.to.at(zone, Edge::End) <= once.from.at(zone, Edge::Start)
        {
            return Err("the window ends before it begins; correct `from` and `to`".into());
        }
        Ok(Self { shape, zone, starts: text.starts, ends: text.ends })
    }
}

impl Schedule {
    /// Looks the calendar's name up.
    ///
    /// # Errors
    /// The name, when there is no such calendar.
    pub fn resolve(&mut self, calendars: &BTreeMap<Box<str>, Arc<Calendar>>) -> Result<(), Box<str>> {
        if let Shape::Calendar(by, calendar) = &mut self.shape {
            *calendar = Some(calendars.get(&by.name).ok_or_else(|| by.name.clone())?.clone());
        }
        Ok(())
    }

    /// Whether its one window, or the time in which it may have any, has ended at `at`.
    pub fn is_over(&self, at: Timestamp) -> bool {
        let end = |moment: Moment| moment.at(self.zone, Edge::End) <= at;
        let once = if let Shape::Once(once) = &self.shape { Some(once.to) } else { None };
        once.is_some_and(end) || self.ends.is_some_and(end)
    }

    /// The end of the window that is open at `at`; `None` when none is.
    pub fn open_until(&self, at: Timestamp) -> Option<Timestamp> {
        self.window_at(at).map(|(_, to)| to)
    }

    /// The window that is open at `at`; of several the one that ends last.
    pub fn window_at(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.windows(at, LOOK_BACK_DAYS).filter(|(from, to)| *from <= at && at < *to).max_by_key(|(_, to)| *to)
    }

    /// The next begin or end of a window after `at`, at most 800 days ahead.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        if let Some(until) = self.open_until(at) {
            return Some(until);
        }
        self.windows(at, HORIZON_DAYS).map(|(from, _)| from).find(|from| *from > at)
    }

    /// Its windows from one that is open at `at` on, in their order, at most so many.
    pub fn coming(&self, at: Timestamp, most: usize) -> Vec<(Timestamp, Timestamp)> {
        let (mut at, mut found) = (at, Vec::new());
        while found.len() < most {
            let next = |from| self.next_change(from).and_then(|begin| self.window_at(begin));
            let Some(window) = self.window_at(at).or_else(|| next(at)) else { break };
            at = window.1;
            found.push(window);
        }
        found
    }

    /// When it will have been open for so long in all, counted from a moment; none: its windows do not add up to it.
    pub fn after(&self, from: Timestamp, open: Span) -> Option<Timestamp> {
        let (mut at, mut left) = (from, open);
        for _ in 0..WINDOWS_MAX {
            match self.open_until(at) {
                Some(until) if until.since(at) >= left => return Some(at.plus(left)),
                Some(until) => {
                    left = Span(left.0 - until.since(at).0);
                    at = until;
                }
                None => at = self.next_change(at)?,
            }
        }
        None
    }

    /// How long it is open between two moments.
    pub fn open_between(&self, from: Timestamp, to: Timestamp) -> Span {
        let (mut at, mut sum) = (from, 0);
        for _ in 0..WINDOWS_MAX {
            if at >= to {
                break;
            }
            match self.open_until(at) {
                Some(until) => {
                    sum += until.min(to).since(at).0;
                    at = until;
                }
                None => match self.next_change(at) {
                    Some(next) => at = next,
                    None => break,
                },
            }
        }
        Span(sum)
    }

    /// Windows in order of their begin, from those that may still be open at `at` until `days` after it.
    fn windows(&self, at: Timestamp, days: u64) -> Box<dyn Iterator<Item = (Timestamp, Timestamp)> + '_> {
        let zone = self.zone;
        let clip = move |(from, to): (Timestamp, Timestamp)| {
            let from = self.starts.map_or(from, |s| from.max(s.at(zone, Edge::Start)));
            let to = self.ends.map_or(to, |e| to.min(e.at(zone, Edge::End)));
            (from < to).then_some((from, to))
        };
        match &self.shape {
            Shape::Once(once) => {
                let window = (once.from.at(zone, Edge::Start), once.to.at(zone, Edge::End));
                Box::new(std::iter::once(window).filter_map(clip))
            }
            Shape::Cron(cron, lasts) => Box::new(cron_windows(cron, *lasts, zone, at).filter_map(clip)),
            Shape::Daily(_) | Shape::Weekly(_) | Shape::Monthly(_) | Shape::Calendar(..) => {
                let today = local(zone, at).date_naive();
                let first = day_before(today, LOOK_BACK_DAYS);
                let last = day_after(today, days);
                Box::new(
                    first
                        .iter_days()
                        .take_while(move |day| *day <= last)
                        .filter_map(move |day| self.window_on(day))
                        .filter_map(clip),
                )
            }
        }
    }

    /// The window that begins on this day.
    fn window_on(&self, day: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        let (hours, holds) = match &self.shape {
            Shape::Daily(hours) => (hours, true),
            Shape::Weekly(weekly) => (&weekly.at, weekly.days.contains(&day.weekday())),
            Shape::Monthly(monthly) => (
                &monthly.at,
                monthly.days.iter().any(|d| match d {
                    MonthDay::Day(number) => *number == day.day(),
                    MonthDay::Last => day.day() == days_in_month(day),
                }),
            ),
            Shape::Calendar(by, calendar) => {
                let works = calendar.as_ref().is_some_and(|calendar| calendar.is_workday(day));
                (&by.at, works == (by.days == DayKind::Workday))
            }
            Shape::Once(_) | Shape::Cron(..) => return None,
        };
        let midnight = day.and_time(NaiveTime::MIN);
        let at =
            |minute, edge| Some(instant(self.zone, midnight.checked_add_signed(TimeDelta::minutes(minute))?, edge));
        let window = (at(hours.from_minute, Edge::Start)?, at(hours.to_minute, Edge::End)?);
        holds.then_some(window)
    }
}

/// The window that began last, then the next one: each later begin is asked for when the time has come.
fn cron_windows(cron: &Cron, lasts: Span, zone: Tz, at: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let now = local(zone, at);
    let last = cron.find_previous_occurrence(&now, true).ok();
    let next = cron.find_next_occurrence(&now, false).ok();
    last.into_iter().chain(next).map(move |from| {
        let from = Timestamp(from.timestamp_millis());
        (from, from.plus(lasts))
    })
}
