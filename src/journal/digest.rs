//! Digests that chain records, so that nothing can be changed, left out or exchanged unseen.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::engine::input::Digest;

/// A SHA-256 over a record and the hash of the record before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// Hashes the parts one after the other. Only the last one may vary in length.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut sha = Sha256::new();
        for part in parts {
            sha.update(part);
        }
        Self(sha.finalize().into())
    }

    /// Where a partition's outbox starts: before its first record.
    pub fn outbox_start(partition: u16) -> Self {
        Self::of(&[b"headwater outbox ", &partition.to_be_bytes()])
    }

    /// Takes 32 stored bytes; `None` for any other number.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// Writes 64 hexadecimal digits.
impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The digest under which a text is kept.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest(ChainHash::of(&[bytes]).to_string().into())
}
