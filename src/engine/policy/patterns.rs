//! Typed correlation rules, with SEC's vocabulary.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::expiry::Expiry;
use super::expression::Expression;
use super::kinds::field_names;
use super::matching::Match;
use super::place::RuleName;
use super::settings::bounded;
use super::template::Template;
use crate::domain::severity::Severity;
use crate::domain::spans::SpanText;
use crate::domain::time::Span;
use crate::engine::fields::FieldName;

/// The most conditions of one rule.
const CONDITIONS_MAX: usize = 8;
/// The most alerts a threshold counts to.
const COUNT_MAX: u32 = 1000;
/// The longest window; also that of a pair without one.
pub const WITHIN_MAX: Span = Span::hours(24);

/// What must happen for a rule to hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatternKind {
    /// Each alert that matches.
    Single,
    /// One alert, then another; more of the first in between belong to it.
    Pair,
    /// One alert, and no other one in the window that would heal it.
    PairWithWindow,
    /// So many alerts in a sliding window.
    Threshold,
    /// Alerts in the given order, all in the window.
    Sequence,
    /// An alert that should come again and again stays away for the window.
    Absence,
    /// Alerts of all conditions in the window, in any order.
    Group,
}

/// One condition of a rule.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// How the rule names it.
    #[serde(default, rename = "as")]
    pub name: Box<str>,
    #[serde(rename = "match")]
    pub matches: Match,
    #[serde(default)]
    pub when: Option<Expression>,
    /// How many alerts it takes (kind `group`).
    #[serde(default = "one", deserialize_with = "count")]
    pub count: u32,
}

/// What a hit does.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatternEffect {
    /// The alerts become one incident.
    Join(Join),
    /// Those that are held open an incident.
    Promote,
    /// Another alert is raised. It takes part in everything but in rules that raise alerts.
    Raise(Raise),
}

/// How alerts are joined.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Join {
    /// The condition whose (first) alert is the root cause; empty: the engine decides.
    pub root: Box<str>,
}

/// The alert that is raised.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Raise {
    pub name: Box<str>,
    pub title: Template,
    pub severity: Severity,
    /// The object it is about, for example `{ci}`.
    #[serde(default)]
    pub object: Option<Template>,
}

/// A rule over several alerts.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "PatternText")]
#[schemars(with = "PatternText")]
pub struct PatternRule {
    pub id: RuleName,
    /// Who answers for it.
    pub owner: String,
    /// From then on it does not hold.
    pub expires: Option<Expiry>,
    pub kind: PatternKind,
    /// Fields that all alerts of one hit agree in.
    pub by: Vec<Box<str>>,
    pub conditions: Vec<Condition>,
    pub within: Span,
    /// Alerts it takes (kind `threshold`).
    pub count: u32,
    /// Only alerts that differ in this field count.
    pub distinct: Option<Box<str>>,
    /// An alert counts again each time that its source repeats it (kind `threshold`).
    pub repeats: bool,
    pub effect: PatternEffect,
    /// Index of the root's condition.
    pub root: Option<usize>,
}

impl PatternRule {
    /// Whether what another version of the rule has seen counts for this one.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let asks = |rule: &Self| (rule.kind, rule.within, rule.count, rule.repeats);
        asks(self) == asks(other)
            && self.by == other.by
            && self.distinct == other.distinct
            && self.conditions == other.conditions
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PatternText {
    id: RuleName,
    #[serde(default, rename = "note")]
    _note: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    expires: Option<Expiry>,
    #[serde(rename = "type")]
    kind: PatternKind,
    #[serde(default, deserialize_with = "field_names")]
    #[schemars(with = "Vec<FieldName>", length(max = 16))]
    by: Vec<Box<str>>,
    of: Vec<Condition>,
    #[serde(default, deserialize_with = "within")]
    #[schemars(with = "Option<SpanText>")]
    within: Option<Span>,
    #[serde(default, deserialize_with = "maybe_count")]
    count: Option<u32>,
    #[serde(default, deserialize_with = "one_field")]
    #[schemars(with = "Option<FieldName>")]
    distinct: Option<Box<str>>,
    #[serde(default)]
    repeats: bool,
    effect: PatternEffect,
}

impl TryFrom<PatternText> for PatternRule {
    type Error = String;

    fn try_from(text: PatternText) -> Result<Self, String> {
        use PatternKind::{Absence, Group, Pair, PairWithWindow, Sequence, Single, Threshold};
        let (least, most) = match text.kind {
            Single | Threshold | Absence => (1, 1),
            Pair | PairWithWindow => (2, 2),
            Sequence | Group => (2, CONDITIONS_MAX),
        };
        let id = &text.id.id;
        if !(least..=most).contains(&text.of.len()) {
            return Err(format!("rule {id} of its type takes {least} to {most} conditions; correct `of`"));
        }
        let within = match (text.kind, text.within) {
            (Single, Some(_)) => return Err(format!("rule {id} of type single takes no window; remove `within`")),
            (Single, None) => Span::secs(0),
            (_, Some(within)) => within,
            (Pair, None) => WITHIN_MAX,
            (_, None) => return Err(format!("rule {id} needs a window; add for example `within: 5m`")),
        };
        match (text.kind, text.count) {
            (Threshold, None) => return Err(format!("rule {id} counts alerts; add for example `count: 5`")),
            (Single | Pair | PairWithWindow | Sequence | Absence | Group, Some(_)) => {
                return Err(format!("only a threshold has a `count` of its own; remove it from rule {id}"));
            }
            (Threshold, Some(_)) | (_, None) => {}
        }
        if text.distinct.is_some() && text.kind != Threshold {
            return Err(format!("only a threshold counts distinct values; remove `distinct` from rule {id}"));
        }
        if text.repeats && text.kind != Threshold {
            return Err(format!("only a threshold counts repeats; remove `repeats` from rule {id}"));
        }
        let root = match &text.effect {
            PatternEffect::Join(join) if !join.root.is_empty() => {
                let root = text.of.iter().position(|c| c.name == join.root);
                Some(root.ok_or_else(|| format!("rule {id} has no condition {:?}; name one with `as`", join.root))?)
            }
            PatternEffect::Join(_) | PatternEffect::Promote | PatternEffect::Raise(_) => None,
        };
        Ok(Self {
            id: text.id,
            owner: text.owner,
            expires: text.expires,
            kind: text.kind,
            by: text.by,
            conditions: text.of,
            within,
            count: text.count.unwrap_or(1),
            distinct: text.distinct,
            repeats: text.repeats,
            effect: text.effect,
            root,
        })
    }
}

const fn one() -> u32 {
    1
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let count = u32::deserialize(deserializer)?;
    if (1..=COUNT_MAX).contains(&count) {
        return Ok(count);
    }
    Err(serde::de::Error::custom(format!("{count} is out of range; write 1 to {COUNT_MAX}")))
}

fn maybe_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    count(deserializer).map(Some)
}

fn within<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    bounded(deserializer, Span::secs(1), WITHIN_MAX).map(Some)
}

fn one_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    let field = Box::<str>::deserialize(deserializer)?;
    if crate::engine::fields::is_known(&field) {
        return Ok(Some(field));
    }
    Err(serde::de::Error::custom(format!("unknown field {field:?}; write for example ci or labels.port")))
}
