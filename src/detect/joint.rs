//! Several series of one CI together: what each of them shows may be usual, and how they go together not.
//!
//! Rows of a quiet time are scaled and cut by principal components (linfa). A new row is then judged three times: smoothed, how far
//! it lies within the components (Hotelling's T²) and how far off them (Q, the squared rest); as it is, how far within them from
//! every state that the quiet time was in ([`Density`]). Limits come of the quiet time itself. Input: at least [`ROWS_MIN`] rows
//! of 2 to [`COLUMNS_MAX`] finite numbers. Parameters: variance, smoothing and limits below, the same for all objects. Fails where the quiet time was none, or too short to show how the series go together.
//! The same rows always give the same model: linfa starts its searches from a fixed seed.

use linfa::DatasetBase;
use linfa::traits::Fit as _;
use linfa_reduction::Pca;
use ndarray::{Array2, Axis};

use super::density::Density;
use super::state::{Reader, Writer};

/// Rows without which nothing is fitted, and series that go together at most.
pub const ROWS_MIN: usize = 100;
pub const COLUMNS_MAX: usize = 32;
/// The part of the variance that the components hold.
const VARIANCE: f64 = 0.9;
/// The weight of a row in the smoothed one.
const SMOOTH: f64 = 0.2;
/// Rows at the start of the quiet time that smoothing has not reached.
const SETTLED: usize = 50;
/// The limits are this many times what one quiet row in a hundred exceeds.
const QUIET: f64 = 0.99;
const LIMIT: f64 = 4.0;
/// The same for what is far from every state: a mixture fits the quiet time more closely.
const STATES_LIMIT: f64 = 8.0;
/// A column that never moves is told by a thousandth of its level.
const STILL: f64 = 1e-3;

/// Why rows give no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("there are fewer than {ROWS_MIN} rows; give a longer quiet time")]
    FewRows,
    #[error("2 to {COLUMNS_MAX} series go together; give that many")]
    Columns,
    #[error("a number is not finite; leave such rows out")]
    NotFinite,
    #[error("the rows have no components; give a time in which the series move")]
    NoComponents,
}

/// What is usual of several series together.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    means: Vec<f64>,
    scales: Vec<f64>,
    /// Directions of the components, one after the other, and their variances.
    components: Vec<Vec<f64>>,
    variances: Vec<f64>,
    limits: (f64, f64),
    /// The states within the components, and the limit of being far from all; none where the quiet time shows none.
    states: Option<(Density, f64)>,
}

/// The smoothed row of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Smooth {
    row: Vec<f64>,
}

/// How unusual a row is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Away {
    /// Within the components, off them, and from every usual state, in their limits.
    pub within: f64,
    pub off: f64,
    pub from_states: f64,
    /// The series that is farthest from its usual level, and how many deviations.
    pub column: usize,
    pub deviations: f64,
}

impl Away {
    /// The largest of the three; told from 1.
    pub fn height(&self) -> f64 {
        self.within.max(self.off).max(self.from_states)
    }
}

impl Joint {
    /// Fits rows of a quiet time, in order.
    ///
    /// # Errors
    /// When the rows are too few, of a wrong width or not finite, or never move.
    pub fn fit(rows: &[Vec<f64>]) -> Result<Self, Unfit> {
        let width = rows.first().map_or(0, Vec::len);
        if rows.len() < ROWS_MIN {
            return Err(Unfit::FewRows);
        }
        if !(2..=COLUMNS_MAX).contains(&width) || rows.iter().any(|row| row.len() != width) {
            return Err(Unfit::Columns);
        }
        // linfa does not look: one odd number would spoil every component.
        if !rows.iter().flatten().all(|value| value.is_finite() && value.abs() < 1e150) {
            return Err(Unfit::NotFinite);
        }
        let column = |at: usize| rows.iter().map(move |row| row[at]);
        let count = rows.len() as f64;
        let means: Vec<f64> = (0..width).map(|at| column(at).sum::<f64>() / count).collect();
        let scale = |at: usize| {
            let spread = (column(at).map(|x| (x - means[at]).powi(2)).sum::<f64>() / count).sqrt();
            spread.max(STILL * means[at].abs()).max(1e-9)
        };
        let scales: Vec<f64> = (0..width).map(scale).collect();
        let (components, variances, limits) = (Vec::new(), Vec::new(), (f64::MAX, f64::MAX));
        let mut joint = Self { means, scales, components, variances, limits, states: None };
        let mut smooth = Smooth::default();
        let scaled: Vec<Vec<f64>> = rows.iter().map(|row| joint.scaled(row)).collect();
        let smoothed: Vec<Vec<f64>> = scaled.iter().map(|row| smooth.take(row).to_vec()).collect();
        joint.find_components(&smoothed)?;
        let (within, off) = smoothed[SETTLED..].iter().map(|row| joint.distances(row)).unzip();
        joint.limits = (limit_of(within, LIMIT), limit_of(off, LIMIT));
        // Smoothed rows walk from one state to the next, so that there would be none between them.
        let places: Vec<Vec<f64>> = scaled.iter().map(|row| joint.place(row)).collect();
        joint.states = Density::fit(&places).map(|density| {
            let far = places.iter().map(|place| density.away(place)).collect();
            (density, limit_of(far, STATES_LIMIT))
        });
        Ok(joint)
    }

    /// As many components as hold the variance, at least one and not all: what is off them would be nothing.
    fn find_components(&mut self, scaled: &[Vec<f64>]) -> Result<(), Unfit> {
        let width = self.means.len();
        let records = Array2::from_shape_fn((scaled.len(), width), |(row, column)| scaled[row][column]);
        let all: f64 = records.var_axis(Axis(0), 1.0).sum();
        // linfa's search divides by what there is, and panics over what comes of nothing.
        if all <= STILL * STILL {
            return Err(Unfit::NoComponents);
        }
        let rows = (scaled.len() - 1) as f64;
        for size in 1..width {
            let dataset = DatasetBase::from(records.clone());
            let Ok(pca) = Pca::params(size).fit(&dataset) else { continue };
            let variances: Vec<f64> = pca.singular_values().iter().map(|sigma| sigma * sigma / rows).collect();
            let is_whole = pca.components().iter().chain(&variances).all(|value| value.is_finite());
            if !is_whole || variances.iter().any(|variance| *variance <= 0.0) {
                continue;
            }
            self.components = pca.components().outer_iter().map(|component| component.to_vec()).collect();
            self.variances = variances;
            if self.variances.iter().sum::<f64>() >= VARIANCE * all {
                break;
            }
        }
        if self.components.is_empty() { Err(Unfit::NoComponents) } else { Ok(()) }
    }

    /// How many series go together.
    pub fn columns(&self) -> usize {
        self.means.len()
    }

    fn scaled(&self, row: &[f64]) -> Vec<f64> {
        let of = |((value, mean), scale): ((&f64, &f64), &f64)| (value - mean) / scale;
        row.iter().zip(&self.means).zip(&self.scales).map(of).collect()
    }

    /// Where a scaled row lies within the components, in deviations along each.
    fn place(&self, row: &[f64]) -> Vec<f64> {
        let along = |component: &Vec<f64>| component.iter().zip(row).map(|(weight, value)| weight * value).sum::<f64>();
        self.components.iter().zip(&self.variances).map(|(one, variance)| along(one) / variance.sqrt()).collect()
    }

    /// T² and Q of a scaled, smoothed row.
    fn distances(&self, row: &[f64]) -> (f64, f64) {
        let (mut within, mut held) = (0.0, 0.0);
        for (component, variance) in self.components.iter().zip(&self.variances) {
            let along: f64 = component.iter().zip(row).map(|(weight, value)| weight * value).sum();
            within += along * along / variance;
            held += along * along;
        }
        (within, (row.iter().map(|value| value * value).sum::<f64>() - held).max(0.0))
    }

    /// Judges the next row of a stream; `None` when it is of another width or not finite.
    pub fn judge(&self, row: &[f64], smooth: &mut Smooth) -> Option<Away> {
        if row.len() != self.columns() || !row.iter().all(|value| value.is_finite()) {
            return None;
        }
        let scaled = self.scaled(row);
        let smoothed = smooth.take(&scaled);
        let (within, off) = self.distances(smoothed);
        let far = |(states, limit): &(Density, f64)| states.away(&self.place(&scaled)) / limit;
        let from_states = self.states.as_ref().map_or(0.0, far);
        let farthest = smoothed.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        let (column, deviations) = (farthest.0, *farthest.1);
        Some(Away { within: within / self.limits.0, off: off / self.limits.1, from_states, column, deviations })
    }

    /// The usual level of a series.
    pub fn usual(&self, column: usize) -> f64 {
        self.means[column]
    }

    /// Whether the quiet time showed states: then [`Joint::write_states`] has something to write.
    pub const fn has_states(&self) -> bool {
        self.states.is_some()
    }

    /// Writes the states for [`Joint::read_states`].
    pub fn write_states(&self, out: &mut Writer<'_>) {
        if let Some((states, limit)) = &self.states {
            states.write(out);
            out.f32(*limit as f32);
        }
    }

    /// Reads what [`Joint::write_states`] wrote of this one.
    pub fn read_states(mut self, from: &mut Reader<'_>) -> Option<Self> {
        let states = Density::read(from, self.components.len())?;
        let limit = from.finite().map(f64::from).filter(|limit| *limit > 0.0)?;
        self.states = Some((states, limit));
        Some(self)
    }

    /// Writes it for [`Joint::read`], but for its states.
    pub fn write(&self, out: &mut Writer<'_>) {
        out.u8(self.columns() as u8);
        out.u8(self.components.len() as u8);
        let numbers = self.means.iter().chain(&self.scales).chain(self.components.iter().flatten());
        numbers.chain(&self.variances).for_each(|value| out.f32(*value as f32));
        out.f32(self.limits.0 as f32);
        out.f32(self.limits.1 as f32);
    }

    /// Reads what [`Joint::write`] wrote.
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        let (columns, count) = (usize::from(from.u8()?), usize::from(from.u8()?));
        if !(2..=COLUMNS_MAX).contains(&columns) || !(1..columns).contains(&count) {
            return None;
        }
        let mut numbers = |many: usize| (0..many).map(|_| from.finite().map(f64::from)).collect::<Option<Vec<f64>>>();
        let (means, scales) = (numbers(columns)?, numbers(columns)?);
        let components = (0..count).map(|_| numbers(columns)).collect::<Option<Vec<_>>>()?;
        let variances = numbers(count)?;
        let limits = numbers(2)?;
        let is_right = scales.iter().chain(&variances).chain(&limits).all(|value| *value > 0.0);
        let limits = (limits[0], limits[1]);
        is_right.then_some(Self { means, scales, components, variances, limits, states: None })
    }
}

/// So many times what one quiet row in a hundred exceeds.
fn limit_of(mut quiet: Vec<f64>, times: f64) -> f64 {
    quiet.sort_by(f64::total_cmp);
    (times * quiet[((quiet.len() - 1) as f64 * QUIET) as usize]).max(1e-6)
}

impl Smooth {
    fn take(&mut self, row: &[f64]) -> &[f64] {
        if self.row.len() == row.len() {
            self.row.iter_mut().zip(row).for_each(|(own, value)| *own += SMOOTH * (value - *own));
        } else {
            self.row = row.to_vec();
        }
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Load, its processor and its requests go together; a fourth series does as it likes.
    fn rows(range: std::ops::Range<usize>) -> Vec<Vec<f64>> {
        let jitter = |n: usize, k: usize| ((n * 31 + k * 17) * 7919 % 1009) as f64 / 1009.0 - 0.5;
        let row = |n: usize| {
            let load = 50.0 + 20.0 * (n as f64 / 40.0).sin();
            vec![load + jitter(n, 1), 2.0 * load + jitter(n, 2), 7.0 * load + 3.0 * jitter(n, 3), jitter(n, 4)]
        };
        range.map(row).collect()
    }

    #[test]
    fn series_that_stop_going_together_are_told_though_each_is_usual() {
        let joint = Joint::fit(&rows(0..400)).unwrap();
        let mut smooth = Smooth::default();
        let quiet: Vec<f64> =
            rows(400..800).iter().map(|row| joint.judge(row, &mut smooth).unwrap().height()).collect();
        assert!(quiet.iter().all(|height| *height < 1.0), "{:?}", quiet.iter().fold(0.0f64, |a, b| a.max(*b)));
        let last = (800..830).map(|n| {
            let mut row = rows(n..n + 1).remove(0);
            row[1] = 60.0;
            joint.judge(&row, &mut smooth).unwrap()
        });
        let last = last.last().unwrap();
        assert!(last.off > 2.0, "{last:?}");
    }

    #[test]
    fn what_lies_between_two_usual_states_is_told_though_it_is_within_and_on_the_components() {
        let jitter = |n: usize, k: usize| ((n * 31 + k * 17) * 7919 % 1009) as f64 / 1009.0 - 0.5;
        // Busy or idle for an hour each: three series that go together.
        let row = |n: usize| {
            let load = if (n / 60).is_multiple_of(2) { 90.0 } else { 10.0 };
            vec![load + jitter(n, 1), 2.0 * load + jitter(n, 2), 5.0 * load + jitter(n, 3)]
        };
        let joint = Joint::fit(&(0..400).map(row).collect::<Vec<_>>()).unwrap();
        let mut smooth = Smooth::default();
        // The first rows of a stream are hardly smoothed yet.
        let told: Vec<f64> = (340..420).map(|n| joint.judge(&row(n), &mut smooth).unwrap().height()).collect();
        let quiet = told[SETTLED..].iter().copied().fold(0.0, f64::max);
        assert!(quiet < 1.0, "{quiet}");
        let half = (0..40).map(|n| {
            let load = 50.0;
            let row = [load + jitter(n, 1), 2.0 * load + jitter(n, 2), 5.0 * load + jitter(n, 3)];
            joint.judge(&row, &mut smooth).unwrap()
        });
        let half = half.last().unwrap();
        assert!(half.within < 1.0 && half.off < 1.0 && half.from_states > 1.0, "{half:?}");
    }

    #[test]
    fn what_gives_no_model_is_refused_and_a_still_series_is_no_harm() {
        assert_eq!(Joint::fit(&rows(0..50)), Err(Unfit::FewRows));
        assert_eq!(Joint::fit(&vec![vec![1.0]; 200]), Err(Unfit::Columns));
        let mut bad = rows(0..200);
        bad[7][2] = f64::NAN;
        assert_eq!(Joint::fit(&bad), Err(Unfit::NotFinite));
        assert_eq!(Joint::fit(&vec![vec![5.0, 7.0, 0.0]; 200]), Err(Unfit::NoComponents), "nothing ever moves");
        let mut still = rows(0..200);
        still.iter_mut().for_each(|row| row[3] = 5.0);
        let joint = Joint::fit(&still).unwrap();
        assert_eq!(Joint::fit(&still).unwrap(), joint, "the same rows give the same model");
        assert_eq!(joint.judge(&[1.0], &mut Smooth::default()), None);
        let mut bytes = Vec::new();
        joint.write(&mut Writer(&mut bytes));
        let read = Joint::read(&mut Reader(&bytes)).unwrap();
        assert_eq!((read.columns(), read.components.len()), (4, joint.components.len()));
        assert!(!read.has_states(), "they are written apart");
        (0..bytes.len()).for_each(|end| assert_eq!(Joint::read(&mut Reader(&bytes[..end])), None));
    }
}
