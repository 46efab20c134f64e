//! Durable timers: what becomes due when. Part of the engine's state; fired inside `step` at their own time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::lane::Lane;
use super::slab::Place;
use crate::domain::time::{Span, Timestamp};

/// What becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Due {
    /// Look again for a better parent of this alert.
    Revise(Place),
    /// The alert's surroundings are known: learn from them.
    Learn(Place),
    /// A held alert has waited long enough.
    Promote(Place),
    /// The alert was not heard of for long: take it as resolved.
    Expire(Place),
    /// A silence may have begun or ended.
    Remute,
    /// The incident has been quiet through its observation.
    Observed(Place),
    /// The reopen gap of the incident is over.
    Close(Place),
    /// Nothing refers to the group any more.
    Forget(Place),
    /// The incident's snooze is over.
    Wake(Place),
    /// Somebody waits to be told of the incident.
    Tell(Place),
    /// A receiver's messages of the last while are told as one.
    Digest,
    /// The window of a correlation rule's story is over.
    Pattern(Place),
    /// A rule's schedule begins or ends.
    Windows,
    /// The alert may flap no more, or its mute for flapping ends.
    Calm(Place),
    /// The alert, a source of inhibition, was not heard of for long.
    Lapse(Place),
    /// A clock or an action of the incident has come to its time.
    Care(Place),
    /// The incident has lost alerts: is what is left of it one?
    Doubt(Place),
    /// What the source said of the alert may hold no longer.
    Lease(Place),
}

/// A timer: when, in which order among equal times, and what for.
type Timer = (Timestamp, u64, Due);

/// A timer of a lane in few bytes: the kind of what becomes due is in the lowest bits of the order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(from = "Timer", into = "Timer")]
struct Waiting {
    at: Timestamp,
    order: u64,
    place: Place,
}

/// Bits of the kind.
const KIND_BITS: u32 = 5;

impl From<Timer> for Waiting {
    fn from((at, order, due): Timer) -> Self {
        let (kind, place) = match due {
            Due::Revise(place) => (0, place),
            Due::Learn(place) => (1, place),
            Due::Promote(place) => (2, place),
            Due::Expire(place) => (3, place),
            Due::Remute => (4, Place::default()),
            Due::Observed(place) => (5, place),
            Due::Close(place) => (6, place),
            Due::Forget(place) => (7, place),
            Due::Wake(place) => (8, place),
            Due::Tell(place) => (9, place),
            Due::Digest => (10, Place::default()),
            Due::Pattern(place) => (11, place),
            Due::Windows => (12, Place::default()),
            Due::Calm(place) => (13, place),
            Due::Lapse(place) => (14, place),
            Due::Care(place) => (15, place),
            Due::Doubt(place) => (16, place),
            Due::Lease(place) => (17, place),
        };
        Self { at, order: order << KIND_BITS | kind, place }
    }
}

impl From<Waiting> for Timer {
    fn from(Waiting { at, order, place }: Waiting) -> Self {
        let due = match order & ((1 << KIND_BITS) - 1) {
            0 => Due::Revise(place),
            1 => Due::Learn(place),
            2 => Due::Promote(place),
            3 => Due::Expire(place),
            4 => Due::Remute,
            5 => Due::Observed(place),
            6 => Due::Close(place),
            7 => Due::Forget(place),
            8 => Due::Wake(place),
            9 => Due::Tell(place),
            10 => Due::Digest,
            11 => Due::Pattern(place),
            12 => Due::Windows,
            13 => Due::Calm(place),
            14 => Due::Lapse(place),
            15 => Due::Care(place),
            16 => Due::Doubt(place),
            _ => Due::Lease(place),
        };
        (at, order >> KIND_BITS, due)
    }
}

/// Timers in order. Equal times fire in the order in which they were set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Deadlines {
    /// Timers of one length, each: as time only goes on, the newest is the last one.
    lanes: Vec<(Span, Lane<Waiting>)>,
    /// All others.
    set: BTreeSet<Timer>,
    next: u64,
}

impl Deadlines {
    /// Sets a timer. A timer is never cancelled: whoever it finds checks whether it still matters.
    pub fn set(&mut self, at: Timestamp, due: Due) {
        self.next += 1;
        self.set.insert((at, self.next, due));
    }

    /// Sets a timer of a length that many have.
    pub fn set_after(&mut self, now: Timestamp, after: Span, due: Due) {
        let at = now.plus(after);
        let lane = match self.lanes.iter().position(|(length, _)| *length == after) {
            Some(lane) => lane,
            None => {
                self.lanes.push((after, Lane::default()));
                self.lanes.len() - 1
            }
        };
        let lane = &mut self.lanes[lane].1;
        if lane.back().is_some_and(|last| last.at > at) {
            return self.set(at, due);
        }
        self.next += 1;
        lane.push_back((at, self.next, due).into());
    }

    /// The earliest time at which something is due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.first().map(|(timer, _)| timer.0)
    }

    /// The first timer, and its lane.
    fn first(&self) -> Option<(Timer, Option<usize>)> {
        let lanes = self.lanes.iter().enumerate();
        let lanes = lanes.filter_map(|(lane, (_, timers))| Some((timers.front()?, lane)));
        // Orders are never the same: what stands in their lowest bits decides nothing.
        let first = lanes.min_by_key(|(waiting, _)| (waiting.at, waiting.order));
        let first = first.map(|(waiting, lane)| (Timer::from(*waiting), Some(lane)));
        let set = self.set.first().map(|timer| (*timer, None));
        first.into_iter().chain(set).min_by_key(|((at, order, _), _)| (*at, *order))
    }

    /// Takes the first timer that is due at `now` or before.
    pub fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Due)> {
        let (timer, lane) = self.first()?;
        if timer.0 > now {
            return None;
        }
        let (at, _, due) = match lane {
            Some(lane) => self.lanes[lane].1.pop_front()?.into(),
            None => self.set.pop_first()?,
        };
        Some((at, due))
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.set.len() + self.lanes.iter().map(|(_, timers)| timers.len()).sum::<usize>()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_of_all_lengths_fire_in_order_of_time_and_then_of_setting() {
        let mut deadlines = Deadlines::default();
        let place = Place::default();
        deadlines.set(Timestamp(30), Due::Remute);
        deadlines.set_after(Timestamp(0), Span(30), Due::Revise(place));
        deadlines.set_after(Timestamp(5), Span(20), Due::Learn(place));
        deadlines.set_after(Timestamp(10), Span(30), Due::Promote(place));
        deadlines.set_after(Timestamp(2), Span(30), Due::Expire(place));
        let fired: Vec<_> = std::iter::from_fn(|| deadlines.pop(Timestamp(100))).map(|(at, due)| (at.0, due)).collect();
        let due = [(25, Due::Learn(place)), (30, Due::Remute), (30, Due::Revise(place)), (32, Due::Expire(place))];
        assert_eq!(fired[..4], due);
        assert_eq!(fired[4], (40, Due::Promote(place)));
        assert!(deadlines.is_empty());
    }
}
