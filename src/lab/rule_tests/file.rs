//! A file of rule tests, as people write it. The format is told in `rules/tests/README.md`.

use anyhow::{Result, anyhow};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use crate::domain::severity::Severity;

/// The most tests in a file, steps in a test, and events in a step.
const COUNT_MAX: usize = 1000;

/// One file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    pub tests: Vec<Test>,
}

/// One story: what comes in, what must and what must not come out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    #[serde(default)]
    pub note: String,
    /// A CMDB file beside this one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub topology: Option<Spanned<String>>,
    /// When step `0s` is.
    #[serde(default)]
    pub start: Option<String>,
    pub steps: Vec<Step>,
    /// What must not happen at any time.
    #[serde(default)]
    pub never: Never,
}

/// One moment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Since the start, such as `5m`.
    #[schemars(with = "String")]
    pub at: Spanned<String>,
    #[serde(default)]
    #[schemars(with = "Vec<Map<String, Value>>")]
    pub events: Vec<Spanned<Map<String, Value>>>,
    /// One for each event of the step, in order.
    #[serde(default)]
    #[schemars(with = "Option<Vec<WantVerdict>>")]
    pub verdicts: Option<Vec<Spanned<WantVerdict>>>,
    /// All incidents that stand (are not closed or merged) after the step.
    #[serde(default)]
    #[schemars(with = "Option<Vec<WantIncident>>")]
    pub incidents: Option<Spanned<Vec<Spanned<WantIncident>>>>,
    /// All messages since the step before.
    #[serde(default)]
    #[schemars(with = "Option<Vec<WantMessage>>")]
    pub messages: Option<Spanned<Vec<Spanned<WantMessage>>>>,
}

/// What must not happen.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Never {
    #[schemars(with = "Vec<WantVerdict>")]
    pub verdicts: Vec<Spanned<WantVerdict>>,
    #[schemars(with = "Vec<WantIncident>")]
    pub incidents: Vec<Spanned<WantIncident>>,
    #[schemars(with = "Vec<WantMessage>")]
    pub messages: Vec<Spanned<WantMessage>>,
}

/// A verdict: its word, or more about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(from = "WordOrVerdict")]
#[schemars(with = "WordOrVerdict")]
pub struct WantVerdict {
    pub verdict: Option<String>,
    /// The reason's word, such as `still_firing`.
    pub why: Option<String>,
    /// Who muted: the kind's word, or the id of the rule, window or silence.
    pub by: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write a verdict's word, or { verdict, why, by }")]
enum WordOrVerdict {
    Word(String),
    More(More),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct More {
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    by: Option<String>,
}

impl From<WordOrVerdict> for WantVerdict {
    fn from(written: WordOrVerdict) -> Self {
        match written {
            WordOrVerdict::Word(word) => Self { verdict: Some(word), why: None, by: None },
            WordOrVerdict::More(More { verdict, why, by }) => Self { verdict, why, by },
        }
    }
}

/// What of an incident is looked at; what is left out may be anything. `*` in a text stands for anything.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WantIncident {
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub severity: Option<Severity>,
    #[serde(default)]
    pub priority: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    /// The CI that is taken for the cause.
    #[serde(default)]
    pub root: Option<String>,
    #[serde(default)]
    pub inferred: Option<bool>,
    #[serde(default)]
    pub alerts: Option<u32>,
    #[serde(default)]
    pub firing: Option<u32>,
    #[serde(default)]
    pub cis: Option<u32>,
}

/// What of a message is looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WantMessage {
    #[serde(default)]
    pub receiver: Option<String>,
    /// `opened`, `updated`, `recovered` …
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub incident: Option<WantIncident>,
}

impl TestFile {
    /// Reads a file; `place` is named in errors.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(place: &str, yaml: &str) -> Result<Self> {
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let file: Self = serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
            let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
            let told = error.without_snippet().to_string();
            let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
            anyhow!("{place}:{line}:{column}: {told}; compare with the example in rules/tests/README.md")
        })?;
        let steps = file.tests.iter().map(|test| test.steps.len()).max().unwrap_or_default();
        let events = file.tests.iter().flat_map(|test| &test.steps).map(|step| step.events.len()).max();
        if file.tests.is_empty() {
            return Err(anyhow!("{place}:1:1: no test in it; write one, or remove the file"));
        }
        if [file.tests.len(), steps, events.unwrap_or_default()].iter().any(|count| *count > COUNT_MAX) {
            return Err(anyhow!("{place}:1:1: more than {COUNT_MAX} tests, steps or events; split the file"));
        }
        Ok(file)
    }
}
