//! Seeded storms over several tenants with all kinds of inputs between the events, for the tests of promises.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::domain::ids::{AlertId, IncidentId, ReceiverId, SilenceId, TenantId};
use headwater::domain::mute::Silence;
use headwater::domain::time::{Span, Timestamp};
use headwater::domain::topology::Topology;
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Command, Delivered, DeliveryOutcome, Digest, Input, Order};
use headwater::engine::policy::Policy;
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use headwater::journal::digest::digest_of;
use headwater::lab::built_in::read_topology;
use headwater::lab::estate::{Scale, sample_estate};
use headwater::lab::storm::{Size, storm};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

/// 2026-06-01T00:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_780_272_000_000);

/// One record as the journal gives it, with what it names.
pub struct Step {
    pub at: Timestamp,
    pub input: Input,
    pub loaded: Loaded,
}

/// Topologies by digest, and their texts.
#[derive(Default)]
pub struct Shelf {
    topologies: BTreeMap<Digest, Arc<Topology>>,
    pub texts: BTreeMap<Digest, String>,
}

impl Shelf {
    fn put(&mut self, text: String, version: u64) -> Digest {
        let digest = digest_of(text.as_bytes());
        let topology = read_topology("story", text.as_bytes(), None, version).unwrap();
        self.topologies.insert(digest.clone(), topology);
        self.texts.insert(digest.clone(), text);
        digest
    }

    /// The engine that a restart finds.
    pub fn thaw(&self, frozen: &[u8]) -> Engine {
        let topology = |_, digest: &Digest| self.topologies.get(digest).cloned();
        let rules = |_, _: &Digest| Some(Policy::default_rules());
        Engine::thaw(frozen, Arc::new(Tuning::default()), topology, rules).unwrap()
    }
}

/// A storm as records, with what the engine said to each.
pub struct Story {
    pub shelf: Shelf,
    pub steps: Vec<Step>,
    pub effects: Vec<Vec<Effect>>,
    /// The engine before each step.
    pub states: Vec<Vec<u8>>,
}

/// Tenants of every story: two with a topology, one without.
pub const TENANTS: [&str; 3] = ["city", "county", "school"];

impl Story {
    /// Tells a story of `faults` faults for each tenant. The same seed tells the same one.
    pub fn seeded(seed: u64, faults: usize) -> Self {
        let scale = Scale { racks: 2, servers_per_rack: 3, vms_per_server: 2, applications: 1 };
        let mut shelf = Shelf::default();
        let digest = shelf.put(sample_estate(scale), 1);
        let topology = shelf.topologies[&digest].clone();
        let mut teller = Teller { rng: SmallRng::seed_from_u64(seed), known: BTreeMap::new() };
        let mut story = Self { shelf, steps: Vec::new(), effects: Vec::new(), states: Vec::new() };
        let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
        for tenant in &TENANTS[..2] {
            let input = Input::Topology {
                tenant: TenantId::from(*tenant),
                version: 1,
                digest: digest.clone(),
                author: "".into(),
            };
            let loaded = Loaded::Topology(topology.clone());
            story.tell(&mut engine, Step { at: BEGIN, input, loaded }, &mut teller);
        }
        for batch in batches(&topology, seed, faults) {
            let (at, tenant) = (batch.events[0].observed_at, batch.tenant.clone());
            story.tell(&mut engine, Step { at, input: Input::Batch(batch), loaded: Loaded::Nothing }, &mut teller);
            if let Some(input) = teller.between(&tenant, at) {
                story.tell(&mut engine, Step { at, input, loaded: Loaded::Nothing }, &mut teller);
            }
        }
        let end = Step { at: engine.now().plus(Span::hours(3)), input: Input::Tick, loaded: Loaded::Nothing };
        story.tell(&mut engine, end, &mut teller);
        story
    }

    fn tell(&mut self, engine: &mut Engine, step: Step, teller: &mut Teller) {
        self.states.push(engine.freeze());
        let effects = engine.step(step.at, &step.input, step.loaded.clone());
        teller.listen(&effects);
        self.steps.push(step);
        self.effects.push(effects);
    }
}

/// Events of all tenants in order of arrival, one to three of them in a record.
fn batches(topology: &Arc<Topology>, seed: u64, faults: usize) -> Vec<Batch> {
    let mut events = Vec::new();
    for (n, name) in TENANTS.iter().enumerate() {
        let size = Size { faults, gap: Span::mins(7), noise: 4 };
        let start = BEGIN.plus(Span::secs(20 * n as i64));
        events.extend(storm(topology, &TenantId::from(*name), start, size, seed * 10 + n as u64).events);
    }
    events.sort_by_key(|event| event.observed_at);
    let mut batches: Vec<Batch> = Vec::new();
    for event in events {
        match batches.last_mut() {
            Some(last) if last.tenant == event.tenant && last.events.len() < 3 => last.events.push(event),
            _ => batches.push(Batch {
                tenant: event.tenant.clone(),
                events: vec![event],
                rejected: Vec::new(),
                replay_of: None,
            }),
        }
    }
    batches
}

/// Remembers what there is to give orders about.
struct Teller {
    rng: SmallRng,
    known: BTreeMap<TenantId, (Vec<IncidentId>, Vec<AlertId>)>,
}

impl Teller {
    fn listen(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Incident { incident, .. } => {
                    let (incidents, _) = self.known.entry(incident.tenant.clone()).or_default();
                    if !incidents.contains(&incident.id) {
                        incidents.push(incident.id);
                    }
                }
                Effect::Alert { alert } => {
                    let (_, alerts) = self.known.entry(alert.tenant.clone()).or_default();
                    if !alerts.contains(&alert.id) {
                        alerts.push(alert.id);
                    }
                }
                _ => {}
            }
        }
    }

    /// Now and then something other than an event.
    fn between(&mut self, tenant: &TenantId, at: Timestamp) -> Option<Input> {
        if self.rng.gen_range(0..4) > 0 {
            return None;
        }
        let (incidents, alerts) = self.known.get(tenant).filter(|(incidents, _)| !incidents.is_empty())?;
        let mut pick = || incidents[self.rng.gen_range(0..incidents.len())];
        let (incident, other) = (pick(), pick());
        let alert = alerts[self.rng.gen_range(0..alerts.len())];
        let order = match self.rng.gen_range(0..14) {
            0 => Order::Acknowledge { incident },
            1 => Order::Assign { incident, assignee: "wang.li".into() },
            2 => Order::Comment { incident, text: "看看配电".into() },
            3 => Order::Snooze { incident, until: at.plus(Span::mins(9)) },
            4 => Order::Close { incident, note: "done".into(), findings: None },
            5 => Order::Reopen { incident },
            6 => Order::Merge { from: incident, into: other },
            7 => Order::Split { incident, alerts: vec![alert] },
            8 => Order::Move { alert, into: incident },
            9 => Order::ConfirmRoot { incident },
            10 => Order::Silence { silence: silence(at, self.rng.gen_range(0..9)) },
            11 => Order::ExpireSilence { id: SilenceId::from("s3") },
            12 => return Some(delivered(tenant, incident)),
            _ => return Some(Input::Tick),
        };
        Some(Input::Command(Command {
            tenant: tenant.clone(),
            actor: "wang.li".into(),
            id: "".into(),
            via: "".into(),
            order,
        }))
    }
}

fn silence(at: Timestamp, n: u32) -> Silence {
    let source = ["zabbix", "apm", "prometheus"][n as usize % 3];
    serde_json::from_value(json!({
        "id": format!("s{n}"), "created_by": "wang.li", "comment": "",
        "matchers": [[{"field": "source", "value": source}]],
        "starts_at": at.0, "ends_at": at.plus(Span::mins(5)).0,
    }))
    .unwrap()
}

fn delivered(tenant: &TenantId, incident: IncidentId) -> Input {
    Input::Delivered(Delivered {
        tenant: tenant.clone(),
        incident,
        receiver: ReceiverId::from("duty"),
        key: "story".into(),
        outcome: DeliveryOutcome::GaveUp("410 Gone".into()),
        attempts: 3,
        person: None,
        ticket: None,
        report: None,
        receipt: None,
    })
}
