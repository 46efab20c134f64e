//! Flow: how many messages a receiver gets one by one. What comes faster goes into one digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::effect::{DigestLine, Notice, NoticeDigest, NoticeKind, StormNews};
use super::policy::settings::{FlowLimit, FlowLimits};
use crate::domain::ids::{IncidentId, ReceiverId};
use crate::domain::time::{Span, Timestamp};

/// Incidents listed in one digest.
pub const LINES_MAX: usize = 100;

/// How long messages of a storm are gathered before the first summary.
const GATHER: Span = Span::secs(10);

/// Whether messages may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// Incidents open too fast: a summary so often is told.
    Storm {
        every: Span,
    },
}

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
    /// When the next summary of a storm is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    summary: Option<Timestamp>,
    /// The last summary, and when it was told; none: this storm has told nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    summed: Option<(Timestamp, Box<Notice>)>,
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
    ///
    /// # Errors
    /// When the digest is due that has it.
    pub fn pass(
        &mut self,
        notice: Box<Notice>,
        limits: FlowLimits,
        now: Timestamp,
        gate: Gate,
    ) -> Result<Box<Notice>, Timestamp> {
        let key = match &notice.to {
            // Whoever is woken ten times in ten minutes reads no eleventh message, by whichever way.
            Some(to) => ReceiverId::from(format!("{PERSON}{}", to.person).as_str()),
            None => notice.receiver.clone(),
        };
        let limit = limit_of(&key, limits);
        let flow = self.0.entry(key).or_insert_with(|| Flow { from: now, ..Flow::default() });
        if let Gate::Storm { every } = gate {
            flow.hold(notice);
            let next = flow.summed.as_ref().map_or(now.plus(GATHER), |(last, _)| last.plus(every).max(now));
            return Err(*flow.summary.get_or_insert(next));
        }
        // What a storm holds back does not stand in the way of what it spares.
        let is_clear = flow.held.messages == 0 || flow.summary.is_some();
        if now.since(flow.from) >= limit.within && is_clear {
            (flow.from, flow.sent) = (now, 0);
        }
        if flow.sent < limit.messages && is_clear {
            flow.sent += 1;
            return Ok(notice);
        }
        flow.hold(notice);
        Err(flow.due(limit).max(now))
    }

    /// The storm is over: what it holds back is told, and whoever had a summary hears that it is the last one.
    pub fn end_storm(&mut self, now: Timestamp) {
        for flow in self.0.values_mut() {
            if flow.held.messages == 0
                && let Some((_, last)) = flow.summed.take()
            {
                flow.worst = Some(last);
                flow.summary = Some(now);
            } else if flow.summary.is_some() {
                flow.summary = Some(now);
            }
        }
    }

    /// The digests that are due.
    pub fn digests(&mut self, limits: FlowLimits, now: Timestamp, storm: Option<StormNews>) -> Vec<Notice> {
        let due = self.0.iter_mut().filter(|(key, flow)| flow.waits() && flow.due(limit_of(key, limits)) <= now);
        due.filter_map(|(_, flow)| flow.digest(now, storm)).collect()
    }

    /// When the next digest is due.
    pub fn next_due(&self, limits: FlowLimits) -> Option<Timestamp> {
        let waiting = self.0.iter().filter(|(_, flow)| flow.waits());
        waiting.map(|(key, flow)| flow.due(limit_of(key, limits))).min()
    }

    /// Messages held back since ever, by receiver.
    pub fn held_back(&self) -> impl Iterator<Item = (&ReceiverId, u64)> {
        self.0.iter().filter(|(_, flow)| flow.total > 0).map(|(receiver, flow)| (receiver, flow.total))
    }

    /// Forgets receivers that no route names any more and that wait for nothing.
    pub fn keep(&mut self, known: impl Fn(&ReceiverId) -> bool) {
        self.0.retain(|key, flow| flow.waits() || key.as_str().starts_with(PERSON) || known(key));
    }
}

/// Stands before the person's id where a flow is a person's: no receiver's name holds it.
const PERSON: &str = "@";

fn limit_of(key: &ReceiverId, limits: FlowLimits) -> FlowLimit {
    if key.as_str().starts_with(PERSON) { limits.people } else { limits.receivers }
}

impl Flow {
    /// Whether there is something to tell.
    fn waits(&self) -> bool {
        self.held.messages > 0 || self.summary.is_some()
    }

    /// When it is told.
    fn due(&self, limit: FlowLimit) -> Timestamp {
        self.summary.unwrap_or_else(|| self.from.plus(limit.within))
    }

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

    fn digest(&mut self, now: Timestamp, storm: Option<StormNews>) -> Option<Notice> {
        let storm = storm.filter(|_| self.summary.take().is_some());
        let mut notice = *self.worst.take()?;
        let held = NoticeDigest { storm, ..std::mem::take(&mut self.held) };
        (self.from, self.sent) = (now, 1);
        notice.kind = NoticeKind::Digest;
        notice.key = key(&notice);
        notice.at = now;
        notice.changes = Vec::new();
        if let Some(storm) = storm {
            // Several may speak of the same version of one incident.
            notice.key = format!("{}-{}", notice.key, now.0 / 1000).into();
            self.summed = (!storm.is_over).then(|| (now, Box::new(notice.clone())));
        }
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
