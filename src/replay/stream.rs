//! A tenant's recorded events, and what is valid for them: what suggestions are made from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::Recorded;
use crate::domain::event::Event;
use crate::domain::ids::TenantId;
use crate::domain::partition::partition_of;
use crate::domain::time::Timestamp;
use crate::domain::topology::Topology;
use crate::engine::Loaded;
use crate::engine::input::{Digest, Input};
use crate::engine::policy::Policy;
use crate::engine::policy::place::RuleFile;
use crate::engine::tuning::Tuning;
use crate::lab::suggest::heed::{Heed, Heeding};
use crate::lab::suggest::history::Kind;
use crate::pipeline::texts::compile_model;

/// Events, in the order of the journal, and the newest of everything else.
pub struct Stream {
    pub events: Vec<Event>,
    /// Events that were too many.
    pub left_out: usize,
    pub topology: Arc<Topology>,
    pub rules: Vec<RuleFile>,
    pub tuning: Arc<Tuning>,
    /// What became of the incidents of alert types.
    pub heeded: BTreeMap<Kind, Heed>,
}

/// The texts that are valid.
#[derive(Default)]
struct Valid {
    topology: Option<(u64, Digest)>,
    rules: Option<Digest>,
    model: Option<Digest>,
}

/// Reads them from a data folder, at most `events_max` events: the newest.
///
/// # Errors
/// When the journal cannot be read, or holds no event of the tenant in that time.
pub fn read(data: &Path, tenant: &TenantId, since: Option<Timestamp>, events_max: usize) -> Result<Stream> {
    let recorded = Recorded::open(data)?;
    let number = partition_of(tenant);
    let mut valid = Valid::default();
    if let Some((engine, _)) = recorded.engine(number)? {
        let own = |of: &TenantId| of == tenant;
        valid.topology =
            engine.topologies().find(|one| own(one.0)).map(|(_, version, digest, _)| (version, digest.clone()));
        valid.rules = engine.policies().find(|one| own(one.0)).map(|(_, digest, _)| digest.clone());
        valid.model = engine.models().find(|one| own(one.0)).map(|(.., digest)| digest.clone());
    }
    let mut events: Vec<Event> = Vec::new();
    let mut left_out = 0;
    let mut heeding = Heeding::default();
    recorded.each(|record, decision| {
        if since.is_none_or(|since| record.stamp >= since) {
            heeding.fold(tenant, &decision.effects);
        }
        match &*record.input {
            Input::Batch(batch) if batch.tenant == *tenant && since.is_none_or(|since| record.stamp >= since) => {
                events.extend(batch.events.iter().cloned());
            }
            Input::Topology { tenant: of, version, digest, .. } if of == tenant => {
                valid.topology = Some((*version, digest.clone()));
            }
            Input::Policy { tenant: of, digest, .. } if of == tenant => valid.rules = Some(digest.clone()),
            Input::Model { tenant: of, digest, .. } if of == tenant => valid.model = Some(digest.clone()),
            Input::Batch(_)
            | Input::Topology { .. }
            | Input::Policy { .. }
            | Input::Model { .. }
            | Input::MetricModel { .. }
            | Input::Command(_)
            | Input::Shadow { .. }
            | Input::Delivered(_)
            | Input::Tick => {}
        }
        // Now and then, so that it costs nothing per record.
        if events.len() >= 2 * events_max {
            left_out += drop_oldest(&mut events, events_max);
        }
        Ok(())
    })?;
    left_out += drop_oldest(&mut events, events_max);
    if events.is_empty() {
        bail!("nothing is recorded of tenant {tenant} in that time");
    }
    let topology = valid.topology.map(|(version, digest)| recorded.topology(version, &digest)).transpose()?;
    Ok(Stream {
        events,
        left_out,
        topology: topology.unwrap_or_else(Topology::none),
        rules: rules(&recorded, valid.rules.as_ref())?,
        tuning: tuning(&recorded, valid.model.as_ref())?,
        heeded: heeding.heeded(),
    })
}

fn drop_oldest(events: &mut Vec<Event>, events_max: usize) -> usize {
    let many = events.len().saturating_sub(events_max);
    events.drain(..many);
    many
}

fn rules(recorded: &Recorded, digest: Option<&Digest>) -> Result<Vec<RuleFile>> {
    digest.map_or_else(|| Ok(Policy::default_files()), |digest| Ok(serde_json::from_slice(&recorded.text(digest)?)?))
}

fn tuning(recorded: &Recorded, digest: Option<&Digest>) -> Result<Arc<Tuning>> {
    match digest.map(|digest| compile_model(&recorded.text(digest)?)).transpose()? {
        Some(Loaded::Model(_, tuning)) => Ok(tuning),
        Some(_) | None => Ok(recorded.tuning.clone()),
    }
}
