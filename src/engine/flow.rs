//! Flow: how many messages a receiver gets one by one. What comes faster goes into one digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::effect::{DigestLine, Notice, NoticeDigest, NoticeKind};
use super::policy::settings::{FlowLimit, FlowLimits};
use crate::domain::ids::{IncidentId, ReceiverId};
use crate::domain::time::Timestamp;

/// Incidents listed in one digest.
pub const LINES_MAX: usize = 100;

/// What one receiver got lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Flow {
    /// Since when messages are counted, and how many there were.
    from: Timestamp,
    sent: u32,
    /// The worst message that was held back; its incident leads the digest.
    worst: Option<Box<Notice>>,
    held: NoticeDigest,
    /// Messages held back since ever.
    total: u64,
}

/// The flows of all receivers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flows(BTreeMap<ReceiverId, Flow>);

impl Flows {
    /// Receivers that hear of the incident in a digest that is not sent yet.
    pub fn waiting_with(&self, incident: IncidentId) -> Vec<ReceiverId> {
        let waits = |flow: &Flow| flow.held.lines.iter().any(|line| line.incident == incident);
        self.0.iter().filter(|(_, flow)| waits(flow)).map(|(receiver, _)| receiver.clone()).collect()
    }

    /// Lets a message pass, or holds it back; then says when the digest is due.
    pub fn pass(&mut self, notice: Box<Notice>, limits: FlowLimits, now: Timestamp) -> Result<Box<Notice>, Timestamp> {
        let key = match &notice.to {
            // Whoever is woken ten times in ten minutes reads no eleventh message, by whichever way.
            Some(to) => ReceiverId::from(format!("{PERSON}{}", to.person).as_str()),
            None => notice.receiver.clone(),
        };
        let limit = limit_of(&key, limits);
        let flow = self.0.entry(key).or_insert_with(|| Flow { from: now, ..Flow::default() });
        if now.since(flow.from) >= limit.within && flow.held.messages == 0 {
            (flow.from, flow.sent) = (now, 0);
        }
        if flow.sent < limit.messages && flow.held.messages == 0 {
            flow.sent += 1;
            return Ok(notice);
        }
        flow.hold(notice);
        Err(flow.from.plus(limit.within).max(now))
    }

    /// The digests that are due.
    pub fn digests(&mut self, limits: FlowLimits, now: Timestamp) -> Vec<Notice> {
        let within = |key: &ReceiverId| limit_of(key, limits).within;
        let due = self.0.iter_mut().filter(|(key, f)| f.held.messages > 0 && now.since(f.from) >= within(key));
        due.filter_map(|(_, flow)| flow.digest(now)).collect()
    }

    /// When the next digest is due.
    pub fn next_due(&self, limits: FlowLimits) -> Option<Timestamp> {
        let waiting = self.0.iter().filter(|(_, flow)| flow.held.messages > 0);
        waiting.map(|(key, flow)| flow.from.plus(limit_of(key, limits).within)).min()
    }

    /// Messages held back since ever, by receiver.
    pub fn held_back(&self) -> impl Iterator<Item = (&ReceiverId, u64)> {
        self.0.iter().filter(|(_, flow)| flow.total > 0).map(|(receiver, flow)| (receiver, flow.total))
    }

    /// Forgets receivers that no route names any more and that wait for nothing.
    pub fn keep(&mut self, known: impl Fn(&ReceiverId) -> bool) {
        self.0.retain(|key, flow| flow.held.messages > 0 || key.as_str().starts_with(PERSON) || known(key));
    }
}

/// Stands before the person's id where a flow is a person's: no receiver's name holds it.
const PERSON: &str = "@";

fn limit_of(key: &ReceiverId, limits: FlowLimits) -> FlowLimit {
    if key.as_str().starts_with(PERSON) { limits.people } else { limits.receivers }
}

impl Flow {
    fn hold(&mut self, notice: Box<Notice>) {
        self.held.messages += 1;
        self.total += 1;
        let incident = &notice.incident;
        let line = DigestLine {
            incident: incident.id,
            version: incident.version,
            kind: notice.kind,
            severity: incident.severity,
            priority: incident.priority,
            title: incident.title.clone(),
        };
        let lines = &mut self.held.lines;
        match lines.iter().position(|known| known.incident == line.incident) {
            Some(known) => lines[known] = line,
            None if lines.len() < LINES_MAX => lines.push(line),
            None => {}
        }
        let rank = |n: &Notice| (n.incident.priority, std::cmp::Reverse(n.incident.severity), n.incident.id);
        // The latest version of the worst incident.
        if self.worst.as_ref().is_none_or(|worst| rank(&notice) <= rank(worst)) {
            self.worst = Some(notice);
        }
    }

    fn digest(&mut self, now: Timestamp) -> Option<Notice> {
        let mut notice = *self.worst.take()?;
        let held = std::mem::take(&mut self.held);
        (self.from, self.sent) = (now, 1);
        notice.kind = NoticeKind::Digest;
        notice.key = key(&notice);
        notice.at = now;
        notice.changes = Vec::new();
        notice.digest = Some(Box::new(held));
        Some(notice)
    }
}

/// The idempotency key of a message: `<incident>-<version>-<receiver>-<kind>`, and `-<person>` where one is meant.
pub fn key(notice: &Notice) -> Box<str> {
    let Notice { incident, receiver, kind, .. } = notice;
    let key = format!("{}-{}-{}-{}", incident.id, incident.version, receiver, kind.as_str());
    match &notice.to {
        Some(to) => format!("{key}-{}", to.person).into(),
        None => key.into(),
    }
}
