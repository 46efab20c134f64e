//! `headwater replay`: the recorded journal again.

use std::process::ExitCode;

use anyhow::Result;

use super::arguments::ReplayArguments;
use crate::domain::ids::TenantId;
use crate::replay::differing::{Instead, compare};
use crate::replay::verify::{Verified, verify};

/// Verifies the decisions, or compares with other rules or another topology.
///
/// # Errors
/// When the journal cannot be read, or what is put instead is refused.
pub fn run(arguments: ReplayArguments) -> Result<ExitCode> {
    let ReplayArguments { data, rules, topology, tenant, json } = arguments;
    if rules.is_none() && topology.is_none() {
        let verified = verify(&data)?;
        if json {
            println!("{}", serde_json::to_string_pretty(&verified)?);
        } else {
            tell(&verified);
        }
        return Ok(if verified.differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let report = compare(&data, &Instead { tenant: TenantId::from(tenant), rules, topology })?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(verified: &Verified) {
    if verified.begins_after > 0 {
        println!(
            "the journal is kept from record {} on: {} decisions before the oldest snapshots were not made again",
            verified.begins_after + 1,
            verified.too_old
        );
    }
    for one in &verified.listed {
        println!(
            "record {} ({}, partition {}): stored {}, computed {}",
            one.journal_seq, one.stamp, one.partition, one.stored, one.computed
        );
    }
    println!(
        "{} decisions up to record {} made again, {} differ",
        verified.decided, verified.ends_at, verified.differing
    );
}
