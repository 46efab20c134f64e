//! Incidents: lists, pages, members. What memory has forgotten is read from the history.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::alert_types::AlertItem;
use super::deeds::without_ticket;
use super::incident_types::{IncidentDetail, IncidentItem, TimelineItem};
use super::paging::{self, Listed, cursor, read_place, read_time};
use super::past::past;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use crate::domain::ids::{AlertId, IncidentId};
use crate::projection::board::{self, Incident, IncidentFilter, TIMELINE_MAX};
use crate::projection::history::{find, search};
use crate::wording::lang::Lang;
use crate::wording::words::{AreaWord, IncidentStateWord, ProgressWord, SeverityWord};

/// Filters of the incident list. Lists: repeat the key; values of one key are alternatives.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentQuery {
    pub state: Vec<IncidentStateWord>,
    pub progress: Vec<ProgressWord>,
    pub severity: Vec<SeverityWord>,
    pub area: Vec<AreaWord>,
    pub org: Vec<String>,
    pub source: Vec<String>,
    /// Id of the root cause's or a member's CI.
    pub ci: Option<String>,
    pub assignee: Option<String>,
    /// Part of title, id, root cause or service; any case.
    pub q: Option<String>,
    /// Opened at or after (RFC 3339).
    pub since: Option<String>,
    /// Opened before (RFC 3339).
    pub until: Option<String>,
    /// Search the history instead of the board: slower, and nothing is forgotten within its retention.
    pub archive: bool,
    /// `newest` (default), or `urgent`: the most urgent of the board first, one page of them.
    #[param(inline)]
    pub sort: Sorted,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// What comes first in the list of incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sorted {
    #[default]
    Newest,
    Urgent,
}

impl IncidentQuery {
    /// The filter that the views understand.
    pub fn filter(self) -> Result<IncidentFilter, ApiError> {
        Ok(IncidentFilter {
            since: read_time("since", self.since.as_deref())?,
            until: read_time("until", self.until.as_deref())?,
            states: self.state.into_iter().map(Into::into).collect(),
            progress: self.progress.into_iter().map(Into::into).collect(),
            severities: self.severity.into_iter().map(Into::into).collect(),
            areas: self.area.into_iter().map(Into::into).collect(),
            orgs: self.org.into_iter().map(Into::into).collect(),
            sources: self.source.into_iter().map(Into::into).collect(),
            ci: self.ci.map(Into::into),
            assignee: self.assignee,
            q: self.q,
        })
    }
}

/// Open and recently closed incidents, newest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(IncidentQuery),
    responses((status = 200, body = Listed<IncidentItem>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(query): Params<IncidentQuery>,
) -> Result<Json<Listed<IncidentItem>>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let after = read_place(query.after.as_deref(), IncidentId)?;
    let (archive, sort) = (query.archive, query.sort);
    if sort == Sorted::Urgent && (archive || after.is_some()) {
        return Err(ApiError::Bad("sort=urgent: one page of the board; leave archive and after out".into()));
    }
    let filter = query.filter()?;
    let to = api.onlooker(&caller, lang);
    if archive {
        let sight = to.sight.clone();
        let page = past(&api, move |history| search::incidents(history, &sight, &filter, after, limit)).await?;
        let items = page.items.iter().map(|view| IncidentItem::of(view, &to)).collect();
        return Ok(Json(Listed { items, next: page.next.map(|at| cursor(at.0.0.0, at.1.0.0)), feed: None }));
    }
    let feed = Some(api.live.feed.subscribe(None).head.to_string());
    let state = api.live.read();
    let Some(tenant) = state.tenant(&caller.tenant) else {
        return Ok(Json(Listed { items: Vec::new(), next: None, feed }));
    };
    let page = match sort {
        Sorted::Newest => tenant.board.page(&to.sight, &filter, after, limit),
        Sorted::Urgent => board::Page { items: tenant.board.urgent(&to.sight, &filter, limit), next: None },
    };
    let row = |incident: &&Incident| IncidentItem::told(&incident.view, incident.timeline.iter(), &to);
    let items = page.items.iter().map(row).collect();
    Ok(Json(Listed { items, next: page.next.map(|at| cursor(at.0.0.0, at.1.0.0)), feed }))
}

/// Runs `read` on an incident of the caller's in memory.
pub fn with_incident<T>(
    api: &Api,
    caller: &Caller,
    id: IncidentId,
    read: impl FnOnce(&Incident, &crate::projection::tenant::TenantView) -> T,
) -> Option<T> {
    let state = api.live.read();
    let tenant = state.tenant(&caller.tenant)?;
    let incident = tenant.board.get(id).filter(|i| caller.scope().sees(&i.view.orgs, i.view.area))?;
    Some(read(incident, tenant))
}

/// One incident: header, ranked candidates with their evidence, propagation path, changes, timeline.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = IncidentDetail), (status = "default", body = Problem)))]
pub async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<IncidentId>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let feed = api.live.feed.subscribe(None).head.to_string();
    let to = api.onlooker(&caller, lang);
    let systems = api.notices.ticket_systems(&caller.tenant);
    let found = with_incident(&api, &caller, id, |incident, _| IncidentDetail {
        ticket_systems: without_ticket(&systems, &incident.view),
        timeline_cut: incident.timeline_cut,
        feed: Some(feed),
        ..IncidentDetail::of(&incident.view, incident.timeline.iter(), &to)
    });
    if let Some(found) = found {
        return Ok(Json(found));
    }
    let scope = caller.scope();
    let old = past(&api, move |history| match find::incident(history, &scope, id)? {
        Some(view) => Ok(Some((view, find::timeline(history, id, TIMELINE_MAX)?))),
        None => Ok(None),
    });
    let (view, (timeline, total)) = old.await?.ok_or(ApiError::NotFound("incident"))?;
    Ok(Json(IncidentDetail {
        timeline_cut: total - timeline.len() as u64,
        ..IncidentDetail::of(&view, timeline.iter(), &to)
    }))
}

/// A page of a list that belongs to one incident.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct TimelineQuery {
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// An incident's whole timeline, oldest first: what people and the engine did, when and how it ended.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/timeline", tag = "incidents",
    params(("id" = String, Path), TimelineQuery),
    responses((status = 200, body = Listed<TimelineItem>), (status = "default", body = Problem)))]
pub async fn timeline(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<IncidentId>,
    Params(query): Params<TimelineQuery>,
) -> Result<Json<Listed<TimelineItem>>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let after = paging::read_cursor(query.after.as_deref())?.map(|(seq, index)| (seq, index as i64));
    let scope = caller.scope();
    let found = past(&api, move |history| match find::incident(history, &scope, id)? {
        Some(_) => find::lines(history, id, after, limit + 1).map(Some),
        None => Ok(None),
    });
    let mut lines = found.await?.ok_or(ApiError::NotFound("incident"))?;
    let more = lines.len() > limit;
    lines.truncate(limit);
    let next = lines.last().filter(|_| more).map(|((seq, index), _)| cursor(*seq, *index as u64));
    let to = api.onlooker(&caller, lang);
    let items = lines.iter().map(|(_, entry)| TimelineItem::of(entry, &to)).collect();
    Ok(Json(Listed { items, next, feed: None }))
}

/// Which members of an incident.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct MemberQuery {
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// A page of an incident's alerts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Members {
    pub items: Vec<AlertItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    pub total: usize,
    /// Members of this page that belong to organisations or areas the caller does not see.
    pub hidden: usize,
}

/// The alerts of an incident, in the order in which they were first known.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/members", tag = "incidents", params(("id" = String, Path), MemberQuery),
    responses((status = 200, body = Members), (status = "default", body = Problem)))]
pub async fn members(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<IncidentId>,
    Params(query): Params<MemberQuery>,
) -> Result<Json<Members>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let after = paging::read_cursor(query.after.as_deref())?.map(|(_, last)| AlertId(last));
    let scope = caller.scope();
    let found = with_incident(&api, &caller, id, |incident, tenant| {
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let ids: Vec<AlertId> =
            incident.members.range((start, std::ops::Bound::Unbounded)).take(limit + 1).copied().collect();
        let more = ids.len() > limit;
        let page = &ids[..ids.len().min(limit)];
        let rows = page.iter().filter_map(|id| tenant.alerts.get(*id)).filter(|row| scope.sees_ci(row.ci()));
        let items: Vec<AlertItem> = rows.map(|row| AlertItem::of_row(row, lang)).collect();
        let next = page.last().filter(|_| more).map(|last| cursor(0, last.0));
        Members { hidden: page.len() - items.len(), items, next, total: incident.members.len() }
    });
    if let Some(found) = found {
        return Ok(Json(found));
    }
    let (own, members) = (caller.scope(), caller.scope());
    let old = past(&api, move |history| match find::incident(history, &own, id)? {
        Some(_) => find::members(history, id, after, limit + 1).map(Some),
        None => Ok(None),
    });
    let (mut views, total) = old.await?.ok_or(ApiError::NotFound("incident"))?;
    let more = views.len() > limit;
    views.truncate(limit);
    let seen = views.iter().filter(|view| members.sees_ci(view.ci.as_deref()));
    let items: Vec<AlertItem> = seen.map(|view| AlertItem::of(view, lang)).collect();
    let next = views.last().filter(|_| more).map(|last| cursor(0, last.id.0));
    Ok(Json(Members { hidden: views.len() - items.len(), items, next, total }))
}

/// Whether the caller may act on this incident.
pub fn sees_incident(api: &Api, caller: &Caller, id: IncidentId) -> bool {
    with_incident(api, caller, id, |incident, _| board::is_open(incident.view.state)).is_some()
}
