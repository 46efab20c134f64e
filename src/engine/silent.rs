//! Silent causes: a CI without an alert of its own that explains several lone alerts below it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::alert::{Bond, Inferred, Spot};
use super::cell::Cell;
use super::fixed::{Milli, ln_ratio};
use super::slab::Place;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::CiIx;

/// Lone alerts remembered per possible silent cause.
const VOTES_MAX: usize = 64;
/// Direct dependents asked whether they show the fault too.
const DEPENDENTS_MAX: usize = 128;

/// A lone alert that a silent CI upstream could explain.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Vote {
    alert: Place,
    path: Milli,
    delay: Span,
    branch: CiIx,
}

struct Suspect {
    ci: CiIx,
    began: Timestamp,
    effects: Vec<Place>,
    score: Milli,
}

impl Cell {
    /// If a silent CI upstream explains this lone alert together with others, infers it as their cause.
    pub fn suspect_silence(&mut self, place: Place, inferred: Inferred) {
        let Some(alert) = self.alerts.get(place) else { return };
        if alert.parent.is_some() || alert.chronic || !alert.takes_part() {
            return;
        }
        let Some(ci) = alert.spot.ci() else { return };
        let (topology, tuning) = (self.topology.clone(), self.tuning.clone());
        let ups = self.upstream.of(&topology, &tuning, ci);
        let mut best: Option<Suspect> = None;
        for up in ups.iter().filter(|u| u.hops <= tuning.silent_hops_max && u.infers) {
            let votes = self.votes.or_insert_with(up.ci, Vec::new);
            if !votes.iter().any(|v| v.alert == place) {
                if votes.len() >= VOTES_MAX {
                    votes.remove(0);
                }
                votes.push(Vote { alert: place, path: up.path, delay: up.delay, branch: up.branch });
            }
            let suspect = self.weigh(up.ci, place, up.delay);
            if let Some(suspect) = suspect
                && suspect.score > best.as_ref().map_or(0, |b| b.score)
            {
                best = Some(suspect);
            }
        }
        if let Some(suspect) = best {
            if let Some(own) = self.own_alert(suspect.ci) {
                for effect in suspect.effects {
                    if !self.descends(own, effect) {
                        self.attach(effect, own, Bond::Joint, 1000);
                    }
                }
                return;
            }
            let cause = self.infer(suspect.ci, suspect.began, inferred);
            for effect in suspect.effects {
                self.attach(effect, cause, Bond::Evidence, 1000);
            }
            self.evaluate(cause);
        }
    }

    /// The alert that fires on a CI: then it is not silent.
    fn own_alert(&self, ci: CiIx) -> Option<Place> {
        self.recent_on(Spot::Ci(ci)).find(|p| {
            let alert = &self.alerts[*p];
            alert.is_firing() && alert.can_cause()
        })
    }

    /// A fresh alert on a CI that was inferred as a cause takes its effects and its incident over.
    pub fn succeed_inferred(&mut self, place: Place) {
        let (spot, horizon) = (self.alerts[place].spot, self.tuning.horizon);
        let inferred = self.recent_on(spot).find(|p| {
            let alert = &self.alerts[*p];
            alert.inferred.is_some() && !alert.children.is_empty() && self.now.since(alert.received) <= horizon
        });
        let Some(inferred) = inferred else { return };
        let own = self.alerts[inferred].group;
        let before = self.groups[own].members.clone();
        if self.groups[own].root == inferred
            && let Some(incident) = self.groups[own].incident.take()
        {
            self.inherit(incident, own, Some(place), &before);
        }
        for child in self.alerts[inferred].children.clone() {
            self.attach(child, place, Bond::Joint, 1000);
        }
        self.dissolve(inferred);
    }

    /// Log-odds that `ci` failed in silence, from the alerts that voted for it around the onset of `place`.
    fn weigh(&mut self, ci: CiIx, place: Place, delay: Span) -> Option<Suspect> {
        let onset = self.onset(&self.alerts[place]);
        let near = Span((2 * delay.0).max(60_000));
        let votes: Vec<Vote> = self
            .votes
            .get(&ci)
            .into_iter()
            .flatten()
            .copied()
            .filter(|v| {
                self.alerts
                    .get(v.alert)
                    .is_some_and(|a| a.parent.is_none() && !a.chronic && self.onset(a).since(onset).0.abs() < near.0)
            })
            .collect();
        let branches: BTreeSet<CiIx> = votes.iter().map(|v| v.branch).collect();
        if branches.len() < 2 || votes.iter().any(|v| self.alerts[v.alert].spot == Spot::Ci(ci)) {
            return None;
        }
        let began = votes.iter().map(|v| self.onset(&self.alerts[v.alert]).minus(v.delay)).min()?;
        let mut score = self.tuning.silent_prior;
        for vote in &votes {
            let alert = &self.alerts[vote.alert];
            let symptom = if alert.inferred.is_some() { 0 } else { self.learned.stats(alert.kind).symptom_score() };
            let fit = self.fit(self.onset(alert).since(began), vote.delay, Span::secs(12));
            score += vote.path + symptom + fit - self.background(vote.alert);
        }
        let (expected, shown, silence) = self.dependents(ci, began, &branches);
        score += silence;
        let effects = votes.iter().map(|v| v.alert).collect();
        (5 * shown >= 2 * expected).then_some(Suspect { ci, began, effects, score })
    }

    fn fit(&self, delay: Span, typical: Span, slack: Span) -> Milli {
        super::correlate::delay_fit(self.tuning.spread, self.tuning.spread_max, delay, typical, slack)
            .unwrap_or(-99_000)
    }

    /// Of the direct dependents: how many should show the fault, how many do (per mille), and what the
    /// silence of the others costs.
    fn dependents(&self, ci: CiIx, began: Timestamp, branches: &BTreeSet<CiIx>) -> (i64, i64, Milli) {
        let (mut expected, mut shown, mut silence) = (0, 0, 0);
        for edge in self.topology.effects(ci).iter().take(DEPENDENTS_MAX) {
            let kind = self.topology.kind(edge.kind);
            let touch = i64::from(kind.strength(*edge).0);
            let near = 60_000 + 2 * kind.delay_typ.0;
            let shows = branches.contains(&edge.ci)
                || self
                    .recent_on(Spot::Ci(edge.ci))
                    .any(|p| (self.onset(&self.alerts[p]).since(began).0 - kind.delay_typ.0).abs() < near);
            expected += touch;
            if shows {
                shown += 1000;
            } else {
                let quiet = 1_000_000 - touch * self.tuning.expected_shown;
                silence += ln_ratio(quiet.max(1) as u64, 1_000_000);
            }
        }
        (expected, shown, silence)
    }
}
