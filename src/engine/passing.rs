//! Time that passes: what is due fires at its own moment, and as much in one step as one decision can hold.

use super::Engine;
use super::cell::Cell;
use super::deadlines::Due;
use super::effect::Effect;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;

/// What one step over a journal's record does, at most, for time that has passed: deadlines and their effects, together. What
/// it leaves is due at the next record: an engine that was away while much became due catches up in many small decisions
/// instead of one that no memory holds. Far more than a record brings along in ordinary times.
pub const OVERDUE_MAX: usize = 20_000;

impl Engine {
    /// The same engine, which does at most so much in a step for time that has passed (deadlines and their effects,
    /// together): what is left fires in later steps, late. Who follows one journal must do so at one pace.
    #[must_use]
    pub fn paced(self, overdue_max: usize) -> Self {
        Self { overdue_max, ..self }
    }

    /// When something is due next; the caller journals a tick then.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.cells.values().filter_map(Cell::next_due).min()
    }

    /// Fires the deadlines up to `to`, each at its own time, across tenants in order of time; those that are too many for
    /// one step stay, and fire in later ones.
    pub(super) fn pass_time(&mut self, to: Timestamp, effects: &mut Vec<Effect>) {
        let overdue_max = self.overdue_max;
        let mut fired = 0;
        while fired + effects.len() < overdue_max {
            let next = self
                .cells
                .iter()
                .filter_map(|(tenant, cell)| Some((cell.next_due()?, tenant)))
                .min()
                .filter(|(at, _)| *at <= to)
                .map(|(at, tenant)| (at, tenant.clone()));
            let Some((at, tenant)) = next else { break };
            // What is late fires now, all of it at one moment: who was touched many times is told once.
            let now = self.now.max(at);
            self.now = now;
            let cell = self.cell(&tenant);
            // Before everything else that is due at the same moment.
            cell.drop_expired();
            while fired + effects.len() < overdue_max
                && let Some((due_at, due)) = cell.deadlines.pop(now)
            {
                fired += 1;
                cell.fire(due_at, due);
                cell.settle_composites();
            }
            cell.tell(effects);
        }
        self.now = to;
        if fired + effects.len() < overdue_max {
            return;
        }
        // Which rules have ended and which windows are open holds for what comes now, whatever else has to wait.
        let is_behind = |cell: &Cell| cell.next_due().is_some_and(|due| due <= to);
        let behind: Vec<TenantId> =
            self.cells.iter().filter(|(_, cell)| is_behind(cell)).map(|(tenant, _)| tenant.clone()).collect();
        for tenant in behind {
            let cell = self.cell(&tenant);
            cell.drop_expired();
            cell.pass_windows();
            cell.tell(effects);
        }
    }
}

impl Cell {
    /// When something is due next: a timer, or the end of a rule.
    fn next_due(&self) -> Option<Timestamp> {
        [self.deadlines.next_at(), self.policy.next_expiry()].into_iter().flatten().min()
    }

    /// A deadline is due since `at`.
    fn fire(&mut self, at: Timestamp, due: Due) {
        match due {
            Due::Revise(alert) => self.revise(alert),
            Due::Learn(alert) => self.learn(alert),
            Due::Promote(alert) => self.promote(alert),
            Due::Expire(alert) => self.expire(alert),
            Due::Remute => self.silences_due(at),
            Due::Observed(group) => self.observed(group),
            Due::Close(group) => self.close_recovered(group),
            Due::Forget(group) => self.forget(group),
            Due::Doubt(group) => self.reconsider(group),
            Due::Wake(group) => self.wake(group),
            Due::Tell(group) => self.tell_waiting(group),
            Due::Digest => self.send_digests(),
            Due::Pattern(story) => self.pattern_due(story),
            Due::Windows => self.pass_windows(),
            Due::Calm(alert) => self.calm(alert),
            Due::Lapse(alert) => self.lapse(alert),
            Due::Care(group) => self.care_due(group),
            Due::Lease(alert) => self.lease_over(alert),
        }
    }
}
