//! Kin: an alert that nothing upstream explains may still belong to what happens to its like right now: to alerts of its
//! type, of its class of CIs or, where the CMDB knows nothing, to what begins beside it. No relation is needed for it.

use std::collections::{BTreeMap, VecDeque};

use super::alert::Spot;
use super::cell::Cell;
use super::correlate::{Link, Terms};
use super::fixed::{Milli, ln, ln_permille, ln_ratio};
use super::logit::{Features, Question, Weighed, flag};
use super::slab::Place;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// Newest alerts remembered per type, class or source.
const ALIKE_MAX: usize = 32;
/// How far apart two alerts may begin and still be of one event.
pub const AROUND: Span = Span::mins(5);
/// Groups that are weighed for one alert.
const GROUPS_MAX: usize = 6;

/// Occasions, this one included, on which two types must have begun together before one joins the other.
const OCCASIONS_MIN: u32 = 2;
/// An explanation that is at least so likely is not compared with what its like do.
const SURE: Milli = 2500;

/// The newest alerts of each type.
pub type Alike = BTreeMap<u32, VecDeque<Place>>;

/// What of a group is like an alert.
#[derive(Clone, Debug, Default)]
struct Kin {
    group: Place,
    of_type: Vec<Place>,
    of_class: Vec<Place>,
    /// The one that began nearest in time, and how far off.
    nearest: Option<(i64, Place)>,
}

/// Keeps a place as the newest of a list of so many.
pub fn note(list: &mut VecDeque<Place>, place: Place, max: usize) {
    if list.len() >= max {
        list.pop_front();
    }
    list.push_back(place);
}

impl Cell {
    /// Whether learned questions are asked at all; else nothing is remembered for them.
    pub fn asks(&self) -> bool {
        !self.tuning.learned.are_none() || self.choices.is_some()
    }

    /// Remembers an alert as one of the newest of its type.
    pub fn note_alike(&mut self, place: Place) {
        let alert = &self.alerts[place];
        if alert.inferred.is_some() || !self.asks() {
            return;
        }
        let (kind, spot) = (alert.kind, alert.spot);
        note(self.alike.entry(kind).or_default(), place, ALIKE_MAX);
        if let Spot::Object(_) = spot {
            note(&mut self.beside, place, ALIKE_MAX);
        }
    }

    /// How many alerts like this one are around it in other groups: of its type in told ones and in held ones, of its
    /// class in told ones.
    pub fn like_elsewhere(&self, place: Place) -> [u64; 3] {
        let mut found = [0; 3];
        let mine = self.alerts[place].group;
        let told = |other: &Place| self.groups[self.alerts[*other].group].incident.is_some();
        for kin in self.kin_of(place, self.onset(&self.alerts[place])) {
            if kin.group == mine {
                continue;
            }
            for other in &kin.of_type {
                found[usize::from(!told(other))] += 1;
            }
            found[2] += kin.of_class.iter().filter(|other| told(other)).count() as u64;
        }
        found
    }

    /// Alerts around an onset that are like this one, by group.
    fn kin_of(&self, place: Place, onset: Timestamp) -> Vec<Kin> {
        let alert = &self.alerts[place];
        let beside = match alert.spot {
            Spot::Ci(ci) => self.lately.get(&self.topology.class_ix(ci)),
            Spot::Object(_) => Some(&self.beside),
        };
        let mut found: Vec<Kin> = Vec::new();
        let lists = [(true, self.alike.get(&alert.kind)), (false, beside)];
        for (of_type, list) in lists {
            for other in list.into_iter().flatten().rev() {
                let Some(like) = self.alerts.get(*other).filter(|_| *other != place) else { continue };
                let apart = self.onset(like).since(onset).0.abs();
                if apart > AROUND.0 || !like.can_cause() || like.inferred.is_some() {
                    continue;
                }
                let at = found.iter().position(|kin| kin.group == like.group).unwrap_or_else(|| {
                    found.push(Kin { group: like.group, ..Kin::default() });
                    found.len() - 1
                });
                let kin = &mut found[at];
                if of_type {
                    kin.of_type.push(*other)
                } else {
                    kin.of_class.push(*other)
                }
                if kin.nearest.is_none_or(|(least, _)| apart < least) {
                    kin.nearest = Some((apart, *other));
                }
            }
        }
        found
    }

    /// An explanation, or the group of its like where that is likelier.
    pub fn or_kin(
        &mut self,
        place: Place,
        onset: Timestamp,
        explained: Option<(Link, Terms)>,
    ) -> Option<(Link, Terms)> {
        let Some((link, terms)) = explained else { return self.link_to_kin(place, onset) };
        let Some(weighed) = terms.weighed.filter(|weighed| weighed.score < SURE) else { return explained };
        let kin = self.link_to_kin(place, onset).filter(|(kin, _)| {
            kin.score > weighed.score && self.alerts[kin.parent].group != self.alerts[link.parent].group
        });
        kin.or(explained)
    }

    /// The group whose alerts are most like this one, when the model says that it belongs there.
    pub fn link_to_kin(&mut self, place: Place, onset: Timestamp) -> Option<(Link, Terms)> {
        let question = match self.alerts[place].spot {
            Spot::Ci(_) => Question::Kin,
            Spot::Object(_) => Question::Stranger,
        };
        let logit = self.answers(question, place).cloned();
        if logit.is_none() && (self.choices.is_none() || !self.is_known(place)) {
            return None;
        }
        let all = self.kin_of(place, onset);
        let of_type: usize = all.iter().map(|kin| kin.of_type.len()).sum();
        let rivals = all.len();
        let mut best: Option<(Link, Terms)> = None;
        for mut kin in all.into_iter().take(GROUPS_MAX) {
            // What hangs below this alert is no witness for it.
            if self.groups[kin.group].root == place || self.descends(self.groups[kin.group].root, place) {
                continue;
            }
            if kin.group == self.alerts[place].group {
                kin.of_type.retain(|other| !self.descends(*other, place));
                kin.of_class.retain(|other| !self.descends(*other, place));
                kin.nearest = kin.nearest.filter(|(_, other)| !self.descends(*other, place));
            }
            let Some((apart, peer)) = kin.nearest else { continue };
            let together = self.together(place, kin.of_type.iter().chain(&kin.of_class).copied());
            if question == Question::Stranger && together < OCCASIONS_MIN {
                continue;
            }
            let features = self.kin_features(place, onset, &kin, (of_type, rivals), (apart, together));
            let peers: Vec<Place> = kin.of_type.iter().chain(&kin.of_class).copied().collect();
            self.note_choice(question, place, &features, &peers);
            let Some(score) = logit.as_ref().map(|logit| logit.score(&features)) else { continue };
            if score > best.as_ref().map_or(0, |(link, _)| link.score) {
                let weighed = Some(Weighed { question, features, score });
                best = Some((Link { parent: peer, score }, Terms { weighed, ..Terms::default() }));
            }
        }
        best
    }

    fn kin_features(
        &self,
        place: Place,
        onset: Timestamp,
        kin: &Kin,
        (of_type, rivals): (usize, usize),
        (apart, together): (i64, u32),
    ) -> Features {
        let alert = &self.alerts[place];
        let group = &self.groups[kin.group];
        let root = &self.alerts[group.root];
        let since = onset.since(self.onset(root)).0;
        let (alike, class) = (kin.of_type.len() as u64, kin.of_class.len() as u64);
        let hit = alert.spot.ci().map_or(0, |ci| ln_ratio(class + 1, u64::from(self.topology.population(ci)) + 1));
        let site = |spot: Spot| spot.ci().and_then(|ci| self.topology.attributes(ci).site.clone());
        let here = site(alert.spot);
        let peer = kin.nearest.map(|(_, peer)| peer);
        let mut features = Features::default();
        features[..22].copy_from_slice(&[
            ln(alike + 1),
            alike as i64 * 1000 / of_type.max(1) as i64,
            ln(class + 1),
            hit,
            ln_ratio(1000 + apart.unsigned_abs(), 1000),
            ln_ratio(1000 + since.unsigned_abs(), 1000),
            flag(since < -10_000),
            ln(u64::from(group.alerts()).max(1)),
            flag(group.incident.is_some()),
            self.background(place) + 10_000,
            self.symptom_of(place),
            self.cause_score(alert),
            flag(alert.severity >= Severity::Major),
            ln(self.size_below(place)),
            flag(here.is_some() && here == site(root.spot)),
            peer.map_or(0, |peer| self.label_likeness(place, peer)),
            ln(rivals.max(1) as u64),
            flag(self.is_noisy(place)),
            self.root_prior(place),
            flag(root.inferred.is_none() && root.kind == alert.kind),
            ln(u64::from(together) + 1),
            ln_ratio(u64::from(together) + 1, self.stats(alert).unwrap_or_default().total.unsigned_abs() + 2),
        ]);
        features
    }

    /// Alerts that hang on this one, itself included, when it leads its group; else 1.
    pub fn size_below(&self, place: Place) -> u64 {
        let group = &self.groups[self.alerts[place].group];
        if group.root == place {
            u64::from(group.alerts()).max(1)
        } else {
            1 + self.alerts[place].children.len() as u64
        }
    }

    /// Log-share of faults of its class that begin there.
    pub fn root_prior(&self, place: Place) -> Milli {
        self.alerts[place].spot.ci().map_or(0, |ci| ln_permille(self.topology.class(ci).root_prior.into()))
    }

    /// Share of labels that two alerts have in common, per mille.
    fn label_likeness(&self, a: Place, b: Place) -> i64 {
        let (a, b) = (&self.alerts[a].labels, &self.alerts[b].labels);
        let (mine, theirs) = (a.count(), b.count());
        let common = a.iter().filter(|(key, value)| b.get(key) == Some(*value)).count();
        (2 * common * 1000 / (mine + theirs).max(1)) as i64
    }
}
