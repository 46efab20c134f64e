//! What a stream of effects adds up to: which event is in which incident, how the incidents look, who would be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::score::ToldIncident;
use crate::domain::alert::AlertView;
use crate::domain::ids::{AlertId, EventRef, IncidentId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView, TimelineKind};
use crate::domain::mute::MutedBy;
use crate::domain::time::Timestamp;
use crate::engine::effect::{Effect, NoticeKind};
use crate::engine::verdict::Verdict;

/// Messages of which the time is kept; the rest is only counted.
const MESSAGES_MAX: usize = 1_000_000;

/// Where one event went.
#[derive(Clone, Debug)]
pub struct Fate {
    pub event: EventRef,
    pub alert: Option<AlertId>,
    /// It was muted or dropped.
    pub muted: Option<MutedBy>,
}

/// One tenant's world.
#[derive(Debug, Default)]
pub struct World {
    /// In the order of the events.
    pub fates: Vec<Fate>,
    pub alerts: BTreeMap<AlertId, Arc<AlertView>>,
    pub incidents: BTreeMap<IncidentId, Arc<IncidentView>>,
    /// How often a root cause was changed after it had been told.
    pub root_changes: u64,
    /// Verdicts by their word.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Messages by receiver, and when each was due.
    pub messages: BTreeMap<String, u64>,
    /// Messages by which somebody is told of an incident for the first time, or that it is back.
    pub pages: u64,
    pub told_at: Vec<Timestamp>,
    /// What people have stepped into: it stays as it stood before.
    settled: (BTreeSet<AlertId>, BTreeSet<IncidentId>),
}

impl World {
    /// Adds the effects of one record that belong to the tenant. Verdicts are those of the record's own batch: they count when
    /// that `is_own`.
    pub fn fold(&mut self, tenant: &TenantId, seq: u64, effects: &[Effect], is_own: bool) {
        for effect in effects {
            match effect {
                Effect::Verdict { index, verdict } if is_own => self.end(EventRef { seq, index: *index }, verdict),
                Effect::Alert { alert } if alert.tenant == *tenant && !self.settled.0.contains(&alert.id) => {
                    self.alerts.insert(alert.id, Arc::clone(alert));
                }
                Effect::Incident { incident, .. }
                    if incident.tenant == *tenant && !self.settled.1.contains(&incident.id) =>
                {
                    self.incidents.insert(incident.id, Arc::clone(incident));
                }
                Effect::Timeline { tenant: of, entry, .. } if of == tenant => {
                    self.root_changes += u64::from(entry.kind == TimelineKind::RootChanged);
                }
                Effect::Notify { notice } if notice.incident.tenant == *tenant => {
                    *self.messages.entry(notice.receiver.to_string()).or_default() += 1;
                    self.pages += u64::from(matches!(notice.kind, NoticeKind::Opened | NoticeKind::Reopened));
                    if self.told_at.len() < MESSAGES_MAX {
                        self.told_at.push(notice.at);
                    }
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

    /// Folds the effects of an order by which people corrected incidents: what it touched stays as the engine had it, also
    /// later on, so that the engine is not praised for what people did. Only what was sent counts.
    pub fn fold_correction(&mut self, tenant: &TenantId, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Alert { alert } if alert.tenant == *tenant => {
                    self.settled.0.insert(alert.id);
                }
                Effect::Incident { incident, .. } if incident.tenant == *tenant => {
                    self.settled.1.insert(incident.id);
                }
                Effect::Notify { .. } => self.fold(tenant, 0, std::slice::from_ref(effect), false),
                Effect::Alert { .. }
                | Effect::Incident { .. }
                | Effect::Verdict { .. }
                | Effect::Timeline { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
    }

    fn end(&mut self, event: EventRef, verdict: &Verdict) {
        *self.verdicts.entry(verdict.word()).or_default() += 1;
        let muted = match verdict {
            Verdict::Muted { by, .. } => Some(by.clone()),
            Verdict::Duplicate { .. }
            | Verdict::Joined { .. }
            | Verdict::Opened { .. }
            | Verdict::Held { .. }
            | Verdict::Resolved { .. }
            | Verdict::Rejected { .. } => None,
        };
        self.fates.push(Fate { event, alert: verdict.alert(), muted });
    }

    /// The incident in which an alert ended.
    pub fn incident_of(&self, alert: AlertId) -> Option<IncidentId> {
        self.alerts.get(&alert)?.incident.filter(|incident| self.stands(*incident))
    }

    fn stands(&self, incident: IncidentId) -> bool {
        self.incidents.get(&incident).is_some_and(|i| i.state != IncidentState::Merged)
    }

    /// The incidents that were not merged into others, with their events.
    pub fn standing(&self) -> BTreeMap<IncidentId, BTreeSet<EventRef>> {
        let mut standing: BTreeMap<IncidentId, BTreeSet<EventRef>> = BTreeMap::new();
        for fate in &self.fates {
            if let Some(incident) = fate.alert.and_then(|alert| self.incident_of(alert)) {
                standing.entry(incident).or_default().insert(fate.event);
            }
        }
        standing
    }

    /// The incidents that stand as they are scored.
    pub fn told(&self, standing: &BTreeMap<IncidentId, BTreeSet<EventRef>>) -> Vec<ToldIncident> {
        let told = standing.iter().map(|(id, events)| ToldIncident {
            events: events.iter().map(ToString::to_string).collect(),
            root_cause: self.incidents[id].candidates.iter().map(|c| c.ci.id.to_string()).collect(),
            alerts: 0,
        });
        told.collect()
    }

    /// Alerts that fire and have no incident.
    pub fn held(&self) -> u64 {
        self.alerts.values().filter(|alert| alert.incident.is_none()).count() as u64
    }
}
