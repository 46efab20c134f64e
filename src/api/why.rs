//! Why an event or an alert ended where it did: the decision record, in words and numbers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::incident_types::{AlertItem, EvidenceItem};
use super::lang::{Lang, Text};
use super::past::past;
use super::problem::{ApiError, Id, Problem};
use super::state::Api;
use super::verdicts;
use super::words::StageWord;
use crate::domain::ids::{AlertId, EventRef};
use crate::engine::verdict::{Check, Decision, Verdict};
use crate::projection::history::find::{self, Judged};

/// Events shown of one alert, newest first.
const EVENTS_MAX: usize = 50;

/// One thing a stage looked at.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckItem {
    pub stage: StageWord,
    pub stage_label: &'static str,
    /// Whether it applied.
    pub matched: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The alert, CI or incident looked at.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    pub evidence: Vec<EvidenceItem>,
}

impl CheckItem {
    fn of(check: &Check, lang: Lang) -> Self {
        let stage = StageWord::from(check.stage);
        Self {
            stage,
            stage_label: stage.label(lang),
            matched: check.matched,
            rule: check.rule.as_ref().map(ToString::to_string),
            about: check.about.to_string(),
            evidence: check.evidence.iter().map(|e| EvidenceItem::of(e, &check.about)).collect(),
        }
    }
}

/// Why one event ended as it did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventWhy {
    /// `e<journal sequence>.<index>`.
    pub event: String,
    pub at: String,
    /// duplicate, muted, joined, opened, held, resolved or rejected.
    pub verdict: &'static str,
    pub verdict_label: &'static str,
    pub text: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// In the order in which they were checked.
    pub checks: Vec<CheckItem>,
    /// The event as it was decoded.
    pub raw: serde_json::Value,
}

impl EventWhy {
    /// The answer for one event.
    pub fn of(judged: &Judged, lang: Lang) -> Self {
        let (incident, decision) = parts(&judged.verdict);
        Self {
            event: judged.event.to_string(),
            at: judged.at.to_string(),
            verdict: judged.verdict.word(),
            verdict_label: verdicts::label(&judged.verdict, lang),
            text: verdicts::sentence(&judged.verdict),
            alert: judged.verdict.alert().map(|id| id.to_string()),
            incident,
            checks: decision.map(|d| d.checks.iter().map(|c| CheckItem::of(c, lang)).collect()).unwrap_or_default(),
            raw: serde_json::to_value(&judged.raw).unwrap_or_default(),
        }
    }
}

fn parts(verdict: &Verdict) -> (Option<String>, Option<&Decision>) {
    match verdict {
        Verdict::Joined { incident, decision, .. } | Verdict::Opened { incident, decision, .. } => {
            (Some(incident.to_string()), Some(decision))
        }
        Verdict::Held { decision, .. } => (None, Some(decision)),
        Verdict::Duplicate { .. } | Verdict::Muted { .. } | Verdict::Resolved { .. } | Verdict::Rejected { .. } => {
            (None, None)
        }
    }
}

/// Why an alert is where it is: its newest events with their verdicts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlertWhy {
    pub alert: AlertItem,
    /// Newest first, at most 50.
    pub events: Vec<EventWhy>,
}

/// Why an event ended where it did.
#[utoipa::path(get, path = "/api/v1/events/{id}/why", tag = "why", params(("id" = String, Path)),
    responses((status = 200, body = EventWhy), (status = "default", body = Problem)))]
pub async fn event(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<EventRef>,
) -> Result<Json<EventWhy>, ApiError> {
    let scope = caller.scope();
    let found = past(&api, move |history| find::event(history, &scope, id)).await?;
    found.map(|judged| Json(EventWhy::of(&judged, lang))).ok_or(ApiError::NotFound("event"))
}

/// Why an alert is where it is.
#[utoipa::path(get, path = "/api/v1/alerts/{id}/why", tag = "why", params(("id" = String, Path)),
    responses((status = 200, body = AlertWhy), (status = "default", body = Problem)))]
pub async fn alert(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<AlertId>,
) -> Result<Json<AlertWhy>, ApiError> {
    let scope = caller.scope();
    let found = past(&api, move |history| match find::alert(history, &scope, id)? {
        Some(alert) => Ok(Some((alert, find::events_of(history, &scope, id, EVENTS_MAX)?))),
        None => Ok(None),
    });
    let (alert, events) = found.await?.ok_or(ApiError::NotFound("alert"))?;
    let events = events.iter().map(|judged| EventWhy::of(judged, lang)).collect();
    Ok(Json(AlertWhy { alert: AlertItem::of(&alert, lang), events }))
}
