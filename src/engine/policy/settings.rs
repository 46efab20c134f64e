//! Settings: the numbers that hold for all alerts. Every one has a default.

use schemars::JsonSchema;
use serde::Deserialize;

use super::closing::Closing;
use crate::domain::ids::ReceiverId;
use crate::domain::severity::Severity;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::Span;

/// Numbers that hold for all alerts and incidents.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RuleSettings")]
pub struct Settings {
    pub flapping: Flapping,
    /// Alert counts of an incident at which a storm warning is written: at most 5 values of 2 to 10,000, growing.
    #[serde(deserialize_with = "storm")]
    #[schemars(length(max = 5), inner(range(min = 2, max = 10_000)))]
    pub storm: Vec<u32>,
    /// How long an incident without firing alerts is watched before it counts as recovered, 0s to 24h.
    #[serde(deserialize_with = "observation")]
    #[schemars(with = "SpanText")]
    pub observation: Span,
    /// How long after recovery a new alert reopens an incident, 0s to 7d; then it closes.
    #[serde(deserialize_with = "reopen_gap")]
    #[schemars(with = "SpanText")]
    pub reopen_gap: Span,
    /// How long a closed incident stays in memory, 1m to 30d, and not shorter than `reopen_gap`.
    #[serde(deserialize_with = "retention")]
    #[schemars(with = "SpanText")]
    pub retention: Span,
    /// An alert that was not heard of for so long is taken as resolved, 1m to 90d.
    #[serde(deserialize_with = "expire_after")]
    #[schemars(with = "SpanText")]
    pub expire_after: Span,
    pub flow: FlowLimit,
    /// The same for one person, whatever the ways: 10 messages in 10 minutes, then a digest.
    pub pages: PageLimit,
    /// How often a receiver is told at most that an open incident has another root cause, or that others were
    /// merged into it, 30s to 24h. More severe, or of a higher priority, is told at once.
    #[serde(deserialize_with = "update_interval")]
    #[schemars(with = "SpanText")]
    pub update_interval: Span,
    /// Alerts in memory (firing, or ended less than `retention` ago), 10 to 10,000,000. Events that would make one more
    /// are refused as dead letters; repeats and ends of known alerts still apply.
    #[serde(deserialize_with = "alerts_max")]
    #[schemars(range(min = 10, max = 10_000_000))]
    pub alerts_max: u32,
    /// Decide and record, but tell nobody: for trying Headwater out beside what is there.
    pub observe_only: bool,
    pub changes: Changes,
    /// When incidents open too fast for people; off unless it is set.
    pub storm_mode: Option<StormMode>,
    pub closing: Closing,
    /// How many messages receivers that cost money may be sent.
    #[serde(deserialize_with = "budgets")]
    pub budgets: Vec<Budget>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flapping: Flapping::default(),
            storm: vec![100, 500, 2000],
            observation: Span::mins(5),
            reopen_gap: Span::mins(40),
            retention: Span::hours(25),
            expire_after: Span::hours(24),
            flow: FlowLimit::default(),
            pages: PageLimit::default(),
            update_interval: Span::mins(2),
            alerts_max: 1_000_000,
            observe_only: false,
            changes: Changes::default(),
            storm_mode: None,
            closing: Closing::default(),
            budgets: Vec::new(),
        }
    }
}

/// When messages are held back for a summary, and until when (风暴熔断).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StormMode {
    /// More incidents than that within `within` are a storm, 2 to 10,000.
    #[serde(deserialize_with = "incidents")]
    #[schemars(range(min = 2, max = 10_000))]
    pub incidents: u32,
    /// 10s to 1h.
    #[serde(default = "a_minute", deserialize_with = "storm_within")]
    #[schemars(with = "SpanText")]
    pub within: Span,
    /// It is over when no more than half as many have opened within `within` for so long, 1m to 6h.
    #[serde(default = "five_minutes", deserialize_with = "storm_span")]
    #[schemars(with = "SpanText")]
    pub calm: Span,
    /// How often each receiver gets a summary, 1m to 6h.
    #[serde(default = "five_minutes", deserialize_with = "storm_span")]
    #[schemars(with = "SpanText")]
    pub every: Span,
    /// Incidents this severe are told one by one all the same; `none`: not even those.
    #[serde(default = "critical", deserialize_with = "unless")]
    #[schemars(with = "Unless")]
    pub unless: Option<Severity>,
    /// Receivers that are told of everything, such as ticket systems.
    #[serde(default)]
    pub apart: Vec<ReceiverId>,
}

/// How many messages some receivers together may be sent (费用上限).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub id: Box<str>,
    /// Receivers of the configuration that share it, such as SMS and voice.
    pub receivers: Vec<ReceiverId>,
    /// In one hour of the clock; none: any number.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub hour: Option<u32>,
    /// In 24 hours; none: any number.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub day: Option<u32>,
    /// Incidents this severe are told all the same, and counted; `none`: not even those.
    #[serde(default = "critical", deserialize_with = "unless")]
    #[schemars(with = "Unless")]
    pub unless: Option<Severity>,
}

fn budgets<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Vec<Budget>> {
    let budgets = Vec::<Budget>::deserialize(deserializer)?;
    let mut names = std::collections::BTreeSet::new();
    for budget in &budgets {
        let has_limit = [budget.hour, budget.day].into_iter().flatten().next().is_some();
        if !has_limit || [budget.hour, budget.day].contains(&Some(0)) {
            return Err(serde::de::Error::custom(format!(
                "budget {}: no limit; write hour: 60, day: 300, or both",
                budget.id
            )));
        }
        if budget.receivers.is_empty() || !names.insert(&budget.id) {
            return Err(serde::de::Error::custom(format!(
                "budget {}; name its receivers, and each budget once",
                budget.id
            )));
        }
    }
    Ok(budgets)
}

const fn a_minute() -> Span {
    Span::mins(1)
}

const fn five_minutes() -> Span {
    Span::mins(5)
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an option")]
const fn critical() -> Option<Severity> {
    Some(Severity::Critical)
}

/// What [`StormMode::unless`] may say, for JSON Schemas.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum Unless {
    None,
    Indeterminate,
    Warning,
    Minor,
    Major,
    Critical,
}

fn unless<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Option<Severity>> {
    let word = String::deserialize(deserializer)?;
    if word == "none" {
        return Ok(None);
    }
    let known = Severity::parse(&word).filter(|severity| *severity != Severity::Cleared);
    let wrong =
        || serde::de::Error::custom(format!("{word:?} is no severity; write critical, major, minor, warning or none"));
    known.map(Some).ok_or_else(wrong)
}

fn incidents<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, u32> {
    number(deserializer, 2, 10_000)
}

fn storm_within<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::secs(10), Span::hours(1))
}

fn storm_span<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::mins(1), Span::hours(6))
}

/// What a change of rules or models over the API needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Changes {
    /// A reason.
    pub reason: bool,
    /// A second person: one lets it run beside, another one activates it.
    pub second: bool,
}

/// What becomes of an alert that changes its state too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlapMode {
    /// Nothing.
    Off,
    /// It is marked.
    Mark,
    /// It is marked and muted for `mute_for`.
    Mute,
}

/// When an alert flaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Flapping {
    pub mode: FlapMode,
    /// 2 to 100.
    #[serde(deserialize_with = "changes")]
    #[schemars(range(min = 2, max = 100))]
    pub changes: u32,
    /// 1m to 24h.
    #[serde(deserialize_with = "within")]
    #[schemars(with = "SpanText")]
    pub within: Span,
    /// 30m to 24h.
    #[serde(deserialize_with = "mute_for")]
    #[schemars(with = "SpanText")]
    pub mute_for: Span,
}

impl Default for Flapping {
    fn default() -> Self {
        Self { mode: FlapMode::Mark, changes: 4, within: Span::mins(60), mute_for: Span::mins(120) }
    }
}

/// How many messages a receiver gets one by one; what is more comes as one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FlowLimit {
    /// 1 to 10,000.
    #[serde(deserialize_with = "messages")]
    #[schemars(range(min = 1, max = 10_000))]
    pub messages: u32,
    /// 1s to 1h.
    #[serde(deserialize_with = "flow_within")]
    #[schemars(with = "SpanText")]
    pub within: Span,
}

impl Default for FlowLimit {
    fn default() -> Self {
        Self { messages: 200, within: Span::secs(60) }
    }
}

/// How many messages a person gets one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PageLimit {
    /// 1 to 10,000.
    #[serde(deserialize_with = "messages")]
    #[schemars(range(min = 1, max = 10_000))]
    pub messages: u32,
    /// 1s to 1h.
    #[serde(deserialize_with = "flow_within")]
    #[schemars(with = "SpanText")]
    pub within: Span,
}

impl Default for PageLimit {
    fn default() -> Self {
        Self { messages: 10, within: Span::mins(10) }
    }
}

/// How many messages receivers and people get one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    pub receivers: FlowLimit,
    pub people: FlowLimit,
}

impl Settings {
    /// Both limits.
    pub fn flows(&self) -> FlowLimits {
        let PageLimit { messages, within } = self.pages;
        FlowLimits { receivers: self.flow, people: FlowLimit { messages, within } }
    }
}

type Read<'de, D, T> = Result<T, <D as serde::Deserializer<'de>>::Error>;

pub fn number<'de, D: serde::Deserializer<'de>>(deserializer: D, min: u32, max: u32) -> Read<'de, D, u32> {
    let number = u32::deserialize(deserializer)?;
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(serde::de::Error::custom(format!("{number} is out of range; write {min} to {max}")))
}

/// A length of time between two others.
pub fn bounded<'de, D: serde::Deserializer<'de>>(deserializer: D, min: Span, max: Span) -> Read<'de, D, Span> {
    let span = spans::span(deserializer)?;
    if (min..=max).contains(&span) {
        return Ok(span);
    }
    let (min, max) = (min.as_secs(), max.as_secs());
    Err(serde::de::Error::custom(format!("{}s is out of range; write {min}s to {max}s", span.as_secs())))
}

fn changes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, u32> {
    number(deserializer, 2, 100)
}

fn messages<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, u32> {
    number(deserializer, 1, 10_000)
}

fn alerts_max<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, u32> {
    number(deserializer, 10, 10_000_000)
}

fn within<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::mins(1), Span::hours(24))
}

fn mute_for<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::mins(30), Span::hours(24))
}

fn flow_within<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::secs(1), Span::hours(1))
}

fn observation<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::secs(0), Span::hours(24))
}

fn reopen_gap<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::secs(0), Span::hours(7 * 24))
}

fn retention<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::mins(1), Span::hours(30 * 24))
}

fn expire_after<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::mins(1), Span::hours(90 * 24))
}

fn update_interval<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Span> {
    bounded(deserializer, Span::secs(30), Span::hours(24))
}

fn storm<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Read<'de, D, Vec<u32>> {
    let counts = Vec::<u32>::deserialize(deserializer)?;
    let growing = counts.windows(2).all(|pair| pair[0] < pair[1]);
    if counts.len() > 5 || !growing || counts.iter().any(|n| !(2..=10_000).contains(n)) {
        return Err(serde::de::Error::custom(
            "storm thresholds are at most 5 growing numbers; write for example [100, 500]",
        ));
    }
    Ok(counts)
}
