//! A storm for the demo: faults that spread over an estate along its own relations, as native events.
//!
//! Seeded and deterministic. What breaks is drawn from classes with a high root prior; what follows is drawn from
//! the relations' strengths and delays, with redundancy groups that hold until enough of them has failed. Some causes
//! report last, some never; some faults overlap; noise belongs to nobody. The truth is returned beside the events.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::domain::event::{Event, ObjectRef, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::{CiIx, Edge, Topology};

/// CIs that one fault reaches at most, and at least when another draw can do better.
const AFFECTED_MAX: usize = 250;
const AFFECTED_MIN: usize = 8;
/// Draws for one fault before the best one so far is taken.
const DRAWS_MAX: usize = 40;
/// Layers up to which a CI counts as equipment, and from which as what people use.
const EQUIPMENT_LAYER: u8 = 1;
const PEOPLE_LAYER: u8 = 5;
/// How long a fault lasts, and how many of the last ones are not over at the storm's end.
const LASTS: Span = Span::mins(12);
const UNFINISHED: usize = 3;
/// From the event to its arrival.
const LAG: Span = Span(800);

/// How large a storm.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub faults: usize,
    /// Between the starts of two faults, on average; half of them follow closely on another.
    pub gap: Span,
    /// Lone noise alerts per fault.
    pub noise: usize,
}

/// A storm and what it really was.
#[derive(Clone, Debug, Default)]
pub struct Storm {
    /// In order of arrival (`observed_at`).
    pub events: Vec<Event>,
    /// CIs that broke by themselves.
    pub roots: Vec<CiIx>,
}

/// When a broken CI itself reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reports {
    AtOnce,
    Last,
    Never,
}

/// One fault: who shows an alert when, and whether it went on from there.
struct Fault {
    root: CiIx,
    shown: BTreeMap<CiIx, Timestamp>,
    services: usize,
}

/// Makes a storm that begins at `start`.
pub fn storm(topology: &Topology, tenant: &TenantId, start: Timestamp, size: Size, seed: u64) -> Storm {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut made = Storm::default();
    let mut classes = breakable(topology);
    let mut at = start;
    for number in 0..size.faults {
        let Some(fault) = draw(topology, &mut classes, at, number, &mut rng) else { break };
        made.roots.push(fault.root);
        let mut teller = Teller { topology, tenant, rng: &mut rng, events: &mut made.events };
        teller.fault(&fault, at, number, number + UNFINISHED >= size.faults);
        teller.noise(at, size);
        let close = number % 2 == 0;
        at = at.plus(Span(size.gap.0 * if close { rng.gen_range(5..30) } else { rng.gen_range(170..195) } / 100));
    }
    made.events.sort_by_key(|e| e.observed_at);
    for (n, event) in made.events.iter_mut().enumerate() {
        event.id = format!("demo-{seed}-{n}").into();
    }
    made
}

/// CIs that can break by themselves and be noticed elsewhere, by class: there are many servers and few UPS, and each
/// class has its turn.
fn breakable(topology: &Topology) -> BTreeMap<&str, Vec<CiIx>> {
    let mut classes: BTreeMap<&str, Vec<CiIx>> = BTreeMap::new();
    for ci in topology.all() {
        let effects = topology.effects(ci);
        // A place (room, rack) holds things; it is not what breaks.
        let telling = effects.iter().filter(|e| topology.kind(e.kind).infers).count();
        if topology.class(ci).root_prior >= 500 && effects.len() >= 2 && 2 * telling >= effects.len() {
            classes.entry(topology.class(ci).id.as_ref()).or_default().push(ci);
        }
    }
    classes
}

/// Draws what breaks: wide enough to be noticed, and every other time people's services suffer.
fn draw(
    topology: &Topology,
    classes: &mut BTreeMap<&str, Vec<CiIx>>,
    at: Timestamp,
    number: usize,
    rng: &mut SmallRng,
) -> Option<Fault> {
    let mut best: Option<Fault> = None;
    for _ in 0..DRAWS_MAX {
        let class = classes.values().nth(rng.gen_range(0..classes.len().max(1)))?;
        let root = class[rng.gen_range(0..class.len())];
        let fault = spread(topology, root, at, rng);
        let wide = fault.shown.len() >= AFFECTED_MIN;
        let felt = number % 2 == 1 || fault.services > 0;
        let better = best.as_ref().is_none_or(|b| (b.services, b.shown.len()) < (fault.services, fault.shown.len()));
        if wide && felt {
            best = Some(fault);
            break;
        }
        if better {
            best = Some(fault);
        }
    }
    let fault = best?;
    // A class breaks once in a storm.
    classes.remove(topology.class(fault.root).id.as_ref());
    Some(fault)
}

/// Lets a fault travel from its root, soonest first.
fn spread(topology: &Topology, root: CiIx, at: Timestamp, rng: &mut SmallRng) -> Fault {
    let mut fault = Fault { root, shown: BTreeMap::from([(root, at)]), services: 0 };
    let mut failed = BTreeSet::new();
    let mut queue = BinaryHeap::from([Reverse((at, root))]);
    while let Some(Reverse((at, ci))) = queue.pop() {
        if !failed.insert(ci) {
            continue;
        }
        for edge in topology.effects(ci) {
            let kind = topology.kind(edge.kind);
            let (touch, pass) = if holds(topology, *edge, &failed) { kind.when_spared() } else { kind.when_alone() };
            let luck = rng.gen_range(0..1000);
            let then = at.plus(Span(kind.delay_typ.0 * rng.gen_range(500..1600) / 1000));
            if failed.contains(&edge.ci) || fault.shown.len() >= AFFECTED_MAX || then >= at.plus(LASTS) {
                continue;
            }
            if luck < touch && !fault.shown.contains_key(&edge.ci) {
                fault.shown.insert(edge.ci, then);
                fault.services += usize::from(topology.class(edge.ci).is_service);
            }
            if luck < pass {
                queue.push(Reverse((then, edge.ci)));
            }
        }
    }
    fault
}

/// Whether the redundancy group of an edge's far end still stands.
fn holds(topology: &Topology, edge: Edge, failed: &BTreeSet<CiIx>) -> bool {
    let Some(group) = topology.group(edge.ci, edge.group) else { return false };
    let partners = topology.causes(edge.ci).iter().filter(|e| e.group == edge.group);
    let down = partners.filter(|e| failed.contains(&e.ci)).count();
    !group.falls_at(u32::try_from(down).unwrap_or(u32::MAX))
}

/// Writes events.
struct Teller<'a> {
    topology: &'a Topology,
    tenant: &'a TenantId,
    rng: &'a mut SmallRng,
    events: &'a mut Vec<Event>,
}

impl Teller<'_> {
    fn fault(&mut self, fault: &Fault, at: Timestamp, number: usize, unfinished: bool) {
        let reports = match number % 4 {
            2 => Reports::Last,
            3 if fault.shown.len() >= AFFECTED_MIN => Reports::Never,
            _ => Reports::AtOnce,
        };
        let last = fault.shown.values().max().copied().unwrap_or(at);
        if number % 4 == 1 {
            self.change(fault.root, at.minus(Span::mins(4)));
        }
        for (ci, shown) in &fault.shown {
            let root = *ci == fault.root;
            if !self.topology.attributes(*ci).monitored || (root && reports == Reports::Never) {
                continue;
            }
            let late = if root && reports == Reports::Last { Span(last.since(at).0 + 20_000) } else { Span(0) };
            self.alert(*ci, *shown, late, root, (!unfinished).then_some(at.plus(LASTS)));
        }
    }

    /// An alert with its repeats and its end.
    fn alert(&mut self, ci: CiIx, at: Timestamp, late: Span, root: bool, end: Option<Timestamp>) {
        let layer = self.topology.class(ci).layer;
        let equipment = layer <= EQUIPMENT_LAYER;
        let severity = if root || equipment { Severity::Critical } else { Severity::Major };
        let (name, zh) = match (root, equipment, layer >= PEOPLE_LAYER) {
            (true, _, _) => ("device-failed", "设备故障"),
            (false, true, _) => ("unreachable", "不可达"),
            (false, false, true) => ("errors-high", "错误率升高"),
            (false, false, false) => ("not-responding", "无响应"),
        };
        let mut raised = self.event(ci, at, severity, name, zh);
        raised.observed_at = raised.observed_at.plus(late);
        for repeat in 1..=self.rng.gen_range(0..3) {
            let mut again = raised.clone();
            again.observed_at = raised.observed_at.plus(Span::secs(60 * repeat));
            self.events.push(again);
        }
        if let Some(end) = end {
            let mut cleared = raised.clone();
            cleared.status = Status::Resolved;
            cleared.starts_at = end.max(at).plus(Span::secs(self.rng.gen_range(1..60)));
            cleared.observed_at = cleared.starts_at.max(raised.observed_at).plus(Span::secs(1));
            self.events.push(cleared);
        }
        self.events.push(raised);
    }

    /// Alerts that belong to nobody.
    fn noise(&mut self, at: Timestamp, size: Size) {
        for _ in 0..size.noise {
            let ci = CiIx(self.rng.gen_range(0..self.topology.len().max(1)) as u32);
            let at = at.plus(Span(self.rng.gen_range(0..size.gap.0.max(1))));
            let noise = self.event(ci, at, Severity::Warning, "threshold-crossed", "阈值越限");
            self.events.push(noise);
        }
    }

    /// Somebody changed something there: evidence for the right fault.
    fn change(&mut self, ci: CiIx, at: Timestamp) {
        let mut change = self.event(ci, at, Severity::Indeterminate, "change-done", "变更已执行");
        change.status = Status::Change;
        self.events.push(change);
    }

    fn event(&self, ci: CiIx, at: Timestamp, severity: Severity, name: &str, zh: &str) -> Event {
        let shown = self.topology.ci(ci);
        let source = match self.topology.class(ci).layer {
            0 => "facility",
            1 => "zabbix",
            2..=4 => "prometheus",
            _ => "apm",
        };
        let mut event = Event::new(self.tenant.clone(), SourceId::from(source), name, at);
        event.severity = severity;
        event.title = format!("{} {zh}", shown.name).into();
        event.object = ObjectRef { ci_id: Some(shown.id.to_string()), ..ObjectRef::default() };
        event.observed_at = at.plus(LAG);
        event
    }
}
