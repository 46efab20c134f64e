//! Alarm histories of telecommunication networks: which alarm type causes which?

use std::path::Path;

use anyhow::{Context as _, Result};
use headwater::domain::event::{Event, ObjectRef};
use headwater::domain::ids::SourceId;
use headwater::domain::severity::Severity;
use headwater::domain::time::Timestamp;
use headwater::engine::tuning::Tuning;
use headwater::lab::built_in::read_topology;
use headwater::lab::suggest::history::History;
use headwater::lab::suggest::pairs::causes;

use crate::run::tenant;
use crate::storm::either;
use crate::table::{Table, number};

/// The files count seconds from the beginning of the record.
const BEGIN_SECS: f64 = 1_700_000_000.0;

pub fn predict(folder: &Path, _out: &Path) -> Result<Vec<String>> {
    let table = Table::read(&either(folder, "alarms.csv"))?;
    let (kind, device, start) =
        (table.column("alarm_id")?, table.column("device_id")?, table.column("start_timestamp")?);
    let mut events = Vec::new();
    for row in table.rows() {
        let secs = number(&row[start]).with_context(|| format!("start {:?} is no number", row[start]))?;
        let at = Timestamp(((BEGIN_SECS + secs) * 1000.0) as i64);
        let mut event = Event::new(tenant(), SourceId::from("network"), &row[kind], at);
        event.severity = Severity::Major;
        event.object = ObjectRef { ci_id: Some(format!("device-{}", row[device])), ..ObjectRef::default() };
        events.push(event);
    }
    // Some histories come without their network: then only what happens at one device is related.
    let links = either(folder, "topology.csv");
    let links = if links.exists() { Table::read(&links)?.rows().to_vec() } else { Vec::new() };
    let devices: std::collections::BTreeSet<&str> = links
        .iter()
        .flat_map(|row| [row[0].as_str(), row[1].as_str()])
        .chain(table.rows().iter().map(|row| row[device].as_str()))
        .collect();
    let cis: Vec<_> = devices
        .iter()
        .map(|id| serde_json::json!({"id": format!("device-{id}"), "class": "router", "name": format!("device-{id}")}))
        .collect();
    let relations: Vec<_> = links
        .iter()
        .map(|row| {
            let (from, to) = (format!("device-{}", row[0]), format!("device-{}", row[1]));
            serde_json::json!({"from": from, "to": to, "type": "connects"})
        })
        .collect();
    let text = serde_json::json!({"cis": cis, "relations": relations}).to_string();
    let topology = read_topology("links", text.as_bytes(), None, 1)?;
    let history = History::of(&events, &topology, Tuning::default().refire_window);
    let lines = causes(&history).into_iter().map(|pair| {
        let name = |kind: usize| &history.kinds[kind].name;
        format!("{},{},{:.4}", name(pair.cause), name(pair.effect), pair.gain())
    });
    Ok(["src,dst,weight".to_owned()].into_iter().chain(lines).collect())
}
