//! Whether what was accepted is decided: an engine may run and get nowhere.

use crate::domain::time::{Span, Timestamp};

/// How long the oldest record that waits may stay the same one.
const STILL_MAX: Span = Span::mins(1);

/// Whether what was accepted is decided: since when the same record is the oldest one that waits.
#[derive(Debug, Default)]
pub(super) struct Progress(Option<(Timestamp, Timestamp)>);

impl Progress {
    /// Takes in since when the oldest one waits; gives for how long nothing is decided, once that is too long.
    pub fn look(&mut self, now: Timestamp, waits_since: Option<Timestamp>) -> Option<Span> {
        let oldest = waits_since?;
        let seen = match self.0 {
            Some((before, seen)) if before == oldest => seen,
            Some(_) | None => now,
        };
        self.0 = Some((oldest, seen));
        Some(now.since(seen)).filter(|still| *still >= STILL_MAX)
    }
}

/// How far what is decided is behind what was accepted, once that is too far.
pub(super) fn behind(now: Timestamp, waits_since: Option<Timestamp>, most: Span) -> Option<String> {
    let waits = now.since(waits_since?);
    (waits > most).then(|| format!("the oldest event that is not decided waits for {} seconds", waits.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_too_long_is_behind_though_the_engine_goes_on() {
        let (at, most) = (|secs: i64| Timestamp(secs * 1000), Span::mins(1));
        assert_eq!(behind(at(100), None, most), None);
        assert_eq!(behind(at(100), Some(at(40)), most), None);
        let told = behind(at(101), Some(at(40)), most).unwrap();
        assert!(told.contains("61 seconds"), "{told}");
    }

    #[test]
    fn an_engine_that_decides_nothing_while_records_wait_stands_still() {
        let (mut progress, at) = (Progress::default(), |secs: i64| Timestamp(secs * 1000));
        assert_eq!(progress.look(at(0), None), None, "nothing waits");
        for secs in [100, 130, 159] {
            assert_eq!(progress.look(at(secs), Some(at(99))), None);
        }
        assert_eq!(progress.look(at(160), Some(at(99))), Some(Span::secs(60)));
        assert_eq!(progress.look(at(170), Some(at(120))), None, "it is behind, and goes on");
        assert_eq!(progress.look(at(240), None), None, "it has caught up");
    }
}
