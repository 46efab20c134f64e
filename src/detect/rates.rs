//! How many events a source sends per minute, in all and per alert name, as series like any other: the beginning of a
//! storm and a sudden silence are readings that are rare.

use std::collections::BTreeMap;

use crate::domain::event::{ANOMALY, Event, ObjectRef, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::point::{Aspect, Measure, Point, Worse};
use crate::domain::time::{Span, Timestamp};

/// The metric's name.
pub const ALERTS: &str = "alerts_per_minute";
/// Names of alerts that are counted each by itself; those of further names only in all.
const NAMES_MAX: usize = 500;
const MINUTE: Span = Span::mins(1);
/// Minutes that are made up for at most: a longer pause is no series of zeros.
const MISSED_MAX: i64 = 120;

/// Counts of the minute that goes on.
#[derive(Debug, Default)]
pub struct Rates {
    minute: Option<i64>,
    counts: BTreeMap<(TenantId, SourceId, Box<str>), u32>,
}

/// How many events there were, by tenant, source and alert name.
#[derive(Debug, Default)]
pub struct Counted(BTreeMap<(TenantId, SourceId, Box<str>), u32>);

impl Counted {
    /// Counts events that fire. Our own are not counted: an anomaly of the rate of anomalies would feed itself.
    pub fn of(events: &[Event]) -> Self {
        let mut counted = Self::default();
        for event in events.iter().filter(|event| event.status == Status::Firing) {
            if event.annotations.get(ANOMALY).is_none() {
                let key = (event.tenant.clone(), event.source.clone(), (*event.name).into());
                *counted.0.entry(key).or_default() += 1;
            }
        }
        counted
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Rates {
    /// Counts events in.
    pub fn count(&mut self, counted: Counted) {
        for ((tenant, source, name), n) in counted.0 {
            *self.counts.entry((tenant.clone(), source.clone(), "".into())).or_default() += n;
            let own = (tenant, source, name);
            if self.counts.len() < NAMES_MAX || self.counts.contains_key(&own) {
                *self.counts.entry(own).or_default() += n;
            }
        }
    }

    /// The readings of the minutes that have ended by now; what did not come is a zero.
    pub fn due(&mut self, now: Timestamp) -> Vec<(TenantId, SourceId, Point)> {
        let minute = now.0.div_euclid(MINUTE.0);
        let Some(last) = self.minute.replace(minute).filter(|last| *last < minute) else { return Vec::new() };
        let mut points = Vec::new();
        for ended in last.max(minute - MISSED_MAX)..minute {
            for ((tenant, source, name), count) in &mut self.counts {
                let value = f64::from(std::mem::take(count));
                let at = Timestamp((ended + 1) * MINUTE.0);
                points.push((tenant.clone(), source.clone(), reading(source, name, value, at)));
            }
        }
        points
    }
}

fn reading(source: &SourceId, name: &str, value: f64, at: Timestamp) -> Point {
    let labels = if name.is_empty() { Labels::default() } else { Labels::of([("alert", name)]) };
    Point {
        name: ALERTS.into(),
        object: ObjectRef { name: Some(source.as_str().to_owned()), ..ObjectRef::default() },
        labels,
        value,
        at,
        unit: None,
        aspect: Some(Aspect::Traffic),
        measure: Some(Measure::Count),
        // That one alert stays away is what everybody hopes for; that all do is not.
        worse: Some(if name.is_empty() { Worse::Either } else { Worse::Up }),
        is_counter: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_a_reading_and_what_stays_away_is_zero() {
        let mut rates = Rates::default();
        let at = |minute: i64| Timestamp(minute * 60_000 + 5);
        let mut event = Event::new("t".into(), "zabbix".into(), "LinkDown", at(10));
        event.status = Status::Firing;
        assert_eq!(rates.due(at(10)), []);
        rates.count(Counted::of(&[event.clone(), event.clone()]));
        event.status = Status::Resolved;
        assert!(Counted::of(&[event]).is_empty());
        assert_eq!(rates.due(at(10)), []);
        let told = |points: Vec<(TenantId, SourceId, Point)>| {
            points.iter().map(|(_, _, point)| (point.labels.iter().count(), point.value)).collect::<Vec<_>>()
        };
        assert_eq!(told(rates.due(at(11))), [(0, 2.0), (1, 2.0)]);
        assert_eq!(told(rates.due(at(13))), [(0, 0.0), (1, 0.0), (0, 0.0), (1, 0.0)]);
    }
}
