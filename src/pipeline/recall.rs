//! What is owed to receivers, counted again from outbox and journal where no stored view says it: a notice that was
//! committed before the state that a start goes on from, and has no end on record, is still to be sent.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::{Owner, READ_BYTES};
use crate::delivery::pending::Pending;
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::{Delivered, Input};
use crate::journal::ReadError;

/// Ends of notices that were read ahead of their decisions, by journal record.
type Ends = BTreeMap<u64, (Delivered, Timestamp)>;

impl Owner {
    /// Takes in the notices of partitions whose views begin with what stands. `begun` says up to which outbox record the
    /// state of each goes; what is behind comes as usual. It looks back over twice the time for which a notice may wait, so
    /// that also those are given up, and not forgotten, that are too old; and no further than everything is kept.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn recall_notices(&self, begun: &BTreeMap<u16, u64>) -> Result<()> {
        let Some(outbox_end) = begun.values().copied().max() else { return Ok(()) };
        let journal_end = begun.keys().map(|number| self.partitions[number].seq).max().unwrap_or(0);
        let newest = self.partitions.values().map(|partition| partition.engine.now()).max().unwrap_or(Timestamp(0));
        let since = newest.minus(Span(2 * self.courier.waits_max().0));
        let first = self.record_before(since, journal_end)?;
        let (mut read, mut after) = (first, self.decision_before(first, outbox_end)?);
        let (mut pending, mut ends) = (Pending::default(), Ends::new());
        while after < outbox_end {
            let decisions = self.log.decisions_after(after, READ_BYTES)?;
            // Where a partition was only claimed there is no record.
            let Some(last) = decisions.last() else { break };
            after = last.seq;
            for decision in &decisions {
                let seq = decision.journal_seq;
                let is_lacking =
                    begun.contains_key(&decision.partition) && seq <= self.partitions[&decision.partition].seq;
                // What is older may have ended in a record that is kept no longer.
                if !is_lacking || seq <= first {
                    continue;
                }
                while read < seq {
                    read = self.read_ends(read, begun, &mut ends)?;
                }
                if let Some((delivered, at)) = ends.remove(&seq) {
                    pending.ended(&delivered, at);
                }
                pending.committed(decision.seq, &decision.effects);
            }
        }
        self.courier.lock().absorb(pending);
        Ok(())
    }

    /// Reads records behind `after`; keeps the ends of notices among them. Returns the last one.
    fn read_ends(&self, after: u64, begun: &BTreeMap<u16, u64>, ends: &mut Ends) -> Result<u64> {
        let records = self.log.records_after(after, READ_BYTES)?;
        for record in &records {
            if let Input::Delivered(delivered) = &*record.input
                && begun.contains_key(&record.partition)
            {
                ends.insert(record.seq, (delivered.clone(), record.stamp));
            }
        }
        Ok(records.last().with_context(|| format!("journal record {} is decided, but not there", after + 1))?.seq)
    }

    /// The last journal record that was stamped before `at`, or is not kept.
    fn record_before(&self, at: Timestamp, end: u64) -> Result<u64, ReadError> {
        last_before(self.log.oldest()?, end, |after| {
            let records = self.log.records_after(after, 1)?;
            Ok(records.first().map(|record| (record.seq, record.stamp < at)))
        })
    }

    /// The last outbox record about a journal record up to `seq`, or that is not kept. Partitions of a shared log are not
    /// decided in one order: it may be off by as much as one of them lags behind another.
    fn decision_before(&self, seq: u64, end: u64) -> Result<u64, ReadError> {
        last_before(0, end, |after| {
            let decisions = self.log.decisions_after(after, 1)?;
            Ok(decisions.first().map(|decision| (decision.seq, decision.journal_seq <= seq)))
        })
    }
}

/// The last place up to `end` that is before something, found in few steps: `next` reads the first place behind one and
/// whether it is before. What is gone is before.
fn last_before(
    first: u64,
    end: u64,
    next: impl Fn(u64) -> Result<Option<(u64, bool)>, ReadError>,
) -> Result<u64, ReadError> {
    let (mut low, mut high) = (first, end.max(first));
    while low < high {
        let middle = low + (high - low) / 2;
        match next(middle) {
            Ok(Some((place, true))) if place <= high => low = place,
            Ok(_) => high = middle,
            Err(ReadError::Gone { oldest, .. }) => low = (oldest - 1).clamp(middle + 1, high),
            Err(error) => return Err(error),
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_among_gaps_and_behind_what_is_gone() {
        let places = [3_u64, 4, 9, 10, 17];
        for (wanted, gone, found) in [(0, 0, 0), (9, 0, 9), (100, 0, 17), (4, 9, 9), (3, 0, 3), (16, 2, 10)] {
            let next = |after: u64| {
                if after < gone {
                    return Err(ReadError::Gone { after, oldest: gone + 1 });
                }
                Ok(places.iter().find(|place| **place > after).map(|place| (*place, *place <= wanted)))
            };
            let last = last_before(0, 17, next).unwrap();
            let behind = |after: u64| places.iter().find(|place| **place > after);
            assert_eq!(behind(last), behind(found), "up to {wanted}, gone up to {gone}: {last}");
        }
    }
}
