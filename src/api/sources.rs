//! Sources: who sends, what is expected of each, what came last; and trying a payload before its source is connected. The console
//! shows all of this: the list, a source's newest bodies, and beside them the events that they become.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Caller;
use super::orders::{note, refused};
use super::paging::Listed;
use super::problem::{ApiError, Body, Id, Problem};
use super::state::{Api, Trial, WriteError};
use super::trial::{DryRun, told};
use crate::domain::ids::{SourceId, TenantId};
use crate::wording::lang::Lang;

/// A source.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct SourceItem {
    pub id: String,
    /// Somebody has registered it; else it is listed because it has sent.
    pub registered: bool,
    #[serde(flatten)]
    pub decided: SourceBody,
    /// It can sign its bodies.
    pub has_secret: bool,
    /// Since the start of the program.
    pub first_seen: Option<String>,
    pub last_seen: Option<String>,
    /// When it is missed if nothing comes; absent: nothing is expected.
    pub missed_at: Option<String>,
    /// It should have been heard of.
    pub silent: bool,
    /// The decoder of its last body.
    pub format: String,
    pub deliveries: u64,
    pub bytes: u64,
    pub events: u64,
    pub rejected: u64,
    pub left_out: u64,
    /// When and why an event of it was rejected last.
    pub last_rejection: Option<RejectionItem>,
}

/// Why an event was rejected.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct RejectionItem {
    pub at: String,
    pub detail: String,
}

/// What people decide about a source.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceBody {
    /// What kind of system it is.
    pub kind: String,
    /// Whom to ask when it is silent.
    pub owner: String,
    pub note: String,
    /// Its events are taken.
    pub enabled: bool,
    pub expected: Option<ExpectedBody>,
    pub rate: RateBody,
}

impl Default for SourceBody {
    fn default() -> Self {
        let nothing = String::new;
        Self {
            kind: nothing(),
            owner: nothing(),
            note: nothing(),
            enabled: true,
            expected: None,
            rate: RateBody::default(),
        }
    }
}

/// How often a source should be heard of: give every_secs or schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_secs: Option<u32>,
    /// Five fields of cron.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The zone of the schedule, such as Asia/Shanghai.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    pub grace_secs: u32,
}

/// How fast a source may send; what is absent is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateBody {
    /// flashduty: 100 requests a second and 1000 a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_second: Option<u32>,
}

/// A source to be registered or changed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewSource {
    /// What kind of system it is.
    pub kind: String,
    /// Whom to ask when it is silent.
    pub owner: String,
    pub note: String,
    /// Its events are taken; true unless it says otherwise.
    pub enabled: bool,
    pub expected: Option<ExpectedBody>,
    pub rate: RateBody,
    /// With what it signs its bodies; absent: as it was, empty: none any more.
    pub secret: Option<String>,
}

impl Default for NewSource {
    fn default() -> Self {
        let SourceBody { kind, owner, note, enabled, expected, rate } = SourceBody::default();
        Self { kind, owner, note, enabled, expected, rate, secret: None }
    }
}

/// A body as it came.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PayloadItem {
    pub at: String,
    pub format: String,
    pub body: String,
    /// Only its beginning is here.
    pub cut: bool,
}

/// A payload to be tried.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewBody {
    /// As the source would send it.
    pub payload: String,
    /// The name of a mapping, or native, cloudevents, alertmanager, grafana.
    #[serde(default)]
    pub format: String,
    /// A mapping that is tried instead, as YAML.
    pub mapping: Option<String>,
    /// json (default), lines or form.
    #[serde(default)]
    pub shape: String,
    /// The source that would send it; default: the caller.
    pub source: Option<String>,
}

/// What a payload becomes.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Preview {
    /// Each event with the verdict that it would get; nothing is kept and nobody is told.
    pub events: Vec<DryRun>,
    pub rejected: Vec<PreviewRejection>,
    /// What the mapping says is no event.
    pub left_out: u64,
    /// What people have done with alerts where they come from: each would be an order for the alert's incident.
    pub orders: u64,
    /// Severity words that no table knows.
    pub unmapped_severity: u64,
}

/// An event that could not be taken.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewRejection {
    pub index: usize,
    pub reason: String,
    pub detail: String,
}

/// A sample to write a mapping for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SketchBody {
    pub payload: String,
    /// The mapping's name.
    #[serde(default)]
    pub name: String,
}

/// A mapping to start from.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Sketch {
    /// YAML; what was guessed is marked.
    pub mapping: String,
}

/// What came of a payload that was only tried.
pub struct Tried {
    pub trials: Vec<Trial>,
    pub rejected: Vec<PreviewRejection>,
    pub left_out: u64,
    pub orders: u64,
    pub unmapped_severity: u64,
}

/// The registry of sources, and trying payloads.
pub trait Sources: Send + Sync {
    /// All sources of a tenant, by name.
    fn list(&self, tenant: &TenantId) -> Vec<SourceItem>;
    /// The newest bodies of a source, newest first.
    fn payloads(&self, tenant: &TenantId, source: &SourceId) -> Vec<PayloadItem>;
    /// Registers a source, or changes what was registered.
    ///
    /// # Errors
    /// When something is wrong with it, or it cannot be written.
    fn put(&self, tenant: &TenantId, source: &SourceId, wanted: NewSource) -> Result<(), WriteError>;
    /// Takes a source out of the registry; `false`: it was not there.
    ///
    /// # Errors
    /// When that cannot be written.
    fn remove(&self, tenant: &TenantId, source: &SourceId) -> Result<bool, WriteError>;
    /// Tries a payload. Blocks; changes nothing.
    ///
    /// # Errors
    /// When payload or mapping cannot be read.
    fn preview(&self, tenant: &TenantId, source: &SourceId, wanted: &PreviewBody) -> Result<Tried, WriteError>;
    /// A mapping to start from.
    ///
    /// # Errors
    /// When the payload is no JSON.
    fn sketch(&self, wanted: &SketchBody) -> Result<String, WriteError>;
}

/// All sources: those that are registered, and those that have sent since the start.
#[utoipa::path(get, path = "/api/v1/sources", tag = "sources",
    responses((status = 200, body = Listed<SourceItem>), (status = "default", body = Problem)))]
pub async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Listed<SourceItem>>, ApiError> {
    caller.whole_tenant()?;
    Ok(Json(Listed { items: api.sources.list(&caller.tenant), next: None, feed: None }))
}

/// The newest bodies of a source, newest first, as they came: at most five, each cut at 16 KiB.
#[utoipa::path(get, path = "/api/v1/sources/{source}/payloads", tag = "sources", params(("source" = String, Path)),
    responses((status = 200, body = Listed<PayloadItem>), (status = "default", body = Problem)))]
pub async fn payloads(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(source): Id<String>,
) -> Result<Json<Listed<PayloadItem>>, ApiError> {
    caller.whole_tenant()?;
    let items = api.sources.payloads(&caller.tenant, &SourceId::from(source));
    Ok(Json(Listed { items, next: None, feed: None }))
}

/// Registers a source or changes it: owner, expected interval, rate, secret, on or off.
#[utoipa::path(put, path = "/api/v1/sources/{source}", tag = "sources", params(("source" = String, Path)), request_body = NewSource,
    responses((status = 204), (status = "default", body = Problem)))]
pub async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(source): Id<String>,
    Body(wanted): Body<NewSource>,
) -> Result<StatusCode, ApiError> {
    caller.whole_tenant()?;
    let source = SourceId::from(source);
    tracing::info!(source.id = %source, by = %caller.name, enabled = wanted.enabled, "a source was registered or changed");
    let detail = format!("{} {} {}", wanted.kind, wanted.owner, if wanted.enabled { "on" } else { "off" });
    api.sources.put(&caller.tenant, &source, wanted).map_err(refused)?;
    note(&api, &caller, "source_put", source.as_str(), detail.trim()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a source out of the registry. What it sends is taken like that of any other.
#[utoipa::path(delete, path = "/api/v1/sources/{source}", tag = "sources", params(("source" = String, Path)),
    responses((status = 204), (status = "default", body = Problem)))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(source): Id<String>,
) -> Result<StatusCode, ApiError> {
    caller.whole_tenant()?;
    let source = SourceId::from(source);
    tracing::info!(source.id = %source, by = %caller.name, "a source was taken out of the registry");
    let was_there = api.sources.remove(&caller.tenant, &source).map_err(refused)?;
    if !was_there {
        return Err(ApiError::NotFound("source"));
    }
    note(&api, &caller, "source_removed", source.as_str(), "").await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a payload becomes: its events, and the verdict that each would get on a quiet day. Changes nothing and tells nobody.
#[utoipa::path(post, path = "/api/v1/sources/preview", tag = "sources", request_body = PreviewBody,
    responses((status = 200, body = Preview), (status = "default", body = Problem)))]
pub async fn preview(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Body(wanted): Body<PreviewBody>,
) -> Result<Json<Preview>, ApiError> {
    caller.whole_tenant()?;
    let to = api.onlooker(&caller, lang);
    let source = SourceId::from(wanted.source.as_deref().unwrap_or(&caller.name));
    let (sources, tenant) = (api.sources.clone(), caller.tenant);
    let tried = tokio::task::spawn_blocking(move || sources.preview(&tenant, &source, &wanted)).await;
    let Tried { trials, rejected, left_out, orders, unmapped_severity } =
        tried.map_err(ApiError::internal)?.map_err(refused)?;
    let events = trials.iter().map(|trial| told(trial, &to)).collect::<Result<_, _>>()?;
    Ok(Json(Preview { events, rejected, left_out, orders, unmapped_severity }))
}

/// A mapping to start from, made of one sample.
#[utoipa::path(post, path = "/api/v1/sources/sketch", tag = "sources", request_body = SketchBody,
    responses((status = 200, body = Sketch), (status = "default", body = Problem)))]
pub async fn sketch(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(wanted): Body<SketchBody>,
) -> Result<Json<Sketch>, ApiError> {
    caller.whole_tenant()?;
    api.sources.sketch(&wanted).map(|mapping| Json(Sketch { mapping })).map_err(refused)
}
