//! Fold: lone alerts that only say again what an incident says already go into that one.

use std::sync::Arc;

use super::alert::Bond;
use super::cell::Cell;
use super::slab::Place;
use crate::domain::incident::IncidentState;
use crate::domain::severity::Severity;

/// So many lone alerts of one type are incidents of their own; what comes after them goes into the first that is open.
const LIKES: usize = 2;

/// What becomes of a lone alert beside others of its type.
enum Like {
    /// One of the first: it is found by this key.
    First(Arc<str>),
    /// It goes into the incident that this alert leads.
    Of(Place),
    /// It stands for itself.
    Alone,
}

/// Keys by which the incidents of an alert type are found: of its noise, and of its first lone alerts.
pub fn keys_of_type(kind: u32) -> impl Iterator<Item = Arc<str>> {
    std::iter::once(key_of_noise(kind)).chain((0..LIKES).map(move |n| key_of_like(kind, n)))
}

fn key_of_noise(kind: u32) -> Arc<str> {
    format!("\u{1f}{kind}").into()
}

fn key_of_like(kind: u32, n: usize) -> Arc<str> {
    format!("\u{1e}{n}\u{1f}{kind}").into()
}

impl Cell {
    /// A lone alert becomes an incident, or goes into that of its last recurrence, or into the first of many of its type.
    pub fn open_lone(&mut self, group: Place, place: Place) {
        let mut keys = vec![self.alerts[place].fingerprint.clone()];
        if self.alerts[place].noisy {
            keys.push(key_of_noise(self.alerts[place].kind));
        }
        let mut earlier = keys.iter().find_map(|key| self.folds.get(key).copied().filter(|p| self.can_fold(*p, place)));
        if earlier.is_none() {
            match self.like(place) {
                Like::First(key) => keys.push(key),
                Like::Of(root) => earlier = Some(root),
                Like::Alone => {}
            }
        }
        let target = earlier.unwrap_or(place);
        for key in keys {
            self.folds.insert(key, target);
        }
        match earlier {
            Some(root) => self.attach(place, root, Bond::Fold, 0),
            None => self.open(group),
        }
    }

    /// Whether enough lone alerts of its type are told. A critical one is always told by itself, and so is what the rules tell
    /// at once.
    fn like(&self, place: Place) -> Like {
        let alert = &self.alerts[place];
        if alert.severity >= Severity::Critical || alert.firing_since == self.now {
            return Like::Alone;
        }
        let is_open = |root: Place| {
            let incident = self.groups[self.alerts[root].group].incident.as_ref();
            incident.is_some_and(|incident| incident.state != IncidentState::Closed)
        };
        let mut first = None;
        for key in (0..LIKES).map(|n| key_of_like(alert.kind, n)) {
            match self.folds.get(&key).copied().filter(|root| self.can_fold(*root, place) && is_open(*root)) {
                Some(root) => first = first.or(Some(root)),
                None => return Like::First(key),
            }
        }
        first.map_or(Like::Alone, Like::Of)
    }

    /// Whether `root` still leads an incident of lone recurrences that is not too old. One that may not be reopened any
    /// more takes only noise in: that is counted there and tells nobody anew.
    fn can_fold(&self, root: Place, place: Place) -> bool {
        let Some(alert) = self.alerts.get(root) else { return false };
        let group = &self.groups[alert.group];
        let is_recent = |member: &Place| self.now.since(self.alerts[*member].last_seen) < self.tuning.fold_window;
        debug_assert!(
            alert.children.are_folds() == alert.children.iter().all(|c| self.alerts[*c].bond == Bond::Fold),
            "the bonds of children are counted"
        );
        root != place
            && group.root == root
            && group.incident.is_some()
            && (self.alerts[place].noisy || !self.is_over(root))
            && alert.children.are_folds()
            // Mostly the newest is.
            && group.members.iter().rev().any(is_recent)
    }
}
