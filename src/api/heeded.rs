//! Which alerts people care for: of the incidents that alerts of one name were part of, how many anybody acknowledged. Names
//! with many alerts that nobody heeds are noise.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::IncidentId;
use crate::domain::incident::IncidentView;

/// Names that are listed.
const NAMES_MAX: usize = 20;

/// What people made of the alerts of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Heeded {
    pub name: String,
    /// Alerts of this name that began in the span.
    pub alerts: u64,
    /// Incidents opened in the span that they are part of; merged ones count with the one that they went into.
    pub incidents: u64,
    /// Of these, the ones that somebody acknowledged.
    pub acknowledged: u64,
    /// acknowledged / incidents; null: they are part of none.
    pub rate: Option<f64>,
}

/// Counts alerts, which come grouped by name and incident.
pub struct Heeding<'a> {
    /// Whether somebody acknowledged it, of each incident of the span.
    known: BTreeMap<IncidentId, bool>,
    names: BTreeMap<&'a str, Heeded>,
}

impl<'a> Heeding<'a> {
    /// Begins with the incidents of the span.
    pub fn of(incidents: &[IncidentView]) -> Self {
        let known = incidents.iter().map(|view| (view.id, view.acknowledged_at.is_some())).collect();
        Self { known, names: BTreeMap::new() }
    }

    /// Counts `n` alerts of a name, which are part of an incident or of none.
    pub fn add(&mut self, name: &'a str, incident: Option<IncidentId>, n: u64) {
        let heeded = self.names.entry(name).or_default();
        heeded.alerts += n;
        if let Some(acknowledged) = incident.and_then(|id| self.known.get(&id)) {
            heeded.incidents += 1;
            heeded.acknowledged += u64::from(*acknowledged);
        }
    }

    /// The names with the most incidents that nobody acknowledged; of equal ones, those with the most alerts.
    pub fn least(self) -> Vec<Heeded> {
        let named = self.names.into_iter().map(|(name, heeded)| Heeded {
            name: name.to_owned(),
            rate: (heeded.incidents > 0).then(|| heeded.acknowledged as f64 / heeded.incidents as f64),
            ..heeded
        });
        let mut all: Vec<Heeded> = named.filter(|one| one.incidents > one.acknowledged).collect();
        let key = |one: &Heeded| (one.incidents - one.acknowledged, one.alerts);
        all.sort_by(|a, b| key(b).cmp(&key(a)).then_with(|| a.name.cmp(&b.name)));
        all.truncate(NAMES_MAX);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn incident(n: u64, acknowledged: bool) -> IncidentView {
        let mut view = IncidentView::new(IncidentId(n), "a".into(), "x", Timestamp(0));
        view.acknowledged_at = acknowledged.then_some(Timestamp(1));
        view
    }

    #[test]
    fn what_nobody_acknowledges_comes_first() {
        let mut heeding = Heeding::of(&[incident(1, false), incident(2, false), incident(3, true)]);
        for (name, incident, n) in
            [("DiskFull", Some(3), 2), ("Flaps", Some(1), 40), ("Flaps", Some(2), 30), ("Flaps", Some(3), 1)]
        {
            heeding.add(name, incident.map(IncidentId), n);
        }
        // Part of nothing, or of an incident of another span: alerts are counted, incidents are not.
        heeding.add("DiskFull", Some(IncidentId(9)), 5);
        heeding.add("Lone", None, 7);
        let least = heeding.least();
        let told: Vec<_> = least.iter().map(|one| (&*one.name, one.alerts, one.incidents, one.acknowledged)).collect();
        assert_eq!(told, [("Flaps", 71, 3, 1)]);
        assert_eq!(least[0].rate, Some(1.0 / 3.0));
    }
}
