//! When causes of an alert can have started: outside of that window no delay fits, and nobody need look.

use super::cell::{Cell, UNCERTAIN_INFERRED};
use super::fixed::exp_ppm;
use super::recents::Window;
use crate::domain::time::{Span, Timestamp};

/// When causes of an alert can have started, by how long they typically take.
pub struct Fitting {
    onset: Timestamp,
    slack: Span,
    stretch: Option<i64>,
    horizon: Span,
    most: Span,
    to: Timestamp,
}

impl Fitting {
    /// The window of causes that typically take so long.
    pub fn window(&self, typical: Span) -> Window {
        let sum = (typical.0 + self.slack.0).max(1);
        let reach = self.stretch.and_then(|permille| sum.checked_mul(permille)).map_or(i64::MAX, |reach| reach / 1000);
        let from = self.onset.minus(Span(reach.min(self.horizon.0))).minus(self.most);
        Window { from, to: self.to }
    }
}

impl Cell {
    /// When causes whose delay fits have started.
    pub fn fitting(&self, onset: Timestamp, uncertain: Span) -> Fitting {
        let tuning = &self.tuning;
        let [least, most, others] = self.learned.bounds();
        let slack = Span(tuning.slack.0 + uncertain.0 + others.0.max(UNCERTAIN_INFERRED.0));
        let latest = onset.plus(Span(tuning.early_max.0.min(slack.0)));
        Fitting {
            onset,
            slack,
            stretch: stretch(tuning.spread, tuning.spread_max),
            horizon: tuning.horizon,
            most,
            to: latest.minus(least),
        }
    }
}

/// How many times (per mille) the typical delay a delay may be at most to fit; more rather than less. `None`: any.
fn stretch(spread: i64, spread_max: i64) -> Option<i64> {
    let most = (spread_max + 1).checked_mul(spread)? / 1000 + 5;
    // Of rarer ones the table of e^x says too little.
    let share = if most < 6000 { exp_ppm(-most) } else { return None };
    Some(1_000_000_000 / (share - share / 50 - 2) + 1)
}

#[cfg(test)]
mod tests {
    use super::super::correlate::delay_fit;
    use super::*;

    #[test]
    fn a_delay_that_fits_is_never_beyond_the_stretch() {
        for (spread, spread_max) in [(800, 3000), (50, 500), (300, 2500), (1500, 3900), (2000, 2500)] {
            let stretch = stretch(spread, spread_max).expect("not too wide");
            for base in [1, 700, 6000, 59_999, 1_000_000] {
                // Around the end the step is a thousandth.
                let end = base * stretch / 1000;
                let beyond = (0..400).map(|n| end + 1 + n * (end / 1000 + 1));
                for x in beyond {
                    assert_eq!(
                        delay_fit(spread, spread_max, Span(x), Span(base), Span(0)),
                        None,
                        "{spread} {base} {x}"
                    );
                }
                // A twentieth within the window a delay fits: it is hardly wider than need be.
                let within = base.max(end - end / 20);
                assert!(within < 500 || delay_fit(spread, spread_max, Span(within), Span(base), Span(0)).is_some());
            }
        }
        assert_eq!(stretch(5000, 10_000), None);
    }
}
