//! Series of metric points, whichever instance watches them: what was expected, what came, how unusual it was. Points are not
//! kept for ever: a chart shows the last ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::paging::{self, Listed, cursor, read_cursor};
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use crate::domain::alert::AlertState;
use crate::domain::ids::SourceId;
use crate::domain::point::Aspect;
use crate::domain::series::{Sample, SeriesQuery, SeriesView};

/// Which series.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesListQuery {
    pub source: Option<String>,
    /// Part of the metric's or the object's name; any case.
    pub q: Option<String>,
    /// Only those of these objects, as the source calls them; repeat the key for several, at most 100.
    pub object: Vec<String>,
    /// Only those that are unusual now.
    pub unusual: bool,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
}

/// A series as it is now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SeriesItem {
    pub id: String,
    pub source: String,
    /// The object by the first of its keys.
    pub object: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// `traffic`, `latency`, `errors` or `saturation`.
    pub aspect: &'static str,
    /// Readings so far.
    pub readings: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<SampleItem>,
    /// The alerts that it stands for now, by their names; empty when it is usual.
    pub unusual: Vec<String>,
    pub heard_at: String,
}

/// A reading and what was expected.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SampleItem {
    pub at: String,
    pub value: f64,
    /// The baseline: what was expected at this time.
    pub expected: f64,
    /// The band: readings usually lie between these.
    pub low: f64,
    pub high: f64,
    /// The anomaly score, per mille, the same as in the event: 285 is worth telling, 500 as likely trouble as not.
    pub score: u16,
    /// Whose word the score is: `hours` (how far from the level of the last hours) or `pattern` (how rare for this series),
    /// whichever says more.
    pub by: &'static str,
    /// Whether the series was unusual then.
    pub unusual: bool,
    /// Whether a level that stayed for 120 readings is what is usual from this one on.
    pub settled: bool,
}

/// A series, its last readings (oldest first), and the alerts that it has raised and that are still known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SeriesDetail {
    pub series: SeriesItem,
    pub samples: Vec<SampleItem>,
    pub alerts: Vec<RaisedAlert>,
}

/// An alert on the series' object that anomalies raise.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RaisedAlert {
    pub id: String,
    pub name: String,
    pub firing: bool,
    pub first_seen_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<String>,
}

/// Objects that may be asked for at once.
const OBJECTS_MAX: usize = 100;
/// Spreads of the band to each side.
const BAND: f64 = 3.0;

impl From<Sample> for SampleItem {
    fn from(sample: Sample) -> Self {
        let Sample { at, value, expected, spread, score, by, is_unusual, has_settled } = sample;
        let (low, high) = (expected - BAND * spread, expected + BAND * spread);
        let (at, by) = (at.to_string(), by.as_str());
        Self { at, value, expected, low, high, score, by, unusual: is_unusual, settled: has_settled }
    }
}

impl From<SeriesView> for SeriesItem {
    fn from(view: SeriesView) -> Self {
        Self {
            id: view.id.into(),
            source: view.source.to_string(),
            object: view.object.label().to_owned(),
            name: view.name.into(),
            labels: view.labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            aspect: match view.aspect {
                Aspect::Traffic => "traffic",
                Aspect::Latency => "latency",
                Aspect::Errors => "errors",
                Aspect::Saturation => "saturation",
            },
            readings: view.readings,
            last: view.last.map(SampleItem::from),
            unusual: view.unusual.into_iter().map(String::from).collect(),
            heard_at: view.heard_at.to_string(),
        }
    }
}

/// The series that are watched. In a cluster each source is watched by one instance, and all of them are asked.
#[utoipa::path(get, path = "/api/v1/series", tag = "series", params(SeriesListQuery),
    responses((status = 200, body = Listed<SeriesItem>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<SeriesListQuery>,
) -> Result<Json<Listed<SeriesItem>>, ApiError> {
    caller.whole_tenant()?;
    let limit = paging::limit(query.limit)?;
    if query.object.len() > OBJECTS_MAX {
        return Err(ApiError::Bad(format!("object: at most {OBJECTS_MAX}")));
    }
    let offset = read_cursor(query.after.as_deref())?.map_or(0, |(_, offset)| offset as usize);
    let asked = SeriesQuery {
        source: query.source.map(|source| SourceId::from(source.as_str())),
        text: query.q.unwrap_or_default(),
        objects: query.object,
        only_unusual: query.unusual,
        offset,
        limit,
    };
    let (page, total) = api.series.shown(caller.tenant.clone(), asked).await?;
    let end = offset + page.len();
    let next = (end < total).then(|| cursor(0, end as u64));
    Ok(Json(Listed { items: page.into_iter().map(SeriesItem::from).collect(), next, feed: None }))
}

/// One series with its baseline, band and scores.
#[utoipa::path(get, path = "/api/v1/series/{id}", tag = "series", params(("id" = String, Path)),
    responses((status = 200, body = SeriesDetail), (status = "default", body = Problem)))]
pub async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<Json<SeriesDetail>, ApiError> {
    caller.whole_tenant()?;
    let chart = api.series.chart(caller.tenant.clone(), id).await?.ok_or(ApiError::NotFound("series"))?;
    let series = SeriesItem::from(chart.series);
    let state = api.live.read();
    let mut alerts = Vec::new();
    let rows = state.tenant(&caller.tenant).into_iter().flat_map(|tenant| tenant.alerts.iter());
    for view in rows.map(|row| &row.view) {
        let is_ours = view.source.as_str() == series.source && *view.object == *series.object;
        if is_ours && chart.raises.iter().any(|name| **name == *view.name) {
            alerts.push(RaisedAlert {
                id: view.id.to_string(),
                name: view.name.to_string(),
                firing: view.state == AlertState::Firing,
                first_seen_at: view.first_seen.to_string(),
                incident_id: view.incident.map(|incident| incident.to_string()),
            });
        }
    }
    Ok(Json(SeriesDetail { series, samples: chart.samples.into_iter().map(SampleItem::from).collect(), alerts }))
}
