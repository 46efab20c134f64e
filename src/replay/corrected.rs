//! What people said of incidents, from the recorded journal: corrected incidents are truth, each correction gives
//! labelled pairs. A correction that was revoked counts for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::domain::alert::AlertView;
use crate::domain::ids::{AlertId, CiId, EventRef, IncidentId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::{Input, Order};
use crate::journal::Record;
use crate::lab::score::TrueIncident;

/// Pairs that one correction gives at most.
const PAIRS_MAX: usize = 2000;

/// Two events and whether they belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    pub a: String,
    pub b: String,
    pub together: bool,
    /// Of the correction's weight, this pair's share, per million.
    pub weight: u64,
    pub correction: u64,
}

/// A CI and whether it is an incident's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootLabel {
    pub incident: String,
    pub ci: String,
    pub is_root: bool,
    pub weight: u64,
    pub correction: u64,
}

/// One correction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Correction {
    /// Its journal record.
    pub seq: u64,
    pub at: String,
    pub by: String,
    pub says: &'static str,
    pub weight: u32,
    pub incidents: Vec<String>,
    pub pairs: usize,
}

/// A reviewed incident as it stood at the end.
pub struct Reviewed {
    pub view: Arc<IncidentView>,
    pub events: BTreeSet<EventRef>,
    /// As somebody said, else as the engine has it.
    pub root: Option<CiId>,
    /// Somebody said it.
    pub is_root_said: bool,
}

/// What a tenant's people said, as far as the journal has been folded.
pub struct Corrected {
    tenant: TenantId,
    /// First event of each alert, and all of them.
    events: BTreeMap<AlertId, Vec<EventRef>>,
    pub alerts: BTreeMap<AlertId, Arc<AlertView>>,
    members: BTreeMap<IncidentId, BTreeSet<AlertId>>,
    home: BTreeMap<AlertId, IncidentId>,
    incidents: BTreeMap<IncidentId, Arc<IncidentView>>,
    pub corrections: Vec<Correction>,
    pub pairs: Vec<Pair>,
    pub roots: Vec<RootLabel>,
    /// Incidents that somebody judged, by correction.
    touched: BTreeMap<IncidentId, BTreeSet<u64>>,
    /// What was said of their roots, in order: the correction, the CI, and whether it is the root.
    said: BTreeMap<IncidentId, Vec<(u64, CiId, bool)>>,
}

impl Corrected {
    /// Nothing was said yet.
    pub fn of(tenant: TenantId) -> Self {
        Self {
            tenant,
            events: BTreeMap::new(),
            alerts: BTreeMap::new(),
            members: BTreeMap::new(),
            home: BTreeMap::new(),
            incidents: BTreeMap::new(),
            corrections: Vec::new(),
            pairs: Vec::new(),
            roots: Vec::new(),
            touched: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// Adds a record and what was decided about it.
    pub fn fold(&mut self, record: &Record, effects: &[Effect]) {
        let done = |effect: &Effect| matches!(effect, Effect::CommandDone { refused: None, again: false, .. });
        if let Input::Command(command) = &*record.input
            && command.tenant == self.tenant
            && effects.iter().any(done)
        {
            self.hear(record.seq, record.stamp, &command.actor, &command.order);
        }
        let is_own = matches!(&*record.input, Input::Batch(batch) if batch.tenant == self.tenant);
        for effect in effects {
            match effect {
                Effect::Verdict { index, verdict } if is_own => {
                    if let Some(alert) = verdict.alert() {
                        self.events.entry(alert).or_default().push(EventRef { seq: record.seq, index: *index });
                    }
                }
                Effect::Alert { alert } if alert.tenant == self.tenant => self.settle(alert),
                Effect::Incident { incident, .. } if incident.tenant == self.tenant => {
                    if let Some(into) = incident.merged_into {
                        // The engine merges, too: nobody has said anything by that.
                        if let Some(touched) = self.touched.remove(&incident.id) {
                            self.touched.entry(into).or_default().extend(touched);
                        }
                        // What was said of the one that stays counts more.
                        if let Some(mut said) = self.said.remove(&incident.id) {
                            let own = self.said.entry(into).or_default();
                            said.append(own);
                            *own = said;
                        }
                    }
                    self.incidents.insert(incident.id, incident.clone());
                }
                Effect::Verdict { .. }
                | Effect::Alert { .. }
                | Effect::Incident { .. }
                | Effect::Notify { .. }
                | Effect::Timeline { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
    }

    fn settle(&mut self, alert: &Arc<AlertView>) {
        if let Some(before) = self.home.remove(&alert.id)
            && let Some(members) = self.members.get_mut(&before)
        {
            members.remove(&alert.id);
        }
        if let Some(incident) = alert.incident {
            self.home.insert(alert.id, incident);
            self.members.entry(incident).or_default().insert(alert.id);
        }
        self.alerts.insert(alert.id, alert.clone());
    }

    /// Takes in an order that was carried out, before what follows from it.
    fn hear(&mut self, seq: u64, at: Timestamp, actor: &str, order: &Order) {
        if let Order::Revoke { of } = order {
            return self.revoke(*of);
        }
        let Some((says, weight)) = order.judgement() else { return };
        let (none, mut together, mut apart, mut about) = (BTreeSet::new(), Vec::new(), Vec::new(), Vec::new());
        let of = |incident: &IncidentId| self.members.get(incident).unwrap_or(&none);
        match order {
            Order::Merge { from, into } => {
                about.extend([*from, *into]);
                together.extend(crossed(of(from), of(into)));
            }
            Order::Split { incident, alerts } => {
                about.push(*incident);
                let going: BTreeSet<AlertId> = alerts.iter().copied().collect();
                apart.extend(crossed(&going, &of(incident).difference(&going).copied().collect()));
            }
            Order::Move { alert, into } => {
                let (left, one) = (self.home.get(alert).copied(), BTreeSet::from([*alert]));
                about.extend(left.into_iter().chain([*into]));
                together.extend(crossed(&one, of(into)));
                apart.extend(crossed(&one, &left.map_or(&none, |left| of(&left)).difference(&one).copied().collect()));
            }
            Order::ConfirmRoot { incident } => {
                about.push(*incident);
                let best = self.incidents.get(incident).and_then(|view| view.candidates.first());
                if let Some(ci) = best.map(|best| best.ci.id.clone()) {
                    self.label(*incident, ci, true, seq, weight);
                }
            }
            Order::SetRoot { incident, ci } | Order::RejectRoot { incident, ci } => {
                about.push(*incident);
                self.label(*incident, ci.clone(), matches!(order, Order::SetRoot { .. }), seq, weight);
            }
            Order::Acknowledge { .. }
            | Order::Unacknowledge { .. }
            | Order::Assign { .. }
            | Order::Comment { .. }
            | Order::Snooze { .. }
            | Order::Wake { .. }
            | Order::Close { .. }
            | Order::Conclude { .. }
            | Order::DeclareMajor { .. }
            | Order::RevokeMajor { .. }
            | Order::Review { .. }
            | Order::Reopen { .. }
            | Order::SetSeverity { .. }
            | Order::Silence { .. }
            | Order::ExpireSilence { .. }
            | Order::Revoke { .. }
            | Order::Override { .. }
            | Order::EndOverride { .. }
            | Order::VerifyAddress { .. }
            | Order::RevokeCalendar { .. }
            | Order::Resend { .. }
            | Order::Noted { .. }
            | Order::Approve { .. }
            | Order::Deny { .. }
            | Order::ReportAction { .. }
            | Order::TellHeld { .. }
            | Order::Ticket { .. }
            | Order::Learn { .. }
            | Order::Unlearn { .. }
            | Order::ForAlert { .. } => return,
        }
        let pairs = self.pair(together, apart, seq, weight);
        let (at, by, incidents) = (at.to_string(), actor.to_owned(), about.iter().map(ToString::to_string).collect());
        about.iter().for_each(|incident| _ = self.touched.entry(*incident).or_default().insert(seq));
        self.corrections.push(Correction { seq, at, by, says, weight, incidents, pairs });
    }

    fn label(&mut self, incident: IncidentId, ci: CiId, is_root: bool, correction: u64, weight: u32) {
        let label = RootLabel {
            incident: incident.to_string(),
            ci: ci.to_string(),
            is_root,
            weight: u64::from(weight) * 1000,
            correction,
        };
        self.roots.push(label);
        self.said.entry(incident).or_default().push((correction, ci, is_root));
    }

    /// The root that people named last and did not reject afterwards, as far as nobody took it back.
    fn chosen(&self, incident: IncidentId) -> Option<&CiId> {
        let mut chosen = None;
        for (_, ci, is_root) in self.said.get(&incident)? {
            chosen = if *is_root { Some(ci) } else { chosen.filter(|chosen| *chosen != ci) };
        }
        chosen
    }

    /// Every correction weighs the same, however many pairs it gives.
    fn pair(
        &mut self,
        together: Vec<(AlertId, AlertId)>,
        apart: Vec<(AlertId, AlertId)>,
        correction: u64,
        weight: u32,
    ) -> usize {
        let all: Vec<_> =
            together.into_iter().map(|p| (p, true)).chain(apart.into_iter().map(|p| (p, false))).collect();
        let all = &all[..all.len().min(PAIRS_MAX)];
        let share = u64::from(weight) * 1000 / all.len().max(1) as u64;
        for ((a, b), together) in all.iter().copied() {
            let first =
                |alert: AlertId| self.events.get(&alert).and_then(|events| events.first()).map(ToString::to_string);
            if let (Some(a), Some(b)) = (first(a), first(b)) {
                self.pairs.push(Pair { a, b, together, weight: share.max(1), correction });
            }
        }
        all.len()
    }

    fn revoke(&mut self, of: u64) {
        self.corrections.retain(|one| one.seq != of);
        self.pairs.retain(|pair| pair.correction != of);
        self.roots.retain(|label| label.correction != of);
        for said in self.said.values_mut() {
            said.retain(|(correction, ..)| *correction != of);
        }
        for corrections in self.touched.values_mut() {
            corrections.remove(&of);
        }
        self.touched.retain(|_, corrections| !corrections.is_empty());
    }

    /// Incidents that somebody judged and that stand, as they are at the end.
    pub fn reviewed(&self) -> Vec<Reviewed> {
        let stands = |id: &&IncidentId| self.incidents.get(id).is_some_and(|view| view.state != IncidentState::Merged);
        self.touched.keys().filter(stands).filter_map(|id| self.as_stood(*id)).collect()
    }

    /// All closed or recovered incidents, as they are at the end.
    pub fn closed(&self) -> Vec<Reviewed> {
        let over = |view: &&Arc<IncidentView>| matches!(view.state, IncidentState::Closed | IncidentState::Recovered);
        self.incidents.values().filter(over).filter_map(|view| self.as_stood(view.id)).collect()
    }

    /// Whether somebody judged the incident.
    pub fn is_reviewed(&self, incident: IncidentId) -> bool {
        self.touched.contains_key(&incident)
    }

    fn as_stood(&self, id: IncidentId) -> Option<Reviewed> {
        let view = self.incidents.get(&id)?.clone();
        let members = self.members.get(&id)?;
        let events = members.iter().filter_map(|alert| self.events.get(alert)).flatten().copied().collect();
        let said = self.chosen(id).cloned();
        let best = || view.candidates.iter().find(|candidate| !candidate.rejected).map(|best| best.ci.id.clone());
        let is_root_said = said.is_some();
        let root = said.or_else(best);
        Some(Reviewed { view, events, root, is_root_said })
    }

    /// The reviewed incidents as truth to score by. What nobody said of a root is no truth about it.
    pub fn incidents(&self) -> Vec<TrueIncident> {
        let truth = self.reviewed().into_iter().map(|one| TrueIncident {
            events: one.events.iter().map(ToString::to_string).collect(),
            root_ci: one.root.filter(|_| one.is_root_said).map(|ci| ci.to_string()).unwrap_or_default(),
        });
        truth.collect()
    }

    /// Alerts of an event, for what is written out.
    pub fn alert_of_events(&self) -> BTreeMap<EventRef, AlertId> {
        self.events.iter().flat_map(|(alert, events)| events.iter().map(|event| (*event, *alert))).collect()
    }
}

fn crossed(left: &BTreeSet<AlertId>, right: &BTreeSet<AlertId>) -> Vec<(AlertId, AlertId)> {
    left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b).take(PAIRS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: IncidentId = IncidentId(1);

    fn check(said: &[Order], root: Option<&str>) {
        let mut corrected = Corrected::of("t".into());
        for (at, order) in said.iter().enumerate() {
            corrected.hear(at as u64, Timestamp(0), "li", order);
        }
        assert_eq!(corrected.chosen(ABOUT).map(CiId::as_str), root, "{said:?}");
    }

    #[test]
    fn what_was_taken_back_leaves_what_was_said_before() {
        let is = |ci: &str| Order::SetRoot { incident: ABOUT, ci: ci.into() };
        let is_not = |ci: &str| Order::RejectRoot { incident: ABOUT, ci: ci.into() };
        let revoke = |of| Order::Revoke { of };
        check(&[is("x"), is("y")], Some("y"));
        check(&[is("x"), is("y"), revoke(1)], Some("x"));
        check(&[is("x"), is("y"), revoke(0)], Some("y"));
        check(&[is("x"), is_not("x")], None);
        check(&[is("x"), is_not("y")], Some("x"));
        check(&[is("x"), is_not("x"), revoke(1)], Some("x"));
        check(&[is("x"), is_not("x"), is("x"), revoke(2)], None);
        check(&[is("x"), revoke(0)], None);
    }
}
