//! Promote: when a held alert becomes an incident of its own, by the rules.

use super::cell::Cell;
use super::deadlines::Due;
use super::fields::AlertFields;
use super::logit::Question;
use super::policy::kinds::{Promotion, Repute};
use super::policy::rule::RuleHits;
use super::slab::Place;
use crate::domain::time::{Span, Timestamp};

impl Cell {
    /// Sets the timer at which an alert that has begun to fire, or fires more severely, has been held for long enough.
    pub fn plan_promotion(&mut self, place: Place) {
        let asks = self.answers(Question::Lone, place).is_some();
        // A model is only asked when it matters: at once, or when the timer is due.
        let repute = if asks { Repute::Plain } else { self.repute(place) };
        let mut hits = std::mem::take(&mut self.hits);
        let mut held = self.held_for(place, repute, &mut hits);
        if held == Some(Span(0)) && self.doubts(place) && asks {
            held = self.held_for(place, Repute::Noisy, &mut RuleHits::default());
        }
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

    /// How long the rules hold an alert of this repute; `None` = until there is other evidence.
    fn held_for(&self, place: Place, repute: Repute, hits: &mut RuleHits) -> Option<Span> {
        let fields = AlertFields::of(&self.alerts[place], &self.topology);
        match self.policy.promotion(&fields, repute, hits)?.after {
            Promotion::After(span) => Some(span),
            Promotion::Never => None,
        }
    }

    /// Until when the rules hold an alert that goes on firing; `None` = until there is other evidence.
    pub fn held_until(&self, place: Place) -> Option<Timestamp> {
        let span = self.held_for(place, self.repute(place), &mut RuleHits::default())?;
        Some(self.alerts[place].firing_since.plus(span))
    }

    fn repute(&self, place: Place) -> Repute {
        if self.is_doubtful(place) { Repute::Noisy } else { Repute::Plain }
    }

    /// A timer: the alert may have been held for long enough.
    pub fn promote(&mut self, place: Place) {
        if self.alerts.get(place).is_none_or(|alert| !alert.is_firing() || alert.lasted) {
            return;
        }
        let repute = if self.doubts(place) { Repute::Noisy } else { Repute::Plain };
        // The rules may be others by now, or the alert may have paused.
        let Some(span) = self.held_for(place, repute, &mut RuleHits::default()) else { return };
        let due = self.alerts[place].firing_since.plus(span);
        if due > self.now {
            return self.deadlines.set(due, Due::Promote(place));
        }
        self.has_lasted(place);
        self.consider(self.alerts[place].group);
    }

    fn has_lasted(&mut self, place: Place) {
        let noisy = self.learned.stats(self.alerts[place].kind).is_noisy();
        let alert = &mut self.alerts[place];
        (alert.lasted, alert.noisy) = (true, noisy);
        if self.alerts[place].parent.is_none() {
            self.evaluate(place);
        }
    }

    /// Looks again at a lone alert that was doubtful when the rules would have told it.
    pub fn doubt_again(&mut self, place: Place) {
        let alert = &self.alerts[place];
        let asks = self.answers(Question::Lone, place).is_some() || self.choices.is_some();
        if !asks
            || alert.lasted
            || alert.parent.is_some()
            || !alert.is_firing()
            || self.groups[alert.group].incident.is_some()
        {
            return;
        }
        let since = self.now.since(alert.firing_since);
        let over = self.held_for(place, Repute::Plain, &mut RuleHits::default()).is_some_and(|span| span <= since);
        if over && !self.doubts(place) {
            self.has_lasted(place);
        }
    }
}
