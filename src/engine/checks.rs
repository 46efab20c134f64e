//! What the stages looked at on an event's way: the checks of its decision record, bounded.

use super::policy::rule::Rule;
use super::verdict::{Check, Decision, Stage, Unmet};
use crate::domain::ids::RuleId;
use crate::domain::incident::{Evidence, EvidenceTerm};
use crate::domain::matcher::{Fields, Matchers};

/// Checks kept of one event.
const CHECKS_MAX: usize = 24;
/// Of these, checks of one stage that did not apply.
const MISSES_MAX: usize = 6;
/// The longest value of a field that is kept, in characters.
const VALUE_CHARS_MAX: usize = 64;

/// Gathers checks while an event is on its way; off between events.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    on: bool,
    list: Vec<Check>,
}

impl Checks {
    /// Begins the record of an event.
    pub fn begin(&mut self) {
        self.on = true;
        self.list.clear();
    }

    /// Ends the record.
    pub fn end(&mut self) -> Decision {
        self.on = false;
        Decision { checks: std::mem::take(&mut self.list) }
    }

    /// Notes that a rule applied; about which alert, CI or label, and with which numbers.
    pub fn hit(&mut self, stage: Stage, rule: &RuleId, about: &str, numbers: Option<(i64, i64)>) {
        if !self.on || self.list.len() >= CHECKS_MAX {
            return;
        }
        let evidence =
            numbers.map(|(n, of)| Evidence { term: EvidenceTerm::Rule, points: 0, n, of, about: rule.as_str().into() });
        let (rule, about) = (Some(rule.clone()), about.into());
        self.list.push(Check {
            stage,
            matched: true,
            rule,
            about,
            evidence: evidence.into_iter().collect(),
            unmet: None,
        });
    }

    /// Notes that something did not apply, and why; `why` is only asked when there is room.
    pub fn miss(&mut self, stage: Stage, rule: Option<&RuleId>, about: &str, why: impl FnOnce() -> Unmet) {
        let misses = || self.list.iter().filter(|c| c.stage == stage && !c.matched).count();
        if !self.on || self.list.len() >= CHECKS_MAX || misses() >= MISSES_MAX {
            return;
        }
        let (rule, about) = (rule.cloned(), about.into());
        self.list.push(Check { stage, matched: false, rule, about, evidence: Vec::new(), unmet: Some(why()) });
    }

    /// Notes that the condition of a rule does not hold.
    pub fn unmet<R: Rule>(&mut self, stage: Stage, rule: &R, fields: &dyn Fields) {
        self.miss(stage, Some(&rule.name().id), "", || {
            obstacle(&rule.matches().0, fields).unwrap_or_else(|| Unmet::Expression {
                failed: rule.when().is_some_and(|when| when.holds(fields).is_err()),
            })
        });
    }
}

/// The test that stands in the way, with the value that the field has.
pub fn obstacle(matchers: &Matchers, fields: &dyn Fields) -> Option<Unmet> {
    let matcher = matchers.obstacle(fields)?;
    let value = fields.field(matcher.field()).unwrap_or_default();
    let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
    Some(Unmet::Field { asks: matcher.text().to_string().into(), value: value.into() })
}
