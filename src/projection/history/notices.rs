//! Who was told what of an incident, by which rule and way, after how many attempts, and what the receiver answered.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, Transaction, params};

use crate::domain::ids::{IncidentId, TenantId};
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;
use crate::engine::input::{Delivered, DeliveryOutcome, Receipt};

/// One message to one receiver, or to one person by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The idempotency key.
    pub key: String,
    pub receiver: String,
    /// Who was meant, and the level of which policy.
    pub person: Option<String>,
    pub policy: Option<String>,
    pub level: Option<u32>,
    pub kind: String,
    pub version: u32,
    /// The route.
    pub rule: Option<String>,
    pub at: Timestamp,
    /// `accepted`, `gave_up`, `folded`, `unaddressed`, `unverified`; none: it is not known yet.
    pub outcome: Option<String>,
    /// What the receiver said.
    pub why: Option<String>,
    pub attempts: u32,
    pub ended_at: Option<Timestamp>,
    /// The ticket, in a ticket system.
    pub ticket: Option<String>,
    /// Where it went, masked.
    pub address: Option<String>,
    /// The receiver's own id of it.
    pub said: Option<String>,
}

/// Writes that a message is owed.
pub fn owed(to: &Transaction<'_>, notice: &Notice) -> rusqlite::Result<()> {
    let person = notice.to.as_ref();
    let sql = "INSERT OR IGNORE INTO notices (key, incident, receiver, person, policy, level, kind, version, rule, at, attempts)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)";
    let row = params![
        &*notice.key,
        notice.incident.id.0 as i64,
        notice.receiver.as_str(),
        person.map(|to| to.person.as_str()),
        person.map(|to| &*to.policy),
        person.map(|to| to.level),
        notice.kind.as_str(),
        notice.incident.version,
        notice.rule.as_ref().map(|rule| rule.as_str()),
        notice.at.0,
    ];
    to.prepare_cached(sql)?.execute(row).map(drop)
}

/// Writes how a message ended.
pub fn ended(to: &Transaction<'_>, delivered: &Delivered, at: Timestamp) -> rusqlite::Result<()> {
    let (word, why) = match &delivered.outcome {
        DeliveryOutcome::Accepted => ("accepted", None),
        DeliveryOutcome::GaveUp(why) => ("gave_up", Some(why.as_str())),
        DeliveryOutcome::Folded => ("folded", None),
        DeliveryOutcome::Unaddressed => ("unaddressed", None),
        DeliveryOutcome::Unverified => ("unverified", None),
    };
    let ticket = delivered.ticket.as_ref().map(|ticket| &*ticket.number);
    let kept = |text: fn(&Receipt) -> &str| delivered.receipt.as_deref().map(text).filter(|text| !text.is_empty());
    let (address, said) = (kept(|receipt| &receipt.to), kept(|receipt| &receipt.said));
    let sql =
        "UPDATE notices SET outcome = ?2, why = ?3, attempts = ?4, ended_at = ?5, ticket = ?6, address = ?7, said = ?8
               WHERE key = ?1";
    let values = params![&*delivered.key, word, why, delivered.attempts, at.0, ticket, address, said];
    to.prepare_cached(sql)?.execute(values).map(drop)
}

/// The newest messages about an incident, oldest first.
pub fn of(from: &Connection, incident: IncidentId, limit: usize) -> rusqlite::Result<Vec<Told>> {
    let sql =
        "SELECT key, receiver, person, policy, level, kind, version, rule, at, outcome, why, attempts, ended_at, ticket, address, said
               FROM notices WHERE incident = ?1 ORDER BY at DESC, rowid DESC LIMIT ?2";
    let mut query = from.prepare_cached(sql)?;
    let found: rusqlite::Result<Vec<Told>> = query.query_map(params![incident.0 as i64, limit as i64], read)?.collect();
    let mut told = found?;
    told.reverse();
    Ok(told)
}

/// Who was told of an incident.
pub fn receivers(from: &Connection, incident: IncidentId) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT receiver FROM notices WHERE incident = ?1 ORDER BY receiver";
    from.prepare_cached(sql)?.query_map([incident.0 as i64], |row| row.get(0))?.collect()
}

/// What of the log is asked for; what is none does not matter.
#[derive(Clone, Debug)]
pub struct Asked {
    pub tenant: TenantId,
    pub person: Option<String>,
    pub receiver: Option<String>,
    /// `pending` for what has no end yet.
    pub outcome: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// One line of the log: its place, the incident that it is about, and the message.
pub type Logged = (i64, IncidentId, Told);

/// The newest messages before a place, newest first.
pub fn log(from: &Connection, asked: &Asked, before: Option<i64>, limit: usize) -> rusqlite::Result<Vec<Logged>> {
    let sql =
        "SELECT n.key, n.receiver, n.person, n.policy, n.level, n.kind, n.version, n.rule, n.at, n.outcome, n.why,
                 n.attempts, n.ended_at, n.ticket, n.address, n.said, n.rowid, n.incident
               FROM notices n JOIN incidents i ON i.id = n.incident AND i.tenant = ?1
               WHERE n.rowid < ?2 AND (?3 IS NULL OR n.person = ?3) AND (?4 IS NULL OR n.receiver = ?4)
                 AND (?5 IS NULL OR coalesce(n.outcome, 'pending') = ?5) AND n.at >= ?6 AND n.at < ?7
               ORDER BY n.rowid DESC LIMIT ?8";
    let time = |at: Option<Timestamp>, otherwise: i64| at.map_or(otherwise, |at| at.0);
    let values = params![
        asked.tenant.as_str(),
        before.unwrap_or(i64::MAX),
        asked.person,
        asked.receiver,
        asked.outcome,
        time(asked.since, i64::MIN),
        time(asked.until, i64::MAX),
        limit as i64
    ];
    let line = |row: &Row<'_>| Ok((row.get(16)?, IncidentId(row.get::<_, i64>(17)? as u64), read(row)?));
    from.prepare_cached(sql)?.query_map(values, line)?.collect()
}

/// How the messages of a span ended, by the word of the end; `pending` for what has none.
pub fn outcomes(
    from: &Connection,
    tenant: &TenantId,
    (since, until): (Timestamp, Timestamp),
) -> rusqlite::Result<BTreeMap<String, u64>> {
    let sql = "SELECT coalesce(n.outcome, 'pending'), count(*) FROM notices n
               JOIN incidents i ON i.id = n.incident AND i.tenant = ?1 WHERE n.at >= ?2 AND n.at < ?3 GROUP BY 1";
    let one = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64));
    from.prepare_cached(sql)?.query_map(params![tenant.as_str(), since.0, until.0], one)?.collect()
}

/// A message that reached somebody: who, by which receiver, when.
pub type Reached = (String, String, Timestamp);

/// Messages that reached people within a span, oldest first, at most `limit`.
pub fn reached(
    from: &Connection,
    tenant: &TenantId,
    (since, until): (Timestamp, Timestamp),
    limit: usize,
) -> rusqlite::Result<Vec<Reached>> {
    let sql = "SELECT n.person, n.receiver, n.ended_at FROM notices n
               JOIN incidents i ON i.id = n.incident AND i.tenant = ?1
               WHERE n.person IS NOT NULL AND n.outcome = 'accepted' AND n.ended_at >= ?2 AND n.ended_at < ?3
               ORDER BY n.ended_at, n.rowid LIMIT ?4";
    let one = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, Timestamp(row.get(2)?)));
    from.prepare_cached(sql)?.query_map(params![tenant.as_str(), since.0, until.0, limit as i64], one)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Told> {
    Ok(Told {
        key: row.get(0)?,
        receiver: row.get(1)?,
        person: row.get(2)?,
        policy: row.get(3)?,
        level: row.get(4)?,
        kind: row.get(5)?,
        version: row.get(6)?,
        rule: row.get(7)?,
        at: Timestamp(row.get(8)?),
        outcome: row.get(9)?,
        why: row.get(10)?,
        attempts: row.get(11)?,
        ended_at: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        ticket: row.get(13)?,
        address: row.get(14)?,
        said: row.get(15)?,
    })
}
