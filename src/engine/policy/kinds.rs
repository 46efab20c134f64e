//! The simpler kinds of rules, as files write them and as stages use them.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::expiry::Expiry;
use super::expression::Expression;
use super::matching::Match;
use super::place::RuleName;
use super::rule::rule;
use super::settings::bounded;
use crate::domain::ids::{CiId, ReceiverId};
use crate::domain::mute::MuteEffect;
use crate::domain::severity::Severity;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::Span;
use crate::engine::fields::{self, FieldName};
use crate::engine::oncall::names::PREFIX;
use crate::engine::schedule::Schedule;

/// The longest delay of a route.
const DELAY_MAX: Span = Span::secs(3600);
/// The shortest repeat interval of a route.
const REPEAT_MIN: Span = Span::secs(30);

/// Which labels, beside source, name and object, tell two alerts of a source apart.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DedupRule {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// From then on it does not hold.
    #[serde(default)]
    pub expires: Option<Expiry>,
    #[serde(default, rename = "match")]
    pub matches: Match,
    #[serde(default)]
    pub when: Option<Expression>,
    /// Keys of labels; none: no label is identity.
    #[serde(default)]
    pub labels: Vec<Box<str>>,
    /// How long an event id is remembered, 1m to 24h.
    #[serde(default, deserialize_with = "dedup_window")]
    #[schemars(with = "Option<SpanText>")]
    pub window: Option<Span>,
}
rule!(DedupRule, "dedup", first_wins: true);

/// Sets or shifts the severity of an alert.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustRule {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// From then on it does not hold.
    #[serde(default)]
    pub expires: Option<Expiry>,
    #[serde(default, rename = "match")]
    pub matches: Match,
    #[serde(default)]
    pub when: Option<Expression>,
    pub severity: Adjustment,
}
rule!(AdjustRule, "adjust", first_wins: true);

/// The change of a severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
#[schemars(extend(
    "type" = ["string", "integer"],
    "pattern" = "^(critical|major|minor|warning|indeterminate|[+-][1-4])$",
))]
pub enum Adjustment {
    To(Severity),
    /// Steps up (or down, when negative), between warning and critical.
    By(i8),
}

impl TryFrom<String> for Adjustment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(severity) = Severity::parse(&text).filter(|s| *s != Severity::Cleared) {
            return Ok(Self::To(severity));
        }
        match text.parse::<i8>() {
            Ok(steps @ (-4..=-1 | 1..=4)) if text.starts_with(['+', '-']) => Ok(Self::By(steps)),
            _ => Err(format!(
                "{text:?} is no change of severity; write critical, major, minor, warning, \"+1\" or \"-1\""
            )),
        }
    }
}

impl Adjustment {
    /// The severity after the change.
    pub fn of(self, severity: Severity) -> Severity {
        match self {
            Self::To(to) => to,
            Self::By(steps) => {
                let rank = (severity.rank() as i8).saturating_add(steps);
                let (low, high) = (Severity::Warning.rank() as i8, Severity::Critical.rank() as i8);
                Severity::ALL[rank.clamp(low, high) as usize]
            }
        }
    }
}

/// Mutes what matches, always or by a schedule.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MuteRule {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// From then on it does not hold.
    #[serde(default)]
    pub expires: Option<Expiry>,
    #[serde(default, rename = "match")]
    pub matches: Match,
    #[serde(default)]
    pub when: Option<Expression>,
    #[serde(default)]
    pub effect: MuteEffect,
    #[serde(default)]
    pub during: Option<Schedule>,
}
rule!(MuteRule, "mute", first_wins: false);

/// Planned work: mutes matching alerts, or those of CIs below others, at given times.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceWindow {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// From then on it does not hold.
    #[serde(default)]
    pub expires: Option<Expiry>,
    #[serde(default, rename = "match")]
    pub matches: Match,
    #[serde(default)]
    pub when: Option<Expression>,
    /// CIs whose whole subtree is meant; none: wherever it is.
    #[serde(default)]
    pub subtree: Vec<CiId>,
    pub schedule: Schedule,
    #[serde(default)]
    pub effect: MuteEffect,
}
rule!(MaintenanceWindow, "maintenance", first_wins: false);

/// A kind of alert that explains another: while a source alert is active, targets tell nobody.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InhibitRule {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// From then on it does not hold.
    #[serde(default)]
    pub expires: Option<Expiry>,
    pub source: Match,
    pub target: Match,
    /// Fields that must be equal on both sides; a missing one is empty.
    #[serde(default, deserialize_with = "field_names")]
    #[schemars(with = "Vec<FieldName>", length(max = 16))]
    pub equal: Vec<Box<str>>,
    /// Only while the source alert was heard of within this time.
    #[serde(default, deserialize_with = "spans::maybe")]
    #[schemars(with = "Option<SpanText>")]
    pub recent: Option<Span>,
    /// `keep` or `notice`.
    #[serde(default, deserialize_with = "keep_or_notice")]
    #[schemars(extend("not" = {"const": "drop"}))]
    pub effect: MuteEffect,
}

/// Joins alerts that agree in some fields.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRule {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// From then on it does not hold.
    #[serde(default)]
    pub expires: Option<Expiry>,
    #[serde(default, rename = "match")]
    pub matches: Match,
    #[serde(default)]
    pub when: Option<Expression>,
    /// 1 to 5 fields.
    #[serde(deserialize_with = "grouped_by")]
    #[schemars(with = "Vec<FieldName>", length(min = 1, max = 5))]
    pub by: Vec<Box<str>>,
    /// 1m to 24h.
    #[serde(deserialize_with = "group_window")]
    #[schemars(with = "SpanText")]
    pub window: Span,
    /// From when the window counts.
    #[serde(default)]
    pub counts_from: WindowStart,
    /// Alerts on CIs of the topology, too; else only those on objects that it does not know.
    #[serde(default)]
    pub known_cis: bool,
    /// An alert with an empty field is never joined (otherwise empty equals empty).
    #[serde(default)]
    pub strict: bool,
}
rule!(GroupRule, "group", first_wins: true);

/// From when a grouping window counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WindowStart {
    /// The first alert: the window is fixed.
    #[default]
    First,
    /// The last alert: the window slides.
    Last,
}

/// When a held alert becomes an incident of its own.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteRule {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// From then on it does not hold.
    #[serde(default)]
    pub expires: Option<Expiry>,
    #[serde(default, rename = "match")]
    pub matches: Match,
    #[serde(default)]
    pub when: Option<Expression>,
    /// What of alerts whose type is known for background noise.
    #[serde(default)]
    pub noise: Noise,
    pub after: Promotion,
}
rule!(PromoteRule, "promote", first_wins: true, fn goes_on(&self) -> bool {
    self.noise == Noise::Skip
});

/// What an alert's type is known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repute {
    Plain,
    Noisy,
}

/// Whether a rule applies to alerts whose type is known for background noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Noise {
    /// As to all others.
    #[default]
    Same,
    /// It does not: the next rule is asked.
    Skip,
}

/// How long an alert is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
#[schemars(extend("type" = ["string", "integer"], "pattern" = "^(now|never|0|([0-9]+[smhd])+)$"))]
pub enum Promotion {
    /// It opens an incident when it has fired for so long; 0 = at once.
    After(Span),
    /// It waits for other evidence.
    Never,
}

impl TryFrom<String> for Promotion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "never" => Ok(Self::Never),
            "now" => Ok(Self::After(Span::secs(0))),
            _ => spans::parse(&text).map(Self::After).ok_or_else(|| {
                format!("{text:?} is no time to hold an alert; write now, never or a length such as 5m")
            }),
        }
    }
}

/// Which receivers hear of an incident.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// From then on it does not hold.
    #[serde(default)]
    pub expires: Option<Expiry>,
    #[serde(default, rename = "match")]
    pub matches: Match,
    #[serde(default)]
    pub when: Option<Expression>,
    /// Receivers of the configuration, and escalation policies as `oncall: name`.
    #[serde(deserialize_with = "receivers")]
    #[schemars(with = "Vec<Told>")]
    pub receivers: Vec<ReceiverId>,
    /// Later routes are looked at, too.
    #[serde(default, rename = "continue")]
    pub goes_on: bool,
    /// 0 to 1h: an incident that recovers within it tells nobody.
    #[serde(default, deserialize_with = "delay")]
    #[schemars(with = "SpanText")]
    pub delay: Span,
    /// Tell again at this interval while the incident is open, 30s to 7d.
    #[serde(default, deserialize_with = "repeat")]
    #[schemars(with = "Option<SpanText>")]
    pub repeat: Option<Span>,
    /// Decide and record, but tell nobody.
    #[serde(default)]
    pub observe_only: bool,
    /// Only at these times.
    #[serde(default)]
    pub during: Option<Schedule>,
}
rule!(Route, "routes", first_wins: true, fn goes_on(&self) -> bool {
    self.goes_on || self.during.is_some()
});

/// A time in which everything counts more (重保).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyPeriod {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// From then on it does not hold.
    #[serde(default)]
    pub expires: Option<Expiry>,
    pub schedule: Schedule,
}

/// Who is told: a receiver, or `{ oncall: policy }`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Told {
    Receiver(ReceiverId),
    OnCall(OnCall),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OnCall {
    oncall: String,
}

/// Receivers, and escalation policies in their midst.
pub(super) fn receivers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ReceiverId>, D::Error> {
    let named = Vec::<Told>::deserialize(deserializer)?.into_iter().map(|one| match one {
        Told::Receiver(receiver) => receiver,
        Told::OnCall(OnCall { oncall }) => ReceiverId::from(format!("{PREFIX}{oncall}").as_str()),
    });
    Ok(named.collect())
}

fn known<E: serde::de::Error>(names: Vec<Box<str>>) -> Result<Vec<Box<str>>, E> {
    match names.iter().find(|name| !fields::is_known(name)) {
        Some(name) => Err(E::custom(format!(
            "unknown field {name:?}; known: {}, labels.*, annotations.*, object.*",
            fields::NAMES.join(", ")
        ))),
        None => Ok(names),
    }
}

/// Names of known fields, at most 16.
pub fn field_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<str>>, D::Error> {
    let names = Vec::<Box<str>>::deserialize(deserializer)?;
    if names.len() > 16 {
        return Err(serde::de::Error::custom("more than 16 fields; name fewer"));
    }
    known(names)
}

fn grouped_by<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<str>>, D::Error> {
    let names = field_names(deserializer)?;
    if (1..=5).contains(&names.len()) {
        return Ok(names);
    }
    Err(serde::de::Error::custom("a grouping is by 1 to 5 fields; correct the list"))
}

fn dedup_window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    bounded(deserializer, Span::mins(1), Span::hours(24)).map(Some)
}

fn group_window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, Span::mins(1), Span::hours(24))
}

fn keep_or_notice<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MuteEffect, D::Error> {
    match MuteEffect::deserialize(deserializer)? {
        MuteEffect::Drop => Err(serde::de::Error::custom(
            "an inhibited alert is told when its source ends, so it cannot be dropped; write keep or notice",
        )),
        effect @ (MuteEffect::Keep | MuteEffect::Notice) => Ok(effect),
    }
}

fn delay<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, Span::secs(0), DELAY_MAX)
}

fn repeat<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    bounded(deserializer, REPEAT_MIN, Span::hours(7 * 24)).map(Some)
}
