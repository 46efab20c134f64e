//! Partitions: all that can correlate shares one, so that order, timers and correlation are local to it.

use sha2::{Digest as _, Sha256};

use super::ids::TenantId;

/// How many there are; fixed for the life of a log.
pub const PARTITIONS: u16 = 64;

/// The partition of a tenant's events.
pub fn partition_of(tenant: &TenantId) -> u16 {
    let hash = Sha256::digest(tenant.as_str().as_bytes());
    u16::from_be_bytes([hash[0], hash[1]]) % PARTITIONS
}
