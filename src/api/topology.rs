//! The CMDB as it is valid now: CIs, what they need and what needs them, and replacing all of it at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::incident_types::Ci;
use super::orders::refused;
use super::paging::{self, Listed, cursor, read_cursor};
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use super::topology_past::{PastQuery, asked, topology_of};
use crate::domain::topology::quality::Quality;
use crate::domain::topology::reach::{Limits, ReachState, Reached};
use crate::domain::topology::{CiIx, CiState, Edge, Topology};
use crate::engine::identity::{CiLookups, Stranger};
use crate::wording::words::AreaWord;

/// The most relations of one CI that are shown.
const RELATIONS_MAX: usize = 2_000;
/// The largest topology text that is taken, bytes.
pub const TEXT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What is valid now, of what the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// 0: none has been given yet.
    pub version: u64,
    pub cis: usize,
    /// Relations from cause to effect.
    pub edges: usize,
}

/// Which CIs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct CiQuery {
    /// Part of id, name or another key; any case.
    pub q: Option<String>,
    /// Id of the class.
    pub class: Option<String>,
    pub area: Option<AreaWord>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
    /// Of this version, or of the one that was valid `at` a moment (RFC 3339), in place of the present one.
    pub version: Option<u64>,
    pub at: Option<String>,
}

/// A relation as seen from one CI.
#[derive(Debug, Serialize, ToSchema)]
pub struct Relation {
    pub ci: Ci,
    /// Relation type, for example `hosts`.
    pub relation: String,
    /// Members of the same redundancy group have the same number; 0: none.
    pub group: u16,
    /// The CMDB lacks it: presumed, because nearly all of the class in the same place have it.
    pub presumed: bool,
}

/// One CI with what surrounds it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CiDetail {
    #[serde(flatten)]
    pub ci: Ci,
    /// The topology's version.
    pub version: u64,
    /// 0 facility to 6 business.
    pub layer: u8,
    /// Further keys by which sources may call it.
    pub keys: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_team: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// 1 (most critical) to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality: Option<u8>,
    /// running, maintenance or retired.
    pub state: &'static str,
    /// Whether silence means health.
    pub monitored: bool,
    /// Where several feeds are merged, `feeds` names those that know it, and `feed.<field>` who said a field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What may fail it.
    pub causes: Vec<Relation>,
    /// What it may fail.
    pub effects: Vec<Relation>,
}

/// A CI that is reached.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReachedItem {
    pub ci: Ci,
    pub hops: u8,
    /// hard (fails), soft (suffers), redundant (holds, at risk) or visibility (is no longer seen).
    #[schema(value_type = String)]
    pub state: ReachState,
    /// Probability that the fault shows there, per mille, along the likeliest way.
    pub chance_per_mille: i32,
    /// Usual and latest time until it shows.
    pub delay_usual_seconds: i64,
    pub delay_latest_seconds: i64,
}

/// Everything upstream or downstream.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reach {
    pub version: u64,
    /// Worst first, then the likeliest and nearest.
    pub items: Vec<ReachedItem>,
    /// A limit (12 hops, 2,000 CIs) cut it.
    pub cut: bool,
}

fn seen(topology: &Topology, caller: &Caller, ci: CiIx) -> bool {
    caller.scope().sees_at(topology, ci)
}

async fn find(api: &Arc<Api>, caller: &Caller, id: &str, when: &PastQuery) -> Result<(Arc<Topology>, CiIx), ApiError> {
    let topology = topology_of(api, caller, when.read()?).await?;
    let found = topology.find(id).filter(|ci| seen(&topology, caller, *ci));
    found.map(|ci| (topology, ci)).ok_or(ApiError::NotFound("CI"))
}

/// Version and size of the topology.
#[utoipa::path(get, path = "/api/v1/topology", tag = "topology", params(PastQuery),
    responses((status = 200, body = Summary), (status = "default", body = Problem)))]
pub async fn summary(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(when): Params<PastQuery>,
) -> Result<Json<Summary>, ApiError> {
    let topology = topology_of(&api, &caller, when.read()?).await?;
    if caller.scope().is_whole() {
        return Ok(Json(Summary { version: topology.version(), cis: topology.len(), edges: topology.edges() }));
    }
    // It looks at every CI: not on a thread that serves connections.
    let counted = tokio::task::spawn_blocking(move || {
        let own = |ci: &CiIx| seen(&topology, &caller, *ci);
        let edges = |ci: CiIx| topology.effects(ci).iter().filter(|edge| own(&edge.ci)).count();
        let cis: Vec<CiIx> = topology.all().filter(own).collect();
        Summary { version: topology.version(), cis: cis.len(), edges: cis.iter().map(|ci| edges(*ci)).sum() }
    });
    counted.await.map(Json).map_err(ApiError::internal)
}

/// How good the topology is, and how well events find their CIs in it.
#[derive(Debug, Serialize)]
pub struct QualityBody {
    #[serde(flatten)]
    pub topology: Quality,
    pub lookups: Lookups,
}

/// How events found their CIs since counting began.
#[derive(Debug, Serialize)]
pub struct Lookups {
    /// Events whose object is one CI, is none that the CMDB knows, or may be several.
    pub resolved: u64,
    pub unresolved: u64,
    pub ambiguous: u64,
    /// resolved / all; null before the first event.
    pub coverage: Option<f64>,
    /// Objects that are none or several, most events first; begun anew with every topology.
    pub strangers: Vec<StrangerItem>,
    /// Events of objects that are not listed because the list was full.
    pub unlisted: u64,
}

/// An object that is not one CI.
#[derive(Debug, Serialize)]
pub struct StrangerItem {
    /// As its source calls it.
    pub object: String,
    pub source: String,
    /// CIs that it may be; none: the CMDB does not know it.
    pub cis: Vec<String>,
    pub events: u64,
    pub last_seen: String,
}

impl From<CiLookups> for Lookups {
    fn from(found: CiLookups) -> Self {
        let CiLookups { resolved, unresolved, ambiguous, strangers, unlisted } = found;
        let all = resolved + unresolved + ambiguous;
        let item = |(object, one): (Box<str>, Stranger)| StrangerItem {
            object: object.into(),
            source: one.source.to_string(),
            cis: one.cis.iter().map(ToString::to_string).collect(),
            events: one.events,
            last_seen: one.last_seen.to_string(),
        };
        let mut strangers: Vec<StrangerItem> = strangers.into_iter().map(item).collect();
        strangers.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.object.cmp(&b.object)));
        let coverage = (all > 0).then(|| (resolved * 1000 / all) as f64 / 1000.0);
        Self { resolved, unresolved, ambiguous, coverage, strangers, unlisted }
    }
}

/// How good the topology is: orphans, cycles, dangling relations, CIs without owner and so on; and under `lookups` which
/// share of events found its CI, and the objects that are none or several.
#[utoipa::path(get, path = "/api/v1/topology/quality", tag = "topology",
    responses((status = 200, body = Object), (status = "default", body = Problem)))]
pub async fn quality(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<QualityBody>, ApiError> {
    caller.whole_tenant()?;
    let topology = (api.topology)(&caller.tenant);
    let report = tokio::task::spawn_blocking(move || Quality::of(&topology)).await;
    let topology = report.map_err(ApiError::internal)?;
    Ok(Json(QualityBody { topology, lookups: api.rules.lookups(&caller.tenant).into() }))
}

/// CIs in the order of the CMDB.
#[utoipa::path(get, path = "/api/v1/topology/cis", tag = "topology", params(CiQuery),
    responses((status = 200, body = Listed<Ci>), (status = "default", body = Problem)))]
pub async fn cis(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<CiQuery>,
) -> Result<Json<Listed<Ci>>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let start = read_cursor(query.after.as_deref())?.map_or(0, |(_, last)| last as usize + 1);
    let topology = topology_of(&api, &caller, asked(query.version, query.at.as_deref())?).await?;
    // A search looks at up to a million names: not on a thread that serves connections.
    let page = tokio::task::spawn_blocking(move || search(&topology, &caller, &query, start, limit)).await;
    page.map(Json).map_err(ApiError::internal)
}

fn search(topology: &Topology, caller: &Caller, query: &CiQuery, start: usize, limit: usize) -> Listed<Ci> {
    let q = query.q.as_ref().map(|q| q.trim().to_lowercase()).filter(|q| !q.is_empty());
    let wanted = |ci: &CiIx| {
        let class = topology.class(*ci);
        query.class.as_ref().is_none_or(|want| *want == *class.id)
            && query.area.is_none_or(|want| class.area == Some(want.into()))
            && seen(topology, caller, *ci)
            && q.as_ref().is_none_or(|q| {
                let own = [topology.name(*ci), topology.id(*ci).as_str()];
                own.into_iter().chain(topology.aliases(*ci)).any(|key| key.to_lowercase().contains(q))
            })
    };
    let found: Vec<CiIx> = topology.all().skip(start).filter(wanted).take(limit + 1).collect();
    let more = found.len() > limit;
    let shown = &found[..found.len().min(limit)];
    Listed {
        items: shown.iter().map(|ci| Ci::from(&topology.ci(*ci))).collect(),
        next: shown.last().filter(|_| more).map(|last| cursor(0, last.0.into())),
        feed: None,
    }
}

/// One CI with its direct causes and effects.
#[utoipa::path(get, path = "/api/v1/topology/cis/{id}", tag = "topology", params(("id" = String, Path), PastQuery),
    responses((status = 200, body = CiDetail), (status = "default", body = Problem)))]
pub async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
    Params(when): Params<PastQuery>,
) -> Result<Json<CiDetail>, ApiError> {
    let (topology, ci) = find(&api, &caller, &id, &when).await?;
    let relations = |edges: &[Edge], are_causes: bool| {
        let seen = edges.iter().filter(|edge| seen(&topology, &caller, edge.ci)).take(RELATIONS_MAX);
        let item = |edge: &Edge| Relation {
            ci: (&topology.ci(edge.ci)).into(),
            relation: topology.kind(edge.kind).relation.to_string(),
            group: edge.group,
            presumed: if are_causes { topology.is_presumed(ci, edge) } else { topology.is_presumed_from(ci, edge) },
        };
        seen.map(item).collect()
    };
    let more = topology.attributes(ci);
    Ok(Json(CiDetail {
        ci: (&topology.ci(ci)).into(),
        version: topology.version(),
        layer: topology.class(ci).layer,
        keys: topology.aliases(ci).map(str::to_owned).collect(),
        owner_team: more.owner_team.as_ref().map(ToString::to_string),
        site: more.site.as_ref().map(ToString::to_string),
        criticality: more.criticality,
        state: match more.state {
            CiState::Running => "running",
            CiState::Maintenance => "maintenance",
            CiState::Retired => "retired",
        },
        monitored: more.monitored,
        labels: more.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        causes: relations(topology.causes(ci), true),
        effects: relations(topology.effects(ci), false),
    }))
}

/// A walk through the topology from one CI.
type Walk = fn(&Topology, CiIx, &Limits) -> crate::domain::topology::reach::Reach;

async fn reach(
    api: &Arc<Api>,
    caller: &Caller,
    (id, when): (&str, &PastQuery),
    walk: Walk,
) -> Result<Json<Reach>, ApiError> {
    let (topology, ci) = find(api, caller, id, when).await?;
    let reach = walk(&topology, ci, &Limits::default());
    let shown = reach.reached.iter().filter(|reached| seen(&topology, caller, reached.ci));
    let item = |reached: &Reached| ReachedItem {
        ci: (&topology.ci(reached.ci)).into(),
        hops: reached.hops,
        state: reached.state,
        chance_per_mille: reached.attenuation_pm,
        delay_usual_seconds: reached.delay_typ.as_secs(),
        delay_latest_seconds: reached.delay_max.as_secs(),
    };
    Ok(Json(Reach { version: topology.version(), items: shown.map(item).collect(), cut: reach.truncated }))
}

/// Everything that a failure of this CI may hit.
#[utoipa::path(get, path = "/api/v1/topology/cis/{id}/impact", tag = "topology",
    params(("id" = String, Path), PastQuery),
    responses((status = 200, body = Reach), (status = "default", body = Problem)))]
pub async fn impact(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
    Params(when): Params<PastQuery>,
) -> Result<Json<Reach>, ApiError> {
    reach(&api, &caller, (&id, &when), Topology::impact).await
}

/// Everything whose failure may hit this CI.
#[utoipa::path(get, path = "/api/v1/topology/cis/{id}/causes", tag = "topology",
    params(("id" = String, Path), PastQuery),
    responses((status = 200, body = Reach), (status = "default", body = Problem)))]
pub async fn causes(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
    Params(when): Params<PastQuery>,
) -> Result<Json<Reach>, ApiError> {
    reach(&api, &caller, (&id, &when), Topology::causes_of).await
}

/// Taken; valid from this journal record on.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopologyTaken {
    /// Absent: the same topology was valid already, nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    pub version: u64,
    pub cis: usize,
    pub edges: usize,
    /// Relations that name no CI: left out.
    pub dangling: u64,
    /// CIs whose class nobody knows.
    pub unknown_classes: u64,
    /// What was read and not understood, or left out, one line per thing with the line where it stands first.
    pub warnings: Vec<String>,
}

/// Replaces the whole topology (YAML or JSON, as in `topology/`); a faulty one is refused with every fault and its
/// place, and the old one stays.
#[utoipa::path(put, path = "/api/v1/topology", tag = "topology",
    request_body(content = String, content_type = "application/json"),
    responses((status = 202, body = TopologyTaken), (status = "default", body = Problem)))]
pub async fn replace(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<TopologyTaken>), ApiError> {
    caller.whole_tenant()?;
    let (seq, quality) = api.writes.topology(caller.tenant, caller.name, body.to_vec()).await.map_err(refused)?;
    let warnings = quality.warnings();
    let unknown_classes = quality.unknown_classes.values().map(|class| class.count).sum();
    let Quality { version, cis, edges, dangling, .. } = quality;
    let taken = TopologyTaken { seq, version, cis, edges, dangling: dangling.count, unknown_classes, warnings };
    Ok((StatusCode::ACCEPTED, Json(taken)))
}
