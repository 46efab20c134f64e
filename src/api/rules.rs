//! The rules that are valid now, trying a sample on them, and replacing them as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Caller;
use super::orders::{Taken, refused};
use super::problem::{ApiError, Body, Problem};
use super::state::Api;

/// The most bytes of one rule set.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A rule set: YAML files by path under `rules/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleSet {
    pub version: u64,
    /// SHA-256 of the whole set.
    pub digest: String,
    pub author: String,
    pub files: BTreeMap<String, String>,
}

/// Another rule set.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRules {
    pub files: BTreeMap<String, String>,
}

/// A sample event, in the native format.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub event: serde_json::Value,
}

/// What the rules would do: one line per rule looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct DryRun {
    pub steps: Vec<DryRunStep>,
    /// The event after enrichment.
    pub event: serde_json::Value,
}

/// One rule and whether it applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DryRunStep {
    /// The kind of rule, for example `silence` or `routing`.
    pub kind: String,
    pub rule: String,
    pub matched: bool,
    /// What it does, or why it does not apply.
    pub detail: String,
}

/// A maintenance window as the rules define it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WindowItem {
    pub id: String,
    pub comment: String,
    pub active: bool,
    /// The next (or present) start and end, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
}

/// Maintenance windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Windows {
    pub items: Vec<WindowItem>,
}

/// The rule set that is valid now.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules",
    responses((status = 200, body = RuleSet), (status = "default", body = Problem)))]
pub async fn current(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<RuleSet>, ApiError> {
    caller.whole_tenant()?;
    Ok(Json(api.rules.current()))
}

/// Maintenance windows of the rules.
#[utoipa::path(get, path = "/api/v1/windows", tag = "silences",
    responses((status = 200, body = Windows), (status = "default", body = Problem)))]
pub async fn windows(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Windows>, ApiError> {
    caller.whole_tenant()?;
    Ok(Json(Windows { items: api.rules.windows((api.now)()) }))
}

/// What the present rules would do with an event; changes nothing.
#[utoipa::path(post, path = "/api/v1/rules/dry-run", tag = "rules", request_body = Sample,
    responses((status = 200, body = DryRun), (status = "default", body = Problem)))]
pub async fn dry_run(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(sample): Body<Sample>,
) -> Result<Json<DryRun>, ApiError> {
    caller.whole_tenant()?;
    api.rules.dry_run(&caller.tenant, &sample.event).map(Json).map_err(refused)
}

/// Replaces all rules at once; a faulty set is refused with every fault and its place, and the old one stays.
#[utoipa::path(put, path = "/api/v1/rules", tag = "rules", request_body = NewRules,
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn replace(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(rules): Body<NewRules>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let seq = api.rules.replace(caller.name, rules.files).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(Taken { seq })))
}
