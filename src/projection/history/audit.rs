//! Who ordered what: commands, rule sets and topologies, with their outcome.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, Transaction, params};

use super::super::Committed;
use super::super::scope::Scope;
use super::write::json;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::{Command, Input, Order};

/// One thing that somebody ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// The journal record.
    pub seq: u64,
    pub at: Timestamp,
    pub actor: String,
    /// The order's word, `rules`, `topology`, or what was done beside the engine.
    pub action: String,
    /// The incident, silence or version it is about.
    pub about: String,
    /// The whole order, as JSON; of what was done beside the engine: what is told of it.
    pub detail: String,
    /// Why it was not done.
    pub refused: Option<String>,
}

struct Entry<'a> {
    tenant: &'a TenantId,
    actor: &'a str,
    action: String,
    about: String,
    detail: String,
}

/// Writes the entry of a step, when its input was ordered by somebody.
pub fn write(to: &Transaction<'_>, step: &Committed, input: &Input) -> rusqlite::Result<()> {
    let entry = match input {
        Input::Command(command) => ordered(command),
        Input::Topology { tenant, version, digest, author } => {
            Entry { tenant, actor: author, action: "topology".into(), about: version.to_string(), detail: json(digest) }
        }
        Input::Policy { tenant, version, digest, author, reason } => Entry {
            tenant,
            actor: author,
            action: "rules".into(),
            about: version.to_string(),
            // Without a reason as it always was.
            detail: if reason.is_empty() { json(digest) } else { json(&(digest, reason)) },
        },
        Input::Model { tenant, version, digest, author, reason } => Entry {
            tenant,
            actor: author,
            action: "model".into(),
            about: version.to_string(),
            detail: json(&(digest, reason)),
        },
        Input::MetricModel { tenant, version, digest, author, reason } => Entry {
            tenant,
            actor: author,
            action: "metric_model".into(),
            about: version.to_string(),
            detail: json(&(digest, reason)),
        },
        Input::Shadow { tenant, rules, model, metric, author, reason, in_place_of: _ } => Entry {
            tenant,
            actor: author,
            action: if rules.is_some() || model.is_some() || metric.is_some() {
                "shadow".into()
            } else {
                "shadow_ended".into()
            },
            about: String::new(),
            // Without a metric model as it always was.
            detail: if metric.is_none() {
                json(&(rules, model, reason))
            } else {
                json(&(rules, model, metric, reason))
            },
        },
        Input::Batch(_) | Input::Delivered(_) | Input::Tick => return Ok(()),
    };
    let mut refused = None;
    for effect in step.effects.iter() {
        if let Effect::CommandDone { refused: why, again, .. } = effect {
            if *again && is_note(input) {
                // What is noted once more after a crash was done once.
                return Ok(());
            }
            refused = why.as_deref();
        }
    }
    let sql = "INSERT OR REPLACE INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let Entry { tenant, actor, action, about, detail } = entry;
    let row = params![step.journal_seq as i64, tenant.as_str(), step.stamp.0, actor, action, about, detail, refused];
    to.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn is_note(input: &Input) -> bool {
    matches!(input, Input::Command(Command { order: Order::Noted { .. }, .. }))
}

fn ordered(command: &Command) -> Entry<'_> {
    if let Order::Noted { what, about, detail } = &command.order {
        let (action, about) = (what.to_string(), about.to_string());
        return Entry { tenant: &command.tenant, actor: &command.actor, action, about, detail: json(detail) };
    }
    let order = serde_json::to_value(&command.order).unwrap_or_default();
    let action = order["order"].as_str().unwrap_or_default().to_owned();
    let incident = ["incident", "from", "into"].iter().find_map(|key| order[key].as_u64());
    let silence = || order["silence"]["id"].as_str().or(order["id"].as_str());
    let other = || silence().or(order["key"].as_str()).unwrap_or_default().to_owned();
    let about = incident.map_or_else(other, |id| crate::domain::ids::IncidentId(id).to_string());
    Entry { tenant: &command.tenant, actor: &command.actor, action, about, detail: order.to_string() }
}

/// Entries with one of these actions before `before`, newest first.
pub fn entries_of(
    from: &Connection,
    scope: &Scope,
    actions: &[&str],
    before: Option<u64>,
    limit: usize,
) -> rusqlite::Result<Vec<Audited>> {
    let marks = vec!["?"; actions.len()].join(", ");
    let sql = format!(
        "SELECT seq, stamp, actor, action, about, detail, refused FROM audit
         WHERE tenant = ? AND seq < ? AND action IN ({marks}) ORDER BY seq DESC LIMIT ?"
    );
    let (tenant, before, limit) = (scope.tenant.as_str(), before.map_or(i64::MAX, |seq| seq as i64), limit as i64);
    let mut values: Vec<&dyn ToSql> = vec![&tenant, &before];
    values.extend(actions.iter().map(|action| action as &dyn ToSql));
    values.push(&limit);
    from.prepare_cached(&sql)?.query_map(&values[..], audited)?.collect()
}

/// Entries before `before`, newest first.
pub fn entries(from: &Connection, scope: &Scope, before: Option<u64>, limit: usize) -> rusqlite::Result<Vec<Audited>> {
    let sql = "SELECT seq, stamp, actor, action, about, detail, refused FROM audit
               WHERE tenant = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
    let before = before.map_or(i64::MAX, |seq| seq as i64);
    let mut query = from.prepare_cached(sql)?;
    query.query_map(params![scope.tenant.as_str(), before, limit as i64], audited)?.collect()
}

/// A version of the topology, by its number or as of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Valid {
    Version(u64),
    At(Timestamp),
}

/// The entry that put a version of the topology in force.
pub fn topology(from: &Connection, scope: &Scope, asked: Valid) -> rusqlite::Result<Option<Audited>> {
    let (condition, value) = match asked {
        Valid::Version(version) => ("about = ?2", Value::from(version.to_string())),
        Valid::At(at) => ("stamp <= ?2", Value::from(at.0)),
    };
    let sql = format!(
        "SELECT seq, stamp, actor, action, about, detail, refused FROM audit
         WHERE tenant = ?1 AND action = 'topology' AND {condition} ORDER BY seq DESC LIMIT 1"
    );
    from.prepare_cached(&sql)?.query_row(params![scope.tenant.as_str(), value], audited).optional()
}

fn audited(row: &Row<'_>) -> rusqlite::Result<Audited> {
    Ok(Audited {
        seq: row.get::<_, i64>(0)? as u64,
        at: Timestamp(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        about: row.get(4)?,
        detail: row.get(5)?,
        refused: row.get(6)?,
    })
}
