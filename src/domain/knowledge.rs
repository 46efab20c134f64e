//! Knowledge: how something of a kind was solved before, here or elsewhere.

use serde::{Deserialize, Serialize};

use super::ci::Area;
use super::ending::Findings;

/// The longest id and title, in characters, and the most entries of one order.
pub const ID_CHARS_MAX: usize = 128;
pub const TITLE_CHARS_MAX: usize = 300;
pub const ENTRIES_MAX: usize = 500;

/// One thing that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Chosen by whoever wrote it; that of an incident of ours is the incident's.
    pub id: Box<str>,
    pub title: Box<str>,
    /// The class of the CI that was at fault.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub class: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Area>,
    pub findings: Findings,
    /// Where more stands.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub url: Box<str>,
}
