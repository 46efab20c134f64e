//! Service levels (SLA): within which time incidents of some kind are acknowledged and over, by which calendar.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::expiry::Expiry;
use super::expression::Expression;
use super::kinds::{Told, receivers};
use super::matching::Match;
use super::place::RuleName;
use super::rule::rule;
use super::settings::{bounded, number};
use crate::domain::ids::ReceiverId;
use crate::domain::level::LevelKind;
use crate::domain::spans::SpanText;
use crate::domain::time::Span;
use crate::engine::schedule::Schedule;

/// The shortest and the longest limit.
const LIMIT_MIN: Span = Span::mins(1);
const LIMIT_MAX: Span = Span::hours(90 * 24);

/// Time limits of incidents; the fields are those of routes. The first one that applies holds.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevel {
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
    /// Until somebody acknowledges, 1m to 90d.
    #[serde(default, deserialize_with = "limit")]
    #[schemars(with = "Option<SpanText>")]
    pub acknowledge: Option<Span>,
    /// Until nothing fires any more, 1m to 90d.
    #[serde(default, deserialize_with = "limit")]
    #[schemars(with = "Option<SpanText>")]
    pub resolve: Option<Span>,
    /// Outside of these hours the clocks stand still; none: they never do.
    #[serde(default)]
    pub hours: Option<Schedule>,
    /// After this share of the limit people are warned, in percent, 10 to 99.
    #[serde(default = "warn_default", deserialize_with = "warn")]
    pub warn: u32,
    /// Who hears of a breach, beside those who were told of the incident.
    #[serde(default, deserialize_with = "receivers")]
    #[schemars(with = "Vec<Told>")]
    pub escalate: Vec<ReceiverId>,
}
rule!(ServiceLevel, "service_levels", first_wins: true);

impl ServiceLevel {
    /// Its limits.
    pub fn limits(&self) -> impl Iterator<Item = (LevelKind, Span)> + use<> {
        let acknowledge = self.acknowledge.map(|limit| (LevelKind::Acknowledge, limit));
        acknowledge.into_iter().chain(self.resolve.map(|limit| (LevelKind::Resolve, limit)))
    }
}

const fn warn_default() -> u32 {
    80
}

fn warn<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    number(deserializer, 10, 99)
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    bounded(deserializer, LIMIT_MIN, LIMIT_MAX).map(Some)
}
