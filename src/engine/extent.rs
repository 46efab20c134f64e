//! Extent: what an incident's members add up to (CIs, organisations, business services hit), counted as they come.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{Alert, Spot};
use super::cell::Cell;
use super::lookup::Lookup;
use super::memory::is_zero;
use super::policy::priorities::Reach;
use super::slab::Place;
use crate::domain::ids::OrgId;
use crate::domain::topology::schema::Mode;
use crate::domain::topology::{CiIx, Edge, Topology};

/// Business services told, and CIs walked to find them.
const SERVICES_MAX: usize = 50;
const SERVICE_WALK_MAX: usize = 2000;
/// What is hit is found anew when one member in so many has left.
const LOST_SHARE: usize = 8;

/// How far an incident reaches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Extent {
    /// The root, and how many members were counted: members are only ever appended, or taken out by `take_out`.
    root: Place,
    counted: usize,
    /// Members on each CI or object.
    spots: Lookup<Spot, u32>,
    /// CIs that have failed, and those downstream that nothing keeps up.
    hit: Lookup<CiIx, ()>,
    hit_services: BTreeSet<Box<str>>,
    /// CIs downstream that only redundancy keeps up, and the services among them.
    #[serde(default, skip_serializing_if = "Lookup::is_empty")]
    risked: Lookup<CiIx, ()>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    risked_services: BTreeSet<Box<str>>,
    /// CIs that fell silent because what watches them failed: each hangs on its cause by sight alone.
    #[serde(default, skip_serializing_if = "Lookup::is_empty")]
    unseen: Lookup<Spot, ()>,
    /// Members that left since what is hit was found.
    lost: usize,
    /// CIs and objects that went with them since organisations were found.
    #[serde(default, skip_serializing_if = "is_zero")]
    gone: u64,
    pub services: Arc<[Box<str>]>,
    /// Services that redundancy still keeps up.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub at_risk: Arc<[Box<str>]>,
    /// What its priority is judged by.
    pub reach: Reach,
    pub orgs: Arc<[OrgId]>,
}

impl Extent {
    /// Distinct CIs and objects of the members.
    pub fn cis(&self) -> u32 {
        self.spots.len() as u32
    }

    /// CIs of which nothing is known, because what watches them is the cause.
    pub fn unseen(&self) -> u32 {
        self.unseen.len() as u32
    }

    fn has_hit(&self, ci: CiIx) -> bool {
        self.hit.get(&ci).is_some()
    }

    /// What is hit is found anew at the next count.
    pub fn doubt(&mut self) {
        self.lost = self.counted;
    }

    fn forget(&mut self, spot: Spot) {
        let Some(count) = self.spots.get_mut(&spot) else { return };
        *count -= 1;
        if *count == 0 {
            self.spots.remove(&spot);
            self.unseen.remove(&spot);
            self.gone += 1;
        }
    }

    fn find_orgs(&mut self, topology: &Topology, cis: impl Iterator<Item = CiIx>) {
        self.orgs = Arc::default();
        for ci in cis {
            self.add_org(topology, ci);
        }
    }

    fn add_org(&mut self, topology: &Topology, ci: CiIx) {
        let Some(org) = topology.attributes(ci).org.as_ref() else { return };
        if let Err(at) = self.orgs.binary_search(org) {
            let mut orgs = self.orgs.to_vec();
            orgs.insert(at, org.clone());
            self.orgs = orgs.into();
        }
    }

    fn judge(&mut self, topology: &Topology, ci: CiIx) {
        let attributes = topology.attributes(ci);
        self.reach.criticality = self.reach.criticality.into_iter().chain(attributes.criticality).min();
        self.reach.protection_level = self.reach.protection_level.max(attributes.db_level.unwrap_or(0));
    }

    /// A CI has failed: what depends on it and is not kept up by redundancy is hit too.
    fn strike(&mut self, topology: &Topology, ci: CiIx) {
        self.judge(topology, ci);
        if self.hit.len() >= SERVICE_WALK_MAX || self.hit.insert(ci, ()).is_some() {
            return;
        }
        let (known, risked) = (self.hit_services.len(), self.risked_services.len());
        let mut queue = vec![ci];
        while let Some(ci) = queue.pop() {
            if topology.class(ci).is_service {
                self.hit_services.insert(topology.name(ci).into());
                self.judge(topology, ci);
            }
            for edge in topology.effects(ci) {
                let more = self.hit.len() < SERVICE_WALK_MAX && !self.has_hit(edge.ci);
                if !more || !harms(topology, *edge) {
                    continue;
                }
                if self.is_kept_up(topology, *edge) {
                    self.risk(topology, edge.ci);
                } else {
                    self.hit.insert(edge.ci, ());
                    queue.push(edge.ci);
                }
            }
        }
        let more_hit = self.hit_services.len() > known;
        if more_hit {
            self.reach.services = self.hit_services.len() as u32;
            self.services = self.hit_services.iter().take(SERVICES_MAX).cloned().collect();
        }
        if more_hit || self.risked_services.len() > risked {
            self.at_risk = self.risked_services.difference(&self.hit_services).take(SERVICES_MAX).cloned().collect();
        }
    }

    /// A CI has lost a part of its redundancy: with the next part it falls, and all that depends on it.
    fn risk(&mut self, topology: &Topology, ci: CiIx) {
        let mut queue = vec![ci];
        while let Some(ci) = queue.pop() {
            let more = self.risked.len() < SERVICE_WALK_MAX && !self.has_hit(ci);
            if !more || self.risked.insert(ci, ()).is_some() {
                continue;
            }
            if topology.class(ci).is_service {
                self.risked_services.insert(topology.name(ci).into());
            }
            queue.extend(topology.effects(ci).iter().filter(|edge| harms(topology, **edge)).map(|edge| edge.ci));
        }
    }

    /// Whether enough of the edge's redundancy group is not hit, so that its effect end holds.
    fn is_kept_up(&self, topology: &Topology, edge: Edge) -> bool {
        let Some(group) = topology.group(edge.ci, edge.group) else { return false };
        let partners = topology.causes(edge.ci).iter().filter(|e| e.group == edge.group);
        let failed = partners.filter(|e| self.has_hit(e.ci)).count() as u32;
        !group.falls_at(failed)
    }
}

/// Whether a failure travels along an edge, not only the sight of it.
fn harms(topology: &Topology, edge: Edge) -> bool {
    topology.kind(edge.kind).mode != Mode::Visibility
}

impl Cell {
    /// Counts the members of a group's incident that came since the last time.
    pub fn count_extent(&mut self, place: Place) {
        let topology = self.topology.clone();
        let group = &mut self.groups[place];
        let Some(incident) = group.incident.as_mut() else { return };
        let mut extent = std::mem::take(&mut incident.extent);
        // A few that left do not change what is hit by much.
        if extent.lost > 0 && LOST_SHARE * extent.lost >= extent.counted {
            extent = Extent { orgs: extent.orgs, ..Extent::default() };
        }
        if std::mem::take(&mut extent.gone) > 0 || extent.counted == 0 {
            let counted = &group.members[..extent.counted];
            extent.find_orgs(&topology, counted.iter().filter_map(|m| self.alerts[*m].spot.ci()));
        }
        // What only warns is at risk, not hit.
        let failed = |alert: &Alert| alert.inferred.is_some() || alert.is_serious();
        let is_blind = |ci: CiIx, alert: &Alert| {
            let Some(cause) = alert.parent.and_then(|parent| self.alerts.get(parent)?.spot.ci()) else { return false };
            let mut between = topology.causes(ci).iter().filter(|edge| edge.ci == cause).peekable();
            between.peek().is_some() && !between.any(|edge| harms(&topology, *edge))
        };
        for member in &group.members[extent.counted..] {
            let alert = &self.alerts[*member];
            let known = extent.spots.or_insert_with(alert.spot, || 0);
            *known += 1;
            let fresh = *known == 1;
            let Some(ci) = alert.spot.ci() else { continue };
            if fresh {
                extent.add_org(&topology, ci);
            }
            if is_blind(ci, alert) {
                extent.unseen.insert(alert.spot, ());
            } else if failed(alert) {
                extent.strike(&topology, ci);
            }
        }
        let root = &self.alerts[group.root];
        // What only warns, and nobody else with it, has hit nothing.
        let hits = failed(root) || group.members.len() > 1;
        if let Some(ci) = root.spot.ci().filter(|ci| hits && (extent.root != group.root || !extent.has_hit(*ci))) {
            extent.root = group.root;
            extent.strike(&topology, ci);
        }
        extent.counted = group.members.len();
        incident.extent = extent;
    }

    /// Takes members out of a group.
    pub fn take_out(&mut self, group: Place, leaves: impl Fn(&Place) -> bool) {
        let (alerts, group) = (&self.alerts, &mut self.groups[group]);
        let Some(incident) = group.incident.as_mut() else {
            return group.members.retain(|m| !leaves(m));
        };
        let extent = &mut incident.extent;
        let (mut at, mut out) = (0, 0);
        group.members.retain(|member| {
            let leaves = leaves(member);
            if leaves && at < extent.counted {
                extent.forget(alerts[*member].spot);
                out += 1;
            }
            at += 1;
            !leaves
        });
        (extent.counted, extent.lost) = (extent.counted - out, extent.lost + out);
    }

    /// All members count otherwise than before.
    pub fn recount(&mut self, group: Place) {
        if let Some(incident) = self.groups.get_mut(group).and_then(|g| g.incident.as_mut()) {
            incident.extent = Extent::default();
        }
    }
}
