//! The series of one object as rows: how far each is from its usual day, all at one time, judged by [`Joint`].
//!
//! Days do not disturb it: what is compared is what is left when the usual day is taken off, so it begins once every series
//! knows its day. A row is complete when each series has come once since the row before.

use std::collections::VecDeque;

use super::joint::{Away, Joint, Smooth};
use super::state::{Reader, Writer};

/// Series of one object that are looked at together; further ones are not.
const COLUMNS_MAX: usize = 16;
/// Rows that are learned from, those without which nothing is fitted, and those after which it is fitted anew.
const ROWS_MAX: usize = 200;
const ROWS_MIN: usize = 120;
const FITTED_EVERY: usize = 200;
/// Rows after which it is tried again when they gave no model.
const TRIED_EVERY: usize = 20;
/// Rows in a row that begin it, and that end it.
const IN_A_ROW: u8 = 3;
/// Rows after which a state that stays is the usual one.
const STAYS: usize = 2 * FITTED_EVERY;
/// The height under which a row is usual again.
const USUAL_BELOW: f64 = 0.6;

/// What is written of a joint: none, one as the first programs wrote it, one with its states behind.
const NO_JOINT: u8 = 0;
const WITHOUT_STATES: u8 = 1;
const WITH_STATES: u8 = 2;

/// What a row changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turn {
    Usual,
    Begun(Away),
    GoesOn(Away),
    Ended,
}

/// The series of one object.
#[derive(Debug)]
pub struct Together<K> {
    columns: Vec<K>,
    row: Vec<Option<f32>>,
    rows: VecDeque<Box<[f32]>>,
    unfitted: usize,
    joint: Option<Joint>,
    smooth: Smooth,
    in_a_row: u8,
    is_unusual: bool,
}

impl<K> Default for Together<K> {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            row: Vec::new(),
            rows: VecDeque::new(),
            unfitted: 0,
            joint: None,
            smooth: Smooth::default(),
            in_a_row: 0,
            is_unusual: false,
        }
    }
}

impl<K: PartialEq + Copy> Together<K> {
    /// The series of a column.
    pub fn column(&self, at: usize) -> Option<K> {
        self.columns.get(at).copied()
    }

    /// A series is this far from its usual day now.
    pub fn take(&mut self, key: K, away: f64) -> Turn {
        let at = self.columns.iter().position(|known| *known == key);
        let Some(at) = at.or_else(|| self.add(key)) else { return self.turn(None) };
        let turn = if self.row[at].is_some() { self.close() } else { Turn::Usual };
        // One odd reading must not make all others small.
        self.row[at] = Some(away.clamp(-50.0, 50.0) as f32);
        turn
    }

    /// Series are not heard of any more: the others go on without them. Whether something was told that nobody can end now.
    pub fn leave(&mut self, is_gone: impl Fn(&K) -> bool) -> bool {
        let stays: Vec<bool> = self.columns.iter().map(|key| !is_gone(key)).collect();
        if stays.iter().all(|stays| *stays) {
            return false;
        }
        let of = |row: &[f32]| -> Box<[f32]> {
            row.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(value, _)| *value).collect()
        };
        self.rows.iter_mut().for_each(|row| *row = of(row));
        let mut at = stays.iter();
        self.columns.retain(|_| *at.next().expect("as many as columns"));
        self.row = vec![None; self.columns.len()];
        self.in_a_row = 0;
        let was_unusual = std::mem::take(&mut self.is_unusual);
        self.fit();
        was_unusual
    }

    /// How many rows are known.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no series any more.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// One series more: what was learned was of fewer.
    fn add(&mut self, key: K) -> Option<usize> {
        if self.columns.len() == COLUMNS_MAX {
            return None;
        }
        self.columns.push(key);
        self.row = vec![None; self.columns.len()];
        self.rows.clear();
        (self.joint, self.smooth) = (None, Smooth::default());
        Some(self.columns.len() - 1)
    }

    /// The next row begins. One that lacks a series is not judged.
    fn close(&mut self) -> Turn {
        let row: Option<Vec<f32>> = self.row.iter().copied().collect();
        self.row.iter_mut().for_each(|value| *value = None);
        let Some(row) = row.filter(|row| row.len() > 1) else { return Turn::Usual };
        let wide: Vec<f64> = row.iter().copied().map(f64::from).collect();
        let away = self.joint.as_ref().and_then(|joint| joint.judge(&wide, &mut self.smooth));
        let turn = self.turn(away);
        self.unfitted += 1;
        if !self.is_unusual || self.unfitted >= STAYS {
            if self.rows.len() == ROWS_MAX {
                self.rows.pop_front();
            }
            self.rows.push_back(row.into());
        }
        let is_due = if self.is_unusual {
            self.unfitted >= STAYS + ROWS_MAX
        } else {
            self.unfitted >= if self.joint.is_some() { FITTED_EVERY } else { TRIED_EVERY }
        };
        if is_due && self.rows.len() >= ROWS_MIN {
            self.fit();
        }
        turn
    }

    /// Learns the rows that are known. Series that never move have no model.
    fn fit(&mut self) {
        let rows: Vec<Vec<f64>> = self.rows.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect();
        self.joint = if rows.len() < ROWS_MIN { None } else { Joint::fit(&rows).ok() };
        (self.smooth, self.unfitted) = (Smooth::default(), 0);
    }

    fn turn(&mut self, away: Option<Away>) -> Turn {
        let Some(away) = away else { return Turn::Usual };
        let goes_over = if self.is_unusual { away.height() < USUAL_BELOW } else { away.height() >= 1.0 };
        self.in_a_row = if goes_over { self.in_a_row + 1 } else { 0 };
        if self.in_a_row < IN_A_ROW {
            return if self.is_unusual { Turn::GoesOn(away) } else { Turn::Usual };
        }
        self.in_a_row = 0;
        self.is_unusual = !self.is_unusual;
        if self.is_unusual { Turn::Begun(away) } else { Turn::Ended }
    }

    /// Writes what was learned for [`Together::read`]. Whether it is unusual is not kept: the next rows say so.
    pub fn write(&self, out: &mut Writer<'_>, write: impl Fn(&mut Writer<'_>, &K)) {
        out.u8(self.columns.len() as u8);
        self.columns.iter().for_each(|key| write(out, key));
        out.u16(self.rows.len() as u16);
        self.rows.iter().flatten().for_each(|value| out.f32(*value));
        out.u16(self.unfitted.min(FITTED_EVERY) as u16);
        let Some(joint) = &self.joint else { return out.u8(NO_JOINT) };
        out.u8(if joint.has_states() { WITH_STATES } else { WITHOUT_STATES });
        joint.write(out);
        joint.write_states(out);
    }

    /// Reads what [`Together::write`] wrote.
    pub fn read<'a>(from: &mut Reader<'a>, read: impl Fn(&mut Reader<'a>) -> Option<K>) -> Option<Self> {
        let width = usize::from(from.u8()?);
        let mut columns = Vec::new();
        for _ in 0..width {
            let key = read(from)?;
            if columns.contains(&key) {
                return None;
            }
            columns.push(key);
        }
        let count = usize::from(from.u16()?);
        if !(1..=COLUMNS_MAX).contains(&width) || count > ROWS_MAX {
            return None;
        }
        let mut row = || (0..width).map(|_| from.finite()).collect::<Option<Box<[f32]>>>();
        let rows = (0..count).map(|_| row()).collect::<Option<VecDeque<_>>>()?;
        let unfitted = usize::from(from.u16()?);
        let joint = match from.u8()? {
            NO_JOINT => None,
            WITHOUT_STATES => Some(Joint::read(from)?),
            WITH_STATES => Some(Joint::read(from)?.read_states(from)?),
            _ => return None,
        };
        let is_whole = joint.as_ref().is_none_or(|joint| joint.columns() == width);
        let row = vec![None; width];
        is_whole.then_some(Self { columns, row, rows, unfitted, joint, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of series that go together; from 400 to `until` the second one does as it likes. Told: what changed, by row.
    fn feed(
        together: &mut Together<usize>,
        rows: std::ops::Range<usize>,
        until: usize,
        width: usize,
    ) -> Vec<(usize, Option<usize>)> {
        let mut told = Vec::new();
        for n in rows {
            let load = (n as f64 / 9.0).sin() + (n * 31 % 17) as f64 / 40.0;
            let jitter = |k: usize| ((n * 7919 + k * 104_729) % 1009) as f64 / 5000.0;
            let second = if (400..until).contains(&n) { -4.0 } else { load + jitter(2) };
            let values = [load + jitter(1), second, load * 2.0 + jitter(3)];
            for (key, value) in values.into_iter().enumerate().take(width) {
                match together.take(key, value) {
                    Turn::Begun(away) => told.push((n, together.column(away.column))),
                    Turn::Ended => told.push((n, None)),
                    Turn::Usual | Turn::GoesOn(_) => {}
                }
            }
        }
        told
    }

    #[test]
    fn series_that_part_are_told_once_and_their_end_too() {
        let told = feed(&mut Together::default(), 0..600, 430, 3);
        assert!(told.len() == 2 && told[0].1 == Some(1) && (401..410).contains(&told[0].0), "{told:?}");
        assert!(told[1].1.is_none() && (430..460).contains(&told[1].0), "{told:?}");
    }

    #[test]
    fn what_stays_so_is_usual_in_the_end() {
        let told = feed(&mut Together::default(), 0..1400, 1400, 3);
        assert!(told.len() == 2 && told[1].1.is_none() && told[1].0 > 400 + STAYS, "{told:?}");
    }

    #[test]
    fn the_others_are_judged_at_once_when_a_series_is_gone() {
        let mut together = Together::default();
        assert_eq!(feed(&mut together, 0..300, 430, 3), []);
        assert_eq!(feed(&mut together, 300..390, 430, 2), [], "no row is whole without the third");
        assert!(!together.leave(|key| *key == 2) && !together.is_empty());
        let told = feed(&mut together, 390..600, 430, 2);
        assert!(told.len() == 2 && told[0].1 == Some(1), "{told:?}");
        assert!(!together.leave(|_| true) && together.is_empty());
        // What stands when a series goes is over: it was said of more series than there are.
        let mut together = Together::default();
        assert_eq!(feed(&mut together, 0..420, 430, 3).len(), 1);
        assert!(together.leave(|key| *key == 0));
    }

    #[test]
    fn what_was_learned_is_kept() {
        let write = |out: &mut Writer<'_>, key: &usize| out.u8(*key as u8);
        let read = |bytes: &[u8]| Together::read(&mut Reader(bytes), |from| from.u8().map(usize::from));
        let mut together = Together::default();
        feed(&mut together, 0..390, 430, 3);
        let mut bytes = Vec::new();
        together.write(&mut Writer(&mut bytes), write);
        let mut again = read(&bytes).unwrap();
        let told = feed(&mut again, 390..600, 430, 3);
        assert!(told.len() == 2 && told[0].1 == Some(1), "{told:?}");
        (0..bytes.len()).for_each(|end| assert!(read(&bytes[..end]).is_none(), "cut at {end}"));
        bytes[0] = 17;
        assert!(read(&bytes).is_none());
    }
}
