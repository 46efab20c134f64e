//! What was learned of series, as it goes from one instance to another.

use std::collections::{BTreeMap, BTreeSet};

use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};

use super::senses::{Senses, State};
use crate::detect::watch::Watch;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::partition::partition_of_source;
use crate::domain::time::Timestamp;

/// What was learned of a tenant's series in one part of the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    pub tenant: TenantId,
    pub part: u16,
    pub packed: Vec<u8>,
}

/// What goes and comes.
#[derive(Debug, Default)]
pub(super) struct Hands {
    /// The parts that were watched here: what is known of others is of an earlier time, and nobody's word.
    watched: BTreeSet<u16>,
    goes: Vec<Learned>,
    /// Parts of which more is known than before: what the stream keeps of them is read again on top of it.
    renewed: BTreeMap<TenantId, BTreeSet<u16>>,
}

impl Hands {
    /// Packs what goes, before it is forgotten.
    pub fn pack(&mut self, watch: &Watch, is_gone: impl Fn(&TenantId, &SourceId) -> bool) {
        let watched = &self.watched;
        let was_ours = |tenant: &TenantId, source: &SourceId| watched.contains(&partition_of_source(tenant, source));
        let goes = packed(watch, |tenant, source| is_gone(tenant, source) && was_ours(tenant, source));
        self.goes.extend(goes);
    }
}

impl Senses {
    /// These parts are watched here: when one becomes somebody else's turn, what was learned of it is packed for its next owner.
    pub fn hand_over(&self, parts: &BTreeSet<u16>) {
        self.state().hands.watched.extend(parts);
    }

    /// What has become somebody else's turn since the last time.
    pub fn handed_over(&self) -> Vec<Learned> {
        std::mem::take(&mut self.state().hands.goes)
    }

    /// Everything that is watched here: this instance stops.
    pub fn all_learned(&self) -> Vec<Learned> {
        let mut state = self.state();
        let State { watch, hands, .. } = &mut *state;
        hands.pack(watch, |_, _| true);
        std::mem::take(&mut hands.goes)
    }

    /// Takes up what another instance learned of a tenant's series, where that is more than what is known here; of how many.
    pub fn take_over(&self, tenant: &TenantId, bytes: &[u8], now: Timestamp) -> usize {
        let mut state = self.state();
        let taken = decompress_size_prepended(bytes).ok().and_then(|bytes| state.watch.take_over(&bytes, now).ok());
        let Some(taken) = taken else {
            tracing::warn!(%tenant, "what another instance learned cannot be read: it is learned anew");
            return 0;
        };
        let parts = taken.iter().map(|(tenant, source)| (tenant.clone(), partition_of_source(tenant, source)));
        parts.for_each(|(tenant, part)| _ = state.hands.renewed.entry(tenant).or_default().insert(part));
        taken.len()
    }

    /// Whether more is known of a part of a tenant's sources than when it was read.
    pub fn is_renewed(&self, tenant: &TenantId) -> bool {
        self.state().hands.renewed.contains_key(tenant)
    }

    /// Those parts; they are read again.
    pub fn renewed(&self, tenant: &TenantId) -> BTreeSet<u16> {
        self.state().hands.renewed.remove(tenant).unwrap_or_default()
    }
}

fn packed(watch: &Watch, is_meant: impl Fn(&TenantId, &SourceId) -> bool) -> Vec<Learned> {
    let part_of = |(tenant, source): (&TenantId, &SourceId)| (tenant.clone(), partition_of_source(tenant, source));
    let parts: BTreeSet<(TenantId, u16)> =
        watch.sources().filter(|(tenant, source)| is_meant(tenant, source)).map(part_of).collect();
    let learned = |(tenant, part): (TenantId, u16)| {
        let bytes = watch.keep_of(|of, source| *of == tenant && partition_of_source(of, source) == part);
        Learned { tenant, part, packed: compress_prepend_size(&bytes) }
    };
    parts.into_iter().map(learned).collect()
}
