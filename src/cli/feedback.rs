//! `headwater feedback`: what people corrected.

use anyhow::{Result, anyhow};

use super::arguments::{ExportArguments, FeedbackCommand};
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::replay::dataset;

/// Runs one of its commands.
///
/// # Errors
/// When the journal cannot be read or the folder not be written.
pub fn run(command: FeedbackCommand) -> Result<()> {
    let FeedbackCommand::Export(ExportArguments { data, tenant, since, reviewed, out }) = command;
    let read =
        |text: &String| Timestamp::parse(text).ok_or_else(|| anyhow!("--since {text:?}: write 2026-01-05T00:00:00Z"));
    let written = dataset::write(&dataset::Plan {
        data: &data,
        tenant: TenantId::from(tenant.as_str()),
        since: since.as_ref().map(read).transpose()?,
        only_reviewed: reviewed,
        out: &out,
    })?;
    println!("{}", serde_json::to_string_pretty(&written)?);
    Ok(())
}
