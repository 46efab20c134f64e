//! What the engines have counted, for everybody to read.

use std::sync::Arc;

use super::{COUNTED_EVERY, Counted, Owner};
use crate::domain::time::Timestamp;

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
            let overrides = engine.overrides(&tenant);
            let storm = Arc::new(engine.storm(&tenant));
            let memory = engine.memory(&tenant);
            (tenant, Arc::new(Counted { hits, lookups, held_back, overrides, storm, memory }))
        });
        self.counted.store(Arc::new(counted.collect()));
    }
}
