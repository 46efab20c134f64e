//! Models that linfa fits in batch, on the bench beside ours: k-means and principal components over windows, a mixture of normal
//! distributions. Fitted to what came before, again and again as the past grows; the same settings for every file.

use anyhow::{Context as _, Result, bail};
use headwater::detect::density::Density;
use headwater::detect::tail::Tail;
use linfa::DatasetBase;
use linfa::traits::Fit as _;
use linfa_clustering::KMeans;
use linfa_reduction::Pca;
use ndarray::Array2;

/// Which model is measured: alone, or as one more view of ours.
const ALONE: &str = "ACCURACY_ALONE";
const BESIDE: &str = "ACCURACY_BESIDE";
/// Centres of k-means, and rounds of its search.
const CENTRES: usize = 20;
const ROUNDS: u64 = 50;
/// The part of the variance that the components hold.
const VARIANCE: f64 = 0.9;
/// Readings of a window, each of two neighbours taken together, as `detect::shape` has them.
const LENGTH: usize = 12;
const STRIDE: usize = 2;
/// Windows before the first fit, those of the past that are fitted at most, and by which part the past has grown at the next.
const FIRST: usize = 100;
const PAST_MAX: usize = 2000;
const GROWN: f64 = 1.25;

/// A kind of model.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    KMeans,
    Components,
    Mixture,
}

/// What is measured.
#[derive(Clone, Copy)]
pub enum Measured {
    Ours,
    Alone(Kind),
    Beside(Kind),
}

impl Measured {
    /// What the environment asks for.
    pub fn asked() -> Result<Self> {
        let kind = |name: &str| match std::env::var(name).as_deref() {
            Err(_) => Ok(None),
            Ok("k-means") => Ok(Some(Kind::KMeans)),
            Ok("components") => Ok(Some(Kind::Components)),
            Ok("mixture") => Ok(Some(Kind::Mixture)),
            Ok(other) => bail!("{name} is {other:?}; write k-means, components or mixture"),
        };
        Ok(match (kind(ALONE)?, kind(BESIDE)?) {
            (Some(kind), _) => Self::Alone(kind),
            (None, Some(kind)) => Self::Beside(kind),
            (None, None) => Self::Ours,
        })
    }
}

/// A model that was fitted to rows.
pub enum Fitted {
    KMeans(Array2<f64>),
    Components(Vec<Vec<f64>>),
    Mixture(Density),
}

impl Fitted {
    /// Fits scaled rows of one width; `None` when they never move.
    pub fn of(kind: Kind, rows: &[Vec<f64>]) -> Result<Option<Self>> {
        let width = rows.first().context("no rows")?.len();
        let records = Array2::from_shape_fn((rows.len(), width), |(row, column)| rows[row][column]);
        Ok(match kind {
            Kind::KMeans => {
                let search = KMeans::params(CENTRES.min(rows.len() / 5)).n_runs(1).max_n_iterations(ROUNDS);
                // A search that has not come to its end has centres all the same, but linfa gives none.
                search
                    .tolerance(1e-2)
                    .fit(&DatasetBase::from(records))
                    .ok()
                    .map(|found| Self::KMeans(found.centroids().clone()))
            }
            Kind::Components => components(&records).map(Self::Components),
            Kind::Mixture => Density::fit(rows).map(Self::Mixture),
        })
    }

    /// How far a row is from what was fitted, as a squared distance.
    pub fn away(&self, row: &[f64]) -> f64 {
        match self {
            Self::KMeans(centres) => {
                let to = |centre: ndarray::ArrayView1<'_, f64>| {
                    centre.iter().zip(row).map(|(centre, value)| (value - centre).powi(2)).sum::<f64>()
                };
                centres.outer_iter().map(to).fold(f64::MAX, f64::min)
            }
            Self::Components(components) => {
                let along =
                    |one: &Vec<f64>| one.iter().zip(row).map(|(weight, value)| weight * value).sum::<f64>().powi(2);
                (row.iter().map(|value| value * value).sum::<f64>() - components.iter().map(along).sum::<f64>())
                    .max(0.0)
            }
            Self::Mixture(density) => density.away(row),
        }
    }
}

/// As few components as hold the variance; what is off them is left.
fn components(records: &Array2<f64>) -> Option<Vec<Vec<f64>>> {
    let (rows, width) = records.dim();
    let all = records.iter().map(|value| value * value).sum::<f64>() / rows as f64;
    let mut found = None;
    // What never moves has no components, and linfa panics over it.
    if all < 1e-9 {
        return None;
    }
    for size in 1..width {
        let Ok(pca) = Pca::params(size).fit(&DatasetBase::from(records.clone())) else { break };
        let held = pca.singular_values().iter().map(|sigma| sigma * sigma).sum::<f64>() / rows as f64;
        if !held.is_finite() {
            break;
        }
        found = Some(pca.components().outer_iter().map(|one| one.to_vec()).collect());
        if held >= VARIANCE * all {
            break;
        }
    }
    found
}

/// A model over the windows of one series.
pub struct Windows {
    kind: Kind,
    readings: Vec<f64>,
    fitted: Option<(Fitted, f64, f64)>,
    due: usize,
    tail: Tail,
}

impl Windows {
    pub fn of(kind: Kind) -> Self {
        Self { kind, readings: Vec::new(), fitted: None, due: FIRST + LENGTH * STRIDE, tail: Tail::default() }
    }

    /// How rare the window is that a reading ends, in decimal digits, measured against its own past as each view of ours is.
    pub fn take(&mut self, value: f64) -> Result<f32> {
        self.readings.push(value);
        let rarity = match &self.fitted {
            Some((fitted, level, spread)) => {
                let away = fitted.away(&self.window(self.readings.len(), *level, *spread));
                self.tail.take(away.sqrt() as f32)
            }
            None => 0.0,
        };
        if self.readings.len() >= self.due {
            self.fit()?;
            self.due = (self.due as f64 * GROWN) as usize;
        }
        Ok(rarity)
    }

    /// The window before `end`, around a level in units of a spread.
    fn window(&self, end: usize, level: f64, spread: f64) -> Vec<f64> {
        let pair = |two: &[f64]| (two.iter().sum::<f64>() / STRIDE as f64 - level) / spread;
        self.readings[end - LENGTH * STRIDE..end].chunks_exact(STRIDE).map(pair).collect()
    }

    fn fit(&mut self) -> Result<()> {
        let many = self.readings.len() as f64;
        let level = self.readings.iter().sum::<f64>() / many;
        let spread = (self.readings.iter().map(|value| (value - level).powi(2)).sum::<f64>() / many).sqrt().max(1e-9);
        let last = self.readings.len();
        let first = (LENGTH * STRIDE).max(last.saturating_sub(PAST_MAX));
        let rows: Vec<Vec<f64>> = (first..=last).map(|end| self.window(end, level, spread)).collect();
        if let Some(fitted) = Fitted::of(self.kind, &rows)? {
            self.fitted = Some((fitted, level, spread));
        }
        Ok(())
    }
}
