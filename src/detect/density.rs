//! The states that rows are usually in, as a mixture of normal distributions (linfa-clustering): how little a row is like any of
//! them. An object that is either busy or idle has two states, and what lies between them is usual to a single distribution.
//!
//! Input: at least [`ROWS_MIN`] rows of one width, all finite. Parameters: [`STATES`] states, the same for all. Deterministic:
//! linfa's search starts from a fixed seed, so the same rows give the same states. Fails where the rows show no state often
//! enough, or have more of them than that: then a wide one holds several.

use linfa::DatasetBase;
use linfa::traits::Fit as _;
use linfa_clustering::GaussianMixtureModel;
use ndarray::{Array2, ArrayView2};

use super::state::{Reader, Writer};

/// Rows without which nothing is fitted.
pub const ROWS_MIN: usize = 50;
/// States at most; fewer when one of them has no rows.
pub const STATES: usize = 3;
/// Rounds of the search, and what is added to each variance: a state is never a point.
const ROUNDS: u64 = 50;
const LEAST_VARIANCE: f64 = 1e-3;

/// The usual states.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    states: Vec<State>,
}

/// One of them: its centre, the inverse of its covariance row by row, and the logarithm of its density at the centre.
#[derive(Clone, Debug, PartialEq)]
struct State {
    centre: Vec<f64>,
    precision: Vec<f64>,
    top: f64,
}

impl Density {
    /// Fits rows; `None` when they show no states.
    pub fn fit(rows: &[Vec<f64>]) -> Option<Self> {
        let width = rows.first().map_or(0, Vec::len);
        let is_odd = |row: &Vec<f64>| row.len() != width || !row.iter().all(|value| value.is_finite());
        if rows.len() < ROWS_MIN || width == 0 || rows.iter().any(is_odd) {
            return None;
        }
        let records = Array2::from_shape_fn((rows.len(), width), |(row, column)| rows[row][column]);
        let dataset = DatasetBase::from(records);
        // Fewer states where one of so many would have no rows.
        (1..=STATES).rev().find_map(|count| {
            let search = GaussianMixtureModel::params(count).max_n_iterations(ROUNDS).reg_covariance(LEAST_VARIANCE);
            Self::of(&search.fit(&dataset).ok()?)
        })
    }

    fn of(mixture: &GaussianMixtureModel<f64>) -> Option<Self> {
        let parts = mixture.weights().iter().zip(mixture.means().outer_iter()).zip(mixture.precisions().outer_iter());
        let state = |((weight, centre), precision): ((&f64, _), ArrayView2<'_, f64>)| {
            let centre: ndarray::ArrayView1<'_, f64> = centre;
            let top = weight.ln() + 0.5 * log_determinant(&precision)?;
            let state = State { centre: centre.to_vec(), precision: precision.iter().copied().collect(), top };
            state.is_finite().then_some(state)
        };
        Some(Self { states: parts.map(state).collect::<Option<_>>()? })
    }

    /// How far a row is from all states: 0 at the likeliest place, and as a squared distance in deviations around a state that
    /// stands alone. The row must be as wide as those that were fitted.
    pub fn away(&self, row: &[f64]) -> f64 {
        let top = self.states.iter().map(|state| state.top).fold(f64::MIN, f64::max);
        let logs = || self.states.iter().map(|state| state.top - 0.5 * state.distance(row));
        let most = logs().fold(f64::MIN, f64::max);
        let log = most + logs().map(|one| (one - most).exp()).sum::<f64>().ln();
        (2.0 * (top - log)).max(0.0)
    }

    /// How wide rows are.
    pub fn width(&self) -> usize {
        self.states.first().map_or(0, |state| state.centre.len())
    }

    /// Writes it for [`Density::read`].
    pub fn write(&self, out: &mut Writer<'_>) {
        out.u8(self.states.len() as u8);
        for State { centre, precision, top } in &self.states {
            centre.iter().chain(precision).chain([top]).for_each(|value| out.f32(*value as f32));
        }
    }

    /// Reads what [`Density::write`] wrote for rows of this width.
    pub fn read(from: &mut Reader<'_>, width: usize) -> Option<Self> {
        let count = usize::from(from.u8()?);
        if !(1..=STATES).contains(&count) {
            return None;
        }
        let mut numbers = |many: usize| (0..many).map(|_| from.finite().map(f64::from)).collect::<Option<Vec<f64>>>();
        let mut state = || {
            let (centre, precision, top) = (numbers(width)?, numbers(width * width)?, numbers(1)?[0]);
            Some(State { centre, precision, top })
        };
        Some(Self { states: (0..count).map(|_| state()).collect::<Option<_>>()? })
    }
}

impl State {
    /// The squared distance from the centre, in deviations.
    fn distance(&self, row: &[f64]) -> f64 {
        let off: Vec<f64> = row.iter().zip(&self.centre).map(|(value, centre)| value - centre).collect();
        let along = |line: &[f64]| line.iter().zip(&off).map(|(weight, off)| weight * off).sum::<f64>();
        self.precision.chunks_exact(off.len()).zip(&off).map(|(line, off)| along(line) * off).sum::<f64>().max(0.0)
    }

    fn is_finite(&self) -> bool {
        self.centre.iter().chain(&self.precision).chain([&self.top]).all(|value| value.is_finite())
    }
}

/// The logarithm of the determinant of what is positive definite (by Cholesky's decomposition); `None` of anything else.
fn log_determinant(matrix: &ArrayView2<'_, f64>) -> Option<f64> {
    let size = matrix.nrows();
    let mut lower = vec![vec![0.0; size]; size];
    let mut log = 0.0;
    for row in 0..size {
        for column in 0..=row {
            let known: f64 = (0..column).map(|n| lower[row][n] * lower[column][n]).sum();
            let rest = matrix[[row, column]] - known;
            if column < row {
                lower[row][column] = rest / lower[column][column];
            } else if rest > 0.0 && rest.is_finite() {
                lower[row][row] = rest.sqrt();
                log += rest.ln();
            } else {
                return None;
            }
        }
    }
    Some(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows around two places.
    fn rows() -> Vec<Vec<f64>> {
        let jitter = |n: usize, k: usize| ((n * 31 + k * 17) * 7919 % 1009) as f64 / 1009.0 - 0.5;
        (0..300)
            .map(|n| {
                let place = if n / 7 % 2 == 0 { 5.0 } else { -5.0 };
                vec![place + jitter(n, 1), 0.5 * place + jitter(n, 2)]
            })
            .collect()
    }

    #[test]
    fn what_lies_between_two_states_is_like_neither_and_the_same_rows_give_the_same_states() {
        let density = Density::fit(&rows()).unwrap();
        let most = rows().iter().map(|row| density.away(row)).fold(0.0, f64::max);
        let between = density.away(&[0.0, 0.0]);
        assert!(most < 20.0 && between > 5.0 * most, "{most} {between}");
        assert_eq!(Density::fit(&rows()).unwrap(), density);
        assert_eq!(Density::fit(&rows()[..20]), None, "too few");
        let mut odd = rows();
        odd[7][1] = f64::NAN;
        assert_eq!(Density::fit(&odd), None);
        assert!(Density::fit(&vec![vec![1.0, 2.0]; 100]).is_some(), "a state that never moves is one");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let density = Density::fit(&rows()).unwrap();
        let mut bytes = Vec::new();
        density.write(&mut Writer(&mut bytes));
        let again = Density::read(&mut Reader(&bytes), 2).unwrap();
        let (one, other) = (density.away(&[1.0, 2.0]), again.away(&[1.0, 2.0]));
        assert!((one - other).abs() < 1e-3 * one && again.width() == 2, "{one} {other}");
        (0..bytes.len()).for_each(|end| assert_eq!(Density::read(&mut Reader(&bytes[..end]), 2), None));
    }
}
