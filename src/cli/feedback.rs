//! `headwater feedback`: what people corrected.

use std::io::{Write as _, stdout};

use anyhow::Result;

use super::lab_arguments::{ExportArguments, FeedbackCommand};
use crate::domain::ids::TenantId;
use crate::replay::dataset;

/// Runs one of its commands.
///
/// # Errors
/// When the journal cannot be read or the folder not be written.
pub fn run(command: FeedbackCommand) -> Result<()> {
    let FeedbackCommand::Export(ExportArguments { data, tenant, since, reviewed, out }) = command;
    let written = dataset::write(&dataset::Plan {
        data: &data,
        tenant: TenantId::from(tenant.as_str()),
        since,
        only_reviewed: reviewed,
        out: &out,
    })?;
    writeln!(stdout(), "{}", serde_json::to_string_pretty(&written)?)?;
    Ok(())
}
