//! What a tenant may hold in memory, whatever is sent to it. What is beyond a limit is refused or shared, and counted.

use std::sync::Arc;

use super::Engine;
use super::alert::Spot;
use super::cell::Cell;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::reject::Reject;

/// Objects that are no CIs from which on it is looked for those that nobody needs any more.
const OBJECTS_SWEPT_FROM: u64 = 10_000;

/// The source of what the program itself tells, and how many alerts beyond the limit it may make: it has to be able to
/// tell that the limit is reached.
pub const OWN_SOURCE: &str = "headwater";
const OWN_ROOM: usize = 100;

/// How much a tenant holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub alerts: u64,
    /// 0: nothing is known of the tenant.
    pub alerts_max: u64,
    /// Events refused because there were as many alerts.
    pub refused: u64,
    /// Alerts whose type is learned together with others, because there are too many types.
    pub kinds_cut: u64,
    /// Objects that are no CIs.
    pub objects: u64,
}

/// Whether a counter has counted nothing; such a one is not stored.
pub fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Engine {
    /// How much a tenant holds.
    pub fn memory(&self, tenant: &TenantId) -> Memory {
        self.cells.get(tenant).map(Cell::memory).unwrap_or_default()
    }
}

impl Cell {
    fn memory(&self) -> Memory {
        Memory {
            alerts: self.by_alert.len() as u64,
            alerts_max: self.policy.settings.alerts_max.into(),
            refused: self.refused,
            kinds_cut: self.learned.cut,
            objects: self.objects.len() as u64,
        }
    }

    /// Whether there are as many alerts as a source may make.
    pub fn is_full(&self, source: &SourceId) -> bool {
        let own_room = if source.as_str() == OWN_SOURCE { OWN_ROOM } else { 0 };
        self.by_alert.len() >= self.policy.settings.alerts_max as usize + own_room
    }

    /// Why an event is refused then.
    pub fn full(&mut self) -> Reject {
        self.refused += 1;
        let max = self.policy.settings.alerts_max;
        Reject::OverLimit(format!(
            "the tenant has {max} alerts, the most it may have; find out who sends so many, or raise \
             settings.alerts_max in the rules, then replay this letter"
        ))
    }

    /// The number of an object that is no CI.
    pub fn object(&mut self, name: &str) -> u32 {
        if let Some(object) = self.objects.get(name) {
            return *object;
        }
        let most = OBJECTS_SWEPT_FROM.max(2 * self.objects_used);
        if self.objects_free.is_empty() && self.object_names.len() as u64 >= most {
            self.sweep_objects();
        }
        let object = self.objects_free.pop().unwrap_or_else(|| {
            self.object_names.push("".into());
            (self.object_names.len() - 1) as u32
        });
        let name: Arc<str> = name.into();
        self.object_names[object as usize] = name.clone();
        self.objects.insert(name, object);
        object
    }

    /// Forgets the objects on which there is no alert any more. None is free when this is called.
    fn sweep_objects(&mut self) {
        let mut used = vec![false; self.object_names.len()];
        for (_, alert) in self.alerts.iter() {
            if let Spot::Object(object) = alert.spot {
                used[object as usize] = true;
            }
        }
        self.objects_used = used.iter().filter(|used| **used).count() as u64;
        for object in (0..used.len()).rev().filter(|object| !used[*object]) {
            let name = std::mem::take(&mut self.object_names[object]);
            self.objects.remove(&name);
            self.objects_free.push(object as u32);
        }
    }
}
