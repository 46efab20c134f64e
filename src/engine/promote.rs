//! Promote: when a held alert becomes an incident of its own, by the rules.

use super::cell::Cell;
use super::deadlines::Due;
use super::fields::AlertFields;
use super::policy::kinds::{Promotion, Repute};
use super::policy::rule::RuleHits;
use super::slab::Place;
use crate::domain::time::{Span, Timestamp};

impl Cell {
    /// Sets the timer at which an alert that has begun to fire, or fires more severely, has been held for long enough.
    pub fn plan_promotion(&mut self, place: Place) {
        let mut hits = std::mem::take(&mut self.hits);
        let held = self.held_for(place, &mut hits);
        self.hits = hits;
        let alert = &mut self.alerts[place];
        match held {
            None => {}
            Some(Span(0)) => alert.lasted |= alert.is_firing(),
            Some(span) if alert.firing_since == self.now => {
                self.deadlines.set_after(self.now, span, Due::Promote(place));
            }
            Some(span) => {
                let due = alert.firing_since.plus(span).max(self.now);
                self.deadlines.set(due, Due::Promote(place));
            }
        }
    }

    /// How long the rules hold an alert; `None` = until there is other evidence.
    fn held_for(&self, place: Place, hits: &mut RuleHits) -> Option<Span> {
        let alert = &self.alerts[place];
        let repute = if self.is_noisy(place) { Repute::Noisy } else { Repute::Plain };
        let fields = AlertFields::of(alert, &self.topology);
        match self.policy.promotion(&fields, repute, hits)?.after {
            Promotion::After(span) => Some(span),
            Promotion::Never => None,
        }
    }

    /// Until when the rules hold an alert that goes on firing; `None` = until there is other evidence.
    pub fn held_until(&self, place: Place) -> Option<Timestamp> {
        let span = self.held_for(place, &mut RuleHits::default())?;
        Some(self.alerts[place].firing_since.plus(span))
    }

    /// A timer: the alert may have been held for long enough.
    pub fn promote(&mut self, place: Place) {
        if self.alerts.get(place).is_none_or(|alert| !alert.is_firing() || alert.lasted) {
            return;
        }
        // The rules may be others by now, or the alert may have paused.
        let Some(span) = self.held_for(place, &mut RuleHits::default()) else { return };
        let noisy = self.learned.stats(self.alerts[place].kind).is_noisy();
        let alert = &mut self.alerts[place];
        let due = alert.firing_since.plus(span);
        if due > self.now {
            return self.deadlines.set(due, Due::Promote(place));
        }
        (alert.lasted, alert.noisy) = (true, noisy);
        if self.alerts[place].parent.is_none() {
            self.evaluate(place);
        }
        self.consider(self.alerts[place].group);
    }
}
