//! Asked: what the learned questions see of a link, of a group and of a lone alert, and what follows from the answers.

use std::collections::BTreeSet;

use super::cell::Cell;
use super::correlate::{Link, Terms};
use super::fixed::{Milli, ln, ln_ratio};
use super::group::Merit;
use super::logit::{Features, Question, Weighed, flag};
use super::slab::Place;
use crate::domain::incident::{Evidence, EvidenceTerm};
use crate::domain::severity::Severity;

/// Members of a group that are looked at.
const MEMBERS_MAX: usize = 64;
/// Beyond this a margin says no more.
const MARGIN_MAX: Milli = 12_000;

/// How good an explanation is.
#[derive(Clone, Copy, Debug)]
pub struct Appraised {
    /// It holds when this is above …
    pub sum: Milli,
    /// … this.
    pub needs: Milli,
    pub weighed: Option<Weighed>,
}

impl Cell {
    /// Whether the best explanation of an alert holds against that it comes of nothing.
    pub fn accept(
        &mut self,
        place: Place,
        (link, mut terms): (Link, Terms),
        background: Milli,
    ) -> Option<(Link, Terms)> {
        self.note_link(place, &link, &terms, background);
        let appraised = self.appraise(place, &link, &terms, background);
        terms.weighed = appraised.weighed;
        (appraised.sum > appraised.needs).then_some((link, terms))
    }

    /// How good an explanation is, and how good it has to be.
    pub fn appraise(&self, place: Place, link: &Link, terms: &Terms, background: Milli) -> Appraised {
        let Some(logit) = self.tuning.learned.get(Question::Link) else {
            return Appraised { sum: link.score - background, needs: -self.saving(place, link.parent), weighed: None };
        };
        let features = self.link_features(place, link, terms, background);
        let score = logit.score(&features);
        Appraised { sum: score, needs: 0, weighed: Some(Weighed { question: Question::Link, features, score }) }
    }

    fn note_link(&mut self, place: Place, link: &Link, terms: &Terms, background: Milli) {
        if self.choices.is_none() {
            return;
        }
        let features = self.link_features(place, link, terms, background);
        let parent = &self.alerts[link.parent];
        let group = &self.groups[parent.group];
        let others = if parent.inferred.is_none() { vec![link.parent] } else { group.members.to_vec() };
        let others: Vec<Place> = others.into_iter().filter(|other| !self.descends(*other, place)).collect();
        self.note_choice(Question::Link, place, &features, &others);
    }

    fn link_features(&self, place: Place, link: &Link, terms: &Terms, background: Milli) -> Features {
        let (alert, parent) = (&self.alerts[place], &self.alerts[link.parent]);
        let group = &self.groups[parent.group];
        let told = group.incident.is_some();
        let mut features = Features::default();
        features[..18].copy_from_slice(&[
            (link.score - background).clamp(-MARGIN_MAX, MARGIN_MAX),
            terms.path,
            flag(terms.hops == 1),
            flag(terms.hops > 2),
            flag(terms.hops == 0),
            terms.delay_fit,
            terms.cause,
            terms.symptom,
            background + 10_000,
            flag(terms.among > 0),
            flag(parent.inferred.is_some()),
            flag(told),
            flag(self.saving(place, link.parent) > 0),
            ln(u64::from(group.alerts()).max(1)),
            flag(parent.inferred.is_none() && self.is_noisy(link.parent)),
            flag(self.is_noisy(place)),
            flag(alert.severity >= Severity::Major),
            flag(parent.inferred.is_none() && parent.kind == alert.kind),
        ]);
        features
    }

    /// Whether several alerts are an incident, when the model answers that.
    pub fn merit_by_model(&self, group: Place, members: &[Place]) -> Option<Merit> {
        let logit = self.tuning.learned.get(Question::Tell)?;
        let score = logit.score(&self.tell_features(group, members));
        Some(if score > 0 { Merit::Earned } else { Merit::Doubtful { short: -score } })
    }

    /// Keeps what is seen of a group that is no incident so far.
    pub fn note_merit(&mut self, place: Place) {
        if self.choices.is_none() {
            return;
        }
        let Some(group) = self.groups.get(place).filter(|group| group.incident.is_none()) else { return };
        let members: Vec<Place> =
            group.members.iter().copied().filter(|m| self.alerts[*m].counts_in_incidents()).collect();
        if self.alerts[group.root].chronic || members.len() < 2 {
            return;
        }
        let features = self.tell_features(place, &members);
        self.note_choice(Question::Tell, members[0], &features, &members);
    }

    fn tell_features(&self, place: Place, members: &[Place]) -> Features {
        let group = &self.groups[place];
        let root = &self.alerts[group.root];
        // Of an inferred cause its first effect speaks.
        let first = if root.inferred.is_some() { members.first().copied().unwrap_or(group.root) } else { group.root };
        let looked: Vec<Place> = members.iter().copied().take(MEMBERS_MAX).collect();
        let cis: BTreeSet<_> = looked.iter().map(|m| self.alerts[*m].spot).collect();
        let kinds: BTreeSet<_> = looked.iter().map(|m| self.alerts[*m].kind).collect();
        let severe = |m: &&Place| self.alerts[**m].severity >= Severity::Major;
        let noisy = looked.iter().filter(|m| self.is_noisy(**m)).count() as i64;
        let quiet = looked.iter().filter(severe).filter(|m| !self.is_noisy(**m)).count() as u64;
        let worst = looked.iter().any(|m| self.alerts[*m].severity == Severity::Critical);
        let [like_told, like_held, _] = self.like_elsewhere(first);
        let began = looked.iter().map(|m| self.alerts[*m].received).min().unwrap_or(self.now);
        let mut features = Features::default();
        features[..17].copy_from_slice(&[
            ln(members.len() as u64),
            ln(cis.len() as u64),
            ln(looked.iter().filter(severe).count() as u64 + 1),
            ln(quiet + 1),
            flag(worst),
            flag(looked.iter().any(|m| self.alerts[*m].lasted)),
            ln_ratio(self.now.since(began).0.unsigned_abs() + 10_000, 10_000),
            ln(kinds.len() as u64),
            self.symptom_of(first),
            self.cause_score(&self.alerts[first]),
            flag(self.is_noisy(first)),
            self.root_prior(group.root),
            flag(root.inferred.is_some()),
            noisy * 1000 / (looked.len() as i64).max(1),
            ln(like_told + 1),
            ln(like_held + 1),
            flag(root.spot.ci().is_none()),
        ]);
        features
    }

    /// Whether a lone alert is likely nobody's: its type is known for background noise, or the model says so.
    pub fn is_doubtful(&self, place: Place) -> bool {
        let logit = self.tuning.learned.get(Question::Lone);
        logit.map_or_else(|| self.is_noisy(place), |logit| logit.score(&self.lone_features(place)) <= 0)
    }

    /// As `is_doubtful`; what was seen is kept.
    pub fn doubts(&mut self, place: Place) -> bool {
        if self.choices.is_some() {
            let features = self.lone_features(place);
            self.note_choice(Question::Lone, place, &features, &[place]);
        }
        self.is_doubtful(place)
    }

    fn lone_features(&self, place: Place) -> Features {
        let alert = &self.alerts[place];
        let stats = self.stats(alert).unwrap_or_default();
        let [like_told, like_held, class_told] = self.like_elsewhere(place);
        let mut features = Features::default();
        features[..13].copy_from_slice(&[
            self.symptom_of(place),
            self.cause_score(alert),
            self.background(place) + 10_000,
            flag(self.is_noisy(place)),
            self.root_prior(place),
            flag(alert.severity == Severity::Critical),
            ln_ratio(self.now.since(alert.received).0.unsigned_abs() + 10_000, 10_000),
            ln(like_told + 1),
            ln(like_held + 1),
            ln(class_told + 1),
            ln(stats.total.unsigned_abs() + 1),
            flag(alert.spot.ci().is_none()),
            stats.lone * 1000 / stats.total.max(1),
        ]);
        features
    }

    /// A learned answer, feature by feature, as evidence; what adds nothing is left out.
    pub fn weighed(&self, weighed: &Weighed) -> Vec<Evidence> {
        let Some(logit) = self.tuning.learned.get(weighed.question) else { return Vec::new() };
        let word = weighed.question.word();
        let of = |about: String, points: Milli, n: i64| {
            let points = points.clamp(-30_000, 30_000) as i32;
            Evidence { term: EvidenceTerm::Learned, points, n, of: 0, about: about.into() }
        };
        let parts = logit.parts(&weighed.features);
        let rows = weighed.question.features().iter().zip(parts).zip(weighed.features);
        let rows = rows.filter(|((_, points), _)| *points != 0);
        let terms = rows.map(|((name, points), n)| of(format!("{word}.{name}"), points, n));
        [of(format!("{word}.constant"), logit.constant, 0)].into_iter().chain(terms).collect()
    }
}
