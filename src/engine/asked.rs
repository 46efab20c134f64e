//! Asked: what the learned questions see of a link, of a group and of a lone alert, and what follows from the answers.

use std::collections::BTreeSet;

use super::cell::Cell;
use super::correlate::{Explained, Link, Terms};
use super::fixed::{Milli, ln, ln_ratio};
use super::group::Merit;
use super::logit::{Features, Logit, Question, Weighed, flag};
use super::rivals::{MARGIN_MAX, Rivals};
use super::slab::Place;
use crate::domain::incident::{Evidence, EvidenceTerm};
use crate::domain::severity::Severity;

/// Members of a group that are looked at.
const MEMBERS_MAX: usize = 64;

/// Finished episodes of a type from which on learned answers about it count.
const EPISODES_MIN: i64 = 3;
/// Effects of the same cause that are looked at.
const SIBLINGS_MAX: usize = 16;

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
    /// How the model answers a question about an alert. Of a type that has hardly been seen so far the features say
    /// nothing: no answer, as from a model that never learned it, and the chosen numbers decide.
    pub fn answers(&self, question: Question, place: Place) -> Option<&Logit> {
        self.tuning.learned.get(question).filter(|_| self.is_known(place))
    }

    /// Whether enough episodes of an alert's type have been seen to judge by.
    pub fn is_known(&self, place: Place) -> bool {
        self.stats(&self.alerts[place]).is_some_and(|stats| stats.total >= EPISODES_MIN)
    }

    /// The explanation that holds against that the alert comes of nothing: of several the likeliest.
    pub fn accept(&mut self, place: Place, links: &[(Link, Terms)], background: Milli) -> Option<Explained> {
        let rivals = Rivals::of(links);
        for (link, terms) in links {
            self.note_link(place, link, terms, (background, rivals));
        }
        // Without a learned answer the first one is the best.
        let asked =
            if self.tuning.learned.get(Question::Link).is_some() { links } else { &links[..links.len().min(1)] };
        let appraised = asked
            .iter()
            .map(|(link, terms)| (*link, *terms, self.appraise_among(place, link, terms, (background, rivals))));
        let (link, terms, best) = appraised.max_by_key(|(link, _, appraised)| (appraised.sum, link.score))?;
        (best.sum > best.needs).then_some(Explained { link, terms: Some(terms), weighed: best.weighed })
    }

    /// How good an explanation is, and how good it has to be.
    pub fn appraise(&self, place: Place, link: &Link, terms: &Terms, background: Milli) -> Appraised {
        self.appraise_among(place, link, terms, (background, Rivals::default()))
    }

    fn appraise_among(&self, place: Place, link: &Link, terms: &Terms, against: (Milli, Rivals)) -> Appraised {
        let Some(logit) = self.answers(Question::Link, place) else {
            let sum = link.score - against.0;
            return Appraised { sum, needs: -self.saving(place, link.parent), weighed: None };
        };
        let features = self.link_features(place, link, terms, against);
        let score = logit.score(&features);
        Appraised { sum: score, needs: 0, weighed: Some(Weighed { question: Question::Link, features, score }) }
    }

    fn note_link(&mut self, place: Place, link: &Link, terms: &Terms, against: (Milli, Rivals)) {
        if self.choices.is_none() || !self.is_known(place) {
            return;
        }
        let features = self.link_features(place, link, terms, against);
        let parent = &self.alerts[link.parent];
        let group = &self.groups[parent.group];
        let others = if parent.inferred.is_none() { vec![link.parent] } else { group.members.to_vec() };
        let others: Vec<Place> = others.into_iter().filter(|other| !self.descends(*other, place)).collect();
        self.note_choice(Question::Link, place, &features, &others);
    }

    fn link_features(
        &self,
        place: Place,
        link: &Link,
        terms: &Terms,
        (background, rivals): (Milli, Rivals),
    ) -> Features {
        let (alert, parent) = (&self.alerts[place], &self.alerts[link.parent]);
        let group = &self.groups[parent.group];
        let told = group.incident.is_some();
        let since = self.onset(alert).since(self.onset(&self.alerts[group.root])).0;
        let like = |sibling: &&Place| **sibling != place && self.alerts[**sibling].kind == alert.kind;
        let siblings = parent.children.iter().rev().take(SIBLINGS_MAX).filter(like).count() as u64;
        let here_too = self
            .recent_on(alert.spot)
            .any(|other| other != place && self.alerts[other].group == parent.group && !self.descends(other, place));
        let mut features = Features::default();
        features[..26].copy_from_slice(&[
            (link.score - background).clamp(-MARGIN_MAX, MARGIN_MAX),
            terms.path,
            flag(terms.hops == 1),
            flag(terms.hops > 2),
            flag(terms.hops == 0),
            terms.delay_fit,
            terms.cause,
            terms.symptom,
            background + 10_000,
            flag(terms.among > 1),
            flag(parent.inferred.is_some()),
            flag(told),
            flag(self.saving(place, link.parent) > 0),
            ln(u64::from(group.alerts()).max(1)),
            flag(parent.inferred.is_none() && self.is_noisy(link.parent)),
            flag(self.is_noisy(place)),
            flag(alert.severity >= Severity::Major),
            flag(parent.inferred.is_none() && parent.kind == alert.kind),
            ln(self.size_below(place)),
            ln_ratio(1000 + since.unsigned_abs(), 1000),
            self.root_prior(place),
            self.cause_score(alert),
            ln(siblings + 1),
            ln(self.stats(alert).unwrap_or_default().total.unsigned_abs() + 1),
            flag(here_too),
            rivals.against(link),
        ]);
        features
    }

    /// Whether several alerts are an incident, when the model answers that.
    pub fn merit_by_model(&self, group: Place, members: &[Place]) -> Option<Merit> {
        let score = self.asked_of_several(group, members)?.score;
        Some(if score > 0 { Merit::Earned } else { Merit::Doubtful { short: -score } })
    }

    /// What the model says of several alerts, with what was seen.
    pub fn asked_of_several(&self, group: Place, members: &[Place]) -> Option<Weighed> {
        let logit = self.answers(Question::Tell, self.speaks_for(group, members))?;
        let features = self.tell_features(group, members);
        Some(Weighed { question: Question::Tell, features, score: logit.score(&features) })
    }

    /// Keeps what is seen of a group that is no incident so far.
    pub fn note_merit(&mut self, place: Place) {
        if self.choices.is_none() {
            return;
        }
        let Some(group) = self.groups.get(place).filter(|group| group.incident.is_none()) else { return };
        let members = self.counted_members(place);
        if self.alerts[group.root].chronic || members.len() < 2 || !self.is_known(self.speaks_for(place, &members)) {
            return;
        }
        let features = self.tell_features(place, &members);
        self.note_choice(Question::Tell, members[0], &features, &members);
    }

    /// The alert whose type is asked about a group: its root; of an inferred cause its first effect.
    fn speaks_for(&self, group: Place, members: &[Place]) -> Place {
        let root = self.groups[group].root;
        let inferred = self.alerts[root].inferred.is_some();
        members.first().copied().filter(|_| inferred).unwrap_or(root)
    }

    fn tell_features(&self, place: Place, members: &[Place]) -> Features {
        let group = &self.groups[place];
        let root = &self.alerts[group.root];
        let first = self.speaks_for(place, members);
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
        self.is_noisy(place) || self.asked_of_lone(place).is_some_and(|asked| asked.score <= 0)
    }

    /// What the model says of a lone alert, with what was seen.
    pub fn asked_of_lone(&self, place: Place) -> Option<Weighed> {
        let logit = self.answers(Question::Lone, place)?;
        let features = self.lone_features(place);
        Some(Weighed { question: Question::Lone, features, score: logit.score(&features) })
    }

    /// As `is_doubtful`; what was seen is kept.
    pub fn doubts(&mut self, place: Place) -> bool {
        if self.choices.is_some() && self.is_known(place) {
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
        let of = |about: &str, points: Milli, n: i64| {
            let points = points.clamp(-30_000, 30_000) as i32;
            Evidence { term: EvidenceTerm::Learned, points, n, of: 0, about: about.into() }
        };
        let parts = [logit.constant].into_iter().chain(logit.parts(&weighed.features));
        let seen = [0].into_iter().chain(weighed.features);
        let rows = weighed.question.labels().iter().zip(parts).zip(seen).enumerate();
        let rows = rows.filter(|(at, ((_, points), _))| *at == 0 || *points != 0);
        rows.map(|(_, ((label, points), n))| of(label, points, n)).collect()
    }
}
