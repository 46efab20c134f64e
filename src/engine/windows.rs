//! Windows: which rules with a schedule hold now. Looked at only when one begins or ends, never per event, and not
//! at all while nothing fires.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::alert::Spot;
use super::cell::Cell;
use super::deadlines::Due;
use super::policy::Policy;
use super::schedule::Schedule;
use crate::domain::ids::{CiId, RuleId};
use crate::domain::time::Timestamp;
use crate::domain::topology::{CiIx, Topology};

/// CIs looked at on the way up from a CI to what contains or carries it.
const ABOVE_MAX: usize = 256;

/// The schedules of mute rules and maintenance windows, as they stand.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Windows {
    /// How each schedule stands.
    rules: BTreeMap<RuleId, Standing>,
    /// When each is looked at again.
    due: BTreeSet<(Timestamp, RuleId)>,
    /// Nothing fires, so no timer is set: looked at again when something does.
    asleep: bool,
    /// CIs whose subtrees are meant by windows that are open.
    #[serde(skip)]
    roots: BTreeMap<CiId, BTreeSet<RuleId>>,
}

/// How one schedule stands.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Standing {
    open: bool,
    changes_at: Option<Timestamp>,
}

impl Windows {
    /// Whether the schedule of a rule holds now.
    pub fn is_open(&self, rule: &RuleId) -> bool {
        self.rules.get(rule).is_some_and(|standing| standing.open)
    }

    /// When the schedule of a rule changes next.
    pub fn next_change(&self, rule: &RuleId) -> Option<Timestamp> {
        self.rules.get(rule)?.changes_at
    }

    /// The open windows that mean this CI because it is below one of theirs (or is one of theirs).
    pub fn covering(&self, topology: &Topology, spot: Spot) -> BTreeSet<RuleId> {
        let Some(ci) = spot.ci().filter(|_| !self.roots.is_empty()) else { return BTreeSet::new() };
        let meant = above(topology, ci).into_iter().filter_map(|ci| self.roots.get(topology.id(ci)));
        meant.flatten().cloned().collect()
    }

    /// Looks at one schedule.
    fn look(&mut self, rule: &RuleId, schedule: &Schedule, now: Timestamp) {
        let standing = Standing { open: schedule.open_until(now).is_some(), changes_at: schedule.next_change(now) };
        self.rules.insert(rule.clone(), standing);
        self.due.extend(standing.changes_at.map(|at| (at, rule.clone())));
    }

    /// Finds the CIs of open windows again.
    pub fn find_roots(&mut self, policy: &Policy) {
        let mut roots: BTreeMap<CiId, BTreeSet<RuleId>> = BTreeMap::new();
        for window in policy.maintenance.all().iter().filter(|window| self.is_open(&window.id.id)) {
            for ci in &window.subtree {
                roots.entry(ci.clone()).or_default().insert(window.id.id.clone());
            }
        }
        self.roots = roots;
    }
}

/// The CI, what contains or carries it, what contains that, and so on.
fn above(topology: &Topology, ci: CiIx) -> BTreeSet<CiIx> {
    let mut found = BTreeSet::from([ci]);
    let mut open = vec![ci];
    while let Some(ci) = open.pop() {
        for edge in topology.causes(ci).iter().filter(|edge| topology.kind(edge.kind).encloses) {
            if found.len() < ABOVE_MAX && found.insert(edge.ci) {
                open.push(edge.ci);
            }
        }
    }
    found
}

impl Cell {
    /// Looks at all schedules: the set of rules is another one.
    pub fn look_at_windows(&mut self) {
        let (policy, now) = (self.policy.clone(), self.now);
        self.windows = Windows::default();
        for (rule, schedule) in policy.mute_schedules() {
            self.windows.look(rule, schedule, now);
        }
        self.windows.find_roots(&policy);
        self.wait_for_windows();
    }

    /// A timer: windows begin or end now. Alerts that fire are looked at again where it concerns them.
    pub fn pass_windows(&mut self) {
        let policy = self.policy.clone();
        let changed = self.look_at_due(&policy);
        if changed.is_empty() {
            // A timer of rules that are gone: those that hold have their own.
            return;
        }
        self.wait_for_windows();
        self.remute_for_rules(&changed);
    }

    /// Something begins to fire (or may be dropped): schedules that nobody looked at are looked at.
    pub fn wake_windows(&mut self) {
        if !std::mem::take(&mut self.windows.asleep) {
            return;
        }
        let policy = self.policy.clone();
        self.look_at_due(&policy);
        self.wait_for_windows();
    }

    /// Looks at the schedules that have changed by now; says which.
    fn look_at_due(&mut self, policy: &Policy) -> BTreeSet<RuleId> {
        let now = self.now;
        let mut changed = BTreeSet::new();
        while self.windows.due.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, rule)) = self.windows.due.pop_first()
        {
            if let Some((_, schedule)) = policy.mute_schedules().find(|(known, _)| **known == rule) {
                self.windows.look(&rule, schedule, now);
                changed.insert(rule);
            }
        }
        self.windows.find_roots(policy);
        changed
    }

    fn wait_for_windows(&mut self) {
        let Some((at, _)) = self.windows.due.first() else { return };
        if self.firing_now == 0 {
            self.windows.asleep = true;
        } else {
            self.deadlines.set(*at, Due::Windows);
        }
    }
}
