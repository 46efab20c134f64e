//! Earlier versions of the topology, and what has changed since one of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::incident_types::Ci;
use super::paging::Listed;
use super::past::past;
use super::problem::{ApiError, Params, Problem};
use super::state::Api;
use super::topology_past::{named, topology_of};
use crate::domain::topology::{CiIx, CiState, Topology};
use crate::projection::history::audit::{self, Audited, Valid};

/// Versions in one answer.
const VERSIONS_MAX: usize = 500;
/// CIs and relations that are named per kind of change; further ones are only counted.
const NAMED_MAX: usize = 200;

/// A version of the topology.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TopologyVersion {
    pub version: u64,
    pub at: String,
    pub author: String,
    /// SHA-256 of its text.
    pub digest: String,
    pub current: bool,
}

/// Since when.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct DiffQuery {
    /// The version to compare with; default: the one before the present one.
    pub from: Option<u64>,
}

/// Some of one kind of change, and how many there are.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Changed<T> {
    pub count: u64,
    /// At most 200.
    pub items: Vec<T>,
}

impl<T> Default for Changed<T> {
    fn default() -> Self {
        Self { count: 0, items: Vec::new() }
    }
}

impl<T> Changed<T> {
    fn push(&mut self, make: impl FnOnce() -> T) {
        self.count += 1;
        if self.items.len() < NAMED_MAX {
            self.items.push(make());
        }
    }
}

/// A CI that is the same and not alike.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangedCi {
    pub ci: Ci,
    pub fields: Vec<FieldChange>,
}

/// What it was and is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldChange {
    /// name, class, site, org, owner_team, criticality, state or monitored.
    pub field: &'static str,
    pub before: String,
    pub after: String,
}

/// A relation from cause to effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct RelationItem {
    pub cause: String,
    pub relation: String,
    pub effect: String,
}

/// What has changed.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct TopologyDiff {
    pub from: u64,
    pub to: u64,
    pub added: Changed<Ci>,
    pub removed: Changed<Ci>,
    pub changed: Changed<ChangedCi>,
    pub relations_added: Changed<RelationItem>,
    pub relations_removed: Changed<RelationItem>,
}

/// All versions that the history knows, newest first.
#[utoipa::path(get, path = "/api/v1/topology/versions", tag = "topology",
    responses((status = 200, body = Listed<TopologyVersion>), (status = "default", body = Problem)))]
pub async fn versions(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Listed<TopologyVersion>>, ApiError> {
    caller.whole_tenant()?;
    let current = (api.topology)(&caller.tenant).version();
    let items = known(&api, &caller).await?.iter().filter_map(|entry| version(entry, current)).collect();
    Ok(Json(Listed { items, next: None, feed: None }))
}

async fn known(api: &Arc<Api>, caller: &Caller) -> Result<Vec<Audited>, ApiError> {
    let scope = caller.scope();
    past(api, move |history| audit::entries_of(history, &scope, &["topology"], None, VERSIONS_MAX)).await
}

fn version(entry: &Audited, current: u64) -> Option<TopologyVersion> {
    let (version, digest) = named(entry)?;
    let (at, author) = (entry.at.to_string(), entry.actor.clone());
    Some(TopologyVersion { version, at, author, digest: digest.0.to_string(), current: version == current })
}

/// What has changed in the topology since an earlier version.
#[utoipa::path(get, path = "/api/v1/topology/diff", tag = "topology", params(DiffQuery),
    responses((status = 200, body = TopologyDiff), (status = "default", body = Problem)))]
pub async fn diff(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<DiffQuery>,
) -> Result<Json<TopologyDiff>, ApiError> {
    caller.whole_tenant()?;
    let now = (api.topology)(&caller.tenant);
    let all: Vec<TopologyVersion> =
        known(&api, &caller).await?.iter().filter_map(|entry| version(entry, now.version())).collect();
    let wanted = |one: &&TopologyVersion| query.from.map_or(one.version < now.version(), |from| one.version == from);
    let from = all.iter().find(wanted).ok_or(ApiError::NotFound("earlier version of the topology"))?;
    let before = topology_of(&api, &caller, Some(Valid::Version(from.version))).await?;
    // Comparing large CMDBs takes a while: not on a thread that serves connections.
    let made = tokio::task::spawn_blocking(move || compare(&before, &now)).await;
    made.map(Json).map_err(ApiError::internal)
}

fn ci(topology: &Topology, ix: CiIx) -> Ci {
    (&topology.ci(ix)).into()
}

const fn state(state: CiState) -> &'static str {
    match state {
        CiState::Running => "running",
        CiState::Maintenance => "maintenance",
        CiState::Retired => "retired",
    }
}

fn compare(before: &Topology, now: &Topology) -> TopologyDiff {
    let mut diff = TopologyDiff { from: before.version(), to: now.version(), ..TopologyDiff::default() };
    for ix in now.all() {
        match before.find(now.id(ix).as_str()) {
            None => diff.added.push(|| ci(now, ix)),
            Some(was) => {
                let fields = fields(before, was, now, ix);
                if !fields.is_empty() {
                    diff.changed.push(|| ChangedCi { ci: ci(now, ix), fields });
                }
            }
        }
        let (was, is) = (before.find(now.id(ix).as_str()), relations(now, ix));
        let had = was.map(|was| relations(before, was)).unwrap_or_default();
        is.difference(&had).for_each(|one| diff.relations_added.push(|| one.clone()));
        had.difference(&is).for_each(|one| diff.relations_removed.push(|| one.clone()));
    }
    for was in before.all().filter(|was| now.find(before.id(*was).as_str()).is_none()) {
        diff.removed.push(|| ci(before, was));
        relations(before, was).into_iter().for_each(|one| diff.relations_removed.push(|| one));
    }
    diff
}

/// What a CI may fail, as far as the CMDB says so itself.
fn relations(topology: &Topology, ix: CiIx) -> BTreeSet<RelationItem> {
    let item = |edge: &crate::domain::topology::Edge| RelationItem {
        cause: topology.id(ix).to_string(),
        relation: topology.kind(edge.kind).relation.to_string(),
        effect: topology.id(edge.ci).to_string(),
    };
    topology.effects(ix).iter().filter(|edge| !topology.is_presumed_from(ix, edge)).map(item).collect()
}

fn fields(before: &Topology, was: CiIx, now: &Topology, is: CiIx) -> Vec<FieldChange> {
    let (old, new) = (before.attributes(was), now.attributes(is));
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let number = |value: Option<u8>| value.map(|n| n.to_string()).unwrap_or_default();
    let all = [
        ("name", before.name(was).to_owned(), now.name(is).to_owned()),
        ("class", before.class(was).id.to_string(), now.class(is).id.to_string()),
        ("site", text(old.site.as_deref()), text(new.site.as_deref())),
        ("org", text(old.org.as_ref().map(|o| o.as_str())), text(new.org.as_ref().map(|o| o.as_str()))),
        ("owner_team", text(old.owner_team.as_deref()), text(new.owner_team.as_deref())),
        ("criticality", number(old.criticality), number(new.criticality)),
        ("state", state(old.state).to_owned(), state(new.state).to_owned()),
        ("monitored", old.monitored.to_string(), new.monitored.to_string()),
    ];
    let changed = all.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(field, before, after)| FieldChange { field, before, after }).collect()
}
