//! The engine's whole state as bytes and back. Versioned; a reader takes this version and refuses later ones.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::Spot;
use super::cell::Cell;
use super::deadlines::Due;
use super::extent::Extent;
use super::input::Digest;
use super::newest::Newest;
use super::policy::Policy;
use super::recents::Recents;
use super::tuning::Tuning;
use super::{Engine, Known, Modelled, Ruled};
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::domain::topology::Topology;

/// The version of the snapshot's format.
pub const SNAPSHOT_FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Frozen<C> {
    format: u32,
    partition: u16,
    now: Timestamp,
    /// Version and digest of each tenant's topology.
    topologies: BTreeMap<TenantId, (u64, Digest)>,
    /// Version and digest of each tenant's own rules.
    #[serde(default)]
    policies: BTreeMap<TenantId, (u64, Digest)>,
    /// Version, digest and text of each tenant's own model: it is short.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    models: BTreeMap<TenantId, (u64, Digest, Arc<str>)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metric_models: BTreeMap<TenantId, (u64, Digest)>,
    cells: C,
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot has format {0}, this program reads up to {SNAPSHOT_FORMAT}: use a newer program")]
    Newer(u32),
    #[error("the snapshot cannot be read: {0}")]
    Unreadable(String),
    #[error("the snapshot's topology {0} is not there: restore it, or start from an older snapshot")]
    NoTopology(Box<str>),
    #[error("the snapshot's rules {0} are not there: restore them, or start from an older snapshot")]
    NoPolicy(Box<str>),
}

/// Why bytes cannot be read: a newer program has written them, or nobody has. Only now they are read a second time.
fn unread(bytes: &[u8], error: &serde_json::Error) -> SnapshotError {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    match serde_json::from_slice(bytes) {
        Ok(Head { format }) if format > SNAPSHOT_FORMAT => SnapshotError::Newer(format),
        Ok(_) | Err(_) => SnapshotError::Unreadable(error.to_string()),
    }
}

impl Engine {
    /// The state as bytes.
    pub fn freeze(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.freeze_into(&mut bytes).expect("memory takes what is written");
        bytes
    }

    /// Writes the state. Topologies and rules are not part of it: it names their versions.
    ///
    /// # Errors
    /// What `to` reports.
    pub fn freeze_into(&self, to: impl Write) -> io::Result<()> {
        let topologies = self.topologies.iter().map(|(t, known)| (t.clone(), (known.version, known.digest.clone())));
        let policies = self.policies.iter().map(|(t, r)| (t.clone(), (r.policy.version, r.digest.clone())));
        let models = self.models.iter().map(|(t, m)| (t.clone(), (m.version, m.digest.clone(), m.text.clone())));
        let frozen = Frozen {
            format: SNAPSHOT_FORMAT,
            partition: self.partition,
            now: self.now,
            topologies: topologies.collect(),
            policies: policies.collect(),
            models: models.collect(),
            metric_models: self.metric_models.clone(),
            cells: &self.cells,
        };
        // Its keys are text, so only `to` can fail.
        Ok(serde_json::to_writer(to, &frozen)?)
    }

    /// The state back from bytes. `topology` and `rules` find what it names by version and digest.
    ///
    /// # Errors
    /// When the format is newer than this program, the bytes are not a snapshot, or a named text is missing.
    pub fn thaw(
        bytes: &[u8],
        tuning: Arc<Tuning>,
        topology: impl Fn(u64, &Digest) -> Option<Arc<Topology>>,
        rules: impl Fn(u64, &Digest) -> Option<Arc<Policy>>,
    ) -> Result<Self, SnapshotError> {
        let frozen: Frozen<BTreeMap<TenantId, Cell>> = serde_json::from_slice(bytes).map_err(|e| unread(bytes, &e))?;
        if frozen.format > SNAPSHOT_FORMAT {
            return Err(SnapshotError::Newer(frozen.format));
        }
        let mut engine = Self::empty(frozen.partition, tuning);
        (engine.now, engine.cells) = (frozen.now, frozen.cells);
        for (tenant, (version, digest)) in frozen.topologies {
            let missing = || SnapshotError::NoTopology(digest.0.as_ref().into());
            let topology = topology(version, &digest).ok_or_else(missing)?;
            engine.topologies.insert(tenant, Known { version, digest, topology });
        }
        for (tenant, (version, digest)) in frozen.policies {
            let missing = || SnapshotError::NoPolicy(digest.0.as_ref().into());
            let policy = rules(version, &digest).ok_or_else(missing)?;
            engine.policies.insert(tenant, Ruled { digest, policy });
        }
        for (tenant, (version, digest, text)) in frozen.models {
            let tuning = Tuning::parse(&format!("model {}", digest.0), &text).map_err(|errors| {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                SnapshotError::Unreadable(lines.join("; "))
            })?;
            engine.models.insert(tenant, Modelled { version, digest, text, tuning: Arc::new(tuning) });
        }
        engine.metric_models = frozen.metric_models;
        for (tenant, cell) in &mut engine.cells {
            let model = engine.models.get(tenant);
            cell.tuning = model.map_or(&engine.tuning, |known| &known.tuning).clone();
            cell.model_version = model.map_or(0, |known| known.version);
            if let Some(ruled) = engine.policies.get(tenant) {
                cell.policy = ruled.policy.as_of(engine.now);
            }
            if let Some(known) = engine.topologies.get(tenant) {
                cell.topology = known.topology.clone();
            }
            cell.check_places().map_err(SnapshotError::Unreadable)?;
            cell.find_again();
            cell.note_newest();
        }
        Ok(engine)
    }
}

impl Cell {
    /// Whether all that alerts point at is there: a damaged place must not be taken for one far away.
    fn check_places(&self) -> Result<(), String> {
        for (_, alert) in self.alerts.iter() {
            let is_learned = alert.inferred.is_some() || self.learned.has(alert.kind, alert.clock);
            let is_there = match alert.spot {
                Spot::Ci(ci) => ci.at() < self.topology.len(),
                Spot::Object(object) => (object as usize) < self.object_names.len(),
            };
            if !(is_learned && is_there) {
                return Err(format!("alert {} points at what is not in it; take an older snapshot", alert.id));
            }
        }
        Ok(())
    }

    /// Where something is by the new topology: CIs are found by id, objects that were none by their name.
    fn spot_again(&mut self, spot: Spot, old: &Topology) -> Spot {
        let ci = match spot {
            Spot::Ci(ci) => ci,
            Spot::Object(object) => {
                return self.topology.resolve(&self.object_names[object as usize]).one().map_or(spot, Spot::Ci);
            }
        };
        let id = old.id(ci).as_str();
        if let Some(ci) = self.topology.find(id) {
            return Spot::Ci(ci);
        }
        Spot::Object(self.object(id))
    }

    /// Another topology is valid from here on: alerts find their CIs again.
    pub fn take_topology(&mut self, version: u64, topology: Arc<Topology>) {
        let old = std::mem::replace(&mut self.topology, topology);
        self.topology_version = version;
        self.upstream = super::upstream::Upstream::default();
        self.votes.clear();
        self.recent.clear();
        self.lately.clear();
        self.alike.clear();
        self.beside.clear();
        self.newest = Newest::default();
        let places: Vec<_> = self.alerts.iter().map(|(place, _)| place).collect();
        let mut ordered = places;
        ordered.sort_by_key(|p| (self.alerts[*p].received, self.alerts[*p].id));
        for place in ordered {
            let before = self.alerts[place].spot;
            let after = self.spot_again(before, &old);
            self.alerts[place].spot = after;
            if before.ci().is_some() != after.ci().is_some() {
                self.moment.alerts.insert(place);
                // What the CMDB has learned may explain the alert.
                self.deadlines.set(self.now, Due::Revise(place));
            }
            let starts = self.alerts[place].starts;
            self.recent.or_insert_with(after, Recents::default).push(place, starts, self.tuning.recent_max);
            self.note_lately(place);
            self.note_alike(place);
        }
        let changes: Vec<_> = self.groups.iter().map(|(place, _)| place).collect();
        for place in changes {
            if let Some(incident) = self.groups[place].incident.as_mut() {
                incident.ranked_for.1 = 0;
                incident.extent = Extent::default();
                incident.chosen_root = incident.chosen_root.and_then(|c| self.topology.find(old.id(c).as_str()));
                incident.rejected_roots =
                    incident.rejected_roots.iter().filter_map(|c| self.topology.find(old.id(*c).as_str())).collect();
            }
        }
        self.changes.clear();
        self.lookups.strangers.clear();
        self.changes_known += 1;
        self.note_newest();
        self.judge_anew();
    }
}
