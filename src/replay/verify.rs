//! Every stored decision is made again and compared.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::Recorded;

/// Decisions that are listed; more are only counted.
const LISTED_MAX: usize = 100;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The last record that is kept no longer; 0: the journal begins at its beginning.
    pub begins_after: u64,
    /// The last record that was looked at.
    pub ends_at: u64,
    /// Decisions that were made again.
    pub decided: u64,
    /// Decisions before the oldest snapshot of their partition: they can no longer be made again.
    pub too_old: u64,
    /// Decisions that came out otherwise.
    pub differing: u64,
    /// The first of them.
    pub listed: Vec<Differing>,
}

/// A decision that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Differing {
    pub journal_seq: u64,
    pub stamp: String,
    pub partition: u16,
    pub stored: String,
    pub computed: String,
}

/// Makes every decision of a data folder again.
///
/// # Errors
/// When the journal cannot be read.
pub fn verify(data: &Path) -> Result<Verified> {
    let recorded = Recorded::open(data)?;
    let mut engines = recorded.engines()?;
    let mut verified = Verified { begins_after: recorded.base()?, ..Verified::default() };
    recorded.each(|record, decision| {
        verified.ends_at = record.seq;
        let (engine, from) = engines.entry(record.partition).or_insert_with(|| (recorded.begun(record.partition), 0));
        if record.seq <= *from {
            verified.too_old += 1;
            return Ok(());
        }
        let effects = engine.step(record.stamp, &record.input, recorded.loaded(&record.input)?);
        verified.decided += 1;
        if let Err(divergence) = decision.verify(&effects) {
            verified.differing += 1;
            if verified.listed.len() < LISTED_MAX {
                verified.listed.push(Differing {
                    journal_seq: record.seq,
                    stamp: record.stamp.to_string(),
                    partition: record.partition,
                    stored: divergence.stored.to_string(),
                    computed: divergence.computed.to_string(),
                });
            }
        }
        Ok(())
    })?;
    Ok(verified)
}
