//! All series that are watched, and the anomaly events that come of their readings: one when something on an object becomes
//! unusual, one when it becomes worse, one when it has ended.
//!
//! What is kept of a series has one size, names aside, and there are at most so many of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::anomaly::{Anomaly, Kind};
use super::daybook::Daybook;
use super::drift::Scores;
use super::judge::Rule;
use super::jury::{Bench, Beside, Jury, Model};
use super::series::{Look, Series, Turn};
use super::stream::{Basis, Ear, Trigger};
use super::together::{self, Together};
use super::trial::{Lone, Seen};
use super::unusual::{Unusual, Whose};
use crate::domain::event::{Event, ObjectRef, Signal};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::point::{Aspect, Point};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// Silence that is no silence yet, however often readings come.
const SILENT_FROM: Span = Span::mins(3);

/// Which series: a digest of its names.
pub(super) type Key = [u8; 16];

/// An object and what is the matter with it.
pub(super) type Subject = (Box<str>, Kind);

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

/// What is watched, and what of it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub series_max: usize,
    pub trigger: Trigger,
    /// The anomaly score per mille from which on a pattern is told; 500 is the bar.
    pub told_from: u16,
    /// Usual gaps between readings after which an object that is not heard of is told; 0 for never.
    pub silent_gaps: u16,
    /// Series of which readings are kept, to make models from.
    pub kept_series: usize,
}

impl Limits {
    /// So many series, all else as it is by default.
    pub fn of(series_max: usize) -> Self {
        Self { series_max, trigger: Trigger::default(), told_from: 600, silent_gaps: 10, kept_series: 0 }
    }

    fn ear(&self, bench: &Bench, rests: bool) -> Ear {
        let score = f32::from(self.told_from.clamp(500, 999));
        let valid = bench.valid.filter(|_| !rests);
        let numbers = valid.unwrap_or_default().numbers;
        let rule = Rule { trigger: self.trigger, height_from: score / (1000.0 - score), numbers };
        let beside = bench.beside.map(|beside| (beside.trial, beside.model.numbers));
        Ear { rule, beside, by: if valid.is_some() { Basis::Model } else { Basis::Hours } }
    }
}

/// The series of all sources.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    pub(super) series: usize,
    pub(super) sources: BTreeMap<(TenantId, SourceId), Source>,
    /// Alerts that stood before we began, and of which nobody would tell the end.
    before: BTreeSet<(TenantId, SourceId, Subject)>,
    told: Vec<Event>,
    pub(super) jury: Jury,
    /// There is no time for models at present.
    rests: bool,
    daybook: Daybook,
}

#[derive(Debug, Default)]
pub(super) struct Source {
    pub series: BTreeMap<Key, Kept>,
    pub unusual: BTreeMap<Subject, Unusual>,
    together: BTreeMap<Box<str>, Together<Key>>,
}

/// A series and its names.
#[derive(Debug)]
pub(super) struct Kept {
    pub series: Series,
    pub names: Arc<Names>,
    /// The last reading of what counts up.
    pub counted: Option<(Timestamp, f64)>,
    /// What one of two models told of it and the other one did not yet.
    pub lone: Option<Lone>,
}

/// What a series is called.
#[derive(Debug)]
pub(super) struct Names {
    pub object: ObjectRef,
    pub name: Box<str>,
    pub labels: Labels,
}

impl Watch {
    /// Watches within these limits.
    pub fn new(limits: Limits) -> Self {
        let (sources, before, told) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let daybook = Daybook::of(limits.kept_series);
        Self { limits, series: 0, sources, before, told, jury: Jury::default(), rests: false, daybook }
    }

    /// Judges a tenant's series by this model from the next reading on; none: by the last hours alone.
    pub fn judge_by(&mut self, tenant: &TenantId, valid: Option<Model>) {
        self.jury.judge_by(tenant, valid);
    }

    /// Tries this model beside, without effects; none: no longer.
    pub fn try_beside(&mut self, tenant: &TenantId, beside: Option<Beside>) {
        self.jury.try_beside(tenant, beside);
    }

    /// Whether all series are judged by the last hours alone for the present.
    pub fn rest(&mut self, rests: bool) {
        self.rests = rests;
    }

    /// Lines of the daybook since the last time, and how many readings were lost before.
    pub fn lines(&mut self) -> (String, u64) {
        self.daybook.lines()
    }

    /// How rare a tenant's readings of the last day were.
    pub fn scores(&self, tenant: &TenantId) -> Scores {
        self.jury.scores(tenant)
    }

    /// How many series are watched.
    pub const fn series(&self) -> usize {
        self.series
    }

    /// Whether one more series can be watched.
    pub(super) const fn has_room(&self) -> bool {
        self.series < self.limits.series_max
    }

    /// An alert of ours that stands from before: its end is told when its series are usual.
    pub fn stood_before(&mut self, tenant: TenantId, source: SourceId, alert: &str, object: &str) {
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == alert) {
            self.before.insert((tenant, source, (object.into(), kind)));
        }
    }

    /// The events that are to be told.
    pub fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    /// Takes a reading that came at `now`.
    pub fn take(&mut self, tenant: &TenantId, source: &SourceId, point: &Point, now: Timestamp) -> Taken {
        let has_room = self.has_room();
        let of = self.sources.entry((tenant.clone(), source.clone())).or_default();
        let key = key(point);
        let kept = match of.series.entry(key) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(_) if !has_room => return Taken::Refused,
            Entry::Vacant(place) => {
                self.series += 1;
                place.insert(Kept::of(point, now))
            }
        };
        let rated;
        let point = if point.is_counter {
            let Some(value) = kept.rate(point) else { return Taken::Learned };
            rated = Point { value, ..point.clone() };
            &rated
        } else {
            point
        };
        let (names, bench) = (kept.names.clone(), self.jury.bench(tenant));
        let ear = self.limits.ear(bench, self.rests);
        let turn = kept.series.take(point.at, point.value, now, ear);
        let (aspect, is_flat, away) = (kept.series.aspect(), kept.series.is_flat(), kept.series.away());
        if turn == Turn::Old {
            return Taken::Old;
        }
        kept.note(bench, key, point, now);
        self.daybook.note(&key, (tenant, source), point.at, point.value);
        let whose = Whose { tenant, source, version: bench.valid.map_or(0, |model| model.version) };
        let one = One { whose, names: &names, key, point };
        let told = &mut self.told;
        told.extend(of.is_heard(&one));
        told.extend(of.is_flat(&one, is_flat));
        if let Some(away) = away {
            told.extend(of.goes_together(&one, away));
        }
        let subject: Subject = (names.object.label().into(), Kind::Unusual(aspect));
        match turn {
            Turn::Old | Turn::Learning => return Taken::Learned,
            Turn::Usual => {
                let silent = (source.as_str().into(), Kind::Silent);
                let kinds = [subject.1, Kind::Flat, Kind::Silent, Kind::Together];
                for subject in kinds.map(|kind| (subject.0.clone(), kind)).into_iter().chain([silent]) {
                    if of.unusual.contains_key(&subject) || self.before.is_empty() {
                        continue;
                    }
                    if self.before.remove(&(tenant.clone(), source.clone(), subject.clone())) {
                        let object = names.object.clone();
                        let object = if *subject.0 == *names.object.label() { object } else { named(source) };
                        let gone = Unusual::plain(subject.1, object, &names.name, point.value, point.at);
                        told.push(gone.ended(whose, point.at, "it is usual after a restart"));
                    }
                }
            }
            Turn::Begun(look) | Turn::GoesOn(look) => told.extend(of.is_unusual(&one, subject, aspect, look)),
            Turn::Ended(_) => told.extend(of.is_usual(whose, &subject, key, point.at, "it is usual again")),
        }
        Taken::Scored
    }

    /// Forgets series of which nothing was heard for `idle`, and with them what they showed; tells which objects are not
    /// heard of any more.
    pub fn sweep(&mut self, now: Timestamp, idle: Span) {
        for ((tenant, source), of) in &mut self.sources {
            let version = self.jury.get(tenant).map_or(1, |bench| bench.valid.map_or(0, |model| model.version));
            let whose = Whose { tenant, source, version };
            let silent = |kept: &Kept| now.since(kept.series.heard) > idle;
            let gone: Vec<Key> = of.series.iter().filter(|(_, one)| silent(one)).map(|(key, _)| *key).collect();
            self.series -= gone.len();
            for key in gone {
                of.series.remove(&key);
                let shown: Vec<Subject> = of.unusual.keys().cloned().collect();
                for subject in shown {
                    let why = "its series is not heard of any more";
                    self.told.extend(of.is_usual(whose, &subject, key, now, why));
                }
            }
            self.told.extend(of.is_silent(whose, now, self.limits.silent_gaps));
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

/// A reading, and whose it is.
struct One<'a> {
    whose: Whose<'a>,
    names: &'a Names,
    key: Key,
    point: &'a Point,
}

impl Kept {
    fn of(point: &Point, now: Timestamp) -> Self {
        let aspect = point.aspect.unwrap_or_else(|| Aspect::of_name(&point.name));
        let series = Series::new(aspect, point.measure, point.worse.unwrap_or_else(|| aspect.worse()), now);
        let names = Names { object: point.object.clone(), name: point.name.clone(), labels: point.labels.clone() };
        Self { series, names: Arc::new(names), lone: None, counted: None }
    }

    /// What counts up, as a rate per second; `None` for the first reading. One that fell began anew.
    fn rate(&mut self, point: &Point) -> Option<f64> {
        let (at, before) = self.counted.replace((point.at, point.value))?;
        let secs = point.at.since(at).0 as f64 / 1000.0;
        let more = if point.value >= before { point.value - before } else { point.value };
        (secs > 0.0).then_some(more / secs)
    }

    /// Counts what was said of the last reading.
    fn note(&mut self, bench: &mut Bench, key: Key, point: &Point, now: Timestamp) {
        let Some(said) = self.series.said() else { return };
        if said.is_mature {
            bench.recent.add(now, said.glance.rarity);
        }
        if said.beside.is_some() {
            let (object, name, value) = (self.names.object.label(), &*self.names.name, point.value);
            let (reading, gap) = (self.series.readings(), self.series.gap());
            let seen = Seen { key, object, name, at: point.at, value, reading, gap };
            bench.tried.take(&seen, said, &mut self.lone);
        }
    }
}

impl Source {
    fn is_unusual(&mut self, one: &One<'_>, subject: Subject, aspect: Aspect, look: Look) -> Option<Event> {
        let Look { deviation, reading, usual, .. } = look;
        let series = one.names.name.clone();
        let anomaly = Anomaly { aspect, series, signal: Signal::Metric, deviation, reading, usual };
        let severity = anomaly.severity();
        let Some(known) = self.unusual.get_mut(&subject) else {
            let fresh = Unusual {
                kind: subject.1,
                object: one.point.object.clone(),
                labels: one.point.labels.clone(),
                shown_by: BTreeSet::from([one.key]),
                worst: anomaly,
                look,
                told: severity,
                began: look.from,
                why: String::new(),
            };
            let event = fresh.firing(one.whose);
            self.unusual.insert(subject, fresh);
            return Some(event);
        };
        known.shown_by.insert(one.key);
        if look.deviation > known.worst.deviation {
            (known.worst, known.look, known.labels) = (anomaly, look, one.point.labels.clone());
        }
        if severity <= known.told {
            return None;
        }
        known.told = severity;
        Some(known.firing(one.whose))
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

    /// A reading came: neither its object nor the source is silent.
    fn is_heard(&mut self, one: &One<'_>) -> Vec<Event> {
        let names = [one.names.object.label(), one.whose.source.as_str()];
        let gone = names.into_iter().filter_map(|name| self.unusual.remove(&(name.into(), Kind::Silent)));
        gone.map(|silent| silent.ended(one.whose, one.point.at, "it is heard of again")).collect()
    }

    fn is_flat(&mut self, one: &One<'_>, is_flat: bool) -> Option<Event> {
        let subject: Subject = (one.names.object.label().into(), Kind::Flat);
        let Some(known) = self.unusual.get_mut(&subject) else {
            if !is_flat {
                return None;
            }
            let (point, name) = (one.point, &one.names.name);
            let mut fresh = Unusual::plain(Kind::Flat, point.object.clone(), name, point.value, point.at);
            fresh.why =
                format!("{name} 一直在变，现已停在 {0} / {name} always moved and stands at {0} now", point.value);
            fresh.labels = point.labels.clone();
            fresh.shown_by.insert(one.key);
            let event = fresh.firing(one.whose);
            self.unusual.insert(subject, fresh);
            return Some(event);
        };
        if is_flat {
            known.shown_by.insert(one.key);
            return None;
        }
        self.is_usual(one.whose, &subject, one.key, one.point.at, "it moves again")
    }

    fn goes_together(&mut self, one: &One<'_>, away: f64) -> Option<Event> {
        let object = one.names.object.label();
        if !self.together.contains_key(object) {
            self.together.insert(object.into(), Together::default());
        }
        let together = self.together.get_mut(object)?;
        let turn = together.take(one.key, away);
        let subject: Subject = (object.into(), Kind::Together);
        match turn {
            together::Turn::Usual | together::Turn::GoesOn(_) => None,
            together::Turn::Ended => {
                let known = self.unusual.remove(&subject)?;
                Some(known.ended(one.whose, one.point.at, "its metrics go together again"))
            }
            together::Turn::Begun(how) => {
                let key = together.column(how.column).unwrap_or(one.key);
                let name = self.series.get(&key).map_or(&one.names.name, |kept| &kept.names.name).clone();
                let (object, at) = (one.point.object.clone(), one.point.at);
                let mut fresh = Unusual::plain(Kind::Together, object, &name, how.deviations, at);
                fresh.worst.deviation = super::anomaly::TOLD_FROM * how.height();
                (fresh.worst.usual, fresh.look.deviation) = (0.0, fresh.worst.deviation);
                fresh.told = fresh.worst.severity();
                fresh.why = format!(
                    "{name} 偏离最大，{0:.1} 个标准差 / {name} is off most, by {0:.1} deviations",
                    how.deviations
                );
                fresh.shown_by.insert(key);
                let event = fresh.firing(one.whose);
                self.unusual.insert(subject, fresh);
                Some(event)
            }
        }
    }

    /// Objects all of whose series are silent; when that is every object of several, it is the source that is silent.
    fn is_silent(&mut self, whose: Whose<'_>, now: Timestamp, gaps: u16) -> Vec<Event> {
        if gaps == 0 {
            return Vec::new();
        }
        let mut objects: BTreeMap<&str, (bool, &Kept, BTreeSet<Key>)> = BTreeMap::new();
        for (key, kept) in &self.series {
            let Some(gap) = kept.series.gap() else { continue };
            let allowed = Span(gap.0.saturating_mul(i64::from(gaps))).max(SILENT_FROM);
            let is_silent = now.since(kept.series.heard) > allowed;
            let entry = objects.entry(kept.names.object.label()).or_insert((true, kept, BTreeSet::new()));
            entry.0 &= is_silent;
            entry.2.insert(*key);
        }
        let all = objects.len();
        let silent: Vec<(&Kept, BTreeSet<Key>)> =
            objects.into_values().filter(|(silent, ..)| *silent).map(|(_, kept, keys)| (kept, keys)).collect();
        let whole = silent.len() > 1 && silent.len() == all;
        let fresh = |object: ObjectRef, heard: Timestamp, shown_by: BTreeSet<Key>| {
            let mut silent = Unusual::plain(Kind::Silent, object, "", 0.0, heard);
            (silent.told, silent.shown_by) = (Severity::Minor, shown_by);
            silent.why = format!("最后数据 {heard} / last heard of at {heard}");
            silent
        };
        let all: Vec<Unusual> = if whole {
            let heard = silent.iter().map(|(kept, _)| kept.series.heard).max().unwrap_or(now);
            let keys = silent.into_iter().flat_map(|(_, keys)| keys).collect();
            vec![fresh(named(whose.source), heard, keys)]
        } else {
            silent.into_iter().map(|(kept, keys)| fresh(kept.names.object.clone(), kept.series.heard, keys)).collect()
        };
        let source: Subject = (whose.source.as_str().into(), Kind::Silent);
        let mut told = Vec::new();
        for one in all {
            let subject: Subject = (one.object.label().into(), Kind::Silent);
            if !self.unusual.contains_key(&subject) && !self.unusual.contains_key(&source) {
                told.push(one.firing(whose));
                self.unusual.insert(subject, one);
            }
        }
        told
    }
}

/// The source itself as an object.
fn named(source: &SourceId) -> ObjectRef {
    ObjectRef { name: Some(source.as_str().to_owned()), ..ObjectRef::default() }
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
mod tests;
