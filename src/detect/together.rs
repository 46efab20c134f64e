//! The series of one object as rows: how far each is from its usual day, all at one time, judged by [`Joint`].
//!
//! Days do not disturb it: what is compared is what is left when the usual day is taken off, so it begins once every series
//! knows its day. A row is complete when each series has come once since the row before.

use std::collections::VecDeque;

use super::joint::{Away, Joint, Smooth};

/// Series of one object that are looked at together; further ones are not.
const COLUMNS_MAX: usize = 16;
/// Rows that are learned from, those without which nothing is fitted, and those after which it is fitted anew.
const ROWS_MAX: usize = 200;
const ROWS_MIN: usize = 120;
const FITTED_EVERY: usize = 200;
/// Rows in a row that begin it, and that end it.
const IN_A_ROW: u8 = 3;
/// The height under which a row is usual again.
const USUAL_BELOW: f64 = 0.6;

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
        if !self.is_unusual || self.unfitted >= 2 * FITTED_EVERY {
            if self.rows.len() == ROWS_MAX {
                self.rows.pop_front();
            }
            self.rows.push_back(row.into());
        }
        let is_due = self.joint.is_none() || self.unfitted >= FITTED_EVERY;
        if is_due && self.rows.len() >= ROWS_MIN && !self.is_unusual {
            let rows: Vec<Vec<f64>> =
                self.rows.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect();
            // Series that never move have no model; they are asked again later.
            self.joint = Joint::fit(&rows).ok();
            (self.smooth, self.unfitted) = (Smooth::default(), 0);
        }
        turn
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_that_part_are_told_once_and_their_end_too() {
        let mut together = Together::default();
        let mut told = Vec::new();
        for n in 0..600usize {
            let load = (n as f64 / 9.0).sin() + (n * 31 % 17) as f64 / 40.0;
            let jitter = |k: usize| ((n * 7919 + k * 104_729) % 1009) as f64 / 5000.0;
            let parts = (400..430).contains(&n);
            let values = [load + jitter(1), if parts { -4.0 } else { load + jitter(2) }, load * 2.0 + jitter(3)];
            for (key, value) in values.into_iter().enumerate() {
                match together.take(key, value) {
                    Turn::Begun(away) => told.push((n, together.column(away.column))),
                    Turn::Ended => told.push((n, None)),
                    Turn::Usual | Turn::GoesOn(_) => {}
                }
            }
        }
        assert!(told.len() == 2 && told[0].1 == Some(1) && (401..410).contains(&told[0].0), "{told:?}");
        assert!(told[1].1.is_none() && (430..460).contains(&told[1].0), "{told:?}");
    }
}
