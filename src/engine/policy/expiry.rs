//! Rules that expire: from a moment on the set holds without them, as if somebody had taken them out then.
//!
//! The moment is one of the engine's clock, so that every instance and every replay drops them between the same two events.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Policy;
use super::join::assemble;
use super::place::RuleName;
use super::read::Sections;
use super::rule::Rule;
use crate::domain::time::Timestamp;
use crate::engine::calendar::{Edge, ZONE_DEFAULT};
use crate::engine::schedule::{MOMENT_PATTERN, Moment};

/// When a rule ceases to hold; a day is its begin, and without an offset the time is that of the default zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
#[schemars(extend("pattern" = MOMENT_PATTERN))]
pub struct Expiry(pub Timestamp);

impl TryFrom<String> for Expiry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Moment::try_from(text).map(|moment| Self(moment.at(ZONE_DEFAULT, Edge::Start)))
    }
}

/// A set in which rules expire, as it was written.
#[derive(Clone, Debug)]
pub struct Written {
    sections: Sections,
    /// The moments at which rules expire, in order.
    moments: Vec<Timestamp>,
}

impl Written {
    /// Keeps what was written where rules expire.
    pub(super) fn of(sections: &Sections) -> Option<Arc<Self>> {
        let mut moments: Vec<Timestamp> = Vec::new();
        let mut sections = sections.clone();
        sections.retain(|expires| {
            moments.extend(expires.map(|expiry| expiry.0));
            true
        });
        moments.sort_unstable();
        moments.dedup();
        (!moments.is_empty()).then(|| Arc::new(Self { sections, moments }))
    }
}

impl Sections {
    /// Keeps the rules of which the expiry is as asked.
    fn retain(&mut self, mut keep: impl FnMut(Option<Expiry>) -> bool) {
        fn of<T: Rule>(rules: &mut Vec<T>, keep: &mut impl FnMut(Option<Expiry>) -> bool) {
            rules.retain(|rule| keep(rule.expires()));
        }
        of(&mut self.dedup, &mut keep);
        of(&mut self.enrich, &mut keep);
        of(&mut self.adjust, &mut keep);
        of(&mut self.mute, &mut keep);
        of(&mut self.maintenance, &mut keep);
        self.inhibit.retain(|rule| keep(rule.expires));
        of(&mut self.group, &mut keep);
        self.correlate.retain(|rule| keep(rule.expires));
        of(&mut self.promote, &mut keep);
        self.key_periods.retain(|period| keep(period.expires));
        of(&mut self.routes, &mut keep);
        of(&mut self.runbooks, &mut keep);
        of(&mut self.service_levels, &mut keep);
        of(&mut self.major_incidents, &mut keep);
        of(&mut self.actions, &mut keep);
    }
}

/// A rule of the set, and who answers for it how long.
#[derive(Clone, Copy, Debug)]
pub struct ListedRule<'a> {
    pub section: &'static str,
    pub name: &'a RuleName,
    pub owner: &'a str,
    pub expires: Option<Expiry>,
}

impl Policy {
    /// The rules as they hold at a moment, or later if they have been asked for later before: without those that have expired.
    pub fn as_of(self: &Arc<Self>, now: Timestamp) -> Arc<Self> {
        let is_due = self.next_expiry().is_some_and(|at| at <= now);
        let Some(written) = self.written.as_ref().filter(|_| is_due) else { return self.clone() };
        let mut sections = written.sections.clone();
        sections.retain(|expires| expires.is_none_or(|expiry| expiry.0 > now));
        let (written, settled, on_call) = (Some(written.clone()), now, self.on_call.clone());
        Arc::new(Self { written, settled, on_call, ..assemble(self.version, sections, self.files.clone()) })
    }

    /// When the next rule expires that still holds.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let moments = &self.written.as_ref()?.moments;
        moments.get(moments.partition_point(|at| *at <= self.settled)).copied()
    }
}
