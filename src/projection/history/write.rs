//! What steps leave in the history. Of an alert or incident that changed several times in one batch only the last
//! state is written.

use std::collections::BTreeMap;

use rusqlite::{Connection, Statement, Transaction, params};
use serde::Serialize;

use super::super::Committed;
use super::super::board::search_text;
use super::super::counts::mute_word;
use super::super::tenant::{counts, verdicts};
use super::heads::Heads;
use super::ids::{self, Named};
use super::writer::Stored;
use super::{audit, knowledge, letters, notices, records, reviews};
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::ci::Area;
use crate::domain::ids::{AlertId, EventRef, IncidentId, SourceId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::{Batch, DeadLetter, Input};
use crate::engine::verdict::Verdict;

/// What a batch of steps adds up to, written once at its end.
struct Gathered<'a> {
    heads: &'a mut Heads,
    names: Vec<Named>,
    /// The last state of the batch, and whether there is a row of an earlier one.
    alerts: BTreeMap<AlertId, (&'a AlertView, Row)>,
    /// First and last state of the batch.
    incidents: BTreeMap<IncidentId, (&'a IncidentView, &'a IncidentView)>,
    buckets: BTreeMap<Bucket, i64>,
}

/// Whether a thing has a row. Known ones are updated and others inserted: for a row that is replaced, whatever it is,
/// SQLite first keeps the pages as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Known,
    Missing,
}

impl Row {
    /// The statement for a table whose first column is its key.
    fn statement(self, table: &str, columns: &[&str]) -> String {
        let marks: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
        if self == Self::Missing {
            return format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), marks.join(", "));
        }
        let set: Vec<String> =
            columns.iter().zip(&marks).skip(1).map(|(column, mark)| format!("{column} = {mark}")).collect();
        format!("UPDATE {table} SET {} WHERE {} = ?1", set.join(", "), columns[0])
    }
}

const ALERT_COLUMNS: [&str; 15] = [
    "id",
    "tenant",
    "first_seen",
    "last_seen",
    "source",
    "name",
    "severity",
    "firing",
    "ci",
    "org",
    "incident",
    "held",
    "muted",
    "text",
    "view",
];
const INCIDENT_COLUMNS: [&str; 13] = [
    "id", "tenant", "opened", "updated", "ended", "state", "progress", "severity", "area", "root", "assignee", "text",
    "view",
];

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Bucket {
    tenant: TenantId,
    record: &'static str,
    minute: i64,
    severity: Severity,
    area: &'static str,
    source: Box<str>,
}

/// Writes steps in one transaction; `hash` is that of the last one's outbox record.
pub fn steps(connection: &mut Connection, heads: &mut Heads, steps: &[Stored], hash: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let ids = steps.iter().flat_map(|stored| stored.step.effects.iter().filter_map(told_alert));
    heads.take(&transaction, ids.collect())?;
    let mut gathered = Gathered {
        heads,
        names: Vec::new(),
        alerts: BTreeMap::new(),
        incidents: BTreeMap::new(),
        buckets: BTreeMap::new(),
    };
    for stored in steps {
        gathered.step(&transaction, stored)?;
    }
    gathered.write(&transaction)?;
    if let Some(Stored { step: last, .. }) = steps.last() {
        let (journal_seq, outbox_seq) = (last.journal_seq.to_string(), last.outbox_seq.to_string());
        let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        for (key, value) in [("journal_seq", &*journal_seq), ("outbox_seq", &*outbox_seq), ("outbox_hash", hash)] {
            transaction.prepare_cached(sql)?.execute(params![key, value])?;
        }
    }
    transaction.commit()
}

/// The alert that an effect tells of.
fn told_alert(effect: &Effect) -> Option<AlertId> {
    match effect {
        Effect::Verdict { verdict, .. } => verdict.alert(),
        Effect::Alert { alert } => Some(alert.id),
        Effect::Incident { .. }
        | Effect::Timeline { .. }
        | Effect::Notify { .. }
        | Effect::Silence { .. }
        | Effect::CommandDone { .. } => None,
    }
}

impl<'a> Gathered<'a> {
    fn step(&mut self, to: &Transaction<'_>, stored: &'a Stored) -> rusqlite::Result<()> {
        let step = &stored.step;
        if let Some(Input::Batch(batch)) = step.input.as_deref() {
            records::write(to, stored, batch, self.heads, &mut self.names)?;
            self.batch(to, step, batch)?;
        }
        for (place, effect) in step.effects.iter().enumerate() {
            self.effect(to, step, place, effect)?;
        }
        if let Some(Input::Delivered(delivered)) = step.input.as_deref() {
            notices::ended(to, delivered, step.stamp)?;
        }
        let Some(input) = step.input.as_deref() else { return Ok(()) };
        reviews::write(to, step, input)?;
        knowledge::write(to, step, input)?;
        audit::write(to, step, input)
    }

    fn effect(
        &mut self,
        to: &Transaction<'_>,
        step: &'a Committed,
        place: usize,
        effect: &'a Effect,
    ) -> rusqlite::Result<()> {
        match effect {
            Effect::Alert { alert } => {
                let head = self.heads.of(alert.id);
                // Duplicates before this version are part of its count.
                (head.more, head.last_seen) = (0, alert.last_seen);
                let row = if std::mem::replace(&mut head.told, true) { Row::Known } else { Row::Missing };
                if row == Row::Missing {
                    let area = alert.ci.as_ref().and_then(|ci| ci.area);
                    let source = alert.source.as_str();
                    self.count(bucket(&alert.tenant, "alert", alert.first_seen, alert.severity, area, source), 1);
                }
                self.alerts.entry(alert.id).or_insert((alert, row)).0 = alert;
            }
            Effect::Incident { incident, joined, left } => {
                self.incidents.entry(incident.id).or_insert((incident, incident)).1 = incident;
                members(to, incident, joined, left, step.stamp)?;
            }
            Effect::Timeline { incident, entry, .. } => {
                let sql = "INSERT OR REPLACE INTO timeline VALUES (?1, ?2, ?3, ?4, ?5)";
                let at = params![incident.0 as i64, step.journal_seq as i64, place as i64, entry.at.0, json(entry)];
                to.prepare_cached(sql)?.execute(at)?;
            }
            Effect::Silence { tenant, silence } => {
                let sql = "INSERT OR REPLACE INTO silences VALUES (?1, ?2, ?3, ?4)";
                let row = params![tenant.as_str(), silence.id.as_str(), silence.ends_at.0, json(silence)];
                to.prepare_cached(sql)?.execute(row)?;
            }
            Effect::Notify { notice } => {
                let view = &notice.incident;
                notices::owed(to, notice)?;
                self.count(bucket(&view.tenant, "notification", notice.at, view.severity, view.area, ""), 1);
            }
            Effect::Verdict { verdict: Verdict::Duplicate { alert: Some(alert), why }, .. } if counts(*why) => {
                let head = self.heads.of(*alert);
                (head.more, head.last_seen) = (head.more + 1, head.last_seen.max(step.stamp));
            }
            Effect::Verdict { .. } | Effect::CommandDone { .. } => {}
        }
        Ok(())
    }

    fn batch(&mut self, to: &Transaction<'_>, step: &Committed, batch: &Batch) -> rusqlite::Result<()> {
        let (tenant, at) = (&batch.tenant, step.stamp);
        // Neighbours mostly are of one source and severity: they are counted together.
        let mut run: Option<(&SourceId, Severity, i64)> = None;
        for (index, verdict) in verdicts(step) {
            let place = EventRef { seq: step.journal_seq, index };
            let (source, severity) = if let Some(event) = batch.events.get(index as usize) {
                if let Verdict::Rejected { why } = verdict {
                    letters::write(to, place, at, tenant, &DeadLetter::of(event, why.clone(), at))?;
                }
                (&event.source, event.severity)
            } else if let Some(letter) = batch.rejected.get(index as usize - batch.events.len()) {
                letters::write(to, place, at, tenant, letter)?;
                (&letter.source, Severity::Indeterminate)
            } else {
                continue;
            };
            match &mut run {
                Some((same, like, n)) if *same == source && *like == severity => *n += 1,
                other => self.count_run(tenant, at, other.replace((source, severity, 1))),
            }
        }
        self.count_run(tenant, at, run);
        if let Some(letter) = batch.replay_of {
            letters::note_replay(to, letter, tenant, step.journal_seq, at)?;
        }
        Ok(())
    }

    fn count_run(&mut self, tenant: &TenantId, at: Timestamp, run: Option<(&SourceId, Severity, i64)>) {
        if let Some((source, severity, n)) = run {
            self.count(bucket(tenant, "event", at, severity, None, source.as_str()), n);
        }
    }

    fn count(&mut self, bucket: Bucket, n: i64) {
        *self.buckets.entry(bucket).or_default() += n;
    }

    fn write(mut self, to: &Transaction<'_>) -> rusqlite::Result<()> {
        ids::write(to, std::mem::take(&mut self.names))?;
        self.heads.write(to)?;
        let of = |row: Row| to.prepare_cached(&row.statement("alerts", &ALERT_COLUMNS));
        let (mut update, mut insert) = (of(Row::Known)?, of(Row::Missing)?);
        for (alert, row) in std::mem::take(&mut self.alerts).into_values() {
            alert_row(if row == Row::Known { &mut update } else { &mut insert }, alert)?;
        }
        self.write_incidents(to)?;
        let sql =
            "INSERT INTO buckets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET n = n + excluded.n";
        let mut add = to.prepare_cached(sql)?;
        for (b, n) in self.buckets {
            add.execute(params![b.tenant.as_str(), b.record, b.minute, b.severity.rank(), b.area, b.source, n])?;
        }
        Ok(())
    }

    fn write_incidents(&mut self, to: &Transaction<'_>) -> rusqlite::Result<()> {
        let of = |row: Row| to.prepare_cached(&row.statement("incidents", &INCIDENT_COLUMNS));
        let (mut update, mut insert) = (of(Row::Known)?, of(Row::Missing)?);
        let mut is_there = to.prepare_cached("SELECT 1 FROM incidents WHERE id = ?1")?;
        let mut leave = to.prepare_cached("DELETE FROM incident_orgs WHERE incident = ?1")?;
        let mut enter = to.prepare_cached("INSERT OR IGNORE INTO incident_orgs VALUES (?1, ?2)")?;
        for (id, (first, last)) in std::mem::take(&mut self.incidents) {
            let id = id.0 as i64;
            if is_there.exists([id])? {
                incident_row(&mut update, last)?;
                leave.execute([id])?;
            } else {
                self.count(bucket(&first.tenant, "incident", first.opened_at, first.severity, first.area, ""), 1);
                incident_row(&mut insert, last)?;
            }
            knowledge::of_incident(to, last)?;
            for org in last.orgs.iter() {
                enter.execute(params![id, org.as_str()])?;
            }
        }
        Ok(())
    }
}

/// The word of a verdict's reason, where it has one.
pub fn reason(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Duplicate { why, .. } => word(why),
        Verdict::Muted { by, .. } => mute_word(by).to_owned(),
        Verdict::Held { why, .. } => word(why),
        Verdict::Resolved { why, .. } => word(why),
        Verdict::Rejected { why } => why.word().to_owned(),
        Verdict::Joined { .. } | Verdict::Opened { .. } => String::new(),
    }
}

fn alert_row(to: &mut Statement<'_>, alert: &AlertView) -> rusqlite::Result<()> {
    let ci = alert.ci.as_ref();
    let text = format!("{} {} {} {}", alert.name, alert.title, alert.object, ci.map_or("", |c| &c.name)).to_lowercase();
    to.execute(params![
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
        !alert.muted_by.is_empty(),
        text,
        json(alert),
    ])?;
    Ok(())
}

fn incident_row(to: &mut Statement<'_>, view: &IncidentView) -> rusqlite::Result<()> {
    let ended = match view.state {
        IncidentState::Closed | IncidentState::Merged => Some(view.closed_at.unwrap_or(view.updated_at).0),
        IncidentState::Abnormal | IncidentState::Recovering | IncidentState::Recovered => None,
    };
    let root = view.candidates.first();
    to.execute(params![
        view.id.0 as i64,
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
        search_text(view),
        json(view),
    ])?;
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

/// The JSON of a view.
pub fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("views have text keys only")
}

/// The wire word of a plain enum.
pub fn word<T: Serialize>(value: &T) -> String {
    json(value).trim_matches('"').to_owned()
}
