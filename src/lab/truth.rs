//! Labelled truth beside a recorded stream: which events belong to which true incident, and its root.
//!
//! Two files in one folder, packed (`.gz`) or not, as the generator of labelled storms writes them: `truth_alerts.csv` with
//! `alert_id,incident_id,…`, and `truth_incidents.jsonl` with `incident_id` and `root_ci`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::files;
use super::score::TrueIncident;

/// The two files.
pub const ALERTS: &str = "truth_alerts.csv";
pub const INCIDENTS: &str = "truth_incidents.jsonl";

#[derive(Deserialize)]
struct Line {
    incident_id: String,
    root_ci: Option<String>,
}

/// Reads the truth of a folder.
///
/// # Errors
/// When a file is missing or a line cannot be read; names the place.
pub fn read(folder: &Path) -> Result<Vec<TrueIncident>> {
    let (alerts, incidents) = (find(folder, ALERTS)?, find(folder, INCIDENTS)?);
    let mut truth: BTreeMap<String, TrueIncident> = BTreeMap::new();
    for (number, line) in text(&alerts)?.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
        let mut fields = line.split(',');
        let (Some(event), Some(incident)) = (fields.next(), fields.next()) else {
            bail!("{}:{}: write alert_id,incident_id", alerts.display(), number + 1);
        };
        if !incident.is_empty() {
            truth.entry(incident.into()).or_default().events.insert(event.into());
        }
    }
    for (number, line) in text(&incidents)?.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let place = || format!("{}:{}: no true incident", incidents.display(), number + 1);
        let line: Line = serde_json::from_str(line).with_context(place)?;
        if let Some(known) = truth.get_mut(&line.incident_id) {
            known.root_ci = line.root_ci.unwrap_or_default();
        }
    }
    Ok(truth.into_values().collect())
}

fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let plain = folder.join(name);
    let packed = folder.join(format!("{name}.gz"));
    match (plain.exists(), packed.exists()) {
        (true, _) => Ok(plain),
        (false, true) => Ok(packed),
        (false, false) => bail!("{}: there is no such file, nor {name}.gz", plain.display()),
    }
}

fn text(path: &Path) -> Result<String> {
    String::from_utf8(files::read(path)?).with_context(|| format!("{}: is not UTF-8", path.display()))
}
