//! Composite alerts: raised by a rule over other alerts. They take part in everything but in rules that raise.

use super::cell::Cell;
use super::fields::AlertFields;
use super::memory::OWN_SOURCE;
use super::policy::patterns::{PatternKind, PatternRule, Raise};
use super::slab::Place;
use crate::domain::event::Event;
use crate::domain::ids::{RuleId, SourceId};
use crate::domain::matcher::Fields;

/// An alert that a rule raises at the end of the step that it is in.
#[derive(Clone, Debug)]
pub struct Composite {
    rule: RuleId,
    event: Box<Event>,
    /// The alerts from which it was raised; it ends with the last of them.
    sources: Vec<Place>,
    /// The story whose next sign of life ends it.
    story: Option<Place>,
}

impl Cell {
    /// Makes the event of an alert that a rule raises. It enters after the event that is on its way now.
    pub fn plan_composite(&mut self, rule: &PatternRule, raise: &Raise, alerts: &[Place], key: &str) {
        let Some(last) = alerts.last() else { return };
        let alert = &self.alerts[*last];
        let fields = AlertFields::of(alert, &self.topology);
        let mut event = Event::new(self.tenant.clone(), SourceId::from(OWN_SOURCE), &raise.name, self.now);
        event.severity = raise.severity;
        event.title = raise.title.render(&fields).into();
        let object = raise.object.as_ref().map_or_else(|| alert.object.to_string(), |object| object.render(&fields));
        event.object.name = Some(if object.is_empty() { rule.id.id.to_string() } else { object });
        event.dedup_key = Some(key.into());
        for name in &rule.by {
            if let Some((label, value)) = name.strip_prefix("labels.").zip(fields.field(name)) {
                event.labels.insert(label, &value);
            }
        }
        let is_absence = rule.kind == PatternKind::Absence;
        let sources = if is_absence { Vec::new() } else { alerts.to_vec() };
        let story = if is_absence { self.patterns.find(key) } else { None };
        let composite = Composite { rule: rule.id.id.clone(), event: Box::new(event), sources, story };
        self.moment.composites.push(composite);
    }

    /// Lets the alerts in that rules have raised, and ends those of which nothing fires any more.
    pub fn settle_composites(&mut self) {
        for composite in std::mem::take(&mut self.moment.composites) {
            self.moment.raising = Some(composite.rule.clone());
            let verdict = self.on_event(&composite.event);
            self.moment.raising = None;
            let Some(place) = verdict.alert().and_then(|id| self.by_alert.get(&id).copied()) else { continue };
            self.ruled(place).raised_by = Some(composite.rule);
            if let Some(story) = composite.story.and_then(|story| self.patterns.stories.get_mut(story)) {
                story.raised = Some(place);
            }
            self.patterns.raised_from(place, composite.sources);
        }
        for place in std::mem::take(&mut self.moment.calmed) {
            let fires = |p: &Place| self.alerts.get(*p).is_some_and(|alert| alert.is_firing());
            for composite in self.patterns.over(place, fires) {
                self.end_composite(composite);
            }
        }
    }

    /// Ends a raised alert.
    pub fn end_composite(&mut self, place: Place) {
        if self.alerts.get(place).is_some_and(|alert| alert.is_firing()) {
            self.end(place);
        }
    }
}
