//! How bad an alert is. The scale is X.733's, ordered; every source is mapped onto it by data.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Perceived severity after X.733, least first. `Ord` compares badness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Only in a clearing event.
    Cleared,
    /// The severity cannot be judged, or the source's word is not in its map.
    #[default]
    Indeterminate,
    /// A potential effect: watch.
    Warning,
    /// A limited effect.
    Minor,
    /// A part fails or performance suffers: handle soon.
    Major,
    /// Business is interrupted: handle at once.
    Critical,
}

impl Severity {
    /// All severities, least first.
    pub const ALL: [Self; 6] =
        [Self::Cleared, Self::Indeterminate, Self::Warning, Self::Minor, Self::Major, Self::Critical];

    /// Reads the wire word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// The wire word; never translated.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::Indeterminate => "indeterminate",
            Self::Warning => "warning",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }

    /// 0 (cleared) to 5 (critical).
    pub const fn rank(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
