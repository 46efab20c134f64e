//! Series as the API shows them.

use std::path::Path;
use std::sync::Arc;

use crate::api::state::Watched;
use crate::domain::ids::TenantId;
use crate::domain::series::{SeriesChart, SeriesQuery, SeriesView};
use crate::folders::metric::{METRIC, MetricModel};
use crate::intake::Intake;
use crate::intake::counters::Taught;

/// Judges series by the newest model of a folder. One that is refused is told, and the one that is valid goes on.
pub fn take_model(folder: Option<&Path>, intake: &Intake) {
    let Some(folder) = folder else { return };
    match MetricModel::newest(folder) {
        Ok(model) => {
            tracing::info!(model = METRIC, version = model.version, digest = model.digest, "series are judged by it");
            intake.senses().judge_by(model.numbers);
            intake.counters().model(Taught::Taken(model.version));
        }
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "the metric model is refused: the one before goes on");
            intake.counters().model(Taught::Refused);
        }
    }
}

/// What intake watches.
pub struct Shown {
    pub intake: Arc<Intake>,
}

impl Watched for Shown {
    fn shown(&self, tenant: &TenantId, query: &SeriesQuery) -> (Vec<SeriesView>, usize) {
        self.intake.senses().shown(tenant, query)
    }

    fn chart(&self, tenant: &TenantId, id: &str) -> Option<SeriesChart> {
        self.intake.senses().chart(tenant, id)
    }
}
