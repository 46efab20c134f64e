//! Escalation policies (升级策略): whom to tell, in which order, and after how long the next ones.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::ids::{PersonId, ReceiverId};
use crate::domain::spans::SpanText;
use crate::domain::time::Span;
use crate::engine::policy::place::RuleName;
use crate::engine::policy::settings::bounded;

/// Levels of a policy, and targets of a level.
const LEVELS_MAX: usize = 20;
const TARGETS_MAX: usize = 20;
/// How often all levels are told again at most, and how much longer each pause may be.
const ROUNDS_MAX: u32 = 100;
const FACTOR_MAX: u32 = 10;
/// The shortest and the longest wait.
const WAIT_MIN: Span = Span::secs(30);
const WAIT_MAX: Span = Span::hours(24);

/// A policy as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationRule {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    #[serde(deserialize_with = "levels")]
    #[schemars(length(min = 1, max = LEVELS_MAX))]
    pub levels: Vec<Level>,
    #[serde(default)]
    pub repeat: Repeat,
    #[serde(default)]
    pub until: Until,
    /// Whoever else was paged hears who has acknowledged, by the quietest way; not in quiet hours.
    #[serde(default)]
    pub tell_acknowledged: bool,
    /// Receivers that hear of it when nobody has duty, or nobody has acknowledged in the end.
    #[serde(deserialize_with = "fallback")]
    #[schemars(length(min = 1))]
    pub fallback: Vec<ReceiverId>,
}

/// What an incident keeps of it from the first page on: a change of the rules does not change who is told next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    pub levels: Vec<Level>,
    pub repeat: Repeat,
    pub until: Until,
    pub fallback: Vec<ReceiverId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tell_acknowledged: bool,
}

/// Who is told together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    #[serde(deserialize_with = "targets")]
    #[schemars(length(min = 1, max = TARGETS_MAX))]
    pub to: Vec<Target>,
    /// How long it is waited for an acknowledgement, 30s to 24h.
    #[serde(default = "wait_default", deserialize_with = "wait")]
    #[schemars(with = "SpanText")]
    pub wait: Span,
    /// One of all the people, each in turn.
    #[serde(default)]
    pub round_robin: bool,
}

/// Whom a level tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Person(PersonId),
    Team(Box<str>),
    /// Who has duty.
    Roster(Box<str>),
    /// Whose turn comes next.
    Backup(Box<str>),
    /// A room, a queue: whoever reads it.
    Receiver(ReceiverId),
}

/// Whether all levels are told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Repeat {
    /// How often, 0 to 100.
    #[serde(deserialize_with = "times")]
    #[schemars(range(max = ROUNDS_MAX))]
    pub times: u32,
    /// The first pause, 30s to 24h; counted from the end of the last level's wait.
    #[serde(deserialize_with = "wait")]
    #[schemars(with = "SpanText")]
    pub every: Span,
    /// Each further pause is so many times as long, 1 to 10.
    #[serde(deserialize_with = "factor")]
    #[schemars(range(min = 1, max = FACTOR_MAX))]
    pub factor: u32,
    /// The longest pause.
    #[serde(deserialize_with = "wait")]
    #[schemars(with = "SpanText")]
    pub longest: Span,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { times: 2, every: Span::mins(10), factor: 2, longest: Span::hours(1) }
    }
}

/// What ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// Somebody acknowledges.
    #[default]
    Ack,
    /// It recovers or is closed; an acknowledgement alone does not stop it.
    Close,
}

const fn wait_default() -> Span {
    Span::mins(10)
}

fn levels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Level>, D::Error> {
    let levels = Vec::<Level>::deserialize(deserializer)?;
    if (1..=LEVELS_MAX).contains(&levels.len()) {
        return Ok(levels);
    }
    Err(serde::de::Error::custom(format!("1 to {LEVELS_MAX} levels; write for example [{{ to: [{{ person: li }}] }}]")))
}

fn targets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Target>, D::Error> {
    let targets = Vec::<Target>::deserialize(deserializer)?;
    if (1..=TARGETS_MAX).contains(&targets.len()) {
        return Ok(targets);
    }
    let remedy = "write for example to: [{ roster: core }]";
    Err(serde::de::Error::custom(format!("a level tells 1 to {TARGETS_MAX} targets; {remedy}")))
}

fn fallback<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ReceiverId>, D::Error> {
    let receivers = Vec::<ReceiverId>::deserialize(deserializer)?;
    if !receivers.is_empty() {
        return Ok(receivers);
    }
    Err(serde::de::Error::custom("a fallback tells somebody; name a receiver that is always read"))
}

fn wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    if deserializer.is_human_readable() { waits(deserializer) } else { Span::deserialize(deserializer) }
}

fn waits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    /// As people write it, or as a snapshot has it.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Kept(i64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Kept(ms) => Ok(Span(ms)),
        Written::Text(text) => bounded(serde::de::value::StringDeserializer::<D::Error>::new(text), WAIT_MIN, WAIT_MAX),
    }
}

fn times<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let times = u32::deserialize(deserializer)?;
    if times <= ROUNDS_MAX {
        return Ok(times);
    }
    Err(serde::de::Error::custom(format!("{times} rounds are too many; write 0 to {ROUNDS_MAX}")))
}

fn factor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let factor = u32::deserialize(deserializer)?;
    if (1..=FACTOR_MAX).contains(&factor) {
        return Ok(factor);
    }
    Err(serde::de::Error::custom(format!("{factor} is no factor; write 1 to {FACTOR_MAX}")))
}

impl Repeat {
    /// The pause before a round, from 1.
    pub fn pause(&self, round: u32) -> Span {
        let growth = i64::from(self.factor).saturating_pow(round.saturating_sub(1).min(62));
        Span(self.every.0.saturating_mul(growth).min(self.longest.0.max(self.every.0)))
    }
}

impl EscalationRule {
    /// What an incident keeps.
    pub fn ladder(&self) -> Ladder {
        let Self { levels, repeat, until, fallback, tell_acknowledged, .. } = self;
        Ladder {
            levels: levels.clone(),
            repeat: *repeat,
            until: *until,
            fallback: fallback.clone(),
            tell_acknowledged: *tell_acknowledged,
        }
    }
}

impl Ladder {
    /// Receivers that it names itself.
    pub fn receivers(&self) -> impl Iterator<Item = &ReceiverId> {
        let targets = self.levels.iter().flat_map(|level| &level.to).filter_map(|target| match target {
            Target::Receiver(receiver) => Some(receiver),
            Target::Person(_) | Target::Team(_) | Target::Roster(_) | Target::Backup(_) => None,
        });
        targets.chain(&self.fallback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let repeat = Repeat { times: 5, every: Span::mins(10), factor: 2, longest: Span::hours(1) };
        let minutes: Vec<i64> = (1..=5).map(|round| repeat.pause(round).as_secs() / 60).collect();
        assert_eq!(minutes, [10, 20, 40, 60, 60]);
        let steady = Repeat { factor: 1, ..repeat };
        assert_eq!(steady.pause(60), Span::mins(10));
        assert_eq!(Repeat { factor: 10, ..repeat }.pause(u32::MAX), Span::hours(1));
    }

    #[test]
    fn what_an_incident_keeps_comes_back_as_it_was() {
        let text = "{ id: core, levels: [{ to: [{ roster: core }, { person: li }], wait: 5m }], fallback: [room] }";
        let rule: EscalationRule = serde_saphyr::from_str(text).unwrap();
        let ladder = rule.ladder();
        let kept = serde_json::to_vec(&ladder).unwrap();
        assert_eq!(serde_json::from_slice::<Ladder>(&kept).unwrap(), ladder);
    }

    #[test]
    fn a_policy_without_an_end_is_refused() {
        for text in [
            "{ id: a, levels: [], fallback: [room] }",
            "{ id: a, levels: [{ to: [] }], fallback: [room] }",
            "{ id: a, levels: [{ to: [{ person: li }] }], fallback: [] }",
            "{ id: a, levels: [{ to: [{ person: li }], wait: 1s }], fallback: [room] }",
            "{ id: a, levels: [{ to: [{ person: li }] }], repeat: { times: 101 }, fallback: [room] }",
        ] {
            let error = serde_saphyr::from_str::<EscalationRule>(text).expect_err(text).to_string();
            assert!(error.contains("; "), "{text}: {error}");
        }
        let error = serde_saphyr::from_str::<EscalationRule>("{ id: a, levels: [{ to: [{ person: li }] }] }");
        assert!(error.unwrap_err().to_string().contains("fallback"));
    }
}
