//! Gap: where the CMDB lacks a relation that its class usually has, the cause may be any CI of the right class.
//!
//! The unknown relation leads to each of them with equal probability. So an alert on a CI with a gap can still join
//! what fails at the same time, at the price of that doubt: the more of the class a fault has hit, the smaller it is.

use std::collections::VecDeque;

use super::alert::Spot;
use super::cell::Cell;
use super::correlate::{Link, Terms, Unexplained, delay_fit};
use super::fixed::{Milli, ln_permille, ln_ratio};
use super::kin::note;
use super::slab::Place;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::gaps::Gap;
use crate::domain::topology::{CiIx, ClassIx, Topology};

/// Newest alerts remembered per class.
pub const LATELY_MAX: usize = 48;
/// Hops from a cause to the CIs of the unknown cause's class.
const HOPS_MAX: u8 = 2;
/// CIs looked at on the way.
const VISITED_MAX: usize = 512;
/// Share that is left after one more hop beside what the relation passes on, per mille.
const HOP_SHARE: u64 = 165;

/// What a failed CI does to the CIs of one class.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// CIs hit, each weighed with its probability, in thousandths.
    weight: u64,
    /// Typical delay to the nearest of them.
    delay: Span,
    hops: u8,
}

/// A CI with a gap: the alert's own, or one just upstream of it.
struct Lack {
    gap: Gap,
    path: Milli,
    delay: Span,
    hops: u8,
}

impl Cell {
    /// Remembers an alert as one of the newest of its class.
    pub fn note_lately(&mut self, place: Place) {
        let Some(ci) = self.alerts[place].spot.ci() else { return };
        if self.topology.all_gaps().is_empty() && !self.asks() {
            return;
        }
        note(self.lately.entry(self.topology.class_ix(ci)).or_default(), place, LATELY_MAX);
    }

    /// The best explanation of an alert across a relation that the CMDB lacks.
    pub fn link_across_gap(&mut self, place: Place, onset: Timestamp) -> Option<(Link, Terms)> {
        let ci = self.alerts[place].spot.ci()?;
        let lacks = self.lacks(ci);
        if lacks.is_empty() {
            return None;
        }
        let topology = self.topology.clone();
        let alert = self.unexplained(place, onset);
        let mut best: Option<(Link, Terms)> = None;
        for lack in lacks {
            for class in self.upstream.above(&topology, lack.gap.class).iter() {
                // Taken out for the while, so that nothing is copied.
                let lately = self.lately.get_mut(class).map(std::mem::take).unwrap_or_default();
                for &other in &lately {
                    let Some((link, terms)) = self.across(&topology, &lack, &alert, other) else { continue };
                    if best.as_ref().is_none_or(|(b, _)| link.score > b.score) && !self.descends(other, place) {
                        best = Some((link, terms));
                    }
                }
                if let Some(place) = self.lately.get_mut(class) {
                    *place = lately;
                }
            }
        }
        best
    }

    /// How well one alert explains another across a relation that the CMDB lacks.
    pub fn gap_between(&mut self, place: Place, other: Place, onset: Timestamp) -> Option<(Link, Terms)> {
        let (ci, from) = (self.alerts[place].spot.ci()?, self.alerts[other].spot.ci()?);
        let (topology, alert) = (self.topology.clone(), self.unexplained(place, onset));
        let class = topology.class_ix(from);
        let mut best: Option<(Link, Terms)> = None;
        for lack in self.lacks(ci) {
            let leads = self.upstream.above(&topology, lack.gap.class).contains(&class);
            let found = if leads { self.across(&topology, &lack, &alert, other) } else { None };
            best = best.into_iter().chain(found).max_by_key(|(link, _)| link.score);
        }
        best
    }

    /// Gaps of a CI and of those just upstream.
    fn lacks(&mut self, ci: CiIx) -> Vec<Lack> {
        let (topology, tuning) = (self.topology.clone(), self.tuning.clone());
        let own = |gap: &Gap| Lack { gap: *gap, path: 0, delay: Span(0), hops: 1 };
        let mut lacks: Vec<Lack> = topology.gaps(ci).iter().map(own).collect();
        if topology.all_gaps().is_empty() {
            return lacks;
        }
        for up in self.upstream.of(&topology, &tuning, ci).iter().filter(|up| up.hops == 1) {
            let beyond = |gap: &Gap| Lack { gap: *gap, path: up.path + tuning.hop, delay: up.delay, hops: 2 };
            lacks.extend(topology.gaps(up.ci).iter().map(beyond));
        }
        lacks
    }

    fn across(&mut self, topology: &Topology, lack: &Lack, alert: &Unexplained, other: Place) -> Option<(Link, Terms)> {
        let cause = self.alerts.get(other)?;
        let Spot::Ci(from) = cause.spot else { return None };
        let delay = alert.onset.since(self.onset(cause));
        if other == alert.place || from == lack.gap.ci || self.may_cause(cause, alert.place, delay).is_err() {
            return None;
        }
        let site = |ci: CiIx| topology.attributes(ci).site.as_ref();
        if let (Some(here), Some(there)) = (site(lack.gap.ci), site(from))
            && here != there
        {
            return None;
        }
        let slack = Span(self.tuning.slack.0 + alert.uncertain.0 + self.uncertain(cause).0);
        let reach = self.upstream.reach(topology, from, lack.gap.class)?;
        let kind = topology.kind(lack.gap.kind);
        let typical = Span(lack.delay.0 + kind.delay_typ.0 + reach.delay.0);
        let fit = delay_fit(self.tuning.spread, self.tuning.spread_max, delay, typical, slack)?;
        let (cause, symptom) = (self.cause_score(&self.alerts[other]), alert.symptom);
        let share = ln_ratio(reach.weight.max(1), u64::from(lack.gap.among) * 1000).min(0);
        let path = lack.path + share + ln_permille(kind.touch.into());
        let hops = lack.hops + reach.hops;
        let among = lack.gap.among;
        let terms = Terms { path, hops, delay_fit: fit, delay, cause, symptom, anomaly: 0, among };
        Some((Link { parent: other, score: terms.score() }, terms))
    }
}

/// The CIs of a class that a failed CI hits, within two hops.
pub fn reach(topology: &Topology, from: CiIx, class: ClassIx) -> Option<Reach> {
    if topology.class_ix(from) == class {
        return Some(Reach { weight: 1000, delay: Span(0), hops: 0 });
    }
    let mut found: Option<Reach> = None;
    let mut queue = VecDeque::from([(from, 1000u64, Span(0), 0u8)]);
    let mut visited = 0;
    while let Some((ci, share, delay, hops)) = queue.pop_front() {
        for edge in topology.effects(ci) {
            visited += 1;
            if visited > VISITED_MAX {
                return found;
            }
            let kind = topology.kind(edge.kind);
            let pass = u64::try_from(kind.strength(*edge).1).unwrap_or(0);
            let share = share * pass * HOP_SHARE / 1_000_000;
            let delay = Span(delay.0 + kind.delay_typ.0);
            if topology.class_ix(edge.ci) == class {
                let sum = found.get_or_insert(Reach { weight: 0, delay, hops: hops + 1 });
                sum.weight += share;
            } else if hops + 1 < HOPS_MAX {
                queue.push_back((edge.ci, share, delay, hops + 1));
            }
        }
    }
    found.filter(|reach| reach.weight > 0)
}
