//! Flapping: an alert that changes its state too often.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::deadlines::Due;
use super::policy::settings::{FlapMode, Flapping};
use super::slab::Place;
use crate::domain::time::Timestamp;

/// The most changes remembered of one alert: the largest threshold.
const CHANGES_MAX: usize = 100;

/// The latest changes of one alert's state. Empty for an alert that never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaps {
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    changes: VecDeque<Timestamp>,
    /// Muted for flapping until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    muted_until: Option<Timestamp>,
    /// A timer is set that looks again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    watched: bool,
}

/// What a change of state means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flap {
    /// The alert is calm.
    Calm,
    /// The alert flaps; mark it.
    Marked,
    /// The alert flaps; mark it and mute it until then.
    MutedUntil(Timestamp),
}

impl Flaps {
    /// Notes a change of state (firing to resolved or back) and says what it means.
    pub fn change(&mut self, rule: &Flapping, now: Timestamp) -> Flap {
        if rule.mode == FlapMode::Off {
            *self = Self::default();
            return Flap::Calm;
        }
        self.changes.push_back(now);
        self.forget(rule, now);
        if rule.mode == FlapMode::Mute && self.changes.len() >= rule.changes as usize && self.muted(now).is_none() {
            self.muted_until = Some(now.plus(rule.mute_for));
        }
        self.look(rule, now)
    }

    /// How the alert stands at `now`.
    pub fn look(&mut self, rule: &Flapping, now: Timestamp) -> Flap {
        self.forget(rule, now);
        let many = rule.mode != FlapMode::Off && self.changes.len() >= rule.changes as usize;
        match (self.muted(now), many) {
            (Some(until), _) if rule.mode == FlapMode::Mute => Flap::MutedUntil(until),
            (_, true) => Flap::Marked,
            (_, false) => Flap::Calm,
        }
    }

    /// When [`look`](Self::look) says something else without a change: the mute ends, or the alert is calm again.
    pub fn next_change(&self, rule: &Flapping) -> Option<Timestamp> {
        if rule.mode == FlapMode::Off {
            return None;
        }
        let calm = self.changes.len().checked_sub(rule.changes as usize).map(|n| self.changes[n].plus(rule.within));
        self.muted_until.into_iter().chain(calm).min()
    }

    /// The changes go on with a later alert of the same fingerprint, for which no timer is set yet.
    pub fn of_a_later_alert(self) -> Self {
        Self { watched: false, ..self }
    }

    /// Until when the alert is muted for flapping.
    pub fn muted_until(&self, rule: &Flapping, now: Timestamp) -> Option<Timestamp> {
        self.muted(now).filter(|_| rule.mode == FlapMode::Mute)
    }

    fn muted(&self, now: Timestamp) -> Option<Timestamp> {
        self.muted_until.filter(|until| now < *until)
    }

    fn forget(&mut self, rule: &Flapping, now: Timestamp) {
        let old = now.minus(rule.within);
        let keep = (rule.changes as usize).clamp(2, CHANGES_MAX);
        while self.changes.len() > keep || self.changes.front().is_some_and(|at| *at <= old) {
            self.changes.pop_front();
        }
        if self.muted(now).is_none() {
            self.muted_until = None;
        }
    }
}

impl Cell {
    /// An alert went from firing to resolved or back.
    pub fn flip(&mut self, place: Place) {
        let (rule, now) = (self.policy.settings.flapping, self.now);
        if rule.mode == FlapMode::Off && self.alerts[place].rare.flaps.is_none() {
            return;
        }
        self.alerts[place].rare.make().flaps.get_or_insert_default().change(&rule, now);
        self.look_at_flaps(place);
    }

    /// A timer: an alert may be calm again.
    pub fn calm(&mut self, place: Place) {
        let Some(flaps) = self.alerts.get_mut(place).and_then(|alert| alert.rare.found()?.flaps.as_mut()) else {
            return;
        };
        flaps.watched = false;
        self.look_at_flaps(place);
        self.remute(place);
    }

    /// Marks an alert that flaps, or takes the mark away; waits for the next change that comes by itself.
    pub fn look_at_flaps(&mut self, place: Place) {
        let (rule, now) = (self.policy.settings.flapping, self.now);
        let alert = &mut self.alerts[place];
        let Some(flaps) = alert.rare.found().and_then(|parts| parts.flaps.as_mut()) else { return };
        let flapping = flaps.look(&rule, now) != Flap::Calm;
        if alert.flapping != flapping {
            alert.flapping = flapping;
            self.moment.alerts.insert(place);
        }
        if flapping
            && !flaps.watched
            && let Some(at) = flaps.next_change(&rule)
        {
            flaps.watched = true;
            self.deadlines.set(at.max(now), Due::Calm(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Span;

    fn check(mode: FlapMode, changes_at_secs: &[i64], look_at_secs: i64, want: Flap) {
        let rule = Flapping { mode, ..Flapping::default() };
        let mut flaps = Flaps::default();
        for secs in changes_at_secs {
            flaps.change(&rule, Timestamp(secs * 1000));
        }
        assert_eq!(
            flaps.look(&rule, Timestamp(look_at_secs * 1000)),
            want,
            "{mode:?} {changes_at_secs:?} {look_at_secs}"
        );
    }

    #[test]
    fn four_changes_in_an_hour_are_flapping() {
        check(FlapMode::Mark, &[0, 30, 60], 60, Flap::Calm);
        check(FlapMode::Mark, &[0, 30, 60, 90], 90, Flap::Marked);
        check(FlapMode::Mark, &[0, 30, 60, 90], 3599, Flap::Marked);
        check(FlapMode::Mark, &[0, 30, 60, 90], 3600, Flap::Calm);
        check(FlapMode::Mark, &[0, 30, 60, 3605], 3605, Flap::Calm);
        check(FlapMode::Off, &[0, 30, 60, 90], 90, Flap::Calm);
    }

    #[test]
    fn a_muted_alert_is_free_after_its_time() {
        let until = |secs: i64| Flap::MutedUntil(Timestamp(secs * 1000));
        check(FlapMode::Mute, &[0, 30, 60, 90], 90, until(90 + 7200));
        check(FlapMode::Mute, &[0, 30, 60, 90], 90 + 7199, until(90 + 7200));
        check(FlapMode::Mute, &[0, 30, 60, 90], 90 + 7200, Flap::Calm);
        // Changes while muted do not prolong the mute; still flapping at its end, the alert is muted again.
        check(FlapMode::Mute, &[0, 30, 60, 90, 120, 7289], 7289, until(7290));
        check(FlapMode::Mute, &[0, 30, 60, 90, 7200, 7230, 7260, 7300], 7300, until(7300 + 7200));
    }

    #[test]
    fn memory_is_bounded_and_the_next_change_is_known() {
        let rule = Flapping { changes: 100, ..Flapping::default() };
        let mut flaps = Flaps::default();
        for n in 0..10_000 {
            flaps.change(&rule, Timestamp(n));
        }
        assert_eq!(flaps.changes.len(), 100);
        assert_eq!(flaps.next_change(&rule), Some(Timestamp(9900).plus(Span::mins(60))));
    }
}
