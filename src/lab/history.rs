//! A labelled history: a recorded stream, the topology of its time, and which event belongs to which incident.
//!
//! A folder with `alerts.jsonl`, the truth beside it ([`super::truth`]) and, when it is known, the CMDB: `cmdb.json` or
//! `cmdb.yaml`, with `topology-mapping.yaml` when it is in another system's words; each may be packed (`.gz`). `mapping.yaml` reads the
//! events where they are not as the caller says. Closed
//! incidents that operators have corrected and generated storms have this shape alike.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::recording::Recording;
use super::truth::{Truth, find, needed};
use crate::domain::ids::TenantId;
use crate::domain::topology::Topology;

/// The CMDB, by the names that it may have, and the mapping of its words.
pub const CMDB: [&str; 2] = ["cmdb.json", "cmdb.yaml"];
pub const CMDB_MAPPING: &str = "topology-mapping.yaml";
/// The events, and the mapping that reads them where the folder has its own.
pub const EVENTS: &str = "alerts.jsonl";
pub const MAPPING: &str = "mapping.yaml";

/// One labelled history.
#[derive(Clone, Debug)]
pub struct History {
    pub folder: PathBuf,
    pub topology: Arc<Topology>,
    /// The true incident of each event that has one, by the event's id.
    pub incident_of: BTreeMap<Box<str>, u32>,
    pub truth: Truth,
    mapping: PathBuf,
}

impl History {
    /// Reads a folder. `mapping` says how its event lines are read, `topology_names` how its CMDB is, when the folder does not
    /// say that itself.
    ///
    /// # Errors
    /// When a file is missing or cannot be understood; names the place.
    pub fn open(folder: &Path, mapping: &Path, topology_names: Option<&Path>) -> Result<Self> {
        let own_names = find(folder, CMDB_MAPPING);
        let topology = match CMDB.into_iter().find_map(|name| find(folder, name)) {
            Some(path) => super::built_in::load_topology(&path, own_names.as_deref().or(topology_names), 1)?,
            None => Topology::none(),
        };
        let truth = Truth::read(folder)?;
        let incident_of = truth.incident_of();
        let own_mapping = Some(folder.join(MAPPING)).filter(|own| own.exists());
        let mapping = own_mapping.unwrap_or_else(|| mapping.to_owned());
        Ok(Self { folder: folder.to_owned(), topology, incident_of, truth, mapping })
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
        needed(&self.folder, EVENTS)
    }

    /// The folder's name.
    pub fn name(&self) -> String {
        self.folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}
