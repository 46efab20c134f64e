//! Pages of incidents, alerts and events, newest first.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::super::alerts::{AlertFilter, AlertPlace};
use super::super::board::{IncidentFilter, Page, Place, lower, place};
use super::super::scope::Scope;
use super::super::sight::Sight;
use super::find::{Judged, counted, read};
use super::walk;
use super::write::word;
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::event::{Side, Signal};
use crate::domain::ids::{AlertId, EventRef, IncidentId, OrgId};
use crate::domain::incident::IncidentView;
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;

/// A statement under construction: every value is bound, never written into the text.
pub(super) struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    pub fn new(sql: &str, tenant: &Scope) -> Self {
        let values = vec![Value::Text(tenant.tenant.as_str().to_owned())];
        Self { sql: sql.to_owned(), values }
    }

    pub fn and(&mut self, text: &str, values: impl IntoIterator<Item = Value>) -> &mut Self {
        self.sql.push_str(" AND ");
        self.sql.push_str(text);
        self.values.extend(values);
        self
    }

    pub fn one_of(&mut self, column: &str, values: Vec<Value>) -> &mut Self {
        if values.is_empty() {
            return self;
        }
        let marks = vec!["?"; values.len()].join(",");
        self.and(&format!("{column} IN ({marks})"), values)
    }

    pub fn optional(&mut self, text: &str, value: Option<Value>) -> &mut Self {
        match value {
            Some(value) => self.and(text, [value]),
            None => self,
        }
    }

    pub fn like(&mut self, column: &str, q: Option<&str>) -> &mut Self {
        let q = q.map(str::trim).filter(|q| !q.is_empty()).map(str::to_lowercase);
        self.optional(&format!("instr({column}, ?) > 0"), q.map(Value::Text))
    }

    /// What a column holds is one of the caller's own; `None`: anything.
    pub fn own<T>(&mut self, column: &str, mine: Option<&BTreeSet<T>>, word: impl Fn(&T) -> &str) -> &mut Self {
        match mine {
            None => self,
            Some(mine) if mine.is_empty() => self.and("0", []),
            Some(mine) => self.one_of(column, mine.iter().map(|one| text(word(one))).collect()),
        }
    }

    pub fn run<T>(
        self,
        from: &Connection,
        order: &str,
        limit: usize,
        row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut values = self.values;
        values.push(Value::Integer(limit as i64));
        let mut statement = from.prepare_cached(&format!("{} {order} LIMIT ?", self.sql))?;
        statement.query_map(params_from_iter(values), row)?.collect()
    }
}

pub(super) fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

pub(super) fn time(value: Option<Timestamp>) -> Option<Value> {
    value.map(|at| Value::Integer(at.0))
}

/// Cuts one row too many off a page and names the place after which the next one starts.
fn paged<T, K>(mut items: Vec<T>, limit: usize, place: impl Fn(&T) -> K) -> Page<T, K> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(place);
    Page { items, next }
}

/// Incidents, also those that memory has forgotten.
pub fn incidents(
    from: &Connection,
    sight: &Sight,
    filter: &IncidentFilter,
    mut after: Option<Place>,
    limit: usize,
) -> rusqlite::Result<Page<IncidentView, Place>> {
    let mut found: Vec<IncidentView> = Vec::new();
    let Some(filter) = filter.within(sight) else { return Ok(paged(found, limit, place)) };
    let q = lower(filter.q.as_deref());
    loop {
        let page = whole_incidents(from, &sight.scope, &filter, after, limit)?;
        // The whole text fits; what is left of it for the caller may not.
        found.extend(page.items.into_iter().filter(|view| q.as_ref().is_none_or(|q| sight.finds(q, view))));
        after = page.next;
        if after.is_none() || found.len() > limit {
            return Ok(paged(found, limit, place));
        }
    }
}

/// The incidents that the filter fits, whatever is to be seen of each; one more than `limit`, to know that there is.
fn whole_incidents(
    from: &Connection,
    scope: &Scope,
    filter: &IncidentFilter,
    after: Option<Place>,
    limit: usize,
) -> rusqlite::Result<Page<IncidentView, Place>> {
    let limit = limit + 1;
    let mut query = Query::new("SELECT view FROM incidents i WHERE tenant = ?", scope);
    query
        .one_of("state", filter.states.iter().map(|s| Value::Text(word(s))).collect())
        .one_of("progress", filter.progress.iter().map(|p| Value::Text(word(p))).collect())
        .one_of("severity", filter.severities.iter().map(|s| Value::Integer(s.rank().into())).collect())
        .one_of("area", filter.areas.iter().map(|a| text(a.as_str())).collect())
        .optional("assignee = ?", filter.assignee.as_deref().map(text))
        .optional("opened >= ?", time(filter.since))
        .optional("opened < ?", time(filter.until))
        .own("area", scope.areas.as_ref(), |area| area.as_str())
        .like("text", filter.q.as_deref());
    let in_orgs = |marks: usize| {
        let marks = vec!["?"; marks].join(",");
        format!("EXISTS (SELECT 1 FROM incident_orgs o WHERE o.incident = i.id AND o.org IN ({marks}))")
    };
    if !filter.orgs.is_empty() {
        query.and(&in_orgs(filter.orgs.len()), filter.orgs.iter().map(|o| text(o.as_str())));
    }
    if let Some(orgs) = &scope.orgs {
        query.and(&in_orgs(orgs.len()), orgs.iter().map(|o| text(o.as_str())));
    }
    let member = "EXISTS (SELECT 1 FROM members m JOIN alerts a ON a.id = m.alert WHERE m.incident = i.id AND";
    if let Some(ci) = &filter.ci {
        query.and(&format!("(root = ? OR {member} a.ci = ?))"), [text(ci.as_str()), text(ci.as_str())]);
    }
    if !filter.sources.is_empty() {
        let marks = vec!["?"; filter.sources.len()].join(",");
        query.and(&format!("{member} a.source IN ({marks}))"), filter.sources.iter().map(|s| text(s.as_str())));
    }
    if let Some((Reverse(opened), Reverse(id))) = after {
        query.and("(opened, id) < (?, ?)", [Value::Integer(opened.0), Value::Integer(id.0 as i64)]);
    }
    let items = query.run(from, "ORDER BY opened DESC, id DESC", limit + 1, |row| read(row, 0))?;
    Ok(paged(items, limit, place))
}

const ALERTS: &str = "SELECT a.view, coalesce(h.more, 0), coalesce(h.last_seen, a.last_seen)
    FROM alerts a LEFT JOIN heads h ON h.alert = a.id WHERE tenant = ?";

/// Alerts, also those that memory has forgotten, first seen in `[since, until)`.
pub fn alerts(
    from: &Connection,
    scope: &Scope,
    filter: &AlertFilter,
    span: (Option<Timestamp>, Option<Timestamp>),
    after: Option<AlertPlace>,
    limit: usize,
) -> rusqlite::Result<Page<AlertView, AlertPlace>> {
    let mut query = Query::new(ALERTS, scope);
    query
        .one_of("firing", filter.states.iter().map(|s| Value::Integer((*s == AlertState::Firing).into())).collect())
        .one_of("severity", filter.severities.iter().map(|s| Value::Integer(s.rank().into())).collect())
        .one_of("source", filter.sources.iter().map(|s| text(s.as_str())).collect())
        .one_of("json_extract(a.view, '$.signal')", filter.signals.iter().map(|s| text(s.as_str())).collect())
        .one_of("json_extract(a.view, '$.side')", filter.sides.iter().map(|s| text(s.as_str())).collect())
        .optional("ci = ?", filter.ci.as_ref().map(|ci| text(ci.as_str())))
        .optional("held = ?", filter.held.map(|held| Value::Integer(held.into())))
        .optional("muted = ?", filter.muted.map(|muted| Value::Integer(muted.into())))
        .optional("first_seen >= ?", time(span.0))
        .optional("first_seen < ?", time(span.1))
        .like("text", filter.q.as_deref())
        .own("org", scope.orgs.as_ref(), OrgId::as_str)
        .own("json_extract(a.view, '$.ci.area')", scope.areas.as_ref(), |area| area.as_str());
    if let Some((Reverse(first), Reverse(id))) = after {
        query.and("(first_seen, id) < (?, ?)", [Value::Integer(first.0), Value::Integer(id.0 as i64)]);
    }
    let items = query.run(from, "ORDER BY first_seen DESC, id DESC", limit + 1, |row| {
        Ok(counted(read::<AlertView>(row, 0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(paged(items, limit, |view: &AlertView| (Reverse(view.first_seen), Reverse(AlertId(view.id.0)))))
}

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub severities: Vec<Severity>,
    pub source: Option<String>,
    pub signals: Vec<Signal>,
    pub sides: Vec<Side>,
    pub name: Option<String>,
    /// Words of verdicts.
    pub verdicts: Vec<String>,
    /// The word of a verdict's reason.
    pub reason: Option<String>,
    pub alert: Option<AlertId>,
    pub incident: Option<IncidentId>,
    /// Part of name, title, object or description; any case.
    pub q: Option<String>,
}

/// Events with their verdicts, newest first.
pub fn events(
    from: &Connection,
    scope: &Scope,
    filter: &EventFilter,
    before: Option<EventRef>,
    limit: usize,
) -> rusqlite::Result<Page<Judged, EventRef>> {
    let found = walk::newest_of_all(from, scope, filter, before, limit + 1)?;
    Ok(paged(found, limit, |judged: &Judged| judged.event))
}
