//! By what series are judged, as the door knows it: models of tenants, what is tried, and what is wrong with them.

use std::time::Duration;

use super::senses::Senses;
use crate::detect::drift::Scores;
use crate::detect::jury::{Beside, Model};
use crate::domain::ids::TenantId;
use crate::domain::series::TrialOfSeries;
use crate::domain::time::Timestamp;

impl Senses {
    /// Judges a tenant's series by this model from the next reading on; none: by the last hours alone.
    pub fn judge_by(&self, tenant: &TenantId, valid: Option<Model>) {
        self.state().watch.judge_by(tenant, valid);
    }

    /// Tries this model beside, without effects; none: no longer.
    pub fn try_beside(&self, tenant: &TenantId, beside: Option<Beside>) {
        self.state().watch.try_beside(tenant, beside);
    }

    /// What came of the model that is tried on a tenant's series, and the journal record of its trial.
    pub fn tried(&self, tenant: &TenantId) -> Option<(u64, TrialOfSeries)> {
        self.state().watch.tried(tenant)
    }

    /// How rare a tenant's readings of the last day were.
    pub fn scores(&self, tenant: &TenantId) -> Scores {
        self.state().watch.scores(tenant)
    }

    /// Why a tenant's model cannot be used; none: it can.
    pub fn note_fault(&self, tenant: &TenantId, fault: Option<String>) {
        let mut state = self.state();
        match fault {
            Some(why) => _ = state.faults.insert(tenant.clone(), why),
            None => _ = state.faults.remove(tenant),
        }
    }

    /// Why series are judged by the last hours alone: of a tenant, or of all.
    pub fn faults(&self, now: Timestamp) -> Vec<(Option<TenantId>, String)> {
        let state = self.state();
        let mut all: Vec<_> = state.faults.iter().map(|(tenant, why)| (Some(tenant.clone()), why.clone())).collect();
        if state.pace.is_resting(now) {
            let (most, rests) = (self.point_us_max, state.pace.rests);
            all.push((
                None,
                format!("a point costs more than intake.anomalies.point_us_max ({most} µs), {rests} times so far"),
            ));
        }
        all
    }

    /// Takes in what points cost.
    pub(super) fn keep_pace(&self, points: usize, spent: Duration, now: Timestamp) {
        let mut state = self.state();
        let spent_us = u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
        let rests = state.pace.rests;
        state.pace.take(points as u64, spent_us, self.point_us_max, now);
        let is_resting = state.pace.is_resting(now);
        state.watch.rest(is_resting);
        if state.pace.rests > rests {
            tracing::warn!(
                limit_us = self.point_us_max,
                "scoring is too slow: series are judged by the last hours alone for a minute"
            );
        }
    }
}
