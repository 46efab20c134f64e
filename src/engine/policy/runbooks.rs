//! Runbooks: where it is written what to do about an incident of some kind. They go into messages and stand beside it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::expiry::Expiry;
use super::expression::Expression;
use super::matching::Match;
use super::place::RuleName;
use super::rule::rule;
use crate::engine::effect::RunbookLink;

/// What to do about incidents of some kind; the fields are those of routes.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runbook {
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
    pub title: Box<str>,
    /// Where it stands; steps alone are enough.
    #[serde(default)]
    pub url: Box<str>,
    /// The first steps, each a sentence.
    #[serde(default)]
    pub steps: Vec<Box<str>>,
}
rule!(Runbook, "runbooks", first_wins: false);

impl Runbook {
    /// As messages have it.
    pub fn link(&self) -> RunbookLink {
        RunbookLink { title: self.title.clone(), url: self.url.clone(), steps: self.steps.clone() }
    }
}
