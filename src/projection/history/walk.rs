//! Going through records, newest first: those that may have what is asked for, or from link to link those that tell of
//! certain alerts.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::super::scope::Scope;
use super::find::{Judged, Raw, counted, read};
use super::records::{self, Ended, Told};
use super::search::{EventFilter, Query, text, time};
use super::write::reason;
use super::{heads, letters};
use crate::domain::alert::AlertView;
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, EventRef, IncidentId};

/// Records that are looked up at once.
const RECORDS_AT_ONCE: usize = 200;

/// Adds to events what the caller sees of their alerts.
pub struct Judge<'a> {
    from: &'a Connection,
    scope: &'a Scope,
    /// Alerts that were asked for before.
    alerts: BTreeMap<AlertId, Option<AlertView>>,
}

impl<'a> Judge<'a> {
    pub fn new(from: &'a Connection, scope: &'a Scope) -> Self {
        Self { from, scope, alerts: BTreeMap::new() }
    }

    /// The record `seq` of the caller's tenant.
    pub fn record(&self, seq: u64) -> rusqlite::Result<Option<Told>> {
        records::read(self.from, self.scope, seq, |_| true)
    }

    /// The event with its end; `None` when it is outside of the scope.
    pub fn of(&mut self, told: &Told, ended: Ended) -> rusqlite::Result<Option<Judged>> {
        let Ended { index, event, verdict, .. } = ended;
        let alert = match verdict.alert() {
            Some(id) => self.alert(id)?.clone(),
            None => None,
        };
        let ci = alert.as_ref().and_then(|view| view.ci.as_deref());
        let org = ci.and_then(|ci| ci.org.as_ref()).or(event.org.as_ref());
        if !self.scope.sees_one(org, ci.and_then(|ci| ci.area)) {
            return Ok(None);
        }
        let (event, raw) = (EventRef { seq: told.seq, index }, Raw::Event(Box::new(event)));
        Ok(Some(Judged { event, at: told.at, verdict, raw, alert, replayed: None }))
    }

    fn alert(&mut self, id: AlertId) -> rusqlite::Result<&Option<AlertView>> {
        if !self.alerts.contains_key(&id) {
            let sql = "SELECT a.view, coalesce(h.more, 0), coalesce(h.last_seen, a.last_seen)
                       FROM alerts a LEFT JOIN heads h ON h.alert = a.id WHERE a.id = ?1 AND a.tenant = ?2";
            let mut query = self.from.prepare_cached(sql)?;
            let mut rows = query.query(params![id.0 as i64, self.scope.tenant.as_str()])?;
            let found = match rows.next()? {
                Some(row) => Some(counted(read(row, 0)?, row.get(1)?, row.get(2)?)),
                None => None,
            };
            self.alerts.insert(id, found);
        }
        Ok(&self.alerts[&id])
    }

    /// Hands out the records that tell of these alerts, newest first, each with those of the alerts that it tells of,
    /// until `each` says that it is enough.
    pub fn along(
        &mut self,
        alerts: impl IntoIterator<Item = AlertId>,
        mut each: impl FnMut(&mut Self, Told, &BTreeSet<AlertId>) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<()> {
        let mut next = BinaryHeap::new();
        for alert in alerts {
            let head = heads::read(self.from, alert)?.unwrap_or_default();
            next.extend((head.seq > 0).then_some((head.seq, alert)));
        }
        while let Some((seq, alert)) = next.pop() {
            let mut told_of = BTreeSet::from([alert]);
            while next.peek().is_some_and(|(other, _)| *other == seq) {
                told_of.extend(next.pop().map(|(_, alert)| alert));
            }
            // What is older has been kept long enough.
            let Some(told) = self.record(seq)? else { continue };
            for alert in &told_of {
                let before = told.before(*alert);
                next.extend((before > 0 && before < seq).then_some((before, *alert)));
            }
            if each(self, told, &told_of)? {
                break;
            }
        }
        Ok(())
    }
}

/// The newest `limit` events behind `before` that the filter fits, newest first.
pub fn newest(
    from: &Connection,
    scope: &Scope,
    filter: &EventFilter,
    before: Option<EventRef>,
    limit: usize,
) -> rusqlite::Result<Vec<Judged>> {
    let words = filter.verdicts.iter().map(String::as_str);
    let kinds = if filter.verdicts.is_empty() { i64::MAX } else { records::kinds(words) };
    if kinds == 0 || scope.orgs.as_ref().is_some_and(BTreeSet::is_empty) {
        return Ok(Vec::new());
    }
    let q = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()).map(str::to_lowercase);
    let mut walk = Walk { filter, q, before, limit, found: Vec::new() };
    let mut judge = Judge::new(from, scope);
    if let Some(alerts) = alerts(from, scope, filter)? {
        judge.along(alerts, |judge, mut told, alerts| {
            told.ends.retain(|ended| ended.verdict.alert().is_some_and(|alert| alerts.contains(&alert)));
            walk.take(judge, told)
        })?;
        return Ok(walk.found);
    }
    let sieve = Sieve::new(filter, walk.q.as_deref());
    let mut last = before.map_or(i64::MAX as u64, |before| before.seq);
    loop {
        let seqs = seqs(from, scope, filter, kinds, last)?;
        for seq in &seqs {
            if let Some(told) = records::read(from, scope, *seq, |input| sieve.lets_through(input))?
                && walk.take(&mut judge, told)?
            {
                return Ok(walk.found);
            }
        }
        match seqs.last() {
            Some(seq) if seqs.len() == RECORDS_AT_ONCE && *seq > 0 => last = seq - 1,
            Some(_) | None => return Ok(walk.found),
        }
    }
}

/// The alerts whose events are wanted, when the filter names some: an alert, or those of an incident.
fn alerts(from: &Connection, scope: &Scope, filter: &EventFilter) -> rusqlite::Result<Option<Vec<AlertId>>> {
    let Some(incident) = filter.incident else { return Ok(filter.alert.map(|alert| vec![alert])) };
    let mut of = of_incident(from, scope, incident)?;
    of.retain(|id| filter.alert.is_none_or(|alert| alert == *id));
    Ok(Some(of))
}

fn of_incident(from: &Connection, scope: &Scope, incident: IncidentId) -> rusqlite::Result<Vec<AlertId>> {
    let sql = "SELECT a.id FROM members m JOIN alerts a ON a.id = m.alert
               WHERE m.incident = ?1 AND a.incident = ?1 AND a.tenant = ?2";
    let mut query = from.prepare_cached(sql)?;
    let rows = query.query_map(params![incident.0 as i64, scope.tenant.as_str()], |row| {
        Ok(AlertId(row.get::<_, i64>(0)? as u64))
    })?;
    rows.collect()
}

/// Records up to `last` that may have what is wanted, newest first.
fn seqs(from: &Connection, scope: &Scope, filter: &EventFilter, kinds: i64, last: u64) -> rusqlite::Result<Vec<u64>> {
    let mut query = Query::new("SELECT seq FROM records INDEXED BY records_asked WHERE tenant = ?", scope);
    let severities = filter.severities.iter().fold(0, |bits, severity| bits | 1_i64 << severity.rank());
    query
        .and("seq <= ?", [Value::Integer(last as i64)])
        .and("(kinds & ?) != 0", [Value::Integer(kinds)])
        .optional("(severities & ?) != 0", (severities != 0).then_some(Value::Integer(severities)))
        .optional("stamp >= ?", time(filter.since))
        .optional("stamp < ?", time(filter.until))
        .optional("(source IS NULL OR source = ?)", filter.source.as_deref().map(text));
    query.run(from, "ORDER BY seq DESC", RECORDS_AT_ONCE, |row| Ok(row.get::<_, i64>(0)? as u64))
}

/// A first look at a record's text: whether it can have what is asked for at all.
struct Sieve {
    /// Written as in the text.
    name: Option<String>,
    /// In lower case; only where it cannot go from one field to the next and is written as it is.
    q: Option<String>,
}

impl Sieve {
    fn new(filter: &EventFilter, q: Option<&str>) -> Self {
        let is_plain = |q: &&str| !q.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"' || c == '\\');
        Self { name: filter.name.as_ref().map(super::write::json), q: q.filter(is_plain).map(str::to_owned) }
    }

    fn lets_through(&self, input: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(input) else { return true };
        self.name.as_ref().is_none_or(|name| text.contains(name.as_str()))
            && self.q.as_ref().is_none_or(|q| text.to_lowercase().contains(q.as_str()))
    }
}

/// What was found so far.
struct Walk<'a> {
    filter: &'a EventFilter,
    q: Option<String>,
    before: Option<EventRef>,
    limit: usize,
    found: Vec<Judged>,
}

impl Walk<'_> {
    /// Takes what is wanted of a record; whether it is enough.
    fn take(&mut self, judge: &mut Judge<'_>, mut told: Told) -> rusqlite::Result<bool> {
        let seq = told.seq;
        for ended in std::mem::take(&mut told.ends).into_iter().rev() {
            let place = EventRef { seq, index: ended.index };
            if self.before.is_some_and(|before| place >= before) || !self.wants(&told, &ended) {
                continue;
            }
            self.found.extend(judge.of(&told, ended)?);
            if self.found.len() >= self.limit {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn wants(&self, told: &Told, ended: &Ended) -> bool {
        let Ended { event, verdict, .. } = ended;
        let EventFilter { since, until, severities, source, signals, sides, name, verdicts, reason: why, .. } =
            self.filter;
        since.is_none_or(|since| told.at >= since)
            && until.is_none_or(|until| told.at < until)
            && (severities.is_empty() || severities.contains(&event.severity))
            && (signals.is_empty() || event.signal.is_some_and(|signal| signals.contains(&signal)))
            && (sides.is_empty() || event.side.is_some_and(|side| sides.contains(&side)))
            && source.as_deref().is_none_or(|source| source == event.source.as_str())
            && name.as_deref().is_none_or(|name| name == &*event.name)
            && (verdicts.is_empty() || verdicts.iter().any(|word| word == verdict.word()))
            && why.as_deref().is_none_or(|why| why == reason(verdict))
            && self.q.as_deref().is_none_or(|q| searched(event).contains(q))
    }
}

/// The text that is searched, in lower case.
fn searched(event: &Event) -> String {
    format!("{} {} {} {}", event.name, event.title, event.object.label(), event.description).to_lowercase()
}

/// Events and dead letters together, newest first: at most `limit`.
pub fn newest_of_all(
    from: &Connection,
    scope: &Scope,
    filter: &EventFilter,
    before: Option<EventRef>,
    limit: usize,
) -> rusqlite::Result<Vec<Judged>> {
    let mut found = letters::newest(from, scope, filter, before, limit)?;
    found.extend(newest(from, scope, filter, before, limit)?);
    found.sort_by_key(|judged| std::cmp::Reverse(judged.event));
    found.truncate(limit);
    Ok(found)
}
