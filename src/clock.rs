//! The only reader of the machine's clock.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::domain::time::{Span, Timestamp};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A wall clock that is further ahead of the time that has passed has jumped.
const JUMP: Span = Span::secs(60);
/// So long it must stay there before it is believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(60);
/// One that is further behind has been put back.
const PUT_BACK: Span = Span::secs(1);

/// The machine's clock, as far as it can be believed: it never goes back, and a jump forwards must last for a minute.
pub fn machine() -> Clock {
    let steady = Mutex::new(Steady::new(wall(), Instant::now()));
    Arc::new(move || steady.lock().expect("nobody panics while holding it").tell(wall(), Instant::now()))
}

fn wall() -> Timestamp {
    Timestamp::from(chrono::Utc::now())
}

/// A clock that starts at `start` and runs `times` as fast as the machine's: for demos.
pub fn hurried(start: Timestamp, times: u32) -> Clock {
    let began = Instant::now();
    Arc::new(move || {
        let ran = began.elapsed().as_millis().saturating_mul(u128::from(times));
        Timestamp(start.0.saturating_add(i64::try_from(ran).unwrap_or(i64::MAX)))
    })
}

/// What is thought of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// It is the time.
    Full,
    /// It has jumped ahead: the time goes on as it was, until the clock is back or has stayed there.
    Ahead,
    /// It was put back: the time goes on at half the speed, until the clock has caught up.
    Behind,
}

/// The wall clock beside one that only counts.
struct Steady {
    trust: Trust,
    /// What was told when, at the last time that trust changed; while there is trust: last.
    told: Timestamp,
    at: Instant,
}

impl Steady {
    const fn new(wall: Timestamp, now: Instant) -> Self {
        Self { trust: Trust::Full, told: wall, at: now }
    }

    fn tell(&mut self, wall: Timestamp, now: Instant) -> Timestamp {
        let passed = now.saturating_duration_since(self.at);
        let counted = Span(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX));
        let expected = match self.trust {
            Trust::Full | Trust::Ahead => self.told.plus(counted),
            Trust::Behind => self.told.plus(Span(counted.0 / 2)),
        };
        let off = wall.since(expected);
        match self.trust {
            Trust::Full if off > JUMP => {
                tracing::warn!(off_seconds = off.as_secs(), "the machine's clock has jumped ahead: not believed yet");
                self.turn(Trust::Ahead, expected, now)
            }
            Trust::Full if off.0 < -PUT_BACK.0 => {
                tracing::warn!(off_seconds = off.as_secs(), "the machine's clock was put back: time goes on slowly");
                self.turn(Trust::Behind, expected, now)
            }
            Trust::Full => self.turn(Trust::Full, wall.max(self.told), now),
            Trust::Ahead if off <= JUMP => {
                tracing::info!("the machine's clock is as it was");
                let told = if off.0 < -PUT_BACK.0 { Trust::Behind } else { Trust::Full };
                self.turn(told, wall.max(expected), now)
            }
            Trust::Ahead if passed >= BELIEVED_AFTER => {
                tracing::warn!(off_seconds = off.as_secs(), "the machine's clock stays ahead: it is believed");
                self.turn(Trust::Full, wall, now)
            }
            Trust::Behind if off.0 >= 0 => {
                tracing::info!("the machine's clock has caught up");
                let trust = if off > JUMP { Trust::Ahead } else { Trust::Full };
                self.turn(trust, if off > JUMP { expected } else { wall }, now)
            }
            Trust::Ahead | Trust::Behind => expected,
        }
    }

    const fn turn(&mut self, trust: Trust, told: Timestamp, now: Instant) -> Timestamp {
        (self.trust, self.told, self.at) = (trust, told, now);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wall clock and time that has passed, in seconds, and what is told.
    fn check(readings: &[(i64, u64, i64)]) {
        let began = Instant::now();
        let mut steady = Steady::new(Timestamp(0), began);
        for (wall, passed, expected) in readings {
            let told = steady.tell(Timestamp(wall * 1000), began + Duration::from_secs(*passed));
            assert_eq!(told, Timestamp(expected * 1000), "at {passed} s with the clock at {wall} s");
        }
    }

    #[test]
    fn a_clock_that_runs_is_believed() {
        check(&[(1, 1, 1), (11, 10, 11), (70, 20, 70), (69, 20, 70), (71, 21, 71)]);
    }

    #[test]
    fn a_jump_ahead_is_believed_after_a_minute() {
        check(&[(1, 1, 1), (9_001, 2, 2), (9_050, 51, 51), (9_062, 63, 9_062), (9_063, 64, 9_063)]);
        check(&[(1, 1, 1), (9_001, 2, 2), (50, 50, 50), (60, 60, 60)]);
    }

    #[test]
    fn a_clock_that_was_put_back_is_caught_up_with() {
        check(&[(100, 100, 100), (40, 101, 101), (60, 121, 111), (100, 161, 131), (200, 261, 200), (201, 262, 201)]);
    }
}
