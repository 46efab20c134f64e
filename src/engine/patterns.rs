//! Patterns: what correlation rules have seen so far, and whether that is a hit. With SEC's vocabulary.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::lookup::Lookup;
use super::policy::patterns::{PatternKind, PatternRule};
use super::slab::{Place, Slab};
use crate::domain::ids::RuleId;
use crate::domain::time::Timestamp;

/// Stories that are open at once of one rule; further ones are not begun.
const STORIES_MAX: u32 = 5_000;
/// Alerts remembered of one story; the oldest goes first.
const SIGHTS_MAX: usize = 1_000;

/// An alert that met a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    pub at: Timestamp,
    pub alert: Place,
    pub condition: u8,
    /// The value of the field in which alerts must differ.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub distinct: Box<str>,
}

/// One rule, for one set of values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Story {
    pub rule: RuleId,
    pub key: Box<str>,
    pub began: Timestamp,
    pub last: Timestamp,
    pub seen: Vec<Sight>,
    /// It is a hit as it stands: what comes in addition belongs to it.
    pub on: bool,
    /// The alert that it raised.
    pub raised: Option<Place>,
}

/// The open stories of all rules.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Patterns {
    pub stories: Slab<Story>,
    by_key: Lookup<Box<str>, Place>,
    open: BTreeMap<RuleId, u32>,
    /// The alerts from which an alert was raised, and the other way round.
    sources: Lookup<Place, Vec<Place>>,
    raises: Lookup<Place, Vec<Place>>,
}

impl Patterns {
    /// The story of a rule for these values.
    pub fn find(&self, key: &str) -> Option<Place> {
        self.by_key.get(key).copied()
    }

    /// Begins a story, unless there are too many.
    pub fn begin(&mut self, rule: &RuleId, key: &str, now: Timestamp) -> Option<Place> {
        let open = self.open.entry(rule.clone()).or_default();
        if *open >= STORIES_MAX {
            return None;
        }
        *open += 1;
        let story = Story {
            rule: rule.clone(),
            key: key.into(),
            began: now,
            last: now,
            seen: Vec::new(),
            on: false,
            raised: None,
        };
        let place = self.stories.insert(story);
        self.by_key.insert(key.into(), place);
        Some(place)
    }

    /// Ends a story.
    pub fn end(&mut self, place: Place) -> Option<Story> {
        let story = self.stories.remove(place)?;
        self.by_key.remove(&story.key);
        if let Some(open) = self.open.get_mut(&story.rule) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&story.rule);
            }
        }
        Some(story)
    }

    /// Notes from which alerts an alert was raised.
    pub fn raised_from(&mut self, composite: Place, sources: Vec<Place>) {
        if sources.is_empty() {
            return;
        }
        for source in &sources {
            let raises = self.raises.or_insert_with(*source, Vec::new);
            if !raises.contains(&composite) {
                raises.push(composite);
            }
        }
        let known = self.sources.or_insert_with(composite, Vec::new);
        for source in sources {
            if !known.contains(&source) {
                known.push(source);
            }
        }
    }

    /// The raised alerts that are over now that `ended` is: none of their sources fires. They are forgotten here.
    pub fn over(&mut self, ended: Place, fires: impl Fn(&Place) -> bool) -> Vec<Place> {
        let mut over = self.raises.get(&ended).cloned().unwrap_or_default();
        over.retain(|composite| self.sources.get(composite).is_some_and(|sources| !sources.iter().any(&fires)));
        for composite in &over {
            self.forget(*composite);
        }
        over
    }

    /// Forgets an alert that was raised, or from which others were.
    pub fn forget(&mut self, alert: Place) {
        unlink(&mut self.sources, &mut self.raises, alert);
        unlink(&mut self.raises, &mut self.sources, alert);
    }

    /// Whether some alert was raised from others.
    pub fn has_raised(&self) -> bool {
        !self.raises.is_empty()
    }

    /// Adds an alert to a story; forgets those that are too old for its window. Whether one more had to go.
    pub fn see(&mut self, place: Place, rule: &PatternRule, sight: Sight) -> bool {
        let Some(story) = self.stories.get_mut(place) else { return false };
        story.last = sight.at;
        if rule.kind == PatternKind::Absence {
            story.seen.clear();
        } else {
            let now = sight.at;
            story.seen.retain(|s| now.since(s.at) <= rule.within);
        }
        let full = story.seen.len() >= SIGHTS_MAX;
        if full {
            story.seen.remove(0);
        }
        story.seen.push(sight);
        full
    }

    /// All places of stories, in order.
    pub fn places(&self) -> Vec<Place> {
        self.stories.iter().map(|(place, _)| place).collect()
    }
}

/// Takes an alert out of one direction of links, and back.
fn unlink(mine: &mut Lookup<Place, Vec<Place>>, theirs: &mut Lookup<Place, Vec<Place>>, alert: Place) {
    for other in mine.remove(&alert).unwrap_or_default() {
        if let Some(back) = theirs.get_mut(&other) {
            back.retain(|place| *place != alert);
            if back.is_empty() {
                theirs.remove(&other);
            }
        }
    }
}

impl Story {
    /// Whether the story is a hit now that its last alert has come.
    pub fn holds(&self, rule: &PatternRule) -> bool {
        let Some(last) = self.seen.last() else { return false };
        match rule.kind {
            PatternKind::Single => true,
            // These hit when time passes.
            PatternKind::PairWithWindow | PatternKind::Absence => false,
            PatternKind::Pair => {
                last.condition == 1 && self.seen.iter().any(|s| s.condition == 0 && s.alert != last.alert)
            }
            PatternKind::Threshold => self.counted(rule) >= rule.count,
            PatternKind::Sequence => {
                usize::from(last.condition) + 1 == rule.conditions.len() && self.chain().len() == rule.conditions.len()
            }
            PatternKind::Group => self.has_all(rule),
        }
    }

    /// How many alerts count, and how many it takes.
    pub fn progress(&self, rule: &PatternRule) -> (u32, u32) {
        match rule.kind {
            PatternKind::Threshold => (self.counted(rule), rule.count),
            PatternKind::Single
            | PatternKind::Pair
            | PatternKind::PairWithWindow
            | PatternKind::Sequence
            | PatternKind::Absence
            | PatternKind::Group => {
                let met: BTreeSet<u8> = self.seen.iter().map(|s| s.condition).collect();
                (met.len() as u32, rule.conditions.len() as u32)
            }
        }
    }

    fn counted(&self, rule: &PatternRule) -> u32 {
        if rule.distinct.is_none() {
            return self.seen.len() as u32;
        }
        let values: BTreeSet<&str> = self.seen.iter().map(|s| s.distinct.as_ref()).collect();
        values.len() as u32
    }

    /// Different alerts that met the conditions one after the other, as far as that goes.
    fn chain(&self) -> Vec<Place> {
        let mut chain: Vec<Place> = Vec::new();
        for sight in &self.seen {
            if usize::from(sight.condition) == chain.len() && !chain.contains(&sight.alert) {
                chain.push(sight.alert);
            }
        }
        chain
    }

    /// Whether each condition has been met often enough, by different alerts.
    fn has_all(&self, rule: &PatternRule) -> bool {
        let met = |condition: usize| {
            let alerts: BTreeSet<Place> =
                self.seen.iter().filter(|s| usize::from(s.condition) == condition).map(|s| s.alert).collect();
            alerts.len() as u32
        };
        let alerts: BTreeSet<Place> = self.seen.iter().map(|s| s.alert).collect();
        let needed: u32 = rule.conditions.iter().map(|c| c.count).sum();
        alerts.len() as u32 >= needed && rule.conditions.iter().enumerate().all(|(n, c)| met(n) >= c.count)
    }

    /// The alerts that make the hit, each once, in the order in which they came.
    pub fn alerts(&self, rule: &PatternRule) -> Vec<Place> {
        if rule.kind == PatternKind::Sequence {
            return self.chain();
        }
        let mut known = BTreeSet::new();
        self.seen.iter().map(|s| s.alert).filter(|alert| known.insert(*alert)).collect()
    }

    /// The first alert that met a condition.
    pub fn first_of(&self, condition: usize) -> Option<Place> {
        self.seen.iter().find(|s| usize::from(s.condition) == condition).map(|s| s.alert)
    }
}
