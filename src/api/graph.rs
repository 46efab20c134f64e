//! The picture of an incident: its CIs in layers from business down to facility, how the fault spread, and
//! where each node goes. The same incident always gives the same picture.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::incidents::with_incident;
use super::layout;
use super::problem::{ApiError, Id, Problem};
use super::state::Api;
use crate::domain::alert::AlertState;
use crate::domain::ci::CiRef;
use crate::domain::ids::{CiId, IncidentId};
use crate::domain::incident::IncidentView;
use crate::domain::severity::Severity;
use crate::domain::topology::{CiIx, Topology};
use crate::projection::board::Incident;
use crate::projection::tenant::TenantView;
use crate::wording::words::{AreaWord, SeverityWord};

/// The most nodes; further CIs are drawn together per class.
pub const NODES_MAX: usize = 300;
/// Silent CIs that are drawn because they link what alerts.
const LINKS_MAX: usize = 40;
/// Members looked at.
const MEMBERS_MAX: usize = 20_000;

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
    /// Its alerts in this incident that fire.
    pub on_alert: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeverityWord>,
    /// Share of the posterior of being the root cause, per mille.
    pub score: i32,
    /// CIs drawn as this node.
    pub count: u32,
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
}

/// The whole picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub edges: Vec<Link>,
    /// Some CIs are drawn together.
    pub aggregated: bool,
    /// All CIs of the incident.
    pub total: usize,
    pub width: i32,
    pub height: i32,
}

/// The incident's topology graph with positions.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/graph", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = Graph), (status = "default", body = Problem)))]
pub async fn graph(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<IncidentId>,
) -> Result<Json<Graph>, ApiError> {
    let topology = (api.topology)(&caller.tenant);
    let found = with_incident(&api, &caller, id, facts);
    let (view, alerting) = found.ok_or(ApiError::NotFound("incident"))?;
    Ok(Json(draw(&view, &alerting, &topology)))
}

/// What the members say of one CI.
#[derive(Clone, Debug)]
pub struct Alerting {
    pub ci: CiRef,
    pub firing: u32,
    pub severity: Severity,
}

fn facts(incident: &Incident, tenant: &TenantView) -> (Arc<IncidentView>, BTreeMap<CiId, Alerting>) {
    let mut alerting: BTreeMap<CiId, Alerting> = BTreeMap::new();
    let rows = incident.members.iter().take(MEMBERS_MAX).filter_map(|id| tenant.alerts.get(*id));
    for alert in rows.map(|row| &row.view) {
        let Some(ci) = &alert.ci else { continue };
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

/// Draws an incident.
pub fn draw(view: &IncidentView, alerting: &BTreeMap<CiId, Alerting>, topology: &Topology) -> Graph {
    let mut picture = Picture { view, alerting, topology, nodes: BTreeMap::new() };
    let wanted = picture.wanted();
    let total = wanted.len();
    for ci in wanted.iter().take(NODES_MAX) {
        picture.add(ci);
    }
    let rest = &wanted[wanted.len().min(NODES_MAX)..];
    picture.add_together(rest);
    if rest.is_empty() {
        picture.add_links();
    }
    let edges = picture.edges();
    let mut nodes: Vec<Node> = picture.nodes.into_values().collect();
    let (width, height) = layout::place(&mut nodes, &edges);
    Graph { nodes, edges, aggregated: !rest.is_empty(), total, width, height }
}

struct Picture<'a> {
    view: &'a IncidentView,
    alerting: &'a BTreeMap<CiId, Alerting>,
    topology: &'a Topology,
    nodes: BTreeMap<CiId, Node>,
}

impl Picture<'_> {
    /// All CIs, the ones that matter most first: candidates, path, then by severity.
    fn wanted(&self) -> Vec<CiRef> {
        let candidates = self.view.candidates.iter().map(|c| &c.ci);
        let path = self.view.path.iter().flat_map(|step| [&step.cause, &step.effect]);
        let mut members: Vec<&Alerting> = self.alerting.values().collect();
        members.sort_by_key(|a| (std::cmp::Reverse(a.severity), a.ci.id.clone()));
        let mut seen = BTreeSet::new();
        let all = candidates.chain(path).chain(members.into_iter().map(|a| &a.ci));
        all.filter(|ci| seen.insert(ci.id.clone())).cloned().collect()
    }

    fn layer(&self, ci: &CiRef) -> u8 {
        match self.topology.find(ci.id.as_str()) {
            Some(ix) => self.topology.class(ix).layer,
            None => layout::layer_without_topology(ci.area),
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
            on_alert: alerting.map_or(0, |a| a.firing),
            severity: alerting.map(|a| a.severity.into()),
            score: candidate.map_or(0, |c| c.score),
            count: 1,
            x: 0,
            y: 0,
        };
        self.nodes.insert(ci.id.clone(), node);
    }

    fn add_together(&mut self, rest: &[CiRef]) {
        for ci in rest {
            let layer = self.layer(ci);
            let alerting = self.alerting.get(&ci.id);
            let id = CiId::from(format!("class:{}", ci.class));
            let node = self.nodes.entry(id.clone()).or_insert_with(|| Node {
                id: id.to_string(),
                name: String::new(),
                class: ci.class.to_string(),
                area: ci.area.map(Into::into),
                layer,
                is_root: false,
                is_anomaly: true,
                on_alert: 0,
                severity: None,
                score: 0,
                count: 0,
                x: 0,
                y: 0,
            });
            node.count += 1;
            node.on_alert += alerting.map_or(0, |a| a.firing);
            node.severity = node.severity.max(alerting.map(|a| a.severity.into()));
        }
    }

    /// Silent CIs that are a cause of at least two drawn ones and an effect of, or next to, another.
    fn add_links(&mut self) {
        let drawn: Vec<CiIx> = self.nodes.keys().filter_map(|id| self.topology.find(id.as_str())).collect();
        let mut children: BTreeMap<CiIx, u32> = BTreeMap::new();
        for edge in drawn.iter().flat_map(|ci| self.topology.causes(*ci)) {
            *children.entry(edge.ci).or_default() += 1;
        }
        for known in &drawn {
            children.remove(known);
        }
        let mut links: Vec<(u32, CiIx)> =
            children.into_iter().map(|(ci, n)| (n, ci)).filter(|(n, _)| *n >= 2).collect();
        links.sort_by_key(|(n, ci)| (std::cmp::Reverse(*n), *ci));
        let room = NODES_MAX.saturating_sub(self.nodes.len()).min(LINKS_MAX);
        for (_, ci) in links.into_iter().take(room) {
            self.add(&self.topology.ci(ci));
        }
    }

    fn edges(&self) -> Vec<Link> {
        let mut edges: BTreeMap<(String, String), Link> = BTreeMap::new();
        for (id, node) in &self.nodes {
            let Some(ix) = self.topology.find(id.as_str()) else { continue };
            for edge in self.topology.effects(ix) {
                let Some(target) = self.nodes.get(self.topology.id(edge.ci)) else { continue };
                let relation = self.topology.kind(edge.kind).relation.to_string();
                let hot = node.is_anomaly && target.is_anomaly;
                put(&mut edges, link(&node.id, &target.id, "dependency", relation, hot));
            }
        }
        for step in &self.view.path {
            let known = self.nodes.contains_key(&step.cause.id) && self.nodes.contains_key(&step.effect.id);
            if known {
                let (cause, effect) = (step.cause.id.as_str(), step.effect.id.as_str());
                let link = link(cause, effect, "spread", step.relation.to_string(), true);
                edges.insert((link.source.clone(), link.target.clone()), link);
            }
        }
        edges.into_values().collect()
    }
}

fn put(edges: &mut BTreeMap<(String, String), Link>, link: Link) {
    edges.entry((link.source.clone(), link.target.clone())).or_insert(link);
}

fn link(source: &str, target: &str, kind: &'static str, relation: String, is_anomaly: bool) -> Link {
    Link { source: source.into(), target: target.into(), kind, direction: "forward", relation, is_anomaly }
}
