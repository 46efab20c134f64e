//! AIT alert data set: alerts of three security detectors on a dozen hosts; no CMDB, no severities.

use std::path::Path;

use anyhow::{Context as _, Result};
use headwater::domain::event::{Event, ObjectRef};
use headwater::domain::ids::SourceId;
use headwater::domain::severity::Severity;
use headwater::domain::time::Timestamp;

use crate::run::{Run, tenant};
use crate::table::Table;

/// `file` is the `alerts.csv.gz` of one scenario.
pub fn predict(file: &Path, _out: &Path) -> Result<Vec<String>> {
    let table = Table::read(file)?;
    let [id, time, name, ip, host] = ["alert_id", "time", "name", "ip", "host"].map(|column| table.column(column));
    let (id, time, name, ip, host) = (id?, time?, name?, ip?, host?);
    let mut run = Run::on(None);
    for row in table.rows() {
        let secs: f64 = row[time].parse().with_context(|| format!("time {:?} of alert {}", row[time], row[id]))?;
        let at = Timestamp((secs * 1000.0) as i64);
        // "Suricata: Alert - …": the detector, and what it says.
        let (detector, what) = row[name].split_once(": ").unwrap_or(("", &row[name]));
        let mut event = Event::new(tenant(), SourceId::from(detector), what, at);
        event.id = row[id].as_str().into();
        event.severity = Severity::Major;
        event.object = ObjectRef { name: Some(row[host].clone()), ip: Some(row[ip].clone()), ..ObjectRef::default() };
        run.feed(event);
    }
    run.finish();
    let group = |alert: Option<_>| alert.map_or_else(String::new, |alert| run.group_of(alert));
    let lines = run.outcome.events.iter().map(|(id, alert)| format!("{id},{}", group(*alert)));
    Ok(["alert_id,incident_id".to_owned()].into_iter().chain(lines).collect())
}
