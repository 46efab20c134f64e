//! Trying one event on the rules: what every rule says, and what would come of it. Nothing is kept and nobody is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Caller;
use super::alert_types::AlertItem;
use super::incident_types::{IncidentItem, Onlooker};
use super::orders::refused;
use super::plain::write_out;
use super::problem::{ApiError, Body, Problem};
use super::rules::NewRules;
use super::state::{Api, Trial};
use super::why::CheckItem;
use crate::domain::ids::SourceId;
use crate::engine::effect::Effect;
use crate::engine::policy::expiry::ListedRule;
use crate::engine::verdict::Verdict;
use crate::wording::lang::{Lang, Text};
use crate::wording::mask::mask_value;
use crate::wording::verdicts;

/// A sample event, and perhaps other rules to try it on.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// One event in the native format.
    #[schema(value_type = Object)]
    pub event: serde_json::Value,
    /// The source that would send it; default: the caller.
    pub source: Option<String>,
    /// Rules to try it on; absent: those that are valid now.
    pub files: Option<BTreeMap<String, String>>,
}

/// What one rule says.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RuleTrace {
    /// The kind of rule, for example `mute` or `routes`.
    pub section: &'static str,
    pub id: String,
    pub file: String,
    pub line: u32,
    /// It applied, at once or within the time that was watched.
    pub matched: bool,
    /// Why it did not, when the engine looked at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
}

/// A message that would be sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WouldSend {
    pub receiver: String,
    pub at: String,
    pub kind: &'static str,
}

/// What would come of it when nothing else happens.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Outcome {
    /// How long it was watched.
    pub seconds: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentItem>,
    pub notices: Vec<WouldSend>,
}

/// The whole trial.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DryRun {
    /// duplicate, muted, joined, opened, held, resolved or rejected.
    pub verdict: &'static str,
    pub verdict_label: &'static str,
    pub text: Text,
    /// In the order in which they were checked.
    pub checks: Vec<CheckItem>,
    /// Every rule, in the order of the stages.
    pub rules: Vec<RuleTrace>,
    /// The event as it was decoded.
    #[schema(value_type = Object)]
    pub event: serde_json::Value,
    pub outcome: Outcome,
}

/// What the rules would do with an event on a quiet day; changes nothing and tells nobody.
#[utoipa::path(post, path = "/api/v1/rules/dry-run", tag = "rules", request_body = Sample,
    responses((status = 200, body = DryRun), (status = "default", body = Problem)))]
pub async fn dry_run(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Body(sample): Body<Sample>,
) -> Result<Json<DryRun>, ApiError> {
    caller.whole_tenant()?;
    let source = SourceId::from(sample.source.as_deref().unwrap_or(&caller.name));
    let files = sample.files.map(|files| NewRules { files, reason: String::new() }.into_files());
    let to = api.onlooker(&caller, lang);
    let (rules, text, tenant) = (api.rules.clone(), sample.event.to_string(), caller.tenant);
    let tried = tokio::task::spawn_blocking(move || rules.trial(&tenant, &source, &text, files)).await;
    let trial = tried.map_err(ApiError::internal)?.map_err(refused)?;
    told(&trial, &to).map(Json)
}

/// A trial as it is shown.
pub(super) fn told(trial: &Trial, to: &Onlooker) -> Result<DryRun, ApiError> {
    let verdict = trial.effects.iter().find_map(|effect| {
        let Effect::Verdict { verdict, .. } = effect else { return None };
        Some(verdict)
    });
    let verdict = verdict.ok_or_else(|| ApiError::internal("an event without a verdict"))?;
    let checks: Vec<CheckItem> =
        verdict.decision().iter().flat_map(|decision| &decision.checks).filter_map(|c| CheckItem::of(c, to)).collect();
    let mut event = serde_json::to_value(&trial.event).map_err(ApiError::internal)?;
    mask_value(&mut event);
    write_out(&mut event);
    Ok(DryRun {
        verdict: verdict.word(),
        verdict_label: verdicts::label(verdict, to.lang),
        text: verdicts::sentence(verdict),
        rules: traces(trial, verdict),
        checks,
        event,
        outcome: outcome(trial, to),
    })
}

fn traces(trial: &Trial, verdict: &Verdict) -> Vec<RuleTrace> {
    let checks = verdict.decision().map(|decision| decision.checks.as_slice()).unwrap_or_default();
    let trace = |rule: ListedRule<'_>| {
        let ListedRule { section, name, .. } = rule;
        let matched = trial.hits.hits.contains_key(&name.id);
        let looked_at = checks.iter().find(|check| !check.matched && check.rule.as_ref() == Some(&name.id));
        RuleTrace {
            section,
            id: name.id.to_string(),
            file: trial.policy.file_of(name).to_owned(),
            line: name.at.line,
            matched,
            text: looked_at.filter(|_| !matched).map(verdicts::check),
        }
    };
    trial.policy.rules().into_iter().map(trace).collect()
}

fn outcome(trial: &Trial, to: &Onlooker) -> Outcome {
    let (mut alert, mut incident, mut notices) = (None, None, Vec::new());
    for effect in trial.effects.iter().chain(&trial.later) {
        match effect {
            Effect::Alert { alert: view } => alert = Some(AlertItem::of(view, to.lang)),
            Effect::Incident { incident: view, .. } => incident = Some(IncidentItem::of(view, to)),
            Effect::Notify { notice } => notices.push(WouldSend {
                receiver: notice.receiver.to_string(),
                at: notice.at.to_string(),
                kind: notice.kind.as_str(),
            }),
            Effect::Verdict { .. } | Effect::Timeline { .. } | Effect::Silence { .. } | Effect::CommandDone { .. } => {}
        }
    }
    Outcome { seconds: trial.watched.as_secs(), alert, incident, notices }
}
