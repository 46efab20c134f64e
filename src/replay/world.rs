//! What a stream of effects adds up to: which event is in which incident, and how the incidents look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::ids::{AlertId, IncidentId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::engine::effect::Effect;

/// An event by its journal record and its place in it.
pub type EventRef = (u64, u32);

/// One tenant's world.
#[derive(Debug, Default)]
pub struct World {
    /// Events by the alert they went to.
    events: BTreeMap<AlertId, Vec<EventRef>>,
    /// The incident each alert is in.
    home: BTreeMap<AlertId, IncidentId>,
    pub incidents: BTreeMap<IncidentId, Arc<IncidentView>>,
    /// Verdicts by their word.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Messages by receiver.
    pub messages: BTreeMap<String, u64>,
}

impl World {
    /// Adds the effects of one record that belong to the tenant. Verdicts are those of the record's own batch.
    pub fn fold(&mut self, tenant: &TenantId, seq: u64, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Verdict { index, verdict } => {
                    *self.verdicts.entry(verdict.word()).or_default() += 1;
                    if let Some(alert) = verdict.alert() {
                        self.events.entry(alert).or_default().push((seq, *index));
                    }
                }
                Effect::Alert { alert } if alert.tenant == *tenant => {
                    match alert.incident {
                        Some(incident) => self.home.insert(alert.id, incident),
                        None => self.home.remove(&alert.id),
                    };
                }
                Effect::Incident { incident, .. } if incident.tenant == *tenant => {
                    self.incidents.insert(incident.id, Arc::clone(incident));
                }
                Effect::Notify { notice } if notice.incident.tenant == *tenant => {
                    *self.messages.entry(notice.receiver.to_string()).or_default() += 1;
                }
                Effect::Alert { .. }
                | Effect::Incident { .. }
                | Effect::Notify { .. }
                | Effect::Timeline { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
    }

    /// The incidents that were not merged into others, with their events.
    pub fn standing(&self) -> BTreeMap<IncidentId, BTreeSet<EventRef>> {
        let mut standing: BTreeMap<IncidentId, BTreeSet<EventRef>> = BTreeMap::new();
        for (alert, incident) in &self.home {
            let stands = self.incidents.get(incident).is_some_and(|i| i.state != IncidentState::Merged);
            if let Some(events) = self.events.get(alert).filter(|_| stands) {
                standing.entry(*incident).or_default().extend(events);
            }
        }
        standing
    }
}
