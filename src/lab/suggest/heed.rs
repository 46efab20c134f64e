//! Which alert types people care for: of the incidents that a type was part of, how many anybody acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use super::history::Kind;
use crate::domain::ids::{AlertId, IncidentId, TenantId};
use crate::engine::effect::Effect;

/// Incidents from which on it says something that nobody acknowledged one.
const INCIDENTS_LEAST: u64 = 10;

/// What became of the incidents of an alert type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heed {
    pub incidents: u64,
    pub acknowledged: u64,
}

/// Types whose incidents nobody ever acknowledged, the most frequent first. None, where nobody acknowledges anything: then
/// it says nothing of a type.
pub fn unheeded(heeded: &BTreeMap<Kind, Heed>) -> Vec<(&Kind, Heed)> {
    if heeded.values().all(|heed| heed.acknowledged == 0) {
        return Vec::new();
    }
    let never = |heed: &Heed| heed.acknowledged == 0 && heed.incidents >= INCIDENTS_LEAST;
    let mut found: Vec<(&Kind, Heed)> =
        heeded.iter().map(|(kind, heed)| (kind, *heed)).filter(|(_, h)| never(h)).collect();
    found.sort_by_key(|(_, heed)| std::cmp::Reverse(heed.incidents));
    found
}

/// Counts them from what was decided.
#[derive(Debug, Default)]
pub struct Heeding {
    alerts: BTreeMap<AlertId, (Kind, Option<IncidentId>)>,
    /// Whether somebody acknowledged it, and into which it was merged.
    incidents: BTreeMap<IncidentId, (bool, Option<IncidentId>)>,
}

impl Heeding {
    /// Adds what was decided about a record.
    pub fn fold(&mut self, tenant: &TenantId, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Alert { alert } if alert.tenant == *tenant => {
                    let kind = Kind { source: alert.source.as_str().into(), name: (&*alert.name).into() };
                    self.alerts.insert(alert.id, (kind, alert.incident));
                }
                Effect::Incident { incident, .. } if incident.tenant == *tenant => {
                    self.incidents.insert(incident.id, (incident.acknowledged_at.is_some(), incident.merged_into));
                }
                Effect::Alert { .. }
                | Effect::Incident { .. }
                | Effect::Verdict { .. }
                | Effect::Notify { .. }
                | Effect::Timeline { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
    }

    /// What became of each type's incidents; a merged one counts as the one that it went into.
    pub fn heeded(&self) -> BTreeMap<Kind, Heed> {
        let mut of: BTreeMap<&Kind, BTreeSet<IncidentId>> = BTreeMap::new();
        for (kind, incident) in self.alerts.values() {
            if let Some(incident) = incident {
                of.entry(kind).or_default().insert(self.standing(*incident));
            }
        }
        let acknowledged = |incident: &&IncidentId| self.incidents.get(*incident).is_some_and(|known| known.0);
        let counted = of.into_iter().map(|(kind, incidents)| {
            let acknowledged = incidents.iter().filter(acknowledged).count() as u64;
            (kind.clone(), Heed { incidents: incidents.len() as u64, acknowledged })
        });
        counted.collect()
    }

    fn standing(&self, incident: IncidentId) -> IncidentId {
        let mut at = incident;
        // Each merge goes into one that stood then: no more steps than there are incidents.
        for _ in 0..self.incidents.len() {
            match self.incidents.get(&at).and_then(|known| known.1) {
                Some(into) => at = into,
                None => break,
            }
        }
        at
    }
}
