//! All series that are watched, and the anomaly events that come of their readings: one when something on an object becomes
//! unusual, one when it becomes worse, one when it has ended.
//!
//! What is kept of a series has one size, names aside, and there are at most so many of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::anomaly::Kind;
use super::before::{Before, ended_by, object_of};
use super::daybook::Daybook;
use super::drift::Scores;
use super::judge::Rule;
use super::jury::{Bench, Beside, Jury, Model};
use super::rates::Rates;
use super::score;
use super::series::{Series, Turn};
use super::stream::{Basis, Ear, Trigger};
use super::together::Together;
use super::trial::{Lone, Seen};
use super::unusual::{Unusual, Whose};
use crate::domain::event::{Event, ObjectRef};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::point::{Aspect, Measure, Point};
use crate::domain::time::{Span, Timestamp};

/// Which series: a digest of its names.
pub(super) type Key = [u8; 16];

/// An object and what is the matter with it.
pub(super) type Subject = (Box<str>, Kind);

/// Why what was unusual has ended though its readings did not come back.
const SETTLED: &str = "新水平已持续 120 个读数，视为正常 / it has stayed so for 120 readings: this level is usual now";

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
    /// The anomaly score per mille from which on a pattern is told; 285 is its bar.
    pub told_from: u16,
    /// Usual gaps between readings after which an object that is not heard of is told; 0 for never.
    pub silent_gaps: u16,
    /// Series of which readings are kept, to make models from.
    pub kept_series: usize,
}

impl Limits {
    /// So many series, all else as it is by default.
    pub fn of(series_max: usize) -> Self {
        Self { series_max, trigger: Trigger::default(), told_from: 375, silent_gaps: 10, kept_series: 0 }
    }

    fn ear(&self, bench: &Bench, rests: bool) -> Ear {
        let valid = bench.valid.filter(|_| !rests);
        let numbers = valid.unwrap_or_default().numbers;
        let rule = Rule { trigger: self.trigger, height_from: score::height_of(self.told_from), numbers };
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
    before: Before,
    told: Vec<Event>,
    pub(super) jury: Jury,
    /// There is no time for models at present.
    rests: bool,
    daybook: Daybook,
}

#[derive(Debug, Default)]
pub(super) struct Source {
    /// Each in one piece of memory.
    pub series: BTreeMap<Key, Box<Kept>>,
    pub unusual: BTreeMap<Subject, Unusual>,
    pub together: BTreeMap<Box<str>, Together<Key>>,
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
        let (sources, before, told) = (BTreeMap::new(), Before::default(), Vec::new());
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

    /// An alert of ours that stands from before: its end is told when its series are usual, or do not come.
    pub fn stood_before(&mut self, whose: (TenantId, SourceId), (alert, object): (&str, &str), now: Timestamp) {
        let Some(kind) = Kind::named(alert) else { return };
        let subject: Subject = (object.into(), kind);
        // What its series show already they also end.
        if self.sources.get(&whose).is_none_or(|of| !of.unusual.contains_key(&subject)) {
            self.before.note((whose.0, whose.1, subject), now);
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
                place.insert(Box::new(Kept::of(point, now)))
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
        let bench = self.jury.bench(tenant);
        let ear = self.limits.ear(bench, self.rests);
        let turn = kept.series.take(point.at, point.value, now, ear);
        let (aspect, is_flat, away) = (kept.series.aspect(), kept.series.is_flat(), kept.series.away());
        if turn == Turn::Old {
            return Taken::Old;
        }
        kept.note(bench, key, point, now);
        self.daybook.note(&key, (tenant, source), point.at, point.value);
        let nothing_stands = of.unusual.is_empty() && self.before.is_empty();
        if nothing_stands && !is_flat && away.is_none() {
            match turn {
                Turn::Old | Turn::Learning => return Taken::Learned,
                Turn::Usual => return Taken::Scored,
                Turn::Begun(_) | Turn::GoesOn(_) | Turn::Ended | Turn::Settled => {}
            }
        }
        let names = kept.names.clone();
        let whose = Whose { tenant, source, version: bench.valid.map_or(0, |model| model.version) };
        let one = One { whose, names: &names, key, point };
        let told = &mut self.told;
        told.extend(of.is_heard(&one));
        // That there is nothing to count is no standstill.
        let is_none = point.measure == Some(Measure::Count) && point.value == 0.0;
        told.extend(of.is_flat(&one, is_flat && !is_none));
        if let Some(away) = away {
            told.extend(of.goes_together(&one, away));
        }
        let subject: Subject = (names.object.label().into(), Kind::Unusual(aspect));
        match turn {
            Turn::Old | Turn::Learning => return Taken::Learned,
            Turn::Usual if self.before.is_empty() => {}
            Turn::Usual => {
                for subject in ended_by(&subject, source) {
                    if !of.unusual.contains_key(&subject) && self.before.is_over(tenant, source, &subject) {
                        let object = object_of(&subject, &names.object, source);
                        let gone = Unusual::plain(subject.1, object, &names.name, point.value, point.at);
                        told.push(gone.ended(whose, point.at, "重启后正常 / it is usual after a restart"));
                    }
                }
            }
            Turn::Begun(look) | Turn::GoesOn(look) => {
                self.before.is_over(tenant, source, &subject);
                told.extend(of.is_unusual(&one, subject, aspect, look));
            }
            Turn::Ended => told.extend(of.is_usual(whose, &subject, key, point.at, "恢复正常 / it is usual again")),
            Turn::Settled => told.extend(of.is_usual(whose, &subject, key, point.at, SETTLED)),
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
            let gone: BTreeSet<Key> = of.series.iter().filter(|(_, one)| silent(one)).map(|(key, _)| *key).collect();
            self.series -= gone.len();
            self.told.extend(of.lose(whose, &gone, now, "序列不再有数据 / its series is not heard of any more"));
            self.told.extend(of.is_silent(whose, now, self.limits.silent_gaps));
        }
        self.sources.retain(|_, of| !of.series.is_empty());
        self.told.extend(self.before.unheard(now, idle));
    }

    /// Forgets the series of a reading: nothing comes of it any more, and that is right.
    pub fn leave(&mut self, (tenant, source, point): &(TenantId, SourceId, Point)) {
        let Some(of) = self.sources.get_mut(&(tenant.clone(), source.clone())) else { return };
        let key = key(point);
        if of.series.contains_key(&key) {
            self.series -= 1;
            let whose = Whose { tenant, source, version: 0 };
            self.told.extend(of.lose(whose, &BTreeSet::from([key]), point.at, "不再计数 / it is not counted any more"));
        }
    }

    /// The rates that are among the series are known to `rates`, too.
    pub fn tell_rates(&self, rates: &mut Rates) {
        for ((tenant, _), of) in &self.sources {
            of.series.values().for_each(|kept| rates.know(tenant, &kept.names));
        }
    }

    /// Forgets the series of sources without a word: somebody else watches them.
    pub fn forget(&mut self, is_gone: impl Fn(&TenantId, &SourceId) -> bool) {
        self.sources.retain(|(tenant, source), of| {
            let goes = is_gone(tenant, source);
            self.series -= if goes { of.series.len() } else { 0 };
            !goes
        });
        self.before.forget(is_gone);
    }
}

/// A reading, and whose it is.
pub(super) struct One<'a> {
    pub whose: Whose<'a>,
    pub names: &'a Names,
    pub key: Key,
    pub point: &'a Point,
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
