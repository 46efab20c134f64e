//! Silent causes: a CI without an alert of its own that explains several lone alerts below it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{Alert, Bond, Inferred, Spot};
use super::cell::Cell;
use super::fixed::{Milli, ln_ratio};
use super::recents::{UNKNOWN, Window};
use super::slab::Place;
use super::tuning::Tuning;
use super::upstream::Up;
use crate::domain::incident::{Evidence, EvidenceTerm};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::CiIx;

/// Lone alerts remembered per possible silent cause.
const VOTES_MAX: usize = 64;
/// How far from its effects a CI's own alert may begin: so many typical delays, and at least this long.
const OWN_DELAYS: i64 = 10;
const OWN_NEAR: Span = Span::mins(5);
/// A detector that sees something on the dependents sees nothing on the suspect.
const CALM: Milli = -4000;
/// Direct dependents asked whether they show the fault too.
const DEPENDENTS_MAX: usize = 128;

/// A lone alert that a silent CI upstream could explain.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Vote {
    alert: Place,
    path: Milli,
    delay: Span,
    branch: CiIx,
    /// As the alert had it when it voted; it may have started earlier since.
    #[serde(skip, default = "unknown")]
    starts: Timestamp,
}

const fn unknown() -> Timestamp {
    UNKNOWN
}

/// What became of the question whether a silent CI explains an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    None,
    /// A CI is suspected, but too few of its dependents show the fault so far.
    Weighed,
    Found,
}

/// A CI that may have failed in silence.
pub struct Suspect {
    ci: CiIx,
    /// Its own alert, when it is not silent.
    own: Option<Place>,
    began: Timestamp,
    effects: Vec<Place>,
    pub score: Milli,
    /// What of the score the silence of other dependents costs, and how far those who accuse it fit.
    silence: Milli,
    prior: Milli,
    paths: Milli,
    fits: Milli,
    symptoms: Milli,
    backgrounds: Milli,
    accusers: i64,
    /// Direct dependents that should show the fault, and that do, per mille.
    pub expected: i64,
    pub shown: i64,
}

impl Suspect {
    /// Whether enough of the direct dependents show the fault: two of five.
    pub const fn is_shown(&self) -> bool {
        self.lacking() <= 0
    }

    /// How many more of them had to show it.
    pub const fn lacking(&self) -> i64 {
        (2 * self.expected - 5 * self.shown + 4999).div_euclid(5000)
    }

    /// The terms of its score.
    pub fn evidence(&self) -> Vec<Evidence> {
        let of =
            |term, points: Milli, n: i64, of: i64| Evidence { term, points: points as i32, n, of, about: "".into() };
        let quiet = (self.expected - self.shown).max(0) / 1000;
        vec![
            of(EvidenceTerm::Silent, self.prior, 0, 0),
            of(EvidenceTerm::Path, self.paths, 1, 0),
            of(EvidenceTerm::DelayFit, self.fits, 0, 0),
            of(EvidenceTerm::Coverage, self.symptoms, 0, 0),
            of(EvidenceTerm::Noise, -self.backgrounds, self.accusers, 0),
            of(EvidenceTerm::MissingSymptoms, self.silence, quiet, self.expected / 1000),
        ]
    }
}

impl Tuning {
    /// Whether a CI upstream may be inferred as a silent cause.
    fn may_be_silent(&self, up: &Up) -> bool {
        up.hops <= self.silent_hops_max && up.infers
    }
}

impl Cell {
    /// If a silent CI upstream explains this lone alert together with others, infers it as their cause.
    pub fn suspect_silence(&mut self, place: Place, inferred: Inferred) -> Suspicion {
        let mut best: Option<Suspect> = None;
        let mut suspicion = Suspicion::None;
        let (ups, tuning) = (self.vote(place), self.tuning.clone());
        for up in ups.iter().filter(|u| tuning.may_be_silent(u)) {
            let Some(suspect) = self.weigh(up.ci, place, up.delay) else { continue };
            if suspect.is_shown() && suspect.score > best.as_ref().map_or(0, |b| b.score) {
                best = Some(suspect);
            } else if suspect.score > suspect.silence {
                // The others may only be late.
                suspicion = Suspicion::Weighed;
            }
        }
        let Some(suspect) = best else { return suspicion };
        self.accuse(suspect, inferred);
        Suspicion::Found
    }

    /// A lone alert names the CIs that could be its silent cause. Returns what is upstream of it.
    pub fn vote(&mut self, place: Place) -> Arc<[Up]> {
        let lone = |alert: &Alert| alert.parent.is_none() && !alert.chronic && alert.takes_part();
        // Background noise accuses nobody.
        let ci = self.alerts.get(place).filter(|a| lone(a) && !self.is_noisy(place)).and_then(|a| a.spot.ci());
        let Some(ci) = ci else { return Arc::default() };
        let (topology, tuning) = (self.topology.clone(), self.tuning.clone());
        let ups = self.upstream.of(&topology, &tuning, ci);
        let (earliest, starts) = (self.now.minus(tuning.horizon), self.alerts[place].starts);
        for up in ups.iter().filter(|u| tuning.may_be_silent(u)) {
            let votes = self.votes.or_insert_with(up.ci, Vec::new);
            if !votes.iter().any(|v| v.alert == place) {
                let stale = |v: &Vote| self.alerts.get(v.alert).is_none_or(|a| a.received < earliest);
                let over = (votes.len() + 1).saturating_sub(VOTES_MAX);
                votes.drain(..votes.iter().position(|v| !stale(v)).unwrap_or(votes.len()).max(over));
                votes.push(Vote { alert: place, path: up.path, delay: up.delay, branch: up.branch, starts });
            }
        }
        ups
    }

    /// The effects hang on the suspect's own alert, or on the suspect as an inferred cause.
    fn accuse(&mut self, suspect: Suspect, inferred: Inferred) {
        if let Some(own) = suspect.own {
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

    /// The alert that fires on a CI since about when it must have failed: then it is not silent.
    fn own_alert(&self, ci: CiIx, began: Timestamp, delay: Span) -> Option<Place> {
        let near = Span((OWN_DELAYS * delay.0).max(OWN_NEAR.0));
        let window = self.window(began.minus(near), began.plus(near));
        self.recent_on_ci(ci, window).find(|p| {
            let alert = &self.alerts[*p];
            let apart = self.onset(alert).since(began).0.abs();
            alert.is_firing() && alert.can_cause() && apart <= near.0
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
        // The alert stands where the inferred cause stood, in the tree and in the group.
        let (parent, bond, score) = {
            let cause = &self.alerts[inferred];
            (cause.parent, cause.bond, cause.score)
        };
        self.attach(place, inferred, Bond::Joint, 0);
        let children = self.alerts[inferred].children.take();
        for child in children.into_iter().filter(|c| *c != place) {
            let alert = &mut self.alerts[child];
            (alert.parent, alert.bond, alert.score) = (Some(place), Bond::Joint, 1000);
            self.alerts[place].children.push(child);
        }
        let group = self.alerts[place].group;
        let alert = &mut self.alerts[place];
        (alert.parent, alert.bond, alert.score) = (parent, bond, score);
        if let Some(parent) = parent {
            self.alerts[parent].children.push(place);
        }
        if self.groups[group].root == inferred {
            self.groups[group].root = place;
        }
        self.leave(inferred);
        self.drop_inferred(inferred);
        self.moment.groups.insert(group);
    }

    /// Log-odds that `ci` failed in silence, from the alerts that voted for it around the onset of `place`.
    pub fn weigh(&mut self, ci: CiIx, place: Place, delay: Span) -> Option<Suspect> {
        let all = self.votes.get(&ci)?;
        // Votes by way of one CI accuse that one. Mostly this is seen without a look at the alerts.
        if all.iter().all(|vote| vote.branch == all[0].branch) {
            return None;
        }
        let onset = self.onset(&self.alerts[place]);
        let near = Span((2 * delay.0).max(60_000));
        let Window { from, .. } = self.window(onset.minus(near), onset);
        let is_young = |vote: &&Vote| vote.starts >= from || vote.starts == UNKNOWN;
        let mut votes: Vec<Vote> = all.iter().filter(is_young).copied().collect();
        if votes.iter().all(|vote| vote.branch == votes[0].branch) {
            return None;
        }
        let own = self.own_alert(ci, onset.minus(delay), delay);
        // Those that accuse the CI's own alert already still count.
        let free = |a: &Alert| a.parent.is_none() || (a.bond == Bond::Joint && a.parent == own);
        votes.retain(|vote| {
            let is_near = |a: &Alert| self.onset(a).since(onset).0.abs() < near.0;
            self.alerts.get(vote.alert).is_some_and(|a| free(a) && !a.chronic && is_near(a))
        });
        let branches: BTreeSet<CiIx> = votes.iter().map(|v| v.branch).collect();
        if branches.len() < 2 || votes.iter().any(|v| self.alerts[v.alert].spot == Spot::Ci(ci)) {
            return None;
        }
        let began = votes.iter().map(|v| self.onset(&self.alerts[v.alert]).minus(v.delay)).min()?;
        let (mut paths, mut fits, mut symptoms, mut backgrounds) = (0, 0, 0, 0);
        for vote in &votes {
            let alert = &self.alerts[vote.alert];
            symptoms += self.symptom_of(vote.alert);
            fits += self.fit(self.onset(alert).since(began), vote.delay, Span::secs(12));
            paths += vote.path;
            backgrounds += self.background(vote.alert);
        }
        let (expected, shown, silence) = self.dependents(ci, began, &branches);
        let watched = votes.iter().any(|v| self.alerts[v.alert].anomaly > 0);
        let prior = self.tuning.silent_prior + if watched { CALM } else { 0 };
        let score = prior + paths + symptoms + fits - backgrounds + silence;
        let (accusers, effects) = (votes.len() as i64, votes.iter().map(|v| v.alert));
        let effects = effects.filter(|a| self.alerts[*a].parent.is_none()).collect();
        Some(Suspect {
            ci,
            own,
            began,
            effects,
            score,
            silence,
            prior,
            paths,
            fits,
            symptoms,
            backgrounds,
            accusers,
            expected,
            shown,
        })
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
            let around = began.plus(kind.delay_typ);
            let is_near = |p: Place| (self.onset(&self.alerts[p]).since(began).0 - kind.delay_typ.0).abs() < near;
            let window = self.window(around.minus(Span(near)), around.plus(Span(near)));
            let shows = branches.contains(&edge.ci)
                || self.newest.any_since(edge.ci, began.plus(Span(kind.delay_typ.0 - near)))
                    && self.recent_on_ci(edge.ci, window).any(is_near);
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
