//! All series that are watched, and the anomaly events that come of their readings: one when something on an object becomes
//! unusual, one when it becomes worse, one when it has ended.
//!
//! What is kept of a series has one size whatever its names are like, and there are at most so many of them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::anomaly::{Anomaly, event_of, name};
use super::series::{Look, Series, Turn};
use crate::domain::event::{ANOMALY, Event, ObjectRef, Signal, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::point::{Aspect, Point};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// The detector's name and version, as they stand in its events.
const MODEL: (&str, u32) = ("robust-baseline", 1);

/// Which series: a digest of its names.
type Key = [u8; 16];

/// An object and what of it is unusual.
type Subject = (Box<str>, Aspect);

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Scored,
    /// Not enough is known of its series yet.
    Learned,
    /// Its series has a newer one.
    Old,
    /// There are too many series: it would begin one more.
    Refused,
}

/// The series of all sources.
#[derive(Debug)]
pub struct Watch {
    series_max: usize,
    series: usize,
    sources: BTreeMap<(TenantId, SourceId), Source>,
    /// Alerts that stood before we began, and of which nobody would tell the end.
    before: BTreeSet<(TenantId, SourceId, Subject)>,
    told: Vec<Event>,
}

#[derive(Debug, Default)]
struct Source {
    series: BTreeMap<Key, Series>,
    unusual: BTreeMap<Subject, Unusual>,
}

/// What is unusual now.
#[derive(Debug)]
struct Unusual {
    object: ObjectRef,
    labels: Labels,
    /// The series that show it.
    shown_by: BTreeSet<Key>,
    worst: Anomaly,
    look: Look,
    told: Severity,
    began: Timestamp,
}

/// Whose series it is.
#[derive(Clone, Copy)]
struct Whose<'a> {
    tenant: &'a TenantId,
    source: &'a SourceId,
}

impl Watch {
    /// Watches at most so many series.
    pub fn new(series_max: usize) -> Self {
        let (sources, before, told) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Self { series_max, series: 0, sources, before, told }
    }

    /// How many series are watched.
    pub const fn series(&self) -> usize {
        self.series
    }

    /// An alert of ours that stands from before: its end is told when its series are usual.
    pub fn stood_before(&mut self, tenant: TenantId, source: SourceId, alert: &str, object: &str) {
        let aspects = [Aspect::Traffic, Aspect::Latency, Aspect::Errors, Aspect::Saturation];
        if let Some(aspect) = aspects.into_iter().find(|aspect| name(*aspect) == alert) {
            self.before.insert((tenant, source, (object.into(), aspect)));
        }
    }

    /// The events that are to be told.
    pub fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    /// Takes a reading that came at `now`.
    pub fn take(&mut self, tenant: &TenantId, source: &SourceId, point: &Point, now: Timestamp) -> Taken {
        let of = self.sources.entry((tenant.clone(), source.clone())).or_default();
        let key = key(point);
        if !of.series.contains_key(&key) {
            if self.series >= self.series_max {
                return Taken::Refused;
            }
            self.series += 1;
        }
        let begin = || {
            let aspect = point.aspect.unwrap_or_else(|| Aspect::of_name(&point.name));
            Series::new(aspect, point.measure, point.worse.unwrap_or_else(|| aspect.worse()), now)
        };
        let series = of.series.entry(key).or_insert_with(begin);
        let turn = series.take(point.at, point.value, now);
        let subject = (point.object.label().into(), series.aspect());
        let whose = Whose { tenant, source };
        match turn {
            Turn::Old => return Taken::Old,
            Turn::Learning => return Taken::Learned,
            Turn::Usual => {
                if of.unusual.contains_key(&subject) || self.before.is_empty() {
                    return Taken::Scored;
                }
                if self.before.remove(&(tenant.clone(), source.clone(), subject.clone())) {
                    let gone = Unusual::of_before(point, subject.1);
                    self.told.push(gone.ended(whose, point.at, "it is usual after a restart"));
                }
            }
            Turn::Begun(look) | Turn::GoesOn(look) => self.told.extend(of.is_unusual(whose, subject, point, key, look)),
            Turn::Ended(_) => self.told.extend(of.is_usual(whose, &subject, key, point.at, "it is usual again")),
        }
        Taken::Scored
    }

    /// Forgets series of which nothing was heard for `idle`, and with them what they showed.
    pub fn sweep(&mut self, now: Timestamp, idle: Span) {
        for ((tenant, source), of) in &mut self.sources {
            let silent = |series: &Series| now.since(series.heard) > idle;
            let gone: Vec<Key> = of.series.iter().filter(|(_, one)| silent(one)).map(|(key, _)| *key).collect();
            self.series -= gone.len();
            for key in gone {
                of.series.remove(&key);
                let whose = Whose { tenant, source };
                let shown: Vec<Subject> = of.unusual.keys().cloned().collect();
                for subject in shown {
                    let why = "its series is not heard of any more";
                    self.told.extend(of.is_usual(whose, &subject, key, now, why));
                }
            }
        }
        self.sources.retain(|_, of| !of.series.is_empty());
    }

    /// Forgets a tenant's series without a word: somebody else watches them, or they are read once more.
    pub fn forget(&mut self, tenant: &TenantId) {
        self.sources.retain(|(of, _), source| {
            let stays = of != tenant;
            self.series -= if stays { 0 } else { source.series.len() };
            stays
        });
        self.told.retain(|event| event.tenant != *tenant);
    }
}

impl Source {
    fn is_unusual(&mut self, whose: Whose<'_>, subject: Subject, point: &Point, key: Key, look: Look) -> Option<Event> {
        let anomaly = Anomaly {
            aspect: subject.1,
            series: point.name.clone(),
            signal: Signal::Metric,
            deviation: look.deviation,
            reading: look.reading,
            usual: look.usual,
        };
        let severity = anomaly.severity();
        let Some(known) = self.unusual.get_mut(&subject) else {
            let fresh = Unusual {
                object: point.object.clone(),
                labels: point.labels.clone(),
                shown_by: BTreeSet::from([key]),
                worst: anomaly,
                look,
                told: severity,
                began: look.from,
            };
            let event = fresh.firing(whose);
            self.unusual.insert(subject, fresh);
            return Some(event);
        };
        known.shown_by.insert(key);
        if look.deviation > known.worst.deviation {
            (known.worst, known.look, known.labels) = (anomaly, look, point.labels.clone());
        }
        if severity <= known.told {
            return None;
        }
        known.told = severity;
        Some(known.firing(whose))
    }

    fn is_usual(&mut self, whose: Whose<'_>, subject: &Subject, key: Key, at: Timestamp, why: &str) -> Option<Event> {
        let known = self.unusual.get_mut(subject)?;
        known.shown_by.remove(&key);
        if !known.shown_by.is_empty() {
            return None;
        }
        let event = known.ended(whose, at, why);
        self.unusual.remove(subject);
        Some(event)
    }
}

impl Unusual {
    /// Of what an alert from before was made is not known any more.
    fn of_before(point: &Point, aspect: Aspect) -> Self {
        let (reading, usual) = (point.value, point.value);
        let worst =
            Anomaly { aspect, series: point.name.clone(), signal: Signal::Metric, deviation: 0.0, reading, usual };
        let (from, until) = (point.at, point.at);
        let look = Look { deviation: 0.0, reading, usual, spread: 0.0, learned: 0, from, until };
        Self {
            object: point.object.clone(),
            labels: point.labels.clone(),
            shown_by: BTreeSet::new(),
            told: worst.severity(),
            worst,
            look,
            began: point.at,
        }
    }

    fn firing(&self, whose: Whose<'_>) -> Event {
        let mut event = self.event(whose, self.began, self.told.as_str());
        let Look { spread, learned, from, until, .. } = self.look;
        let told = serde_json::json!({
            "score": self.worst.score(), "model": MODEL.0, "version": MODEL.1, "baseline": self.worst.usual,
            "spread": spread, "learned_from": learned, "from": from.to_string(), "until": until.to_string(),
        });
        event.annotations.insert(ANOMALY, &told.to_string());
        event
    }

    fn ended(&self, whose: Whose<'_>, at: Timestamp, why: &str) -> Event {
        let mut event = self.event(whose, at, "ended");
        event.status = Status::Resolved;
        event.description = why.into();
        event
    }

    /// The same readings always give the same id.
    fn event(&self, whose: Whose<'_>, at: Timestamp, word: &str) -> Event {
        let bare = Event::new(whose.tenant.clone(), whose.source.clone(), "", at);
        let mut event = event_of(self.object.clone(), &self.worst, bare);
        event.labels = self.labels.clone();
        let object = hex::encode(&Sha256::digest(self.object.label().as_bytes())[..8]);
        event.id = format!("{object}-{}-{}-{word}", event.name, at.0).into();
        event
    }
}

/// Two series are one when object, name and labels are.
fn key(point: &Point) -> Key {
    let mut hash = Sha256::new();
    let mut add = |tag: u8, text: &str| {
        hash.update([tag]);
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    let object = &point.object;
    for (tag, text) in [(1, &object.ci_id), (2, &object.name), (3, &object.ip)] {
        add(tag, text.as_deref().unwrap_or_default());
    }
    for (key, value) in &object.keys {
        add(4, key);
        add(5, value);
    }
    add(6, &point.name);
    for (key, value) in point.labels.iter() {
        add(7, key);
        add(8, value);
    }
    let mut key = Key::default();
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(object: &str, name: &str, minute: i64, value: f64) -> Point {
        Point {
            name: name.into(),
            object: ObjectRef { name: Some(object.into()), ..ObjectRef::default() },
            labels: Labels::of([("zone", "a")]),
            value,
            at: Timestamp(1_700_000_000_000 + minute * 60_000),
            unit: None,
            aspect: None,
            measure: None,
            worse: None,
        }
    }

    fn told(watch: &mut Watch) -> Vec<String> {
        let of = |event: Event| {
            format!("{:?} {} {} {}", event.status, event.name, event.object.label(), event.severity.as_str())
        };
        watch.told().into_iter().map(of).collect()
    }

    /// Minutes of two latencies of `web`, as they are from minute to minute.
    fn feed(watch: &mut Watch, minutes: std::ops::Range<i64>, p50: f64, p99: f64) {
        let (tenant, source) = ("t".into(), "s".into());
        for minute in minutes {
            let wave = (minute % 5) as f64 / 50.0;
            for (name, level) in [("latency_p50", p50), ("latency_p99", p99)] {
                let point = point("web", name, minute, level * (1.0 + wave));
                assert_ne!(watch.take(&tenant, &source, &point, point.at), Taken::Refused);
            }
        }
    }

    #[test]
    fn an_anomaly_is_told_when_it_begins_grows_and_ends() {
        let mut watch = Watch::new(10);
        feed(&mut watch, 0..60, 10.0, 30.0);
        assert_eq!(told(&mut watch), Vec::<String>::new());
        feed(&mut watch, 60..70, 10.0, 60.0);
        let begun = watch.told();
        assert_eq!((begun.len(), begun[0].status, begun[0].starts_at), (1, Status::Firing, point("", "", 59, 0.0).at));
        assert!(
            begun[0].anomaly_score() > Some(300) && begun[0].annotations.get(ANOMALY).unwrap().contains("baseline")
        );
        feed(&mut watch, 70..80, 500.0, 900.0);
        let grown = told(&mut watch);
        assert!(grown.len() == 1 && grown[0].ends_with("web critical"), "both series are one alert: {grown:?}");
        feed(&mut watch, 80..90, 10.0, 30.0);
        assert_eq!(told(&mut watch), ["Resolved latency-unusual web critical"]);
    }

    #[test]
    fn the_same_readings_have_the_same_ids() {
        let ids = || {
            let mut watch = Watch::new(10);
            feed(&mut watch, 0..60, 10.0, 30.0);
            feed(&mut watch, 60..70, 100.0, 300.0);
            feed(&mut watch, 70..80, 10.0, 30.0);
            watch.told().into_iter().map(|event| event.id).collect::<BTreeSet<_>>()
        };
        assert!(ids().len() >= 2);
        assert_eq!(ids(), ids());
    }

    #[test]
    fn too_many_series_are_refused_and_silent_ones_make_room() {
        let mut watch = Watch::new(2);
        feed(&mut watch, 0..60, 10.0, 30.0);
        feed(&mut watch, 60..70, 10.0, 300.0);
        assert!(told(&mut watch).len() == 1);
        let more = point("db", "latency_p99", 70, 1.0);
        let (tenant, source) = ("t".into(), "s".into());
        assert_eq!((watch.take(&tenant, &source, &more, more.at), watch.series()), (Taken::Refused, 2));
        let later = point("db", "latency_p99", 1000, 1.0);
        watch.sweep(later.at, Span::hours(6));
        assert_eq!(told(&mut watch), ["Resolved latency-unusual web critical"], "nobody else would tell its end");
        assert_eq!((watch.take(&tenant, &source, &later, later.at), watch.series()), (Taken::Learned, 1));
    }

    #[test]
    fn the_end_of_an_alert_from_before_is_told_once() {
        let mut watch = Watch::new(10);
        watch.stood_before("t".into(), "s".into(), "latency-unusual", "web");
        watch.stood_before("t".into(), "s".into(), "LinkDown", "web");
        feed(&mut watch, 0..60, 10.0, 30.0);
        assert_eq!(told(&mut watch), ["Resolved latency-unusual web minor"]);
        watch.forget(&"t".into());
        assert_eq!(watch.series(), 0);
    }
}
