//! How many alerts of a group there are of each severity: all, and those that fire. Small numbers are kept in place.

use crate::domain::severity::Severity;

/// As many ranks as there are severities.
const RANKS: usize = Severity::ALL.len();

/// Numbers by severity rank: of all, and of those that fire.
#[derive(Clone, Debug)]
enum Numbers {
    Small([[u8; RANKS]; 2]),
    Large(Box<[[u32; RANKS]; 2]>),
}

/// Counts alerts as they come and go.
#[derive(Clone, Debug)]
pub struct Tally(Numbers);

/// The rows of the numbers.
const ALL: usize = 0;
const FIRING: usize = 1;

impl Default for Tally {
    fn default() -> Self {
        Self(Numbers::Small([[0; RANKS]; 2]))
    }
}

impl Tally {
    /// All and those that fire, by severity rank.
    pub fn rows(&self) -> [[u32; RANKS]; 2] {
        match &self.0 {
            Numbers::Small(rows) => rows.map(|row| row.map(u32::from)),
            Numbers::Large(rows) => **rows,
        }
    }

    /// A tally of these numbers.
    pub fn of(rows: [[u32; RANKS]; 2]) -> Self {
        let mut tally = Self::default();
        for (row, numbers) in rows.into_iter().enumerate() {
            for (rank, number) in numbers.into_iter().enumerate() {
                tally.change(row, rank, |_| number);
            }
        }
        tally
    }

    fn change(&mut self, row: usize, rank: usize, to: impl FnOnce(u32) -> u32) {
        match &mut self.0 {
            Numbers::Small(rows) => {
                let number = to(rows[row][rank].into());
                if let Ok(small) = u8::try_from(number) {
                    rows[row][rank] = small;
                } else {
                    let mut rows = self.rows();
                    rows[row][rank] = number;
                    self.0 = Numbers::Large(Box::new(rows));
                }
            }
            Numbers::Large(rows) => rows[row][rank] = to(rows[row][rank]),
        }
    }

    /// An alert comes.
    pub fn add(&mut self, severity: Severity, fires: bool) {
        let rank = severity.rank() as usize;
        self.change(ALL, rank, |n| n + 1);
        self.change(FIRING, rank, |n| n + u32::from(fires));
    }

    /// An alert goes.
    pub fn take(&mut self, severity: Severity, fires: bool) {
        let rank = severity.rank() as usize;
        self.change(ALL, rank, |n| n - 1);
        self.change(FIRING, rank, |n| n - u32::from(fires));
    }

    /// An alert begins to fire, or ceases.
    pub fn turn(&mut self, severity: Severity, was: bool, is: bool) {
        self.change(FIRING, severity.rank() as usize, |n| n + u32::from(is) - u32::from(was));
    }

    /// No alert fires any more.
    pub fn none_fires(&mut self) {
        for rank in 0..RANKS {
            self.change(FIRING, rank, |_| 0);
        }
    }

    /// All alerts.
    pub fn all(&self) -> u32 {
        self.rows()[ALL].iter().sum()
    }

    /// Alerts that fire.
    pub fn firing(&self) -> u32 {
        self.rows()[FIRING].iter().sum()
    }

    /// The worst severity among firing alerts, else among all.
    pub fn severity(&self) -> Severity {
        let rows = self.rows();
        let worst = |row: usize| Severity::ALL.into_iter().rev().find(|s| rows[row][s.rank() as usize] > 0);
        worst(FIRING).or_else(|| worst(ALL)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_numbers_are_counted_alike() {
        let mut tally = Tally::default();
        for n in 0..1000 {
            tally.add(Severity::Minor, n % 2 == 0);
        }
        assert_eq!((tally.all(), tally.firing(), tally.severity()), (1000, 500, Severity::Minor));
        tally.add(Severity::Critical, false);
        assert_eq!(tally.severity(), Severity::Minor, "what fires comes before what is over");
        for n in 0..1000 {
            tally.take(Severity::Minor, n % 2 == 0);
        }
        tally.turn(Severity::Critical, false, true);
        assert_eq!((tally.all(), tally.firing(), tally.severity()), (1, 1, Severity::Critical));
        tally.none_fires();
        assert_eq!((Tally::of(tally.rows()).all(), tally.firing()), (1, 0));
    }
}
