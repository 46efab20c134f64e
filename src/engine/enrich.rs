//! Enrich: labels by rule (extract, compose, map, delete), then the severity by rule. What the CI brings (owner,
//! site, org, service, criticality) is not copied: matchers see it as fields.

use std::borrow::Cow;

use super::alert::Spot;
use super::cell::Cell;
use super::checks::Checks;
use super::fields::{CiFacts, EventFields};
use super::policy::enriching::{EnrichRule, LabelKey};
use super::policy::rule::Rule;
use super::verdict::{Stage, Unmet};
use crate::domain::event::Event;
use crate::domain::ids::RuleId;
use crate::domain::matcher::Fields;
use crate::domain::severity::Severity;

/// Labels of one event.
const LABELS_MAX: usize = 50;
/// The longest value of a label, in characters.
const VALUE_CHARS_MAX: usize = 2048;

/// The labels that one part of a rule writes.
type Written = Vec<(LabelKey, String)>;

impl Cell {
    /// The event as rules make it. Resolutions are never changed: what they end is known by identity alone.
    pub fn enrich<'e>(&mut self, event: &'e Event, spot: Spot) -> Cow<'e, Event> {
        let mut event = Cow::Borrowed(event);
        if self.policy.enrich.is_empty() && self.policy.adjust.is_empty() {
            return event;
        }
        let policy = self.policy.clone();
        let (mut hits, mut checks) = (std::mem::take(&mut self.hits), std::mem::take(&mut self.moment.checks));
        let ci = spot.ci().map(|ci| CiFacts::of(&self.topology, ci));
        let ci = ci.as_ref();
        for rule in policy.enrich.candidates(&EventFields { event: &event, ci }) {
            let fields = EventFields { event: &event, ci };
            if rule.applies(&fields, &mut hits) {
                hits.hit(&rule.id.id);
                apply(rule, &mut event, ci, &mut checks);
            } else {
                checks.unmet(Stage::Enrich, rule, &fields);
            }
        }
        let before = if event.severity == Severity::Cleared { Severity::Indeterminate } else { event.severity };
        if let Some((after, rule)) = policy.adjusted(before, &EventFields { event: &event, ci }, &mut hits) {
            checks.hit(Stage::Enrich, rule, "severity", Some((before.rank().into(), after.rank().into())));
            if after != event.severity {
                event.to_mut().severity = after;
            }
        }
        (self.hits, self.moment.checks) = (hits, checks);
        event
    }
}

/// Does the parts of a rule, each on what the one before it made.
fn apply(rule: &EnrichRule, event: &mut Cow<'_, Event>, ci: Option<&CiFacts<'_>>, checks: &mut Checks) {
    let id = &rule.id.id;
    for part in [extracted, composed, mapped] {
        let written = part(rule, &EventFields { event, ci }, checks);
        for (key, value) in written {
            write(rule, event, &key, &value, checks);
        }
    }
    for LabelKey(key) in rule.delete.iter().filter(|key| event.labels.get(&key.0).is_some()).collect::<Vec<_>>() {
        event.to_mut().labels.remove(key);
        checks.hit(Stage::Enrich, id, key, None);
    }
}

fn nothing(id: &RuleId, field: &str, checks: &mut Checks) {
    checks.miss(Stage::Enrich, Some(id), "", || Unmet::NothingFound { field: field.into() });
}

fn extracted(rule: &EnrichRule, fields: &dyn Fields, checks: &mut Checks) -> Written {
    let Some(extract) = &rule.extract else { return Vec::new() };
    let text = fields.field(&extract.from).unwrap_or_default();
    let Some(found) = extract.pattern.captures(&text) else {
        nothing(&rule.id.id, &extract.from, checks);
        return Vec::new();
    };
    let names = extract.pattern.capture_names().flatten();
    names.filter_map(|name| Some((LabelKey(name.into()), found.name(name)?.as_str().to_owned()))).collect()
}

fn composed(rule: &EnrichRule, fields: &dyn Fields, _: &mut Checks) -> Written {
    rule.compose.iter().map(|(key, template)| (key.clone(), template.render(fields))).collect()
}

fn mapped(rule: &EnrichRule, fields: &dyn Fields, checks: &mut Checks) -> Written {
    let Some(table) = &rule.map else { return Vec::new() };
    let from = fields.field(&table.from).unwrap_or_default();
    match table.rows.get(from.as_ref()).or(table.default.as_ref()) {
        Some(value) => vec![(table.to.clone(), value.to_string())],
        None => {
            nothing(&rule.id.id, &table.from, checks);
            Vec::new()
        }
    }
}

fn write(rule: &EnrichRule, event: &mut Cow<'_, Event>, LabelKey(key): &LabelKey, value: &str, checks: &mut Checks) {
    let id = Some(&rule.id.id);
    let there = event.labels.get(key).is_some();
    if value.is_empty() {
        return;
    }
    if there && !rule.overwrite {
        checks.miss(Stage::Enrich, id, key, || Unmet::LabelThere { label: key.clone() });
    } else if !there && event.labels.count() >= LABELS_MAX {
        checks.miss(Stage::Enrich, id, key, || Unmet::LabelsFull { max: LABELS_MAX as u32 });
    } else {
        let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
        event.to_mut().labels.insert(key, &value);
        checks.hit(Stage::Enrich, &rule.id.id, key, None);
    }
}
