//! The section `acting` of the configuration, and the key that signs passes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rand::RngCore as _;
use rand::rngs::OsRng;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::pass::{KEY_BYTES_MIN, Seal};
use crate::domain::spans::{self, SpanText};
use crate::domain::time::Span;
use crate::private;

/// The file with the key in the data folder.
const KEY_FILE: &str = "acting.key";

/// How people act from messages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ActingSettings")]
pub struct Settings {
    /// Messages that one person alone reads carry a link with which they act without signing in.
    pub links: bool,
    /// How long a link can be used.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub valid_for: Span,
    /// A file with the key; none: one is made in the data folder.
    pub key_file: Option<PathBuf>,
}

impl Settings {
    /// The seal; its key is made at the first start.
    ///
    /// # Errors
    /// When the key cannot be read or made, or is too short.
    pub fn seal(&self, data: &Path) -> Result<Seal> {
        let path = self.key_file.clone().unwrap_or_else(|| data.join(KEY_FILE));
        if self.key_file.is_none() && !path.exists() {
            let mut key = [0u8; KEY_BYTES_MIN];
            OsRng.fill_bytes(&mut key);
            let mut file = private::file(&path).with_context(|| format!("make {}", path.display()))?;
            file.write_all(hex::encode(key).as_bytes()).with_context(|| format!("write {}", path.display()))?;
            file.sync_all().with_context(|| format!("write {}", path.display()))?;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        match Seal::of(text.trim().as_bytes()) {
            Some(seal) => Ok(seal),
            None => bail!(
                "{}: the key is shorter than {KEY_BYTES_MIN} bytes; make one with: openssl rand -hex 32",
                path.display()
            ),
        }
    }
}
