//! What steps leave in the history. Of an alert or incident that changed several times in one batch only the last
//! state is written.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use super::super::Committed;
use super::super::counts::mute_word;
use super::super::tenant::{counts, verdicts};
use super::audit;
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::ci::Area;
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, IncidentId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::{Batch, DeadLetter, Input};
use crate::engine::verdict::Verdict;

/// What a batch of steps adds up to, written once at its end.
#[derive(Default)]
struct Gathered<'a> {
    /// First and last state of the batch.
    alerts: BTreeMap<AlertId, (&'a AlertView, &'a AlertView)>,
    incidents: BTreeMap<IncidentId, (&'a IncidentView, &'a IncidentView)>,
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

/// Writes steps in one transaction; `hash` is that of the last one's outbox record.
pub fn steps(connection: &mut Connection, steps: &[Committed], hash: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut gathered = Gathered::default();
    for step in steps {
        gathered.step(&transaction, step)?;
    }
    gathered.write(&transaction)?;
    if let Some(last) = steps.last() {
        let (journal_seq, outbox_seq) = (last.journal_seq.to_string(), last.outbox_seq.to_string());
        let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        for (key, value) in [("journal_seq", &*journal_seq), ("outbox_seq", &*outbox_seq), ("outbox_hash", hash)] {
            transaction.prepare_cached(sql)?.execute(params![key, value])?;
        }
    }
    transaction.commit()
}

impl<'a> Gathered<'a> {
    fn step(&mut self, to: &Transaction<'_>, step: &'a Committed) -> rusqlite::Result<()> {
        if let Some(Input::Batch(batch)) = step.input.as_deref() {
            self.batch(to, step, batch)?;
        }
        for (place, effect) in step.effects.iter().enumerate() {
            self.effect(to, step, place, effect)?;
        }
        match step.input.as_deref() {
            Some(input) => audit::write(to, step, input),
            None => Ok(()),
        }
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
                // Duplicates before this version are part of its count.
                self.duplicates.remove(&alert.id);
                self.alerts.entry(alert.id).or_insert((alert, alert)).1 = alert;
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
                self.count(bucket(&view.tenant, "notification", notice.at, view.severity, view.area, ""));
            }
            Effect::Verdict { verdict: Verdict::Duplicate { alert: Some(alert), why }, .. } if counts(*why) => {
                let entry = self.duplicates.entry(*alert).or_insert((0, step.stamp));
                *entry = (entry.0 + 1, step.stamp);
            }
            Effect::Verdict { .. } | Effect::CommandDone { .. } => {}
        }
        Ok(())
    }

    fn batch(&mut self, to: &Transaction<'_>, step: &Committed, batch: &Batch) -> rusqlite::Result<()> {
        for (index, verdict) in verdicts(step) {
            let place = index as usize;
            if let Some(event) = batch.events.get(place) {
                match verdict {
                    Verdict::Rejected { why } => {
                        let letter = DeadLetter::of(event, why.clone(), step.stamp);
                        letter_row(to, step, index, &batch.tenant, &letter)?;
                    }
                    _ => event_row(to, step, index, event, verdict)?,
                }
                let source = event.source.as_str();
                self.count(bucket(&batch.tenant, "event", step.stamp, event.severity, None, source));
            } else if let Some(letter) = batch.rejected.get(place - batch.events.len()) {
                letter_row(to, step, index, &batch.tenant, letter)?;
                let source = letter.source.as_str();
                self.count(bucket(&batch.tenant, "event", step.stamp, Severity::Indeterminate, None, source));
            }
        }
        if let Some(letter) = batch.replay_of {
            let sql = "UPDATE events SET replayed_as = ?4, replayed_at = ?5
                       WHERE seq = ?1 AND idx = ?2 AND tenant = ?3 AND verdict = 'rejected'";
            let replayed_as = format!("e{}.0", step.journal_seq);
            let row = params![letter.seq as i64, letter.index, batch.tenant.as_str(), replayed_as, step.stamp.0];
            to.prepare_cached(sql)?.execute(row)?;
        }
        Ok(())
    }

    fn count(&mut self, bucket: Bucket) {
        *self.buckets.entry(bucket).or_default() += 1;
    }

    fn write(mut self, to: &Transaction<'_>) -> rusqlite::Result<()> {
        for (id, (first, last)) in std::mem::take(&mut self.alerts) {
            if !to.prepare_cached("SELECT 1 FROM alerts WHERE id = ?1")?.exists([id.0 as i64])? {
                let area = first.ci.as_ref().and_then(|ci| ci.area);
                let source = first.source.as_str();
                self.count(bucket(&first.tenant, "alert", first.first_seen, first.severity, area, source));
            }
            alert_row(to, last)?;
        }
        for (id, (first, last)) in std::mem::take(&mut self.incidents) {
            if !to.prepare_cached("SELECT 1 FROM incidents WHERE id = ?1")?.exists([id.0 as i64])? {
                self.count(bucket(&first.tenant, "incident", first.opened_at, first.severity, first.area, ""));
            }
            incident_row(to, last)?;
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

const EVENT: &str = "INSERT OR REPLACE INTO events VALUES
    (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, NULL, NULL)";

fn event_row(
    to: &Transaction<'_>,
    step: &Committed,
    index: u32,
    event: &Event,
    verdict: &Verdict,
) -> rusqlite::Result<()> {
    let text = format!("{} {} {} {}", event.name, event.title, event.object.label(), event.description).to_lowercase();
    to.prepare_cached(EVENT)?.execute(params![
        step.journal_seq as i64,
        index,
        event.tenant.as_str(),
        step.stamp.0,
        &*event.id,
        verdict.alert().map(|alert| alert.0 as i64),
        verdict.word(),
        reason(verdict),
        event.source.as_str(),
        &*event.name,
        event.severity.rank(),
        event.org.as_ref().map(|org| org.as_str()),
        text,
        json(verdict),
        json(event),
    ])?;
    Ok(())
}

fn letter_row(
    to: &Transaction<'_>,
    step: &Committed,
    index: u32,
    tenant: &TenantId,
    letter: &DeadLetter,
) -> rusqlite::Result<()> {
    to.prepare_cached(EVENT)?.execute(params![
        step.journal_seq as i64,
        index,
        tenant.as_str(),
        step.stamp.0,
        "",
        None::<i64>,
        "rejected",
        letter.why.word(),
        letter.source.as_str(),
        "",
        Severity::Indeterminate.rank(),
        None::<&str>,
        letter.why.detail().to_lowercase(),
        json(&Verdict::Rejected { why: letter.why.clone() }),
        json(letter),
    ])?;
    Ok(())
}

/// The word of a verdict's reason, where it has one.
fn reason(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Duplicate { why, .. } => word(why),
        Verdict::Muted { by, .. } => mute_word(by).to_owned(),
        Verdict::Held { why, .. } => word(why),
        Verdict::Resolved { why, .. } => word(why),
        Verdict::Rejected { why } => why.word().to_owned(),
        Verdict::Joined { .. } | Verdict::Opened { .. } => String::new(),
    }
}

fn alert_row(to: &Transaction<'_>, alert: &AlertView) -> rusqlite::Result<()> {
    let ci = alert.ci.as_ref();
    let text = format!("{} {} {} {}", alert.name, alert.title, alert.object, ci.map_or("", |c| &c.name)).to_lowercase();
    let sql = "INSERT OR REPLACE INTO alerts VALUES
               (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14, ?15)";
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
        !alert.muted_by.is_empty(),
        text,
        json(alert),
    ])?;
    Ok(())
}

fn incident_row(to: &Transaction<'_>, view: &IncidentView) -> rusqlite::Result<()> {
    let id = view.id.0 as i64;
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
    for org in view.orgs.iter() {
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
