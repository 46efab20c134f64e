//! Anomalies: what is unusual on a CI, one per aspect, as events for the journal.

use std::collections::BTreeMap;

use super::baseline::Baseline;
use super::score::{self, TOLD_FROM};
use crate::domain::event::{ANOMALY, Event, EventType, MetricRef, ObjectRef, Signal};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::point::{Aspect, Worse};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::domain::title::{self, OwnTitle};

/// Spreads from which on a window is told when somebody asks what was unusual at a known time.
pub(super) const ASKED_FROM: f64 = 2.0;
/// Scores from which on an anomaly is major, and critical.
const MAJOR_FROM: u16 = 500;
const CRITICAL_FROM: u16 = 667;

/// The alert's name.
pub const fn name(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Traffic => "traffic-unusual",
        Aspect::Latency => "latency-unusual",
        Aspect::Errors => "errors-unusual",
        Aspect::Saturation => "saturation-unusual",
    }
}

/// What is the matter with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A series of this aspect is unusual.
    Unusual(Aspect),
    /// Its series do not go together as usual.
    Together,
    /// A series stands still that always moved.
    Flat,
    /// Nothing is heard of it any more.
    Silent,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Unusual(Aspect::Traffic),
        Self::Unusual(Aspect::Latency),
        Self::Unusual(Aspect::Errors),
        Self::Unusual(Aspect::Saturation),
        Self::Together,
        Self::Flat,
        Self::Silent,
    ];

    /// The alert's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unusual(aspect) => name(aspect),
            Self::Together => "together-unusual",
            Self::Flat => "flatline",
            Self::Silent => "no-data",
        }
    }

    /// The kind whose alert has this name.
    pub fn named(alert: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == alert)
    }

    const fn event_type(self) -> EventType {
        match self {
            Self::Unusual(aspect) => event_type(aspect),
            Self::Together => EventType::QualityOfService,
            Self::Flat => EventType::ProcessingError,
            Self::Silent => EventType::Communications,
        }
    }

    /// Whether this is how we title such an alert: others name theirs alike.
    pub fn titles(self, title: &str) -> bool {
        self.title().before(title).is_some()
    }

    const fn title(self) -> OwnTitle {
        match self {
            Self::Unusual(Aspect::Traffic) => title::TRAFFIC,
            Self::Unusual(Aspect::Latency) => title::LATENCY,
            Self::Unusual(Aspect::Errors) => title::ERRORS,
            Self::Unusual(Aspect::Saturation) => title::SATURATION,
            Self::Together => title::TOGETHER,
            Self::Flat => title::FLAT,
            Self::Silent => title::SILENT,
        }
    }
}

/// Its type in X.733: what is full is the CI's own, slowness is what others feel.
const fn event_type(aspect: Aspect) -> EventType {
    match aspect {
        Aspect::Traffic | Aspect::Latency => EventType::QualityOfService,
        Aspect::Errors => EventType::ProcessingError,
        Aspect::Saturation => EventType::Equipment,
    }
}

/// One series of a CI, by the names that people know.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    pub ci: &'a str,
    pub aspect: Aspect,
    pub name: &'a str,
    pub signal: Signal,
    pub worse: Worse,
}

/// Something unusual on a CI.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    pub aspect: Aspect,
    /// The series that shows it most.
    pub series: Box<str>,
    pub signal: Signal,
    /// Spreads to the worse side.
    pub deviation: f64,
    pub reading: f64,
    pub usual: f64,
}

impl Anomaly {
    /// The anomaly score, per mille.
    pub fn score(&self) -> u16 {
        score::of_spreads(self.deviation)
    }

    /// How serious it is by itself. Traffic follows what others do: one step milder.
    pub(super) fn severity(&self) -> Severity {
        let mild = self.aspect == Aspect::Traffic;
        match self.score() {
            CRITICAL_FROM.. => {
                if mild {
                    Severity::Major
                } else {
                    Severity::Critical
                }
            }
            MAJOR_FROM.. => {
                if mild {
                    Severity::Minor
                } else {
                    Severity::Major
                }
            }
            _ => {
                if mild {
                    Severity::Warning
                } else {
                    Severity::Minor
                }
            }
        }
    }
}

/// The anomalies of one window over many series: the strongest one per CI and aspect.
#[derive(Clone, Debug)]
pub struct Findings {
    least: f64,
    found: BTreeMap<(Box<str>, Aspect), Anomaly>,
}

impl Findings {
    /// For a watch: only what is worth an alert by itself.
    pub const fn worth_telling() -> Self {
        Self { least: TOLD_FROM, found: BTreeMap::new() }
    }

    /// For a question about trouble that is known: also what is unusual a little.
    pub const fn of_known_trouble() -> Self {
        Self { least: ASKED_FROM, found: BTreeMap::new() }
    }

    /// Looks at a window of a series; keeps what is unusual and stronger than what is known of this CI and aspect.
    pub fn look(&mut self, series: &Series<'_>, usual: &Baseline, window: &[f64]) {
        let Some((deviation, reading)) = usual.sustained(window, series.worse) else { return };
        let key = (series.ci.into(), series.aspect);
        if deviation < self.least || self.found.get(&key).is_some_and(|known| known.deviation >= deviation) {
            return;
        }
        let (aspect, signal, name) = (series.aspect, series.signal, series.name.into());
        let usual = usual.centre();
        self.found.insert(key, Anomaly { aspect, series: name, signal, deviation, reading, usual });
    }

    /// The CI and what is unusual on it, strongest first.
    pub fn strongest_first(&self) -> Vec<(&str, &Anomaly)> {
        let mut all: Vec<(&str, &Anomaly)> = self.found.iter().map(|((ci, _), anomaly)| (&**ci, anomaly)).collect();
        all.sort_by(|a, b| b.1.deviation.total_cmp(&a.1.deviation));
        all
    }

    /// The events, all at one time: within a window nothing says what came before what. In the order in which one aspect
    /// of a CI brings about the next (what is full fails, what fails is slow), then strongest first.
    pub fn events(&self, tenant: &TenantId, source: &SourceId, at: Timestamp) -> Vec<Event> {
        let mut found = self.strongest_first();
        found.sort_by_key(|(_, anomaly)| std::cmp::Reverse(anomaly.aspect));
        found.into_iter().map(|(ci, anomaly)| event(ci, anomaly, tenant, source, at)).collect()
    }
}

fn event(ci: &str, anomaly: &Anomaly, tenant: &TenantId, source: &SourceId, at: Timestamp) -> Event {
    let object = ObjectRef { ci_id: Some(ci.to_owned()), ..ObjectRef::default() };
    let bare = Event::new(tenant.clone(), source.clone(), "", at);
    let mut event = event_of(object, anomaly, Kind::Unusual(anomaly.aspect), bare);
    event.annotations.insert(ANOMALY, &anomaly.score().to_string());
    event
}

/// Writes an anomaly of an object into a bare event.
pub(super) fn event_of(object: ObjectRef, anomaly: &Anomaly, kind: Kind, bare: Event) -> Event {
    // Of what is not heard of there is no reading.
    let metric = (kind != Kind::Silent).then(|| MetricRef {
        name: anomaly.series.to_string(),
        value: Some(anomaly.reading),
        threshold: Some(anomaly.usual),
        direction: Some(if anomaly.reading >= anomaly.usual { "up" } else { "down" }.to_owned()),
        ..MetricRef::default()
    });
    let severity = match kind {
        Kind::Unusual(_) | Kind::Together => anomaly.severity(),
        Kind::Flat => Severity::Warning,
        Kind::Silent => Severity::Minor,
    };
    Event {
        name: kind.name().into(),
        severity,
        title: format!("{} {}", object.label(), kind.title().kept()).into(),
        object,
        signal: Some(anomaly.signal),
        event_type: Some(kind.event_type()),
        metric,
        ..bare
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::point::Measure;

    #[test]
    fn the_strongest_series_of_an_aspect_speaks_for_it() {
        let usual = Baseline::of(&[1.0; 50], Measure::Amount).unwrap();
        let mut findings = Findings::worth_telling();
        let p95 = Series { ci: "web", aspect: Aspect::Latency, name: "p95", signal: Signal::Trace, worse: Worse::Up };
        findings.look(&p95, &usual, &[3.0, 3.0, 3.0]);
        findings.look(&Series { name: "p99", ..p95 }, &usual, &[9.0, 9.0, 9.0]);
        findings.look(&Series { name: "p50", ..p95 }, &usual, &[1.1, 1.1, 1.1]);
        findings.look(&Series { ci: "db", aspect: Aspect::Traffic, ..p95 }, &usual, &[2.0, 2.0, 2.0]);
        let mut asked = Findings::of_known_trouble();
        asked.look(&p95, &usual, &[1.4, 1.4, 1.4]);
        assert_eq!(asked.strongest_first().len(), 1, "what is not worth an alert may answer a question");
        let at = Timestamp(1_700_000_000_000);
        let events = findings.events(&TenantId::from("t"), &SourceId::from("senses"), at);
        let told: Vec<_> = events
            .iter()
            .map(|e| (e.object.label(), &*e.name, e.severity, e.metric.as_ref().unwrap().name.as_str()))
            .collect();
        let web = ("web", "latency-unusual", Severity::Critical, "p99");
        assert_eq!(told, [web, ("db", "traffic-unusual", Severity::Warning, "p95")]);
        assert!(events[0].anomaly_score() > Some(800), "{:?}", events[0].annotations);
        let kind = |event: &Event| Kind::named(&event.name).filter(|kind| kind.titles(&event.title));
        assert_eq!(kind(&events[0]), Some(Kind::Unusual(Aspect::Latency)));
        let other = Event { title: "no data of web".into(), name: "no-data".into(), ..events[0].clone() };
        assert_eq!((Kind::named(&other.name), kind(&other)), (Some(Kind::Silent), None), "a monitor's own");
    }
}
