//! What happens in a story: sources, operators and receivers beside instances that crash, sleep and disagree, all in the
//! order that one seed gives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context as _, Result, anyhow, ensure};
use rand::Rng;
use rand::seq::SliceRandom as _;

use super::instance::{Instance, Reads};
use super::log::{Shared, lock};
use super::world::{BEGIN, ENDED, Planted, World};
use crate::domain::event::Event;
use crate::domain::ids::TenantId;
use crate::domain::partition::partition_of;
use crate::domain::time::Span;
use crate::domain::topology::Topology;
use crate::engine::input::{Batch, Command, Delivered, DeliveryOutcome, Input, Order};
use crate::engine::passing::OVERDUE_MAX;
use crate::lab::built_in::read_topology;
use crate::lab::estate::{Scale, sample_estate};
use crate::lab::storm::{Size, storm};
use crate::pipeline::Pace;
use crate::pipeline::lease::Duty;

/// Often enough that every story has snapshots of several partitions.
const PACE: Pace = Pace {
    snapshot_every: 25,
    remade_records_max: u64::MAX,
    overdue_max: OVERDUE_MAX,
    archive_every: std::time::Duration::from_secs(3600),
};
/// The journal is too long to make a lost view again from its records.
const IMPATIENT: Pace = Pace { remade_records_max: 10, ..PACE };
/// Rounds after the last fault within which everything must have come to rest.
const ROUNDS_MAX: usize = 3_000;

/// The estate of every story, as text and compiled.
fn estate() -> &'static (Vec<u8>, Arc<Topology>) {
    static ESTATE: OnceLock<(Vec<u8>, Arc<Topology>)> = OnceLock::new();
    ESTATE.get_or_init(|| {
        let text = sample_estate(Scale { racks: 1, servers_per_rack: 2, vms_per_server: 1, applications: 1 });
        let topology = read_topology("story", text.as_bytes(), None, 1).expect("the sample estate can be read");
        (text.into_bytes(), topology)
    })
}

/// Four tenants on three partitions: the last one shares the first one's.
fn tenants() -> &'static [TenantId; 4] {
    static TENANTS: OnceLock<[TenantId; 4]> = OnceLock::new();
    TENANTS.get_or_init(|| {
        let city = TenantId::from("city");
        let towns = (0..).map(|number| TenantId::from(format!("town{number}").as_str()));
        let town = towns.into_iter().find(|town| partition_of(town) == partition_of(&city));
        [city, TenantId::from("county"), TenantId::from("school"), town.expect("there are 64 partitions")]
    })
}

/// A story under way.
pub struct Story {
    pub world: Shared,
    pub instances: Vec<Instance>,
    /// What each receiver was told, by key.
    pub told: BTreeMap<Box<str>, String>,
    /// How lost views are made again.
    pub pace: Pace,
    inputs: VecDeque<Input>,
    planted: Planted,
    step: usize,
}

impl Story {
    pub fn new(seed: u64, planted: Planted) -> Self {
        // One in four is a file of one instance.
        let is_shared = seed % 4 != 3;
        let mut world = World::new(seed, is_shared, planted);
        let count = if is_shared { world.dice.gen_range(2..=3) } else { 1 };
        let inputs = inputs(&mut world, seed);
        let mut instances: Vec<Instance> = (0..count).map(Instance::new).collect();
        for instance in &mut instances {
            instance.skew = Span::secs(world.dice.gen_range(-2..=2));
        }
        let world = Arc::new(Mutex::new(world));
        let pace = if seed / 4 % 4 == 1 { IMPATIENT } else { PACE };
        // In every third story the engines never catch up in one step with time that has passed.
        let overdue_max = if seed.is_multiple_of(3) { 3 } else { pace.overdue_max };
        let pace = Pace { overdue_max, ..pace };
        Self { world, instances, told: BTreeMap::new(), pace, inputs, planted, step: 0 }
    }

    /// Tells all of it, up to the rest behind the last fault.
    pub fn play(&mut self) -> Result<()> {
        self.share_out();
        while !self.inputs.is_empty() || self.step < 150 {
            self.step += 1;
            self.happen().with_context(|| format!("in step {}", self.step))?;
        }
        self.settle()
    }

    fn roll(&self, sides: u32) -> u32 {
        lock(&self.world).dice.gen_range(0..sides)
    }

    fn tell(&self, what: &'static str, how: impl std::fmt::Display) {
        lock(&self.world).tell(what, how);
    }

    fn happen(&mut self) -> Result<()> {
        let number = self.roll(self.instances.len() as u32) as usize;
        match self.roll(100) {
            0..60 => self.go_on(number)?,
            60..74 => self.publish(),
            74..79 => self.pass_time(),
            79..83 => self.order(number),
            83..88 => self.send(number)?,
            88..90 => self.share_out(),
            90..92 => self.crash(number),
            92..94 => {
                let steps = self.roll(60) as usize;
                self.instances[number].asleep_until = self.step + steps;
                self.tell("sleep", format_args!("{number} for {steps} steps"));
            }
            94..97 => {
                if let Some(life) = &mut self.instances[number].life {
                    life.claim_again();
                }
            }
            97..98 => lock(&self.world).arrive_late(),
            _ => self.repeat(),
        }
        Ok(())
    }

    /// One round of an instance, which starts it when it is down.
    fn go_on(&mut self, number: usize) -> Result<()> {
        if self.instances[number].asleep_until > self.step {
            return Ok(());
        }
        let reads = [Reads::Records, Reads::Decisions, Reads::Nothing][self.roll(3) as usize];
        let ticks = self.roll(3) == 0;
        let instance = &mut self.instances[number];
        let went = match &mut instance.life {
            Some(life) => life.go_on(reads, ticks, self.planted),
            None => {
                let mut world = lock(&self.world);
                while !world.is_shared && !world.late.is_empty() {
                    world.arrive_late();
                }
                world.tell("start", number);
                drop(world);
                instance.start(&self.world, self.pace)
            }
        };
        self.note_end(number, went)
    }

    /// An instance ends when it must; any other error is a finding.
    fn note_end(&mut self, number: usize, went: Result<()>) -> Result<()> {
        let Err(error) = went else { return Ok(()) };
        if !format!("{error:#}").contains(ENDED) {
            return Err(error.context(format!("instance {number} stopped")));
        }
        self.crash(number);
        Ok(())
    }

    fn crash(&mut self, number: usize) {
        self.tell("crash", number);
        self.instances[number].crash(&self.world);
        let mut world = lock(&self.world);
        if world.is_hit(30) {
            world.harm_snapshots();
        }
    }

    /// A source publishes what comes next, again when it does not know.
    fn publish(&mut self) {
        let Some(input) = self.inputs.front() else { return };
        let tenant = tenant_of(input);
        let mut world = lock(&self.world);
        if let Input::Batch(batch) = input {
            world.now = world.now.max(batch.events[0].observed_at);
        }
        if world.append(partition_of(tenant), input).is_ok() {
            drop(world);
            self.inputs.pop_front();
        }
    }

    /// A source publishes again what is in the journal already.
    fn repeat(&mut self) {
        let mut world = lock(&self.world);
        if world.journal.is_empty() {
            return;
        }
        let count = world.journal.len();
        let place = world.dice.gen_range(0..count);
        let record = world.journal[place].clone();
        if matches!(*record.input, Input::Batch(_)) {
            world.tell("repeat", record.seq);
            let _ = world.append(record.partition, &record.input);
        }
    }

    fn pass_time(&mut self) {
        let mut world = lock(&self.world);
        let seconds = world.dice.gen_range(1..180);
        world.now = world.now.plus(Span::secs(seconds));
        world.tell("time passes", seconds);
    }

    /// Somebody sees an incident on a screen and gives an order.
    fn order(&mut self, number: usize) {
        let Some(life) = &self.instances[number].life else { return };
        let tenant = &tenants()[self.roll(4) as usize];
        let live = life.owner.live.read();
        let incidents: Vec<_> =
            live.tenant(tenant).into_iter().flat_map(|view| view.board.incidents()).map(|one| one.view.id).collect();
        drop(live);
        let mut world = lock(&self.world);
        let (Some(&incident), Some(&other)) = (incidents.choose(&mut world.dice), incidents.choose(&mut world.dice))
        else {
            return;
        };
        let until = world.now.plus(Span::mins(9));
        let order = match world.dice.gen_range(0..8) {
            0 | 1 => Order::Acknowledge { incident },
            2 => Order::Comment { incident, text: "看看配电".into() },
            3 => Order::Snooze { incident, until },
            4 => Order::Close { incident, note: "done".into(), findings: None },
            5 => Order::Reopen { incident },
            6 => Order::Merge { from: incident, into: other },
            _ => Order::ConfirmRoot { incident },
        };
        world.tell("order", format_args!("{order:?}"));
        let command = Command { tenant: tenant.clone(), actor: "wang.li".into(), id: "".into(), via: "".into(), order };
        // A person sees that it did not work, and leaves it.
        let _ = world.append(partition_of(tenant), &Input::Command(command));
    }

    /// An instance whose turn it is tells a receiver what waits longest, and writes down how that ended.
    fn send(&mut self, number: usize) -> Result<()> {
        if self.instances[number].asleep_until > self.step {
            return Ok(());
        }
        let Some(life) = &self.instances[number].life else { return Ok(()) };
        let (owner, sends) = (&life.owner, &self.instances[number].duty.sends);
        let waiting = owner.courier.lock().waiting_of(|tenant| sends.contains(&partition_of(tenant)));
        let Some((key, place)) = waiting.into_iter().next() else { return Ok(()) };
        let notice =
            owner.courier.notice(place, &key)?.with_context(|| format!("notice {key} is not in the outbox"))?;
        let text = serde_json::to_string(&notice)?;
        let before = self.told.insert(key.clone(), text.clone());
        ensure!(before.is_none_or(|before| before == text), "notice {key} was told in two ways");
        let outcome = match self.roll(8) {
            0 => DeliveryOutcome::GaveUp("410 Gone".into()),
            1 => DeliveryOutcome::Folded,
            _ => DeliveryOutcome::Accepted,
        };
        let tenant = notice.incident.tenant.clone();
        let (incident, receiver) = (notice.incident.id, notice.receiver);
        let delivered = Delivered {
            tenant,
            incident,
            receiver,
            key,
            outcome,
            attempts: 1,
            person: None,
            ticket: None,
            report: None,
            receipt: None,
        };
        let mut world = lock(&self.world);
        world.tell("told", &delivered.key);
        let _ = world.append(partition_of(&delivered.tenant), &Input::Delivered(delivered));
        Ok(())
    }

    /// Each instance learns whose turn it is, as far as it knows: two may believe it, or nobody.
    fn share_out(&mut self) {
        for instance in &mut self.instances {
            let mut world = lock(&self.world);
            let is_shared = world.is_shared;
            let drawn = |world: &mut World| -> BTreeSet<u16> {
                let numbers = tenants().iter().map(partition_of).collect::<BTreeSet<_>>();
                numbers.into_iter().filter(|_| !is_shared || world.dice.gen_bool(0.6)).collect()
            };
            let duty = Duty { decides: drawn(&mut world), sends: drawn(&mut world), ..Duty::default() };
            world.tell("turns", format_args!("{} decides {:?}, sends {:?}", instance.number, duty.decides, duty.sends));
            drop(world);
            instance.assign(duty);
        }
    }

    /// The faults end, each partition has one owner, and everybody works until nothing is left to do.
    fn settle(&mut self) -> Result<()> {
        let mut world = lock(&self.world);
        world.is_rough = false;
        while !world.late.is_empty() {
            world.arrive_late();
        }
        drop(world);
        self.tell("calm", "");
        let numbers: BTreeSet<u16> = tenants().iter().map(partition_of).collect();
        let count = self.instances.len();
        for number in 0..count {
            let mine = |(place, _): &(usize, &u16)| place % count == number;
            let mine: BTreeSet<u16> = numbers.iter().enumerate().filter(mine).map(|(_, one)| *one).collect();
            let instance = &mut self.instances[number];
            instance.assign(Duty { decides: mine.clone(), sends: mine, ..Duty::default() });
            instance.asleep_until = 0;
        }
        let mut jumps = [Span::mins(5), Span::mins(30), Span::hours(3)].into_iter();
        for _ in 0..ROUNDS_MAX {
            for number in 0..count {
                self.round(number)?;
            }
            let mut world = lock(&self.world);
            world.now = world.now.plus(Span(200));
            drop(world);
            if self.is_settled() {
                let Some(jump) = jumps.next() else { return Ok(()) };
                let mut world = lock(&self.world);
                world.now = world.now.plus(jump);
            }
        }
        Err(anyhow!("it does not come to rest within {ROUNDS_MAX} rounds"))
    }

    fn round(&mut self, number: usize) -> Result<()> {
        if self.instances[number].life.is_none() {
            self.go_on(number)?;
        }
        let planted = self.planted;
        let life = self.instances[number].life.as_mut().context("an instance does not start")?;
        life.claim_again();
        life.go_on(Reads::Records, false, planted)?;
        life.go_on(Reads::Decisions, true, planted)?;
        self.send(number)
    }

    fn is_settled(&self) -> bool {
        let world = lock(&self.world);
        let (records, now) = (world.journal.len() as u64, world.now);
        let messages = world.outbox.last().map_or(0, |last| last.seq);
        drop(world);
        self.instances.iter().all(|instance| {
            instance.life.as_ref().is_some_and(|life| {
                let waits = !life.owner.courier.lock().waiting_of(|_| true).is_empty();
                !waits && life.is_settled(records, messages, now.plus(instance.skew))
            })
        })
    }
}

fn tenant_of(input: &Input) -> &TenantId {
    match input {
        Input::Batch(batch) => &batch.tenant,
        Input::Topology { tenant, .. } => tenant,
        Input::Command(_)
        | Input::Policy { .. }
        | Input::Model { .. }
        | Input::MetricModel { .. }
        | Input::Shadow { .. }
        | Input::Delivered(_)
        | Input::Tick => {
            unreachable!("no source publishes it")
        }
    }
}

/// What the sources have to say: two topologies, then a storm over all tenants, one to three events at once.
fn inputs(world: &mut World, seed: u64) -> VecDeque<Input> {
    let (text, topology) = estate();
    let digest = world.keep_text(text.clone());
    let mut inputs: VecDeque<Input> = tenants()[..2]
        .iter()
        .map(|tenant| Input::Topology { tenant: tenant.clone(), version: 1, digest: digest.clone(), author: "".into() })
        .collect();
    let mut events: Vec<Event> = Vec::new();
    for (number, tenant) in tenants().iter().enumerate() {
        let size = Size { faults: 1, gap: Span::mins(7), noise: 1 };
        let start = BEGIN.plus(Span::secs(20 * number as i64));
        let told = storm(topology, tenant, start, size, seed.wrapping_mul(10) + number as u64).events;
        events.extend(told.into_iter().take(14));
    }
    events.sort_by_key(|event| event.observed_at);
    for event in events {
        match inputs.back_mut() {
            Some(Input::Batch(last)) if last.tenant == event.tenant && last.events.len() < 3 => last.events.push(event),
            _ => inputs.push_back(Input::Batch(Batch {
                tenant: event.tenant.clone(),
                events: vec![event],
                rejected: Vec::new(),
                replay_of: None,
            })),
        }
    }
    // Sources do not wait for each other.
    for place in 1..inputs.len() {
        if world.dice.gen_bool(0.2) {
            inputs.swap(place - 1, place);
        }
    }
    inputs
}
