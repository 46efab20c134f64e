//! Dedup: is this event news, or does it repeat what is known?

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{Alert, Bond, Spot};
use super::cell::Cell;
use super::children::Children;
use super::facts::Facts;
use super::identity::Identified;
use super::lane::Lane;
use super::lookup::Lookup;
use super::rare::{Parts, Rare};
use super::seen::SEEN_MAX;
use super::slab::Place;
use super::verdict::{Hold, Repeat, Resolution};
use crate::domain::alert::AlertState;
use crate::domain::event::{Event, EventType, Status};
use crate::domain::few::Few;
use crate::domain::incident::IncidentState;
use crate::domain::mute::MutedBy;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// Ends of alerts that were not known, in case their start comes late: by the source's clock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EarlyEnds {
    at: Lookup<Arc<str>, Timestamp>,
    order: Lane<(Timestamp, Arc<str>)>,
}

impl EarlyEnds {
    /// Remembers an end for `window`.
    fn remember(&mut self, fingerprint: Arc<str>, at: Timestamp, now: Timestamp, window: Span) {
        while let Some((then, _)) = self.order.front()
            && (now.since(*then) > window || self.order.len() >= SEEN_MAX)
        {
            if let Some((_, old)) = self.order.pop_front() {
                self.at.remove(&old);
            }
        }
        match self.at.get(&fingerprint) {
            // Ends come in any order; the last one counts.
            Some(known) if *known >= at => {}
            Some(_) => drop(self.at.insert(fingerprint, at)),
            None => {
                self.at.insert(fingerprint.clone(), at);
                self.order.push_back((now, fingerprint));
            }
        }
    }

    /// Whether an alert that started at `starts` is known to be over.
    fn covers(&self, fingerprint: &str, starts: Timestamp) -> bool {
        self.at.get(fingerprint).is_some_and(|end| starts < *end)
    }
}

/// What dedup found.
#[derive(Clone, Debug)]
pub enum Found {
    /// A new alert, or a new episode of a known one.
    Fresh(Place),
    /// An alert that fires again before its story ended.
    Again(Place),
    Repeat(Option<Place>, Repeat),
    Resolved(Option<Place>, Resolution),
    Held(Option<Place>, Hold),
    /// A rule drops it.
    Dropped(MutedBy),
    /// The tenant has too many alerts.
    Full,
}

/// FNV-1a over words of eight bytes: only tells an equal body from another one of the same event id or alert, never
/// identity.
fn body_hash(event: &Event) -> u64 {
    let fields = [event.name.as_ref(), event.title.as_ref(), event.description.as_ref(), event.object.label()];
    let pairs = event.labels.iter().chain(event.annotations.iter()).flat_map(|(key, value)| [key, value]);
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(29);
    let text = |hash: u64, text: &str| {
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        let hash = words.iter().fold(mix(hash, text.len() as u64), |hash, word| mix(hash, u64::from_le_bytes(*word)));
        if rest.is_empty() {
            return hash;
        }
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        mix(hash, u64::from_le_bytes(word))
    };
    let hash =
        fields.into_iter().chain(pairs).chain(event.acknowledged_by.as_deref()).fold(0xcbf2_9ce4_8422_2325, text);
    mix(mix(hash, event.starts_at.0 as u64), u64::from(event.status as u8) << 8 | u64::from(event.severity as u8))
}

impl Cell {
    /// Takes an event to its alert.
    pub fn dedup(&mut self, event: &Event) -> Found {
        // Before anything is learned or counted of it.
        if event.test.is_some() {
            return Found::Held(None, Hold::Test);
        }
        let spot = self.spot(event);
        let Identified { fingerprint, window } = self.identify(event, spot);
        let known = self.known(&fingerprint, event, spot);
        let body = body_hash(event);
        let repeat = self.is_repeat(event, body, window, known);
        if let Some(repeat) = repeat {
            if let Some(place) = known {
                self.alerts[place].last_seen = self.now;
                self.revive_sides(place);
            }
            return Found::Repeat(known, repeat);
        }
        if event.status == Status::Change {
            if let Some(ci) = spot.ci() {
                let title = if event.title.is_empty() { &event.name } else { &event.title };
                // Told late, it was made before what it has caused.
                self.remember_change(ci, event.starts_at.min(self.now), title, &event.source);
            }
            return Found::Held(None, Hold::Change);
        }
        let clock = self.learned.observe(&event.source, event.starts_at, self.now);
        match (event.status, known) {
            (Status::Resolved, None) => {
                let window = self.tuning.event_id_window;
                self.early_ends.remember(fingerprint.into(), event.starts_at, self.now, window);
                Found::Resolved(None, Resolution::BeforeStart)
            }
            (Status::Firing, None) if self.early_ends.covers(&fingerprint, event.starts_at) => {
                Found::Repeat(None, Repeat::Late)
            }
            (Status::Resolved, Some(place)) => self.on_resolved(place, event),
            (Status::Firing | Status::Change, known) => {
                let event = self.enrich(event, spot);
                let firing = known.is_some_and(|place| self.alerts[place].is_firing());
                if !firing && let Some(by) = self.drops(&event, spot) {
                    return Found::Dropped(by);
                }
                let found = match known {
                    None if self.is_full(&event.source) => Found::Full,
                    None => Found::Fresh(self.raise(&event, spot, fingerprint.into(), clock)),
                    Some(place) => self.on_known(place, &event, spot, fingerprint.into(), clock),
                };
                if let Found::Fresh(place) = found {
                    self.alerts[place].body = body;
                }
                found
            }
        }
    }

    /// The alert of an event. One that began before the CMDB knew its object goes by the object's own name.
    fn known(&self, fingerprint: &str, event: &Event, spot: Spot) -> Option<Place> {
        let alive = |fingerprint: &str| self.current.get(&self.alerts, fingerprint);
        alive(fingerprint).or_else(|| {
            let (id, label) = (self.topology.id(spot.ci()?).as_str(), event.object.label());
            self.objects.get(label)?;
            let [by_id, by_label] = [id, label].map(|object| format!("\u{1f}{object}\u{1f}"));
            alive(&fingerprint.replacen(&by_id, &by_label, 1))
        })
    }

    /// How the event's id repeats an earlier one; without an id, whether it says the same as the alert's last event.
    /// `window` is a rule's, else the usual one holds.
    fn is_repeat(&mut self, event: &Event, body: u64, window: Option<Span>, known: Option<Place>) -> Option<Repeat> {
        if event.id.is_empty() {
            let window = window.unwrap_or(self.tuning.event_id_window);
            let alert = self.alerts.get_mut(known?)?;
            let same = std::mem::replace(&mut alert.body, body) == body && self.now.since(alert.last_seen) <= window;
            if !same {
                return None;
            }
            // The source says again what it said: it is counted. The same id again is only sent again.
            self.heard(known?);
            return Some(Repeat::SameEvent);
        }
        let key = [event.source.as_str(), &event.id].join("\u{1f}");
        let (seen, window) = match window {
            Some(window) => (self.seen_for.entry(window).or_default(), window),
            None => (&mut self.seen, self.tuning.event_id_window),
        };
        seen.check(key, body, self.now, window)
    }

    fn on_resolved(&mut self, place: Place, event: &Event) -> Found {
        let now = self.now;
        self.heard(place);
        let alert = &mut self.alerts[place];
        alert.last_seen = now;
        if event.starts_at < alert.last_start {
            return Found::Repeat(Some(place), Repeat::Late);
        }
        alert.last_start = event.starts_at;
        if alert.state == AlertState::Resolved {
            return Found::Repeat(Some(place), Repeat::StillResolved);
        }
        self.end(place);
        self.flip(place);
        Found::Resolved(Some(place), Resolution::Ended)
    }

    fn on_known(&mut self, place: Place, event: &Event, spot: Spot, fingerprint: Arc<str>, clock: u32) -> Found {
        let (now, tuning) = (self.now, self.tuning.clone());
        let alert = &mut self.alerts[place];
        let gap = now.since(alert.last_seen);
        let firing = alert.state == AlertState::Firing;
        let late = event.starts_at < alert.last_start;
        let same = firing && event.starts_at == alert.last_start;
        if late || same || (firing && gap < tuning.repeat_window) {
            alert.last_seen = now;
            alert.last_start = alert.last_start.max(event.starts_at);
            alert.anomaly = alert.anomaly.max(event.anomaly_score().unwrap_or(0));
            if event.starts_at < alert.starts {
                self.restart(place, event.starts_at);
            }
            self.heard(place);
            if !late {
                self.take_severity(place, event);
            }
            return Found::Repeat(Some(place), if late { Repeat::Late } else { Repeat::StillFiring });
        }
        let is_over = self.is_over(place);
        let again =
            gap < tuning.refire_window && !is_over && (self.alerts[place].chronic || !self.starts_anew(place, event));
        // Without room for another one, the known alert goes on, however long ago it was.
        if again || self.is_full(&event.source) {
            self.fire_again(place, event);
            return Found::Again(place);
        }
        if firing {
            self.end(place);
        }
        Found::Fresh(self.raise(event, spot, fingerprint, clock))
    }

    /// Counts an event for an alert and its incident.
    fn heard(&mut self, place: Place) {
        let alert = &mut self.alerts[place];
        alert.count += 1;
        let group = alert.group;
        self.groups[group].events += 1;
        self.revive_sides(place);
    }

    /// An alert is as severe as its last event that is not late says, up or down; a word that nobody knows changes nothing.
    fn take_severity(&mut self, place: Place, event: &Event) {
        let is_known = !matches!(event.severity, Severity::Cleared | Severity::Indeterminate);
        if is_known && self.alerts[place].severity != event.severity {
            self.reseverity(place, event.severity);
            self.refield(place);
        }
    }

    /// Whether the alert's incident is closed and has been quiet for longer than it may be reopened.
    pub fn is_over(&self, place: Place) -> bool {
        let Some(incident) = self.groups[self.alerts[place].group].incident.as_ref() else { return false };
        let quiet = incident.recovered_at.or(incident.closed_at).map(|since| self.now.since(since));
        incident.state == IncidentState::Closed && quiet.is_some_and(|quiet| quiet >= self.policy.settings.reopen_gap)
    }

    /// Whether a refire belongs to another, later fault than the alert does now.
    fn starts_anew(&mut self, place: Place, event: &Event) -> bool {
        let onset = event.starts_at.plus(self.learned.offset(self.alerts[place].clock));
        let Some(link) = self.best_parent(place, onset) else { return false };
        if link.score <= self.background(place) + 2000 {
            return false;
        }
        let (mine, theirs) = (self.alerts[place].group, self.alerts[link.parent].group);
        let root_onset = self.onset(&self.alerts[self.groups[theirs].root]);
        mine != theirs && root_onset > self.onset(&self.alerts[place]).plus(Span::secs(30))
    }

    fn fire_again(&mut self, place: Place, event: &Event) {
        self.heard(place);
        let now = self.now;
        let alert = &mut self.alerts[place];
        let was_resolved = alert.state == AlertState::Resolved;
        alert.last_seen = now;
        let is_late = event.starts_at < alert.last_start;
        alert.last_start = alert.last_start.max(event.starts_at);
        alert.anomaly = alert.anomaly.max(event.anomaly_score().unwrap_or(0));
        if !is_late && !event.title.is_empty() {
            alert.title = event.title.clone();
        }
        if was_resolved {
            alert.cycles += 1;
            alert.firing_since = now;
            self.set_firing(place, AlertState::Firing);
            self.flip(place);
            self.plan_promotion(place);
        }
        if !is_late {
            self.take_severity(place, event);
        }
        let alert = &self.alerts[place];
        if alert.cycles >= self.tuning.chronic_cycles && alert.children.is_empty() && !alert.chronic {
            self.make_chronic(place);
        }
    }

    /// Makes a new alert of an event.
    fn raise(&mut self, event: &Event, spot: Spot, fingerprint: Arc<str>, clock: u32) -> Place {
        let kind = self.learned.kind(&event.source, &event.name);
        self.learned.since.get_or_insert(self.now);
        let id = self.alert_id();
        let facts = self.facts.share(kind, Facts::of(event, &self.policy.lasting));
        let before = self.current.get(&self.alerts, &fingerprint).and_then(|place| self.alerts.get_mut(place));
        let flaps = before.and_then(|before| before.rare.found()?.flaps.take());
        let changed_before = flaps.is_some();
        let alert = Alert {
            id,
            fingerprint,
            source: self.learned.shared_source(clock, &event.source),
            clock,
            kind,
            name: self.learned.shared_name(kind, &event.name),
            title: event.title.clone(),
            object: self.shared_object(spot, event.object.label()),
            labels: event.labels.clone(),
            severity: if event.severity == Severity::Cleared { Severity::Indeterminate } else { event.severity },
            state: AlertState::Firing,
            spot,
            starts: event.starts_at,
            last_start: event.starts_at,
            received: self.now,
            last_seen: self.now,
            firing_since: self.now,
            count: 1,
            cycles: 1,
            chronic: false,
            inferred: None,
            declared_symptom: event.probable_cause.as_deref() == Some("underlyingResourceUnavailable"),
            anomaly: event.anomaly_score().unwrap_or(0),
            intrinsic: event.event_type == Some(EventType::Equipment),
            muted_by: Few::default(),
            mute: None,
            facts,
            flapping: false,
            body: 0,
            noisy: false,
            lasted: false,
            listed: false,
            parent: None,
            bond: Bond::Evidence,
            score: 0,
            children: Children::default(),
            group: Place::default(),
            rare: Rare::of(Parts { flaps: flaps.map(|flaps| Box::new(flaps.of_a_later_alert())), ..Parts::default() }),
        };
        let place = self.keep(alert);
        self.plan_promotion(place);
        self.current.insert(&self.alerts, place);
        self.moment.alerts.insert(place);
        if changed_before {
            self.flip(place);
        }
        place
    }

    /// Ends an alert: its condition no longer holds.
    pub fn end(&mut self, place: Place) {
        self.set_firing(place, AlertState::Resolved);
    }

    /// An alert that keeps coming and going without any effect is kept out of incidents.
    fn make_chronic(&mut self, place: Place) {
        let young = self.now.since(self.alerts[place].received) <= self.tuning.learn_after;
        self.alerts[place].chronic = true;
        self.moment.alerts.insert(place);
        if young {
            let stays = matches!(self.alerts[place].bond, Bond::Rule | Bond::Person);
            if self.alerts[place].parent.is_some() && !stays {
                self.detach(place);
            }
            return;
        }
        // Its past stays where it was; what comes now is an episode of its own that is only counted.
        let mut ghost = self.alerts[place].clone();
        if self.incident_of(place).is_some() {
            self.end(place);
            ghost.id = self.alert_id();
            ghost.received = self.now;
            ghost.parent = None;
            ghost.children = Children::default();
            ghost.listed = false;
            let flaps = self.alerts[place].rare.found().and_then(|parts| parts.flaps.take());
            let flaps = flaps.map(|flaps| Box::new(flaps.of_a_later_alert()));
            ghost.rare = Rare::of(Parts { flaps, ruled: ghost.rare.parts().ruled, ..Parts::default() });
            ghost.count = 1;
            let ghost = self.keep(ghost);
            self.look_at_flaps(ghost);
            self.remute(ghost);
            self.current.insert(&self.alerts, ghost);
            self.moment.alerts.insert(ghost);
        }
    }
}
