//! What suggestions are learned from: the recorded events as episodes of alert types at places.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::domain::event::{Event, Status};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::{CiIx, Resolution, Topology};

/// Alert types that are looked at one by one: those that occur most.
const KINDS_MAX: usize = 1000;
/// Related places looked at per place.
const NEAR_MAX: usize = 256;

/// An alert type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub source: Box<str>,
    pub name: Box<str>,
}

/// A CI, or an object that the CMDB does not know.
#[derive(Clone, Debug)]
pub struct Place {
    pub label: Box<str>,
    pub ci: Option<CiIx>,
}

/// An alert type began at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    pub at: Timestamp,
    pub kind: usize,
    pub place: usize,
}

/// What is counted of an alert type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Firing events.
    pub events: u64,
    pub episodes: u64,
    /// Times it began again at a place within the span that makes it the same alert.
    pub again: u64,
    pub worst: Severity,
}

/// Episodes in order of time, with what they are of.
#[derive(Debug, Default)]
pub struct History {
    pub kinds: Vec<Kind>,
    pub seen: Vec<Seen>,
    pub places: Vec<Place>,
    pub episodes: Vec<Episode>,
    /// Places that a fault can pass to or from in one step, itself first.
    pub near: Vec<Vec<usize>>,
    /// Episodes of alert types beyond the limit, and related places beyond theirs.
    pub cut: u64,
}

impl History {
    /// Reads events in any order. Firings of one type at one place that are less than `refire` apart are one episode.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>, topology: &Topology, refire: Span) -> Self {
        let mut history = Self::default();
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        let mut places: BTreeMap<(Option<CiIx>, Box<str>), usize> = BTreeMap::new();
        let mut firings: Vec<Episode> = Vec::new();
        let mut worst: Vec<Severity> = Vec::new();
        for event in events.into_iter().filter(|event| event.status == Status::Firing) {
            let kind = Kind { source: event.source.as_str().into(), name: event.name.as_ref().into() };
            let ci = event.object.keys_in_order().find_map(|key| match topology.resolve(key) {
                Resolution::One(ci) => Some(ci),
                Resolution::Ambiguous(_) | Resolution::Unknown => None,
            });
            let label: Box<str> = ci.map_or(event.object.label(), |ci| topology.id(ci).as_str()).into();
            let next = kinds.len();
            let kind = *kinds.entry(kind).or_insert(next);
            worst.resize(kinds.len(), Severity::Cleared);
            worst[kind] = worst[kind].max(event.severity);
            let next = places.len();
            let place = *places.entry((ci, label)).or_insert(next);
            firings.push(Episode { at: event.starts_at, kind, place });
        }
        history.kinds = by_number(kinds);
        let places = by_number(places);
        history.places = places.into_iter().map(|(ci, label)| Place { label, ci }).collect();
        history.seen = worst.into_iter().map(|worst| Seen { worst, ..Seen::default() }).collect();
        history.begin_episodes(firings, refire);
        history.relate(topology);
        history
    }

    fn begin_episodes(&mut self, mut firings: Vec<Episode>, refire: Span) {
        firings.sort_by_key(|f| (f.at, f.kind, f.place));
        let mut last: BTreeMap<(usize, usize), Timestamp> = BTreeMap::new();
        for firing in firings {
            let before = last.insert((firing.kind, firing.place), firing.at);
            let seen = &mut self.seen[firing.kind];
            seen.events += 1;
            if let Some(before) = before.filter(|before| firing.at.since(*before) < refire) {
                // What only tells again that it still fires has not come and gone.
                seen.again += u64::from(firing.at > before);
            } else {
                seen.episodes += 1;
                self.episodes.push(firing);
            }
        }
        self.keep_frequent();
    }

    /// Forgets the rarest types beyond the limit, and their episodes: what is learned needs room for each pair of types.
    fn keep_frequent(&mut self) {
        if self.kinds.len() <= KINDS_MAX {
            return;
        }
        let mut kept: Vec<usize> = (0..self.kinds.len()).collect();
        kept.sort_by_key(|kind| (Reverse(self.seen[*kind].episodes), *kind));
        kept.truncate(KINDS_MAX);
        kept.sort_unstable();
        let before = self.episodes.len();
        self.episodes.retain_mut(|episode| match kept.binary_search(&episode.kind) {
            Ok(number) => {
                episode.kind = number;
                true
            }
            Err(_) => false,
        });
        self.cut += (before - self.episodes.len()) as u64;
        self.kinds = kept.iter().map(|kind| self.kinds[*kind].clone()).collect();
        self.seen = kept.iter().map(|kind| self.seen[*kind]).collect();
    }

    fn relate(&mut self, topology: &Topology) {
        let of: BTreeMap<CiIx, usize> =
            self.places.iter().enumerate().filter_map(|(place, known)| Some((known.ci?, place))).collect();
        for (place, known) in self.places.iter().enumerate() {
            let mut near = vec![place];
            let edges = known.ci.into_iter().flat_map(|ci| topology.causes(ci).iter().chain(topology.effects(ci)));
            for related in edges.filter_map(|edge| of.get(&edge.ci).copied()) {
                if near.contains(&related) {
                    continue;
                }
                if near.len() == NEAR_MAX {
                    self.cut += 1;
                    continue;
                }
                near.push(related);
            }
            self.near.push(near);
        }
    }

    /// From the first episode to the last, seconds; at least one.
    pub fn span_secs(&self) -> f64 {
        let span = self.episodes.first().zip(self.episodes.last()).map_or(0, |(first, last)| last.at.since(first.at).0);
        (span as f64 / 1000.0).max(1.0)
    }
}

fn by_number<T: Ord>(known: BTreeMap<T, usize>) -> Vec<T> {
    let mut all: Vec<(T, usize)> = known.into_iter().collect();
    all.sort_by_key(|(_, number)| *number);
    all.into_iter().map(|(one, _)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::ObjectRef;
    use crate::lab::built_in::shipped_schema;

    #[test]
    fn types_beyond_the_limit_take_no_room_and_the_rarest_go() {
        let event = |name: &str, n: i64| {
            let mut event = Event::new("t".into(), "s".into(), name, Timestamp(1_700_000_000_000 + n * 10_000_000));
            event.object = ObjectRef { name: Some("x".into()), ..ObjectRef::default() };
            event
        };
        let rare = (0..1_500).map(|n| event(&format!("rare-{n}"), n));
        let often = (0..3).flat_map(|n| ["often-a", "often-b"].map(|name| event(name, n)));
        let events: Vec<Event> = rare.chain(often).collect();
        let history = History::of(&events, &Topology::empty(shipped_schema()), Span::mins(40));
        assert_eq!((history.kinds.len(), history.seen.len(), history.cut), (KINDS_MAX, KINDS_MAX, 502));
        for name in ["often-a", "often-b"] {
            let kind = history.kinds.iter().position(|kind| &*kind.name == name).expect("the frequent stay");
            assert_eq!(history.seen[kind].episodes, 3);
            assert_eq!(history.episodes.iter().filter(|episode| episode.kind == kind).count(), 3);
        }
    }
}
