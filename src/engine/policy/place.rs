//! Where in the rule files something stands, and what is wrong there.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::ids::RuleId;

/// The longest rule id, in bytes.
const ID_BYTES_MAX: usize = 128;

/// A text file with rules, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFile {
    /// For messages, for example `routes.yaml`. Files are read in the order of their names.
    pub name: String,
    pub text: String,
}

/// Where the tests of rules stand among their files.
pub const TESTS: &str = "tests/";

impl RuleFile {
    /// Whether it tests rules (or is a topology that a test names): it decides nothing.
    pub fn is_test(&self) -> bool {
        self.name.starts_with(TESTS)
    }
}

/// What a change of the rules was made from: two changes at one moment must not overwrite each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Whatever is valid is replaced.
    Any,
    /// This version, which must still be the newest.
    Version(u64),
}

/// Line and column, both from 1; 0 = unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineColumn {
    pub line: u32,
    pub column: u32,
}

impl From<serde_saphyr::Location> for LineColumn {
    fn from(location: serde_saphyr::Location) -> Self {
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: small(location.line()), column: small(location.column()) }
    }
}

/// A reason why a set of rules is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleError {
    pub file: String,
    pub at: LineColumn,
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}; {}", self.file, self.at.line, self.at.column, self.what, self.remedy)
    }
}

/// Something that is allowed but probably not meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lint {
    pub kind: LintKind,
    pub file: String,
    pub at: LineColumn,
    pub rule: RuleId,
    pub what: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: rule {}: {}", self.file, self.at.line, self.at.column, self.rule, self.what)
    }
}

/// The kinds of lints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LintKind {
    /// A rule before it takes everything it could match.
    Unreachable,
    /// Another rule says the same.
    Duplicate,
    /// Its own conditions exclude each other, or another rule says the opposite.
    Contradictory,
    /// Lets one source keep others quiet.
    Risky,
    /// It does not hold any more.
    Expired,
    /// It will not hold for long.
    Expires,
    /// Its only time is over.
    Over,
}

/// A rule's id and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleName {
    pub id: RuleId,
    /// Index of the file in the set; set after reading.
    pub file: usize,
    pub at: LineColumn,
}

impl JsonSchema for RuleName {
    fn schema_name() -> Cow<'static, str> {
        "RuleName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A short name that no other rule of its kind has.",
            "type": "string",
            "minLength": 1,
            "maxLength": ID_BYTES_MAX,
        })
    }
}

impl<'de> Deserialize<'de> for RuleName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<String>::deserialize(deserializer)?;
        let id = spanned.value;
        let wrong = |why: &str| Err(serde::de::Error::custom(format!("rule id {id:?} {why}")));
        if id.trim().is_empty() {
            return wrong("is empty; give the rule a short name that no other rule has");
        }
        if id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
            return wrong("is too long or holds control characters; use at most 128 bytes of plain text");
        }
        Ok(Self { id: id.into(), file: 0, at: spanned.referenced.into() })
    }
}
