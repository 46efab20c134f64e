//! The verbs: what happens to an event. Pure: no clock, no dice, no I/O, no hash-map iteration.
//!
//! `Engine::step(stamp, input, loaded) -> effects` is the only door. Deadlines fire inside it at their own due time, so a late or
//! an extra tick changes nothing, unless more has become due than a step may do ([`passing`]). Stages in the order an event meets them: [`dedup`] (with [`identity`] and `enrich`), `mute` (with
//! `inhibit`), `correlate` (with `silent` and `upstream`), [`group`] (held or incident), `root_cause`, `lifecycle`, `route` (`notify`).

pub mod alert;
mod asked;
pub mod audience;
mod bonds;
pub mod budget;
pub mod calendar;
mod cell;
mod checks;
mod children;
pub mod choice;
mod composite;
mod correlate;
mod current;
pub mod deadlines;
pub mod dedup;
pub mod delays;
pub mod effect;
pub mod ending;
mod enrich;
pub mod explain;
mod extent;
mod facts;
pub mod fields;
mod fitting;
pub mod fixed;
pub mod flap;
pub mod flow;
mod fold;
mod gap;
mod gather;
pub mod group;
pub mod identity;
mod inhibit;
pub mod input;
mod kept;
mod kin;
mod lane;
mod learn;
mod lease;
mod lifecycle;
pub mod logit;
mod lookup;
pub mod memory;
mod mute;
mod newest;
pub mod notify;
pub mod obeyed;
pub mod oncall;
mod overtaken;
mod pairs;
pub mod passing;
mod patterns;
mod places;
pub mod policy;
mod promote;
mod rare;
mod recents;
mod regroup;
mod rivals;
mod root_cause;
pub mod route;
mod ruling;
pub mod schedule;
mod seen;
mod shared;
mod silences;
mod silent;
pub mod slab;
pub mod snapshot;
mod standing;
pub mod storm;
mod taken;
mod tally;
mod tickets;
mod touched;
mod trees;
pub mod tuning;
mod upstream;
pub mod verdict;
mod watch;
mod windows;
mod withdraw;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cell::Cell;
use correlate::Explained;
use dedup::Found;
use effect::Effect;
use identity::CiLookups;
use input::{Batch, Digest, Input};
use policy::Policy;
use policy::rule::RuleHits;
use slab::Place;
use tuning::Tuning;
use verdict::{Check, Hold, Repeat, Stage, Verdict};
use watch::Heard;

use crate::domain::event::Event;
use crate::domain::ids::{AlertId, IncidentId, ReceiverId, TenantId};
use crate::domain::incident::{Evidence, EvidenceTerm};
use crate::domain::time::Timestamp;
use crate::domain::topology::Topology;

/// What an input only names by digest, read and compiled by the caller.
#[derive(Clone, Debug, Default)]
pub enum Loaded {
    #[default]
    Nothing,
    Topology(Arc<Topology>),
    Policy(Arc<Policy>),
    /// The model's text, and what it says.
    Model(Arc<str>, Arc<Tuning>),
}

/// A tenant's topology.
#[derive(Clone, Debug)]
struct Known {
    version: u64,
    digest: Digest,
    topology: Arc<Topology>,
}

/// A tenant's rules.
#[derive(Clone, Debug)]
struct Ruled {
    digest: Digest,
    policy: Arc<Policy>,
}

/// A tenant's model.
#[derive(Clone, Debug)]
struct Modelled {
    version: u64,
    digest: Digest,
    text: Arc<str>,
    tuning: Arc<Tuning>,
}

/// One partition: the tenants whose hash falls on it. The only writer of its outbox.
#[derive(Clone, Debug)]
pub struct Engine {
    partition: u16,
    now: Timestamp,
    tuning: Arc<Tuning>,
    topologies: BTreeMap<TenantId, Known>,
    /// Tenants without rules of their own go by the built-in ones.
    policies: BTreeMap<TenantId, Ruled>,
    /// Tenants without a model of their own go by the engine's.
    models: BTreeMap<TenantId, Modelled>,
    /// Version and digest of what tenants' metric series are judged by: kept for whoever starts from this state.
    metric_models: BTreeMap<TenantId, (u64, Digest)>,
    cells: BTreeMap<TenantId, Cell>,
    /// Choices are kept for whoever asks.
    watches: bool,
    /// What a step does at most for time that has passed.
    overdue_max: usize,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn empty(partition: u16, tuning: Arc<Tuning>) -> Self {
        Self {
            partition,
            now: Timestamp(0),
            tuning,
            topologies: BTreeMap::new(),
            policies: BTreeMap::new(),
            models: BTreeMap::new(),
            metric_models: BTreeMap::new(),
            cells: BTreeMap::new(),
            watches: false,
            overdue_max: usize::MAX,
        }
    }

    /// Applies one input. `stamp` is the record's; the engine's clock never goes back.
    pub fn step(&mut self, stamp: Timestamp, input: &Input, loaded: Loaded) -> Vec<Effect> {
        // A later record may carry an earlier stamp when another writer took over.
        let to = self.now.max(stamp);
        let mut effects = Vec::new();
        self.pass_time(to, &mut effects);
        match input {
            _ if self.is_overtaken(input) => {}
            Input::Batch(batch) => self.on_batch(batch, &mut effects),
            Input::Command(command) => {
                let cell = self.cell(&command.tenant);
                cell.obey(command);
                cell.settle_composites();
                cell.tell(&mut effects);
            }
            Input::Topology { tenant, version, digest, .. } => {
                if let Loaded::Topology(topology) = loaded {
                    let known = Known { version: *version, digest: digest.clone(), topology: topology.clone() };
                    self.topologies.insert(tenant.clone(), known);
                    let cell = self.cell(tenant);
                    cell.take_topology(*version, topology);
                    cell.tell(&mut effects);
                }
            }
            Input::Policy { tenant, digest, .. } => {
                if let Loaded::Policy(policy) = loaded {
                    let ruled = Ruled { digest: digest.clone(), policy: policy.clone() };
                    self.policies.insert(tenant.clone(), ruled);
                    let cell = self.cell(tenant);
                    cell.take_policy(policy);
                    cell.tell(&mut effects);
                }
            }
            Input::Model { tenant, version, digest, .. } => {
                if let Loaded::Model(text, tuning) = loaded {
                    self.take_model(tenant, *version, digest, text, tuning);
                    let cell = self.cell(tenant);
                    cell.tell(&mut effects);
                }
            }
            Input::MetricModel { tenant, version, digest, .. } => {
                self.metric_models.insert(tenant.clone(), (*version, digest.clone()));
            }
            // What only runs beside decides nothing here.
            Input::Shadow { .. } => {}
            Input::Delivered(delivered) => {
                let cell = self.cell(&delivered.tenant);
                cell.note_delivery(delivered);
                cell.tell(&mut effects);
            }
            Input::Tick => {}
        }
        effects
    }

    /// Another model is valid: what was decided by the old one stays until it is looked at again.
    fn take_model(&mut self, tenant: &TenantId, version: u64, digest: &Digest, text: Arc<str>, tuning: Arc<Tuning>) {
        let modelled = Modelled { version, digest: digest.clone(), text, tuning: tuning.clone() };
        self.models.insert(tenant.clone(), modelled);
        let cell = self.cell(tenant);
        (cell.tuning, cell.model_version, cell.upstream) = (tuning, version, upstream::Upstream::default());
    }

    /// The engine's clock: the highest stamp seen.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The topology of a tenant.
    pub fn topology(&self, tenant: &TenantId) -> Option<Arc<Topology>> {
        self.topologies.get(tenant).map(|known| known.topology.clone())
    }

    /// The rules of a tenant: its own, else the built-in ones. Those that have expired are among them.
    pub fn policy(&self, tenant: &TenantId) -> Arc<Policy> {
        self.policies.get(tenant).map_or_else(Policy::default_rules, |ruled| ruled.policy.clone())
    }

    /// The tenants' topologies, with the version and the digest of each.
    pub fn topologies(&self) -> impl Iterator<Item = (&TenantId, u64, &Digest, &Arc<Topology>)> {
        self.topologies.iter().map(|(tenant, known)| (tenant, known.version, &known.digest, &known.topology))
    }

    /// The rules of tenants that have their own, with the digest of each.
    pub fn policies(&self) -> impl Iterator<Item = (&TenantId, &Digest, &Arc<Policy>)> {
        self.policies.iter().map(|(tenant, ruled)| (tenant, &ruled.digest, &ruled.policy))
    }

    /// The metric models of tenants that have their own: version and digest of each.
    pub fn metric_models(&self) -> impl Iterator<Item = (&TenantId, u64, &Digest)> {
        self.metric_models.iter().map(|(tenant, (version, digest))| (tenant, *version, digest))
    }

    /// The models of tenants that have their own: version and digest of each.
    pub fn models(&self) -> impl Iterator<Item = (&TenantId, u64, &Digest)> {
        self.models.iter().map(|(tenant, known)| (tenant, known.version, &known.digest))
    }

    /// Messages that receivers got in digests since ever, because they came too fast.
    pub fn held_back(&self, tenant: &TenantId) -> Vec<(ReceiverId, u64)> {
        let cell = self.cells.get(tenant);
        cell.into_iter().flat_map(|c| c.flows.held_back()).map(|(r, n)| (r.clone(), n)).collect()
    }

    /// How often each rule of a tenant has applied.
    pub fn rule_hits(&self, tenant: &TenantId) -> Option<&RuleHits> {
        self.cells.get(tenant).map(|cell| &cell.hits)
    }

    /// How events of a tenant found their CIs.
    pub fn ci_lookups(&self, tenant: &TenantId) -> Option<&CiLookups> {
        self.cells.get(tenant).map(|cell| &cell.lookups)
    }

    /// The tenants of which something is known.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.cells.keys()
    }

    /// The receivers that the routes of its tenants name, and those of tenants without rules of their own.
    pub fn receivers(&self) -> BTreeSet<ReceiverId> {
        let built_in = Policy::default_rules();
        let all = self.policies.values().map(|ruled| &ruled.policy).chain([&built_in]);
        all.flat_map(|policy| policy.receivers().into_iter().cloned().collect::<Vec<_>>()).collect()
    }

    /// Alerts in memory.
    pub fn alerts(&self) -> usize {
        self.cells.values().map(|c| c.by_alert.len()).sum()
    }

    /// The incidents that stand, and the alerts of each.
    pub fn incidents(&self) -> BTreeMap<IncidentId, BTreeSet<AlertId>> {
        self.cells.values().flat_map(Cell::incidents).collect()
    }

    fn cell(&mut self, tenant: &TenantId) -> &mut Cell {
        if !self.cells.contains_key(tenant) {
            let model = self.models.get(tenant);
            let (tuning, version) = model.map_or((&self.tuning, 0), |known| (&known.tuning, known.version));
            let mut cell = Cell::empty(tenant.clone(), self.partition, tuning.clone());
            cell.model_version = version;
            if let Some(known) = self.topologies.get(tenant) {
                (cell.topology_version, cell.topology) = (known.version, known.topology.clone());
            }
            cell.policy = self.policy(tenant).as_of(self.now);
            cell.choices = self.watches.then(Vec::new);
            self.cells.insert(tenant.clone(), cell);
        }
        // The partition's tenants share its ids: the key of a notice names no tenant.
        let newest = self.cells.values().map(|cell| cell.next_incident).max().unwrap_or(0);
        let cell = self.cells.get_mut(tenant).expect("just made");
        cell.next_incident = newest;
        (cell.now, cell.hits.now) = (self.now, self.now);
        cell
    }

    fn on_batch(&mut self, batch: &Batch, effects: &mut Vec<Effect>) {
        let cell = self.cell(&batch.tenant);
        effects.reserve(batch.events.len() + batch.rejected.len());
        for (index, event) in batch.events.iter().enumerate() {
            cell.moment.opened.clear();
            let verdict = cell.on_event(event);
            cell.heed(event, &verdict);
            cell.settle_composites();
            effects.push(Effect::Verdict { index: index as u32, verdict });
        }
        cell.tell(effects);
        for (index, letter) in batch.rejected.iter().enumerate() {
            let index = (batch.events.len() + index) as u32;
            effects.push(Effect::Verdict { index, verdict: Verdict::Rejected { why: letter.why.clone() } });
        }
    }
}

impl Cell {
    /// An event's journey through the stages, to its verdict.
    fn on_event(&mut self, event: &Event) -> Verdict {
        self.moment.checks.begin();
        let found = self.dedup(event);
        match self.renew(found, event) {
            Found::Repeat(place, why) => {
                if let (Some(place), Repeat::StillFiring) = (place, why) {
                    self.watch(place, Heard::Repeat);
                }
                Verdict::Duplicate { alert: place.map(|p| self.alerts[p].id), why }
            }
            Found::Resolved(place, why) => Verdict::Resolved { alert: place.map(|p| self.alerts[p].id), why },
            Found::Held(place, why) => {
                Verdict::Held { alert: place.map(|p| self.alerts[p].id), why, decision: Box::default() }
            }
            Found::Full => Verdict::Rejected { why: self.full() },
            Found::Dropped(by) => Verdict::Muted { alert: None, by, decision: Box::new(self.moment.checks.end()) },
            Found::Again(place) => {
                self.remute(place);
                self.watch(place, self.begun(place));
                self.place_verdict(place, None)
            }
            Found::Fresh(place) => {
                self.remute(place);
                if !self.alerts[place].takes_part() {
                    self.watch(place, Heard::Muted);
                    return self.place_verdict(place, None);
                }
                let explained = self.join_in(place);
                self.place_verdict(place, explained)
            }
        }
    }

    /// Finds where a fresh alert belongs: by rules first, then by evidence.
    fn join_in(&mut self, place: Place) -> Option<Explained> {
        let (explained, may_open) = if self.gather(place) {
            self.succeed_inferred(place);
            (None, false)
        } else {
            self.correlate(place)
        };
        // A pattern may join it to others: else it would open an incident that is absorbed at once.
        self.watch(place, Heard::Begin);
        if may_open {
            self.consider(self.alerts[place].group);
        }
        explained
    }

    fn place_verdict(&mut self, place: Place, explained: Option<Explained>) -> Verdict {
        let mut decision = Box::new(self.moment.checks.end());
        let alert = &self.alerts[place];
        if let Some(by) = alert.muted_by.first().filter(|_| !alert.takes_part()) {
            return Verdict::Muted { alert: Some(alert.id), by: by.clone(), decision };
        }
        // It is mostly the only one, and is kept for long.
        decision.checks.reserve_exact(1);
        decision.checks.push(self.correlation(place, explained));
        match self.incident_of(place) {
            Some(incident) if self.moment.opened.contains(&incident) => {
                Verdict::Opened { alert: alert.id, incident, decision }
            }
            Some(incident) => Verdict::Joined { alert: alert.id, incident, decision },
            None => {
                let below = self.moment.below.as_ref().map_or(Hold::Lone, |_| Hold::BelowThreshold);
                let why = if alert.chronic { Hold::Chronic } else { below };
                Verdict::Held { alert: Some(alert.id), why, decision }
            }
        }
    }

    /// What correlation looked at, with its numbers.
    fn correlation(&self, place: Place, explained: Option<Explained>) -> Check {
        let alert = &self.alerts[place];
        let about = alert.parent.map_or_else(Box::default, |p| self.alerts[p].object.as_ref().into());
        let mut evidence = explained.map_or_else(Vec::new, |explained| explained.evidence(self.background(place)));
        evidence.extend(explained.and_then(|it| it.weighed).iter().flat_map(|weighed| self.weighed(weighed)));
        let rule = self.ruled_by(place).cloned();
        if let Some(rule) = &rule {
            evidence.push(Evidence { term: EvidenceTerm::Rule, points: 0, n: 1, of: 0, about: rule.as_str().into() });
        }
        let matched = alert.parent.is_some() || rule.is_some();
        Check { stage: Stage::Correlate, matched, rule, about, evidence, unmet: None }
    }
}
