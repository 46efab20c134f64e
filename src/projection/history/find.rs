//! Single records: why an event ended as it did, an incident with all of its past, a dead letter.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::super::scope::Scope;
use super::search::EventFilter;
use super::walk::{self, Judge};
use super::{heads, ids, letters};
use crate::domain::alert::AlertView;
use crate::domain::event::{Event, Status};
use crate::domain::ids::{AlertId, EventRef, IncidentId};
use crate::domain::incident::{IncidentView, TimelineEntry};
use crate::domain::time::Timestamp;
use crate::engine::input::DeadLetter;
use crate::engine::verdict::Verdict;

/// What was received.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    Event(Box<Event>),
    Letter(Box<DeadLetter>),
}

/// An event with its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub event: EventRef,
    pub at: Timestamp,
    pub verdict: Verdict,
    pub raw: Raw,
    /// Its alert as it is now.
    pub alert: Option<AlertView>,
    /// Of a dead letter: the event that it became when it was tried again, and when.
    pub replayed: Option<(String, Timestamp)>,
}

/// Reads a JSON column.
pub fn read<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}

/// An alert with the duplicates since its last version.
pub fn counted(mut view: AlertView, more: i64, last_seen: i64) -> AlertView {
    view.count += more as u64;
    view.last_seen = Timestamp(last_seen);
    view
}

/// The event or the dead letter with its verdict.
pub fn event(from: &Connection, scope: &Scope, event: EventRef) -> rusqlite::Result<Option<Judged>> {
    let mut judge = Judge::new(from, scope);
    if let Some(mut told) = judge.record(event.seq)? {
        let ends = std::mem::take(&mut told.ends);
        if let Some(ended) = ends.into_iter().find(|ended| ended.index == event.index) {
            return judge.of(&told, ended);
        }
    }
    letters::one(from, scope, event)
}

/// The newest `limit` events that their source calls `id`, newest first.
pub fn events_called(from: &Connection, scope: &Scope, id: &str, limit: usize) -> rusqlite::Result<Vec<Judged>> {
    let (mut judge, mut found) = (Judge::new(from, scope), Vec::new());
    if id.is_empty() || limit == 0 {
        return Ok(found);
    }
    ids::records(from, &scope.tenant, id, |seq| {
        let Some(mut told) = judge.record(seq)? else { return Ok(false) };
        for ended in std::mem::take(&mut told.ends).into_iter().rev().filter(|ended| &*ended.event.id == id) {
            found.extend(judge.of(&told, ended)?);
        }
        Ok(found.len() >= limit)
    })?;
    found.truncate(limit);
    Ok(found)
}

/// The newest `limit` events of an alert, newest first.
pub fn events_of(from: &Connection, scope: &Scope, alert: AlertId, limit: usize) -> rusqlite::Result<Vec<Judged>> {
    walk::newest(from, scope, &EventFilter { alert: Some(alert), ..EventFilter::default() }, None, limit)
}

/// The newest event of each of these alerts that says it fires, as far as the newest `records_max` records tell it.
pub fn newest_of(
    from: &Connection,
    scope: &Scope,
    alerts: impl IntoIterator<Item = AlertId>,
    records_max: usize,
) -> rusqlite::Result<BTreeMap<AlertId, Event>> {
    let (judge, mut heads, mut found) =
        (Judge::new(from, scope), BTreeMap::<u64, BTreeSet<AlertId>>::new(), BTreeMap::new());
    for alert in alerts {
        let seq = heads::read(from, alert)?.map_or(0, |head| head.seq);
        heads.entry(seq).or_default().insert(alert);
    }
    for (seq, alerts) in heads.into_iter().rev().take(records_max) {
        let ends = judge.record(seq)?.map_or_else(Vec::new, |told| told.ends);
        for ended in ends.into_iter().filter(|ended| ended.event.status == Status::Firing) {
            if let Some(alert) = ended.verdict.alert().filter(|alert| alerts.contains(alert)) {
                found.insert(alert, ended.event);
            }
        }
    }
    Ok(found)
}

/// Everything called so: by the source's own id, or by `e<seq>.<index>` or `<seq>-<index>`. Newest first.
pub fn why(from: &Connection, scope: &Scope, id: &str, limit: usize) -> rusqlite::Result<Vec<Judged>> {
    let mut found = events_called(from, scope, id, limit)?;
    if let Some(place) = place(id)
        && let Some(judged) = event(from, scope, place)?
        && found.iter().all(|known| known.event != judged.event)
    {
        found.insert(0, judged);
    }
    Ok(found)
}

/// A place in the journal, however it is written.
pub fn place(text: &str) -> Option<EventRef> {
    let plain = || {
        let (seq, index) = text.split_once('-')?;
        Some(EventRef { seq: seq.parse().ok()?, index: index.parse().ok()? })
    };
    EventRef::parse(text).or_else(plain)
}

/// The alert with the count of its newest duplicates.
pub fn alert(from: &Connection, scope: &Scope, alert: AlertId) -> rusqlite::Result<Option<AlertView>> {
    let sql = "SELECT a.view, coalesce(h.more, 0), coalesce(h.last_seen, a.last_seen)
               FROM alerts a LEFT JOIN heads h ON h.alert = a.id WHERE a.id = ?1 AND a.tenant = ?2";
    let found = from.prepare_cached(sql)?.query_row(params![alert.0 as i64, scope.tenant.as_str()], |row| {
        let view: AlertView = counted(read(row, 0)?, row.get(1)?, row.get(2)?);
        Ok(scope.sees_ci(view.ci.as_deref()).then_some(view))
    });
    Ok(found.optional()?.flatten())
}

/// The incident.
pub fn incident(from: &Connection, scope: &Scope, id: IncidentId) -> rusqlite::Result<Option<IncidentView>> {
    let sql = "SELECT view FROM incidents WHERE id = ?1 AND tenant = ?2";
    let key = params![id.0 as i64, scope.tenant.as_str()];
    let view: Option<IncidentView> = from.prepare_cached(sql)?.query_row(key, |row| read(row, 0)).optional()?;
    Ok(view.filter(|view| scope.sees(&view.orgs, view.area)))
}

/// The newest `limit` lines of an incident's timeline, oldest first, and how many there are.
pub fn timeline(from: &Connection, id: IncidentId, limit: usize) -> rusqlite::Result<(Vec<TimelineEntry>, u64)> {
    let sql = "SELECT entry FROM timeline WHERE incident = ?1 ORDER BY seq DESC, idx DESC LIMIT ?2";
    let mut query = from.prepare_cached(sql)?;
    let found: rusqlite::Result<Vec<TimelineEntry>> =
        query.query_map(params![id.0 as i64, limit as i64], |row| read(row, 0))?.collect();
    let mut entries = found?;
    entries.reverse();
    let count = "SELECT count(*) FROM timeline WHERE incident = ?1";
    let total: i64 = from.prepare_cached(count)?.query_row([id.0 as i64], |row| row.get(0))?;
    Ok((entries, total as u64))
}

/// A line of a timeline and its place.
pub type Line = ((i64, i64), TimelineEntry);

/// A page of an incident's timeline behind `after`, oldest first.
pub fn lines(
    from: &Connection,
    id: IncidentId,
    after: Option<(i64, i64)>,
    limit: usize,
) -> rusqlite::Result<Vec<Line>> {
    let sql = "SELECT seq, idx, entry FROM timeline WHERE incident = ?1 AND (seq, idx) > (?2, ?3)
               ORDER BY seq, idx LIMIT ?4";
    let (seq, index) = after.unwrap_or((-1, -1));
    let mut query = from.prepare_cached(sql)?;
    let line = |row: &Row<'_>| Ok(((row.get(0)?, row.get(1)?), read(row, 2)?));
    query.query_map(params![id.0 as i64, seq, index, limit as i64], line)?.collect()
}

/// A page of an incident's alerts in the order of their ids, and how many there are.
pub fn members(
    from: &Connection,
    id: IncidentId,
    after: Option<AlertId>,
    limit: usize,
) -> rusqlite::Result<(Vec<AlertView>, usize)> {
    let sql = "SELECT a.view, coalesce(h.more, 0), coalesce(h.last_seen, a.last_seen)
               FROM members m JOIN alerts a ON a.id = m.alert LEFT JOIN heads h ON h.alert = a.id
               WHERE m.incident = ?1 AND m.alert > ?2 ORDER BY m.alert LIMIT ?3";
    let after = after.map_or(-1, |alert| alert.0 as i64);
    let mut query = from.prepare_cached(sql)?;
    let alert = |row: &Row<'_>| Ok(counted(read(row, 0)?, row.get(1)?, row.get(2)?));
    let page: rusqlite::Result<Vec<AlertView>> =
        query.query_map(params![id.0 as i64, after, limit as i64], alert)?.collect();
    let count = "SELECT count(*) FROM members WHERE incident = ?1";
    let total: i64 = from.prepare_cached(count)?.query_row([id.0 as i64], |row| row.get(0))?;
    Ok((page?, total as usize))
}
