//! What is unusual on an object, from its first event to its last.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::anomaly::{Anomaly, Kind, event_of};
use super::score::of_spreads;
use super::series::Look;
use super::watch::Key;
use crate::domain::event::{ANOMALY, Event, ObjectRef, Signal, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::point::Aspect;
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;

/// The detector's name, as it stands in its events.
pub const MODEL: &str = "metric";

/// Whose series it is.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub tenant: &'a TenantId,
    pub source: &'a SourceId,
    /// The version of the model that they are judged by; 0: of none.
    pub version: u32,
}

/// What is unusual now.
#[derive(Debug)]
pub(super) struct Unusual {
    pub kind: Kind,
    pub object: ObjectRef,
    pub labels: Labels,
    /// The series that show it.
    pub shown_by: BTreeSet<Key>,
    pub worst: Anomaly,
    pub look: Look,
    pub told: Severity,
    pub began: Timestamp,
    /// Words of a person for what is no reading.
    pub why: String,
}

impl Unusual {
    /// What has no strength of its own: it stands still, or is not heard of.
    pub fn plain(kind: Kind, object: ObjectRef, series: &str, reading: f64, at: Timestamp) -> Self {
        let aspect = Aspect::Saturation;
        let (usual, deviation) = (reading, 0.0);
        let worst = Anomaly { aspect, series: series.into(), signal: Signal::Metric, deviation, reading, usual };
        let (from, until, spread, learned) = (at, at, 0.0, 0);
        let (by_hours, by_pattern) = (0.0, 0.0);
        let look = Look { deviation, by_hours, by_pattern, reading, usual, spread, learned, from, until, rare: None };
        let (labels, shown_by, told, why) = (Labels::default(), BTreeSet::new(), Severity::Warning, String::new());
        Self { kind, object, labels, shown_by, worst, look, told, began: at, why }
    }

    pub fn firing(&self, whose: Whose<'_>) -> Event {
        let mut event = self.event(whose, self.began, self.told.as_str());
        event.description = self.why.as_str().into();
        let Look { by_hours, by_pattern, spread, learned, from, until, rare, .. } = self.look;
        let mut told = serde_json::json!({
            "score": self.worst.score(), "model": MODEL, "version": whose.version, "baseline": self.worst.usual,
            "spread": spread, "learned_from": learned, "from": from.to_string(), "until": until.to_string(),
        });
        if let Kind::Unusual(_) = self.kind {
            told["of"] = serde_json::json!({ "hours": of_spreads(by_hours), "pattern": of_spreads(by_pattern) });
        }
        if let Some((rarity, view)) = rare {
            told["view"] = view.word().into();
            told["digits_of_rarity"] = (f64::from(rarity * 100.0).round() / 100.0).into();
        }
        // What is only there or not has no score: it is judged like any alert.
        if matches!(self.kind, Kind::Unusual(_) | Kind::Together) {
            event.annotations.insert(ANOMALY, &told.to_string());
        }
        event
    }

    pub fn ended(&self, whose: Whose<'_>, at: Timestamp, why: &str) -> Event {
        let mut event = self.event(whose, at, "ended");
        event.status = Status::Resolved;
        event.description = why.into();
        event
    }

    /// The same readings always give the same id.
    fn event(&self, whose: Whose<'_>, at: Timestamp, word: &str) -> Event {
        let bare = Event::new(whose.tenant.clone(), whose.source.clone(), "", at);
        let mut event = event_of(self.object.clone(), &self.worst, self.kind, bare);
        event.labels = self.labels.clone();
        let object = hex::encode(&Sha256::digest(self.object.label().as_bytes())[..8]);
        event.id = format!("{object}-{}-{}-{word}", event.name, at.0).into();
        event
    }
}
