//! The live view: what is going on, from memory. One writer (the pipeline), many readers.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Committed;
use super::feed::Feed;
use super::fired::Minute;
use super::tenant::{CommandEnd, Telling, TenantView, verdicts};
use crate::domain::ids::TenantId;
use crate::domain::partition::partition_of;
use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::Input;

/// All tenants, the feed, and how far they have come.
#[derive(Default)]
pub struct Live {
    state: RwLock<State>,
    pub feed: Feed,
}

/// What the lock guards.
#[derive(Default)]
pub struct State {
    tenants: BTreeMap<TenantId, TenantView>,
    /// When accepted records without verdicts yet were taken, by journal sequence.
    pending: BTreeMap<u64, Timestamp>,
    /// By partition: the last journal record that is shown.
    shown: BTreeMap<u16, u64>,
    /// The newest journal record that is shown; on a cluster, older ones of other partitions may be pending.
    pub journal_seq: u64,
    pub outbox_seq: u64,
    /// The stamp of the newest step: the "now" of all numbers.
    pub stamp: Timestamp,
}

impl State {
    /// One tenant, when anything is known of it.
    pub fn tenant(&self, id: &TenantId) -> Option<&TenantView> {
        self.tenants.get(id)
    }

    /// The newest journal record that is known here, shown or still pending.
    pub fn known_seq(&self) -> u64 {
        self.pending.last_key_value().map_or(self.journal_seq, |(last, _)| self.journal_seq.max(*last))
    }

    /// When the oldest accepted record was taken that is not decided yet; `None`: nothing waits.
    pub fn waits_since(&self) -> Option<Timestamp> {
        self.pending.first_key_value().map(|(_, since)| *since)
    }

    /// All tenants.
    pub fn tenants(&self) -> impl Iterator<Item = (&TenantId, &TenantView)> {
        self.tenants.iter()
    }

    /// One tenant, made when nothing is known of it yet.
    pub fn tenant_mut(&mut self, id: &TenantId) -> &mut TenantView {
        if !self.tenants.contains_key(id) {
            self.tenants.insert(id.clone(), TenantView::default());
        }
        self.tenants.get_mut(id).expect("the tenant was inserted above")
    }

    /// Whether a partition's records up to this one are shown.
    pub fn has_shown(&self, partition: u16, journal_seq: u64) -> bool {
        self.shown.get(&partition).is_some_and(|shown| *shown >= journal_seq)
    }

    fn move_on(&mut self, partition: u16, journal_seq: u64, outbox_seq: u64, stamp: Timestamp) {
        let shown = self.shown.entry(partition).or_default();
        *shown = journal_seq.max(*shown);
        self.journal_seq = self.journal_seq.max(journal_seq);
        self.outbox_seq = self.outbox_seq.max(outbox_seq);
        self.stamp = self.stamp.max(stamp);
    }

    fn take_pending(&mut self, seq: u64) -> bool {
        self.pending.remove(&seq).is_some()
    }
}

impl Live {
    /// Reads; blocks the writer only for the length of a page.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes tenants as they were shown before a restart. What had no verdict then comes again with its record.
    pub fn thaw(&self, tenants: BTreeMap<TenantId, TenantView>) {
        let mut state = self.write();
        for (id, mut tenant) in tenants {
            tenant.conservation.leave_pending();
            state.tenants.insert(id, tenant);
        }
    }

    /// A step of tenants that show it already, or that nobody needs to see: only the place moves on.
    pub fn pass(&self, partition: u16, journal_seq: u64, outbox_seq: u64, stamp: Timestamp) {
        self.write().move_on(partition, journal_seq, outbox_seq, stamp);
    }

    /// Shows what stands, of tenants of which nothing else is known.
    pub fn stand(&self, step: &Committed) {
        let mut state = self.write();
        for effect in step.effects.iter() {
            apply_effect(&mut state, &self.feed, step, effect);
        }
        state.tenants.values_mut().filter(|tenant| tenant.conservation.accepted == 0).for_each(TenantView::count_anew);
    }

    /// The door has made `events` of a journal record durable at `since`; they are pending until `apply` sees the record.
    /// Without this call, `apply` counts them as accepted itself; what was counted before is not counted again.
    pub fn accept(&self, journal_seq: u64, tenant: &TenantId, events: u64, since: Timestamp) {
        let mut state = self.write();
        let is_known = state.has_shown(partition_of(tenant), journal_seq) || state.pending.contains_key(&journal_seq);
        if events == 0 || is_known {
            return;
        }
        let counts = &mut state.tenant_mut(tenant).conservation;
        counts.accepted += events;
        counts.pending += events;
        state.pending.insert(journal_seq, since);
    }

    /// Takes the events that fired in the minutes before this one, counted from 1970, of each tenant.
    pub fn take_fired(&self, before: i64) -> Vec<(TenantId, BTreeMap<i64, Minute>)> {
        let mut state = self.write();
        state.tenants.iter_mut().map(|(tenant, view)| (tenant.clone(), view.fired.take(before))).collect()
    }

    /// Takes one committed step. A step that was taken before changes nothing.
    pub fn apply(&self, step: &Committed) {
        let mut state = self.write();
        if state.has_shown(step.partition, step.journal_seq) {
            return;
        }
        let was_pending = state.take_pending(step.journal_seq);
        for effect in step.effects.iter() {
            apply_effect(&mut state, &self.feed, step, effect);
        }
        if let Some(Input::Batch(batch)) = step.input.as_deref() {
            state.tenant_mut(&batch.tenant).apply_batch(batch, &verdicts(step), step.stamp, was_pending);
        }
        state.move_on(step.partition, step.journal_seq, step.outbox_seq, step.stamp);
    }
}

fn apply_effect(state: &mut State, feed: &Feed, step: &Committed, effect: &Effect) {
    let seq = step.outbox_seq;
    match effect {
        // Counted with the batch, when the alerts they speak of are known.
        Effect::Verdict { .. } | Effect::Notify { .. } => {}
        Effect::Alert { alert } => state.tenant_mut(&alert.tenant).apply_alert(alert, step.stamp),
        Effect::Incident { incident, joined, left } => {
            let telling = Telling { feed, tenant: &incident.tenant, seq };
            state.tenant_mut(&incident.tenant).apply_incident(incident, joined, left, &telling);
        }
        Effect::Timeline { tenant, incident, entry } => {
            state.tenant_mut(tenant).apply_timeline(*incident, entry, &Telling { feed, tenant, seq });
        }
        Effect::Silence { tenant, silence } => {
            state.tenant_mut(tenant).apply_silence(silence, step.stamp, &Telling { feed, tenant, seq });
        }
        Effect::CommandDone { tenant, refused, again } => {
            let command = step.input.as_deref().and_then(Input::command);
            let actor = command.map(|command| command.actor.clone()).unwrap_or_default();
            let end = CommandEnd { actor, refused: refused.clone(), again: *again };
            state.tenant_mut(tenant).apply_command(step.journal_seq, end, &Telling { feed, tenant, seq });
        }
    }
}
