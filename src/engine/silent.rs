//! Silent causes: a CI without an alert of its own that explains several lone alerts below it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{Alert, Bond, Inferred, Spot};
use super::cell::Cell;
use super::fixed::{Milli, ln_permille, ln_ratio};
use super::recents::{UNKNOWN, Window};
use super::slab::Place;
use super::tuning::Tuning;
use super::upstream::Up;
use crate::domain::incident::{Evidence, EvidenceTerm};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::{CiIx, Edge, KindIx};

/// Lone alerts remembered per possible silent cause.
const VOTES_MAX: usize = 64;
/// How far from its effects a CI's own alert may begin: so many typical delays, and at least this long.
const OWN_DELAYS: i64 = 10;
const OWN_NEAR: Span = Span::mins(5);
/// A detector that sees something on the dependents sees nothing on the suspect.
const CALM: Milli = -4000;
/// Direct dependents asked whether they show the fault too.
const DEPENDENTS_MAX: usize = 128;
/// From so many dependents on (thousandths) those that must show a fault grow with the root of how many should.
const MANY: i64 = 3000;

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
    /// The CIs just below it by way of which it is accused.
    branches: BTreeSet<CiIx>,
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
    /// Whether enough of the direct dependents show the fault.
    pub fn is_shown(&self) -> bool {
        self.lacking() <= 0
    }

    /// Whether it is believed, and more than the best one so far.
    fn outdoes(&self, best: Option<&Self>) -> bool {
        self.is_shown() && self.score > best.map_or(0, |best| best.score)
    }

    /// How many more of them had to show it: two of five, and of many fewer, because a fault hits only a part of what stands on
    /// a large array or switch.
    pub fn lacking(&self) -> i64 {
        let share = 2 * self.expected / 5;
        let need = if share > MANY { (MANY * share).isqrt() } else { share };
        (need - self.shown + 999).div_euclid(1000)
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
            let Some(suspect) = self.suspected(up.ci, place, up.delay) else { continue };
            if suspect.outdoes(best.as_ref()) {
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

    /// The effects of an inferred cause that was taken back look for a silent cause together, each CI that any of them
    /// names against all others: which of them is asked first does not matter. Where the CMDB lacks a relation of one of
    /// them, it may stand below any CI of that class at its site.
    pub fn suspect_together(&mut self, places: &[Place]) {
        let tuning = self.tuning.clone();
        let named: Vec<(Place, Arc<[Up]>)> = places.iter().map(|place| (*place, self.vote(*place))).collect();
        let mut asked = BTreeSet::new();
        let mut best: Option<Suspect> = None;
        for (place, ups) in &named {
            for up in ups.iter().filter(|up| tuning.may_be_silent(up)) {
                if !asked.insert(up.ci) {
                    continue;
                }
                let Some(mut suspect) = self.suspected(up.ci, *place, up.delay) else { continue };
                suspect.score += self.across_gaps(&suspect, places);
                if suspect.outdoes(best.as_ref()) {
                    best = Some(suspect);
                }
            }
        }
        if let Some(suspect) = best {
            self.accuse(suspect, Inferred::Again);
        }
    }

    /// What those of `places` speak for a suspect whose relation to it the CMDB may lack.
    fn across_gaps(&self, suspect: &Suspect, places: &[Place]) -> Milli {
        let (class, site) = (self.topology.class_ix(suspect.ci), self.topology.attributes(suspect.ci).site.as_ref());
        let said = places.iter().filter(|place| !suspect.effects.contains(place)).filter_map(|place| {
            let alert = self.alerts.get(*place).filter(|alert| alert.parent.is_none() && !alert.chronic)?;
            let ci = alert.spot.ci().filter(|ci| self.topology.attributes(*ci).site.as_ref() == site)?;
            let gap = self.topology.gaps(ci).iter().find(|gap| gap.class == class)?;
            let kind = self.topology.kind(gap.kind);
            let fit = self.fit(self.onset(alert).since(suspect.began), kind.delay_typ, Span::secs(12));
            let path = ln_permille(kind.touch.into()) + ln_ratio(1, u64::from(gap.among.max(1)));
            Some((path + fit + self.symptom_of(*place) - self.background(*place)).max(0))
        });
        said.sum()
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
        let (cause, bond) = match suspect.own {
            Some(own) => (own, Bond::Joint),
            None => (self.infer(suspect.ci, suspect.began, inferred), Bond::Evidence),
        };
        // All of them first: the first one alone may go into another incident, and the cause with it.
        for effect in suspect.effects {
            if !self.descends(cause, effect) {
                self.join(effect, cause, bond, 1000);
            }
        }
        self.consider(self.alerts[cause].group);
        if suspect.own.is_none() {
            self.evaluate(cause);
        }
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
            self.alerts[place].children.push(child, Bond::Joint);
        }
        let group = self.alerts[place].group;
        let alert = &mut self.alerts[place];
        (alert.parent, alert.bond, alert.score) = (parent, bond, score);
        if let Some(parent) = parent {
            self.alerts[parent].children.push(place, bond);
        }
        if self.groups[group].root == inferred {
            self.groups[group].root = place;
        }
        self.leave(inferred);
        self.drop_inferred(inferred);
        self.moment.groups.insert(group);
    }

    /// Log-odds that `ci` failed in silence, from the alerts that voted for it around the onset of `place` and from the
    /// silence of others.
    pub fn weigh(&self, ci: CiIx, place: Place, delay: Span) -> Option<Suspect> {
        self.accused(ci, place, delay).map(|suspect| self.hear(suspect))
    }

    /// The same where those that accuse it speak for it: the silence of others never does, so who asks them only then, asks
    /// seldom.
    fn suspected(&self, ci: CiIx, place: Place, delay: Span) -> Option<Suspect> {
        self.accused(ci, place, delay).filter(|suspect| suspect.score > 0).map(|suspect| self.hear(suspect))
    }

    /// What only those say that accuse it.
    fn accused(&self, ci: CiIx, place: Place, delay: Span) -> Option<Suspect> {
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
        let watched = votes.iter().any(|v| self.alerts[v.alert].anomaly > 0);
        let prior = self.tuning.silent_prior + if watched { CALM } else { 0 };
        let score = prior + paths + symptoms + fits - backgrounds;
        let (accusers, effects) = (votes.len() as i64, votes.iter().map(|v| v.alert));
        let effects = effects.filter(|a| self.alerts[*a].parent.is_none()).collect();
        Some(Suspect {
            ci,
            own,
            began,
            effects,
            branches,
            score,
            silence: 0,
            prior,
            paths,
            fits,
            symptoms,
            backgrounds,
            accusers,
            expected: 0,
            shown: 0,
        })
    }

    /// And what the other dependents say by their silence.
    fn hear(&self, suspect: Suspect) -> Suspect {
        let crowd = self.crowd(suspect.ci, suspect.began, &suspect.branches);
        let (silence, (expected, shown)) = (crowd.cost(), crowd.sums());
        Suspect { score: suspect.score + silence, silence, expected, shown, ..suspect }
    }

    fn fit(&self, delay: Span, typical: Span, slack: Span) -> Milli {
        super::correlate::delay_fit(self.tuning.spread, self.tuning.spread_max, delay, typical, slack)
            .unwrap_or(-99_000)
    }

    /// The direct dependents of a CI that failed at `began`, by way of some of which it is accused.
    fn crowd(&self, ci: CiIx, began: Timestamp, branches: &BTreeSet<CiIx>) -> Crowd {
        let mut crowd = Crowd::default();
        for edge in self.topology.effects(ci).iter().take(DEPENDENTS_MAX) {
            let (shows, is_branch) = (self.shows(edge, began), branches.contains(&edge.ci));
            crowd.count(self, edge, shows || is_branch);
            if is_branch && !shows {
                // It is silent too, and all that stands on it and is silent has to be explained through it.
                let typical = self.topology.kind(edge.kind).delay_typ;
                let below = self.crowd(edge.ci, began.plus(typical), &BTreeSet::new()).cost();
                crowd.beyond += ln_permille(1000 - self.tuning.expected_shown) + below;
            }
        }
        crowd
    }

    /// Whether a dependent has an alert from about when a fault that began at `began` must be felt there.
    fn shows(&self, edge: &Edge, began: Timestamp) -> bool {
        let typical = self.topology.kind(edge.kind).delay_typ;
        let (near, around) = (Span(60_000 + 2 * typical.0), began.plus(typical));
        if !self.newest.any_since(edge.ci, around.minus(near)) {
            return false;
        }
        let window = self.window(around.minus(near), around.plus(near));
        self.recent_on_ci(edge.ci, window).any(|p| self.onset(&self.alerts[p]).since(around).0.abs() < near.0)
    }
}

/// Direct dependents of a CI by kind of relation: a fault shows on all of a kind at about the same rate.
#[derive(Default)]
struct Crowd {
    rows: Vec<Row>,
    /// What the silence of CIs that stand on silent branches costs.
    beyond: Milli,
}

/// Dependents of one kind, in thousandths.
struct Row {
    kind: KindIx,
    /// How many should show the fault by what is known of the relation.
    expected: i64,
    shown: i64,
    /// Those of the expected that do not.
    quiet: i64,
    /// What their silence costs at the rate of the relation.
    at_rate: Milli,
}

impl Crowd {
    fn count(&mut self, cell: &Cell, edge: &Edge, shows: bool) {
        let at = self.rows.iter().position(|row| row.kind == edge.kind).unwrap_or_else(|| {
            self.rows.push(Row { kind: edge.kind, expected: 0, shown: 0, quiet: 0, at_rate: 0 });
            self.rows.len() - 1
        });
        let touch = i64::from(cell.topology.kind(edge.kind).strength(*edge).0);
        let row = &mut self.rows[at];
        row.expected += touch;
        if shows {
            row.shown += 1000;
        } else {
            row.quiet += touch;
            let chance = 1_000_000 - touch * cell.tuning.expected_shown;
            row.at_rate += ln_ratio(chance.max(1) as u64, 1_000_000);
        }
    }

    /// How many should show the fault, and how many do.
    fn sums(&self) -> (i64, i64) {
        (self.rows.iter().map(|row| row.expected).sum(), self.rows.iter().map(|row| row.shown).sum())
    }

    /// What the silence of the quiet ones costs: at the rate of the relation, or at the rate at which this very fault is seen,
    /// when that is likelier. (Rule of succession; then those that show it are also as rare as that.)
    fn cost(&self) -> Milli {
        let of = |row: &Row| {
            let all = row.shown + row.quiet + 2000;
            let part = |share: i64| share * ln_ratio((share + 1000) as u64, all as u64) / 1000;
            row.at_rate.max(part(row.quiet) + part(row.shown))
        };
        self.beyond + self.rows.iter().map(of).sum::<Milli>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(expected: i64, shown: i64, quiet: i64, at_rate: Milli) -> Crowd {
        Crowd { rows: vec![Row { kind: KindIx(0), expected, shown, quiet, at_rate }], beyond: 0 }
    }

    #[test]
    fn silence_costs_what_the_likelier_rate_says() {
        // Two of three at a rate of .75: the one that is quiet costs ln .25.
        assert_eq!(row(3000, 2000, 1000, -1386).cost(), -1386);
        // 18 of 77: at the relation's rate 59 ln .45, at their own 18 ln(19/79) + 59 ln(60/79).
        let many = row(77_000, 18_000, 59_000, -47_000).cost();
        assert!((-42_000..-41_500).contains(&many), "{many}");
        assert_eq!(Crowd::default().cost(), 0);
    }

    #[test]
    fn of_many_dependents_fewer_have_to_show_a_fault() {
        let lacking = |expected, shown| {
            let suspect = Suspect { expected, shown, ..nobody() };
            (suspect.is_shown(), suspect.lacking())
        };
        assert_eq!(lacking(5000, 2000), (true, 0));
        assert_eq!(lacking(5000, 1000), (false, 1));
        assert_eq!(lacking(75_000, 10_000), (true, 0), "root of 3 times 30 is under 10");
        assert_eq!(lacking(75_000, 9000), (false, 1));
    }

    fn nobody() -> Suspect {
        Suspect {
            ci: CiIx(0),
            own: None,
            began: Timestamp(0),
            effects: Vec::new(),
            branches: BTreeSet::new(),
            score: 0,
            silence: 0,
            prior: 0,
            paths: 0,
            fits: 0,
            symptoms: 0,
            backgrounds: 0,
            accusers: 0,
            expected: 0,
            shown: 0,
        }
    }
}
