//! Counts per minute, hour or day, for charts and reports. Beyond 40 days minutes are added up to hours.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::paging::read_time;
use super::past::past;
use super::problem::{ApiError, Params, Problem};
use super::state::Api;
use crate::domain::time::Span;
use crate::projection::history::export::csv_line;
use crate::projection::history::stats::{self, By};
use crate::wording::words::SeverityWord;

/// The most buckets of one answer.
const BUCKETS_MAX: i64 = 2_000;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    #[default]
    Event,
    Alert,
    Incident,
    Notification,
}

/// The width of a bucket (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    Minute,
    #[default]
    Hour,
    Day,
}

/// What counts are told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    #[default]
    Total,
    Severity,
    Area,
    Source,
}

/// Which counts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct StatsQuery {
    #[param(inline)]
    pub record: Counted,
    #[param(inline)]
    pub step: Step,
    #[param(inline)]
    pub by: Split,
    /// RFC 3339; default: a day before `until`.
    pub since: Option<String>,
    /// RFC 3339; default: now.
    pub until: Option<String>,
}

/// One bucket.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BucketItem {
    pub at: String,
    /// The severity, area or source; absent for totals.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    pub n: u64,
}

/// Counts, oldest first; buckets without a count are left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Stats {
    pub since: String,
    pub until: String,
    pub buckets: Vec<BucketItem>,
}

/// Events, alerts, incidents or notifications per time bucket.
#[utoipa::path(get, path = "/api/v1/stats", tag = "numbers", params(StatsQuery),
    responses((status = 200, body = Stats), (status = "default", body = Problem)))]
pub async fn stats(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<StatsQuery>,
) -> Result<Json<Stats>, ApiError> {
    counted(&api, &caller, &query).await.map(Json)
}

/// The same as CSV.
#[utoipa::path(get, path = "/api/v1/stats.csv", tag = "numbers", params(StatsQuery),
    responses((status = 200, content_type = "text/csv", body = String), (status = "default", body = Problem)))]
pub async fn csv(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<StatsQuery>,
) -> Result<Response, ApiError> {
    let stats = counted(&api, &caller, &query).await?;
    // Spreadsheets read UTF-8 only with this mark.
    let mut text = String::from("\u{feff}");
    text.push_str(&csv_line(["at", "key", "n"]));
    for bucket in &stats.buckets {
        text.push_str(&csv_line([bucket.at.as_str(), &bucket.key, &bucket.n.to_string()]));
    }
    let disposition = "attachment; filename=\"headwater-stats.csv\"";
    let fields = [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, disposition)];
    Ok((fields, text).into_response())
}

async fn counted(api: &Arc<Api>, caller: &Caller, query: &StatsQuery) -> Result<Stats, ApiError> {
    caller.whole_tenant()?;
    let until = read_time("until", query.until.as_deref())?.unwrap_or_else(|| (api.now)());
    let since = read_time("since", query.since.as_deref())?.unwrap_or(until.minus(Span::hours(24)));
    let step_minutes = match query.step {
        Step::Minute => 1,
        Step::Hour => 60,
        Step::Day => 24 * 60,
    };
    let count = until.since(since).0 / (step_minutes * 60_000);
    if since >= until || count > BUCKETS_MAX {
        let what = format!("since: before until, and at most {BUCKETS_MAX} buckets; take a wider step");
        return Err(ApiError::Bad(what));
    }
    let by = match query.by {
        Split::Total => By::Total,
        Split::Severity => By::Severity,
        Split::Area => By::Area,
        Split::Source => By::Source,
    };
    let record = match query.record {
        Counted::Event => "event",
        Counted::Alert => "alert",
        Counted::Incident => "incident",
        Counted::Notification => "notification",
    };
    let scope = caller.scope();
    let span = (since, until);
    let found = past(api, move |history| stats::buckets(history, &scope, record, by, span, step_minutes)).await?;
    let key = |key: String| match by {
        By::Severity => {
            let word = key.parse().ok().and_then(|rank: usize| SeverityWord::ALL.get(rank));
            word.map_or(key, |word| word.word().to_owned())
        }
        By::Total | By::Area | By::Source => key,
    };
    let buckets = found.into_iter().map(|b| BucketItem { at: b.at.to_string(), key: key(b.key), n: b.n }).collect();
    Ok(Stats { since: since.to_string(), until: until.to_string(), buckets })
}
