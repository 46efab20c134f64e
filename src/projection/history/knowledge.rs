//! What is known of how things were solved: of incidents of ours, and what others have brought. It stays when the incident goes.

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params};

use super::super::Committed;
use super::super::scope::Scope;
use super::find::read;
use super::search::{Query, text};
use super::write::json;
use crate::domain::ending::Finding;
use crate::domain::ids::TenantId;
use crate::domain::incident::IncidentView;
use crate::domain::knowledge::Known;
use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::{Command, Input, Order};

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place: newer ones have higher numbers.
    pub place: i64,
    /// It is of an incident of ours, whose id it has.
    pub is_ours: bool,
    pub by: String,
    pub at: Timestamp,
    pub known: Known,
}

/// What is asked for; what is none does not matter.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Part of its texts; any case.
    pub q: Option<String>,
    pub category: Option<String>,
    pub class: Option<String>,
    /// Written at or after.
    pub since: Option<Timestamp>,
    /// Only what others have brought.
    pub only_brought: bool,
}

/// Keeps what an incident was concluded with.
pub fn of_incident(to: &Transaction<'_>, view: &IncidentView) -> rusqlite::Result<()> {
    let Some(said) = &view.conclusion else { return Ok(()) };
    let root = view.candidates.first().map(|candidate| &candidate.ci);
    let known = Known {
        id: view.id.to_string().into(),
        title: view.title.clone(),
        class: root.map_or_else(Box::default, |ci| (&*ci.class).into()),
        area: view.area,
        findings: said.findings.clone(),
        url: "".into(),
    };
    put(to, &view.tenant, &Entry { place: 0, is_ours: true, by: said.by.to_string(), at: said.at, known })
}

/// Keeps, or drops, what was ordered, when the step's input is an order of that kind that was taken.
pub fn write(to: &Transaction<'_>, step: &Committed, input: &Input) -> rusqlite::Result<()> {
    let Input::Command(Command { tenant, actor, order, .. }) = input else { return Ok(()) };
    let is_done = |effect: &Effect| matches!(effect, Effect::CommandDone { refused: None, again: false, .. });
    if !step.effects.iter().any(is_done) {
        return Ok(());
    }
    match order {
        Order::Learn { entries } => entries.iter().try_for_each(|known| {
            let (by, at) = (actor.to_string(), step.stamp);
            put(to, tenant, &Entry { place: 0, is_ours: false, by, at, known: known.clone() })
        }),
        Order::Unlearn { key } => drop_one(to, tenant, key),
        _ => Ok(()),
    }
}

fn drop_one(to: &Transaction<'_>, tenant: &TenantId, id: &str) -> rusqlite::Result<()> {
    let sql = "DELETE FROM knowledge WHERE tenant = ?1 AND id = ?2";
    to.prepare_cached(sql)?.execute(params![tenant.as_str(), id]).map(drop)
}

/// What is written anew goes to the front.
fn put(to: &Transaction<'_>, tenant: &TenantId, entry: &Entry) -> rusqlite::Result<()> {
    let Entry { is_ours, by, at, known, .. } = entry;
    let is_there = "SELECT 1 FROM knowledge WHERE tenant = ?1 AND id = ?2 AND entry = ?3 AND title = ?4";
    let kept = json(known);
    // An incident changes often after its end was written down; that is no news here.
    let same = params![tenant.as_str(), &*known.id, kept, &*known.title];
    if to.prepare_cached(is_there)?.exists(same)? {
        return Ok(());
    }
    drop_one(to, tenant, &known.id)?;
    let found = &known.findings;
    let words = [&*known.id, &known.title, &known.class, &found.cause, &found.solution, &found.impact, &found.category];
    let sql = "INSERT INTO knowledge (tenant, id, ours, at, author, class, category, title, words, entry)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let row = params![
        tenant.as_str(),
        &*known.id,
        is_ours,
        at.0,
        by,
        &*known.class,
        found.of(Finding::Category),
        &*known.title,
        words.join(" ").to_lowercase(),
        kept
    ];
    to.prepare_cached(sql)?.execute(row).map(drop)
}

/// Entries before a place, newest first.
pub fn entries(
    from: &Connection,
    scope: &Scope,
    asked: &Asked,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let mut query = Query::new("SELECT n, ours, author, at, entry FROM knowledge WHERE tenant = ?", scope);
    query
        .like("words", asked.q.as_deref())
        .optional("category = ?", asked.category.as_deref().map(text))
        .optional("class = ?", asked.class.as_deref().map(text))
        .optional("at >= ?", asked.since.map(|at| Value::Integer(at.0)))
        .optional("ours = ?", asked.only_brought.then_some(Value::Integer(0)))
        .optional("n < ?", before.map(Value::Integer));
    query.run(from, "ORDER BY n DESC", limit, |row| {
        Ok(Entry {
            place: row.get(0)?,
            is_ours: row.get(1)?,
            by: row.get(2)?,
            at: Timestamp(row.get(3)?),
            known: read(row, 4)?,
        })
    })
}
