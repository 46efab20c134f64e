//! When a failed attempt is repeated.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use chrono::DateTime;

use super::settings::Settings;
use crate::domain::time::Timestamp;

/// The shortest and the longest time that a receiver can make us wait.
const ASKED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// The pauses of one notice.
#[derive(Debug)]
pub struct Pauses {
    grown: ExponentialBackoff,
    longest: Duration,
}

impl Pauses {
    /// Pauses that start anew.
    pub fn new(settings: &Settings) -> Self {
        let grown = ExponentialBuilder::new()
            .with_min_delay(settings.retry_first)
            .with_max_delay(settings.retry_max)
            .without_max_times()
            .with_jitter()
            .build();
        Self { grown, longest: settings.retry_max }
    }

    /// The next pause: twice the last one, up to the longest, plus up to as much again by chance; or what the
    /// receiver asked for, when that is longer.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let own = self.grown.next().unwrap_or(self.longest).min(self.longest);
        asked.map_or(own, |asked| own.max(asked))
    }
}

/// Reads `Retry-After`: seconds, or a date. Anything else is no wish. Kept within 1 s and 10 min.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wished = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are just a long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let at = Timestamp::from(DateTime::parse_from_rfc2822(text).ok()?.to_utc());
        Duration::from_millis(at.since(now).0.max(0) as u64)
    };
    Some(wished.clamp(ASKED.0, ASKED.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_kept_within_bounds() {
        let now = Timestamp::parse("2026-01-05T08:00:00Z").unwrap();
        let check = |text: &str, secs: Option<u64>| {
            assert_eq!(retry_after(text, now), secs.map(Duration::from_secs), "{text}");
        };
        check("120", Some(120));
        check("0", Some(1));
        check("1000000000000", Some(600));
        check("99999999999999999999999999", Some(600));
        check("Mon, 05 Jan 2026 08:02:00 GMT", Some(120));
        check("Mon, 05 Jan 2026 07:00:00 GMT", Some(1));
        check("soon", None);
        check("-5", None);
        check("", None);
    }

    #[test]
    fn pauses_grow_to_the_longest_one() {
        let mut pauses = Pauses::new(&Settings::default());
        let all: Vec<u64> = (0..12).map(|_| pauses.next(None).as_secs()).collect();
        for (n, secs) in all.iter().enumerate() {
            let least = 2_u64.pow(n as u32).min(300);
            assert!((least..=(least * 2).min(300)).contains(secs), "{all:?}");
        }
        assert_eq!(pauses.next(Some(Duration::from_secs(400))).as_secs(), 400);
    }
}
