//! Filling the live view after a restart.

use std::sync::Arc;

use rusqlite::Connection;

use super::super::board::CLOSED_MAX;
use super::super::counts::{MUTE_WORDS, REJECT_WORDS};
use super::super::live::{Live, State};
use super::super::tenant::TenantView;
use super::find::{read, timeline};
use super::{History, HistoryError, schema};
use crate::domain::alert::AlertView;
use crate::domain::ids::{AlertId, TenantId};
use crate::domain::incident::IncidentView;
use crate::domain::mute::Silence;
use crate::domain::time::Timestamp;

impl History {
    /// Fills an empty live view with what was open or firing at `applied`; later steps follow through `Live::apply`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn restore(&self, live: &Live) -> Result<(), HistoryError> {
        self.read(|from| {
            let mut filled = Ok(());
            live.restore(|state| filled = fill(from, state));
            filled
        })
    }
}

fn fill(from: &Connection, state: &mut State) -> rusqlite::Result<()> {
    state.journal_seq = schema::applied(from)?;
    state.outbox_seq = schema::meta(from, "outbox_seq")?;
    state.stamp = Timestamp(schema::meta(from, "stamp")? as i64);
    let stamp = state.stamp;
    alerts(from, state)?;
    incidents(from, state)?;
    let mut query = from.prepare("SELECT tenant, silence FROM silences WHERE ends > ?1")?;
    let silences = query.query_map([stamp.0], |row| Ok((row.get::<_, String>(0)?, read::<Silence>(row, 1)?)))?;
    for found in silences {
        let (tenant, silence) = found?;
        state.tenant_mut(&tenant.into()).silences.insert(silence.id.clone(), silence);
    }
    counters(from, state)
}

/// Firing alerts and all members of the incidents that are kept in memory.
fn alerts(from: &Connection, state: &mut State) -> rusqlite::Result<()> {
    let sql = "SELECT view, more, last_seen FROM alerts a WHERE firing = 1 OR incident IN
               (SELECT id FROM incidents WHERE ended IS NULL UNION ALL
                SELECT id FROM (SELECT id FROM incidents WHERE ended IS NOT NULL ORDER BY ended DESC LIMIT ?1))";
    let mut query = from.prepare(sql)?;
    let found = query.query_map([CLOSED_MAX as i64], |row| {
        let mut view: AlertView = read(row, 0)?;
        view.count += row.get::<_, i64>(1)? as u64;
        view.last_seen = Timestamp(row.get(2)?);
        Ok(view)
    })?;
    for view in found {
        let view = view?;
        state.tenant_mut(&view.tenant.clone()).alerts.put(Arc::new(view));
    }
    Ok(())
}

fn incidents(from: &Connection, state: &mut State) -> rusqlite::Result<()> {
    let sql = "SELECT view FROM incidents WHERE ended IS NULL UNION ALL
               SELECT view FROM (SELECT view FROM incidents WHERE ended IS NOT NULL ORDER BY ended DESC LIMIT ?1)";
    let mut query = from.prepare(sql)?;
    let mut members = from.prepare("SELECT alert FROM members WHERE incident = ?1")?;
    for view in query.query_map([CLOSED_MAX as i64], |row| read::<IncidentView>(row, 0))? {
        let view = view?;
        let id = view.id;
        let ids = members.query_map([id.0 as i64], |row| Ok(AlertId(row.get::<_, i64>(0)? as u64)))?;
        let ids: Vec<AlertId> = ids.collect::<Result<_, _>>()?;
        let tenant = state.tenant_mut(&view.tenant.clone());
        let TenantView { board, alerts, .. } = tenant;
        let about = |id| alerts.get(id).map(|row| super::super::tenant::source_and_ci(&row.view));
        board.put(Arc::new(view), &ids, &[], about);
        timeline(from, id)?.into_iter().for_each(|entry| board.note(id, entry));
    }
    Ok(())
}

fn counters(from: &Connection, state: &mut State) -> rusqlite::Result<()> {
    let mut query = from.prepare("SELECT tenant, kind, key, n FROM counters")?;
    let rows = query.query_map([], |row| {
        let n = row.get::<_, i64>(3)? as u64;
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, n))
    })?;
    for row in rows {
        let (tenant, kind, key, n) = row?;
        let tenant = state.tenant_mut(&TenantId::from(tenant));
        let counts = &mut tenant.conservation;
        let known = |words: &[&'static str]| words.iter().copied().find(|word| *word == key);
        match kind.as_str() {
            "accepted" => counts.accepted = n,
            "duplicate" => counts.duplicate = n,
            "joined" => counts.joined = n,
            "opened" => counts.opened = n,
            "held" => counts.held = n,
            "resolved" => counts.resolved = n,
            "muted" => counts.muted.extend(known(&MUTE_WORDS).map(|word| (word, n))),
            "rejected" => counts.dead_lettered.extend(known(&REJECT_WORDS).map(|word| (word, n))),
            "alerts" => tenant.alerts_made = n,
            "incidents" => tenant.incidents_made = n,
            "source" => tenant.noisy_sources.add(&key, n),
            "name" => tenant.noisy_names.add(&key, n),
            "ci" => tenant.noisy_cis.add(&key, n),
            _ => {}
        }
    }
    Ok(())
}
