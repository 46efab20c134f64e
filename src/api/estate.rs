//! How the estate is now: CIs and what alerts among them by layer, area and site, and the CIs in the most trouble.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::incident_types::Ci;
use super::layout;
use super::problem::{ApiError, Problem};
use super::state::Api;
use crate::domain::alert::AlertState;
use crate::domain::ci::Area;
use crate::domain::ids::{CiId, IncidentId};
use crate::domain::severity::Severity;
use crate::domain::topology::Topology;
use crate::projection::scope::Scope;
use crate::projection::tenant::TenantView;
use crate::wording::lang::Text;
use crate::wording::words::{AreaWord, SeverityWord};

/// Sites in the answer: the ones with the most alerting CIs.
const SITES_MAX: usize = 200;
/// CIs in trouble that are named.
const HOT_MAX: usize = 20;

/// How many there are, and how they are.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Census {
    pub cis: u64,
    /// CIs with an alert that fires and is not muted.
    pub alerting: u64,
    /// Alerting CIs by their worst severity.
    pub by_severity: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<SeverityWord>,
}

impl Census {
    fn count(&mut self, trouble: Option<&Trouble>) {
        self.cis += 1;
        let Some(trouble) = trouble else { return };
        let word = SeverityWord::from(trouble.severity);
        self.alerting += 1;
        *self.by_severity.entry(word.word()).or_default() += 1;
        self.worst = self.worst.max(Some(word));
    }
}

/// One layer, 0 facility to 6 business.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LayerHealth {
    pub layer: u8,
    pub label: Text,
    #[serde(flatten)]
    pub census: Census,
}

/// One managed-object area.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AreaHealth {
    pub area: AreaWord,
    #[serde(flatten)]
    pub census: Census,
}

/// One site of the CMDB.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SiteHealth {
    pub site: String,
    #[serde(flatten)]
    pub census: Census,
    /// Its layers, from the facility up.
    pub layers: Vec<LayerHealth>,
}

/// A CI in trouble.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HotCi {
    pub ci: Ci,
    pub severity: SeverityWord,
    /// Its alerts that fire.
    pub firing: u32,
    /// Events folded into them.
    pub events: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

/// The estate as it is now, of what the caller may see.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Estate {
    /// The topology's version; 0: none has been given yet.
    pub version: u64,
    pub at: String,
    #[serde(flatten)]
    pub census: Census,
    /// From business down to the facility.
    pub layers: Vec<LayerHealth>,
    pub areas: Vec<AreaHealth>,
    /// By name; when there are too many, those with the most alerting CIs.
    pub sites: Vec<SiteHealth>,
    pub sites_cut: usize,
    /// The worst first.
    pub hot: Vec<HotCi>,
    /// Objects that alert and that the CMDB does not know.
    pub strangers: u64,
}

/// What fires on one CI.
pub(super) struct Trouble {
    ci: Ci,
    pub severity: Severity,
    pub firing: u32,
    events: u64,
    incident: Option<IncidentId>,
}

/// CIs, and what alerts among them, by layer, area and site.
#[utoipa::path(get, path = "/api/v1/topology/health", tag = "topology",
    responses((status = 200, body = Estate), (status = "default", body = Problem)))]
pub async fn health(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Estate>, ApiError> {
    let topology = (api.topology)(&caller.tenant);
    let scope = caller.scope();
    // It looks at every CI: not on a thread that serves connections.
    let taken = tokio::task::spawn_blocking(move || {
        let state = api.live.read();
        let found = state.tenant(&scope.tenant).map(|tenant| troubles(tenant, &scope));
        let at = state.stamp.to_string();
        drop(state);
        let (troubles, strangers) = found.unwrap_or_default();
        estate(&topology, &scope, &troubles, strangers, at)
    });
    taken.await.map(Json).map_err(ApiError::internal)
}

/// What fires and is not muted by CI, and how many objects without one.
pub(super) fn troubles(tenant: &TenantView, scope: &Scope) -> (BTreeMap<CiId, Trouble>, u64) {
    let mut by_ci: BTreeMap<CiId, Trouble> = BTreeMap::new();
    let mut strangers = std::collections::BTreeSet::new();
    let firing = tenant.alerts.iter().filter(|row| row.view.state == AlertState::Firing);
    for row in firing.filter(|row| row.view.muted_by.is_empty() && scope.sees_ci(row.ci())) {
        let Some(ci) = &row.view.ci else {
            strangers.insert(row.view.object.clone());
            continue;
        };
        let trouble = by_ci.entry(ci.id.clone()).or_insert_with(|| Trouble {
            ci: ci.into(),
            severity: row.view.severity,
            firing: 0,
            events: 0,
            incident: None,
        });
        trouble.severity = trouble.severity.max(row.view.severity);
        trouble.firing += 1;
        trouble.events += row.count();
        trouble.incident = trouble.incident.or(row.view.incident);
    }
    (by_ci, strangers.len() as u64)
}

fn layered(layers: BTreeMap<u8, Census>) -> Vec<LayerHealth> {
    let item = |(layer, census)| LayerHealth { layer, label: layout::label(layer), census };
    layers.into_iter().map(item).collect()
}

fn estate(
    topology: &Topology,
    scope: &Scope,
    troubles: &BTreeMap<CiId, Trouble>,
    strangers: u64,
    at: String,
) -> Estate {
    let mut whole = Census::default();
    let mut layers: BTreeMap<u8, Census> = BTreeMap::new();
    let mut areas: BTreeMap<Area, Census> = Area::ALL.into_iter().map(|area| (area, Census::default())).collect();
    let mut sites: BTreeMap<&str, (Census, BTreeMap<u8, Census>)> = BTreeMap::new();
    for ci in topology.all() {
        let more = topology.attributes(ci);
        if !scope.sees_at(topology, ci) {
            continue;
        }
        let trouble = if troubles.is_empty() { None } else { troubles.get(topology.id(ci)) };
        let class = topology.class(ci);
        whole.count(trouble);
        layers.entry(class.layer).or_default().count(trouble);
        if let Some(area) = class.area {
            areas.entry(area).or_default().count(trouble);
        }
        if let Some(site) = &more.site {
            let (census, of_site) = sites.entry(site).or_default();
            census.count(trouble);
            of_site.entry(class.layer).or_default().count(trouble);
        }
    }
    let (sites, sites_cut) = shown_sites(sites);
    let mut layers = layered(layers);
    layers.reverse();
    Estate {
        version: topology.version(),
        at,
        census: whole,
        layers,
        areas: areas.into_iter().map(|(area, census)| AreaHealth { area: area.into(), census }).collect(),
        sites,
        sites_cut,
        hot: hottest(troubles),
        strangers,
    }
}

/// The sites with the most trouble, by name, and how many were left out.
fn shown_sites(sites: BTreeMap<&str, (Census, BTreeMap<u8, Census>)>) -> (Vec<SiteHealth>, usize) {
    let item = |(site, (census, layers)): (&str, (Census, BTreeMap<u8, Census>))| SiteHealth {
        site: site.to_owned(),
        census,
        layers: layered(layers),
    };
    let mut all: Vec<SiteHealth> = sites.into_iter().map(item).collect();
    all.sort_by_key(|site| (std::cmp::Reverse(site.census.alerting), std::cmp::Reverse(site.census.cis)));
    let cut = all.len().saturating_sub(SITES_MAX);
    all.truncate(SITES_MAX);
    all.sort_by(|a, b| a.site.cmp(&b.site));
    (all, cut)
}

fn hottest(troubles: &BTreeMap<CiId, Trouble>) -> Vec<HotCi> {
    let mut all: Vec<&Trouble> = troubles.values().collect();
    all.sort_by(|a, b| {
        let rank = |one: &Trouble| (one.severity, one.firing, one.events);
        rank(b).cmp(&rank(a)).then_with(|| a.ci.id.cmp(&b.ci.id))
    });
    let item = |one: &&Trouble| HotCi {
        ci: one.ci.clone(),
        severity: one.severity.into(),
        firing: one.firing,
        events: one.events,
        incident: one.incident.map(|id| id.to_string()),
    };
    all.iter().take(HOT_MAX).map(item).collect()
}
