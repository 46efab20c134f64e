//! Single records: why an event ended as it did, an incident with all of its past, a dead letter.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::super::scope::Scope;
use crate::domain::alert::AlertView;
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, EventRef, IncidentId, OrgId};
use crate::domain::incident::{IncidentView, TimelineEntry};
use crate::domain::time::Timestamp;
use crate::engine::input::DeadLetter;
use crate::engine::verdict::Verdict;

/// An event with its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub event: EventRef,
    pub at: Timestamp,
    pub verdict: Verdict,
    pub raw: Event,
}

/// A dead letter as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub event: EventRef,
    pub at: Timestamp,
    pub letter: DeadLetter,
    pub replayed_at: Option<Timestamp>,
}

/// Reads a JSON column.
pub fn read<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}

const JUDGED: &str = "SELECT e.seq, e.idx, e.stamp, e.decision, e.raw, coalesce(a.org, e.org)
                      FROM events e LEFT JOIN alerts a ON a.id = e.alert AND a.tenant = e.tenant";

fn judged(row: &Row<'_>, scope: &Scope) -> rusqlite::Result<Option<Judged>> {
    let org: Option<String> = row.get(5)?;
    if !scope.sees_one(org.map(OrgId::from).as_ref()) {
        return Ok(None);
    }
    let event = EventRef { seq: row.get::<_, i64>(0)? as u64, index: row.get(1)? };
    let (verdict, raw) = (read(row, 3)?, read(row, 4)?);
    Ok(Some(Judged { event, at: Timestamp(row.get(2)?), verdict, raw }))
}

/// The event with its verdict.
pub fn event(from: &Connection, scope: &Scope, event: EventRef) -> rusqlite::Result<Option<Judged>> {
    let sql = format!("{JUDGED} WHERE e.seq = ?1 AND e.idx = ?2 AND e.tenant = ?3");
    let key = params![event.seq as i64, event.index, scope.tenant.as_str()];
    let found = from.prepare_cached(&sql)?.query_row(key, |row| judged(row, scope)).optional()?;
    Ok(found.flatten())
}

/// The newest `limit` events of an alert, newest first.
pub fn events_of(from: &Connection, scope: &Scope, alert: AlertId, limit: usize) -> rusqlite::Result<Vec<Judged>> {
    let sql = format!("{JUDGED} WHERE e.tenant = ?1 AND e.alert = ?2 ORDER BY e.seq DESC, e.idx DESC LIMIT ?3");
    let mut query = from.prepare_cached(&sql)?;
    let key = params![scope.tenant.as_str(), alert.0 as i64, limit as i64];
    let rows = query.query_map(key, |row| judged(row, scope))?;
    rows.filter_map(Result::transpose).collect()
}

/// The alert with the count of its newest duplicates.
pub fn alert(from: &Connection, scope: &Scope, alert: AlertId) -> rusqlite::Result<Option<AlertView>> {
    let sql = "SELECT view, more, last_seen, org FROM alerts WHERE id = ?1 AND tenant = ?2";
    let found = from.prepare_cached(sql)?.query_row(params![alert.0 as i64, scope.tenant.as_str()], |row| {
        let org: Option<String> = row.get(3)?;
        let mut view: AlertView = read(row, 0)?;
        view.count += row.get::<_, i64>(1)? as u64;
        view.last_seen = Timestamp(row.get(2)?);
        Ok(scope.sees_one(org.map(OrgId::from).as_ref()).then_some(view))
    });
    Ok(found.optional()?.flatten())
}

/// The incident with its timeline.
pub fn incident(
    from: &Connection,
    scope: &Scope,
    id: IncidentId,
) -> rusqlite::Result<Option<(IncidentView, Vec<TimelineEntry>)>> {
    let sql = "SELECT view FROM incidents WHERE id = ?1 AND tenant = ?2";
    let key = params![id.0 as i64, scope.tenant.as_str()];
    let view: Option<IncidentView> = from.prepare_cached(sql)?.query_row(key, |row| read(row, 0)).optional()?;
    let Some(view) = view.filter(|view| scope.sees(&view.orgs)) else { return Ok(None) };
    Ok(Some((view, timeline(from, id)?)))
}

/// The timeline of an incident, oldest first.
pub fn timeline(from: &Connection, id: IncidentId) -> rusqlite::Result<Vec<TimelineEntry>> {
    let mut query = from.prepare_cached("SELECT entry FROM timeline WHERE incident = ?1 ORDER BY seq, idx")?;
    query.query_map([id.0 as i64], |row| read(row, 0))?.collect()
}

/// A page of an incident's alerts in the order of their ids, and how many there are.
pub fn members(
    from: &Connection,
    id: IncidentId,
    after: Option<AlertId>,
    limit: usize,
) -> rusqlite::Result<(Vec<AlertView>, usize)> {
    let sql = "SELECT a.view FROM members m JOIN alerts a ON a.id = m.alert
               WHERE m.incident = ?1 AND m.alert > ?2 ORDER BY m.alert LIMIT ?3";
    let after = after.map_or(-1, |alert| alert.0 as i64);
    let mut query = from.prepare_cached(sql)?;
    let page: rusqlite::Result<Vec<AlertView>> =
        query.query_map(params![id.0 as i64, after, limit as i64], |row| read(row, 0))?.collect();
    let count = "SELECT count(*) FROM members WHERE incident = ?1";
    let total: i64 = from.prepare_cached(count)?.query_row([id.0 as i64], |row| row.get(0))?;
    Ok((page?, total as usize))
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let event = EventRef { seq: row.get::<_, i64>(0)? as u64, index: row.get(1)? };
    let replayed_at = row.get::<_, Option<i64>>(4)?.map(Timestamp);
    Ok(Kept { event, at: Timestamp(row.get(2)?), letter: read(row, 3)?, replayed_at })
}

/// A page of the tenant's dead letters before `before`, newest first.
pub fn dead_letters(
    from: &Connection,
    scope: &Scope,
    before: Option<EventRef>,
    limit: usize,
) -> rusqlite::Result<Vec<Kept>> {
    let sql = "SELECT seq, idx, stamp, letter, replayed_at FROM dead_letters
               WHERE tenant = ?1 AND (seq, idx) < (?2, ?3) ORDER BY seq DESC, idx DESC LIMIT ?4";
    let (seq, index) = before.map_or((i64::MAX, i64::MAX), |b| (b.seq as i64, i64::from(b.index)));
    let mut query = from.prepare_cached(sql)?;
    query.query_map(params![scope.tenant.as_str(), seq, index, limit as i64], kept)?.collect()
}

/// One dead letter.
pub fn dead_letter(from: &Connection, scope: &Scope, id: EventRef) -> rusqlite::Result<Option<Kept>> {
    let sql = "SELECT seq, idx, stamp, letter, replayed_at FROM dead_letters
               WHERE seq = ?1 AND idx = ?2 AND tenant = ?3";
    let key = params![id.seq as i64, id.index, scope.tenant.as_str()];
    from.prepare_cached(sql)?.query_row(key, kept).optional()
}
