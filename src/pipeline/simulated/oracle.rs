//! What must hold when the faults are over and everybody has caught up.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::instance::{Instance, settle};
use super::log::lock;
use super::story::Story;
use super::world::World;
use crate::engine::effect::Effect;
use crate::outbox::{OutboxRecord, decision_hash, effects_text};
use crate::pipeline::Pace;
use crate::pipeline::arrivals::Arrival;
use crate::pipeline::lease::Duty;

/// Records and their decisions of each partition, and the shown tenants.
struct Calm {
    decisions: BTreeMap<u16, Vec<Arc<OutboxRecord>>>,
    shown: Value,
}

impl Story {
    /// Compares everything with what one instance makes of the same journal that nothing ever disturbs.
    pub fn judge(&self) -> Result<()> {
        let calm = alone(&lock(&self.world).undisturbed(), self.pace.overdue_max)?;
        let world = lock(&self.world);
        let decisions = decisions(&world);
        for record in &world.journal {
            let of = &decisions.get(&record.partition);
            let times = of.map_or(0, |of| of.iter().filter(|one| one.journal_seq == record.seq).count());
            ensure!(times == 1, "record {} was decided {times} times", record.seq);
        }
        whole_chains(&decisions)?;
        for (partition, of) in &decisions {
            for (one, alone) in of.iter().zip(&calm.decisions[partition]) {
                let seq = one.journal_seq;
                one.verify(&alone.effects).context("one instance alone decides otherwise")?;
                ensure!(seq == alone.journal_seq && one.hash == alone.hash, "record {seq} has another hash alone");
            }
        }
        one_owner_per_epoch(&world)?;
        one_text_per_key(&decisions)?;
        drop(world);
        let mut first: Option<Value> = None;
        for instance in &self.instances {
            let number = instance.number;
            let diverged = instance.life.as_ref().map_or(0, |life| life.owner.health.diverged.load(Ordering::Relaxed));
            ensure!(diverged == 0, "instance {number} has seen {diverged} decisions come out differently");
            let mut shown = shown(instance)?;
            if self.pace.remade_records_max != u64::MAX {
                // A view that began with what stands does not have what was over then.
                continue;
            }
            ensure!(first.get_or_insert_with(|| shown.clone()) == &shown, "instance {number} shows something else");
            forget_places(&mut shown);
            ensure!(shown == calm.shown, "instance {number} shows something else than one that was never disturbed");
        }
        let keys = decided_keys(&calm.decisions);
        ensure!(self.told.keys().all(|key| keys.contains_key(key)), "somebody was told what nobody decided");
        ensure!(keys.keys().all(|key| self.told.contains_key(key)), "somebody was never told");
        Ok(())
    }

    /// A digest of all that is shown in the end.
    pub fn end(&self) -> Result<String> {
        let shown: Result<Vec<Value>> = self.instances.iter().map(shown).collect();
        Ok(format!("{:?}", shown?))
    }
}

fn decisions(world: &World) -> BTreeMap<u16, Vec<Arc<OutboxRecord>>> {
    let mut decisions: BTreeMap<u16, Vec<Arc<OutboxRecord>>> = BTreeMap::new();
    for record in world.outbox.iter().flat_map(|message| &message.records) {
        decisions.entry(record.partition).or_default().push(record.clone());
    }
    decisions
}

/// One instance on its own, with nothing going wrong.
fn alone(world: &World, overdue_max: usize) -> Result<Calm> {
    let records = world.journal.clone();
    let world = Arc::new(Mutex::new(world.undisturbed()));
    let mut instance = Instance::new(0);
    instance.assign(Duty::whole());
    let pace = Pace { snapshot_every: u64::MAX, overdue_max, ..Pace::default() };
    instance.start(&world, pace)?;
    let life = instance.life.as_mut().context("it has started")?;
    life.owner.go_on(Some(Arrival::Records(records)), false)?;
    settle(&mut life.owner);
    let mut shown = shown(&instance)?;
    forget_places(&mut shown);
    let decisions = decisions(&lock(&world));
    Ok(Calm { decisions, shown })
}

/// What an instance shows of its tenants; all of it is accounted for.
fn shown(instance: &Instance) -> Result<Value> {
    let life = instance.life.as_ref().context("it is running")?;
    let live = life.owner.live.read();
    for (tenant, view) in live.tenants() {
        let counts = &view.conservation;
        ensure!(counts.holds() && counts.pending == 0, "instance {}: {tenant} has {counts:?}", instance.number);
    }
    let tenants: BTreeMap<_, _> = live.tenants().collect();
    Ok(serde_json::to_value(tenants)?)
}

/// Places in the outbox differ when others share it.
fn forget_places(shown: &mut Value) {
    for tenant in shown.as_object_mut().into_iter().flat_map(|tenants| tenants.values_mut()) {
        tenant.as_object_mut().and_then(|tenant| tenant.remove("incidents_seq"));
    }
}

fn whole_chains(decisions: &BTreeMap<u16, Vec<Arc<OutboxRecord>>>) -> Result<()> {
    for (partition, of) in decisions {
        let mut before = crate::outbox::OutboxHead::start(*partition);
        for one in of {
            let seq = one.journal_seq;
            ensure!(seq > before.journal_seq, "record {seq} is decided behind {}", before.journal_seq);
            ensure!(one.prev_hash == before.hash, "the chain of partition {partition} is broken at record {seq}");
            let hash = decision_hash(&one.prev_hash, seq, &effects_text(&one.effects));
            ensure!(hash == one.hash, "the decision about record {seq} is not what its hash says");
            (before.journal_seq, before.hash) = (seq, one.hash);
        }
    }
    Ok(())
}

fn one_owner_per_epoch(world: &World) -> Result<()> {
    let mut newest: BTreeMap<u16, (u64, usize)> = BTreeMap::new();
    for frame in world.outbox.iter().map(|message| &message.frame) {
        let (epoch, owner) = (frame.epoch, frame.owner);
        let before = newest.insert(frame.partition, (epoch, owner)).unwrap_or_default();
        let is_next = if epoch == before.0 { owner == before.1 } else { epoch > before.0 };
        ensure!(is_next, "partition {}: {owner} commits under {epoch} behind {before:?}", frame.partition);
    }
    Ok(())
}

/// Every notice that was decided, with its words.
fn decided_keys(decisions: &BTreeMap<u16, Vec<Arc<OutboxRecord>>>) -> BTreeMap<Box<str>, Vec<String>> {
    let mut keys: BTreeMap<Box<str>, Vec<String>> = BTreeMap::new();
    for effect in decisions.values().flatten().flat_map(|one| one.effects.iter()) {
        if let Effect::Notify { notice } = effect {
            let text = serde_json::to_string(notice).unwrap_or_default();
            keys.entry(notice.key.clone()).or_default().push(text);
        }
    }
    keys
}

fn one_text_per_key(decisions: &BTreeMap<u16, Vec<Arc<OutboxRecord>>>) -> Result<()> {
    for (key, texts) in decided_keys(decisions) {
        ensure!(texts.iter().all(|text| *text == texts[0]), "notice {key} has two texts");
    }
    Ok(())
}
