//! Lifecycle: an incident from opened to forgotten, and what people order on the way.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::audience::Audience;
use super::cell::Cell;
use super::deadlines::Due;
use super::effect::Effect;
use super::ending::Ending;
use super::extent::Extent;
use super::fold;
use super::input::{Command, Order};
use super::obeyed::{ID_USED, Known};
use super::oncall::care::Care;
use super::oncall::control::Answer;
use super::slab::Place;
use super::withdraw::Loss;
use crate::domain::alert::AlertState;
use crate::domain::ids::IncidentId;
use crate::domain::incident::{Candidate, ChangeView, IncidentState, PathStep, Progress, TicketRef, TimelineKind};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::domain::topology::CiIx;

/// What an incident knows beyond its alerts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    pub version: u32,
    pub state: IncidentState,
    pub progress: Progress,
    pub opened_at: Timestamp,
    pub first_alert_at: Timestamp,
    pub acknowledged_at: Option<Timestamp>,
    pub acknowledged_by: Option<Box<str>>,
    pub assignee: Option<Box<str>>,
    pub snoozed_until: Option<Timestamp>,
    pub quiet_since: Option<Timestamp>,
    pub recovered_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub merged_into: Option<IncidentId>,
    /// Set by hand; else the worst alert's.
    pub severity: Option<Severity>,
    pub chosen_root: Option<CiIx>,
    pub rejected_roots: Vec<CiIx>,
    pub root_confirmed: bool,
    /// The last ranking, and for how many members of which root it was made.
    pub candidates: Arc<[Candidate]>,
    pub path: Arc<[PathStep]>,
    pub title: Box<str>,
    /// The severity that was told last.
    #[serde(default)]
    pub shown: Option<Severity>,
    pub ranked_for: (Place, u32),
    /// Changes near its start, and how many changes were known when they were looked up.
    pub changes: Arc<[ChangeView]>,
    pub changes_for: u64,
    pub extent: Extent,
    /// Tickets, one of each receiver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<TicketRef>,
    /// Who was told what.
    #[serde(default)]
    pub audience: Audience,
    #[serde(default, skip_serializing_if = "Care::is_empty")]
    pub care: Care,
    #[serde(default, skip_serializing_if = "Ending::is_empty")]
    pub ending: Ending,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
}

impl Incident {
    /// A fresh incident.
    pub fn opened(id: IncidentId, at: Timestamp, first_alert_at: Timestamp) -> Self {
        Self {
            id,
            version: 0,
            state: IncidentState::Abnormal,
            progress: Progress::Triggered,
            opened_at: at,
            first_alert_at,
            acknowledged_at: None,
            acknowledged_by: None,
            assignee: None,
            snoozed_until: None,
            quiet_since: None,
            recovered_at: None,
            closed_at: None,
            merged_into: None,
            severity: None,
            chosen_root: None,
            rejected_roots: Vec::new(),
            root_confirmed: false,
            candidates: Arc::default(),
            path: Arc::default(),
            title: "".into(),
            shown: None,
            ranked_for: (Place::default(), 0),
            changes: Arc::default(),
            changes_for: 0,
            extent: Extent::default(),
            tickets: Vec::new(),
            audience: Audience::default(),
            care: Care::default(),
            ending: Ending::default(),
            loss: None,
        }
    }
}

impl Incident {
    /// What people did with an incident that becomes part of this one holds on; of two the earlier one does.
    pub fn take_over(&mut self, lost: Self, now: Timestamp) {
        self.first_alert_at = self.first_alert_at.min(lost.first_alert_at);
        let is_earlier = match (self.acknowledged_at, lost.acknowledged_at) {
            (Some(mine), Some(theirs)) => theirs < mine,
            (mine, theirs) => mine.is_none() && theirs.is_some(),
        };
        if is_earlier {
            (self.acknowledged_at, self.acknowledged_by) = (lost.acknowledged_at, lost.acknowledged_by);
        }
        if self.progress == Progress::Triggered && lost.progress == Progress::Processing {
            self.progress = lost.progress;
        }
        self.assignee = self.assignee.take().or(lost.assignee);
        self.severity = self.severity.max(lost.severity);
        self.audience.absorb(lost.audience, now);
        self.care.absorb(lost.care);
        self.ending.absorb(lost.ending);
    }
}

impl Cell {
    /// Lets the incident's state follow its alerts: firing or quiet.
    pub fn follow_state(&mut self, place: Place) {
        let (now, observation) = (self.now, self.policy.settings.observation);
        let Some(group) = self.groups.get_mut(place) else { return };
        let firing = group.firing();
        if group.alerts() == 0 {
            return; // its last alert is on the move: the incident goes after it
        }
        let Some(incident) = group.incident.as_mut() else { return };
        let id = incident.id;
        match (incident.state, firing) {
            (IncidentState::Abnormal, 0) => {
                incident.state = IncidentState::Recovering;
                incident.quiet_since = Some(now);
                self.deadlines.set(now.plus(observation), Due::Observed(place));
                self.note(id, "headwater", TimelineKind::StateChanged, "recovering");
            }
            (IncidentState::Recovering | IncidentState::Recovered, 1..) => {
                incident.state = IncidentState::Abnormal;
                (incident.quiet_since, incident.recovered_at) = (None, None);
                self.note(id, "headwater", TimelineKind::StateChanged, "abnormal");
            }
            _ => {}
        }
        self.moment.groups.insert(place);
    }

    /// Something has begun to fire in a group, or has come there firing: a closed incident is open again. What fired there when
    /// it was closed does not open it.
    pub fn fires_anew(&mut self, place: Place) {
        let incident = self.groups.get(place).and_then(|group| group.incident.as_ref());
        if incident.is_some_and(|incident| incident.state == IncidentState::Closed) {
            self.reopen(place, "headwater");
        }
    }

    /// Opened by a person while nothing fires, it stays open until a person closes it or something fires and ends.
    fn reopen(&mut self, place: Place, actor: &str) {
        let Some(incident) = self.groups.get_mut(place).and_then(|g| g.incident.as_mut()) else { return };
        incident.state = IncidentState::Abnormal;
        incident.progress = Progress::Triggered;
        (incident.closed_at, incident.recovered_at, incident.quiet_since) = (None, None, None);
        (incident.acknowledged_at, incident.acknowledged_by, incident.snoozed_until) = (None, None, None);
        let id = incident.id;
        self.note(id, actor, TimelineKind::Reopened, "");
        self.moment.groups.insert(place);
    }

    /// Sets the timers of an incident that has moved to another group: those that run are the old group's.
    pub fn set_timers(&mut self, place: Place) {
        let settings = &self.policy.settings;
        let Some(incident) = self.groups.get_mut(place).and_then(|g| g.incident.as_mut()) else { return };
        // Its clocks and actions set theirs when it is told.
        incident.care.timer = None;
        let due = match incident.state {
            IncidentState::Recovering => {
                incident.quiet_since.map(|at| (at.plus(settings.observation), Due::Observed(place)))
            }
            IncidentState::Recovered => {
                incident.recovered_at.map(|at| (at.plus(settings.reopen_gap), Due::Close(place)))
            }
            IncidentState::Closed => incident.closed_at.map(|at| (at.plus(settings.retention), Due::Forget(place))),
            IncidentState::Abnormal | IncidentState::Merged => None,
        };
        let wake = incident.snoozed_until.map(|until| (until, Due::Wake(place)));
        let doubt = incident.loss.map(|loss| (loss.due(), Due::Doubt(place)));
        for (at, due) in due.into_iter().chain(wake).chain(doubt) {
            self.deadlines.set(at, due);
        }
    }

    /// A timer: quiet through the observation.
    pub fn observed(&mut self, place: Place) {
        let (now, observation, reopen_gap) =
            (self.now, self.policy.settings.observation, self.policy.settings.reopen_gap);
        let Some(incident) = self.groups.get_mut(place).and_then(|g| g.incident.as_mut()) else { return };
        let quiet = incident.quiet_since.is_some_and(|since| now.since(since) >= observation);
        if incident.state != IncidentState::Recovering || !quiet {
            return;
        }
        incident.state = IncidentState::Recovered;
        incident.recovered_at = Some(now);
        let id = incident.id;
        self.deadlines.set(now.plus(reopen_gap), Due::Close(place));
        self.note(id, "headwater", TimelineKind::StateChanged, "recovered");
        self.moment.groups.insert(place);
    }

    /// A timer: the reopen gap is over.
    pub fn close_recovered(&mut self, place: Place) {
        let (now, gap) = (self.now, self.policy.settings.reopen_gap);
        let Some(incident) = self.groups.get(place).and_then(|g| g.incident.as_ref()) else { return };
        let quiet = incident.recovered_at.is_some_and(|at| now.since(at) >= gap);
        if incident.state == IncidentState::Recovered && quiet && !self.waits_for_review(place) {
            self.close(place, "headwater", "");
        }
    }

    fn close(&mut self, place: Place, actor: &str, note: &str) {
        let (now, retention) = (self.now, self.policy.settings.retention);
        let Some(incident) = self.groups.get_mut(place).and_then(|g| g.incident.as_mut()) else { return };
        incident.state = IncidentState::Closed;
        incident.progress = Progress::Closed;
        incident.closed_at = Some(now);
        let id = incident.id;
        self.deadlines.set(now.plus(retention), Due::Forget(place));
        self.note(id, actor, TimelineKind::Closed, note);
        self.moment.groups.insert(place);
    }

    /// A timer: nothing happened to the group for long; its alerts leave memory (history keeps them).
    pub fn forget(&mut self, place: Place) {
        let Some(group) = self.groups.get(place) else { return };
        let open = group.incident.as_ref().is_some_and(|i| i.state != IncidentState::Closed);
        let last = group.members.iter().map(|m| self.alerts[*m].last_seen).max().unwrap_or(self.now);
        let due = last.plus(self.policy.settings.retention);
        if open || group.firing() > 0 {
            return;
        }
        if due > self.now {
            self.deadlines.set(due, Due::Forget(place));
            return;
        }
        let group = self.groups.remove(place).expect("just looked at");
        if let Some(incident) = group.incident {
            self.by_incident.remove(&incident.id);
        }
        let mut folds: Vec<Arc<str>> = Vec::new();
        for member in group.members.iter().copied() {
            self.current.remove(&self.alerts, member);
            let Some(alert) = self.alerts.remove(member) else { continue };
            self.patterns.forget(member);
            self.by_alert.remove(&alert.id);
            folds.push(alert.fingerprint.clone());
            folds.extend(fold::keys_of_type(alert.kind));
            if let Some(recent) = self.recent.get_mut(&alert.spot) {
                recent.remove(member);
                if recent.is_empty() {
                    self.recent.remove(&alert.spot);
                }
            }
        }
        for key in folds {
            if self.folds.get(&key).is_some_and(|root| self.alerts.get(*root).is_none()) {
                self.folds.remove(&key);
            }
        }
    }

    /// A timer: the snooze is over.
    pub fn wake(&mut self, place: Place) {
        let now = self.now;
        let Some(incident) = self.groups.get_mut(place).and_then(|g| g.incident.as_mut()) else { return };
        if incident.snoozed_until.is_some_and(|until| until <= now) {
            incident.snoozed_until = None;
            let id = incident.id;
            self.note(id, "headwater", TimelineKind::Woken, "");
            self.moment.groups.insert(place);
        }
    }

    /// Carries out an order, or says why not. One that its actor has sent before under the same id is not carried
    /// out again: it ends as it did then.
    pub fn obey(&mut self, command: &Command) {
        self.moment.via = command.via.clone();
        let (refused, again) = match self.obeyed.look(command) {
            Known::Fresh => {
                let refused: Option<Box<str>> = self.carry_out(&command.order, &command.actor).err().map(Into::into);
                self.obeyed.remember(command, refused.clone());
                (refused, false)
            }
            Known::Again(refused) => (refused, true),
            Known::OtherBody => (Some(ID_USED.into()), false),
        };
        self.moment.effects.push(Effect::CommandDone { tenant: self.tenant.clone(), refused, again });
    }

    pub fn open_group(&self, incident: IncidentId) -> Result<Place, &'static str> {
        self.by_incident.get(&incident).copied().ok_or("no such incident, or it was merged or forgotten")
    }

    /// Whether an order makes sense for an incident in its state: none changes what is closed, but for notes, for what is
    /// learned of its cause, and for opening it again.
    fn allows(&self, order: &Order) -> Result<(), &'static str> {
        let Some(incident) = order.incident().and_then(|id| self.by_incident.get(&id)) else { return Ok(()) };
        let Some(incident) = self.groups[*incident].incident.as_ref() else { return Ok(()) };
        let is_closed = incident.state == IncidentState::Closed;
        if is_closed && order.needs_open() {
            return Err("the incident is closed: reopen it first");
        }
        if incident.state == IncidentState::Abnormal && matches!(order, Order::Reopen { .. }) {
            return Err("the incident is open already");
        }
        if matches!(order, Order::Snooze { until, .. } if *until <= self.now) {
            return Err("the time until which to snooze is over");
        }
        if matches!(order, Order::SetSeverity { severity: Severity::Cleared, .. }) {
            return Err("an incident that is over is closed, not set to cleared");
        }
        Ok(())
    }

    /// Closes the incident and its members.
    fn close_by_hand(&mut self, place: Place, actor: &str, note: &str) {
        let mut firing = self.groups[place].members.to_vec();
        firing.retain(|member| self.alerts[*member].is_firing());
        for member in &firing {
            self.alerts[*member].state = AlertState::Resolved;
            self.moment.alerts.insert(*member);
        }
        self.groups[place].tally.none_fires();
        self.close(place, actor, note);
        for member in firing {
            self.cease_firing(member);
        }
    }

    /// Carries out an order.
    ///
    /// # Errors
    /// Why not.
    pub fn carry_out(&mut self, order: &Order, actor: &str) -> Result<(), &'static str> {
        self.allows(order)?;
        match order {
            Order::Merge { from, into } => self.merge(*from, *into, actor),
            Order::Split { incident, alerts } => self.split(*incident, alerts, actor),
            Order::Move { alert, into } => self.shift(*alert, *into, actor),
            Order::Close { incident, note, findings } => {
                let place = self.open_group(*incident)?;
                self.may_close(place, findings.as_deref())?;
                if let Some(findings) = findings {
                    self.conclude(place, findings, actor)?;
                }
                self.close_by_hand(place, actor, note);
                Ok(())
            }
            Order::Reopen { incident } => {
                let place = self.open_group(*incident)?;
                self.reopen(place, actor);
                Ok(())
            }
            Order::Silence { .. } | Order::ExpireSilence { .. } => self.change_silence(order),
            Order::Revoke { .. } | Order::Noted { .. } | Order::Learn { .. } | Order::Unlearn { .. } => Ok(()),
            Order::Override { .. }
            | Order::EndOverride { .. }
            | Order::VerifyAddress { .. }
            | Order::RevokeCalendar { .. } => self.change_duty(order, actor),
            Order::Resend { notice } => {
                let said = format!("{} {}", notice.receiver, notice.kind.as_str());
                self.note(notice.incident.id, actor, TimelineKind::Notified, said);
                self.moment.effects.push(Effect::Notify { notice: notice.clone() });
                Ok(())
            }
            Order::Conclude { .. } | Order::DeclareMajor { .. } | Order::RevokeMajor { .. } | Order::Review { .. } => {
                self.sum_up(order, actor)
            }
            Order::Approve { incident, action } => self.judge_action(*incident, action, Answer::Yes, actor),
            Order::Deny { incident, action } => self.judge_action(*incident, action, Answer::No, actor),
            Order::ReportAction { incident, action, report } => self.report_action(*incident, action, report, actor),
            Order::TellHeld { receiver } => self.tell_held(receiver.as_ref()),
            Order::Ticket { incident, receiver } => self.order_ticket(*incident, receiver, actor),
            Order::ForAlert { source, key, deed } => {
                let incident = self.incident_by_key(source, key)?;
                self.carry_out(&deed.order(incident), actor)
            }
            Order::RejectRoot { incident, ci } | Order::SetRoot { incident, ci } => {
                let place = self.open_group(*incident)?;
                let ci = self.topology.find(ci.as_str()).ok_or("the topology knows no such CI")?;
                self.judge_root(place, ci, matches!(order, Order::SetRoot { .. }), actor);
                Ok(())
            }
            Order::Acknowledge { incident }
            | Order::Unacknowledge { incident }
            | Order::Assign { incident, .. }
            | Order::Comment { incident, .. }
            | Order::Snooze { incident, .. }
            | Order::Wake { incident }
            | Order::ConfirmRoot { incident }
            | Order::SetSeverity { incident, .. } => {
                let place = self.open_group(*incident)?;
                self.mark(place, order, actor);
                Ok(())
            }
        }
    }

    /// Orders that change only the incident's own fields.
    fn mark(&mut self, place: Place, order: &Order, actor: &str) {
        let now = self.now;
        let Some(incident) = self.groups[place].incident.as_mut() else { return };
        let (id, is_first) = (incident.id, incident.acknowledged_at.is_none());
        let (kind, detail): (TimelineKind, Box<str>) = match order {
            Order::Acknowledge { .. } => {
                incident.acknowledged_at.get_or_insert(now);
                incident.acknowledged_by.get_or_insert_with(|| actor.into());
                incident.progress = incident.progress.max(Progress::Processing);
                (TimelineKind::Acknowledged, "".into())
            }
            Order::Unacknowledge { .. } => {
                (incident.acknowledged_at, incident.acknowledged_by) = (None, None);
                incident.progress = Progress::Triggered;
                (TimelineKind::Unacknowledged, "".into())
            }
            Order::Assign { assignee, .. } => {
                incident.assignee = Some(assignee.clone());
                (TimelineKind::Assigned, assignee.clone())
            }
            Order::Comment { text, .. } => (TimelineKind::Commented, text.clone()),
            Order::Snooze { until, .. } => {
                incident.snoozed_until = Some(*until);
                self.deadlines.set(*until, Due::Wake(place));
                (TimelineKind::Snoozed, until.to_string().into())
            }
            Order::Wake { .. } => {
                incident.snoozed_until = None;
                (TimelineKind::Woken, "".into())
            }
            Order::ConfirmRoot { .. } => {
                // It holds on, whatever comes later.
                let first = incident.candidates.first().and_then(|first| self.topology.find(first.ci.id.as_str()));
                incident.chosen_root = first.or(incident.chosen_root);
                incident.root_confirmed = true;
                incident.ranked_for.1 = 0;
                (TimelineKind::RootConfirmed, "".into())
            }
            Order::SetSeverity { severity, .. } => {
                incident.severity = Some(*severity);
                (TimelineKind::SeverityChanged, severity.as_str().into())
            }
            _ => return,
        };
        self.note(id, actor, kind, detail);
        self.moment.groups.insert(place);
        match order {
            Order::Assign { assignee, .. } => self.page_assignee(place, assignee, actor),
            Order::Acknowledge { .. } if is_first => self.note_taken(place, actor),
            _ => {}
        }
    }

    fn judge_root(&mut self, place: Place, ci: CiIx, chosen: bool, actor: &str) {
        let name = self.topology.id(ci).to_string();
        let Some(incident) = self.groups[place].incident.as_mut() else { return };
        incident.ranked_for.1 = 0;
        let id = incident.id;
        if chosen {
            incident.chosen_root = Some(ci);
            incident.rejected_roots.retain(|c| *c != ci);
            incident.root_confirmed = true;
            self.note(id, actor, TimelineKind::RootChanged, name);
        } else {
            if !incident.rejected_roots.contains(&ci) {
                incident.rejected_roots.push(ci);
            }
            incident.chosen_root = incident.chosen_root.filter(|c| *c != ci);
            incident.root_confirmed = false;
            self.note(id, actor, TimelineKind::RootRejected, name);
        }
        self.moment.groups.insert(place);
    }
}
