//! What each step leaves in the history.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

use super::super::Committed;
use super::super::counts::mute_word;
use super::super::tenant::verdicts;
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::ci::Area;
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::{Batch, Input};
use crate::engine::verdict::Verdict;

/// What a batch of steps adds up to, written once at its end.
#[derive(Default)]
struct Sums {
    counters: BTreeMap<(TenantId, &'static str, Box<str>), i64>,
    buckets: BTreeMap<Bucket, i64>,
    duplicates: BTreeMap<AlertId, (i64, Timestamp)>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Bucket {
    tenant: TenantId,
    record: &'static str,
    minute: i64,
    severity: Severity,
    area: &'static str,
    source: Box<str>,
}

/// Writes steps in one transaction.
pub fn steps(connection: &mut Connection, steps: &[&Committed]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut sums = Sums::default();
    for step in steps {
        one(&transaction, step, &mut sums)?;
    }
    sums.write(&transaction)?;
    if let Some(last) = steps.last() {
        for (key, value) in
            [("journal_seq", last.journal_seq), ("outbox_seq", last.outbox_seq), ("stamp", last.stamp.0 as u64)]
        {
            let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
            transaction.prepare_cached(sql)?.execute(params![key, value as i64])?;
        }
    }
    transaction.commit()
}

fn one(to: &Transaction<'_>, step: &Committed, sums: &mut Sums) -> rusqlite::Result<()> {
    for (place, effect) in step.effects.iter().enumerate() {
        match effect {
            Effect::Alert { alert } => alert_row(to, alert, sums)?,
            Effect::Incident { incident, joined, left } => {
                incident_row(to, incident, sums)?;
                members(to, incident, joined, left, step.stamp)?;
            }
            Effect::Timeline { incident, entry, .. } => {
                let sql = "INSERT OR REPLACE INTO timeline VALUES (?1, ?2, ?3, ?4, ?5)";
                let at = params![step.journal_seq as i64, place as i64, incident.0 as i64, entry.at.0, json(entry)];
                to.prepare_cached(sql)?.execute(at)?;
            }
            Effect::Silence { tenant, silence } => {
                let sql = "INSERT OR REPLACE INTO silences VALUES (?1, ?2, ?3, ?4)";
                let row = params![tenant.as_str(), silence.id.as_str(), silence.ends_at.0, json(silence)];
                to.prepare_cached(sql)?.execute(row)?;
            }
            Effect::Notify { notice } => {
                let view = &notice.incident;
                let bucket = bucket(&view.tenant, "notification", notice.at, view.severity, view.area, "");
                *sums.buckets.entry(bucket).or_default() += 1;
            }
            Effect::Verdict { .. } | Effect::CommandDone { .. } => {}
        }
    }
    match &step.input {
        Some(Input::Batch(batch)) => batch_rows(to, step, batch, sums),
        Some(Input::Command(_) | Input::Topology { .. } | Input::Policy { .. } | Input::Delivered(_) | Input::Tick)
        | None => Ok(()),
    }
}

fn batch_rows(to: &Transaction<'_>, step: &Committed, batch: &Batch, sums: &mut Sums) -> rusqlite::Result<()> {
    let tenant = &batch.tenant;
    let total = (batch.events.len() + batch.rejected.len()) as i64;
    *sums.counters.entry((tenant.clone(), "accepted", "".into())).or_default() += total;
    for (index, verdict) in verdicts(step) {
        sums.verdict(tenant, verdict, step.stamp);
        if let Some(ci) = verdict.alert().map(|alert| ci_of(to, alert)).transpose()?.flatten() {
            *sums.counters.entry((tenant.clone(), "ci", ci.into())).or_default() += 1;
        }
        if let Some(event) = batch.events.get(index as usize) {
            event_row(to, step, index, event, verdict)?;
            sums.event(tenant, event, step.stamp);
        }
    }
    for (place, letter) in batch.rejected.iter().enumerate() {
        let index = (batch.events.len() + place) as i64;
        let sql = "INSERT OR REPLACE INTO dead_letters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL)";
        to.prepare_cached(sql)?.execute(params![
            step.journal_seq as i64,
            index,
            tenant.as_str(),
            step.stamp.0,
            letter.source.as_str(),
            letter.why.word(),
            letter.why.detail(),
            json(letter),
        ])?;
    }
    Ok(())
}

fn ci_of(from: &Transaction<'_>, alert: AlertId) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT ci FROM alerts WHERE id = ?1";
    let found = from.prepare_cached(sql)?.query_row([alert.0 as i64], |row| row.get(0)).optional()?;
    Ok(found.flatten())
}

fn event_row(
    to: &Transaction<'_>,
    step: &Committed,
    index: u32,
    event: &Event,
    verdict: &Verdict,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    to.prepare_cached(sql)?.execute(params![
        step.journal_seq as i64,
        index,
        event.tenant.as_str(),
        step.stamp.0,
        verdict.alert().map(|alert| alert.0 as i64),
        verdict.word(),
        json(verdict),
        event.source.as_str(),
        &*event.name,
        event.severity.rank(),
        event.org.as_ref().map(|org| org.as_str()),
        json(event),
    ])?;
    Ok(())
}

fn alert_row(to: &Transaction<'_>, alert: &AlertView, sums: &mut Sums) -> rusqlite::Result<()> {
    // Duplicates before this version are part of its count.
    sums.duplicates.remove(&alert.id);
    let ci = alert.ci.as_ref();
    let text = format!("{} {} {} {}", alert.name, alert.title, alert.object, ci.map_or("", |c| &c.name)).to_lowercase();
    if alert.count <= 1 && alert.first_seen == alert.last_seen && alert.state == AlertState::Firing {
        let known = to.prepare_cached("SELECT 1 FROM alerts WHERE id = ?1")?.exists([alert.id.0 as i64])?;
        if !known {
            let area = ci.and_then(|ci| ci.area);
            let bucket = bucket(&alert.tenant, "alert", alert.first_seen, alert.severity, area, alert.source.as_str());
            *sums.buckets.entry(bucket).or_default() += 1;
            *sums.counters.entry((alert.tenant.clone(), "alerts", "".into())).or_default() += 1;
        }
    }
    let sql = "INSERT OR REPLACE INTO alerts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14)";
    to.prepare_cached(sql)?.execute(params![
        alert.id.0 as i64,
        alert.tenant.as_str(),
        alert.first_seen.0,
        alert.last_seen.0,
        alert.source.as_str(),
        &*alert.name,
        alert.severity.rank(),
        alert.state == AlertState::Firing,
        ci.map(|ci| ci.id.as_str()),
        ci.and_then(|ci| ci.org.as_ref()).map(|org| org.as_str()),
        alert.incident.map(|id| id.0 as i64),
        alert.held,
        text,
        json(alert),
    ])?;
    Ok(())
}

fn incident_row(to: &Transaction<'_>, view: &IncidentView, sums: &mut Sums) -> rusqlite::Result<()> {
    let id = view.id.0 as i64;
    if view.version <= 1 && !to.prepare_cached("SELECT 1 FROM incidents WHERE id = ?1")?.exists([id])? {
        let bucket = bucket(&view.tenant, "incident", view.opened_at, view.severity, view.area, "");
        *sums.buckets.entry(bucket).or_default() += 1;
        *sums.counters.entry((view.tenant.clone(), "incidents", "".into())).or_default() += 1;
    }
    let ended = match view.state {
        IncidentState::Closed | IncidentState::Merged => Some(view.closed_at.unwrap_or(view.updated_at).0),
        IncidentState::Abnormal | IncidentState::Recovering | IncidentState::Recovered => None,
    };
    let root = view.candidates.first();
    let root_text = root.map(|c| format!("{} {}", c.ci.name, c.ci.id)).unwrap_or_default();
    let text = format!("{} {} {root_text} {}", view.id, view.title, view.services.join(" ")).to_lowercase();
    let sql = "INSERT OR REPLACE INTO incidents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    to.prepare_cached(sql)?.execute(params![
        id,
        view.tenant.as_str(),
        view.opened_at.0,
        view.updated_at.0,
        ended,
        word(&view.state),
        word(&view.progress),
        view.severity.rank(),
        view.area.map(Area::as_str),
        root.map(|c| c.ci.id.as_str()),
        view.assignee.as_deref(),
        text,
        json(view),
    ])?;
    to.prepare_cached("DELETE FROM incident_orgs WHERE incident = ?1")?.execute([id])?;
    for org in &view.orgs {
        to.prepare_cached("INSERT OR IGNORE INTO incident_orgs VALUES (?1, ?2)")?.execute(params![id, org.as_str()])?;
    }
    Ok(())
}

fn members(
    to: &Transaction<'_>,
    view: &IncidentView,
    joined: &[AlertId],
    left: &[AlertId],
    at: Timestamp,
) -> rusqlite::Result<()> {
    let id = view.id.0 as i64;
    for alert in joined {
        let sql = "INSERT OR IGNORE INTO members VALUES (?1, ?2, ?3)";
        to.prepare_cached(sql)?.execute(params![id, alert.0 as i64, at.0])?;
    }
    for alert in left {
        to.prepare_cached("DELETE FROM members WHERE incident = ?1 AND alert = ?2")?.execute([id, alert.0 as i64])?;
    }
    Ok(())
}

/// A dead letter was tried again.
pub fn replayed(connection: &mut Connection, seq: u64, index: u32, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE dead_letters SET replayed_at = ?3 WHERE seq = ?1 AND idx = ?2";
    connection.execute(sql, params![seq as i64, index, at.0]).map(drop)
}

impl Sums {
    fn verdict(&mut self, tenant: &TenantId, verdict: &Verdict, stamp: Timestamp) {
        let key: &str = match verdict {
            Verdict::Muted { by, .. } => mute_word(by),
            Verdict::Rejected { why } => why.word(),
            Verdict::Duplicate { alert, .. } => {
                if let Some(alert) = alert {
                    let entry = self.duplicates.entry(*alert).or_insert((0, stamp));
                    *entry = (entry.0 + 1, stamp);
                }
                ""
            }
            Verdict::Joined { .. } | Verdict::Opened { .. } | Verdict::Held { .. } | Verdict::Resolved { .. } => "",
        };
        *self.counters.entry((tenant.clone(), verdict.word(), key.into())).or_default() += 1;
    }

    fn event(&mut self, tenant: &TenantId, event: &Event, stamp: Timestamp) {
        let source = event.source.as_str();
        *self.buckets.entry(bucket(tenant, "event", stamp, event.severity, None, source)).or_default() += 1;
        *self.counters.entry((tenant.clone(), "source", source.into())).or_default() += 1;
        *self.counters.entry((tenant.clone(), "name", event.name.clone())).or_default() += 1;
    }

    fn write(self, to: &Transaction<'_>) -> rusqlite::Result<()> {
        for ((tenant, kind, key), n) in self.counters {
            let sql = "INSERT INTO counters VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET n = n + excluded.n";
            to.prepare_cached(sql)?.execute(params![tenant.as_str(), kind, key, n])?;
        }
        for (b, n) in self.buckets {
            let sql =
                "INSERT INTO buckets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET n = n + excluded.n";
            let row = params![b.tenant.as_str(), b.record, b.minute, b.severity.rank(), b.area, b.source, n];
            to.prepare_cached(sql)?.execute(row)?;
        }
        for (alert, (n, at)) in self.duplicates {
            let sql = "UPDATE alerts SET more = more + ?2, last_seen = max(last_seen, ?3) WHERE id = ?1";
            to.prepare_cached(sql)?.execute(params![alert.0 as i64, n, at.0])?;
        }
        Ok(())
    }
}

fn bucket(
    tenant: &TenantId,
    record: &'static str,
    at: Timestamp,
    severity: Severity,
    area: Option<Area>,
    source: &str,
) -> Bucket {
    let area = area.map_or("", Area::as_str);
    Bucket { tenant: tenant.clone(), record, minute: at.0.div_euclid(60_000), severity, area, source: source.into() }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("views have text keys only")
}

/// The wire word of a plain enum.
pub fn word<T: Serialize>(value: &T) -> String {
    json(value).trim_matches('"').to_owned()
}
