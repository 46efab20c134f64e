//! What the engines have counted, for everybody to read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{COUNTED_EVERY, Owner};
use crate::domain::ids::ReceiverId;
use crate::domain::time::Timestamp;
use crate::engine::budget::BudgetState;
use crate::engine::identity::CiLookups;
use crate::engine::memory::Memory;
use crate::engine::oncall::{Override, Verified};
use crate::engine::policy::rule::RuleHits;
use crate::engine::storm::Storm;

/// What the engine has counted of a tenant, as of a second ago.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    pub hits: RuleHits,
    pub lookups: CiLookups,
    /// Messages that receivers got in digests.
    pub held_back: Vec<(ReceiverId, u64)>,
    /// Overrides of rosters that people made.
    pub overrides: Vec<Override>,
    /// How much of each budget is used up.
    pub budgets: Vec<BudgetState>,
    /// How often the calendar links of rosters were revoked.
    pub revoked: BTreeMap<Box<str>, u32>,
    /// Addresses that people have shown to be theirs.
    pub verified: Vec<Verified>,
    /// How fast incidents open, and what is held back.
    pub storm: Arc<Storm>,
    pub memory: Memory,
}

impl Counted {
    /// Whether further alerts are refused.
    pub fn is_full(&self) -> bool {
        self.memory.alerts_max > 0 && self.memory.alerts >= self.memory.alerts_max
    }
}

impl Owner {
    /// Shows what the engines have counted, once a second.
    pub(super) fn publish_counts(&mut self) {
        let now: Timestamp = (self.clock)();
        if now.since(self.counted_at) < COUNTED_EVERY && now >= self.counted_at {
            return;
        }
        self.counted_at = now;
        let engines = self.partitions.values().map(|partition| &partition.engine);
        let counted = engines.flat_map(|engine| engine.tenants().map(move |tenant| (tenant.clone(), engine)));
        let counted = counted.map(|(tenant, engine)| {
            let hits = engine.rule_hits(&tenant).cloned().unwrap_or_default();
            let lookups = engine.ci_lookups(&tenant).cloned().unwrap_or_default();
            let held_back = engine.held_back(&tenant);
            let (overrides, verified) = (engine.overrides(&tenant), engine.verified(&tenant));
            let (budgets, revoked) = (engine.budgets(&tenant), engine.revoked_links(&tenant));
            let storm = Arc::new(engine.storm(&tenant));
            let memory = engine.memory(&tenant);
            (
                tenant,
                Arc::new(Counted { hits, lookups, held_back, overrides, budgets, revoked, verified, storm, memory }),
            )
        });
        self.counted.store(Arc::new(counted.collect()));
    }
}
