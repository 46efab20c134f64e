//! The engine as it was: the recorded journal up to a moment, and a question to that state.

use std::path::Path;

use anyhow::{Result, bail};

use super::Recorded;
use crate::domain::ids::TenantId;
use crate::domain::partition::partition_of;
use crate::domain::time::{Span, Timestamp};
use crate::engine::Loaded;
use crate::engine::explain::{Answer, Question};
use crate::engine::input::Input;
use crate::projection::history::History;
use crate::projection::history::find;
use crate::projection::scope::Scope;

/// After the last look at an alert: so long.
const SETTLED: Span = Span::secs(1);

/// Asks the state that the tenant's engine had at a moment.
///
/// # Errors
/// When the journal cannot be read, or does not reach back so far.
pub fn explain_at(data: &Path, tenant: &TenantId, question: &Question, at: Timestamp) -> Result<Answer> {
    let recorded = Recorded::open(data)?;
    let number = partition_of(tenant);
    let kept = recorded.engine(number)?;
    let (mut engine, from) = kept.unwrap_or_else(|| (recorded.begun(number), 0));
    if engine.now() > at {
        bail!(
            "the journal is kept from {} on, the question is about {at}; `headwater why` has what was stored",
            engine.now()
        );
    }
    let (mut last, mut reaches) = (engine.now(), false);
    recorded.while_some(|record, _| {
        if record.partition != number || record.seq <= from {
            return Ok(Some(()));
        }
        if record.stamp > at {
            reaches = true;
            return Ok(None);
        }
        engine.step(record.stamp, &record.input, recorded.loaded(&record.input)?);
        last = last.max(record.stamp);
        Ok(Some(()))
    })?;
    // What is due after the last record has not happened yet.
    let at = if reaches { at } else { at.min(last) };
    engine.step(at, &Input::Tick, Loaded::Nothing);
    match engine.explain(tenant, question) {
        Some(answer) => Ok(answer),
        None => bail!("nothing is recorded of tenant {tenant} up to {at}"),
    }
}

/// The moment at which what the question is about was settled: after the last look at the alert, when both it and the
/// incident were there, and before the incident became part of another one. `None`: the history knows neither.
///
/// # Errors
/// When the history cannot be read.
pub fn moment_of(history: &History, tenant: &TenantId, question: &Question) -> Result<Option<Timestamp>> {
    let scope = Scope::whole(tenant.clone());
    let last_look = crate::engine::tuning::Tuning::default().revise_after[2];
    let (alert, incident) = question.names();
    let found = history.read(|from| {
        let alert = alert.map(|id| find::alert(from, &scope, id)).transpose()?.flatten();
        let incident = incident.map(|id| find::incident(from, &scope, id)).transpose()?.flatten();
        Ok((alert, incident))
    })?;
    let (alert, incident) = found;
    let begins = [alert.as_ref().map(|a| a.first_seen), incident.as_ref().map(|i| i.opened_at)];
    let Some(begin) = begins.into_iter().flatten().max() else { return Ok(None) };
    let settled = begin.plus(last_look).plus(SETTLED);
    let merged = incident.filter(|view| view.merged_into.is_some()).and_then(|view| view.closed_at);
    Ok(Some(merged.map_or(settled, |merged| settled.min(merged.minus(Span(1))))))
}
