//! The same storm through three formats: whatever says it, the same incidents come of it.

use std::collections::{BTreeMap, BTreeSet};

use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::decode::{Body, Context, Decoded, alertmanager_webhook, cloudevents, native};
use headwater::domain::event::{Event, Status};
use headwater::domain::ids::{AlertId, IncidentId, SourceId};
use headwater::domain::incident::IncidentState;
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::Loaded;
use headwater::engine::effect::Effect;
use headwater::engine::input::Input;
use headwater::lab::built_in::read_topology;
use headwater::lab::estate::{Scale, sample_estate};
use headwater::lab::storm::{Size, storm};
use serde_json::{Value, json};

use crate::storms::{engine, record, tenant};

/// As our own JSON has it.
fn as_native(event: &Event) -> Value {
    json!({
        "name": event.name, "title": event.title, "status": event.status, "severity": event.severity.as_str(),
        "object": { "name": event.object.label() }, "starts_at": event.starts_at.to_string(),
    })
}

fn as_cloudevent(event: &Event) -> Value {
    let id = format!("{}-{}-{}", event.name, event.object.label(), event.starts_at);
    let kind = if event.status == Status::Resolved { "cleared" } else { "raised" };
    let id = format!("{id}-{kind}");
    json!({
        "specversion": "1.0", "id": id, "source": "/monitor", "type": format!("headwater.event.{kind}.v1"),
        "time": event.observed_at.to_string(), "data": as_native(event),
    })
}

/// As Alertmanager's webhook has it, in the words of Prometheus.
fn as_alertmanager(event: &Event) -> Value {
    let severity = match event.severity {
        Severity::Critical => "critical",
        Severity::Major => "error",
        Severity::Minor => "warning",
        Severity::Warning | Severity::Indeterminate | Severity::Cleared => "info",
    };
    let at = event.starts_at.to_string();
    let mut alert = json!({
        "status": "firing", "startsAt": at,
        "labels": { "alertname": event.name, "instance": event.object.label(), "severity": severity },
        "annotations": { "summary": event.title },
    });
    if event.status == Status::Resolved {
        (alert["status"], alert["endsAt"]) = ("resolved".into(), at.into());
    }
    json!({ "version": "4", "status": alert["status"], "alerts": [alert] })
}

/// Alerts by name and object, and the CI that is named as the root.
type Told = BTreeSet<(BTreeSet<String>, String)>;

/// What comes of a storm that is told in one format.
fn told(events: &[Event], write: impl Fn(&Event) -> Value, read: impl Fn(Body<'_>, &Context<'_>) -> Decoded) -> Told {
    let formats = Formats::built_in();
    let (tenant, source) = (tenant(), SourceId::from("monitor"));
    let text = sample_estate(Scale::default());
    let mut engine = engine(&read_topology("sample estate", text.as_bytes(), None, 1).unwrap());
    let mut alerts: BTreeMap<AlertId, (String, Option<IncidentId>)> = BTreeMap::new();
    let mut roots: BTreeMap<IncidentId, (IncidentState, String)> = BTreeMap::new();
    let mut fold = |effects: Vec<Effect>| {
        for effect in effects {
            match effect {
                Effect::Alert { alert } => {
                    alerts.insert(alert.id, (format!("{} {}", alert.name, alert.object), alert.incident));
                }
                Effect::Incident { incident, .. } => {
                    let root = incident.candidates.first().map(|best| best.ci.id.to_string()).unwrap_or_default();
                    roots.insert(incident.id, (incident.state, root));
                }
                _ => {}
            }
        }
    };
    let mut now = Timestamp(0);
    for event in events {
        now = event.observed_at;
        let context = Context {
            tenant: &tenant,
            source: &source,
            received_at: Some(now),
            severities: &formats.severities,
            limits: &Limits::MODEL,
        };
        let body = write(event).to_string();
        let decoded = read(Body::from(body.as_bytes()), &context);
        assert_eq!((decoded.events.len(), decoded.rejected.len()), (1, 0), "{body}: {:?}", decoded.rejected);
        fold(engine.step(now, &record(&decoded.events[0]), Loaded::Nothing));
    }
    for minute in 1..=15 {
        fold(engine.step(now.plus(Span::mins(minute)), &Input::Tick, Loaded::Nothing));
    }
    let of = |id: IncidentId| alerts.values().filter(move |(_, of)| *of == Some(id)).map(|(name, _)| name.clone());
    let standing = roots.iter().filter(|(_, (state, _))| *state != IncidentState::Merged);
    standing.map(|(id, (_, root))| (of(*id).collect(), root.clone())).collect()
}

#[test]
fn a_storm_through_three_formats_gives_the_same_incidents() {
    let text = sample_estate(Scale::default());
    let estate = read_topology("sample estate", text.as_bytes(), None, 1).unwrap();
    let size = Size { faults: 6, gap: Span::mins(5), noise: 10 };
    let mut events = storm(&estate, &tenant(), Timestamp(1_767_571_200_000), size, 2026).events;
    // One monitor tells all of it, and names objects as people do.
    // Alertmanager knows no changes.
    events.retain(|event| event.status != Status::Change);
    for event in &mut events {
        event.source = SourceId::from("monitor");
    }
    let formats = Formats::built_in();
    let own = told(&events, as_native, |body, context| native::decode(body, context).unwrap());
    let cloud = told(&events, as_cloudevent, |body, context| cloudevents::decode(body, context).unwrap());
    let alertmanager = told(&events, as_alertmanager, |body, context| {
        alertmanager_webhook::decode(body, context, &formats.alertmanager).unwrap()
    });
    assert!(own.len() >= 5 && own.iter().any(|(alerts, _)| alerts.len() > 5), "{} incidents", own.len());
    assert_eq!(own, cloud);
    assert_eq!(own, alertmanager);
}
