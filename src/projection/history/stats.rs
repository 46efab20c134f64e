//! Counts per time bucket.

use rusqlite::Connection;

use super::super::scope::Scope;
use crate::domain::ids::{IncidentId, TenantId};
use crate::domain::time::Timestamp;

/// By what counts are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Total,
    Severity,
    Area,
    Source,
}

/// A count of one span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub at: Timestamp,
    /// Severity rank, area or source; empty for totals.
    pub key: String,
    pub n: u64,
}

/// Counts of `record` (`event`, `alert`, `incident`, `notification`) in `[since, until)`, oldest first.
pub fn buckets(
    from: &Connection,
    scope: &Scope,
    record: &str,
    by: By,
    span: (Timestamp, Timestamp),
    step_minutes: i64,
) -> rusqlite::Result<Vec<Bucket>> {
    let column = match by {
        By::Total => "''",
        By::Severity => "severity",
        By::Area => "area",
        By::Source => "source",
    };
    let sql = format!(
        "SELECT minute / ?5 * ?5 AS at, CAST({column} AS TEXT) AS key, sum(n) FROM buckets
         WHERE tenant = ?1 AND record = ?2 AND minute >= ?3 AND minute < ?4 GROUP BY at, key ORDER BY at, key"
    );
    let (since, until) = (span.0.0.div_euclid(60_000), (span.1.0 + 59_999).div_euclid(60_000));
    let mut query = from.prepare_cached(&sql)?;
    let rows = query.query_map((scope.tenant.as_str(), record, since, until, step_minutes), |row| {
        let n = row.get::<_, i64>(2)? as u64;
        Ok(Bucket { at: Timestamp(row.get::<_, i64>(0)? * 60_000), key: row.get(1)?, n })
    })?;
    rows.collect()
}

/// Pairs of a name and an incident that are read at most: the largest.
const PAIRS_MAX: i64 = 100_000;

/// Alerts that began in `[since, until)` by name and the incident that they are part of.
pub fn names_by_incident(
    from: &Connection,
    scope: &Scope,
    span: (Timestamp, Timestamp),
) -> rusqlite::Result<Vec<(String, Option<IncidentId>, u64)>> {
    let mut query = from.prepare_cached(
        "SELECT name, incident, count(*) AS n FROM alerts
         WHERE tenant = ?1 AND first_seen >= ?2 AND first_seen < ?3
         GROUP BY name, incident ORDER BY n DESC, name, incident LIMIT ?4",
    )?;
    let rows = query.query_map((scope.tenant.as_str(), span.0.0, span.1.0, PAIRS_MAX), |row| {
        let incident = row.get::<_, Option<i64>>(1)?.map(|id| IncidentId(id as u64));
        Ok((row.get(0)?, incident, row.get::<_, i64>(2)? as u64))
    })?;
    rows.collect()
}

/// What became of the incidents that alerts of one type were part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeededType {
    pub source: String,
    pub name: String,
    pub incidents: u64,
    /// Of these, the ones that somebody acknowledged.
    pub acknowledged: u64,
}

/// Types that are read at most: those that were part of the most incidents.
const TYPES_MAX: i64 = 1_000;

/// The types of alerts that began in `[since, until)` and are part of an incident.
pub fn heeded_types(
    from: &Connection,
    tenant: &TenantId,
    (since, until): (Timestamp, Timestamp),
) -> rusqlite::Result<Vec<HeededType>> {
    let mut query = from.prepare_cached(
        "SELECT source, name, count(*) AS n, sum(heeded) FROM (
           SELECT DISTINCT alerts.source AS source, alerts.name AS name, incidents.id,
             json_extract(incidents.view, '$.acknowledged_at') IS NOT NULL AS heeded
           FROM alerts JOIN incidents ON incidents.id = alerts.incident
           WHERE alerts.tenant = ?1 AND alerts.first_seen >= ?2 AND alerts.first_seen < ?3)
         GROUP BY source, name ORDER BY n DESC, source, name LIMIT ?4",
    )?;
    let rows = query.query_map((tenant.as_str(), since.0, until.0, TYPES_MAX), |row| {
        let (incidents, acknowledged) = (row.get::<_, i64>(2)? as u64, row.get::<_, i64>(3)? as u64);
        Ok(HeededType { source: row.get(0)?, name: row.get(1)?, incidents, acknowledged })
    })?;
    rows.collect()
}

/// By what alerts are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noisy {
    Names,
    Cis,
}

/// The names or CIs with the most alerts that began in `[since, until)`, most first.
pub fn noisiest(
    from: &Connection,
    scope: &Scope,
    by: Noisy,
    span: (Timestamp, Timestamp),
    limit: usize,
) -> rusqlite::Result<Vec<(String, u64)>> {
    let column = match by {
        Noisy::Names => "name",
        Noisy::Cis => "ci",
    };
    let sql = format!(
        "SELECT {column}, count(*) AS n FROM alerts
         WHERE tenant = ?1 AND first_seen >= ?2 AND first_seen < ?3 AND {column} IS NOT NULL
         GROUP BY {column} ORDER BY n DESC, {column} LIMIT ?4"
    );
    let mut query = from.prepare_cached(&sql)?;
    let rows = query.query_map((scope.tenant.as_str(), span.0.0, span.1.0, limit as i64), |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
    })?;
    rows.collect()
}
