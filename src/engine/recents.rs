//! The newest alerts on a CI or object, with what tells whether one is worth a look: an alert is far away in memory, and
//! most of those that are asked for are much too old.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::alert::Spot;
use super::cell::Cell;
use super::slab::Place;
use crate::domain::stream;
use crate::domain::time::Timestamp;
use crate::domain::topology::CiIx;

/// Stands for a start that is not known, as that of a vote after a restart: such an alert is looked at.
pub const UNKNOWN: Timestamp = Timestamp(i64::MIN);

/// When alerts of interest have started, by whatever source's clock, both ends included.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Window {
    /// Whether an alert that started then may be of interest.
    pub fn has(&self, starts: Timestamp) -> bool {
        starts == UNKNOWN || (self.from <= starts && starts <= self.to)
    }
}

/// An alert, and its start by its source's clock.
#[derive(Clone, Copy, Debug)]
struct Recent {
    place: Place,
    starts: Timestamp,
}

/// Alerts in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Recents(Vec<Recent>);

impl Recents {
    /// Adds one at the end; the first one goes when there are `max` already.
    pub fn push(&mut self, place: Place, starts: Timestamp, max: usize) {
        if self.0.len() >= max {
            self.0.remove(0);
        } else if self.0.len() == self.0.capacity() {
            // Most CIs have few: no room is kept for more.
            self.0.reserve_exact(self.0.len().max(1));
        }
        self.0.push(Recent { place, starts });
    }

    /// Takes one out.
    pub fn remove(&mut self, place: Place) {
        self.0.retain(|recent| recent.place != place);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes when one of them started.
    pub fn restart(&mut self, place: Place, starts: Timestamp) {
        if let Some(recent) = self.0.iter_mut().find(|recent| recent.place == place) {
            recent.starts = starts;
        }
    }

    fn within(&self, window: Window) -> impl Iterator<Item = Place> + use<'_> {
        self.0.iter().filter(move |recent| window.has(recent.starts)).map(|recent| recent.place)
    }
}

impl Serialize for Recents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|recent| recent.place))
    }
}

impl<'de> Deserialize<'de> for Recents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut recents = Self::default();
        stream::each(deserializer, |place| recents.push(place, UNKNOWN, usize::MAX))?;
        Ok(recents)
    }
}

impl Cell {
    /// Alerts that began between two times of ours may have started in this window, whichever source they are from.
    pub fn window(&self, from: Timestamp, to: Timestamp) -> Window {
        let [least, most, _] = self.learned.bounds();
        Window { from: from.minus(most), to: to.minus(least) }
    }

    /// The newest alerts on a CI or object that are still there and may have started in the window.
    pub fn recent_within(&self, spot: Spot, window: Window) -> impl Iterator<Item = Place> + use<'_> {
        let recents = self.recent.get(&spot);
        recents.into_iter().flat_map(move |r| r.within(window)).filter(|p| self.alerts.get(*p).is_some())
    }

    /// Those on a CI, whose newest start tells first whether there is any.
    pub fn recent_on_ci(&self, ci: CiIx, window: Window) -> impl Iterator<Item = Place> + use<'_> {
        let recents = if self.newest.started_since(ci, window.from) { self.recent.get(&Spot::Ci(ci)) } else { None };
        recents.into_iter().flat_map(move |r| r.within(window)).filter(|p| self.alerts.get(*p).is_some())
    }

    /// All of the newest alerts on a CI or object that are still there.
    pub fn recent_on(&self, spot: Spot) -> impl Iterator<Item = Place> + use<'_> {
        self.recent_within(spot, Window { from: Timestamp(i64::MIN), to: Timestamp(i64::MAX) })
    }

    /// An alert has started earlier than was thought.
    pub fn restart(&mut self, place: Place, starts: Timestamp) {
        let alert = &mut self.alerts[place];
        alert.starts = starts;
        let spot = alert.spot;
        if let Some(recents) = self.recent.get_mut(&spot) {
            recents.restart(place, starts);
        }
    }
}
