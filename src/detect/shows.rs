//! What the objects of one source show: an event when something begins, becomes worse, or has ended.

use std::collections::{BTreeMap, BTreeSet};

use super::anomaly::{Anomaly, Kind};
use super::score::TOLD_FROM;
use super::series::Look;
use super::together::{Together, Turn};
use super::unusual::{Unusual, Whose};
use super::watch::{Kept, Key, One, Source, Subject};
use crate::domain::event::{Event, ObjectRef, Signal};
use crate::domain::ids::SourceId;
use crate::domain::point::Aspect;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// Silence that is no silence yet, however often readings come.
const SILENT_FROM: Span = Span::mins(3);

impl Source {
    pub fn is_unusual(&mut self, one: &One<'_>, subject: Subject, aspect: Aspect, look: Look) -> Option<Event> {
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

    pub fn is_usual(
        &mut self,
        whose: Whose<'_>,
        subject: &Subject,
        key: Key,
        at: Timestamp,
        why: &str,
    ) -> Option<Event> {
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
    pub fn is_heard(&mut self, one: &One<'_>) -> Vec<Event> {
        let names = [one.names.object.label(), one.whose.source.as_str()];
        let gone = names.into_iter().filter_map(|name| self.unusual.remove(&(name.into(), Kind::Silent)));
        gone.map(|silent| silent.ended(one.whose, one.point.at, "已恢复数据 / it is heard of again")).collect()
    }

    pub fn is_flat(&mut self, one: &One<'_>, is_flat: bool) -> Option<Event> {
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
        self.is_usual(one.whose, &subject, one.key, one.point.at, "重新变化 / it moves again")
    }

    pub fn goes_together(&mut self, one: &One<'_>, away: f64) -> Option<Event> {
        let object = one.names.object.label();
        if !self.together.contains_key(object) {
            self.together.insert(object.into(), Together::default());
        }
        let together = self.together.get_mut(object)?;
        let turn = together.take(one.key, away);
        let subject: Subject = (object.into(), Kind::Together);
        match turn {
            Turn::Usual | Turn::GoesOn(_) => None,
            Turn::Ended => {
                let known = self.unusual.remove(&subject)?;
                Some(known.ended(one.whose, one.point.at, "多指标关系恢复正常 / its metrics go together again"))
            }
            Turn::Begun(how) => {
                let key = together.column(how.column).unwrap_or(one.key);
                let name = self.series.get(&key).map_or(&one.names.name, |kept| &kept.names.name).clone();
                let (object, at) = (one.point.object.clone(), one.point.at);
                let mut fresh = Unusual::plain(Kind::Together, object, &name, how.deviations, at);
                fresh.worst.deviation = TOLD_FROM * how.height();
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

    /// Forgets series, and with them what they showed; what is left of their objects goes together without them.
    pub fn lose(&mut self, whose: Whose<'_>, gone: &BTreeSet<Key>, now: Timestamp, why: &str) -> Vec<Event> {
        let mut told = Vec::new();
        for key in gone {
            self.series.remove(key);
            let shown: Vec<Subject> = self.unusual.keys().cloned().collect();
            told.extend(shown.iter().filter_map(|subject| self.is_usual(whose, subject, *key, now, why)));
        }
        for (object, together) in self.together.iter_mut().filter(|_| !gone.is_empty()) {
            if together.leave(|key| gone.contains(key)) {
                let known = self.unusual.remove(&(object.clone(), Kind::Together));
                told.extend(known.map(|known| known.ended(whose, now, why)));
            }
        }
        self.together.retain(|_, together| !together.is_empty());
        told
    }

    /// Objects all of whose series are silent; when that is every object of several, it is the source that is silent.
    pub fn is_silent(&mut self, whose: Whose<'_>, now: Timestamp, gaps: u16) -> Vec<Event> {
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
pub(super) fn named(source: &SourceId) -> ObjectRef {
    ObjectRef { name: Some(source.as_str().to_owned()), ..ObjectRef::default() }
}
