//! `headwater test`: the tests of rules folders.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use anyhow::Result;

use super::arguments::TestArguments;
use crate::lab::rule_tests;

/// Plays the tests of the folders and says what came out otherwise.
///
/// # Errors
/// When rules or tests cannot be read.
pub fn run(arguments: &TestArguments) -> Result<ExitCode> {
    let (mut played, mut failed) = (0, 0);
    for folder in &arguments.rules {
        let outcome = rule_tests::run(folder)?;
        for (file, name) in &outcome.played {
            let differs = outcome.differences.iter().any(|d| d.test == *name && d.file == *file);
            failed += usize::from(differs);
            if arguments.verbose || differs {
                writeln!(stdout(), "{} {file}: {name}", if differs { "FAILED" } else { "ok    " })?;
            }
        }
        for difference in &outcome.differences {
            writeln!(stdout(), "{difference}")?;
        }
        played += outcome.played.len();
    }
    writeln!(stdout(), "{played} rule tests, {failed} failed")?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
