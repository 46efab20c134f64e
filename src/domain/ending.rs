//! How an incident ends: what people found out, whether it was a major one, and how far its review has come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The longest of the texts, and the longest category, in characters.
pub const TEXT_CHARS_MAX: usize = 4_000;
pub const CATEGORY_CHARS_MAX: usize = 64;

/// What can be said of an incident at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// What caused it.
    Cause,
    /// What ended it.
    Solution,
    /// Whom it hit, and how.
    Impact,
    /// Of which kind it was.
    Category,
}

/// What people found out. What is empty is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub cause: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub solution: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub impact: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub category: Box<str>,
}

impl Findings {
    /// What is said of one thing.
    pub fn of(&self, finding: Finding) -> &str {
        match finding {
            Finding::Cause => &self.cause,
            Finding::Solution => &self.solution,
            Finding::Impact => &self.impact,
            Finding::Category => &self.category,
        }
    }

    /// Whether nothing is said.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// The same with what others say in the place of what they say something of.
    #[must_use]
    pub fn with(&self, newer: &Self) -> Self {
        let one = |old: &str, new: &str| if new.is_empty() { old.into() } else { new.into() };
        Self {
            cause: one(&self.cause, &newer.cause),
            solution: one(&self.solution, &newer.solution),
            impact: one(&self.impact, &newer.impact),
            category: one(&self.category, &newer.category),
        }
    }
}

/// What was found out of an incident, and who said so last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    pub findings: Findings,
    pub by: Box<str>,
    pub at: Timestamp,
}

/// An incident that is handled as a major one (重大故障).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Major {
    pub since: Timestamp,
    /// Who declared it; by a rule: `rule:<id>`.
    pub by: Box<str>,
}

/// How far the review of an incident has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Review {
    /// Nothing is written yet.
    #[default]
    Missing,
    Draft,
    Published,
}

impl Review {
    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Draft => "draft",
            Self::Published => "published",
        }
    }
}
