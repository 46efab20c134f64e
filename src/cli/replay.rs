//! `headwater replay`: the recorded journal again.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use anyhow::Result;

use super::arguments::ReplayArguments;
use crate::replay::verify::{Verified, verify};

/// Verifies the decisions.
///
/// # Errors
/// When the journal cannot be read.
pub fn run(arguments: &ReplayArguments) -> Result<ExitCode> {
    let verified = verify(&arguments.data)?;
    if arguments.json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&verified)?)?;
    } else {
        tell(&verified)?;
    }
    Ok(if verified.differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(verified: &Verified) -> Result<()> {
    if verified.begins_after > 0 {
        writeln!(
            stdout(),
            "the journal is kept from record {} on: {} decisions before the oldest snapshots were not made again",
            verified.begins_after + 1,
            verified.too_old
        )?;
    }
    for one in &verified.listed {
        writeln!(
            stdout(),
            "record {} ({}, partition {}): stored {}, computed {}",
            one.journal_seq,
            one.stamp,
            one.partition,
            one.stored,
            one.computed
        )?;
    }
    writeln!(
        stdout(),
        "{} decisions up to record {} made again, {} differ",
        verified.decided,
        verified.ends_at,
        verified.differing
    )?;
    Ok(())
}
