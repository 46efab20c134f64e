//! How many events fire per minute, as series like any other: of each source, type of alert, CI and business service. The
//! beginning of a storm and a sudden silence are readings that are rare.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::watch::Names;
use crate::domain::event::ObjectRef;
use crate::domain::ids::{CiId, SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::point::{Aspect, Measure, Point, Worse};
use crate::domain::time::{Span, Timestamp};

/// The metric's name.
pub const ALERTS: &str = "alerts_per_minute";
/// What of a tenant is counted each by itself, of each kind; of what is more only the source's total tells.
pub const OF_KIND_MAX: usize = 500;
/// What had no event for so many minutes is not counted any more.
const IDLE_MINUTES: u16 = 720;
/// It makes room for another one after so many.
const ROOM_MINUTES: u16 = 60;
const MINUTE: Span = Span::mins(1);
/// The label of what is counted over all sources, and its words.
const COUNTED_BY: &str = "counted_by";
const OF_CI: &str = "ci";
const OF_SERVICE: &str = "service";

/// What is counted by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    Source(SourceId),
    /// A source's alerts of this name.
    Type(SourceId, Arc<str>),
    /// A CI, whoever speaks of it.
    Ci(CiId),
    /// A business service: the alerts of all that it needs.
    Service(CiId),
}

impl Of {
    const fn kind(&self) -> u8 {
        match self {
            Self::Source(_) => 0,
            Self::Type(..) => 1,
            Self::Ci(_) => 2,
            Self::Service(_) => 3,
        }
    }

    /// What a series of this name is of.
    fn read(names: &Names) -> Option<Self> {
        if &*names.name != ALERTS {
            return None;
        }
        if let Some(ci) = names.object.ci_id.as_deref() {
            let by = names.labels.get(COUNTED_BY)?;
            return Some(if by == OF_SERVICE { Self::Service(ci.into()) } else { Self::Ci(ci.into()) });
        }
        let source = SourceId::from(names.object.name.as_deref()?);
        Some(match names.labels.get("alert") {
            Some(name) => Self::Type(source, name.into()),
            None => Self::Source(source),
        })
    }
}

/// The events of one minute, by tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The minute, counted from 1970.
    pub minute: i64,
    pub counts: BTreeMap<TenantId, BTreeMap<Of, u32>>,
}

/// A reading, and whose it is.
pub type Reading = (TenantId, SourceId, Point);

/// What is counted, and for how many minutes it had no event.
#[derive(Debug)]
pub struct Rates {
    /// The source of what is counted over all sources.
    own: SourceId,
    known: BTreeMap<TenantId, BTreeMap<Of, u16>>,
}

/// What a minute gives.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    pub readings: Vec<Reading>,
    /// Series that do not go on: nothing more is told of them.
    pub left: Vec<Reading>,
}

impl Rates {
    /// Counts what goes over all sources as this source's.
    pub fn new(own: &str) -> Self {
        Self { own: own.into(), known: BTreeMap::new() }
    }

    /// A series that is known from before: it goes on.
    pub(super) fn know(&mut self, tenant: &TenantId, names: &Names) {
        if let Some(of) = Of::read(names) {
            self.known.entry(tenant.clone()).or_default().entry(of).or_insert(0);
        }
    }

    /// The readings of a minute that has ended; what did not come is a zero.
    pub fn close(&mut self, ended: &Ended) -> Told {
        for (tenant, counts) in &ended.counts {
            let known = self.known.entry(tenant.clone()).or_default();
            known.iter_mut().filter(|(of, _)| counts.contains_key(*of)).for_each(|(_, idle)| *idle = 0);
            counts.keys().for_each(|of| add(known, of));
        }
        let at = Timestamp((ended.minute + 1) * MINUTE.0);
        let mut told = Told::default();
        for (tenant, known) in &mut self.known {
            let counts = ended.counts.get(tenant);
            known.retain(|of, idle| {
                let count = counts.and_then(|counts| counts.get(of)).copied().unwrap_or(0);
                *idle = if count > 0 { 0 } else { idle.saturating_add(1) };
                let (source, point) = reading(of, &self.own, f64::from(count), at);
                let stays = *idle < IDLE_MINUTES;
                let series = if stays { &mut told.readings } else { &mut told.left };
                series.push((tenant.clone(), source, point));
                stays
            });
        }
        self.known.retain(|_, known| !known.is_empty());
        told
    }
}

/// Counts one more from now on, where there is room of its kind: that of the one that was idle for longest.
fn add(known: &mut BTreeMap<Of, u16>, of: &Of) {
    if known.contains_key(of) {
        return;
    }
    let alike = || known.iter().filter(|(one, _)| one.kind() == of.kind());
    if alike().count() >= OF_KIND_MAX {
        let idlest = alike().max_by_key(|(_, idle)| **idle);
        let Some(leaves) = idlest.filter(|(_, idle)| **idle >= ROOM_MINUTES).map(|(one, _)| one.clone()) else {
            return;
        };
        // It leaves with the minute that is closed now.
        known.insert(leaves, IDLE_MINUTES);
    }
    known.insert(of.clone(), 0);
}

fn reading(of: &Of, own: &SourceId, value: f64, at: Timestamp) -> (SourceId, Point) {
    let named = |source: &SourceId| ObjectRef { name: Some(source.as_str().to_owned()), ..ObjectRef::default() };
    let ci = |ci: &CiId| ObjectRef { ci_id: Some(ci.as_str().to_owned()), ..ObjectRef::default() };
    let (source, object, labels) = match of {
        Of::Source(source) => (source, named(source), Labels::default()),
        Of::Type(source, name) => (source, named(source), Labels::of([("alert", &**name)])),
        Of::Ci(id) => (own, ci(id), Labels::of([(COUNTED_BY, OF_CI)])),
        Of::Service(id) => (own, ci(id), Labels::of([(COUNTED_BY, OF_SERVICE)])),
    };
    let point = Point {
        name: ALERTS.into(),
        object,
        labels,
        value,
        at,
        unit: None,
        aspect: Some(Aspect::Traffic),
        measure: Some(Measure::Count),
        // That alerts of one type or CI stay away is what everybody hopes for; that all of a source's do is not.
        worse: Some(if of.kind() == 0 { Worse::Either } else { Worse::Up }),
        is_counter: false,
    };
    (source.clone(), point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(minute: i64, counts: &[(Of, u32)]) -> Ended {
        Ended { minute, counts: BTreeMap::from([("t".into(), counts.iter().cloned().collect())]) }
    }

    fn values(readings: &[Reading]) -> Vec<String> {
        let of = |(_, source, point): &Reading| {
            let labels: Vec<&str> = point.labels.iter().map(|(_, value)| value).collect();
            format!("{source} {} {} {}", point.object.label(), labels.join(","), point.value)
        };
        readings.iter().map(of).collect()
    }

    fn of_type(name: &str) -> Of {
        Of::Type("zabbix".into(), name.into())
    }

    #[test]
    fn a_minute_is_a_reading_and_what_stays_away_is_zero() {
        let mut rates = Rates::new("own");
        let counts = [(Of::Source("zabbix".into()), 5), (of_type("LinkDown"), 3), (Of::Ci("sw-1".into()), 2)];
        let told = rates.close(&ended(10, &[&counts[..], &[(Of::Service("pay".into()), 2)]].concat()));
        let first = ["zabbix zabbix  5", "zabbix zabbix LinkDown 3", "own sw-1 ci 2", "own pay service 2"];
        assert_eq!((values(&told.readings), told.left.len()), (first.map(str::to_owned).to_vec(), 0));
        assert!(told.readings.iter().all(|(_, _, point)| point.at == Timestamp(11 * 60_000)));
        let told = rates.close(&Ended { minute: 11, ..Ended::default() });
        assert!(told.readings.len() == 4 && told.readings.iter().all(|(_, _, point)| point.value == 0.0));
    }

    #[test]
    fn what_is_idle_leaves_and_what_is_known_from_before_goes_on() {
        let mut rates = Rates::new("own");
        rates.close(&ended(0, &[(of_type("LinkDown"), 1)]));
        let (_, point) = reading(&Of::Service("pay".into()), &"own".into(), 0.0, Timestamp(0));
        rates.know(&"t".into(), &Names { object: point.object, name: point.name, labels: point.labels });
        let left = |minute: i64, rates: &mut Rates| values(&rates.close(&ended(minute, &[(of_type("Alive"), 1)])).left);
        let minutes = (1..=720).map(|minute| left(minute, &mut rates));
        let all: Vec<Vec<String>> = minutes.filter(|left| !left.is_empty()).collect();
        assert_eq!(all, [vec!["zabbix zabbix LinkDown 0".to_owned(), "own pay service 0".to_owned()]]);
    }

    #[test]
    fn there_is_room_for_so_many_and_the_idlest_makes_it() {
        let mut rates = Rates::new("own");
        let storm: Vec<(Of, u32)> = (0..800).map(|n| (of_type(&format!("a{n:03}")), 1)).collect();
        assert_eq!(rates.close(&ended(0, &storm)).readings.len(), OF_KIND_MAX);
        let more = [(of_type("later"), 1), (Of::Ci("sw-1".into()), 1)];
        assert_eq!(rates.close(&ended(1, &more)).readings.len(), OF_KIND_MAX + 1, "CIs have a room of their own");
        (2..70).for_each(|minute| _ = rates.close(&ended(minute, &[(of_type("a000"), 1)])));
        let told = rates.close(&ended(70, &[(of_type("later"), 1)]));
        assert_eq!((told.readings.len(), told.left.len()), (OF_KIND_MAX + 1, 1));
        assert!(values(&told.readings).contains(&"zabbix zabbix later 1".to_owned()));
        let other = Ended { minute: 71, counts: BTreeMap::from([("u".into(), BTreeMap::from([(of_type("x"), 1)]))]) };
        assert!(
            rates.close(&other).readings.iter().any(|(tenant, ..)| tenant.as_str() == "u"),
            "nor do tenants share it"
        );
    }
}
