//! A labelled history: a recorded stream, the topology of its time, and which event belongs to which incident.
//!
//! A folder with `alerts.jsonl`, `truth_alerts.csv` (`alert_id,incident_id,…`; no incident = belongs to nobody) and,
//! when they are known, `cmdb.json` and `truth_incidents.jsonl`; each may be packed (`.gz`). Closed incidents that
//! operators have corrected and generated storms have this shape alike.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::files;
use super::recording::Recording;
use super::score::TrueIncident;
use crate::domain::ids::TenantId;
use crate::domain::topology::Topology;

/// One labelled history.
#[derive(Clone, Debug)]
pub struct History {
    pub folder: PathBuf,
    pub topology: Arc<Topology>,
    /// The true incident of each event that has one, by the event's id.
    pub incident_of: BTreeMap<Box<str>, u32>,
    /// What is known of each incident.
    pub incidents: Vec<Known>,
    mapping: PathBuf,
}

/// A true incident.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub truth: TrueIncident,
    /// What kind of fault it was; empty when nobody said.
    pub fault: Box<str>,
}

#[derive(Deserialize)]
struct IncidentLine {
    incident_id: Box<str>,
    #[serde(default)]
    root_ci: Box<str>,
    #[serde(default)]
    fault_type: Box<str>,
}

impl History {
    /// Reads a folder. `mapping` says how its event lines are read, `topology_names` how its CMDB is.
    ///
    /// # Errors
    /// When a file is missing or cannot be understood; names the place.
    pub fn open(folder: &Path, mapping: &Path, topology_names: Option<&Path>) -> Result<Self> {
        let topology = match find(folder, "cmdb.json") {
            Some(path) => super::built_in::load_topology(&path, topology_names, 1)?,
            None => Topology::none(),
        };
        let labels = needed(folder, "truth_alerts.csv")?;
        let text =
            String::from_utf8(files::read(&labels)?).with_context(|| format!("{}: no text", labels.display()))?;
        let mut numbers: BTreeMap<Box<str>, u32> = BTreeMap::new();
        let mut history = Self {
            folder: folder.to_owned(),
            topology,
            incident_of: BTreeMap::new(),
            incidents: Vec::new(),
            mapping: mapping.to_owned(),
        };
        for (at, line) in text.lines().enumerate().skip(1) {
            let mut fields = line.split(',');
            let (Some(event), Some(incident)) = (fields.next(), fields.next()) else {
                bail!("{}:{}: no event and incident; write alert_id,incident_id", labels.display(), at + 1)
            };
            if incident.is_empty() {
                continue;
            }
            let next = numbers.len() as u32;
            let number = *numbers.entry(incident.into()).or_insert(next);
            if number == next {
                history.incidents.push(Known::default());
            }
            history.incident_of.insert(event.into(), number);
            history.incidents[number as usize].truth.events.insert(event.to_owned());
        }
        ensure!(!numbers.is_empty(), "{}: names no incident; label some events", labels.display());
        if let Some(path) = find(folder, "truth_incidents.jsonl") {
            history.describe(&path, &numbers)?;
        }
        Ok(history)
    }

    fn describe(&mut self, path: &Path, numbers: &BTreeMap<Box<str>, u32>) -> Result<()> {
        let text = files::read(path)?;
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let line: IncidentLine =
                serde_json::from_slice(line).with_context(|| format!("{}:{}", path.display(), at + 1))?;
            if let Some(number) = numbers.get(&line.incident_id) {
                let known = &mut self.incidents[*number as usize];
                (known.truth.root_ci, known.fault) = (line.root_ci.into(), line.fault_type);
            }
        }
        Ok(())
    }

    /// Its events, from the first one.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn recording(&self, tenant: TenantId) -> Result<Recording> {
        Recording::open(&self.events()?, &self.mapping, tenant)
    }

    /// The file of its events.
    ///
    /// # Errors
    /// When it is not there.
    pub fn events(&self) -> Result<PathBuf> {
        needed(&self.folder, "alerts.jsonl")
    }

    /// The folder's name.
    pub fn name(&self) -> String {
        self.folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// The true incidents.
    pub fn truth(&self) -> Vec<TrueIncident> {
        self.incidents.iter().map(|known| known.truth.clone()).collect()
    }
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.exists())
}

fn needed(folder: &Path, name: &str) -> Result<PathBuf> {
    find(folder, name).with_context(|| format!("{} holds no {name} or {name}.gz; see docs/models.md", folder.display()))
}
