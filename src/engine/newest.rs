//! When the newest alert came on each CI: tells without a look at the alerts that there is none to look at.

use super::alert::Spot;
use super::cell::Cell;
use crate::domain::time::Timestamp;
use crate::domain::topology::CiIx;

/// By the CI's place: when its newest alert came, and the latest start of any, each by its source's clock. Only speeds
/// things up: never part of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Newest(Vec<(Timestamp, Timestamp)>);

impl Newest {
    /// An alert came on a CI.
    pub fn note(&mut self, spot: Spot, at: Timestamp, starts: Timestamp) {
        let Some(ci) = spot.ci() else { return };
        if self.0.len() <= ci.at() {
            self.0.resize(ci.at() + 1, (Timestamp(i64::MIN), Timestamp(i64::MIN)));
        }
        let (newest, latest) = &mut self.0[ci.at()];
        (*newest, *latest) = (at.max(*newest), starts.max(*latest));
    }

    /// Whether an alert came on the CI at this time or later.
    pub fn any_since(&self, ci: CiIx, at: Timestamp) -> bool {
        self.0.get(ci.at()).is_some_and(|(newest, _)| *newest >= at)
    }

    /// Whether any alert on the CI may have started at this time or later, by whatever source's clock.
    pub fn started_since(&self, ci: CiIx, at: Timestamp) -> bool {
        self.0.get(ci.at()).is_some_and(|(_, latest)| *latest >= at)
    }
}

impl Cell {
    /// Notes all alerts in memory, also when each of the newest ones on a CI or object started.
    pub fn note_newest(&mut self) {
        for (place, alert) in self.alerts.iter() {
            self.newest.note(alert.spot, alert.received, alert.starts);
            if let Some(recents) = self.recent.get_mut(&alert.spot) {
                recents.restart(place, alert.starts);
            }
        }
    }
}
