//! The same journal again: does every decision come out as it was committed, and what would other rules have made of
//! it? Reads a data folder, also beside the server that has it; writes nothing and tells nobody.

pub mod against;
pub mod corrected;
pub mod dataset;
mod event_lines;
pub mod moment;
pub mod stream;
pub mod verify;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::domain::topology::Topology;
use crate::engine::input::{Digest, Input};
use crate::engine::passing::OVERDUE_MAX;
use crate::engine::policy::Policy;
use crate::engine::tuning::Tuning;
use crate::engine::{Engine, Loaded};
use crate::journal::Record;
use crate::journal::snapshot::Snapshot;
use crate::journal::sqlite::shelf::Shelf;
use crate::outbox::OutboxRecord;
use crate::outbox::sqlite::decisions_after;
use crate::pipeline::cmdb_text;
use crate::pipeline::texts::{compile_model, compile_policy};

/// Records read at once, bytes.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// A recorded journal, its decisions beside it.
pub struct Recorded {
    shelf: Shelf,
    tuning: Arc<Tuning>,
}

impl Recorded {
    /// The journal of a data folder.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(data: &Path) -> Result<Self> {
        let shelf = Shelf::open(data).with_context(|| format!("open the journal in {}", data.display()))?;
        Ok(Self { shelf, tuning: Arc::new(Tuning::default()) })
    }

    /// The last record that is kept no longer; 0 when all are kept.
    fn base(&self) -> Result<u64> {
        Ok(self.shelf.base()?.0)
    }

    /// Engines as of the oldest snapshots, when the journal does not reach back to its beginning; with the last
    /// journal record in each.
    fn engines(&self) -> Result<BTreeMap<u16, (Engine, u64)>> {
        let mut engines = BTreeMap::new();
        if self.base()? == 0 {
            return Ok(engines);
        }
        for snapshot in self.shelf.oldest_snapshots()? {
            engines.insert(snapshot.partition, self.thawed(snapshot)?);
        }
        Ok(engines)
    }

    /// The same of one partition.
    fn engine(&self, number: u16) -> Result<Option<(Engine, u64)>> {
        if self.base()? == 0 {
            return Ok(None);
        }
        let snapshot = self.shelf.oldest_snapshots()?.into_iter().find(|snapshot| snapshot.partition == number);
        snapshot.map(|snapshot| self.thawed(snapshot)).transpose()
    }

    fn thawed(&self, snapshot: Snapshot) -> Result<(Engine, u64)> {
        let topology = |version, digest: &Digest| self.topology(version, digest).ok();
        let rules = |version, digest: &Digest| self.policy(version, digest).ok();
        let seq = snapshot.journal_seq;
        Ok((Engine::thaw(&snapshot.state()?, self.tuning.clone(), topology, rules)?.paced(OVERDUE_MAX), seq))
    }

    /// An engine for a partition whose journal is kept from its beginning.
    fn begun(&self, number: u16) -> Engine {
        Engine::empty(number, self.tuning.clone()).paced(OVERDUE_MAX)
    }

    /// Calls `each` for every record that has been decided, with its decision, in order.
    fn each(&self, mut each: impl FnMut(&Record, OutboxRecord) -> Result<()>) -> Result<()> {
        self.while_some(|record, decision| each(record, decision).map(Some))
    }

    /// The same, until it gives nothing.
    fn while_some(&self, mut each: impl FnMut(&Record, OutboxRecord) -> Result<Option<()>>) -> Result<()> {
        let (mut seq, mut decided) = self.shelf.base()?;
        let mut decisions: Vec<OutboxRecord> = Vec::new();
        loop {
            let records = self.shelf.journal_after(seq, READ_BYTES)?;
            let Some(last) = records.last() else { return Ok(()) };
            seq = last.seq;
            for record in records {
                if decisions.is_empty() {
                    decisions = decisions_after(&self.shelf, decided, READ_BYTES)?;
                    decisions.reverse();
                    let Some(last) = decisions.first() else { return Ok(()) };
                    decided = last.seq;
                }
                if decisions.last().is_some_and(|decision| decision.journal_seq == record.seq) {
                    let decision = decisions.pop().expect("just looked at");
                    if each(&record, decision)?.is_none() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn topology(&self, version: u64, digest: &Digest) -> Result<Arc<Topology>> {
        cmdb_text::compile(&self.text(digest)?, version)
    }

    fn policy(&self, version: u64, digest: &Digest) -> Result<Arc<Policy>> {
        compile_policy(&self.text(digest)?, version)
    }

    fn text(&self, digest: &Digest) -> Result<Vec<u8>> {
        self.shelf.blob(digest)?.with_context(|| format!("the text {} is not kept", digest.0))
    }

    /// Reads what an input only names.
    fn loaded(&self, input: &Input) -> Result<Loaded> {
        Ok(match input {
            Input::Topology { version, digest, .. } => Loaded::Topology(self.topology(*version, digest)?),
            Input::Policy { version, digest, .. } => Loaded::Policy(self.policy(*version, digest)?),
            Input::Model { digest, .. } => compile_model(&self.text(digest)?)?,
            Input::Batch(_)
            | Input::Command(_)
            | Input::MetricModel { .. }
            | Input::Shadow { .. }
            | Input::Delivered(_)
            | Input::Tick => Loaded::Nothing,
        })
    }
}
