//! The CMDB as it is valid now: CIs, what they need and what needs them, and replacing all of it at once.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::incident_types::Ci;
use super::orders::{Taken, refused};
use super::paging::{self, cursor, read_cursor};
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use super::words::AreaWord;
use crate::domain::topology::{CiIx, CiState, Edge, Topology, Way};

/// The most CIs of an impact or cause answer, and the most hops.
const REACH_MAX: usize = 2_000;
const HOPS_MAX: u32 = 12;
/// The largest topology text that is taken, bytes.
pub const TEXT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Which CIs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct TopologyQuery {
    /// Part of id or name; any case.
    pub q: Option<String>,
    pub class: Option<String>,
    pub area: Option<AreaWord>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
}

/// A page of the topology.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopologyPage {
    pub version: u64,
    /// CIs and edges in all.
    pub cis: usize,
    pub edges: usize,
    pub items: Vec<Ci>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A relation as seen from one CI.
#[derive(Debug, Serialize, ToSchema)]
pub struct Relation {
    pub ci: Ci,
    /// Relation type, for example `hosts`.
    pub relation: String,
}

/// One CI with what surrounds it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CiDetail {
    #[serde(flatten)]
    pub ci: Ci,
    pub version: u64,
    /// 0 facility to 6 business.
    pub layer: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_team: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// 1 (most) to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality: Option<u8>,
    /// running, maintenance or retired.
    #[schema(value_type = String)]
    pub state: CiState,
    /// What may fail it.
    pub causes: Vec<Relation>,
    /// What it may fail.
    pub effects: Vec<Relation>,
}

/// A CI that is reached.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReachedItem {
    pub ci: Ci,
    pub hops: u32,
    /// A redundant partner may keep it up.
    pub redundant: bool,
}

/// Everything upstream or downstream.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reach {
    pub version: u64,
    /// Nearest first.
    pub items: Vec<ReachedItem>,
    /// A limit (12 hops, 2,000 CIs) cut it.
    pub cut: bool,
}

fn seen(topology: &Topology, caller: &Caller, ci: CiIx) -> bool {
    caller.scope().sees_one(topology.attributes(ci).org.as_ref())
}

fn find(api: &Api, caller: &Caller, id: &str) -> Result<(Arc<Topology>, CiIx), ApiError> {
    let topology = (api.topology)(&caller.tenant);
    let found = topology.find(id).filter(|ci| seen(&topology, caller, *ci));
    found.map(|ci| (topology, ci)).ok_or(ApiError::NotFound("CI"))
}

/// CIs in the order of the CMDB.
#[utoipa::path(get, path = "/api/v1/topology", tag = "topology", params(TopologyQuery),
    responses((status = 200, body = TopologyPage), (status = "default", body = Problem)))]
pub async fn page(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<TopologyQuery>,
) -> Result<Json<TopologyPage>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let start = read_cursor(query.after.as_deref())?.map_or(0, |(_, last)| last as usize + 1);
    let topology = (api.topology)(&caller.tenant);
    let q = query.q.map(|q| q.trim().to_lowercase()).filter(|q| !q.is_empty());
    let wanted = |ci: &CiIx| {
        let class = topology.class(*ci);
        query.class.as_ref().is_none_or(|want| *want == *class.id)
            && query.area.is_none_or(|want| class.area == Some(want.into()))
            && seen(&topology, &caller, *ci)
            && q.as_ref().is_none_or(|q| {
                let shown = topology.ci(*ci);
                shown.name.to_lowercase().contains(q) || shown.id.as_str().to_lowercase().contains(q)
            })
    };
    let found: Vec<CiIx> = topology.all().skip(start).filter(wanted).take(limit + 1).collect();
    let more = found.len() > limit;
    let shown = &found[..found.len().min(limit)];
    Ok(Json(TopologyPage {
        version: topology.version(),
        cis: topology.len(),
        edges: topology.edges(),
        items: shown.iter().map(|ci| Ci::from(&topology.ci(*ci))).collect(),
        next: shown.last().filter(|_| more).map(|last| cursor(0, last.0.into())),
    }))
}

/// One CI with its direct causes and effects.
#[utoipa::path(get, path = "/api/v1/topology/{id}", tag = "topology", params(("id" = String, Path)),
    responses((status = 200, body = CiDetail), (status = "default", body = Problem)))]
pub async fn one(State(api): State<Arc<Api>>, caller: Caller, Id(id): Id<String>) -> Result<Json<CiDetail>, ApiError> {
    let (topology, ci) = find(&api, &caller, &id)?;
    let relations = |edges: &[Edge]| {
        let seen = edges.iter().filter(|edge| seen(&topology, &caller, edge.ci)).take(REACH_MAX);
        let relation = |edge: &Edge| topology.kind(edge.kind).relation.to_string();
        seen.map(|edge| Relation { ci: (&topology.ci(edge.ci)).into(), relation: relation(edge) }).collect()
    };
    let more = topology.attributes(ci);
    Ok(Json(CiDetail {
        ci: (&topology.ci(ci)).into(),
        version: topology.version(),
        layer: topology.class(ci).layer,
        owner_team: more.owner_team.as_ref().map(ToString::to_string),
        site: more.site.as_ref().map(ToString::to_string),
        criticality: more.criticality,
        state: more.state,
        causes: relations(topology.causes(ci)),
        effects: relations(topology.effects(ci)),
    }))
}

fn reach(api: &Api, caller: &Caller, id: &str, way: Way) -> Result<Json<Reach>, ApiError> {
    let (topology, ci) = find(api, caller, id)?;
    let (reached, cut) = topology.reach(ci, way, HOPS_MAX, REACH_MAX);
    let shown = reached.into_iter().filter(|reached| seen(&topology, caller, reached.ci));
    let item = |r: crate::domain::topology::Reached| ReachedItem {
        ci: (&topology.ci(r.ci)).into(),
        hops: r.hops,
        redundant: r.redundant,
    };
    Ok(Json(Reach { version: topology.version(), items: shown.map(item).collect(), cut }))
}

/// Everything that a failure of this CI may hit.
#[utoipa::path(get, path = "/api/v1/topology/{id}/impact", tag = "topology", params(("id" = String, Path)),
    responses((status = 200, body = Reach), (status = "default", body = Problem)))]
pub async fn impact(State(api): State<Arc<Api>>, caller: Caller, Id(id): Id<String>) -> Result<Json<Reach>, ApiError> {
    reach(&api, &caller, &id, Way::Effects)
}

/// Everything whose failure may hit this CI.
#[utoipa::path(get, path = "/api/v1/topology/{id}/causes", tag = "topology", params(("id" = String, Path)),
    responses((status = 200, body = Reach), (status = "default", body = Problem)))]
pub async fn causes(State(api): State<Arc<Api>>, caller: Caller, Id(id): Id<String>) -> Result<Json<Reach>, ApiError> {
    reach(&api, &caller, &id, Way::Causes)
}

/// Replaces the whole topology; a faulty one is refused with every fault and its place, and the old one stays.
#[utoipa::path(put, path = "/api/v1/topology", tag = "topology", request_body(content = String, content_type = "application/json"),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn replace(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let seq = api.writes.topology(caller.tenant, caller.name, body.to_vec()).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(Taken { seq })))
}
