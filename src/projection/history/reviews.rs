//! Post-mortems as people keep them: drafts and published ones, with the versions before.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::super::Committed;
use super::write::word;
use crate::domain::ids::{IncidentId, TenantId};
use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::{Command, Input, Order};

/// Versions kept of one incident's; the oldest goes first, but never what is published.
const VERSIONS_MAX: usize = 50;

/// One version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub incident: IncidentId,
    /// The journal record that has it: also its number.
    pub version: u64,
    pub at: Timestamp,
    pub author: String,
    /// `draft` or `published`.
    pub state: String,
    pub text: String,
}

/// Keeps a version, when the step's input is one that was taken.
pub fn write(to: &Transaction<'_>, step: &Committed, input: &Input) -> rusqlite::Result<()> {
    let Input::Command(Command { tenant, actor, order: Order::Review { incident, review, text }, .. }) = input else {
        return Ok(());
    };
    let is_done =
        step.effects.iter().any(|effect| matches!(effect, Effect::CommandDone { refused: None, again: false, .. }));
    if !is_done {
        return Ok(());
    }
    let sql = "INSERT OR REPLACE INTO reviews VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (id, seq) = (incident.0 as i64, step.journal_seq as i64);
    let row = params![id, seq, tenant.as_str(), step.stamp.0, actor, word(review), text];
    to.prepare_cached(sql)?.execute(row)?;
    let old = "DELETE FROM reviews WHERE incident = ?1 AND seq <= (
               SELECT seq FROM reviews WHERE incident = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)
               AND seq IS NOT (SELECT max(seq) FROM reviews WHERE incident = ?1 AND state = 'published')";
    to.prepare_cached(old)?.execute(params![id, VERSIONS_MAX as i64]).map(drop)
}

const COLUMNS: &str = "SELECT incident, seq, at, author, state, text FROM reviews";

/// The newest version of an incident's, or the one of this number.
pub fn one(
    from: &Connection,
    tenant: &TenantId,
    incident: IncidentId,
    version: Option<u64>,
) -> rusqlite::Result<Option<Kept>> {
    let sql =
        format!("{COLUMNS} WHERE incident = ?1 AND tenant = ?2 AND (?3 IS NULL OR seq = ?3) ORDER BY seq DESC LIMIT 1");
    let values = params![incident.0 as i64, tenant.as_str(), version.map(|seq| seq as i64)];
    from.prepare_cached(&sql)?.query_row(values, read).optional()
}

/// All versions of an incident's, newest first.
pub fn versions(from: &Connection, tenant: &TenantId, incident: IncidentId) -> rusqlite::Result<Vec<Kept>> {
    let sql = format!("{COLUMNS} WHERE incident = ?1 AND tenant = ?2 ORDER BY seq DESC");
    from.prepare_cached(&sql)?.query_map(params![incident.0 as i64, tenant.as_str()], read)?.collect()
}

/// The newest version of each incident's before a place, newest first; or what is published, which stands beside newer drafts;
/// or only drafts that nothing was published after.
pub fn newest(
    from: &Connection,
    tenant: &TenantId,
    state: Option<&str>,
    before: Option<u64>,
    limit: usize,
) -> rusqlite::Result<Vec<Kept>> {
    let sql = format!(
        "{COLUMNS} r WHERE tenant = ?1 AND seq < ?2 AND (?3 IS NULL OR state = ?3)
         AND seq = (SELECT max(seq) FROM reviews WHERE incident = r.incident AND (?3 IS NOT 'published' OR state = ?3))
         ORDER BY seq DESC LIMIT ?4"
    );
    let before = before.map_or(i64::MAX, |seq| seq as i64);
    from.prepare_cached(&sql)?.query_map(params![tenant.as_str(), before, state, limit as i64], read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        incident: IncidentId(row.get::<_, i64>(0)? as u64),
        version: row.get::<_, i64>(1)? as u64,
        at: Timestamp(row.get(2)?),
        author: row.get(3)?,
        state: row.get(4)?,
        text: row.get(5)?,
    })
}
