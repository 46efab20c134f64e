//! A storm for the demo: faults that spread over an estate along its own relations, as native events.
//!
//! Seeded and deterministic. What breaks is drawn from classes with a high root prior; what follows is drawn from
//! the relations' strengths and delays; noise is added. The truth is returned beside the events.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::domain::event::{Event, ObjectRef, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::{CiIx, Topology};

/// CIs that one fault reaches at most.
const AFFECTED_MAX: usize = 250;
/// Layers up to which a CI counts as equipment, and from which as what people use.
const EQUIPMENT_LAYER: u8 = 1;
const PEOPLE_LAYER: u8 = 5;

/// How large a storm.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub faults: usize,
    /// Between the starts of two faults.
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

/// Makes a storm that begins at `start`.
pub fn storm(topology: &Topology, tenant: &TenantId, start: Timestamp, size: Size, seed: u64) -> Storm {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut made = Storm::default();
    let all: Vec<CiIx> = topology.all().collect();
    let breakable: Vec<CiIx> = all
        .iter()
        .copied()
        .filter(|ci| topology.class(*ci).root_prior >= 500 && topology.effects(*ci).len() >= 2)
        .collect();
    if breakable.is_empty() {
        return made;
    }
    for fault in 0..size.faults {
        let at = start.plus(Span(size.gap.0 * fault as i64));
        // Every class of breakable CIs has the same chance: there are many servers and few UPS.
        let mut classes: BTreeMap<&str, Vec<CiIx>> = BTreeMap::new();
        for ci in breakable.iter().filter(|ci| !made.roots.contains(ci)) {
            classes.entry(topology.class(*ci).id.as_ref()).or_default().push(*ci);
        }
        let Some(class) = classes.values().nth(rng.gen_range(0..classes.len().max(1))) else { break };
        let root = class[rng.gen_range(0..class.len())];
        made.roots.push(root);
        spread(topology, tenant, root, at, &mut rng, &mut made.events);
        for _ in 0..size.noise {
            let ci = all[rng.gen_range(0..all.len())];
            let at = at.plus(Span(rng.gen_range(0..size.gap.0.max(1))));
            made.events.push(event(topology, tenant, ci, at, Severity::Warning, "threshold-crossed", "阈值越限"));
        }
    }
    made.events.sort_by_key(|e| e.observed_at);
    for (n, event) in made.events.iter_mut().enumerate() {
        event.id = format!("demo-{seed}-{n}").into();
    }
    made
}

fn spread(
    topology: &Topology,
    tenant: &TenantId,
    root: CiIx,
    at: Timestamp,
    rng: &mut SmallRng,
    events: &mut Vec<Event>,
) {
    let mut hit: BTreeMap<CiIx, Timestamp> = BTreeMap::from([(root, at)]);
    let mut queue = vec![(at, root)];
    let end = at.plus(Span::mins(12));
    while let Some((at, ci)) = queue.pop() {
        let equipment = topology.class(ci).layer <= EQUIPMENT_LAYER;
        let severity = if ci == root || equipment { Severity::Critical } else { Severity::Major };
        let (name, zh) = if ci == root {
            ("device-failed", "设备故障")
        } else if equipment {
            ("unreachable", "不可达")
        } else if topology.class(ci).layer >= PEOPLE_LAYER {
            ("errors-high", "错误率升高")
        } else {
            ("not-responding", "无响应")
        };
        let raised = event(topology, tenant, ci, at, severity, name, zh);
        for repeat in 1..=rng.gen_range(0..3) {
            let mut again = raised.clone();
            again.observed_at = raised.observed_at.plus(Span::secs(60 * repeat));
            events.push(again);
        }
        let mut cleared = raised.clone();
        cleared.status = Status::Resolved;
        cleared.starts_at = end.plus(Span::secs(rng.gen_range(0..60)));
        cleared.observed_at = cleared.starts_at.plus(Span::secs(1));
        events.extend([raised, cleared]);
        for edge in topology.effects(ci) {
            let kind = topology.kind(edge.kind);
            let (_, pass) = kind.strength(*edge);
            if hit.len() >= AFFECTED_MAX || hit.contains_key(&edge.ci) || rng.gen_range(0..1000) >= pass {
                continue;
            }
            let delay = Span(kind.delay_typ.0 * rng.gen_range(500..1600) / 1000);
            let then = at.plus(delay);
            if then < end {
                hit.insert(edge.ci, then);
                queue.push((then, edge.ci));
            }
        }
    }
}

fn event(
    topology: &Topology,
    tenant: &TenantId,
    ci: CiIx,
    at: Timestamp,
    severity: Severity,
    name: &str,
    zh: &str,
) -> Event {
    let shown = topology.ci(ci);
    let source = match topology.class(ci).layer {
        0 => "动环监控",
        1 => "zabbix",
        2..=4 => "prometheus",
        _ => "apm",
    };
    let mut event = Event::new(tenant.clone(), SourceId::from(source), name, at);
    event.severity = severity;
    event.title = format!("{} {zh}", shown.name).into();
    event.object = ObjectRef { ci_id: Some(shown.id.to_string()), ..ObjectRef::default() };
    event.observed_at = at.plus(Span(800));
    event
}
