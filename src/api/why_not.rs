//! Why something did not happen, with every term, and what would have changed it: asked of the engine itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::incident_types::EvidenceItem;
use super::orders::refused;
use super::past::past;
use super::problem::{ApiError, Params, Problem};
use super::state::Api;
use crate::domain::ids::{AlertId, CiId, IncidentId};
use crate::engine::explain::{Answer, Node, Question, Weighed};
use crate::projection::history::find;
use crate::wording::lang::Text;
use crate::wording::reasons;

/// What is asked: an alert or event and an incident, an incident and a CI, or one of them alone (who was told).
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct WhyNotQuery {
    pub alert: Option<String>,
    /// The source's own id or the place in the journal, in place of the alert.
    pub event: Option<String>,
    /// With an alert: why it is no part of the incident. Alone: why nobody was told of it.
    pub incident: Option<String>,
    /// With an incident: why the CI is not its root cause.
    pub ci: Option<String>,
    /// With an alert: how it came where it is, instead of why nobody was told.
    pub path: Option<bool>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// An alert or a CI in an answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<String>,
    pub object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    pub text: Text,
}

impl From<&Node> for NodeItem {
    fn from(node: &Node) -> Self {
        Self {
            alert: node.alert.map(|id| id.to_string()),
            ci: node.ci.as_ref().map(ToString::to_string),
            object: node.object.to_string(),
            incident: node.incident.map(|id| id.to_string()),
            text: reasons::node(node),
        }
    }
}

/// One explanation as the engine weighs it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WeighedItem {
    pub cause: NodeItem,
    /// Absent: the cause is weighed as a root, or as what is to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<NodeItem>,
    /// How the two are bound, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub evidence: Vec<EvidenceItem>,
    /// Per mille of log-odds: what the terms add up to, and what that must be above.
    pub sum: i64,
    pub needs: i64,
}

impl From<&Weighed> for WeighedItem {
    fn from(weighed: &Weighed) -> Self {
        Self {
            cause: (&weighed.cause).into(),
            effect: weighed.effect.as_ref().map(Into::into),
            bond: weighed.bond.map(reasons::bond),
            rule: weighed.rule.as_ref().map(ToString::to_string),
            evidence: weighed
                .evidence
                .iter()
                .map(|e| EvidenceItem::told(e, reasons::evidence(e, &weighed.cause)))
                .collect(),
            sum: weighed.sum,
            needs: weighed.needs,
        }
    }
}

/// Something that would have changed the result.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhatIfItem {
    pub text: Text,
    /// By how much the sum would be higher, per mille of log-odds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<i64>,
    /// It would have been enough alone.
    pub enough: bool,
}

/// Why something did not happen.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyNot {
    /// The moment whose state was asked.
    pub as_of: String,
    pub ruleset_version: u64,
    pub model_version: u32,
    /// The one that decided first.
    pub reasons: Vec<Text>,
    pub weighed: Vec<WeighedItem>,
    pub what_if: Vec<WhatIfItem>,
    /// From the alert up to the top of its tree.
    pub path: Vec<WeighedItem>,
}

impl From<&Answer> for WhyNot {
    fn from(answer: &Answer) -> Self {
        Self {
            as_of: answer.as_of.to_string(),
            ruleset_version: answer.ruleset_version,
            model_version: answer.model_version,
            reasons: answer.reasons.iter().map(reasons::reason).collect(),
            weighed: answer.weighed.iter().map(Into::into).collect(),
            what_if: answer
                .what_if
                .iter()
                .map(|one| WhatIfItem { text: reasons::what_if(one), gain: one.gain, enough: one.enough })
                .collect(),
            path: answer.path.iter().map(Into::into).collect(),
        }
    }
}

/// Why an alert is not in an incident, why a CI is not the root cause, or why nobody was told; how an alert came where
/// it is. The terms are those of the engine itself, as of the moment that the answer names.
#[utoipa::path(get, path = "/api/v1/why-not", tag = "why", params(WhyNotQuery),
    responses((status = 200, body = WhyNot), (status = "default", body = Problem)))]
pub async fn why_not(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<WhyNotQuery>,
) -> Result<Json<WhyNot>, ApiError> {
    caller.whole_tenant()?;
    let alert = match (&query.alert, &query.event) {
        (Some(id), _) => Some(named("alert", AlertId::parse(id))?),
        (None, Some(event)) => Some(alert_of(&api, &caller, event.clone()).await?),
        (None, None) => None,
    };
    let incident = query.incident.as_deref().map(|id| named("incident", IncidentId::parse(id))).transpose()?;
    let path = query.path.unwrap_or(false);
    let question = question(alert, incident, query.ci.map(CiId::from), path)?;
    let answer = api.explains.explain(caller.tenant.clone(), question).await.map_err(refused)?;
    Ok(Json(WhyNot::from(&answer)))
}

/// What is asked by what is named.
fn question(
    alert: Option<AlertId>,
    incident: Option<IncidentId>,
    ci: Option<CiId>,
    path: bool,
) -> Result<Question, ApiError> {
    match (alert, incident, ci) {
        (Some(alert), Some(incident), None) => Ok(Question::NotIn { alert, incident }),
        (None, Some(incident), Some(ci)) => Ok(Question::NotRoot { incident, ci }),
        (Some(alert), None, None) if path => Ok(Question::Path { alert }),
        (Some(alert), None, None) => Ok(Question::NotToldOfAlert { alert }),
        (None, Some(incident), None) => Ok(Question::NotTold { incident }),
        (_, _, Some(_)) => Err(ApiError::Bad("ci: asked together with an incident, and without an alert".into())),
        (None, None, None) => Err(ApiError::Bad("name an alert or event, an incident, or an incident and a ci".into())),
    }
}

fn named<T>(name: &str, id: Option<T>) -> Result<T, ApiError> {
    id.ok_or_else(|| ApiError::Bad(format!("{name}: not an id, for example i0-12 or a0-12")))
}

/// The alert that an event went to.
async fn alert_of(api: &Arc<Api>, caller: &Caller, event: String) -> Result<AlertId, ApiError> {
    let scope = caller.scope();
    let found = past(api, move |history| find::why(history, &scope, &event, 1)).await?;
    let judged = found.first().ok_or(ApiError::NotFound("event"))?;
    let why = || ApiError::Bad("the event belongs to no alert; GET /api/v1/events/{id}/why tells its end".into());
    judged.verdict.alert().ok_or_else(why)
}
