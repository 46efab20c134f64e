//! Two runs side by side on the recorded journal of a data folder. What people ordered about incidents is left out: it
//! was ordered about what was shown then; where it corrected incidents, it is the truth to which both are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail};

use super::Recorded;
use super::corrected::Corrected;
use crate::domain::ids::{EventRef, TenantId};
use crate::domain::partition::partition_of;
use crate::domain::time::Timestamp;
use crate::engine::input::Input;
use crate::engine::{Engine, Loaded};
use crate::journal::Record;
use crate::lab::choice::Choice;
use crate::lab::truth::Truth;
use crate::lab::versus::{Labelled, Report, Stream, compare};
use crate::lab::world::World;

/// What to compare on which part of the journal.
pub struct Plan<'a> {
    pub data: &'a Path,
    pub tenant: TenantId,
    /// What is not chosen is as recorded.
    pub sides: [Choice; 2],
    /// Events from here on count; earlier ones only set the scene.
    pub since: Option<Timestamp>,
    /// In front of links to `why`; empty: commands are told.
    pub base_url: String,
    /// A folder with labels; without it incidents that people corrected are the truth.
    pub truth: Option<&'a Path>,
}

struct Side<'a> {
    choice: &'a Choice,
    engine: Engine,
    world: World,
    is_begun: bool,
}

/// Runs both and compares.
///
/// # Errors
/// When the journal cannot be read, or holds nothing of the tenant.
pub fn run(plan: &Plan<'_>) -> Result<Report> {
    let recorded = Recorded::open(plan.data)?;
    let number = partition_of(&plan.tenant);
    let kept = recorded.engine(number)?;
    let from = kept.as_ref().map_or(0, |(_, seq)| *seq);
    let mut sides = [&plan.sides[0], &plan.sides[1]].map(|choice| Side {
        choice,
        engine: kept.as_ref().map_or_else(|| recorded.begun(number), |(engine, _)| engine.clone()),
        world: World::default(),
        is_begun: false,
    });
    let wanted = plan.truth.map(|folder| anyhow::Ok((folder, Truth::read(folder)?))).transpose()?;
    let spoken_of = wanted.as_ref().map(|(_, truth)| truth.events());
    let mut named: BTreeMap<String, EventRef> = BTreeMap::new();
    let mut corrected = Corrected::of(plan.tenant.clone());
    let (mut first, mut last): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    recorded.each(|record, decision| {
        if record.partition != number || record.seq <= from || !concerns(&record.input, &plan.tenant) {
            return Ok(());
        }
        let counts = plan.since.is_none_or(|since| record.stamp >= since);
        let is_hidden = |side: &Side<'_>| side.choice.hides(&record.input, &plan.tenant);
        // Read and compiled once for both.
        let loaded = if sides.iter().all(is_hidden) { Loaded::Nothing } else { recorded.loaded(&record.input)? };
        for side in &mut sides {
            side.step(record, &loaded, &plan.tenant, counts);
        }
        if let Some(events) = &spoken_of {
            name(events, record, &mut named);
        }
        corrected.fold(record, &decision.effects);
        if counts {
            (first, last) = (first.or(Some(record.stamp)), Some(record.stamp));
        }
        Ok(())
    })?;
    let (Some(from), Some(to)) = (first, last) else {
        bail!("nothing is recorded of tenant {} in that time", plan.tenant);
    };
    let why = |event: EventRef| match plan.base_url.as_str() {
        "" => format!("headwater why --data {} {event}", plan.data.display()),
        base => format!("{base}/why/{event}"),
    };
    let labelled = match &wanted {
        Some((folder, truth)) => Some(Labelled::of(folder, placed(truth, &named)?)),
        None => Labelled::corrected(corrected.incidents()),
    };
    let worlds = [&sides[0].world, &sides[1].world];
    let labelled = labelled.and_then(|labelled| labelled.within(worlds));
    if let Some(folder) = plan.truth.filter(|_| labelled.is_none()) {
        bail!("{}: the truth names no incident of that time; look further back", folder.display());
    }
    let runs = [0, 1].map(|at| plan.sides[at].run("as recorded", "as recorded"));
    let stream = Stream { from, to, why: &why, truth: labelled.as_ref() };
    Ok(compare(runs, worlds, &stream))
}

/// Notes which events of a record the truth speaks of, by the source's own id or by their place.
fn name(events: &BTreeSet<&str>, record: &Record, named: &mut BTreeMap<String, EventRef>) {
    let Input::Batch(batch) = &*record.input else { return };
    for (index, event) in batch.events.iter().enumerate() {
        let at = EventRef { seq: record.seq, index: index as u32 };
        for id in [event.id.to_string(), at.to_string()] {
            if events.contains(id.as_str()) {
                named.insert(id, at);
            }
        }
    }
}

/// The truth with the events' places in the journal.
fn placed(truth: &Truth, named: &BTreeMap<String, EventRef>) -> Result<Truth> {
    if named.is_empty() {
        bail!("the truth names no event of this journal: it names them by the source's own id or as e<seq>.<index>");
    }
    Ok(truth.renamed(|event| named.get(event).map(ToString::to_string)))
}

/// Whether the tenant's runs see the input.
fn concerns(input: &Input, of: &TenantId) -> bool {
    match input {
        Input::Batch(batch) => batch.tenant == *of,
        Input::Command(command) => command.tenant == *of,
        Input::Topology { tenant, .. } | Input::Policy { tenant, .. } | Input::Model { tenant, .. } => tenant == of,
        // What was sent then was sent about other incidents.
        Input::Delivered(_) | Input::Shadow { .. } | Input::MetricModel { .. } => false,
        Input::Tick => true,
    }
}

impl Side<'_> {
    /// Steps over a record; what people ordered about incidents passes as time.
    fn step(&mut self, record: &Record, loaded: &Loaded, tenant: &TenantId, counts: bool) {
        self.begin(record, tenant);
        let effects = if self.choice.hides(&record.input, tenant) {
            self.engine.step(record.stamp, &Input::Tick, Loaded::Nothing)
        } else {
            self.engine.step(record.stamp, &record.input, loaded.clone())
        };
        if counts {
            self.world.fold(tenant, record.seq, &effects, true);
        }
    }

    /// Puts what was chosen in force before the first record.
    fn begin(&mut self, record: &Record, tenant: &TenantId) {
        if std::mem::replace(&mut self.is_begun, true) {
            return;
        }
        self.choice.put(&mut self.engine, record.stamp, tenant);
    }
}
