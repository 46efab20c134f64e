//! Rotation: whose turn it is, by the clock on the wall of the roster's zone.
//!
//! Turns change at the same time of day all year: where the clock is changed one turn is an hour longer or shorter.

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::time::Timestamp;
use crate::engine::calendar::{Calendar, Edge, day_after, day_before, instant, local};

/// The most units of one turn, and days that are walked to find the next of a kind.
const UNITS_MAX: u32 = 400;
const WALK_DAYS_MAX: u64 = 400;

/// How long a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
#[schemars(extend("pattern" = r"^(\d{1,3}(h|d|w|mo)|workday|holiday)$"))]
pub enum Every {
    Hours(u32),
    Days(u32),
    Months(u32),
    /// A day that is worked by the calendar: days off count no turn.
    Workday,
    /// A day off by the calendar: worked days count no turn.
    Holiday,
}

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no length of a turn; write 12h, 1d, 1w, 1mo, workday or holiday");
        let units = |digits: &str| digits.parse().ok().filter(|n| (1..=UNITS_MAX).contains(n)).ok_or_else(wrong);
        match text.as_str() {
            "workday" => Ok(Self::Workday),
            "holiday" => Ok(Self::Holiday),
            other => {
                if let Some(n) = other.strip_suffix("mo") {
                    Ok(Self::Months(units(n)?))
                } else if let Some(n) = other.strip_suffix('h') {
                    Ok(Self::Hours(units(n)?))
                } else if let Some(n) = other.strip_suffix('d') {
                    Ok(Self::Days(units(n)?))
                } else if let Some(n) = other.strip_suffix('w') {
                    Ok(Self::Days(7 * units(n)?))
                } else {
                    Err(wrong())
                }
            }
        }
    }
}

/// A turn: its number from 0, and from when until when it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub number: i64,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Turns one after the other from a first handover on.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    pub zone: Tz,
    pub starts: NaiveDateTime,
    pub every: Every,
    /// What is a worked day; without one Monday to Friday are.
    pub calendar: Option<&'a Calendar>,
}

impl Rotation<'_> {
    /// The turn at a moment; none before the first one, and on days that are not of its kind.
    pub fn at(&self, at: Timestamp) -> Option<Turn> {
        match self.every {
            Every::Workday | Every::Holiday => self.of_days(at),
            Every::Hours(_) | Every::Days(_) | Every::Months(_) => self.of_length(at),
        }
    }

    /// When the first turn after `at` begins, where none is at `at`.
    pub fn next_begin(&self, at: Timestamp) -> Option<Timestamp> {
        let first = instant(self.zone, self.starts, Edge::Start);
        match self.every {
            Every::Hours(_) | Every::Days(_) | Every::Months(_) => (first > at).then_some(first),
            Every::Workday | Every::Holiday => {
                let from = local(self.zone, at.max(first)).date_naive();
                let days = (0..WALK_DAYS_MAX).map(|n| day_after(from, n)).filter(|day| self.counts(*day));
                days.map(|day| self.handover(day)).find(|begin| *begin > at)
            }
        }
    }

    fn of_length(&self, at: Timestamp) -> Option<Turn> {
        let now = local(self.zone, at).naive_local();
        let mut number = match self.every {
            Every::Months(n) => {
                let months = |time: NaiveDateTime| i64::from(time.year()) * 12 + i64::from(time.month());
                (months(now) - months(self.starts)).div_euclid(i64::from(n.max(1)))
            }
            Every::Days(n) => (now - self.starts).num_minutes().div_euclid(i64::from(n.max(1)) * 24 * 60),
            Every::Hours(n) => (now - self.starts).num_minutes().div_euclid(i64::from(n.max(1)) * 60),
            Every::Workday | Every::Holiday => return None,
        };
        // Changes of the clock and months of several lengths move the estimate by one.
        while self.begin(number) > at {
            number -= 1;
        }
        while self.begin(number + 1) <= at {
            number += 1;
        }
        (number >= 0).then(|| Turn { number, from: self.begin(number), to: self.begin(number + 1) })
    }

    /// When the turn of this number begins.
    fn begin(&self, number: i64) -> Timestamp {
        let local = match self.every {
            Every::Hours(n) => self.starts.checked_add_signed(TimeDelta::hours(number.saturating_mul(i64::from(n)))),
            Every::Days(n) => self.starts.checked_add_signed(TimeDelta::days(number.saturating_mul(i64::from(n)))),
            Every::Months(n) => {
                let months = |number: i64| u32::try_from(number.saturating_mul(i64::from(n))).map(Months::new).ok();
                if number >= 0 {
                    months(number).and_then(|months| self.starts.checked_add_months(months))
                } else {
                    months(-number).and_then(|months| self.starts.checked_sub_months(months))
                }
            }
            Every::Workday | Every::Holiday => None,
        };
        let end = if number < 0 { NaiveDateTime::MIN } else { NaiveDateTime::MAX };
        instant(self.zone, local.unwrap_or(end), Edge::Start)
    }

    /// A turn is one day of the kind, from handover to the next day's handover.
    fn of_days(&self, at: Timestamp) -> Option<Turn> {
        let today = local(self.zone, at).date_naive();
        let day = if self.handover(today) <= at { today } else { day_before(today, 1) };
        let first = self.starts.date();
        if day < first || !self.counts(day) {
            return None;
        }
        let number = first.iter_days().take_while(|other| *other < day).filter(|other| self.counts(*other)).count();
        Some(Turn { number: number as i64, from: self.handover(day), to: self.handover(day_after(day, 1)) })
    }

    fn counts(&self, day: NaiveDate) -> bool {
        let works = match self.calendar {
            Some(calendar) => calendar.is_workday(day),
            None => day.weekday().number_from_monday() <= 5,
        };
        works == (self.every == Every::Workday)
    }

    fn handover(&self, day: NaiveDate) -> Timestamp {
        instant(self.zone, day.and_time(self.starts.time()), Edge::Start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(zone: &str, starts: &str, every: &str) -> Rotation<'static> {
        Rotation {
            zone: zone.parse().unwrap(),
            starts: NaiveDateTime::parse_from_str(starts, "%Y-%m-%d %H:%M").unwrap(),
            every: Every::try_from(every.to_owned()).unwrap(),
            calendar: None,
        }
    }

    fn check(rotation: &Rotation<'_>, at: &str, want: Option<(i64, &str, &str)>) {
        let got = rotation.at(Timestamp::parse(at).unwrap());
        let want = want.map(|(number, from, to)| Turn {
            number,
            from: Timestamp::parse(from).unwrap(),
            to: Timestamp::parse(to).unwrap(),
        });
        assert_eq!(got, want, "{at}");
    }

    #[test]
    fn turns_change_at_the_same_time_of_day_when_the_clock_is_changed() {
        let daily = rotation("Europe/Berlin", "2026-03-27 09:00", "1d");
        check(&daily, "2026-03-28T07:59:59Z", Some((0, "2026-03-27T08:00:00Z", "2026-03-28T08:00:00Z")));
        check(&daily, "2026-03-29T06:59:59Z", Some((1, "2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z")));
        check(&daily, "2026-03-29T07:00:00Z", Some((2, "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z")));
        let half = rotation("Europe/Berlin", "2026-10-24 08:00", "12h");
        check(&half, "2026-10-25T06:59:00Z", Some((1, "2026-10-24T18:00:00Z", "2026-10-25T07:00:00Z")));
        check(&half, "2026-10-24T05:59:00Z", None);
    }

    #[test]
    fn months_have_their_lengths_and_weeks_are_seven_days() {
        let monthly = rotation("Asia/Shanghai", "2028-01-31 09:00", "1mo");
        check(&monthly, "2028-02-29T00:59:00Z", Some((0, "2028-01-31T01:00:00Z", "2028-02-29T01:00:00Z")));
        check(&monthly, "2028-02-29T01:00:00Z", Some((1, "2028-02-29T01:00:00Z", "2028-03-31T01:00:00Z")));
        let weekly = rotation("Asia/Shanghai", "2026-01-05 09:00", "1w");
        check(&weekly, "2026-02-02T00:59:00Z", Some((3, "2026-01-26T01:00:00Z", "2026-02-02T01:00:00Z")));
    }

    #[test]
    fn turns_of_workdays_leave_out_days_off() {
        let days = rotation("Asia/Shanghai", "2026-01-05 09:00", "workday");
        check(&days, "2026-01-09T02:00:00Z", Some((4, "2026-01-09T01:00:00Z", "2026-01-10T01:00:00Z")));
        check(&days, "2026-01-10T02:00:00Z", None);
        check(&days, "2026-01-12T02:00:00Z", Some((5, "2026-01-12T01:00:00Z", "2026-01-13T01:00:00Z")));
        let at = Timestamp::parse("2026-01-10T02:00:00Z").unwrap();
        assert_eq!(days.next_begin(at), Timestamp::parse("2026-01-12T01:00:00Z"));
    }
}
