//! Identity: which CI an event speaks of, and what makes two events one alert.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alert::Spot;
use super::cell::Cell;
use super::verdict::{Stage, Unmet};
use crate::domain::event::Event;
use crate::domain::ids::{CiId, IncidentId, SourceId};
use crate::domain::label::identity_text;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::{CiIx, Resolution};

/// Objects listed that are no CI, or several.
const STRANGERS_MAX: usize = 200;
/// CIs listed of one ambiguous object.
const CIS_MAX: usize = 5;

/// How events found their CIs since counting began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiLookups {
    /// Events whose object is one CI.
    pub resolved: u64,
    /// Events whose object the CMDB does not know.
    pub unresolved: u64,
    /// Events whose object's keys fit several CIs.
    pub ambiguous: u64,
    /// Objects that are no CI or several, by name; begun anew with every topology. At most 200: the others are only
    /// counted.
    pub strangers: BTreeMap<Box<str>, Stranger>,
    /// Events of objects that are not listed because the list was full.
    pub unlisted: u64,
}

/// An object that is not one CI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranger {
    pub source: SourceId,
    /// The CIs that it may be, at most five; none: the CMDB does not know it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cis: Vec<CiId>,
    pub events: u64,
    pub last_seen: Timestamp,
}

/// What makes two events one alert, and how long their ids are remembered.
#[derive(Clone, Debug)]
pub struct Identified {
    pub fingerprint: String,
    pub window: Option<Span>,
}

/// The fingerprint of what a source knows by a key of its own.
fn keyed(source: &SourceId, key: &str) -> String {
    [source.as_str(), key].join("\u{1f}")
}

impl Cell {
    /// The incident that a source's newest alert of this key is in.
    ///
    /// # Errors
    /// When there is none.
    pub fn incident_by_key(&self, source: &SourceId, key: &str) -> Result<IncidentId, &'static str> {
        let alert = self.current.get(&self.alerts, &keyed(source, key));
        let alert = alert.ok_or("the source has no alert of this key, or it was forgotten")?;
        self.incident_of(alert).ok_or("the alert is held: it is in no incident")
    }

    /// Where the event's object is: its CI, else the object by its own name.
    pub fn spot(&mut self, event: &Event) -> Spot {
        let several = match self.find_ci(event) {
            Ok(ci) => {
                self.lookups.resolved += 1;
                return Spot::Ci(ci);
            }
            Err(several) => several,
        };
        self.note_stranger(event, &several);
        Spot::Object(self.object(event.object.label()))
    }

    /// The one CI that the object's keys mean: the first key that means exactly one, else what several keys and the
    /// class have in common. Otherwise the CIs it may be.
    fn find_ci(&self, event: &Event) -> Result<CiIx, Vec<CiIx>> {
        let mut several: Vec<CiIx> = Vec::new();
        for key in event.object.keys_in_order() {
            match self.topology.resolve(key) {
                Resolution::One(ci) => return Ok(ci),
                Resolution::Ambiguous(cis) if several.is_empty() => several = cis,
                Resolution::Ambiguous(cis) => {
                    let both: Vec<CiIx> = several.iter().copied().filter(|ci| cis.contains(ci)).collect();
                    if !both.is_empty() {
                        several = both;
                    }
                }
                Resolution::Unknown => {}
            }
        }
        if several.len() > 1
            && let Some(class) = event.object.class.as_deref()
        {
            let of_class = |ci: &CiIx| self.topology.class(*ci).id.as_ref() == class;
            if several.iter().any(of_class) {
                several.retain(of_class);
            }
        }
        match several[..] {
            [one] => Ok(one),
            _ => Err(several),
        }
    }

    fn note_stranger(&mut self, event: &Event, several: &[CiIx]) {
        let (label, now) = (event.object.label(), self.now);
        let count = if several.is_empty() { &mut self.lookups.unresolved } else { &mut self.lookups.ambiguous };
        *count += 1;
        self.moment.checks.miss(Stage::Dedup, None, label, || match several.len() {
            0 => Unmet::UnknownCi,
            cis => Unmet::AmbiguousCi { cis: cis as u32 },
        });
        if let Some(stranger) = self.lookups.strangers.get_mut(label) {
            stranger.events += 1;
            stranger.last_seen = now;
        } else if self.lookups.strangers.len() >= STRANGERS_MAX {
            self.lookups.unlisted += 1;
        } else {
            let cis = several.iter().take(CIS_MAX).map(|ci| self.topology.id(*ci).clone()).collect();
            let stranger = Stranger { source: event.source.clone(), cis, events: 1, last_seen: now };
            self.lookups.strangers.insert(label.into(), stranger);
        }
    }

    /// What makes two events the same alert: the source's own key, else source, name, object and the labels that a
    /// rule (or else the source's mapping) calls identity.
    pub fn identify(&mut self, event: &Event, spot: Spot) -> Identified {
        let rule = if self.policy.dedup.is_empty() { None } else { self.policy.identity(event, &mut self.hits) };
        let window = rule.and_then(|rule| rule.window);
        if let Some(key) = &event.dedup_key {
            return Identified { fingerprint: keyed(&event.source, key), window };
        }
        let object = match spot {
            Spot::Ci(ci) => self.topology.id(ci).as_str(),
            Spot::Object(object) => &self.object_names[object as usize],
        };
        let of = |identity: &str| [event.source.as_str(), &event.name, object, identity].join("\u{1f}");
        let fingerprint = match rule {
            None => of(&event.identity),
            Some(rule) => {
                let is_identity = |key: &str| rule.labels.iter().any(|k| k.strip_prefix("labels.").unwrap_or(k) == key);
                let identity = identity_text(event.labels.iter().filter(|(key, _)| is_identity(key)));
                self.moment.checks.hit(Stage::Dedup, rule.rule, &identity, None);
                of(&identity)
            }
        };
        Identified { fingerprint, window }
    }
}
