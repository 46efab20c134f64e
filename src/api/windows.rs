//! Maintenance windows (维护窗口): those of the rules, and adding and removing one. A window that is made here is a
//! rule like any other: it stands in a file of its own in the tenant's rule set, with version, author and roll-back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::access::Caller;
use super::paging::Listed;
use super::problem::{ApiError, Body, Id, Params, Problem};
use super::rules::{self, Grounds, RulesTaken, TakenAnswer};
use super::state::{Api, RuleSet};
use super::trials::Because;
use super::window_proposals::{self, Proposed};
use crate::domain::time::Timestamp;
use crate::engine::policy::Policy;
use crate::engine::policy::kinds::MaintenanceWindow;
use crate::engine::policy::place::RuleFile;
use crate::engine::schedule::Schedule;

/// The file of windows that were made here.
pub const FILE: &str = "api-windows.yaml";
/// The longest note, in characters.
const NOTE_CHARS_MAX: usize = 4_000;

/// So many of its next times are told of a window; a day more than a month of nights.
const COMING_MAX: usize = 32;
/// So many before it is made.
const PREVIEWED: usize = 8;

/// One time that a window holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Occurrence {
    pub from: String,
    pub to: String,
}

impl Occurrence {
    fn next_of(schedule: &Schedule, now: Timestamp, most: usize) -> Vec<Self> {
        let of = |(from, to): (Timestamp, Timestamp)| Self { from: from.to_string(), to: to.to_string() };
        schedule.coming(now, most).into_iter().map(of).collect()
    }
}

/// A maintenance window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WindowItem {
    pub id: String,
    pub note: String,
    /// The rule file in which it stands.
    pub file: String,
    pub line: u32,
    /// It holds now.
    pub active: bool,
    /// When it ends, while it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
    /// When it begins next, while it does not hold; absent: not within 800 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// The times that it holds from now on, at most 32.
    pub coming: Vec<Occurrence>,
    /// CIs whose whole subtree is meant.
    pub subtree: Vec<String>,
    /// It can be removed here.
    pub removable: bool,
}

impl WindowItem {
    fn of(window: &MaintenanceWindow, file: &str, now: Timestamp) -> Self {
        let (ends_at, starts_at) = next(&window.schedule, now);
        Self {
            id: window.id.id.to_string(),
            note: window.note.clone(),
            file: file.to_owned(),
            line: window.id.at.line,
            active: ends_at.is_some(),
            ends_at: ends_at.map(|at| at.to_string()),
            starts_at: starts_at.map(|at| at.to_string()),
            coming: Occurrence::next_of(&window.schedule, now, COMING_MAX),
            subtree: window.subtree.iter().map(ToString::to_string).collect(),
            removable: file == FILE,
        }
    }
}

/// The end of the present window, else the begin of the next one.
fn next(schedule: &Schedule, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
    match schedule.open_until(now) {
        Some(until) => (Some(until), None),
        None => (None, schedule.next_change(now)),
    }
}

/// A window to be made. Conditions and schedule are written as in rule files.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWindow {
    /// Unique among all rules.
    pub id: String,
    #[serde(default)]
    pub note: String,
    /// What is muted, for example `{"site": "dc-a"}`; absent: everything below `subtree`.
    #[serde(default, rename = "match", skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Option<Object>)]
    pub matches: Value,
    /// CIs whose whole subtree is meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtree: Vec<String>,
    /// For example `{"once": {"from": "2026-03-01 22:00", "to": "2026-03-02 06:00"}, "zone": "Asia/Shanghai"}`.
    #[schema(value_type = Object)]
    pub schedule: Value,
    /// keep (default: recorded and marked), notice (joins incidents, tells nobody) or drop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// Why; needed where the rules in force say so (`settings.changes.reason`). The note stands in the rule, this beside the
    /// change.
    #[serde(default, skip_serializing)]
    pub reason: String,
}

/// The file's first line; behind it each window is one line of JSON, which is YAML, too.
const HEAD: &str = "maintenance:\n";
/// What stands before a window.
const ITEM: &str = "  - ";

/// Maintenance windows of the rules.
#[utoipa::path(get, path = "/api/v1/windows", tag = "silences",
    responses((status = 200, body = Listed<WindowItem>), (status = "default", body = Problem)))]
pub async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Listed<WindowItem>>, ApiError> {
    caller.whole_tenant()?;
    let now = (api.now)();
    let policy = api.rules.policy(&caller.tenant).as_of(now);
    let item = |window: &MaintenanceWindow| WindowItem::of(window, policy.file_of(&window.id), now);
    Ok(Json(Listed { items: policy.maintenance.all().iter().map(item).collect(), next: None, feed: None }))
}

/// A tenant's rule files and the windows that were made here.
fn taken_apart(set: RuleSet) -> (Vec<RuleFile>, Vec<Value>) {
    let mut files = set.files;
    let own = files.iter().position(|file| file.name == FILE).map(|place| files.remove(place));
    let text = own.map(|file| file.text).unwrap_or_default();
    let windows = text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix(ITEM)?).ok());
    (files, windows.collect())
}

fn put_together(mut files: Vec<RuleFile>, windows: &[Value]) -> Vec<RuleFile> {
    if !windows.is_empty() {
        let lines: String = windows.iter().map(|window| format!("{ITEM}{window}\n")).collect();
        files.push(RuleFile { name: FILE.into(), text: format!("{HEAD}{lines}") });
    }
    files
}

/// Makes a maintenance window, as a new version of the rules; where the rules ask for a second person it waits for one.
#[utoipa::path(post, path = "/api/v1/windows", tag = "silences", request_body = NewWindow,
    responses((status = 202, body = RulesTaken), (status = "default", body = Problem)))]
pub async fn make(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<NewWindow>,
) -> Result<TakenAnswer, ApiError> {
    caller.whole_tenant()?;
    let window = read(&body)?;
    let policy = api.rules.policy(&caller.tenant);
    if !policy.settings.changes.second {
        return rules::change(&api, &caller, Grounds::alone(&body.reason), with(&window)).await;
    }
    rules::needs_reason(&policy, &body.reason)?;
    // What could not be put in force is not asked for.
    let (version, _) = compiled(&api, &caller, &window).await?;
    let asked = Proposed { window: Some(window), reason: body.reason };
    let seq = window_proposals::propose(&api, &caller, &body.id, &asked).await?;
    Ok((StatusCode::ACCEPTED, HeaderMap::new(), Json(RulesTaken { seq: Some(seq), version, waits: true })))
}

/// When a window would hold next: it is read as if it were made, and nothing is.
#[utoipa::path(post, path = "/api/v1/windows/preview", tag = "silences", request_body = NewWindow,
    responses((status = 200, body = Listed<Occurrence>), (status = "default", body = Problem)))]
pub async fn preview(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<NewWindow>,
) -> Result<Json<Listed<Occurrence>>, ApiError> {
    caller.whole_tenant()?;
    let window = read(&body)?;
    let (_, policy) = compiled(&api, &caller, &window).await?;
    let found = policy.maintenance.all().iter().find(|one| one.id.id.as_str() == body.id);
    let found = found.ok_or(ApiError::NotFound("window"))?;
    let items = Occurrence::next_of(&found.schedule, (api.now)(), PREVIEWED);
    Ok(Json(Listed { items, next: None, feed: None }))
}

/// The window as it stands in a rule file.
fn read(body: &NewWindow) -> Result<Value, ApiError> {
    if body.matches.is_null() && body.subtree.is_empty() {
        return Err(ApiError::Bad(
            "match, subtree: name at least one (a window over everything is not possible)".into(),
        ));
    }
    if body.note.chars().count() > NOTE_CHARS_MAX {
        return Err(ApiError::Bad(format!("note: at most {NOTE_CHARS_MAX} characters")));
    }
    serde_json::to_value(body).map_err(ApiError::internal)
}

/// The rules in force with one more window, and their version.
async fn compiled(api: &Api, caller: &Caller, window: &Value) -> Result<(u64, Policy), ApiError> {
    let now = api.rules.set(&caller.tenant, None).map_err(ApiError::internal)?.ok_or(ApiError::NotFound("version"))?;
    let version = now.version;
    let files = with(window)(now)?;
    let compiled = tokio::task::spawn_blocking(move || Policy::compile(0, &files)).await.map_err(ApiError::internal)?;
    let policy = compiled.map_err(|errors| ApiError::Refused {
        detail: "refused as a whole; nothing was changed".into(),
        errors: errors.iter().map(ToString::to_string).collect(),
    })?;
    Ok((version, policy))
}

/// The rules with one more window.
pub(super) fn with(window: &Value) -> impl Fn(RuleSet) -> Result<Vec<RuleFile>, ApiError> {
    move |now| {
        let (files, mut windows) = taken_apart(now);
        windows.push(window.clone());
        Ok(put_together(files, &windows))
    }
}

/// The rules without a window that was made here.
pub(super) fn without(id: &str) -> impl Fn(RuleSet) -> Result<Vec<RuleFile>, ApiError> {
    move |now| {
        let (files, mut windows) = taken_apart(now);
        let before = windows.len();
        windows.retain(|window| window["id"].as_str() != Some(id));
        if windows.len() == before {
            return Err(ApiError::NotFound("maintenance window made over this API"));
        }
        Ok(put_together(files, &windows))
    }
}

/// Ends a maintenance window that was made here; where the rules ask for a second person that waits for one. A window that
/// stands in a rule file is ended there.
#[utoipa::path(delete, path = "/api/v1/windows/{id}", tag = "silences", params(("id" = String, Path), Because),
    responses((status = 202, body = RulesTaken), (status = "default", body = Problem)))]
pub async fn expire(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
    Params(because): Params<Because>,
) -> Result<TakenAnswer, ApiError> {
    caller.whole_tenant()?;
    let policy = api.rules.policy(&caller.tenant);
    if !policy.settings.changes.second {
        return rules::change(&api, &caller, Grounds::alone(&because.reason), without(&id)).await;
    }
    let now = api.rules.set(&caller.tenant, None).map_err(ApiError::internal)?.ok_or(ApiError::NotFound("version"))?;
    let version = now.version;
    without(&id)(now)?;
    rules::needs_reason(&policy, &because.reason)?;
    let asked = Proposed { window: None, reason: because.reason };
    let seq = window_proposals::propose(&api, &caller, &id, &asked).await?;
    Ok((StatusCode::ACCEPTED, HeaderMap::new(), Json(RulesTaken { seq: Some(seq), version, waits: true })))
}
