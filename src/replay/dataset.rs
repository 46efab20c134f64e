//! Closed incidents with their corrections as a labelled data set, in the shape of the labelled storms: what the service
//! was given (`cmdb.json`, `alerts.jsonl` and the `mapping.yaml` that reads it) and the truth beside it, so that models train on it and back-tests score by it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::json;

use super::Recorded;
use super::corrected::Corrected;
use super::event_lines::EventLines;
use crate::domain::ids::{EventRef, IncidentId, TenantId};
use crate::domain::partition::partition_of;
use crate::domain::time::Timestamp;
use crate::engine::input::Input;
use crate::lab::history;
use crate::lab::truth::{self, UNKNOWN};
use crate::pipeline::cmdb_text;

/// What to write out.
pub struct Plan<'a> {
    pub data: &'a Path,
    pub tenant: TenantId,
    pub since: Option<Timestamp>,
    /// Only incidents that somebody corrected or confirmed are truth, and of the others nothing is known; else all that are
    /// closed.
    pub only_reviewed: bool,
    pub out: &'a Path,
}

/// What was written.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Written {
    pub events: u64,
    pub incidents: usize,
    pub reviewed: usize,
    pub corrections: usize,
    pub pairs: usize,
    pub roots: usize,
}

/// Writes the data set.
///
/// # Errors
/// When the journal cannot be read or the folder not be written.
pub fn write(plan: &Plan<'_>) -> Result<Written> {
    let recorded = Recorded::open(plan.data)?;
    let number = partition_of(&plan.tenant);
    std::fs::create_dir_all(plan.out).with_context(|| format!("make {}", plan.out.display()))?;
    let mut alerts = create(plan.out, history::EVENTS)?;
    let mut corrected = Corrected::of(plan.tenant.clone());
    let mut written = Written::default();
    let mut lines_of = EventLines::default();
    // The record of the first event that is written: the truth is of no earlier one.
    let mut first = None;
    let kept = recorded.engine(number)?.map(|(engine, _)| engine);
    let known = kept.iter().flat_map(|engine| engine.topologies()).find(|(tenant, ..)| **tenant == plan.tenant);
    let mut topology = known.map(|(_, _, digest, _)| digest.clone());
    recorded.each(|record, decision| {
        if record.partition != number {
            return Ok(());
        }
        match &*record.input {
            Input::Topology { tenant, digest, .. } if *tenant == plan.tenant => {
                topology = Some(digest.clone());
            }
            Input::Batch(batch) if batch.tenant == plan.tenant => {
                if plan.since.is_none_or(|since| record.stamp >= since) {
                    for (index, event) in batch.events.iter().enumerate() {
                        let at = EventRef { seq: record.seq, index: index as u32 };
                        writeln!(alerts, "{}", lines_of.line(event, at, record.stamp))?;
                        written.events += 1;
                        first.get_or_insert(record.seq);
                    }
                }
            }
            Input::Batch(_)
            | Input::Command(_)
            | Input::Topology { .. }
            | Input::Policy { .. }
            | Input::Model { .. }
            | Input::MetricModel { .. }
            | Input::Shadow { .. }
            | Input::Delivered(_)
            | Input::Tick => {}
        }
        corrected.fold(record, &decision.effects);
        Ok(())
    })?;
    alerts.flush()?;
    let Some(first) = first else { bail!("nothing is recorded of tenant {} in that time", plan.tenant) };
    create(plan.out, history::MAPPING)?.write_all(lines_of.mapping().as_bytes())?;
    match topology {
        Some(digest) => cmdb(plan.out, &recorded.text(&digest)?)?,
        None => cmdb(plan.out, b"{\"empty\": true}\n")?,
    }
    labels(plan, &corrected, first, &mut written)?;
    let manifest = json!({
        "generator": "headwater feedback export",
        "version": env!("CARGO_PKG_VERSION"),
        "tenant": plan.tenant.as_str(),
        "only_reviewed": plan.only_reviewed,
        "written": written,
    });
    std::fs::write(plan.out.join("manifest.json"), serde_json::to_vec_pretty(&manifest)?)?;
    Ok(written)
}

fn create(folder: &Path, name: &str) -> Result<BufWriter<File>> {
    let path = folder.join(name);
    Ok(BufWriter::new(File::create(&path).with_context(|| format!("write {}", path.display()))?))
}

/// The CMDB's own text, as it was put last, and the mapping it was read with.
fn cmdb(folder: &Path, kept: &[u8]) -> Result<()> {
    let (mapping, text) = cmdb_text::parts(kept)?;
    let is_json = text.trim_ascii_start().starts_with(b"{");
    let name = history::CMDB[usize::from(!is_json)];
    create(folder, name)?.write_all(text)?;
    if let Some(mapping) = mapping {
        create(folder, history::CMDB_MAPPING)?.write_all(mapping)?;
    }
    Ok(())
}

fn labels(plan: &Plan<'_>, corrected: &Corrected, first: u64, written: &mut Written) -> Result<()> {
    let mut incidents = if plan.only_reviewed { corrected.reviewed() } else { corrected.closed() };
    for one in &mut incidents {
        one.events.retain(|event| event.seq >= first);
    }
    incidents.retain(|one| !one.events.is_empty());
    let mut home: BTreeMap<EventRef, (IncidentId, Option<String>)> = BTreeMap::new();
    let mut file = create(plan.out, truth::INCIDENTS)?;
    for one in &incidents {
        // What the engine believes is no truth where only people's word counts.
        let root = one.root.as_ref().filter(|_| one.is_root_said || !plan.only_reviewed).map(ToString::to_string);
        let view = &one.view;
        for event in &one.events {
            home.insert(*event, (view.id, root.clone()));
        }
        let reviewed = corrected.is_reviewed(view.id);
        written.reviewed += usize::from(reviewed);
        let secs = |at: Timestamp| at.0 as f64 / 1000.0;
        let line = json!({
            "incident_id": view.id.to_string(),
            "fault_type": null,
            "root_ci": root,
            "roots": root.iter().collect::<Vec<_>>(),
            "reviewed": reviewed,
            "root_said": one.is_root_said,
            "started_at": secs(view.first_alert_at),
            "ended_at": view.closed_at.or(view.recovered_at).map(secs),
            "first_alert_at": secs(view.first_alert_at),
            "alerts": one.events.len(),
            "affected": view.ci_count,
        });
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    written.incidents = incidents.len();
    let mut file = create(plan.out, truth::ALERTS)?;
    writeln!(file, "alert_id,incident_id,role,ci,alert_key,group_id")?;
    for (event, alert) in corrected.alert_of_events().into_iter().filter(|(event, _)| event.seq >= first) {
        let view = corrected.alerts.get(&alert);
        let ci = view.and_then(|view| view.ci.as_ref()).map(|ci| ci.id.to_string()).unwrap_or_default();
        let name = view.map(|view| view.name.replace([',', '"', '\n'], " ")).unwrap_or_default();
        let key = format!("{}|{name}|{ci}", view.map(|view| view.source.to_string()).unwrap_or_default());
        let line = match home.get(&event) {
            Some((incident, root)) if root.as_deref() == Some(ci.as_str()) => {
                format!("{incident},root,{ci},{key},{incident}")
            }
            Some((incident, _)) => format!("{incident},symptom,{ci},{key},{incident}"),
            // Others looked at other incidents: nobody knows whether this one is right.
            None if plan.only_reviewed && view.is_some_and(|view| view.incident.is_some()) => {
                format!("{UNKNOWN},,{ci},{key},")
            }
            None => format!(",noise,{ci},{key},noise:{key}"),
        };
        writeln!(file, "{event},{line}")?;
    }
    file.flush()?;
    lines(plan.out, "pairs.jsonl", &corrected.pairs)?;
    lines(plan.out, "roots.jsonl", &corrected.roots)?;
    lines(plan.out, "corrections.jsonl", &corrected.corrections)?;
    (written.pairs, written.roots) = (corrected.pairs.len(), corrected.roots.len());
    written.corrections = corrected.corrections.len();
    Ok(())
}

fn lines<T: Serialize>(folder: &Path, name: &str, all: &[T]) -> Result<()> {
    let mut file = create(folder, name)?;
    for one in all {
        writeln!(file, "{}", serde_json::to_string(one)?)?;
    }
    Ok(file.flush()?)
}
