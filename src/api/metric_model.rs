//! The metric model: how it is doing, what came of the one that is tried, and a new one from what was kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::orders::refused;
use super::problem::{ApiError, Body, Problem};
use super::rules::needs_reason;
use super::state::{Api, Retrained};
use super::trials::{Because, by};
use crate::domain::series::{Difference, ModelHealth, ScoreShare, TrialOfSeries};

/// How the metric model is doing here.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MetricHealth {
    /// The version that its text says; absent: series are judged by the last hours alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    pub digest: String,
    /// Why it is worse than it should be; empty: it is not.
    pub degraded: Vec<String>,
    /// When the series ended from which it was made; absent: not from series of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_until: Option<String>,
    /// Older than `intake.anomalies.stale_days`.
    pub stale: bool,
    /// Readings of the last day that were judged here.
    pub readings: u64,
    /// Population stability index between the two columns of `scores`; from 0.25 on something has changed. Absent: fewer than
    /// 10,000 readings, or nothing to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
    pub drifted: bool,
    /// Readings by rarity, from usual to rare.
    pub scores: Vec<ScoreBin>,
}

/// A part of the readings.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ScoreBin {
    /// Digits of rarity up to here; absent: more than all before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<f32>,
    /// Per ten thousand of the last day's readings.
    pub seen: u32,
    /// Per ten thousand of the readings from which the model was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_from: Option<u32>,
}

/// What two metric models told of the same readings.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MetricTrial {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub until: String,
    /// Readings that both judged, and how many days of one series they are.
    pub readings: u64,
    pub series_days: f64,
    /// How often both told something within twelve readings, and only one of them.
    pub both: u64,
    pub only_valid: u64,
    pub only_tried: u64,
    /// What each would tell per series and day; absent before a day of one series is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_per_series_day: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_per_series_day: Option<f64>,
    /// Where they differed, newest first, at most 50.
    pub latest: Vec<MetricDifference>,
}

/// A reading that one of the two told and the other one did not.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MetricDifference {
    /// See `/api/v1/series/{id}`.
    pub series: String,
    pub object: String,
    pub name: String,
    pub at: String,
    pub value: f64,
    pub expected: f64,
    pub valid_score: u16,
    pub tried_score: u16,
    /// `valid` or `tried`.
    pub told_by: &'static str,
}

impl From<TrialOfSeries> for MetricTrial {
    fn from(told: TrialOfSeries) -> Self {
        let rate = |alone: u64| (told.series_days >= 1.0).then(|| (told.both + alone) as f64 / told.series_days);
        Self {
            from: told.from.map(|at| at.to_string()),
            until: told.until.to_string(),
            readings: told.readings,
            series_days: told.series_days,
            both: told.both,
            only_valid: told.only_valid,
            only_tried: told.only_tried,
            valid_per_series_day: rate(told.only_valid),
            tried_per_series_day: rate(told.only_tried),
            latest: told.latest.into_iter().map(MetricDifference::from).collect(),
        }
    }
}

impl From<Difference> for MetricDifference {
    fn from(one: Difference) -> Self {
        Self {
            series: one.series.into(),
            object: one.object.into(),
            name: one.name.into(),
            at: one.at.to_string(),
            value: one.value,
            expected: one.expected,
            valid_score: one.valid_score,
            tried_score: one.tried_score,
            told_by: one.told_by.as_str(),
        }
    }
}

impl From<ModelHealth> for MetricHealth {
    fn from(known: ModelHealth) -> Self {
        let bin = |one: &ScoreShare| ScoreBin { below: one.below, seen: one.seen, made_from: one.made_from };
        Self {
            version: known.version,
            trained_until: known.trained_until.map(|at| at.to_string()),
            stale: known.is_stale,
            readings: known.readings,
            drift: known.drift,
            drifted: known.has_drifted,
            scores: known.scores.iter().map(bin).collect(),
            digest: known.digest,
            degraded: known.degraded,
        }
    }
}

/// The metric model by which this instance judges series: its age, and whether readings are still as rare as those from which it
/// was made.
#[utoipa::path(get, path = "/api/v1/models/metric", tag = "models",
    responses((status = 200, body = MetricHealth), (status = "default", body = Problem)))]
pub async fn health(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<MetricHealth>, ApiError> {
    caller.whole_tenant()?;
    Ok(Json(api.trials.metric_health(&caller.tenant).into()))
}

/// Makes a metric model from the readings that were kept and lets it run beside what is valid; it is activated by nobody but a
/// person.
#[utoipa::path(post, path = "/api/v1/models/metric/retrain", tag = "models", request_body = Because,
    responses((status = 202, body = Retrained), (status = "default", body = Problem)))]
pub async fn retrain(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(because): Body<Because>,
) -> Result<(StatusCode, Json<Retrained>), ApiError> {
    caller.whole_tenant()?;
    needs_reason(&api.rules.policy(&caller.tenant), &because.reason)?;
    let made = api.trials.retrain(caller.tenant.clone(), by(&caller, &because.reason)).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(made)))
}
