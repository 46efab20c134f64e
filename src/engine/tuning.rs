//! The numbers behind correlation. One set of defaults for every estate; what is known of CI classes and
//! relations is in the topology's data instead. Measured in `docs/accuracy.md`.

use super::fixed::Milli;
use crate::domain::time::Span;

/// Numbers of the correlation stage. Scores are milli-nats (see `fixed`).
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Width of the delay distribution: standard deviation of ln(delay), per mille.
    pub spread: i64,
    /// Delays further from the typical one than this (in standard deviations, per mille) do not count.
    pub spread_max: i64,
    /// What every further hop costs.
    pub hop: Milli,
    pub hops_max: u8,
    /// CIs looked at on the way upstream.
    pub upstream_max: usize,
    /// Paths with a score below this end.
    pub path_min: Milli,
    /// Slack added to every delay.
    pub slack: Span,
    /// Two alerts on one CI: path score, typical delay, slack.
    pub same_ci: Milli,
    pub same_ci_delay: Span,
    pub same_ci_slack: Span,
    /// How late an effect can come after its cause, and how early (clocks differ).
    pub horizon: Span,
    pub early_max: Span,
    /// Bounds of the log rate (per second and CI) of background alerts.
    pub background_min: Milli,
    pub background_max: Milli,
    /// Log rate of inferred causes.
    pub background_inferred: Milli,
    /// Alerts remembered per CI as possible parents.
    pub recent_max: usize,
    /// When an alert's parent is looked for again.
    pub revise_after: [Span; 3],
    /// When an inferred cause is looked at again.
    pub revise_inferred_after: [Span; 2],
    /// When the surroundings of an alert are known well enough to learn from.
    pub learn_after: Span,
    /// A firing event within this span of the last event is a repeat.
    pub repeat_window: Span,
    /// A firing event within this span goes on with the same alert.
    pub refire_window: Span,
    /// Changes to firing after which an alert without effects is chronic.
    pub chronic_cycles: u32,
    /// Prior log-odds of a silent cause.
    pub silent_prior: Milli,
    pub silent_hops_max: u8,
    /// Probability (per mille) that a direct dependent of a failed CI is seen by now.
    pub expected_shown: i64,
    /// A held serious alert that fires this long becomes an incident.
    pub promote_after: Span,
    /// A lone recurrence within this span goes into the incident of the last one.
    pub fold_window: Span,
    /// CIs that make an incident of minor alerts.
    pub minor_cis: usize,
    /// An alert that was not heard of for this long is taken as resolved.
    pub expire_after: Span,
    /// How long event ids are remembered.
    pub event_id_window: Span,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            spread: 800,
            spread_max: 3000,
            hop: -1200,
            hops_max: 5,
            upstream_max: 200,
            path_min: -7000,
            slack: Span::secs(8),
            same_ci: -200,
            same_ci_delay: Span::secs(6),
            same_ci_slack: Span::secs(16),
            horizon: Span::secs(1800),
            early_max: Span::secs(40),
            background_min: -13_800,
            background_max: -7000,
            background_inferred: -11_000,
            recent_max: 8,
            revise_after: [Span::secs(30), Span::secs(120), Span::secs(400)],
            revise_inferred_after: [Span::secs(90), Span::secs(400)],
            learn_after: Span::secs(900),
            repeat_window: Span::secs(450),
            refire_window: Span::secs(2400),
            chronic_cycles: 8,
            silent_prior: -12_000,
            silent_hops_max: 2,
            expected_shown: 750,
            promote_after: Span::secs(300),
            fold_window: Span::hours(24),
            minor_cis: 3,
            expire_after: Span::hours(24),
            event_id_window: Span::mins(40),
        }
    }
}
