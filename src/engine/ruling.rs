//! Another set of rules, or another topology, while alerts fire.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cell::Cell;
use super::deadlines::Due;
use super::policy::Policy;
use super::slab::Place;
use crate::domain::ids::RuleId;

impl Cell {
    /// Another set of rules is valid from here on. Counts of rules that stay are kept; what rules that are gone had
    /// begun is dropped.
    pub fn take_policy(&mut self, policy: Arc<Policy>) {
        let whole = policy;
        let before = std::mem::replace(&mut self.policy, whole.as_of(self.now));
        let known: BTreeSet<RuleId> = whole.rules().into_iter().map(|rule| rule.name.id.clone()).collect();
        self.hits.keep(|rule| known.contains(rule));
        self.hold_to(before);
    }

    /// Rules have expired: from now on the others hold.
    pub fn drop_expired(&mut self) {
        let policy = self.policy.as_of(self.now);
        if !Arc::ptr_eq(&policy, &self.policy) {
            let before = std::mem::replace(&mut self.policy, policy);
            self.hold_to(before);
        }
    }

    /// Other rules hold than before.
    fn hold_to(&mut self, before: Arc<Policy>) {
        self.drop_stories(&before.correlate);
        self.look_at_windows();
        let flapping: Vec<Place> =
            self.alerts.iter().filter(|(_, alert)| alert.rare.flaps.is_some()).map(|(place, _)| place).collect();
        for place in flapping {
            self.look_at_flaps(place);
        }
        self.judge_anew();
        self.reroute();
        if self.storm.since.is_some() && self.policy.settings.storm_mode.is_none() {
            // Whoever switches storm mode off ends the storm that goes on.
            self.deadlines.set(self.now, Due::Digest);
        }
    }

    /// Rules or topology are others: every firing alert is looked at.
    pub fn judge_anew(&mut self) {
        self.take_all_sides();
        self.remute_all();
    }

    /// What is not part of a snapshot, made again from what is.
    pub fn find_again(&mut self) {
        self.current.find_again(&self.alerts);
        let mut by_alert: Vec<_> =
            (self.alerts.iter()).filter(|(_, a)| a.inferred.is_none()).map(|(place, a)| (a.id, place)).collect();
        by_alert.sort_unstable();
        self.by_alert = by_alert.into_iter().collect();
        let free: BTreeSet<u32> = self.objects_free.iter().copied().collect();
        for (object, name) in self.object_names.iter().enumerate().filter(|(n, _)| !free.contains(&(*n as u32))) {
            self.objects.insert(name.clone(), object as u32);
        }
        self.count_groups();
        self.count_children();
        self.firing_now = 0;
        for (_, alert) in self.alerts.iter_mut() {
            alert.listed = alert.is_firing();
            self.firing_now += usize::from(alert.listed);
        }
        self.share_texts();
        self.index_silences();
        let policy = self.policy.clone();
        self.windows.find_roots(&policy);
        self.find_inhibitors();
    }
}
