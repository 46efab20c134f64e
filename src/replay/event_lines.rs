//! Events as lines of a data set: as the journal has them, and the mapping that reads them again.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::domain::event::Event;
use crate::domain::ids::EventRef;
use crate::domain::time::Timestamp;

/// Keys of objects that the mapping names: the first by name. Of others the value is only in the line.
const KEYS_MAX: usize = 200;

/// Lines that are written, and what their mapping must name.
#[derive(Debug, Default)]
pub struct EventLines {
    keys: BTreeSet<String>,
}

impl EventLines {
    /// An event as the journal has it, under its place in the journal: by that the truth names it.
    pub fn line(&mut self, event: &Event, at: EventRef, received: Timestamp) -> Value {
        self.keys.extend(event.object.keys.keys().cloned());
        let mut line = serde_json::to_value(event).expect("an event has text keys only");
        line["alert_id"] = at.to_string().into();
        line["received_at"] = json!(received);
        // A mapping names labels of identity for all sources alike: what tells the alerts of one apart stands in one key.
        if event.dedup_key.is_none() && !event.identity.is_empty() {
            let (name, object) = (&event.name, event.object.label());
            line["dedup_key"] = format!("{name}|{object}|{}", event.identity).into();
        }
        line
    }

    /// The mapping that reads the lines.
    pub fn mapping(&self) -> String {
        let plain = self.keys.iter().filter(|key| !key.contains('"')).take(KEYS_MAX);
        let keys: serde_json::Map<String, Value> =
            plain.map(|key| (key.clone(), format!("object.keys[\"{key}\"]").into())).collect();
        let grades = ["critical", "major", "minor", "warning", "indeterminate", "cleared"];
        let grades: serde_json::Map<String, Value> =
            grades.iter().map(|word| ((*word).into(), (*word).into())).collect();
        let mut event = json!({
            "id": "alert_id",
            "starts_at": { "from": "starts_at", "format": "ms" },
            "ends_at": { "from": "ends_at", "format": "ms" },
            "observed_at": { "from": "received_at", "format": "ms" },
            "severity": { "from": "severity", "map": grades },
            "object": { "ci_id": "object.ci_id", "class": "object.class", "name": "object.name", "ip": "object.ip", "keys": keys },
            "labels": { "copy": [{ "from": "labels" }] },
            "annotations": { "copy": [{ "from": "annotations" }] },
            "metric": { "name": "metric.name", "value": "metric.value", "unit": "metric.unit", "threshold": "metric.threshold",
                "direction": "metric.direction" },
        });
        for plain in [
            "source",
            "name",
            "title",
            "description",
            "status",
            "dedup_key",
            "event_type",
            "probable_cause",
            "specific_problem",
            "signal",
            "side",
            "trace_id",
            "org",
            "proposed_repair",
        ] {
            event[plain] = plain.into();
        }
        // JSON is YAML.
        let mapping =
            json!({ "mapping": "headwater", "about": "Events as the journal of Headwater had them.", "event": event });
        serde_json::to_string_pretty(&mapping).expect("text keys only") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::limits::Limits;
    use crate::decode::mapping::{Mapping, Shape};
    use crate::decode::severity::{SeverityMap, SeverityMaps};
    use crate::decode::{Body, Context};
    use crate::domain::event::{ObjectRef, Status};
    use crate::domain::label::Labels;
    use crate::domain::severity::Severity;

    fn written() -> Vec<Event> {
        let at = Timestamp(1_780_272_000_000);
        let mut down = Event::new("default".into(), "zabbix".into(), "link, down", at);
        (down.severity, down.title, down.dedup_key) = (Severity::Minor, "Link \"1\" down".into(), Some("k-1".into()));
        (down.probable_cause, down.event_type) =
            (Some("lossOfSignal".into()), serde_json::from_value(json!("communications")).ok());
        down.labels = Labels::of([("port", "1"), ("row", "a")]);
        let keys = [("hostname".to_owned(), "sw".to_owned()), ("k8s.pod".to_owned(), "p".to_owned())];
        down.object = ObjectRef {
            ci_id: Some("sw-1".into()),
            class: Some("switch".into()),
            ip: Some("10.0.0.1".into()),
            keys: keys.into(),
            ..ObjectRef::default()
        };
        let mut warned = Event::new("default".into(), "prom".into(), "fan", at);
        (warned.severity, warned.status) = (Severity::Warning, Status::Resolved);
        warned.object = ObjectRef { name: Some("fan-1".into()), ..ObjectRef::default() };
        let mut change = Event::new("default".into(), "ci".into(), "release", at);
        change.status = Status::Change;
        change.object = ObjectRef { name: Some("app".into()), ..ObjectRef::default() };
        vec![down, warned, change]
    }

    #[test]
    fn what_is_written_is_read_again_with_all_that_decides() {
        let (mut lines, mut text) = (EventLines::default(), String::new());
        let events = written();
        for (n, event) in events.iter().enumerate() {
            let at = EventRef { seq: n as u64, index: 0 };
            text.push_str(&format!("{}\n", lines.line(event, at, event.observed_at)));
        }
        let mapping = Mapping::parse("mapping.yaml", &lines.mapping()).unwrap();
        let (tenant, source) = ("default".into(), "*".into());
        let severities = SeverityMaps::of(std::iter::empty::<SeverityMap>());
        let context = Context {
            tenant: &tenant,
            source: &source,
            received_at: None,
            severities: &severities,
            limits: &Limits::default(),
        };
        let read = mapping.decode(Body::from(text.as_bytes()), Shape::Lines, &context).unwrap();
        assert!(read.rejected.is_empty(), "{:?}", read.rejected);
        for ((n, event), read) in events.into_iter().enumerate().zip(read.events) {
            let id = EventRef { seq: n as u64, index: 0 }.to_string();
            let source_severity = read.source_severity.clone();
            assert_eq!(read, Event { id: id.as_str().into(), source_severity, ..event });
        }
    }
}
