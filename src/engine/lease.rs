//! Lease: an alert of which its source says how long its word holds is over then, unless it is said again.

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::deadlines::Due;
use super::dedup::Found;
use super::slab::Place;
use super::verdict::Repeat;
use crate::domain::alert::AlertState;
use crate::domain::event::{Event, Status};
use crate::domain::incident::TimelineKind;
use crate::domain::time::Timestamp;

/// How long the newest word of a source holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    until: Timestamp,
    /// When its timer fires. Timers that were set for an earlier word find another time here.
    wakes: Timestamp,
}

/// Whether an event was the newest word about its alert, or came late or once more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Newest,
    Other,
}

fn word(found: &Found, event: &Event) -> Option<(Place, Word)> {
    match *found {
        Found::Fresh(place) | Found::Again(place) | Found::Repeat(Some(place), Repeat::StillFiring) => {
            Some((place, Word::Newest))
        }
        // Without an id the same text is said anew; the same id is sent anew.
        Found::Repeat(Some(place), Repeat::SameEvent) if event.id.is_empty() => Some((place, Word::Newest)),
        Found::Repeat(Some(place), Repeat::SameEvent | Repeat::Late) => Some((place, Word::Other)),
        Found::Repeat(_, Repeat::StillResolved | Repeat::Conflict) | Found::Repeat(None, _) => None,
        Found::Resolved(..) | Found::Held(..) | Found::Dropped(_) | Found::Full => None,
    }
}

impl Cell {
    /// An event was heard: its alert fires for as long as it says. The newest word counts; another one, such as that of a second
    /// observer whose alert began earlier, only makes it longer. Gives back what was found.
    pub fn renew(&mut self, found: Found, event: &Event) -> Found {
        if event.status == Status::Firing
            && let Some((place, word)) = word(&found, event)
        {
            self.extend(place, word, event);
        }
        found
    }

    fn extend(&mut self, place: Place, word: Word, event: &Event) {
        let now = self.now;
        let alert = &mut self.alerts[place];
        let before = alert.rare.lease;
        let is_newest = word == Word::Newest && event.starts_at >= alert.last_start;
        if !alert.is_firing() || (event.expires_at.is_none() && before.is_none()) {
            return;
        }
        // What would hold for longer than anything is believed without a word needs no timer of its own.
        let said = event.expires_at.filter(|at| at.since(now) <= self.policy.settings.expire_after);
        let before_it = before.map(|lease| lease.until);
        let Some(until) = (if is_newest { said } else { said.max(before_it) }) else {
            alert.rare.make().lease = None;
            return;
        };
        let set = before.map(|lease| lease.wakes).filter(|wakes| *wakes > now && *wakes <= until);
        alert.rare.make().lease = Some(Lease { until, wakes: set.unwrap_or(until) });
        if set.is_none() {
            self.deadlines.set(until, Due::Lease(place));
        }
    }

    /// A timer: what a source said of an alert may hold no longer.
    pub fn lease_over(&mut self, place: Place) {
        let now = self.now;
        let Some(alert) = self.alerts.get_mut(place) else { return };
        let Some(lease) = alert.rare.lease.filter(|lease| lease.wakes <= now) else { return };
        let goes_on = alert.state == AlertState::Firing && lease.until > now;
        alert.rare.make().lease = goes_on.then_some(Lease { wakes: lease.until, ..lease });
        if goes_on {
            return self.deadlines.set(lease.until, Due::Lease(place));
        }
        if !alert.is_firing() {
            return;
        }
        // The same words again are news from here on.
        alert.body = 0;
        let source = alert.source.clone();
        let group = &self.groups[alert.group];
        if group.firing() == 1
            && let Some(incident) = group.incident.as_ref().map(|incident| incident.id)
        {
            // Nobody has said that it is over: whoever reads that it recovers is told so.
            self.note(incident, "headwater", TimelineKind::NoLongerReported, source.as_str());
        }
        self.end(place);
        self.flip(place);
    }
}
