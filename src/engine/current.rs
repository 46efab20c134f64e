//! The newest alert of each fingerprint. Kept by the alerts' places: the fingerprint itself is in the alert.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::hash::BuildHasher as _;

use super::alert::Alert;
use super::slab::{Place, Slab};
use crate::domain::stream;

/// Places of alerts, found by the alert's fingerprint. Never walked but for a snapshot, which has them in order.
#[derive(Clone, Debug, Default)]
pub struct Current {
    table: HashTable<Place>,
    /// Places that were read and wait for their alerts.
    read: Vec<Place>,
}

fn hash(fingerprint: &str) -> u64 {
    FixedState::with_seed(0x4865_6164).hash_one(fingerprint)
}

fn hash_of(alerts: &Slab<Alert>, place: Place) -> u64 {
    alerts.get(place).map_or(0, |alert| hash(&alert.fingerprint))
}

impl Current {
    /// The newest alert of a fingerprint.
    pub fn get(&self, alerts: &Slab<Alert>, fingerprint: &str) -> Option<Place> {
        let is_it = |place: &Place| alerts.get(*place).is_some_and(|alert| *alert.fingerprint == *fingerprint);
        self.table.find(hash(fingerprint), is_it).copied()
    }

    /// An alert is now the newest one of its fingerprint.
    pub fn insert(&mut self, alerts: &Slab<Alert>, place: Place) {
        let Some(alert) = alerts.get(place) else { return };
        let same = |known: &Place| alerts.get(*known).is_some_and(|known| known.fingerprint == alert.fingerprint);
        let hash = hash(&alert.fingerprint);
        match self.table.find_mut(hash, same) {
            Some(known) => *known = place,
            None => {
                self.table.insert_unique(hash, place, |known| hash_of(alerts, *known));
            }
        }
    }

    /// An alert goes; it is still there.
    pub fn remove(&mut self, alerts: &Slab<Alert>, place: Place) {
        if let Ok(known) = self.table.find_entry(hash_of(alerts, place), |known| *known == place) {
            known.remove();
        }
    }

    /// Finds the fingerprints of what was read.
    pub fn find_again(&mut self, alerts: &Slab<Alert>) {
        let read = std::mem::take(&mut self.read);
        self.table.reserve(read.len(), |known| hash_of(alerts, *known));
        for place in read {
            self.insert(alerts, place);
        }
    }
}

impl Serialize for Current {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut places: Vec<Place> = self.table.iter().copied().collect();
        places.sort_unstable();
        serializer.collect_seq(places)
    }
}

impl<'de> Deserialize<'de> for Current {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut current = Self::default();
        stream::each(deserializer, |place| current.read.push(place))?;
        Ok(current)
    }
}
