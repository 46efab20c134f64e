//! Kin: an alert that nothing upstream explains may still belong to what happens to its like right now: to alerts of its
//! type, of its class of CIs or, where the CMDB knows nothing, to what begins beside it. No relation is needed for it.

use std::collections::{BTreeMap, VecDeque};

use super::alert::{Alert, Spot};
use super::cell::Cell;
use super::correlate::{Explained, Link};
use super::fixed::{Milli, ln, ln_permille, ln_ratio};
use super::gap::LATELY_MAX;
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
#[derive(Clone, Copy, Debug)]
struct Kin {
    group: Place,
    of_type: usize,
    of_class: usize,
    /// The one that began nearest in time, and how far off.
    nearest: (i64, Place),
}

/// An alert that is like another one.
#[derive(Clone, Copy, Debug)]
struct Peer {
    place: Place,
    group: Place,
    apart: i64,
    is_of_type: bool,
}

/// What the questions about its kin see of an alert itself.
struct Own {
    onset: Timestamp,
    /// Alerts of its type in all groups, at least 1.
    of_type: i64,
    /// Logarithm of how many CIs its class has.
    population: Option<Milli>,
    background: Milli,
    symptom: Milli,
    cause: Milli,
    below: Milli,
    rivals: Milli,
    is_noisy: bool,
    root_prior: Milli,
    episodes: Milli,
}

/// The groups in which an alert's peers are, in the order in which they are met.
fn kin_of(peers: &[Peer]) -> Vec<Kin> {
    let mut found: Vec<Kin> = Vec::with_capacity(GROUPS_MAX);
    for peer in peers {
        let at = found.iter().position(|kin| kin.group == peer.group).unwrap_or_else(|| {
            found.push(Kin { group: peer.group, of_type: 0, of_class: 0, nearest: (i64::MAX, peer.place) });
            found.len() - 1
        });
        let kin = &mut found[at];
        *(if peer.is_of_type { &mut kin.of_type } else { &mut kin.of_class }) += 1;
        kin.nearest = if peer.apart < kin.nearest.0 { (peer.apart, peer.place) } else { kin.nearest };
    }
    found
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
        for peer in self.peers_of(place, self.onset(&self.alerts[place])).filter(|peer| peer.group != mine) {
            match (peer.is_of_type, self.groups[peer.group].incident.is_some()) {
                (true, told) => found[usize::from(!told)] += 1,
                (false, told) => found[2] += u64::from(told),
            }
        }
        found
    }

    /// Alerts around an onset that are like this one, the newest of its type first, then those of its class.
    fn peers_of(&self, place: Place, onset: Timestamp) -> impl Iterator<Item = Peer> + use<'_> {
        let alert = &self.alerts[place];
        let beside = match alert.spot {
            Spot::Ci(ci) => self.lately.get(&self.topology.class_ix(ci)),
            Spot::Object(_) => Some(&self.beside),
        };
        let alike = self.alike.get(&alert.kind).into_iter().flatten().rev().map(|other| (true, *other));
        let beside = beside.into_iter().flatten().rev().map(|other| (false, *other));
        alike.chain(beside).filter_map(move |(is_of_type, other)| {
            let like = self.alerts.get(other).filter(|_| other != place)?;
            let apart = self.onset(like).since(onset).0.abs();
            let is_peer = apart <= AROUND.0 && like.can_cause() && like.inferred.is_none();
            is_peer.then_some(Peer { place: other, group: like.group, apart, is_of_type })
        })
    }

    /// An explanation, or the group of its like where that is likelier.
    pub fn or_kin(&mut self, place: Place, onset: Timestamp, explained: Option<Explained>) -> Option<Explained> {
        let Some(known) = explained else { return self.link_to_kin(place, onset) };
        let Some(weighed) = known.weighed.filter(|weighed| weighed.score < SURE) else { return explained };
        let kin = self.link_to_kin(place, onset).filter(|kin| {
            let [there, here] = [kin, &known].map(|explained| self.alerts[explained.link.parent].group);
            kin.link.score > weighed.score && there != here
        });
        kin.or(explained)
    }

    /// The group whose alerts are most like this one, when the model says that it belongs there.
    pub fn link_to_kin(&mut self, place: Place, onset: Timestamp) -> Option<Explained> {
        let question = match self.alerts[place].spot {
            Spot::Ci(_) => Question::Kin,
            Spot::Object(_) => Question::Stranger,
        };
        let logit = self.answers(question, place).cloned();
        if logit.is_none() && (self.choices.is_none() || !self.is_known(place)) {
            return None;
        }
        let mut peers: Vec<Peer> = Vec::with_capacity(ALIKE_MAX + LATELY_MAX);
        peers.extend(self.peers_of(place, onset));
        let all = kin_of(&peers);
        let own = self.own_features(place, onset, all.len(), all.iter().map(|kin| kin.of_type).sum());
        let mine = self.alerts[place].group;
        // Who knows no pairs and tells nobody need not look at them one by one.
        let looks = !self.pairs.is_empty() || self.choices.is_some();
        let mut best: Option<Explained> = None;
        for mut kin in all.into_iter().take(GROUPS_MAX) {
            let root = self.groups[kin.group].root;
            if root == place || self.descends(root, place) {
                continue;
            }
            // What hangs below this alert is no witness for it.
            let is_own = kin.group == mine;
            let is_witness = |peer: &Peer| peer.group == kin.group && !(is_own && self.descends(peer.place, place));
            if is_own && self.descends(kin.nearest.1, place) {
                continue;
            }
            let witnesses: Vec<Peer> =
                if is_own || looks { peers.iter().copied().filter(is_witness).collect() } else { Vec::new() };
            if is_own {
                kin.of_type = witnesses.iter().filter(|peer| peer.is_of_type).count();
                kin.of_class = witnesses.len() - kin.of_type;
            }
            let together = if looks { self.together(place, witnesses.iter().map(|peer| peer.place)) } else { 0 };
            if question == Question::Stranger && together < OCCASIONS_MIN {
                continue;
            }
            let features = self.kin_features(place, &own, &kin, together);
            if self.choices.is_some() {
                let others: Vec<Place> = witnesses.iter().map(|peer| peer.place).collect();
                self.note_choice(question, place, &features, &others);
            }
            let Some(score) = logit.as_ref().map(|logit| logit.score(&features)) else { continue };
            if score > best.as_ref().map_or(0, |best| best.link.score) {
                let weighed = Some(Weighed { question, features, score });
                best = Some(Explained { link: Link { parent: kin.nearest.1, score }, terms: None, weighed });
            }
        }
        best
    }

    fn own_features(&self, place: Place, onset: Timestamp, rivals: usize, of_type: usize) -> Own {
        let alert = &self.alerts[place];
        Own {
            onset,
            of_type: of_type.max(1) as i64,
            population: alert.spot.ci().map(|ci| ln(u64::from(self.topology.population(ci)) + 1)),
            background: self.background(place),
            symptom: self.symptom_of(place),
            cause: self.cause_score(alert),
            below: ln(self.size_below(place)),
            rivals: ln(rivals.max(1) as u64),
            is_noisy: self.is_noisy(place),
            root_prior: self.root_prior(place),
            episodes: ln(self.stats(alert).unwrap_or_default().total.unsigned_abs() + 2),
        }
    }

    fn kin_features(&self, place: Place, own: &Own, kin: &Kin, together: u32) -> Features {
        let (alert, (apart, peer)) = (&self.alerts[place], kin.nearest);
        let group = &self.groups[kin.group];
        let root = &self.alerts[group.root];
        let since = own.onset.since(self.onset(root)).0;
        let class = ln(kin.of_class as u64 + 1);
        let together = ln(u64::from(together) + 1);
        let mut features = Features::default();
        features[..22].copy_from_slice(&[
            ln(kin.of_type as u64 + 1),
            kin.of_type as i64 * 1000 / own.of_type,
            class,
            own.population.map_or(0, |population| class - population),
            ln_ratio(1000 + apart.unsigned_abs(), 1000),
            ln_ratio(1000 + since.unsigned_abs(), 1000),
            flag(since < -10_000),
            ln(u64::from(group.alerts()).max(1)),
            flag(group.incident.is_some()),
            own.background + 10_000,
            own.symptom,
            own.cause,
            flag(alert.severity >= Severity::Major),
            own.below,
            flag(self.is_on_site_of(alert, root)),
            self.alerts[place].labels.likeness(&self.alerts[peer].labels),
            own.rivals,
            flag(own.is_noisy),
            own.root_prior,
            flag(root.inferred.is_none() && root.kind == alert.kind),
            together,
            together - own.episodes,
        ]);
        features
    }

    fn is_on_site_of(&self, alert: &Alert, root: &Alert) -> bool {
        let site = |alert: &Alert| alert.spot.ci().and_then(|ci| self.topology.attributes(ci).site.as_ref());
        site(alert).is_some_and(|site_of_alert| site(root) == Some(site_of_alert))
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
}
