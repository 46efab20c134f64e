//! Enrichment rules: extract, compose, map and delete labels.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::expiry::Expiry;
use super::expression::Expression;
use super::matching::Match;
use super::place::RuleName;
use super::rule::rule;
use super::template::Template;
use crate::engine::fields;

/// The largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// The most rows of a table.
const TABLE_ROWS_MAX: usize = 10_000;
/// The longest key of a label, in characters.
const KEY_CHARS_MAX: usize = 128;

/// Changes the labels of an event. Parts are done in the order extract, compose, map, delete.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrichRule {
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
    pub extract: Option<Extract>,
    #[serde(default)]
    pub compose: BTreeMap<LabelKey, Template>,
    #[serde(default)]
    pub map: Option<Table>,
    #[serde(default)]
    pub delete: Vec<LabelKey>,
    /// Labels that are there already are replaced.
    #[serde(default)]
    pub overwrite: bool,
}
rule!(EnrichRule, "enrich", first_wins: false);

/// The key of a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct LabelKey(pub Box<str>);

impl TryFrom<String> for LabelKey {
    type Error = String;

    fn try_from(key: String) -> Result<Self, String> {
        let key = key.strip_prefix("labels.").unwrap_or(&key);
        if key.is_empty() || key.chars().count() > KEY_CHARS_MAX || key.chars().any(char::is_control) {
            return Err(format!("{key:?} cannot be the key of a label; write 1 to {KEY_CHARS_MAX} plain characters"));
        }
        Ok(Self(key.into()))
    }
}

/// Named groups of a pattern become labels.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "ExtractText")]
#[schemars(with = "ExtractText")]
pub struct Extract {
    pub from: Box<str>,
    pub pattern: Regex,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExtractText {
    from: Box<str>,
    pattern: String,
}

impl PartialEq for Extract {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from && self.pattern.as_str() == other.pattern.as_str()
    }
}

impl TryFrom<ExtractText> for Extract {
    type Error = String;

    fn try_from(text: ExtractText) -> Result<Self, String> {
        known(&text.from)?;
        let pattern = RegexBuilder::new(&text.pattern).size_limit(PATTERN_BYTES_MAX).build().map_err(|e| {
            format!("{:?} is not a pattern: {e}; write named groups: port (?<port>[0-9]+)", text.pattern)
        })?;
        if pattern.capture_names().flatten().next().is_none() {
            return Err(format!("{:?} extracts nothing; name a group: (?<port>[0-9]+)", text.pattern));
        }
        Ok(Self { from: text.from, pattern })
    }
}

/// Looks a field up in a table and writes what it finds into a label.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "TableText")]
#[schemars(with = "TableText")]
pub struct Table {
    pub from: Box<str>,
    pub to: LabelKey,
    pub rows: BTreeMap<Box<str>, Box<str>>,
    /// Written when the table has no row; none: nothing is written.
    pub default: Option<Box<str>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TableText {
    from: Box<str>,
    to: LabelKey,
    table: BTreeMap<Box<str>, Box<str>>,
    #[serde(default)]
    default: Option<Box<str>>,
}

impl TryFrom<TableText> for Table {
    type Error = String;

    fn try_from(text: TableText) -> Result<Self, String> {
        known(&text.from)?;
        if text.table.len() > TABLE_ROWS_MAX {
            return Err(format!("the table has more than {TABLE_ROWS_MAX} rows; split the rule"));
        }
        Ok(Self { from: text.from, to: text.to, rows: text.table, default: text.default })
    }
}

fn known(field: &str) -> Result<(), String> {
    if fields::is_known(field) {
        return Ok(());
    }
    Err(format!("unknown field {field:?}; known: {}, labels.*, annotations.*, object.*", fields::NAMES.join(", ")))
}
