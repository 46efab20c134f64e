//! Labelled truth beside a recorded stream: which events belong to which true incident, and its root.
//!
//! Two files in one folder, packed (`.gz`) or not, as the generator of labelled storms and the export of corrected incidents
//! write them: `truth_alerts.csv` with `alert_id,incident_id,…` (no incident: it belongs to nobody; `?`: nobody knows), and,
//! where roots are known, `truth_incidents.jsonl` with `incident_id`, `root_ci` and `fault_type`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::files;
use super::score::{ToldIncident, TrueIncident};

/// The two files.
pub const ALERTS: &str = "truth_alerts.csv";
pub const INCIDENTS: &str = "truth_incidents.jsonl";
/// The incident of an event of which nothing is known.
pub const UNKNOWN: &str = "?";

/// A true incident.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub truth: TrueIncident,
    /// What kind of fault it was; empty when nobody said.
    pub fault: Box<str>,
}

/// What is known of a stream's events.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// In the order in which events name them.
    pub incidents: Vec<Known>,
    /// Events of which nobody knows where they belong: they are neither judged nor learned from.
    pub unknown: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Line {
    incident_id: String,
    root_ci: Option<String>,
    fault_type: Option<Box<str>>,
}

impl Truth {
    /// Reads the truth of a folder.
    ///
    /// # Errors
    /// When the events' file is missing or names no incident, or a line cannot be read; names the place.
    pub fn read(folder: &Path) -> Result<Self> {
        let alerts = needed(folder, ALERTS)?;
        let mut truth = Self::default();
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for (at, line) in text(&alerts)?.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
            let mut fields = line.split(',');
            let (Some(event), Some(incident)) = (fields.next(), fields.next()) else {
                bail!("{}:{}: no event and incident; write alert_id,incident_id", alerts.display(), at + 1);
            };
            match incident {
                "" => {}
                UNKNOWN => drop(truth.unknown.replace(event.to_owned())),
                incident => {
                    let number = *numbers.entry(incident.to_owned()).or_insert(truth.incidents.len());
                    if number == truth.incidents.len() {
                        truth.incidents.push(Known::default());
                    }
                    truth.incidents[number].truth.events.insert(event.to_owned());
                }
            }
        }
        ensure!(!numbers.is_empty(), "{}: names no incident; label some events", alerts.display());
        if let Some(path) = find(folder, INCIDENTS) {
            truth.describe(&path, &numbers)?;
        }
        Ok(truth)
    }

    fn describe(&mut self, path: &Path, numbers: &BTreeMap<String, usize>) -> Result<()> {
        for (at, line) in text(path)?.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let place = || format!("{}:{}: no true incident", path.display(), at + 1);
            let line: Line = serde_json::from_str(line).with_context(place)?;
            if let Some(number) = numbers.get(&line.incident_id) {
                let known = &mut self.incidents[*number];
                known.truth.root_ci = line.root_ci.unwrap_or_default();
                known.fault = line.fault_type.unwrap_or_default();
            }
        }
        Ok(())
    }

    /// The true incidents.
    pub fn incidents(&self) -> Vec<TrueIncident> {
        self.incidents.iter().map(|known| known.truth.clone()).collect()
    }

    /// The number of the true incident of each event that has one.
    pub fn incident_of(&self) -> BTreeMap<Box<str>, u32> {
        let numbered = self.incidents.iter().enumerate();
        let events = numbered.flat_map(|(number, known)| known.truth.events.iter().map(move |event| (event, number)));
        events.map(|(event, number)| (event.as_str().into(), number as u32)).collect()
    }

    /// All events that it speaks of under other names; those without one are left out.
    pub fn renamed(&self, name: impl Fn(&str) -> Option<String>) -> Self {
        let all = |events: &BTreeSet<String>| events.iter().filter_map(|event| name(event)).collect();
        let incidents = self.incidents.iter().map(|known| Known {
            truth: TrueIncident { events: all(&known.truth.events), root_ci: known.truth.root_ci.clone() },
            fault: known.fault.clone(),
        });
        Self { incidents: incidents.collect(), unknown: all(&self.unknown) }
    }

    /// What it says of these events alone; incidents that have none of them are left out.
    pub fn only(&self, events: &BTreeSet<String>) -> Self {
        let mut kept = self.renamed(|event| events.contains(event).then(|| event.to_owned()));
        kept.incidents.retain(|known| !known.truth.events.is_empty());
        kept
    }

    /// The events that it speaks of.
    pub fn events(&self) -> BTreeSet<&str> {
        let known = self.incidents.iter().flat_map(|known| &known.truth.events);
        known.chain(&self.unknown).map(String::as_str).collect()
    }

    /// Told incidents as far as they can be judged: without what nobody knows of.
    pub fn judged(&self, mut told: Vec<ToldIncident>) -> Vec<ToldIncident> {
        if !self.unknown.is_empty() {
            for one in &mut told {
                one.events.retain(|event| !self.unknown.contains(event));
            }
            told.retain(|one| !one.events.is_empty());
        }
        told
    }
}

/// A file of the folder, packed or not.
pub(super) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.exists())
}

/// The same, or what is missing.
pub(super) fn needed(folder: &Path, name: &str) -> Result<PathBuf> {
    find(folder, name).with_context(|| format!("{} holds no {name} or {name}.gz; see docs/models.md", folder.display()))
}

fn text(path: &Path) -> Result<String> {
    String::from_utf8(files::read(path)?).with_context(|| format!("{}: is not UTF-8", path.display()))
}
