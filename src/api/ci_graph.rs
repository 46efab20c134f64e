//! The picture around one CI: what it needs and what needs it, in layers, with what alerts now.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::estate::{Trouble, troubles};
use super::graph::{DrawnOn, Graph, Link, Node, NodeState, link};
use super::layout;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use super::topology_past::{asked, topology_of};
use crate::domain::ids::CiId;
use crate::domain::topology::reach::{Limits, ReachState, Reached};
use crate::domain::topology::{CiIx, Topology};
use crate::projection::scope::Scope;

/// CIs that are drawn: when nobody says, and at most.
const NODES_USUAL: usize = 60;
const NODES_MAX: usize = 2_000;
/// Steps away from the CI.
const HOPS_USUAL: u8 = 2;
const HOPS_MAX: u8 = 12;

/// Which way to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    #[default]
    Both,
    /// What it may fail.
    Impact,
    /// What may fail it.
    Causes,
}

/// How much is drawn.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct CiGraphQuery {
    #[param(inline)]
    pub way: Way,
    /// Steps away from it, 1 to 12 (default 2).
    pub hops: Option<u8>,
    /// CIs, 1 to 2000 (default 60): the nearest and the likeliest.
    pub nodes: Option<usize>,
    /// In this version, or in the one that was valid `at` a moment (RFC 3339), in place of the present one.
    pub version: Option<u64>,
    pub at: Option<String>,
}

/// The CI with what is around it, with positions.
#[utoipa::path(get, path = "/api/v1/topology/cis/{id}/graph", tag = "topology",
    params(("id" = String, Path), CiGraphQuery),
    responses((status = 200, body = Graph), (status = "default", body = Problem)))]
pub async fn graph(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
    Params(query): Params<CiGraphQuery>,
) -> Result<Json<Graph>, ApiError> {
    let (hops, most) = (query.hops.unwrap_or(HOPS_USUAL), query.nodes.unwrap_or(NODES_USUAL));
    if !(1..=HOPS_MAX).contains(&hops) || !(1..=NODES_MAX).contains(&most) {
        return Err(ApiError::Bad(format!("hops: 1 to {HOPS_MAX}; nodes: 1 to {NODES_MAX}")));
    }
    let topology = topology_of(&api, &caller, asked(query.version, query.at.as_deref())?).await?;
    let current = (api.topology)(&caller.tenant).version();
    let scope = caller.scope();
    let seen = |ci: CiIx| scope.sees_at(&topology, ci);
    let centre = topology.find(&id).filter(|ci| seen(*ci)).ok_or(ApiError::NotFound("CI"))?;
    let drawn = tokio::task::spawn_blocking(move || {
        let state = api.live.read();
        let alerting = state.tenant(&scope.tenant).map(|tenant| troubles(tenant, &scope).0).unwrap_or_default();
        drop(state);
        let around = around(&topology, centre, &Around { way: query.way, hops, most }, &scope);
        let drawn_on = DrawnOn { version: topology.version(), current, lost: false };
        Graph { topology: drawn_on, ..draw(&topology, centre, &around, &alerting) }
    });
    drawn.await.map(Json).map_err(ApiError::internal)
}

struct Around {
    way: Way,
    hops: u8,
    most: usize,
}

/// What is around a CI, the nearest first, and how many there are.
struct Found {
    shown: BTreeMap<CiIx, ReachState>,
    total: usize,
}

fn around(topology: &Topology, centre: CiIx, wanted: &Around, scope: &Scope) -> Found {
    let limits = Limits { hops_max: wanted.hops, ..Limits::default() };
    let walk = |walked: bool, way: fn(&Topology, CiIx, &Limits) -> crate::domain::topology::reach::Reach| {
        if walked { way(topology, centre, &limits).reached } else { Vec::new() }
    };
    let down = walk(wanted.way != Way::Causes, Topology::impact);
    let up = walk(wanted.way != Way::Impact, Topology::causes_of);
    let mut all: Vec<Reached> = down.into_iter().chain(up).collect();
    all.retain(|one| scope.sees_at(topology, one.ci));
    all.sort_by_key(|one| (one.hops, std::cmp::Reverse(one.attenuation_pm), one.ci));
    let mut shown = BTreeMap::new();
    for one in &all {
        if shown.len() + 1 >= wanted.most {
            break;
        }
        shown.entry(one.ci).or_insert(one.state);
    }
    let mut distinct: Vec<CiIx> = all.iter().map(|one| one.ci).collect();
    distinct.sort_unstable();
    distinct.dedup();
    Found { shown, total: distinct.len() + 1 }
}

fn draw(topology: &Topology, centre: CiIx, around: &Found, alerting: &BTreeMap<CiId, Trouble>) -> Graph {
    let node = |ci: CiIx, state: Option<ReachState>| {
        let (own, trouble) = (topology.ci(ci), alerting.get(topology.id(ci)));
        let quiet = if state == Some(ReachState::Redundant) { NodeState::Redundant } else { NodeState::Quiet };
        Node {
            id: own.id.to_string(),
            name: own.name.to_string(),
            class: own.class.to_string(),
            area: own.area.map(Into::into),
            layer: topology.class(ci).layer,
            is_root: ci == centre,
            is_anomaly: trouble.is_some(),
            state: if trouble.is_some() { NodeState::Alerting } else { quiet },
            on_alert: trouble.map_or(0, |trouble| trouble.firing),
            severity: trouble.map(|trouble| trouble.severity.into()),
            score: 0,
            count: 1,
            outside: false,
            x: 0,
            y: 0,
        }
    };
    let mut nodes = vec![node(centre, None)];
    nodes.extend(around.shown.iter().filter(|(ci, _)| **ci != centre).map(|(ci, state)| node(*ci, Some(*state))));
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    let is_drawn = |ci: CiIx| ci == centre || around.shown.contains_key(&ci);
    let mut edges: Vec<Link> = Vec::new();
    for from in around.shown.keys().copied().chain([centre]) {
        for edge in topology.effects(from).iter().filter(|edge| is_drawn(edge.ci)) {
            let hot = [from, edge.ci].iter().all(|ci| alerting.contains_key(topology.id(*ci)));
            let relation = &topology.kind(edge.kind).relation;
            edges.push(link(topology.id(from), topology.id(edge.ci), "dependency", relation, hot));
        }
    }
    edges.sort();
    edges.dedup_by(|a, b| a.source == b.source && a.target == b.target);
    let (width, height, layers) = layout::place(&mut nodes, &edges);
    let aggregated = around.total > nodes.len();
    let version = topology.version();
    let topology = DrawnOn { version, current: version, lost: false };
    Graph { nodes, edges, layers, aggregated, total: around.total, width, height, topology }
}
