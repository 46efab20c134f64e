//! Partitions: all that can correlate shares one, so that order, timers and correlation are local to it.

use sha2::{Digest as _, Sha256};

use super::ids::{SourceId, TenantId};

/// How many there are; fixed for the life of a log.
pub const PARTITIONS: u16 = 64;

/// The partition of a tenant's events.
pub fn partition_of(tenant: &TenantId) -> u16 {
    let hash = Sha256::digest(tenant.as_str().as_bytes());
    u16::from_be_bytes([hash[0], hash[1]]) % PARTITIONS
}

/// The part that a source's points belong to: whoever has the part watches its series.
pub fn partition_of_source(tenant: &TenantId, source: &SourceId) -> u16 {
    let mut hash = Sha256::new();
    hash.update(tenant.as_str().as_bytes());
    hash.update([0]);
    hash.update(source.as_str().as_bytes());
    let hash = hash.finalize();
    u16::from_be_bytes([hash[0], hash[1]]) % PARTITIONS
}
