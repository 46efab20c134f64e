//! Two runs side by side on one recorded stream of a file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};

use super::backtest::{AFTERMATH, Plan, start};
use super::choice::Choice;
use super::recording::Recording;
use super::truth::Truth;
use super::versus::{Labelled, Report, Stream, compare};
use super::world::World;
use crate::domain::ids::{EventRef, TenantId};
use crate::engine::Loaded;
use crate::engine::input::{Batch, Input};

/// Runs the plan's rules and model against others on the plan's stream. `labelled` is a folder with the truth.
///
/// # Errors
/// When a file cannot be read or understood; names the place.
pub fn run(plan: &Plan, other: &Choice, labelled: Option<&Path>) -> Result<Report> {
    let tenant = TenantId::from("default");
    let own = Choice::read("candidate", plan.rules.as_deref(), plan.models.as_deref())?;
    let choices = [other, &own];
    let mut engines = [start(plan, &tenant, other)?, start(plan, &tenant, &own)?];
    let mut worlds = [World::default(), World::default()];
    let mut recording = Recording::open(&plan.events, &plan.mapping, tenant.clone())?;
    // The source's own ids: truth names events by them.
    let mut ids: Vec<Box<str>> = Vec::new();
    let (mut from, mut to) = (None, None);
    while let Some(event) = recording.next_event()? {
        let stamp = event.observed_at;
        (from, to) = (from.or(Some(stamp)), to.max(Some(stamp)));
        ids.push(event.id.clone());
        let batch = Batch { tenant: tenant.clone(), events: vec![event], rejected: Vec::new(), replay_of: None };
        let input = Input::Batch(batch);
        for (engine, world) in engines.iter_mut().zip(&mut worlds) {
            world.fold(&tenant, ids.len() as u64 - 1, &engine.step(stamp, &input, Loaded::Nothing), true);
        }
    }
    let (Some(from), Some(to)) = (from, to) else {
        bail!("{} holds no event that can be read", plan.events.display());
    };
    for (engine, world) in engines.iter_mut().zip(&mut worlds) {
        let end = engine.now().plus(AFTERMATH);
        world.fold(&tenant, u64::MAX, &engine.step(end, &Input::Tick, Loaded::Nothing), true);
    }
    let name = |event: EventRef| ids.get(event.seq as usize).map(ToString::to_string).unwrap_or_default();
    let truth = labelled.map(|folder| anyhow::Ok(Labelled::of(folder, Truth::read(folder)?.renamed(places(&ids)))));
    let truth = truth.transpose()?;
    let runs = choices.map(|choice| choice.run("built-in", "built-in"));
    Ok(compare(runs, [&worlds[0], &worlds[1]], &Stream { from, to, why: &name, truth: truth.as_ref() }))
}

/// The places in the stream of events that truth names by the source's ids.
fn places(ids: &[Box<str>]) -> impl Fn(&str) -> Option<String> {
    let places: BTreeMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (&**id, at)).collect();
    move |id| places.get(id).map(|at| EventRef { seq: *at as u64, index: 0 }.to_string())
}
