//! Rivals: the best explanations of an alert, one per group, so that what was learned can choose among them.

use super::cell::Cell;
use super::correlate::{Link, Terms};
use super::fixed::Milli;
use super::slab::Place;
use crate::domain::time::Timestamp;

/// Beyond this a margin says no more.
pub const MARGIN_MAX: Milli = 12_000;
/// Groups whose best explanations are compared.
const GROUPS_MAX: usize = 4;

/// The best links of an alert, one per group, best first.
#[derive(Default)]
struct BestLinks(Vec<(Link, Terms)>);

impl BestLinks {
    /// Keeps a link when it is the best of its group so far, and that group among the best.
    fn offer(&mut self, (link, terms): (Link, Terms), place: Place, cell: &Cell) {
        let group = cell.alerts[link.parent].group;
        let known = self.0.iter().position(|(other, _)| cell.alerts[other.parent].group == group);
        let full = self.0.len() >= GROUPS_MAX && known.is_none();
        let weaker = |at: usize| self.0.get(at).is_some_and(|(other, _)| other.score >= link.score);
        if known.map_or(full && weaker(GROUPS_MAX - 1), weaker) || cell.descends(link.parent, place) {
            return;
        }
        if let Some(worse) = known.or(full.then_some(GROUPS_MAX - 1)) {
            self.0.remove(worse);
        }
        let at = self.0.partition_point(|(other, _)| other.score >= link.score);
        self.0.insert(at, (link, terms));
    }
}

/// The two best explanations of an alert, each by another group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rivals {
    best: Option<Link>,
    second: Option<Link>,
}

impl Rivals {
    /// Of links, best first.
    pub fn of(links: &[(Link, Terms)]) -> Self {
        Self { best: links.first().map(|(link, _)| *link), second: links.get(1).map(|(link, _)| *link) }
    }

    /// By how much an explanation is better than the best one by another group.
    pub fn against(&self, link: &Link) -> Milli {
        let is_best = self.best.is_none_or(|best| best.parent == link.parent);
        let other = if is_best { self.second } else { self.best };
        other.map_or(MARGIN_MAX, |other| (link.score - other.score).clamp(-MARGIN_MAX, MARGIN_MAX))
    }
}

impl Cell {
    /// The best explanation of an alert that began at `onset`.
    pub fn best_parent(&mut self, place: Place, onset: Timestamp) -> Option<Link> {
        self.best_links(place, onset).first().map(|(link, _)| *link)
    }

    /// The best explanations by different groups, best first, with the terms of their scores.
    pub fn best_links(&mut self, place: Place, onset: Timestamp) -> Vec<(Link, Terms)> {
        let tuning = self.tuning.clone();
        let spot = self.alerts[place].spot;
        let alert = self.unexplained(place, onset);
        let mut best = BestLinks::default();
        for other in self.recent_on(spot) {
            if let Ok(found) = self.link_here(&alert, other) {
                best.offer(found, place, self);
            }
        }
        let Some(ci) = spot.ci() else { return best.0 };
        let topology = self.topology.clone();
        let ups = self.upstream.of(&topology, &tuning, ci);
        let earliest = onset.minus(tuning.horizon);
        let fitting = self.fitting(onset, alert.uncertain);
        for up in ups.iter().filter(|up| self.newest.any_since(up.ci, earliest)) {
            for other in self.recent_on_ci(up.ci, fitting.window(up.delay)) {
                if let Ok(found) = self.link_from(&alert, other, up) {
                    best.offer(found, place, self);
                }
            }
        }
        best.0
    }
}
