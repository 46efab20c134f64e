//! Dead letters: rare, each a row of its own, and changed when it is tried again.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::scope::Scope;
use super::find::{Judged, Raw, read};
use super::search::{EventFilter, Query, text, time};
use super::write::json;
use crate::domain::ids::{EventRef, TenantId};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::input::DeadLetter;
use crate::engine::verdict::Verdict;

/// The verdict's word.
pub const REJECTED: &str = "rejected";

const LETTERS: &str = "SELECT seq, idx, stamp, letter, replayed_as, replayed_at FROM letters";

/// Writes a dead letter.
pub fn write(
    to: &Connection,
    place: EventRef,
    at: Timestamp,
    tenant: &TenantId,
    letter: &DeadLetter,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO letters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, NULL)";
    to.prepare_cached(sql)?.execute(params![
        place.seq as i64,
        place.index,
        tenant.as_str(),
        at.0,
        letter.why.word(),
        letter.source.as_str(),
        letter.why.detail().to_lowercase(),
        json(letter),
    ])?;
    Ok(())
}

/// Notes that a dead letter was tried again with record `seq`.
pub fn note_replay(
    to: &Connection,
    place: EventRef,
    tenant: &TenantId,
    seq: u64,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "UPDATE letters SET replayed_as = ?4, replayed_at = ?5 WHERE seq = ?1 AND idx = ?2 AND tenant = ?3";
    let row = params![place.seq as i64, place.index, tenant.as_str(), format!("e{seq}.0"), at.0];
    to.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn judged(row: &Row<'_>) -> rusqlite::Result<Judged> {
    let event = EventRef { seq: row.get::<_, i64>(0)? as u64, index: row.get(1)? };
    let letter: DeadLetter = read(row, 3)?;
    let replayed = match (row.get::<_, Option<String>>(4)?, row.get::<_, Option<i64>>(5)?) {
        (Some(replayed_as), Some(at)) => Some((replayed_as, Timestamp(at))),
        _ => None,
    };
    let verdict = Verdict::Rejected { why: letter.why.clone() };
    Ok(Judged { event, at: Timestamp(row.get(2)?), verdict, raw: Raw::Letter(Box::new(letter)), alert: None, replayed })
}

/// The dead letter at this place. They belong to no organisation and no area.
pub fn one(from: &Connection, scope: &Scope, place: EventRef) -> rusqlite::Result<Option<Judged>> {
    if !scope.is_whole() {
        return Ok(None);
    }
    let sql = format!("{LETTERS} WHERE seq = ?1 AND idx = ?2 AND tenant = ?3");
    let key = params![place.seq as i64, place.index, scope.tenant.as_str()];
    from.prepare_cached(&sql)?.query_row(key, judged).optional()
}

/// The newest `limit` ones that the filter fits, newest first.
pub fn newest(
    from: &Connection,
    scope: &Scope,
    filter: &EventFilter,
    before: Option<EventRef>,
    limit: usize,
) -> rusqlite::Result<Vec<Judged>> {
    let severities = &filter.severities;
    let fits = (filter.verdicts.is_empty() || filter.verdicts.iter().any(|word| word == REJECTED))
        && (severities.is_empty() || severities.contains(&Severity::Indeterminate))
        && filter.name.as_deref().is_none_or(str::is_empty)
        && filter.alert.is_none()
        && filter.incident.is_none()
        && scope.is_whole();
    if !fits {
        return Ok(Vec::new());
    }
    let mut query = Query::new(&format!("{LETTERS} WHERE tenant = ?"), scope);
    query
        .optional("stamp >= ?", time(filter.since))
        .optional("stamp < ?", time(filter.until))
        .optional("source = ?", filter.source.as_deref().map(text))
        .optional("reason = ?", filter.reason.as_deref().map(text))
        .like("text", filter.q.as_deref());
    if let Some(before) = before {
        query.and("(seq, idx) < (?, ?)", [Value::Integer(before.seq as i64), Value::Integer(before.index.into())]);
    }
    query.run(from, "ORDER BY seq DESC, idx DESC", limit, judged)
}
