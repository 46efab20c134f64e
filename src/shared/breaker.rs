//! A circuit breaker: after a few failures in a row nobody waits for Redis any more, until one attempt has succeeded.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES_MAX: u32 = 3;
/// The first pause before an attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause: so long after its return Redis is used again.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Whether Redis may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// It may; so many calls have failed in a row.
    Closed { failures: u32 },
    /// It may not. After `until` one attempt may be made.
    Open { until: Instant, pause: Duration },
}

impl Breaker {
    /// Nothing is known yet: an attempt comes first.
    pub fn unproven(now: Instant) -> Self {
        Self::Open { until: now, pause: PAUSE }
    }

    /// Whether calls go through.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// How long an attempt has to wait; none: calls go through by themselves.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { until, .. } => Some(until.saturating_duration_since(now)),
        }
    }

    /// A call has succeeded. One that had begun before it opened changes nothing.
    pub fn succeeded(&mut self) {
        if self.is_closed() {
            self.proven();
        }
    }

    /// An attempt has succeeded.
    pub fn proven(&mut self) {
        *self = Self::Closed { failures: 0 };
    }

    /// An attempt was refused: more of them would be, too.
    pub fn refused(&mut self, now: Instant) {
        if self.is_closed() {
            *self = Self::Open { until: now + PAUSE, pause: PAUSE };
        } else {
            self.failed(now);
        }
    }

    /// A call or an attempt has failed.
    pub fn failed(&mut self, now: Instant) {
        *self = match *self {
            Self::Closed { failures } if failures + 1 < FAILURES_MAX => Self::Closed { failures: failures + 1 },
            Self::Closed { .. } => Self::Open { until: now + PAUSE, pause: PAUSE },
            // A call that had begun before it opened changes nothing.
            Self::Open { until, pause } if now < until => Self::Open { until, pause },
            Self::Open { pause, .. } => {
                let pause = (pause * 2).min(PAUSE_MAX);
                Self::Open { until: now + pause, pause }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_three_failures_and_closes_after_one_success() {
        let start = Instant::now();
        let mut breaker = Breaker::unproven(start);
        assert_eq!(breaker.wait(start), Some(Duration::ZERO));
        breaker.succeeded();
        assert!(!breaker.is_closed(), "only an attempt closes it");
        breaker.proven();
        for (failure, stays) in [(1, true), (2, true), (3, false)] {
            breaker.failed(start);
            assert_eq!(breaker.is_closed(), stays, "failure {failure}");
        }
        assert_eq!(breaker.wait(start), Some(PAUSE));
        breaker.failed(start);
        assert_eq!(breaker.wait(start), Some(PAUSE), "a late answer of an earlier call");
        let mut now = start;
        for expected in [500, 1000, 1000] {
            now += breaker.wait(now).unwrap_or_default();
            breaker.failed(now);
            assert_eq!(breaker.wait(now), Some(Duration::from_millis(expected)));
        }
        breaker.proven();
        assert_eq!(breaker, Breaker::Closed { failures: 0 });
        breaker.failed(now);
        breaker.succeeded();
        assert_eq!(breaker, Breaker::Closed { failures: 0 }, "failures count in a row");
        breaker.refused(now);
        assert!(!breaker.is_closed(), "one refusal is enough");
    }
}
