//! Durable timers: what becomes due when. Part of the engine's state; fired inside `step` at their own time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::slab::Place;
use crate::domain::time::Timestamp;

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

/// An ordered set of timers. Equal times fire in the order in which they were set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Deadlines {
    set: BTreeSet<(Timestamp, u64, Due)>,
    next: u64,
}

impl Deadlines {
    /// Sets a timer. A timer is never cancelled: whoever it finds checks whether it still matters.
    pub fn set(&mut self, at: Timestamp, due: Due) {
        self.next += 1;
        self.set.insert((at, self.next, due));
    }

    /// The earliest time at which something is due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.set.first().map(|(at, _, _)| *at)
    }

    /// Takes the first timer that is due at `now` or before.
    pub fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Due)> {
        if self.set.first()?.0 > now {
            return None;
        }
        self.set.pop_first().map(|(at, _, due)| (at, due))
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }
}
