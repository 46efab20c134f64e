//! How often a source should be heard of.

use std::str::FromStr as _;

use chrono::{DateTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron;
use serde::{Deserialize, Serialize};

use crate::domain::time::{Span, Timestamp};

/// The shortest time within which a source can be missed: its beats come one by one.
const EVERY_SECS_MIN: u32 = 5;

/// Either within some seconds, or at the times of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expected {
    /// From one delivery to the next, at most.
    pub every_secs: Option<u32>,
    /// Five fields of cron: `0 3 * * *`.
    pub schedule: Option<String>,
    /// The zone of the schedule; Asia/Shanghai unless it says otherwise.
    pub zone: Option<Tz>,
    /// So much later it may come.
    pub grace_secs: u32,
}

impl Expected {
    /// Whether it can be kept.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn check(&self) -> Result<(), String> {
        match (self.every_secs, &self.schedule) {
            (Some(every), None) if every >= EVERY_SECS_MIN => Ok(()),
            (Some(_), None) => Err(format!("expected.every_secs: at least {EVERY_SECS_MIN}")),
            (None, Some(schedule)) => match Cron::from_str(schedule) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("expected.schedule: {error}; write five fields such as 0 3 * * *")),
            },
            _ => Err("expected: give either every_secs or schedule".into()),
        }
    }

    /// When it is missed, if nothing is heard after this moment.
    pub fn missed_at(&self, heard: Timestamp) -> Option<Timestamp> {
        let due = match (self.every_secs, &self.schedule) {
            (Some(every), _) => heard.plus(Span::secs(i64::from(every))),
            (None, Some(schedule)) => {
                let zone = self.zone.unwrap_or(Tz::Asia__Shanghai);
                let heard: DateTime<Tz> = Utc.timestamp_millis_opt(heard.0).single()?.with_timezone(&zone);
                let next = Cron::from_str(schedule).ok()?.find_next_occurrence(&heard, false).ok()?;
                Timestamp(next.timestamp_millis())
            }
            (None, None) => return None,
        };
        Some(due.plus(Span::secs(i64::from(self.grace_secs))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_missed_after_its_time_and_its_grace() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let check = |expected: Expected, heard: &str, want: &str| {
            assert_eq!(expected.check(), Ok(()));
            assert_eq!(expected.missed_at(at(heard)), Some(at(want)), "{expected:?}");
        };
        let every = Expected { every_secs: Some(60), grace_secs: 30, ..Expected::default() };
        check(every, "2026-01-05T00:00:00Z", "2026-01-05T00:01:30Z");
        let nightly = Expected { schedule: Some("0 3 * * *".into()), grace_secs: 600, ..Expected::default() };
        check(nightly.clone(), "2026-01-05T03:01:00+08:00", "2026-01-06T03:10:00+08:00");
        let utc = Expected { zone: Some(Tz::UTC), ..nightly };
        check(utc, "2026-01-05T03:01:00+08:00", "2026-01-05T03:10:00Z");
        let bad = |expected: Expected| expected.check().unwrap_err();
        assert!(bad(Expected::default()).contains("either"));
        assert!(bad(Expected { every_secs: Some(1), ..Expected::default() }).contains("at least 5"));
        assert!(bad(Expected { schedule: Some("61 * * * *".into()), ..Expected::default() }).contains("five fields"));
    }
}
