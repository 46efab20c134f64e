//! Alerts and their groups, as Alertmanager lists them. A group is an incident.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use regex::Regex;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::filter::{self, Filter};
use crate::api::access::Caller;
use crate::api::past::past;
use crate::api::problem::{ApiError, Params, Problem};
use crate::api::state::Api;
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, IncidentId};
use crate::domain::mute::MutedBy;
use crate::domain::time::Span;
use crate::projection::alerts::{AlertFilter, AlertRow};
use crate::projection::history::{find, notices};
use crate::wording::lang::Lang;
use crate::wording::mask::mask;
use crate::wording::titles::own_titled;

/// How long an alert that says no end is said to last from when it was last seen: Alertmanager's own default.
const RESOLVE_TIMEOUT: Span = Span::mins(5);
/// Alerts in one answer.
const ALERTS_MAX: usize = 50_000;
/// Records of the history that are read for one answer; alerts of earlier ones are shown without what they said.
const RECORDS_MAX: usize = 2_000;
/// The receiver that every alert is said to go to, beside those who were told of its incident.
pub(super) const RECEIVER: &str = "headwater";

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct AlertmanagerQuery {
    /// Alerts that nothing mutes.
    pub active: bool,
    /// Alerts that are silenced, in maintenance, or flapping.
    pub silenced: bool,
    /// Alerts that another alert explains.
    pub inhibited: bool,
    /// Matchers such as `alertname="Down"`; all of them must hold.
    pub filter: Vec<String>,
    /// A regular expression over the whole name of a receiver: alerts that go to such a one.
    pub receiver: Option<String>,
    /// `zh` or `en`: of titles that are the program's own; else by `Accept-Language`.
    pub lang: Option<String>,
}

impl Default for AlertmanagerQuery {
    fn default() -> Self {
        Self { active: true, silenced: true, inhibited: true, filter: Vec::new(), receiver: None, lang: None }
    }
}

/// An alert of Alertmanager's.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertmanagerAlert {
    pub fingerprint: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub receivers: Vec<AlertmanagerReceiver>,
    pub starts_at: String,
    pub updated_at: String,
    pub ends_at: String,
    pub status: AlertmanagerAlertStatus,
    /// What the source gave, else the incident where the console's address is configured.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
}

/// Whether an alert is muted, and by what.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertmanagerAlertStatus {
    /// active or suppressed.
    pub state: &'static str,
    pub silenced_by: Vec<String>,
    pub inhibited_by: Vec<String>,
}

/// A receiver's name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlertmanagerReceiver {
    pub name: String,
}

/// Alerts that belong together.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlertmanagerGroup {
    pub labels: BTreeMap<String, String>,
    pub receiver: AlertmanagerReceiver,
    pub alerts: Vec<AlertmanagerAlert>,
}

/// A query, the receiver that it names, and the language of who asks.
struct Question {
    query: AlertmanagerQuery,
    receiver: Option<Regex>,
    lang: Lang,
}

/// An alert, and what it belongs to.
struct Found {
    id: AlertId,
    incident: Option<IncidentId>,
    /// Shown where the source gave no summary.
    title: String,
    alert: AlertmanagerAlert,
}

/// Alerts that fire, in Alertmanager's form.
#[utoipa::path(get, path = "/api/v2/alerts", tag = "alertmanager", params(AlertmanagerQuery),
    responses((status = 200, body = Vec<AlertmanagerAlert>), (status = "default", body = Problem)))]
pub async fn alerts(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(query): Params<AlertmanagerQuery>,
) -> Result<Json<Vec<AlertmanagerAlert>>, ApiError> {
    let question = Question { receiver: receiver(&query)?, query, lang };
    Ok(Json(asked(&api, &caller, &question).await?.into_iter().map(|found| found.alert).collect()))
}

/// Alerts that fire, by incident, in Alertmanager's form.
#[utoipa::path(get, path = "/api/v2/alerts/groups", tag = "alertmanager", params(AlertmanagerQuery),
    responses((status = 200, body = Vec<AlertmanagerGroup>), (status = "default", body = Problem)))]
pub async fn groups(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(query): Params<AlertmanagerQuery>,
) -> Result<Json<Vec<AlertmanagerGroup>>, ApiError> {
    let question = Question { receiver: receiver(&query)?, query, lang };
    let wanted = question.receiver.as_ref();
    let mut groups: BTreeMap<Option<IncidentId>, Vec<AlertmanagerAlert>> = BTreeMap::new();
    for found in asked(&api, &caller, &question).await? {
        groups.entry(found.incident).or_default().push(found.alert);
    }
    let group = |(incident, alerts): (Option<IncidentId>, Vec<AlertmanagerAlert>)| {
        let mut all = alerts.iter().flat_map(|alert| &alert.receivers);
        let fits = |one: &&AlertmanagerReceiver| wanted.is_none_or(|wanted| wanted.is_match(&one.name));
        AlertmanagerGroup {
            labels: incident.into_iter().map(|id| ("headwater_incident".to_owned(), id.to_string())).collect(),
            receiver: all.find(fits).cloned().unwrap_or_else(|| AlertmanagerReceiver { name: RECEIVER.into() }),
            alerts,
        }
    };
    Ok(Json(groups.into_iter().map(group).collect()))
}

/// The receiver that a query asks for.
fn receiver(query: &AlertmanagerQuery) -> Result<Option<Regex>, ApiError> {
    let pattern = query.receiver.as_deref().filter(|pattern| !pattern.is_empty());
    let read = |pattern| filter::whole(pattern).map_err(|error| ApiError::Bad(format!("receiver: {error}")));
    pattern.map(read).transpose()
}

/// The alerts that a query asks for, with what their sources said of them and whom they go to.
async fn asked(api: &Arc<Api>, caller: &Caller, question: &Question) -> Result<Vec<Found>, ApiError> {
    let mut found = found(api, caller, &question.query)?;
    let (scope, alerts) = (caller.scope(), found.iter().map(|found| found.id).collect::<Vec<_>>());
    let incidents: BTreeSet<IncidentId> = found.iter().filter_map(|found| found.incident).collect();
    let read = past(api, move |history| {
        let said = find::newest_of(history, &scope, alerts, RECORDS_MAX)?;
        let told = incidents.into_iter().map(|incident| Ok((incident, notices::receivers(history, incident)?)));
        Ok((said, told.collect::<rusqlite::Result<BTreeMap<_, _>>>()?))
    });
    // While the history is made anew, the alerts are worth more than what stands beside them.
    let (mut said, told) = read.await.unwrap_or_default();
    for Found { id, incident, title, alert } in &mut found {
        if let Some(event) = said.remove(id) {
            say(alert, event);
        }
        if !title.is_empty() {
            let summary = || own_titled(title, question.lang).into_owned();
            alert.annotations.entry("summary".into()).or_insert_with(summary);
        }
        let names = incident.and_then(|incident| told.get(&incident)).into_iter().flatten();
        alert.receivers.extend(names.map(|name| AlertmanagerReceiver { name: name.clone() }));
    }
    let wanted = question.receiver.as_ref();
    found
        .retain(|found| wanted.is_none_or(|wanted| found.alert.receivers.iter().any(|one| wanted.is_match(&one.name))));
    Ok(found)
}

/// Adds what an alert's newest event said; phone numbers and secrets are masked.
fn say(alert: &mut AlertmanagerAlert, event: Event) {
    let masked = |text: &str| mask(text).into_owned();
    alert.annotations = event.annotations.iter().map(|(key, value)| (key.to_owned(), masked(value))).collect();
    if !event.description.is_empty() {
        alert.annotations.entry("description".into()).or_insert_with(|| masked(&event.description));
    }
    if let Some(link) = event.links.first() {
        alert.generator_url = masked(link);
    }
    if let Some(at) = event.expires_at {
        alert.ends_at = at.to_string();
    }
}

/// The alerts that a query asks for, as the live view has them.
fn found(api: &Api, caller: &Caller, query: &AlertmanagerQuery) -> Result<Vec<Found>, ApiError> {
    let filters = filter::read(&query.filter)?;
    let firing = AlertFilter { states: vec![AlertState::Firing], ..AlertFilter::default() };
    let state = api.live.read();
    let Some(tenant) = state.tenant(&caller.tenant) else { return Ok(Vec::new()) };
    let (scope, mut after, mut found) = (caller.scope(), None, Vec::new());
    loop {
        let page = tenant.alerts.page(&scope, &firing, after, ALERTS_MAX);
        found.extend(page.items.into_iter().filter_map(|row| shown(api, row, query, &filters)));
        after = page.next;
        if after.is_none() || found.len() >= ALERTS_MAX {
            return Ok(found);
        }
    }
}

/// The alert as it is shown, when it is asked for.
fn shown(api: &Api, row: &AlertRow, query: &AlertmanagerQuery, filters: &[Filter]) -> Option<Found> {
    let view = &*row.view;
    let status = status(view);
    let is_inhibited = !status.inhibited_by.is_empty();
    let is_silenced = status.state != "active" && !is_inhibited;
    let wanted = match (is_silenced, is_inhibited) {
        (false, false) => query.active,
        (true, _) => query.silenced,
        (false, true) => query.inhibited,
    };
    let labels = labels(view);
    let passes = |filter: &Filter| filter.takes(labels.get(&filter.label).map_or("", String::as_str));
    if !wanted || !filters.iter().all(passes) {
        return None;
    }
    let base = &api.settings.base_url;
    let link = view.incident.filter(|_| !base.is_empty()).map(|id| format!("{base}/incidents/{id}"));
    let alert = AlertmanagerAlert {
        fingerprint: format!("{:016x}", view.id.0),
        annotations: BTreeMap::new(),
        receivers: vec![AlertmanagerReceiver { name: RECEIVER.into() }],
        starts_at: view.starts_at.to_string(),
        updated_at: row.last_seen.to_string(),
        ends_at: row.last_seen.plus(RESOLVE_TIMEOUT).to_string(),
        status,
        generator_url: link.unwrap_or_default(),
        labels,
    };
    Some(Found { id: view.id, incident: view.incident, title: view.title.to_string(), alert })
}

fn labels(view: &AlertView) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> =
        view.labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    labels.insert("alertname".into(), view.name.to_string());
    labels.insert("headwater_severity".into(), view.severity.as_str().into());
    labels.insert("headwater_source".into(), view.source.to_string());
    labels.insert("headwater_object".into(), view.object.to_string());
    if let Some(ci) = &view.ci {
        labels.insert("headwater_ci".into(), ci.id.to_string());
    }
    if let Some(incident) = view.incident {
        labels.insert("headwater_incident".into(), incident.to_string());
    }
    labels
}

fn status(view: &AlertView) -> AlertmanagerAlertStatus {
    let (mut silenced_by, mut inhibited_by) = (Vec::new(), Vec::new());
    for muted in view.muted_by.iter() {
        match muted {
            MutedBy::Silence { id } => silenced_by.push(id.to_string()),
            MutedBy::Maintenance { id } => silenced_by.push(id.to_string()),
            MutedBy::CiState => silenced_by.push("ci-state".into()),
            MutedBy::Flapping => silenced_by.push("flapping".into()),
            MutedBy::Rule { rule } => silenced_by.push(rule.to_string()),
            MutedBy::Inhibition { source, .. } => inhibited_by.push(format!("{:016x}", source.0)),
        }
    }
    let is_active = silenced_by.is_empty() && inhibited_by.is_empty();
    AlertmanagerAlertStatus { state: if is_active { "active" } else { "suppressed" }, silenced_by, inhibited_by }
}
