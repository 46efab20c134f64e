//! Other rules or another topology on the recorded stream: which incidents come out otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::Recorded;
use super::world::{EventRef, World};
use crate::domain::ids::{IncidentId, TenantId};
use crate::domain::incident::IncidentView;
use crate::domain::topology::Topology;
use crate::engine::input::{Digest, Input};
use crate::engine::policy::Policy;
use crate::engine::{Engine, Loaded};
use crate::folders::rules;
use crate::journal::Record;
use crate::lab::built_in::load_topology;

/// What to put in the place of what was in force.
#[derive(Clone, Debug)]
pub struct Instead {
    pub tenant: TenantId,
    pub rules: Option<PathBuf>,
    pub topology: Option<PathBuf>,
}

/// What came out otherwise.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub records: u64,
    pub events: u64,
    /// Incidents as recorded, and as they would be.
    pub incidents: [usize; 2],
    /// Incidents of the same events, root and severity.
    pub same: usize,
    pub changed: Vec<Changed>,
    /// Only as recorded.
    pub gone: Vec<Shown>,
    /// Only with what was put instead.
    pub fresh: Vec<Shown>,
    /// By word: as recorded, and as they would be.
    pub verdicts: BTreeMap<&'static str, [u64; 2]>,
    /// By receiver: as recorded, and as they would be.
    pub messages: BTreeMap<String, [u64; 2]>,
}

/// An incident in short.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub id: String,
    pub title: String,
    pub severity: &'static str,
    pub root: Option<String>,
    pub events: usize,
    pub opened_at: String,
}

/// An incident that is there in both, and what of it is otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    pub recorded: Shown,
    pub instead: Shown,
    pub events_added: usize,
    pub events_lost: usize,
}

/// The text that is put instead, compiled.
struct Other {
    policy: Option<Arc<Policy>>,
    topology: Option<Arc<Topology>>,
}

/// Runs the recorded stream of one tenant with other rules or another topology.
///
/// # Errors
/// When the journal cannot be read, or what is put instead is refused: every place.
pub fn compare(data: &Path, instead: &Instead) -> Result<Report> {
    let other = Other {
        policy: instead.rules.as_deref().map(|folder| rules::compile(folder, 1)).transpose()?,
        topology: instead.topology.as_deref().map(|file| load_topology(file, None, 1)).transpose()?,
    };
    let recorded = Recorded::open(data)?;
    let tenant = &instead.tenant;
    let (mut before, mut after) = (World::default(), World::default());
    let mut engine = Engine::empty(crate::domain::partition::partition_of(tenant), recorded.tuning.clone());
    let mut report = Report::default();
    recorded.each(|record, decision| {
        let owned = tenant_of(&record.input).is_none_or(|owner| owner == tenant);
        if record.partition != crate::domain::partition::partition_of(tenant) {
            return Ok(());
        }
        if report.records == 0 {
            other.put(&mut engine, record, tenant);
        }
        report.records += 1;
        if let Input::Batch(batch) = &*record.input
            && owned
        {
            report.events += (batch.events.len() + batch.rejected.len()) as u64;
        }
        let effects = if owned && !other.replaces(&record.input) {
            engine.step(record.stamp, &record.input, recorded.loaded(&record.input)?)
        } else {
            engine.step(record.stamp, &Input::Tick, Loaded::Nothing)
        };
        if owned {
            before.fold(tenant, record.seq, &decision.effects);
        }
        after.fold(tenant, record.seq, &effects);
        Ok(())
    })?;
    report.fill(&before, &after);
    Ok(report)
}

/// Whose input it is; `None` for the passing of time.
fn tenant_of(input: &Input) -> Option<&TenantId> {
    match input {
        Input::Batch(batch) => Some(&batch.tenant),
        Input::Command(command) => Some(&command.tenant),
        Input::Topology { tenant, .. } | Input::Policy { tenant, .. } => Some(tenant),
        Input::Delivered(delivered) => Some(&delivered.tenant),
        Input::Tick => None,
    }
}

impl Other {
    /// Whether what is put instead stands for what the input brings.
    fn replaces(&self, input: &Input) -> bool {
        match input {
            Input::Topology { .. } => self.topology.is_some(),
            Input::Policy { .. } => self.policy.is_some(),
            // What was sent then was sent about other incidents.
            Input::Delivered(_) => true,
            Input::Batch(_) | Input::Command(_) | Input::Tick => false,
        }
    }

    /// Puts it in force before the first record.
    fn put(&self, engine: &mut Engine, record: &Record, tenant: &TenantId) {
        let none = || Digest("".into());
        if let Some(topology) = &self.topology {
            let input = Input::Topology { tenant: tenant.clone(), version: 1, digest: none(), author: "".into() };
            engine.step(record.stamp, &input, Loaded::Topology(topology.clone()));
        }
        if let Some(policy) = &self.policy {
            let input = Input::Policy { tenant: tenant.clone(), version: 1, digest: none(), author: "replay".into() };
            engine.step(record.stamp, &input, Loaded::Policy(policy.clone()));
        }
    }
}

fn shown(incident: &IncidentView, events: usize) -> Shown {
    Shown {
        id: incident.id.to_string(),
        title: incident.title.to_string(),
        severity: incident.severity.as_str(),
        root: incident.candidates.first().map(|candidate| candidate.ci.id.to_string()),
        events,
        opened_at: incident.opened_at.to_string(),
    }
}

impl Report {
    fn fill(&mut self, before: &World, after: &World) {
        let (old, new) = (before.standing(), after.standing());
        self.incidents = [old.len(), new.len()];
        let pairs = paired(&old, &new);
        for (recorded, instead) in &pairs {
            let (events, others) = (&old[recorded], &new[instead]);
            let changed = Changed {
                recorded: shown(&before.incidents[recorded], events.len()),
                instead: shown(&after.incidents[instead], others.len()),
                events_added: others.difference(events).count(),
                events_lost: events.difference(others).count(),
            };
            if changed.is_any() { self.changed.push(changed) } else { self.same += 1 }
        }
        let is_left = |id: &&IncidentId, side: fn(&(IncidentId, IncidentId)) -> IncidentId| {
            pairs.iter().all(|pair| side(pair) != **id)
        };
        let gone = old.keys().filter(|id| is_left(id, |pair| pair.0));
        self.gone = gone.map(|id| shown(&before.incidents[id], old[id].len())).collect();
        let fresh = new.keys().filter(|id| is_left(id, |pair| pair.1));
        self.fresh = fresh.map(|id| shown(&after.incidents[id], new[id].len())).collect();
        for (side, world) in [before, after].into_iter().enumerate() {
            for (word, count) in &world.verdicts {
                self.verdicts.entry(word).or_default()[side] = *count;
            }
            for (receiver, count) in &world.messages {
                self.messages.entry(receiver.clone()).or_default()[side] = *count;
            }
        }
    }

    /// Whether anything is otherwise.
    pub fn is_any(&self) -> bool {
        !(self.changed.is_empty() && self.gone.is_empty() && self.fresh.is_empty())
            || self.verdicts.values().any(|[a, b]| a != b)
            || self.messages.values().any(|[a, b]| a != b)
    }
}

impl Changed {
    fn is_any(&self) -> bool {
        let key = |shown: &Shown| (shown.severity, shown.root.clone());
        self.events_added + self.events_lost > 0 || key(&self.recorded) != key(&self.instead)
    }
}

/// Pairs incidents that share the most events, each once.
fn paired(
    old: &BTreeMap<IncidentId, BTreeSet<EventRef>>,
    new: &BTreeMap<IncidentId, BTreeSet<EventRef>>,
) -> Vec<(IncidentId, IncidentId)> {
    let home: BTreeMap<EventRef, IncidentId> =
        old.iter().flat_map(|(id, events)| events.iter().map(|event| (*event, *id))).collect();
    let mut shared: BTreeMap<(IncidentId, IncidentId), usize> = BTreeMap::new();
    for (id, events) in new {
        for recorded in events.iter().filter_map(|event| home.get(event)) {
            *shared.entry((*recorded, *id)).or_default() += 1;
        }
    }
    let mut order: Vec<((IncidentId, IncidentId), usize)> = shared.into_iter().collect();
    order.sort_by_key(|(pair, count)| (std::cmp::Reverse(*count), *pair));
    let (mut taken_old, mut taken_new) = (BTreeSet::new(), BTreeSet::new());
    let mut pairs = Vec::new();
    for ((recorded, instead), _) in order {
        if !taken_old.contains(&recorded) && !taken_new.contains(&instead) {
            taken_old.insert(recorded);
            taken_new.insert(instead);
            pairs.push((recorded, instead));
        }
    }
    pairs.sort();
    pairs
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root.as_deref().unwrap_or("?");
        write!(f, "{} {:<8} {} (root {root}, {} events)", self.opened_at, self.severity, self.title, self.events)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} records, {} events", self.records, self.events)?;
        let [old, new] = self.incidents;
        let (changed, gone, fresh) = (self.changed.len(), self.gone.len(), self.fresh.len());
        writeln!(
            f,
            "incidents: {old} as recorded, {new} instead; {} same, {changed} changed, {gone} gone, {fresh} new",
            self.same
        )?;
        for changed in &self.changed {
            writeln!(f, "~ {}", changed.recorded)?;
            writeln!(f, "  {} (+{} −{} events)", changed.instead, changed.events_added, changed.events_lost)?;
        }
        for gone in &self.gone {
            writeln!(f, "- {gone}")?;
        }
        for fresh in &self.fresh {
            writeln!(f, "+ {fresh}")?;
        }
        for (word, [old, new]) in &self.verdicts {
            writeln!(f, "verdict {word}: {old} -> {new}")?;
        }
        for (receiver, [old, new]) in &self.messages {
            writeln!(f, "messages to {receiver}: {old} -> {new}")?;
        }
        Ok(())
    }
}
