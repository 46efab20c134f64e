//! Who was told what of an incident, by which rule and way, after how many attempts, and what the receiver answered.

use rusqlite::{Connection, Row, Transaction, params};

use crate::domain::ids::IncidentId;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;
use crate::engine::input::{Delivered, DeliveryOutcome};

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
    /// `accepted`, `gave_up`, `folded`, `unaddressed`; none: it is not known yet.
    pub outcome: Option<String>,
    /// What the receiver said.
    pub why: Option<String>,
    pub attempts: u32,
    pub ended_at: Option<Timestamp>,
    /// The ticket, in a ticket system.
    pub ticket: Option<String>,
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
    };
    let ticket = delivered.ticket.as_ref().map(|ticket| &*ticket.number);
    let sql = "UPDATE notices SET outcome = ?2, why = ?3, attempts = ?4, ended_at = ?5, ticket = ?6 WHERE key = ?1";
    to.prepare_cached(sql)?.execute(params![&*delivered.key, word, why, delivered.attempts, at.0, ticket]).map(drop)
}

/// The newest messages about an incident, oldest first.
pub fn of(from: &Connection, incident: IncidentId, limit: usize) -> rusqlite::Result<Vec<Told>> {
    let sql =
        "SELECT key, receiver, person, policy, level, kind, version, rule, at, outcome, why, attempts, ended_at, ticket
               FROM notices WHERE incident = ?1 ORDER BY at DESC, rowid DESC LIMIT ?2";
    let mut query = from.prepare_cached(sql)?;
    let found: rusqlite::Result<Vec<Told>> = query.query_map(params![incident.0 as i64, limit as i64], read)?.collect();
    let mut told = found?;
    told.reverse();
    Ok(told)
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
    })
}
