//! What all rules share, and lists of rules that skip what cannot apply.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::expiry::Expiry;
use super::expression::Expression;
use super::index::Index;
use super::matching::Match;
use super::place::RuleName;
use crate::domain::ids::RuleId;
use crate::domain::matcher::Fields;
use crate::domain::time::Timestamp;

/// How often each rule applied, and how often its expression failed. Part of the engine's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleHits {
    pub hits: BTreeMap<RuleId, u64>,
    pub errors: BTreeMap<RuleId, u64>,
    /// What was left out because there was too much of it: stories and alerts of patterns, windows of groupings.
    #[serde(default)]
    pub cut: BTreeMap<RuleId, u64>,
    /// When each applied last.
    #[serde(default)]
    pub last: BTreeMap<RuleId, Timestamp>,
    /// The engine's clock.
    #[serde(skip)]
    pub now: Timestamp,
}

impl RuleHits {
    /// Counts one more use of the rule.
    pub fn hit(&mut self, rule: &RuleId) {
        count(&mut self.hits, rule);
        match self.last.get_mut(rule) {
            Some(at) => *at = self.now,
            None => {
                self.last.insert(rule.clone(), self.now);
            }
        }
    }

    /// Counts one more thing that was left out because there was too much of it.
    pub fn cut(&mut self, rule: &RuleId) {
        count(&mut self.cut, rule);
    }

    /// Counts one more failed evaluation.
    pub fn error(&mut self, rule: &RuleId) {
        count(&mut self.errors, rule);
    }

    /// Forgets rules that are not in the set any more.
    pub fn keep(&mut self, known: impl Fn(&RuleId) -> bool) {
        self.hits.retain(|rule, _| known(rule));
        self.errors.retain(|rule, _| known(rule));
        self.cut.retain(|rule, _| known(rule));
        self.last.retain(|rule, _| known(rule));
    }
}

fn count(counts: &mut BTreeMap<RuleId, u64>, rule: &RuleId) {
    match counts.get_mut(rule) {
        Some(n) => *n = n.saturating_add(1),
        None => {
            counts.insert(rule.clone(), 1);
        }
    }
}

/// A rule with a condition: matchers and, where they do not reach, an expression.
pub trait Rule {
    /// The section of the rule file.
    const SECTION: &'static str;
    /// The first rule that applies ends the search.
    const FIRST_WINS: bool;

    /// The rule's id and place.
    fn name(&self) -> &RuleName;
    /// For setting the file after reading.
    fn name_mut(&mut self) -> &mut RuleName;
    /// Who answers for it.
    fn owner(&self) -> &str;
    /// When it ceases to hold.
    fn expires(&self) -> Option<Expiry>;
    /// The matchers.
    fn matches(&self) -> &Match;
    /// The expression.
    fn when(&self) -> Option<&Expression>;
    /// Whether the rule, having applied, lets later rules have their turn.
    fn goes_on(&self) -> bool {
        !Self::FIRST_WINS
    }

    /// Whether the condition holds; counts a failed evaluation, which means no.
    fn applies(&self, fields: &dyn Fields, hits: &mut RuleHits) -> bool {
        self.matches().0.matches(fields)
            && self.when().is_none_or(|when| {
                when.holds(fields).unwrap_or_else(|_| {
                    hits.error(&self.name().id);
                    false
                })
            })
    }
}

/// Rules of one kind in their order, with an index.
#[derive(Clone, Debug)]
pub struct Rules<T> {
    list: Vec<T>,
    index: Index,
}

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self { list: Vec::new(), index: Index::default() }
    }
}

impl<T: Rule> Rules<T> {
    /// Builds the index.
    pub fn of(list: Vec<T>) -> Self {
        let index = Index::of(list.iter().map(|rule| &rule.matches().0));
        Self { list, index }
    }

    /// All rules, in order.
    pub fn all(&self) -> &[T] {
        &self.list
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Rules that may apply, in order.
    pub fn candidates<'a>(&'a self, fields: &dyn Fields) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.index.candidates(fields).map(|number| &self.list[number])
    }

    /// The first rule that applies; counted.
    pub fn first(&self, fields: &dyn Fields, hits: &mut RuleHits) -> Option<&T> {
        let rule = self.candidates(fields).find(|rule| rule.applies(fields, hits))?;
        hits.hit(&rule.name().id);
        Some(rule)
    }
}

/// Implements [`Rule`] for a structure with the fields `id`, `matches` and `when`.
macro_rules! rule {
    ($rule:ty, $section:literal, first_wins: $first_wins:literal $(, $more:item)*) => {
        impl $crate::engine::policy::rule::Rule for $rule {
            const SECTION: &'static str = $section;
            const FIRST_WINS: bool = $first_wins;

            fn name(&self) -> &$crate::engine::policy::place::RuleName {
                &self.id
            }

            fn name_mut(&mut self) -> &mut $crate::engine::policy::place::RuleName {
                &mut self.id
            }

            fn owner(&self) -> &str {
                &self.owner
            }

            fn expires(&self) -> Option<$crate::engine::policy::expiry::Expiry> {
                self.expires
            }

            fn matches(&self) -> &$crate::engine::policy::matching::Match {
                &self.matches
            }

            fn when(&self) -> Option<&$crate::engine::policy::expression::Expression> {
                self.when.as_ref()
            }

            $($more)*
        }
    };
}
pub(crate) use rule;
