//! People: how each is reached, by which ways one after the other, how bad it has to be, and when they sleep.
//!
//! Addresses (numbers, mail) do not stand here: they are in the file of contacts beside the configuration, and never in
//! the journal.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::domain::ids::{PersonId, ReceiverId};
use crate::domain::severity::Severity;
use crate::domain::spans::SpanText;
use crate::domain::time::{Span, Timestamp};
use crate::engine::policy::place::RuleName;
use crate::engine::policy::settings::bounded;
use crate::engine::schedule::Schedule;

/// The contact plan of people who name none and have no steps of their own.
pub const PLAN_DEFAULT: &str = "default";
/// Steps of a plan, and ways of a step.
const STEPS_MAX: usize = 20;
const WAYS_MAX: usize = 10;
/// The longest wait before a step.
const AFTER_MAX: Span = Span::hours(2);

/// Somebody who may be told.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub id: RuleName,
    /// As messages call the person; else the id.
    #[serde(default)]
    pub name: Box<str>,
    #[serde(default)]
    pub note: String,
    /// Who answers for the entry.
    #[serde(default)]
    pub owner: String,
    /// A contact plan; else the one that is called `default`.
    #[serde(default)]
    pub plan: Option<Box<str>>,
    /// Steps of one's own, in place of a plan.
    #[serde(default, deserialize_with = "steps")]
    #[schemars(length(min = 1, max = STEPS_MAX))]
    pub contact: Vec<ContactStep>,
    #[serde(default)]
    pub quiet: Option<Quiet>,
}

/// Hours in which a person sleeps: only what is bad enough wakes, the rest waits for their end.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    pub during: Schedule,
    /// This severe, and it wakes all the same.
    #[serde(default = "critical")]
    pub unless: Severity,
}

/// People who are told together, or take turns.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Team {
    pub id: RuleName,
    #[serde(default)]
    pub name: Box<str>,
    #[serde(default)]
    pub note: String,
    #[serde(default)]
    pub owner: String,
    pub people: Vec<PersonId>,
}

/// How people are reached: severity × hour → ways, one row a step.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactPlan {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    #[serde(default)]
    pub owner: String,
    #[serde(deserialize_with = "steps")]
    #[schemars(length(min = 1, max = STEPS_MAX))]
    pub steps: Vec<ContactStep>,
}

/// One row: from this severity on, in these hours, so long after the page, by these receivers.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactStep {
    /// This severe or more.
    #[serde(default)]
    pub severity: Severity,
    #[serde(default)]
    pub during: Option<Schedule>,
    /// Receivers that can reach a person: the address is the person's own.
    #[serde(deserialize_with = "ways")]
    #[schemars(length(min = 1, max = WAYS_MAX))]
    pub by: Vec<ReceiverId>,
    /// 0 to 2h; only while nobody has acknowledged.
    #[serde(default, deserialize_with = "after")]
    #[schemars(with = "SpanText")]
    pub after: Span,
}

const fn critical() -> Severity {
    Severity::Critical
}

fn steps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ContactStep>, D::Error> {
    let steps = Vec::<ContactStep>::deserialize(deserializer)?;
    if (1..=STEPS_MAX).contains(&steps.len()) {
        return Ok(steps);
    }
    Err(serde::de::Error::custom(format!("1 to {STEPS_MAX} steps; write for example [{{ by: [sms] }}]")))
}

fn ways<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ReceiverId>, D::Error> {
    let ways = Vec::<ReceiverId>::deserialize(deserializer)?;
    if (1..=WAYS_MAX).contains(&ways.len()) {
        return Ok(ways);
    }
    Err(serde::de::Error::custom(format!("1 to {WAYS_MAX} receivers; write for example by: [sms]")))
}

fn after<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, Span::secs(0), AFTER_MAX)
}

impl Person {
    /// What messages call the person.
    pub fn called(&self) -> &str {
        if self.name.is_empty() { self.id.id.as_str() } else { &self.name }
    }

    /// Until when the person is left alone with something this severe.
    pub fn sleeps_until(&self, severity: Severity, at: Timestamp) -> Option<Timestamp> {
        let quiet = self.quiet.as_ref().filter(|quiet| severity < quiet.unless)?;
        quiet.during.open_until(at)
    }

    /// Until when the person's quiet hours last, whatever would wake them.
    pub fn quiet_until(&self, at: Timestamp) -> Option<Timestamp> {
        self.quiet.as_ref()?.during.open_until(at)
    }
}

impl ContactStep {
    /// Whether the step is taken for something this severe at a moment.
    pub fn fits(&self, severity: Severity, at: Timestamp) -> bool {
        severity >= self.severity && self.during.as_ref().is_none_or(|during| during.open_until(at).is_some())
    }
}
