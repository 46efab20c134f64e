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

impl Finding {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cause, Self::Solution, Self::Impact, Self::Category];

    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Solution => "solution",
            Self::Impact => "impact",
            Self::Category => "category",
        }
    }

    /// How many characters may be said of it.
    pub const fn chars_max(self) -> usize {
        match self {
            Self::Cause | Self::Solution | Self::Impact => TEXT_CHARS_MAX,
            Self::Category => CATEGORY_CHARS_MAX,
        }
    }
}

/// What people found out. What is empty is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Findings {
    /// What caused it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub cause: Box<str>,
    /// What ended it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub solution: Box<str>,
    /// Whom it hit, and how.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub impact: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub category: Box<str>,
}

impl Findings {
    /// What `say` says of each thing.
    pub fn each(say: impl Fn(Finding) -> Box<str>) -> Self {
        Self {
            cause: say(Finding::Cause),
            solution: say(Finding::Solution),
            impact: say(Finding::Impact),
            category: say(Finding::Category),
        }
    }

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
        Self::each(|finding| Some(newer.of(finding)).filter(|new| !new.is_empty()).unwrap_or(self.of(finding)).into())
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
