//! A seal over a run: one hash that is the same only when every effect of every step is.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::engine::effect::Effect;

/// A chained SHA-256 over effects as the outbox writes them, step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    hash: [u8; 32],
    text: Vec<u8>,
}

impl Seal {
    /// Adds what one step gave. Where a step ends counts too.
    pub fn add(&mut self, effects: &[Effect]) {
        self.text.clear();
        serde_json::to_writer(&mut self.text, effects).expect("effects have text keys only");
        self.hash = Sha256::new().chain_update(self.hash).chain_update(&self.text).finalize().into();
    }
}

/// Writes 64 hexadecimal digits.
impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.hash))
    }
}
