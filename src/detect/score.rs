//! The anomaly score: one number per mille for a reading, the same in the event, in the API and on the chart.
//!
//! It is of spreads: those by which a window lies off what was usual, or, where that is more, those that a pattern's height above
//! its bar is worth. Four are worth telling (285), ten are as likely trouble as not (500), ninety give 900; 1000 is never reached.

/// Spreads from which on something is told by itself: a pattern that stands just as high as its bar has as many.
pub const TOLD_FROM: f64 = 4.0;
/// Spreads at which something is as likely unusual as not.
const EVEN: f64 = 10.0;
/// The score of [`TOLD_FROM`], and the highest one that can be asked for.
pub const LEAST: u16 = 285;
const MOST: u16 = 999;

/// The score of so many spreads.
pub fn of_spreads(spreads: f64) -> u16 {
    let spreads = spreads.clamp(0.0, 1e9);
    (1000.0 * spreads / (spreads + EVEN)) as u16
}

/// What a pattern's height above its bar is worth, in spreads.
pub fn spreads_of(height: f32) -> f64 {
    TOLD_FROM * f64::from(height)
}

/// The height of a pattern that has this score; at least the bar itself.
pub fn height_of(score: u16) -> f32 {
    let score = f64::from(score.min(MOST));
    ((EVEN * score / (1000.0 - score) / TOLD_FROM) as f32).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_heights_and_scores_are_one_scale() {
        assert_eq!([-1.0, 0.0, 4.0, 6.0, 10.0, 90.0].map(of_spreads), [0, 0, LEAST, 375, 500, 900]);
        assert_eq!(of_spreads(f64::from(f32::MAX)), 999);
        for height in [1.0, 1.5, 3.0] {
            let again = height_of(of_spreads(spreads_of(height)));
            assert!((again - height).abs() < 0.02 * height, "{height} {again}");
        }
        assert_eq!(height_of(0), 1.0, "what is below the bar is not told");
    }
}
