//! The picture of an incident: its CIs in layers from business down to facility, how the fault spread, and
//! where each node goes. The same incident always gives the same picture. Many CIs are drawn together per class.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::incidents::with_incident;
use super::layout::{self, Band};
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use super::topology_past::topology_of;
use crate::domain::alert::AlertState;
use crate::domain::ci::CiRef;
use crate::domain::ids::{CiId, IncidentId};
use crate::domain::incident::IncidentView;
use crate::domain::severity::Severity;
use crate::domain::topology::reach::{Limits, ReachState};
use crate::domain::topology::{CiIx, Topology};
use crate::projection::board::Incident;
use crate::projection::history::audit::Valid;
use crate::projection::sight::Sight;
use crate::projection::tenant::TenantView;
use crate::wording::words::{AreaWord, SeverityWord};

/// The most CIs that are drawn one by one; further ones are drawn together per class.
pub const NODES_MAX: usize = 2_000;
/// CIs drawn one by one when nobody says how many.
const NODES_USUAL: usize = 300;
/// Neighbours of one CI that are drawn on request, and CIs whose neighbours may be.
const NEIGHBOURS_MAX: usize = 60;
const EXPANDED_MAX: usize = 20;
/// Silent CIs that are drawn because they link what alerts.
const LINKS_MAX: usize = 40;
/// CIs next to the root that are drawn because redundancy keeps them up.
const HELD_UP_MAX: usize = 8;
/// Members looked at.
const MEMBERS_MAX: usize = 20_000;

/// How a CI is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Without an alert in this incident.
    Quiet,
    /// The root cause hits it, but redundancy keeps it up.
    Redundant,
    /// Its alerts of this incident are resolved.
    Resolved,
    /// Alerts fire.
    Alerting,
    /// Believed to have failed without an alert of its own.
    Inferred,
}

/// How much is drawn.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct GraphQuery {
    /// CIs drawn one by one, 1 to 2000 (default 300); further ones are drawn together per class.
    pub nodes: Option<usize>,
    /// Ids of CIs whose neighbours are drawn, too: repeat the key, at most 20.
    pub expand: Vec<String>,
    /// On which topology.
    #[param(inline)]
    pub topology: Ground,
}

/// The topology that a picture is drawn on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ground {
    /// The one that was valid at the incident's end, or while it is open the one by which it was judged last.
    #[default]
    Then,
    /// The one that is valid now.
    Now,
}

/// What a picture was drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DrawnOn {
    /// The topology's version.
    pub version: u64,
    /// The version that is valid now; another one: the CMDB has changed since.
    pub current: u64,
    /// The version of that time is not kept any more: the present one is in its place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// A CI in the picture, or several of one class.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Node {
    /// The CI's id; `class:<id>` for several together.
    pub id: String,
    pub name: String,
    pub class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<AreaWord>,
    /// 0 facility to 6 business.
    pub layer: u8,
    pub is_root: bool,
    /// It alerts, or is believed to have failed silently.
    pub is_anomaly: bool,
    pub state: NodeState,
    /// Its alerts in this incident that fire.
    pub on_alert: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeverityWord>,
    /// Share of the posterior of being the root cause, per mille.
    pub score: i32,
    /// CIs drawn as this node.
    pub count: u32,
    /// It stands for what the caller may not see, and has no name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
    pub x: i32,
    pub y: i32,
}

/// A relation between two nodes, from cause to effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Link {
    pub source: String,
    pub target: String,
    /// `spread`: the fault went this way; `dependency`: the topology knows it.
    pub kind: &'static str,
    /// Always `forward`: from cause to effect.
    pub direction: &'static str,
    /// Relation type, for example `hosts`.
    pub relation: String,
    pub is_anomaly: bool,
    /// Relations drawn as this one.
    pub count: u32,
}

/// The whole picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub edges: Vec<Link>,
    /// From top to bottom.
    pub layers: Vec<Band>,
    /// Some CIs are drawn together.
    pub aggregated: bool,
    /// All CIs of the incident.
    pub total: usize,
    pub width: i32,
    pub height: i32,
    pub topology: DrawnOn,
}

/// The incident's topology graph with positions.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/graph", tag = "incidents", params(("id" = String, Path), GraphQuery),
    responses((status = 200, body = Graph), (status = "default", body = Problem)))]
pub async fn graph(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<IncidentId>,
    Params(query): Params<GraphQuery>,
) -> Result<Json<Graph>, ApiError> {
    let alone_max = query.nodes.unwrap_or(NODES_USUAL);
    if !(1..=NODES_MAX).contains(&alone_max) {
        return Err(ApiError::Bad(format!("nodes: 1 to {NODES_MAX}")));
    }
    if query.expand.len() > EXPANDED_MAX {
        return Err(ApiError::Bad(format!("expand: at most {EXPANDED_MAX} CIs")));
    }
    let then = with_incident(&api, &caller, id, |incident, _| then(&incident.view));
    let then = then.ok_or(ApiError::NotFound("incident"))?;
    let (topology, drawn_on) = ground(&api, &caller, then.filter(|_| query.topology == Ground::Then)).await?;
    let sight = Sight::new(caller.scope(), topology.clone());
    let found = with_incident(&api, &caller, id, |incident, tenant| facts(incident, tenant, &sight));
    let (view, alerting) = found.ok_or(ApiError::NotFound("incident"))?;
    let view = &sight.incident(&view);
    let facts = Facts { view, alerting: &alerting, topology: &topology, sight: &sight, expanded: &query.expand };
    Ok(Json(Graph { topology: drawn_on, ..draw(&facts, alone_max) }))
}

/// The topology of an incident's time: what was valid at its end, or what it was judged by last. None: there was none.
fn then(view: &IncidentView) -> Option<Valid> {
    let judged = (view.topology_version > 0).then_some(Valid::Version(view.topology_version))?;
    // What people write to it after its end does not bring it into another time.
    Some(view.closed_at.map_or(judged, Valid::At))
}

/// The topology to draw an incident on: that of its time, or the present one.
async fn ground(api: &Arc<Api>, caller: &Caller, then: Option<Valid>) -> Result<(Arc<Topology>, DrawnOn), ApiError> {
    let now = (api.topology)(&caller.tenant);
    let current = now.version();
    let found = match topology_of(api, caller, then).await {
        Err(ApiError::NotFound(_)) => None,
        found => Some(found?),
    };
    let lost = found.is_none();
    let topology = found.unwrap_or(now);
    let drawn_on = DrawnOn { version: topology.version(), current, lost };
    Ok((topology, drawn_on))
}

/// What the members say of one CI.
#[derive(Clone, Debug)]
pub struct Alerting {
    pub ci: Arc<CiRef>,
    pub firing: u32,
    pub severity: Severity,
}

fn facts(incident: &Incident, tenant: &TenantView, sight: &Sight) -> (Arc<IncidentView>, BTreeMap<CiId, Alerting>) {
    let mut alerting: BTreeMap<CiId, Alerting> = BTreeMap::new();
    let rows = incident.members.iter().take(MEMBERS_MAX).filter_map(|id| tenant.alerts.get(*id));
    for alert in rows.map(|row| &row.view) {
        let Some(ci) = alert.ci.as_ref().filter(|ci| sight.sees(ci)) else { continue };
        let fires = alert.state == AlertState::Firing;
        let entry = alerting.entry(ci.id.clone()).or_insert_with(|| Alerting {
            ci: ci.clone(),
            firing: 0,
            severity: Severity::Cleared,
        });
        entry.firing += u32::from(fires);
        if fires {
            entry.severity = entry.severity.max(alert.severity);
        }
    }
    (incident.view.clone(), alerting)
}

/// Draws an incident as the caller sees it, at most `alone_max` of its CIs one by one.
fn draw(facts: &Facts<'_>, alone_max: usize) -> Graph {
    let mut picture = Picture::of(facts);
    let wanted = picture.wanted();
    let (alone, rest) = wanted.split_at(wanted.len().min(alone_max));
    alone.iter().for_each(|ci| picture.add(ci));
    let mut per_class: BTreeMap<&str, u32> = BTreeMap::new();
    for ci in rest {
        *per_class.entry(&ci.class).or_default() += 1;
    }
    for ci in rest {
        // A class of one gains nothing by losing its name.
        if per_class[&*ci.class] == 1 { picture.add(ci) } else { picture.add_together(ci) }
    }
    if rest.is_empty() {
        picture.add_links(alone_max);
    }
    picture.add_held_up();
    let edges = picture.edges();
    let mut nodes: Vec<Node> = picture.nodes.into_values().collect();
    let (width, height, layers) = layout::place(&mut nodes, &edges);
    let version = facts.topology.version();
    let topology = DrawnOn { version, current: version, lost: false };
    Graph { nodes, edges, layers, aggregated: !rest.is_empty(), total: wanted.len(), width, height, topology }
}

/// What a picture is made of.
struct Facts<'a> {
    /// As the caller sees it.
    view: &'a IncidentView,
    /// CIs inside the caller's sight.
    alerting: &'a BTreeMap<CiId, Alerting>,
    topology: &'a Topology,
    sight: &'a Sight,
    /// CIs whose neighbours are wanted.
    expanded: &'a [String],
}

struct Picture<'a> {
    view: &'a IncidentView,
    alerting: &'a BTreeMap<CiId, Alerting>,
    topology: &'a Topology,
    sight: &'a Sight,
    expanded: &'a [String],
    /// What becomes of CIs when the root cause fails.
    reach: BTreeMap<CiIx, ReachState>,
    nodes: BTreeMap<CiId, Node>,
    /// The node of every CI that is drawn.
    drawn: BTreeMap<CiId, CiId>,
}

impl<'a> Picture<'a> {
    fn of(facts: &Facts<'a>) -> Self {
        let Facts { view, alerting, topology, sight, expanded } = *facts;
        let root = view.candidates.first().and_then(|root| topology.find(root.ci.id.as_str()));
        let reached = root.map(|root| topology.impact(root, &Limits::default()).reached).unwrap_or_default();
        let reach = reached.into_iter().map(|reached| (reached.ci, reached.state)).collect();
        Self { view, alerting, topology, sight, expanded, reach, nodes: BTreeMap::new(), drawn: BTreeMap::new() }
    }

    /// All CIs, the ones that matter most first: candidates, path, then by severity.
    fn wanted(&self) -> Vec<Arc<CiRef>> {
        let candidates = self.view.candidates.iter().map(|c| &c.ci);
        let path = self.view.path.iter().flat_map(|step| [&step.cause, &step.effect]);
        let mut members: Vec<&Alerting> = self.alerting.values().collect();
        members.sort_by_key(|a| (std::cmp::Reverse(a.severity), a.ci.id.clone()));
        let mut seen = BTreeSet::new();
        let first = candidates.chain(path).cloned().chain(self.neighbours());
        let all = first.chain(members.into_iter().map(|a| a.ci.clone()));
        all.filter(|ci| seen.insert(ci.id.clone())).collect()
    }

    /// What is next to the CIs that were asked for.
    fn neighbours(&self) -> Vec<Arc<CiRef>> {
        let known = self.expanded.iter().filter_map(|id| self.topology.find(id)).filter(|ci| self.sight.sees_at(*ci));
        let next = known.flat_map(|ci| {
            let edges = self.topology.causes(ci).iter().chain(self.topology.effects(ci));
            edges.map(|edge| edge.ci).filter(|ci| self.sight.sees_at(*ci)).take(NEIGHBOURS_MAX)
        });
        next.map(|ci| self.topology.ci(ci)).collect()
    }

    fn layer(&self, ci: &CiRef) -> u8 {
        match self.topology.find(ci.id.as_str()) {
            Some(ix) => self.topology.class(ix).layer,
            None => layout::layer_without_topology(ci.area),
        }
    }

    fn state(&self, ci: &CiRef, is_root: bool) -> NodeState {
        match self.alerting.get(&ci.id) {
            Some(alerting) if alerting.firing > 0 => NodeState::Alerting,
            Some(_) => NodeState::Resolved,
            None if is_root => NodeState::Inferred,
            None => {
                let reached = self.topology.find(ci.id.as_str()).and_then(|ix| self.reach.get(&ix));
                if reached == Some(&ReachState::Redundant) { NodeState::Redundant } else { NodeState::Quiet }
            }
        }
    }

    fn add(&mut self, ci: &CiRef) {
        let alerting = self.alerting.get(&ci.id);
        let candidate = self.view.candidates.iter().find(|c| c.ci.id == ci.id);
        let is_root = self.view.candidates.first().is_some_and(|c| c.ci.id == ci.id);
        let node = Node {
            id: ci.id.to_string(),
            name: ci.name.to_string(),
            class: ci.class.to_string(),
            area: ci.area.map(Into::into),
            layer: self.layer(ci),
            is_root,
            is_anomaly: alerting.is_some() || is_root,
            state: self.state(ci, is_root),
            on_alert: alerting.map_or(0, |a| a.firing),
            severity: alerting.map(|a| a.severity.into()),
            score: candidate.map_or(0, |c| c.score),
            count: 1,
            outside: ci.is_outside(),
            x: 0,
            y: 0,
        };
        self.nodes.insert(ci.id.clone(), node);
        self.drawn.insert(ci.id.clone(), ci.id.clone());
    }

    fn add_together(&mut self, ci: &CiRef) {
        let (layer, state) = (self.layer(ci), self.state(ci, false));
        let alerting = self.alerting.get(&ci.id);
        let id = CiId::from(format!("class:{}", ci.class));
        let node = self.nodes.entry(id.clone()).or_insert_with(|| Node {
            id: id.to_string(),
            name: String::new(),
            class: ci.class.to_string(),
            area: ci.area.map(Into::into),
            layer,
            is_root: false,
            is_anomaly: false,
            state,
            on_alert: 0,
            severity: None,
            score: 0,
            count: 0,
            outside: false,
            x: 0,
            y: 0,
        });
        node.count += 1;
        node.is_anomaly |= alerting.is_some();
        node.on_alert += alerting.map_or(0, |a| a.firing);
        node.severity = node.severity.max(alerting.map(|a| a.severity.into()));
        node.state = node.state.max(state);
        self.drawn.insert(ci.id.clone(), id);
    }

    /// Silent CIs that are a cause of at least two drawn ones and an effect of, or next to, another.
    fn add_links(&mut self, alone_max: usize) {
        let drawn: Vec<CiIx> = self.nodes.keys().filter_map(|id| self.topology.find(id.as_str())).collect();
        let mut children: BTreeMap<CiIx, u32> = BTreeMap::new();
        for edge in drawn.iter().flat_map(|ci| self.topology.causes(*ci)) {
            *children.entry(edge.ci).or_default() += 1;
        }
        for known in &drawn {
            children.remove(known);
        }
        let mut links: Vec<(u32, CiIx)> =
            children.into_iter().map(|(ci, n)| (n, ci)).filter(|(n, ci)| *n >= 2 && self.sight.sees_at(*ci)).collect();
        links.sort_by_key(|(n, ci)| (std::cmp::Reverse(*n), *ci));
        let room = alone_max.saturating_sub(self.nodes.len()).min(LINKS_MAX);
        for (_, ci) in links.into_iter().take(room) {
            self.add(&self.topology.ci(ci));
        }
    }

    /// What hangs on the root cause and is held up by something else: the risk that is left.
    fn add_held_up(&mut self) {
        let root = self.view.candidates.first().and_then(|root| self.topology.find(root.ci.id.as_str()));
        let Some(root) = root else { return };
        let next = self.topology.effects(root).iter().map(|edge| edge.ci);
        let held_up: BTreeSet<CiIx> = next
            .filter(|ci| self.reach.get(ci) == Some(&ReachState::Redundant))
            .filter(|ci| !self.drawn.contains_key(self.topology.id(*ci)) && self.sight.sees_at(*ci))
            .collect();
        for ci in held_up.into_iter().take(HELD_UP_MAX) {
            self.add(&self.topology.ci(ci));
        }
    }

    fn edges(&self) -> Vec<Link> {
        let mut edges: BTreeMap<(&str, &str), Link> = BTreeMap::new();
        for (id, from) in &self.drawn {
            let Some(ix) = self.topology.find(id.as_str()) else { continue };
            for edge in self.topology.effects(ix) {
                let Some(to) = self.drawn.get(self.topology.id(edge.ci)).filter(|to| *to != from) else { continue };
                let hot = self.nodes[from].is_anomaly && self.nodes[to].is_anomaly;
                let relation = &self.topology.kind(edge.kind).relation;
                let link = edges
                    .entry((from.as_str(), to.as_str()))
                    .or_insert_with(|| link(from, to, "dependency", relation, hot));
                link.count += 1;
            }
        }
        for step in self.view.path.iter() {
            let (Some(from), Some(to)) = (self.drawn.get(&step.cause.id), self.drawn.get(&step.effect.id)) else {
                continue;
            };
            if from == to {
                continue;
            }
            let spread = link(from, to, "spread", &step.relation, true);
            let known = edges.entry((from.as_str(), to.as_str())).or_insert_with(|| spread.clone());
            *known = Link { count: known.count.max(1), ..spread };
        }
        edges.into_values().collect()
    }
}

pub(super) fn link(source: &CiId, target: &CiId, kind: &'static str, relation: &str, is_anomaly: bool) -> Link {
    let (source, target, relation) = (source.to_string(), target.to_string(), relation.to_owned());
    Link { source, target, kind, direction: "forward", relation, is_anomaly, count: 0 }
}
