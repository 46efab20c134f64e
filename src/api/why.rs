//! Why an event, an alert or an incident is where it is: the decision record, in words and numbers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::alert_types::AlertItem;
use super::alerts::{UnusualItem, unusual};
use super::incident_types::{EvidenceItem, IncidentItem, Onlooker};
use super::paging::{self, Listed, read_time};
use super::past::past;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use crate::domain::ids::{AlertId, IncidentId};
use crate::engine::verdict::Check;
use crate::projection::history::find::{self, Judged, Raw};
use crate::projection::history::search::{self, EventFilter};
use crate::wording::lang::{Lang, Text};
use crate::wording::mask::mask_value;
use crate::wording::verdicts;
use crate::wording::words::{SeverityWord, SideWord, SignalWord, StageWord};

/// Events shown of one name, alert or incident, newest first.
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
    pub text: Text,
    pub evidence: Vec<EvidenceItem>,
}

impl CheckItem {
    /// The check with its sentences; none when the caller may not see it.
    pub fn of(check: &Check, to: &Onlooker) -> Option<Self> {
        let check = &*to.sight.check(check)?;
        let stage = StageWord::from(check.stage);
        Some(Self {
            stage,
            stage_label: stage.label(to.lang),
            matched: check.matched,
            rule: check.rule.as_ref().map(ToString::to_string),
            about: check.about.to_string(),
            text: verdicts::check(check),
            evidence: check.evidence.iter().map(|e| EvidenceItem::of(e, &check.about)).collect(),
        })
    }
}

/// Why one event ended as it did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventWhy {
    /// `e<journal sequence>.<index>`.
    pub event: String,
    /// The source's own id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// When it was accepted.
    pub at: String,
    pub source: String,
    /// duplicate, muted, joined, opened, held, resolved or rejected.
    pub verdict: &'static str,
    pub verdict_label: &'static str,
    /// The reason, in a sentence.
    pub text: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// The incident that the verdict names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// In the order in which they were checked.
    pub checks: Vec<CheckItem>,
    /// Its alert as it is now, with the incident that it has joined since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<AlertItem>,
    /// Of a dead letter: the event that it became when it was tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_as: Option<String>,
    /// The event as it was decoded, or the dead letter; phone numbers and secrets masked.
    pub raw: serde_json::Value,
}

impl EventWhy {
    /// The answer for one event.
    pub fn of(judged: &Judged, to: &Onlooker) -> Self {
        let checks = judged.verdict.decision().map(|decision| decision.checks.as_slice()).unwrap_or_default();
        let (id, source, raw) = match &judged.raw {
            Raw::Event(event) => (event.id.to_string(), &event.source, serde_json::to_value(event)),
            Raw::Letter(letter) => (String::new(), &letter.source, serde_json::to_value(letter)),
        };
        let mut raw = raw.unwrap_or_default();
        mask_value(&mut raw);
        Self {
            event: judged.event.to_string(),
            id,
            at: judged.at.to_string(),
            source: source.to_string(),
            verdict: judged.verdict.word(),
            verdict_label: verdicts::label(&judged.verdict, to.lang),
            text: verdicts::sentence(&judged.verdict),
            alert: judged.verdict.alert().map(|id| id.to_string()),
            incident: judged.verdict.incident().map(|id| id.to_string()),
            checks: checks.iter().filter_map(|check| CheckItem::of(check, to)).collect(),
            now: judged.alert.as_ref().map(|view| AlertItem::of(view, to.lang)),
            replayed_as: judged.replayed.as_ref().map(|(event, _)| event.clone()),
            raw,
        }
    }
}

/// Every event of that name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventsWhy {
    /// Newest first, at most 50.
    pub events: Vec<EventWhy>,
}

/// Why an alert is where it is: its newest events with their verdicts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlertWhy {
    pub alert: AlertItem,
    /// How unusual it is that one of its type comes on a CI of its class; absent when its type was not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusual: Option<UnusualItem>,
    /// Newest first, at most 50.
    pub events: Vec<EventWhy>,
}

/// Why an incident is what it is: the events that opened it or brought alerts into it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IncidentWhy {
    pub incident: IncidentItem,
    /// Newest first, at most 50.
    pub events: Vec<EventWhy>,
}

fn told(events: &[Judged], to: &Onlooker) -> Vec<EventWhy> {
    events.iter().map(|judged| EventWhy::of(judged, to)).collect()
}

/// Why an event ended where it did. The id is the source's own, or the place in the journal: `e12.0` or `12-0`.
/// Several events of one id are all told.
#[utoipa::path(get, path = "/api/v1/events/{id}/why", tag = "why", params(("id" = String, Path)),
    responses((status = 200, body = EventsWhy), (status = "default", body = Problem)))]
pub async fn event(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<String>,
) -> Result<Json<EventsWhy>, ApiError> {
    let scope = caller.scope();
    let found = past(&api, move |history| find::why(history, &scope, &id, EVENTS_MAX)).await?;
    if found.is_empty() {
        return Err(ApiError::NotFound("event"));
    }
    Ok(Json(EventsWhy { events: told(&found, &api.onlooker(&caller, lang)) }))
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
    let events = told(&events, &api.onlooker(&caller, lang));
    Ok(Json(AlertWhy { alert: AlertItem::of(&alert, lang), unusual: unusual(&api, &caller, &alert), events }))
}

/// Why an incident is what it is. The reasons for its root cause are the candidates of `/incidents/{id}`.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/why", tag = "why", params(("id" = String, Path)),
    responses((status = 200, body = IncidentWhy), (status = "default", body = Problem)))]
pub async fn incident(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<IncidentId>,
) -> Result<Json<IncidentWhy>, ApiError> {
    let scope = caller.scope();
    let found = past(&api, move |history| {
        let Some(view) = find::incident(history, &scope, id)? else { return Ok(None) };
        let verdicts = ["opened", "joined", "held"].map(str::to_owned).to_vec();
        let filter = EventFilter { incident: Some(id), verdicts, ..EventFilter::default() };
        Ok(Some((view, search::events(history, &scope, &filter, None, EVENTS_MAX)?.items)))
    });
    let (view, events) = found.await?.ok_or(ApiError::NotFound("incident"))?;
    let to = api.onlooker(&caller, lang);
    Ok(Json(IncidentWhy { incident: IncidentItem::of(&view, &to), events: told(&events, &to) }))
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct EventQuery {
    /// Repeat the key for alternatives.
    pub severity: Vec<SeverityWord>,
    pub source: Option<String>,
    /// Repeat the key for alternatives; events that do not say it, and dead letters, are left out.
    pub signal: Vec<SignalWord>,
    /// Repeat the key for alternatives; events that do not say it, and dead letters, are left out.
    pub side: Vec<SideWord>,
    pub name: Option<String>,
    /// duplicate, muted, joined, opened, held, resolved or rejected; repeat the key for alternatives.
    pub verdict: Vec<String>,
    /// The reason's word, for example `lone`, `silence` or `malformed`.
    pub reason: Option<String>,
    pub alert: Option<String>,
    pub incident: Option<String>,
    /// Part of name, title, object or description; any case.
    pub q: Option<String>,
    /// Accepted at or after (RFC 3339).
    pub since: Option<String>,
    /// Accepted before (RFC 3339).
    pub until: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// Accepted events with their verdicts, newest first.
#[utoipa::path(get, path = "/api/v1/events", tag = "why", params(EventQuery),
    responses((status = 200, body = Listed<EventWhy>), (status = "default", body = Problem)))]
pub async fn events(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(query): Params<EventQuery>,
) -> Result<Json<Listed<EventWhy>>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let before = paging::read_event(query.after.as_deref())?;
    let named = |name: &str| ApiError::Bad(format!("{name}: not an id, for example i0-12 or a0-12"));
    let alert = query.alert.map(|id| AlertId::parse(&id).ok_or_else(|| named("alert"))).transpose()?;
    let incident = query.incident.map(|id| IncidentId::parse(&id).ok_or_else(|| named("incident"))).transpose()?;
    let filter = EventFilter {
        since: read_time("since", query.since.as_deref())?,
        until: read_time("until", query.until.as_deref())?,
        severities: query.severity.into_iter().map(Into::into).collect(),
        source: query.source,
        signals: query.signal.into_iter().map(Into::into).collect(),
        sides: query.side.into_iter().map(Into::into).collect(),
        name: query.name,
        verdicts: query.verdict,
        reason: query.reason,
        alert,
        incident,
        q: query.q,
    };
    let scope = caller.scope();
    let page = past(&api, move |history| search::events(history, &scope, &filter, before, limit)).await?;
    let items = told(&page.items, &api.onlooker(&caller, lang));
    Ok(Json(Listed { items, next: page.next.map(|event| event.to_string()), feed: None }))
}
