//! Actions (自动控制): what an executor is asked to do about incidents of some kind, and within which limits.
//!
//! A rule names a word of the executor's, never a command line; nothing that an alert says goes into what is handed on. Who
//! approves, which classes of CIs, how often and how far are part of each rule.

use std::collections::BTreeMap;

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
use crate::domain::spans::{self, SpanText};
use crate::domain::time::Span;
use crate::engine::schedule::Schedule;

/// Classes of one rule, values that are handed on, and characters of each.
const CLASSES_MAX: usize = 50;
const VALUES_MAX: usize = 20;
const VALUE_CHARS_MAX: usize = 200;
/// Characters of the executor's word.
const WORD_CHARS_MAX: usize = 64;
/// The longest wait before an action.
const WAIT_MAX: Span = Span::hours(24);
/// The shortest and the longest time for an answer, and for an approval.
const ANSWER_MIN: Span = Span::secs(10);
const ANSWER_MAX: Span = Span::hours(24);
/// The shortest and the longest cool-down. The longest is how long the engine remembers what was asked for.
const COOL_DOWN_MIN: Span = Span::mins(1);
pub const COOL_DOWN_MAX: Span = Span::hours(7 * 24);
/// The most requests of one kind in an hour.
const HOUR_MAX: u32 = 60;
/// The most members of one incident that one rule acts on, and as many unless it says.
const MEMBERS_MAX: u32 = 20;
const MEMBERS_DEFAULT: u32 = 3;
/// The most CIs that may hang on the CI.
const BLAST_MAX: u32 = 2_000;

/// What to ask an executor for; the fields are those of routes.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionRule {
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
    /// Only at these times.
    #[serde(default)]
    pub during: Option<Schedule>,
    /// The executor's own word for what to do.
    #[serde(deserialize_with = "word")]
    #[schemars(extend("pattern" = "^[A-Za-z0-9_.-]{1,64}$"))]
    pub run: Box<str>,
    /// What it is done to.
    #[serde(default)]
    pub target: Target,
    /// Handed on as it is.
    #[serde(default, deserialize_with = "values")]
    #[schemars(extend("maxProperties" = VALUES_MAX))]
    pub with: BTreeMap<Box<str>, Box<str>>,
    /// A receiver of the configuration.
    pub executor: ReceiverId,
    /// Classes of CIs that it may be done to.
    #[serde(deserialize_with = "classes")]
    #[schemars(length(min = 1, max = CLASSES_MAX))]
    pub classes: Vec<Box<str>>,
    /// How long the incident must have lasted, 0 to 24h.
    #[serde(default, deserialize_with = "wait")]
    #[schemars(with = "SpanText")]
    pub wait: Span,
    pub approval: Approval,
    /// How long the executor has to answer, 10s to 24h.
    #[serde(default = "answer_default", deserialize_with = "answer")]
    #[schemars(with = "SpanText")]
    pub answer: Span,
    /// The same is not done to the same CI again before, 1m to 7d.
    #[serde(default = "cool_down_default", deserialize_with = "cool_down")]
    #[schemars(with = "SpanText")]
    pub cool_down: Span,
    /// The same is done so often in an hour at most, to whatever CIs, 1 to 60.
    #[serde(default = "hour_default", deserialize_with = "hour")]
    #[schemars(range(min = 1, max = HOUR_MAX))]
    pub hour_max: u32,
    /// Not to a CI on which more CIs hang than that, 0 to 2000.
    #[serde(default = "blast_default", deserialize_with = "blast")]
    #[schemars(range(max = BLAST_MAX))]
    pub blast_max: u32,
    /// Decide and record, but ask nobody for anything: so it begins, until somebody writes `false`.
    #[serde(default = "yes")]
    pub observe_only: bool,
    /// Who hears of a failure, beside those who were told of the incident.
    #[serde(default, deserialize_with = "receivers")]
    #[schemars(with = "Vec<Told>")]
    pub escalate: Vec<ReceiverId>,
}
rule!(ActionRule, "actions", first_wins: false);

/// What an action is done to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Aim")]
#[schemars(with = "Aim")]
pub enum Target {
    /// The root cause.
    #[default]
    Root,
    /// CIs of the incident with an alert that fires and matches, the earliest alerts first, so many at most.
    Members { alerts: Match, most: u32 },
}

/// As it is written: `root`, or `{ members: { name: DiskFull }, most: 3 }`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Aim {
    Word(#[schemars(extend("enum" = ["root"]))] String),
    Members(Members),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Members {
    members: Match,
    #[serde(default = "members_default")]
    #[schemars(range(min = 1, max = MEMBERS_MAX))]
    most: u32,
}

const fn members_default() -> u32 {
    MEMBERS_DEFAULT
}

impl TryFrom<Aim> for Target {
    type Error = String;

    fn try_from(written: Aim) -> Result<Self, String> {
        let remedy = "write root or { members: { name: DiskFull }, most: 3 }";
        match written {
            Aim::Word(word) if word == "root" => Ok(Self::Root),
            Aim::Word(word) => Err(format!("{word:?} is no target; {remedy}")),
            Aim::Members(Members { most, .. }) if !(1..=MEMBERS_MAX).contains(&most) => {
                Err(format!("most: {most} is not within 1 to {MEMBERS_MAX}; {remedy}"))
            }
            // Everything that fires is nobody's aim.
            Aim::Members(Members { members, .. })
                if members.0.0.is_empty() || members.0.0.iter().any(Vec::is_empty) =>
            {
                Err(format!("members: says nothing of their alerts; {remedy}"))
            }
            Aim::Members(Members { members, most }) => Ok(Self::Members { alerts: members, most }),
        }
    }
}

/// Whether a person has to say yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub enum Approval {
    /// The executor is asked at once.
    None,
    /// Somebody approves within this time, or nothing is done.
    Within(Span),
}

/// As it is written: `none`, or `{ within: 15m }`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Written {
    Word(#[schemars(extend("enum" = ["none"]))] String),
    Asked(Asked),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[schemars(with = "SpanText")]
    within: String,
}

impl TryFrom<Written> for Approval {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Word(word) if word == "none" => return Ok(Self::None),
            Written::Word(word) => {
                return Err(format!("{word:?} is no approval; write none or {{ within: 15m }}"));
            }
            Written::Asked(asked) => asked.within,
        };
        let span = spans::parse(&text).filter(|span| (ANSWER_MIN..=ANSWER_MAX).contains(span));
        let wrong = || format!("{text:?} is no time to approve in; write 10s to 24h, for example 15m");
        span.map(Self::Within).ok_or_else(wrong)
    }
}

const fn yes() -> bool {
    true
}

const fn answer_default() -> Span {
    Span::mins(10)
}

const fn cool_down_default() -> Span {
    Span::hours(1)
}

const fn hour_default() -> u32 {
    3
}

const fn blast_default() -> u32 {
    50
}

/// Whether a text is a word, and no line of a shell.
fn is_word(text: &str) -> bool {
    (1..=WORD_CHARS_MAX).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    let word = String::deserialize(deserializer)?;
    if is_word(&word) {
        return Ok(word.into());
    }
    let remedy = "write a word of the executor's: 1 to 64 letters, digits, `_`, `-` or `.`";
    Err(serde::de::Error::custom(format!("{word:?} is no word for an action; {remedy}")))
}

fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Box<str>, Box<str>>, D::Error> {
    let values = BTreeMap::<Box<str>, Box<str>>::deserialize(deserializer)?;
    let is_short = |text: &str| text.chars().count() <= VALUE_CHARS_MAX && !text.chars().any(char::is_control);
    if values.len() <= VALUES_MAX && values.iter().all(|(key, value)| is_word(key) && is_short(value)) {
        return Ok(values);
    }
    let remedy = format!("write at most {VALUES_MAX} names with texts of at most {VALUE_CHARS_MAX} characters");
    Err(serde::de::Error::custom(format!("too much, too long or oddly named; {remedy}")))
}

fn classes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<str>>, D::Error> {
    let classes = Vec::<Box<str>>::deserialize(deserializer)?;
    if (1..=CLASSES_MAX).contains(&classes.len()) {
        return Ok(classes);
    }
    let remedy = "name the classes of CIs that it may be done to, for example [linux_host]";
    Err(serde::de::Error::custom(format!("an action has 1 to {CLASSES_MAX} classes; {remedy}")))
}

fn wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, Span::secs(0), WAIT_MAX)
}

fn answer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, ANSWER_MIN, ANSWER_MAX)
}

fn cool_down<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, COOL_DOWN_MIN, COOL_DOWN_MAX)
}

fn hour<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    number(deserializer, 1, HOUR_MAX)
}

fn blast<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    number(deserializer, 0, BLAST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_a_limit_that_matters_is_refused_with_a_remedy() {
        let good = "{ id: a, run: restart, executor: ops, classes: [host], approval: none }";
        let rule: ActionRule = serde_saphyr::from_str(good).unwrap();
        assert_eq!((rule.cool_down, rule.hour_max, rule.blast_max), (Span::hours(1), 3, 50));
        assert!(rule.observe_only, "a fresh rule is only tried out");
        let asked = good.replace("approval: none", "approval: { within: 15m }");
        let rule: ActionRule = serde_saphyr::from_str(&asked).unwrap();
        assert_eq!(rule.approval, Approval::Within(Span::mins(15)));
        for (from, to) in [
            ("approval: none", "approval: maybe"),
            ("approval: none", "approval: { within: 1s }"),
            ("classes: [host]", "classes: []"),
            ("run: restart", "run: \"systemctl restart x; rm -rf /\""),
            ("run: restart", "run: restart, cool_down: 5s"),
            ("run: restart", "run: restart, hour_max: 0"),
            ("run: restart", "run: restart, with: { \"a b\": c }"),
            ("run: restart", "run: restart, target: everything"),
            ("run: restart", "run: restart, target: { members: {} }"),
            ("run: restart", "run: restart, target: { members: { name: Down }, most: 21 }"),
        ] {
            let text = good.replace(from, to);
            let error = serde_saphyr::from_str::<ActionRule>(&text).expect_err(&text).to_string();
            assert!(error.contains("write") || error.contains("name the classes"), "{text}: {error}");
        }
        for missing in ["approval: none", "classes: [host]", "executor: ops"] {
            let text = good.replace(&format!(", {missing}"), "");
            let error = serde_saphyr::from_str::<ActionRule>(&text).expect_err(&text).to_string();
            assert!(error.contains("missing field"), "{text}: {error}");
        }
    }
}
