//! The numbers behind correlation. They are a model file; the one that is compiled in is the default. One set for
//! every estate; what is known of CI classes and relations is in the topology's data instead.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::delays::Delay;
use super::fixed::Milli;
use super::logit::Answers;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::Span;

/// The model's name: also its folder's.
pub const MODEL: &str = "correlation";

/// The model file that is compiled in, by its path in the project, and its text.
pub const BUILT_IN: (&str, &str) =
    ("models/correlation/6/model.yaml", include_str!("../../models/correlation/6/model.yaml"));

/// Numbers of the correlation stage. Scores are milli-nats (see `fixed`).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Always [`MODEL`]: the file says what it is.
    pub model: Box<str>,
    pub version: u32,
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
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub slack: Span,
    /// Two alerts on one CI: path score, typical delay, slack.
    pub same_ci: Milli,
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub same_ci_delay: Span,
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub same_ci_slack: Span,
    /// How late an effect can come after its cause, and how early (clocks differ).
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub horizon: Span,
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub early_max: Span,
    /// Bounds of the log rate (per second and CI) of background alerts.
    pub background_min: Milli,
    pub background_max: Milli,
    /// What it costs to take an alert of a noisy type for a cause.
    pub noise_cause: Milli,
    /// How much weaker an explanation may be that saves an incident: fewer roots are likelier.
    pub parsimony: Milli,
    /// Log rate of inferred causes.
    pub background_inferred: Milli,
    /// Alerts remembered per CI as possible parents.
    pub recent_max: usize,
    /// When an alert's parent is looked for again.
    #[serde(deserialize_with = "growing")]
    #[schemars(with = "[SpanText; 3]")]
    pub revise_after: [Span; 3],
    /// When an inferred cause is looked at again.
    #[serde(deserialize_with = "growing")]
    #[schemars(with = "[SpanText; 2]")]
    pub revise_inferred_after: [Span; 2],
    /// When the surroundings of an alert are known well enough to learn from.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub learn_after: Span,
    /// How far apart alerts of one type must be to count as two looks at what the type causes.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub learn_pause: Span,
    /// A firing event within this span of the last event is a repeat.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub repeat_window: Span,
    /// A firing event within this span goes on with the same alert.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub refire_window: Span,
    /// Changes to firing after which an alert without effects is chronic.
    pub chronic_cycles: u32,
    /// Prior log-odds of a silent cause.
    pub silent_prior: Milli,
    pub silent_hops_max: u8,
    /// Probability (per mille) that a direct dependent of a failed CI is seen by now.
    pub expected_shown: i64,
    /// A lone recurrence within this span goes into the incident of the last one.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub fold_window: Span,
    /// CIs that make an incident of minor alerts.
    pub minor_cis: usize,
    /// How long event ids are remembered.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub event_id_window: Span,
    /// What was learned of how long faults take, kind of relation by kind of relation.
    #[serde(default)]
    pub delays: Vec<Delay>,
    /// What was learned; a question without an answer is decided by the numbers above.
    #[serde(default)]
    pub learned: Answers,
}

impl Default for Tuning {
    fn default() -> Self {
        static DEFAULT: LazyLock<Tuning> =
            LazyLock::new(|| Tuning::parse(BUILT_IN.0, BUILT_IN.1).expect("the built-in model is tested"));
        DEFAULT.clone()
    }
}

/// Why a model file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}:{line}:{column}: {what}; {remedy}")]
pub struct TuningError {
    pub place: String,
    /// From 1; 0 = unknown.
    pub line: u32,
    pub column: u32,
    pub what: String,
    pub remedy: String,
}

/// A number and the range it has to be in.
type Bound = (&'static str, i64, i64, i64);

impl Tuning {
    /// Reads a model file; `place` is named in errors.
    ///
    /// # Errors
    /// What cannot be read, or every number that is out of its range.
    pub fn parse(place: &str, yaml: &str) -> Result<Self, Vec<TuningError>> {
        let error = |line: u32, column: u32, what: String, remedy: &str| TuningError {
            place: place.to_owned(),
            line,
            column,
            what,
            remedy: remedy.to_owned(),
        };
        let tuning: Self = serde_saphyr::from_str(yaml).map_err(|failure| {
            let (line, column) = failure.location().map_or((0, 0), |at| (at.line() as u32, at.column() as u32));
            let told = failure.without_snippet().to_string();
            let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
            vec![error(line, column, told, "compare with models/correlation/6/model.yaml")]
        })?;
        let mut errors = Vec::new();
        if &*tuning.model != MODEL {
            let what = format!("model {:?} is not {MODEL:?}", tuning.model);
            errors.push(error(line_of(yaml, "model"), 1, what, "take the file of the right folder"));
        }
        for (name, number, min, max) in tuning.bounds() {
            if !(min..=max).contains(&number) {
                let what = format!("{name} is {number}, out of range");
                errors.push(error(line_of(yaml, name), 1, what, &format!("write {min} to {max}")));
            }
        }
        for delay in &tuning.delays {
            let Delay { relation, cause, effect, typical, spread } = delay;
            // Wider than all others it would reach further back than anybody looks.
            if !(1..=3600).contains(&typical.as_secs()) || !(50..=tuning.spread).contains(spread) {
                let what = format!("delays: {relation} from {cause} to {effect} is out of range");
                let remedy = format!("write typical: 1s to 1h and spread: 50 to {}", tuning.spread);
                errors.push(error(line_of(yaml, "delays"), 1, what, &remedy));
            }
        }
        if errors.is_empty() { Ok(tuning) } else { Err(errors) }
    }

    /// Every number with its range; lengths of time in seconds.
    fn bounds(&self) -> Vec<Bound> {
        let secs = |name, span: Span, min, max| (name, span.as_secs(), min, max);
        const DAY: i64 = 86_400;
        vec![
            ("version", i64::from(self.version), 1, 1_000_000),
            ("spread", self.spread, 50, 5000),
            ("spread_max", self.spread_max, 500, 10_000),
            ("hop", self.hop, -20_000, 0),
            ("hops_max", self.hops_max.into(), 1, 16),
            ("upstream_max", self.upstream_max as i64, 1, 10_000),
            ("path_min", self.path_min, -50_000, 0),
            secs("slack", self.slack, 0, 3600),
            ("same_ci", self.same_ci, -20_000, 0),
            secs("same_ci_delay", self.same_ci_delay, 1, 3600),
            secs("same_ci_slack", self.same_ci_slack, 0, 3600),
            secs("horizon", self.horizon, 10, DAY),
            secs("early_max", self.early_max, 0, 3600),
            ("background_min", self.background_min, -30_000, self.background_max),
            ("background_max", self.background_max, self.background_min, 0),
            ("noise_cause", self.noise_cause, -20_000, 0),
            ("parsimony", self.parsimony, 0, 20_000),
            ("background_inferred", self.background_inferred, -30_000, 0),
            ("recent_max", self.recent_max as i64, 1, 64),
            secs("learn_after", self.learn_after, 1, DAY),
            secs("learn_pause", self.learn_pause, 0, 3600),
            secs("repeat_window", self.repeat_window, 1, DAY),
            secs("refire_window", self.refire_window, self.repeat_window.as_secs(), 7 * DAY),
            ("chronic_cycles", self.chronic_cycles.into(), 2, 1000),
            ("silent_prior", self.silent_prior, -50_000, 0),
            ("silent_hops_max", self.silent_hops_max.into(), 0, self.hops_max.into()),
            ("expected_shown", self.expected_shown, 1, 999),
            secs("fold_window", self.fold_window, 0, 30 * DAY),
            ("minor_cis", self.minor_cis as i64, 1, 1000),
            secs("event_id_window", self.event_id_window, 1, 7 * DAY),
        ]
    }
}

/// The line on which a key stands, from 1; 0 when it is not at the start of a line.
fn line_of(yaml: &str, key: &str) -> u32 {
    let is_key = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'));
    yaml.lines().position(is_key).map_or(0, |n| n as u32 + 1)
}

/// Lengths of time, each longer than the one before.
fn growing<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[Span; N], D::Error> {
    let wrong = |why: String| serde::de::Error::custom(format!("{why}; write {N} growing lengths such as 30s, 2m"));
    let texts = Vec::<String>::deserialize(deserializer)?;
    let spans: Option<Vec<Span>> = texts.iter().map(|text| spans::parse(text)).collect();
    let Some(spans) = spans else { return Err(wrong(format!("{texts:?} are no lengths of time"))) };
    let ordered = spans.windows(2).all(|pair| pair[0] < pair[1]) && spans.first().is_none_or(|s| s.0 > 0);
    let count = spans.len();
    match spans.try_into() {
        Ok(spans) if ordered => Ok(spans),
        Ok(_) => Err(wrong("the lengths of time do not grow".into())),
        Err(_) => Err(wrong(format!("{count} lengths of time"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: (&str, &str), told: &[&str]) {
        check_in(BUILT_IN.1, change, told);
    }

    fn check_in(model: &str, change: (&str, &str), told: &[&str]) {
        let yaml = model.replacen(change.0, change.1, 1);
        assert_ne!(yaml, model, "{change:?} changes something");
        let errors = Tuning::parse("m.yaml", &yaml).unwrap_err();
        let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
        for part in told {
            assert!(text.join("\n").contains(part), "{part:?} in {text:?}");
        }
    }

    #[test]
    fn the_built_in_model_holds_and_wrong_ones_are_refused_with_their_place() {
        assert_eq!(Tuning::parse(BUILT_IN.0, BUILT_IN.1).unwrap(), Tuning::default());
        check(("spread: 800", "spread: 8"), &["m.yaml:11:1", "spread is 8", "write 50 to 5000"]);
        check(("hop: -1800", "hopp: -1800"), &["m.yaml:13", "hopp"]);
        check(("slack: 8s", "slack: 8"), &["m.yaml:17", "8"]);
        check(("[30s, 2m, 400s]", "[30s, 2m]"), &["2 lengths of time", "write 3 growing"]);
        check(("[30s, 2m, 400s]", "[30s, 10s, 400s]"), &["do not grow"]);
        check(("model: correlation", "model: other"), &["m.yaml:7:1", "\"other\""]);
        check(("minor_cis: 6", "# minor_cis"), &["minor_cis"]);
    }

    #[test]
    fn a_feature_that_a_model_does_not_know_of_adds_nothing() {
        use super::super::logit::Question;
        let yaml = BUILT_IN.1.replacen("      delay_fit: ", "      # ", 1);
        let older = Tuning::parse("m.yaml", &yaml).unwrap();
        let at = Question::Link.features().iter().position(|name| *name == "delay_fit").unwrap();
        assert_eq!(older.learned.get(Question::Link).unwrap().weights[at], 0);
        assert_ne!(Tuning::default().learned.get(Question::Link).unwrap().weights[at], 0);
    }

    #[test]
    fn what_was_learned_is_refused_when_it_has_another_shape() {
        let model = BUILT_IN.1;
        assert!(Tuning::parse("m.yaml", model).is_ok());
        check_in(model, ("      delay_fit: ", "      delay_fits: "), &["delay_fits", "learned.link"]);
        check_in(model, ("    constant: ", "    constant: .nan # "), &["m.yaml"]);
        check_in(model, ("    constant: ", "    constant: 999999"), &["beyond"]);
        let wide = "spread: 801}";
        check_in(model, ("spread: 600}", wide), &["m.yaml:54:1", "delays:", "out of range", "spread: 50 to 800"]);
        check_in(model, ("{relation: calls,", "{relations: calls,"), &["relations"]);
    }
}
