//! Models that are valid and were; rules and models that run beside what is valid; what rules would cost.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::metric_model::MetricTrial;
use super::orders::{Taken, refused};
use super::paging::Listed;
use super::problem::{ApiError, Body, Id, Params, Problem};
use super::rules::{NewRules, may_change, needs_reason};
use super::state::{Api, ModelKind, ModelSet, NewTrial, PutInForce, ShadowState};
use crate::engine::input::By;
use crate::wording::lang::Text;

/// Days that `cost` looks back when nobody says how many, and at most.
const DAYS: u32 = 7;
const DAYS_MAX: u32 = 90;

/// A version of a model.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelItem {
    pub kind: ModelKind,
    /// 0: the model that is compiled in.
    pub version: u64,
    /// SHA-256 of its text.
    pub digest: String,
    pub author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it became valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The journal record from which on it is valid.
    pub seq: u64,
    pub current: bool,
}

/// Of which kind.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct OfKind {
    /// Absent: correlation.
    #[param(inline)]
    pub kind: ModelKind,
}

/// A model's text.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelText {
    pub kind: ModelKind,
    pub version: u64,
    /// SHA-256 of the text, in hex.
    pub digest: String,
    /// `model.yaml`.
    pub text: String,
}

/// Another model.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// The text of `model.yaml`; it says of which kind it is.
    pub text: String,
    /// Why; needed where the rules in force say so.
    #[serde(default)]
    pub reason: String,
}

/// Taken; valid from this journal record on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelTaken {
    /// Absent: it was valid already, nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    pub version: u64,
}

/// Which model to go back to.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelBack {
    /// Default: correlation.
    pub kind: ModelKind,
    /// Absent: the one before the present one; 0: the model that is compiled in.
    pub version: Option<u64>,
    pub reason: String,
}

/// What is to run beside what is valid: rules, a model, a metric model, or several of them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewShadow {
    /// Rules: YAML by file name.
    pub files: Option<BTreeMap<String, String>>,
    /// A model of correlation: the text of `model.yaml`.
    pub model: Option<String>,
    /// A metric model: the text of its `model.yaml`.
    #[serde(default)]
    pub metric: Option<String>,
    #[serde(default)]
    pub reason: String,
    /// The `since_seq` of the trial that runs, which ends by this. Needed while one runs: nobody's comparison ends unnoticed.
    #[serde(default)]
    pub in_place_of: Option<u64>,
}

/// Why something is done.
#[derive(Clone, Debug, Default, Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct Because {
    /// Needed where the rules in force say so (`settings.changes.reason`).
    pub reason: String,
}

/// Which trial is to become valid.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Activation {
    /// The `since_seq` of the trial whose report was read: another one is not activated. Needed where the rules in force ask
    /// for a second person.
    pub since_seq: Option<u64>,
    /// Needed where the rules in force say so, and with `force`.
    pub reason: String,
    /// Also when the trial has ended by a failure or is far behind (`doubt`).
    pub force: bool,
}

/// What runs beside, and the comparison with what is valid as it grows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ShadowBody {
    pub running: bool,
    /// The journal record from which on it runs.
    pub since_seq: u64,
    pub author: String,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    pub has_rules: bool,
    pub has_model: bool,
    pub has_metric: bool,
    /// The last record that it has decided, and how many it is behind.
    pub seq: u64,
    pub lag: u64,
    /// How often the comparison began anew: too many events, or too far behind.
    pub begun_anew: u64,
    /// Why it does not run any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Why its report says too little: it is activated with `force` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Text>,
    /// As `headwater backtest --against live` writes it; `why` are paths of the console.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub report: Option<Arc<RawValue>>,
    /// What the metric model would have told, beside what was told; of the series that this instance watches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricTrial>,
}

/// What was put in force.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InForce {
    /// Journal sequences; absent: valid already, or not concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<u64>,
}

/// Rules whose cost is asked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CostAsked {
    /// YAML by file name.
    pub files: BTreeMap<String, String>,
    /// Days of the recorded journal, 1 to 90, default 7.
    pub days: Option<u32>,
}

/// What rules would have told people, beside what was told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Cost {
    /// As `headwater backtest --against live` writes it: `figures[].messages_per_week`, `messages` by receiver; the first is
    /// what was in force, the second the rules asked about.
    #[schema(value_type = Object)]
    pub report: serde_json::Value,
}

pub(super) fn by(caller: &Caller, reason: &str) -> By {
    By { author: caller.name.clone(), reason: reason.into() }
}

fn item(kind: ModelKind, set: &ModelSet, current: u64) -> ModelItem {
    ModelItem {
        kind,
        version: set.version,
        digest: set.digest.clone(),
        author: set.by.author.to_string(),
        reason: set.by.reason.to_string(),
        at: set.at.map(|at| at.to_string()),
        seq: set.seq,
        current: set.version == current,
    }
}

/// All models of a kind that can be gone back to, newest first.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", params(OfKind),
    responses((status = 200, body = Listed<ModelItem>), (status = "default", body = Problem)))]
pub async fn models(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(of): Params<OfKind>,
) -> Result<Json<Listed<ModelItem>>, ApiError> {
    caller.whole_tenant()?;
    let all = api.trials.models(&caller.tenant, of.kind);
    let current = all.first().map_or(0, |set| set.version);
    let items = all.iter().map(|set| item(of.kind, set, current)).collect();
    Ok(Json(Listed { items, next: None, feed: None }))
}

/// The text of a version, to carry it elsewhere.
#[utoipa::path(get, path = "/api/v1/models/{version}", tag = "models", params(("version" = u64, Path), OfKind),
    responses((status = 200, body = ModelText), (status = "default", body = Problem)))]
pub async fn model_text(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(version): Id<u64>,
    Params(of): Params<OfKind>,
) -> Result<Json<ModelText>, ApiError> {
    caller.whole_tenant()?;
    let text = api.trials.model_text(&caller.tenant, of.kind, version).map_err(ApiError::internal)?;
    let text = text.ok_or(ApiError::NotFound("model"))?;
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    Ok(Json(ModelText { kind: of.kind, version, digest, text }))
}

/// Makes a model valid; a faulty one is refused with every error, and the old one stays.
#[utoipa::path(put, path = "/api/v1/models", tag = "models", request_body = NewModel,
    responses((status = 202, body = ModelTaken), (status = "default", body = Problem)))]
pub async fn put_model(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<NewModel>,
) -> Result<(StatusCode, Json<ModelTaken>), ApiError> {
    caller.whole_tenant()?;
    may_change(&api.rules.policy(&caller.tenant), &body.reason)?;
    take(&api, &caller, body.text, &body.reason).await
}

async fn take(
    api: &Api,
    caller: &Caller,
    text: String,
    reason: &str,
) -> Result<(StatusCode, Json<ModelTaken>), ApiError> {
    let put = api.trials.put_model(caller.tenant.clone(), by(caller, reason), text).await;
    let (seq, version) = put.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(ModelTaken { seq, version })))
}

/// Makes an older model valid again, as a new version of its own.
#[utoipa::path(post, path = "/api/v1/models/rollback", tag = "models", request_body = ModelBack,
    responses((status = 202, body = ModelTaken), (status = "default", body = Problem)))]
pub async fn roll_back_model(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<ModelBack>,
) -> Result<(StatusCode, Json<ModelTaken>), ApiError> {
    caller.whole_tenant()?;
    may_change(&api.rules.policy(&caller.tenant), &body.reason)?;
    let all = api.trials.models(&caller.tenant, body.kind);
    let before = all.get(1).map(|set| set.version);
    let version = body.version.or(before).ok_or(ApiError::NotFound("model"))?;
    let text = api.trials.model_text(&caller.tenant, body.kind, version).map_err(ApiError::internal)?;
    take(&api, &caller, text.ok_or(ApiError::NotFound("model"))?, &body.reason).await
}

fn shown(state: ShadowState) -> ShadowBody {
    ShadowBody {
        running: state.since_seq > 0,
        since_seq: state.since_seq,
        author: state.by.author.to_string(),
        reason: state.by.reason.to_string(),
        at: state.at.map(|at| at.to_string()),
        has_rules: state.has_rules,
        has_model: state.has_model,
        has_metric: state.has_metric,
        seq: state.seq,
        lag: state.lag,
        begun_anew: state.begun_anew,
        doubt: state.doubt(),
        failure: state.failure,
        report: state.report,
        metric: state.metric.map(MetricTrial::from),
    }
}

/// What runs beside what is valid, without effects, and how it differs so far.
#[utoipa::path(get, path = "/api/v1/shadow", tag = "models",
    responses((status = 200, body = ShadowBody), (status = "default", body = Problem)))]
pub async fn shadow(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<ShadowBody>, ApiError> {
    caller.whole_tenant()?;
    Ok(Json(shown(api.trials.shadow(&caller.tenant))))
}

/// Lets rules or models run beside what is valid. They decide the same journal; nobody is told of anything. While a trial runs,
/// another one is refused (422) unless it names it as `in_place_of`.
#[utoipa::path(put, path = "/api/v1/shadow", tag = "models", request_body = NewShadow,
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn put_shadow(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<NewShadow>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let rules = body.files.map(|files| NewRules { files, reason: String::new() }.into_files());
    let tried = NewTrial { rules, model: body.model, metric: body.metric, in_place_of: body.in_place_of };
    if tried.rules.is_none() && tried.model.is_none() && tried.metric.is_none() {
        return Err(ApiError::Bad("name rules (files), a model, a metric model, or several of them".into()));
    }
    start(&api, &caller, &body.reason, tried).await
}

async fn start(
    api: &Api,
    caller: &Caller,
    reason: &str,
    tried: NewTrial,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    let put = api.trials.put_shadow(caller.tenant.clone(), by(caller, reason), tried).await;
    Ok((StatusCode::ACCEPTED, Json(Taken { seq: put.map_err(refused)? })))
}

/// Ends the trial; what is valid stays as it is.
#[utoipa::path(delete, path = "/api/v1/shadow", tag = "models", params(Because),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn end_shadow(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(because): Params<Because>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let running = api.trials.shadow(&caller.tenant).since_seq;
    if running == 0 {
        return Err(ApiError::NotFound("trial: nothing runs beside"));
    }
    needs_reason(&api.rules.policy(&caller.tenant), &because.reason)?;
    start(&api, &caller, &because.reason, NewTrial { in_place_of: Some(running), ..NewTrial::default() }).await
}

fn in_force(put: PutInForce) -> (StatusCode, Json<InForce>) {
    (StatusCode::ACCEPTED, Json(InForce { rules: put.rules, model: put.model, metric: put.metric }))
}

/// Makes what runs beside valid and ends the trial. Where the rules in force ask for a second person, who started the trial
/// cannot be who activates it. One that failed or is far behind is refused (422) unless it is forced with a reason.
#[utoipa::path(post, path = "/api/v1/shadow/activate", tag = "models", request_body = Activation,
    responses((status = 202, body = InForce), (status = "default", body = Problem)))]
pub async fn activate(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<Activation>,
) -> Result<(StatusCode, Json<InForce>), ApiError> {
    caller.whole_tenant()?;
    let running = api.trials.shadow(&caller.tenant);
    if running.since_seq == 0 {
        return Err(ApiError::NotFound("trial: nothing runs beside"));
    }
    let policy = api.rules.policy(&caller.tenant);
    if policy.settings.changes.second && running.by.author == caller.name {
        return Err(ApiError::Forbidden("the rules in force ask for a second person: another one must activate it"));
    }
    if policy.settings.changes.second && body.since_seq.is_none() {
        let why = "since_seq: the rules in force ask for a second person, who names the trial that was looked at";
        return Err(ApiError::Bad(why.into()));
    }
    if let Some(asked) = body.since_seq.filter(|asked| *asked != running.since_seq) {
        let detail = format!(
            "the trial since record {asked} does not run any more, but one since record {}: read its report first",
            running.since_seq
        );
        return Err(ApiError::Refused { detail, errors: Vec::new() });
    }
    needs_reason(&policy, &body.reason)?;
    if let Some(doubt) = running.doubt() {
        if !body.force {
            let detail = format!("{}: activate it with `force` and a reason, or let it run again", doubt.en);
            return Err(ApiError::Refused { detail, errors: Vec::new() });
        }
        if body.reason.trim().is_empty() {
            return Err(ApiError::Bad(format!("reason: {}; say why it is activated all the same", doubt.en)));
        }
    }
    // What was looked at here is what is activated, whatever is started meanwhile.
    let put = api.trials.activate(caller.tenant.clone(), by(&caller, &body.reason), running.since_seq).await;
    Ok(in_force(put.map_err(refused)?))
}

/// Takes back what was activated last: the rules and the model that were valid before it are valid again. Where the rules in
/// force ask for a second person, who activated it cannot take it back alone.
#[utoipa::path(post, path = "/api/v1/shadow/rollback", tag = "models", request_body = Because,
    responses((status = 202, body = InForce), (status = "default", body = Problem)))]
pub async fn roll_back(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<Because>,
) -> Result<(StatusCode, Json<InForce>), ApiError> {
    caller.whole_tenant()?;
    let policy = api.rules.policy(&caller.tenant);
    needs_reason(&policy, &body.reason)?;
    let activated = api.trials.activated(&caller.tenant);
    if policy.settings.changes.second && activated.is_some_and(|by| by.author == caller.name) {
        let why = "the rules in force ask for a second person: another one than who activated it must take it back";
        return Err(ApiError::Forbidden(why));
    }
    let put = api.trials.roll_back(caller.tenant.clone(), by(&caller, &body.reason)).await;
    Ok(in_force(put.map_err(refused)?))
}

/// What rules would cost before they are put in force: the recorded journal of the last days is decided by them and by what was
/// in force.
#[utoipa::path(post, path = "/api/v1/rules/cost", tag = "rules", request_body = CostAsked,
    responses((status = 200, body = Cost), (status = "default", body = Problem)))]
pub async fn cost(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<CostAsked>,
) -> Result<Json<Cost>, ApiError> {
    caller.whole_tenant()?;
    let days = body.days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(ApiError::Bad(format!("days: 1 to {DAYS_MAX}")));
    }
    let files = NewRules { files: body.files, reason: String::new() }.into_files();
    let report = api.trials.cost(caller.tenant.clone(), files, days).await.map_err(refused)?;
    Ok(Json(Cost { report }))
}
