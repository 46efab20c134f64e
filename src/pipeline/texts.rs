//! Rules and models as they are kept: texts by digest, named by records.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};

use super::log::AnyLog;
use crate::engine::Loaded;
use crate::engine::input::Digest;
use crate::engine::policy::Policy;
use crate::engine::policy::place::RuleFile;
use crate::engine::tuning::Tuning;

/// A stored text.
///
/// # Errors
/// When it is not kept, or unreadable.
pub fn kept(log: &AnyLog, digest: &Digest) -> Result<Vec<u8>> {
    log.text(digest)?.with_context(|| format!("the text {} is not kept", digest.0))
}

/// Rules from a stored text: the rule files as JSON.
///
/// # Errors
/// Every wrong place, one per line.
pub fn compile_policy(bytes: &[u8], version: u64) -> Result<Arc<Policy>> {
    let files: Vec<RuleFile> = serde_json::from_slice(bytes).context("the stored rules cannot be read")?;
    let compiled = Policy::compile(version, &files).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!(lines.join("\n"))
    });
    Ok(Arc::new(compiled?))
}

/// A model from a stored text.
///
/// # Errors
/// Every wrong place, one per line.
pub fn compile_model(bytes: &[u8]) -> Result<Loaded> {
    let text = std::str::from_utf8(bytes).context("the stored model is no text")?;
    let tuning = Tuning::parse("model.yaml", text).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!(lines.join("\n"))
    })?;
    Ok(Loaded::Model(text.into(), Arc::new(tuning)))
}
