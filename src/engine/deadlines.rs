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
}

/// A timer: when, in which order among equal times, and what for.
type Timer = (Timestamp, u64, Due);

/// Timers in order. Equal times fire in the order in which they were set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Deadlines {
    /// Timers of one length, each: as time only goes on, the newest is the last one.
    lanes: Vec<(Span, Lane<Timer>)>,
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
        if lane.back().is_some_and(|last| last.0 > at) {
            return self.set(at, due);
        }
        self.next += 1;
        lane.push_back((at, self.next, due));
    }

    /// The earliest time at which something is due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.first().map(|(timer, _)| timer.0)
    }

    /// The first timer, and its lane.
    fn first(&self) -> Option<(&Timer, Option<usize>)> {
        let lanes = self.lanes.iter().enumerate();
        let lanes = lanes.filter_map(|(lane, (_, timers))| Some((timers.front()?, Some(lane))));
        lanes.chain(self.set.first().map(|timer| (timer, None))).min_by_key(|(timer, _)| (timer.0, timer.1))
    }

    /// Takes the first timer that is due at `now` or before.
    pub fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Due)> {
        let (timer, lane) = self.first()?;
        if timer.0 > now {
            return None;
        }
        let (at, _, due) = match lane {
            Some(lane) => self.lanes[lane].1.pop_front()?,
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
