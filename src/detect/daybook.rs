//! Readings of a sample of series, line by line, from which models are made later. Which series are in the sample is told by
//! the digest of their names: the lowest ones, so that a restart and another instance choose the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::watch::Key;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::time::Timestamp;

/// Bytes that may wait to be written; what comes beyond is lost and counted.
const WAITING_MAX: usize = 8 * 1024 * 1024;

/// The sample, and lines that are to be written.
#[derive(Debug, Default)]
pub(super) struct Daybook {
    max: usize,
    chosen: BTreeSet<Key>,
    lines: String,
    lost: u64,
}

impl Daybook {
    /// Of at most so many series.
    pub fn of(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// Notes a reading, when its series is in the sample.
    pub fn note(&mut self, key: &Key, (tenant, source): (&TenantId, &SourceId), at: Timestamp, value: f64) {
        if !self.chooses(key) {
            return;
        }
        if self.lines.len() >= WAITING_MAX {
            self.lost += 1;
            return;
        }
        let _ = writeln!(self.lines, "{tenant},{source},{},{},{value}", hex::encode(key), at.0);
    }

    fn chooses(&mut self, key: &Key) -> bool {
        if self.max == 0 {
            return false;
        }
        if self.chosen.len() < self.max {
            self.chosen.insert(*key);
            return true;
        }
        match self.chosen.last().copied() {
            Some(last) if *key < last => {
                if self.chosen.insert(*key) {
                    self.chosen.remove(&last);
                }
                true
            }
            Some(last) => *key == last,
            None => false,
        }
    }

    /// The lines since the last time, and how many readings were lost before they could be written.
    pub fn lines(&mut self) -> (String, u64) {
        (std::mem::take(&mut self.lines), std::mem::take(&mut self.lost))
    }
}

/// A line that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'a> {
    pub tenant: &'a str,
    pub source: &'a str,
    pub series: &'a str,
    pub at: Timestamp,
    pub value: f64,
}

impl<'a> Line<'a> {
    /// Reads a line; `None` when it is none, as the last one of a crash may be.
    pub fn read(text: &'a str) -> Option<Self> {
        let mut cells = text.split(',');
        let mut cell = || cells.next();
        let (tenant, source, series) = (cell()?, cell()?, cell()?);
        let (at, value): (i64, f64) = (cell()?.parse().ok()?, cell()?.parse().ok()?);
        (cells.next().is_none() && value.is_finite()).then_some(Self {
            tenant,
            source,
            series,
            at: Timestamp(at),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_series_are_the_sample_in_whatever_order_they_come() {
        let whose = (&TenantId::from("t"), &SourceId::from("s"));
        let mut chosen = Vec::new();
        for order in [[1u8, 2, 3, 4], [4, 3, 2, 1], [3, 1, 4, 2]] {
            let mut book = Daybook::of(2);
            order.iter().for_each(|n| book.note(&[*n; 16], whose, Timestamp(5), 0.5));
            chosen.push(book.chosen.iter().map(|key| key[0]).collect::<Vec<_>>());
        }
        assert_eq!(chosen, [[1, 2], [1, 2], [1, 2]]);
        let mut book = Daybook::of(1);
        book.note(&[1; 16], whose, Timestamp(5), 0.25);
        book.note(&[2; 16], whose, Timestamp(6), 9.0);
        let (lines, lost) = book.lines();
        let series = "01".repeat(16);
        let line = Line { tenant: "t", source: "s", series: &series, at: Timestamp(5), value: 0.25 };
        assert_eq!((lines.lines().map(Line::read).collect::<Vec<_>>(), lost), (vec![Some(line)], 0));
        for odd in ["", "t,s,x,5", "t,s,x,5,NaN", "t,s,x,now,1", "t,s,x,5,1,2"] {
            assert_eq!(Line::read(odd), None, "{odd}");
        }
        let mut none = Daybook::of(0);
        none.note(&[1; 16], whose, Timestamp(5), 0.25);
        assert_eq!(none.lines().0, "");
    }
}
