//! What must be said when incidents close, and which of them are major ones (重大故障).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::expiry::Expiry;
use super::expression::Expression;
use super::kinds::{Told, receivers};
use super::matching::Match;
use super::place::RuleName;
use super::rule::rule;
use crate::domain::ending::{CATEGORY_CHARS_MAX, Finding};
use crate::domain::ids::ReceiverId;
use crate::domain::incident::Priority;

/// The most categories.
const CATEGORIES_MAX: usize = 50;

/// What must be said when a person closes an incident.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Closing {
    /// Whoever closes it says so much.
    pub needs: Vec<Finding>,
    /// Only of incidents of this priority and more urgent ones.
    pub from: Priority,
    /// What a category may be, at most 50 of 64 characters; none: anything.
    #[serde(deserialize_with = "categories")]
    pub categories: Vec<Box<str>>,
    /// A major incident closes once its post-mortem is published.
    pub review: bool,
}

impl Default for Closing {
    fn default() -> Self {
        Self { needs: Vec::new(), from: Priority::P4, categories: Vec::new(), review: true }
    }
}

fn categories<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<str>>, D::Error> {
    let named = Vec::<Box<str>>::deserialize(deserializer)?;
    let fits = |name: &str| (1..=CATEGORY_CHARS_MAX).contains(&name.chars().count());
    if named.len() > CATEGORIES_MAX || !named.iter().all(|name| fits(name)) {
        let limits = "categories are at most 50 names of 1 to 64 characters; shorten the list";
        return Err(serde::de::Error::custom(limits));
    }
    Ok(named)
}

/// Which incidents are major ones, and who is told of them beside the routes; the fields are those of routes.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MajorRule {
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
    /// It declares nothing by itself: it says who is told when a person does.
    #[serde(default)]
    pub by_hand: bool,
    /// Receivers of the configuration, and escalation policies as `oncall: name`.
    #[serde(default, deserialize_with = "receivers")]
    #[schemars(with = "Vec<Told>")]
    pub receivers: Vec<ReceiverId>,
}
rule!(MajorRule, "major_incidents", first_wins: false);
