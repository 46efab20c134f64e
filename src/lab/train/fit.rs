//! Fitting: logistic regression by linfa over labelled samples, in f64; what leaves here are integers.

use anyhow::{Result, ensure};
use linfa::Dataset;
use linfa::traits::Fit as _;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};

use super::collect::Sample;
use crate::engine::fixed::Milli;
use crate::engine::logit::{FEATURES_MAX, Logit, Question};

/// Samples below which nothing is learned.
const SAMPLES_MIN: usize = 200;
/// Strength of the penalty on large weights.
const PENALTY: f64 = 1.0;
const ROUNDS_MAX: u64 = 300;

/// What a wrong no costs more than a wrong yes, as log-odds: a fault that nobody is told of weighs more than one that is
/// told for nothing, and an alert that is wrongly joined hides the fault that it begins. Chosen on storms that are
/// neither trained on nor reported.
const fn lean(question: Question) -> Milli {
    match question {
        Question::Link | Question::Stranger => 0,
        Question::Kin => -2000,
        Question::Tell => 2500,
        Question::Lone => 4500,
    }
}

/// A question's answer, and how well it fits.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub question: Question,
    pub logit: Logit,
    pub samples: usize,
    /// How many of them are yes.
    pub yes: usize,
    /// Of the samples, how many the model answers right, and how many "always the more frequent answer" does.
    pub right: f64,
    pub floor: f64,
    /// Probability that a yes scores higher than a no.
    pub auc: f64,
    /// The mean and the range of each feature.
    pub ranges: Vec<(f64, f64, f64)>,
}

/// Fits one question; `None` when there are too few samples of both answers.
///
/// # Errors
/// When the numbers are not finite.
pub fn fit(question: Question, samples: &[Sample]) -> Result<Option<Fitted>> {
    let samples: Vec<&Sample> = samples.iter().filter(|sample| sample.question == question).collect();
    let yes = samples.iter().filter(|sample| sample.right).count();
    if samples.len() < SAMPLES_MIN || yes == 0 || yes == samples.len() {
        return Ok(None);
    }
    let names = question.features();
    let column = |at: usize| samples.iter().map(move |sample| sample.features[at] as f64);
    let count = samples.len() as f64;
    // Scaled, so that the penalty treats all alike.
    let scales: Vec<(f64, f64)> = (0..names.len())
        .map(|at| {
            let mean = column(at).sum::<f64>() / count;
            let spread = (column(at).map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
            (mean, if spread > 1e-9 { spread } else { f64::INFINITY })
        })
        .collect();
    let records = Array2::from_shape_fn((samples.len(), names.len()), |(row, at)| {
        (samples[row].features[at] as f64 - scales[at].0) / scales[at].1
    });
    let targets = Array1::from_iter(samples.iter().map(|sample| sample.right));
    let fitted = LogisticRegression::<f64>::default()
        .alpha(PENALTY)
        .max_iterations(ROUNDS_MAX)
        .fit(&Dataset::new(records, targets))?;
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    let logit = whole(fitted.intercept() * sign, fitted.params().iter().map(|weight| weight * sign), &scales)?;
    // Judged before it leans.
    let scores: Vec<(i64, bool)> = samples.iter().map(|s| (logit.score(&s.features), s.right)).collect();
    let right = scores.iter().filter(|(score, right)| (*score > 0) == *right).count() as f64 / count;
    let logit = Logit { constant: logit.constant + lean(question), ..logit };
    let ranges = (0..names.len())
        .map(|at| (scales[at].0, column(at).fold(f64::MAX, f64::min), column(at).fold(f64::MIN, f64::max)))
        .collect();
    let floor = yes.max(samples.len() - yes) as f64 / count;
    Ok(Some(Fitted { question, auc: auc(scores), logit, samples: samples.len(), yes, right, floor, ranges }))
}

/// Weights of scaled features as integers of the features themselves.
fn whole(intercept: f64, weights: impl Iterator<Item = f64>, scales: &[(f64, f64)]) -> Result<Logit> {
    let mut constant = intercept * 1000.0;
    let mut logit = Logit { constant: 0, weights: [0; FEATURES_MAX] };
    for (at, weight) in weights.enumerate() {
        let (mean, spread) = scales[at];
        // A feature in thousandths times this is a score in thousandths.
        let per_unit = weight / spread * 1000.0;
        ensure!(per_unit.is_finite() && per_unit.abs() < 1e6, "the fit gave no finite number; give other histories");
        constant -= per_unit * mean;
        logit.weights[at] = (per_unit * 1000.0).round() as i64;
    }
    ensure!(constant.is_finite() && constant.abs() < 1e6, "the fit gave no finite number; give other histories");
    logit.constant = constant.round() as i64;
    Ok(logit)
}

/// The share of pairs of a yes and a no in which the yes has the higher score; equal ones count half.
fn auc(mut scores: Vec<(i64, bool)>) -> f64 {
    scores.sort_unstable();
    let (mut below, mut sum, mut yes) = (0.0, 0.0, 0.0);
    for equal in scores.chunk_by(|a, b| a.0 == b.0) {
        let ups = equal.iter().filter(|(_, right)| *right).count() as f64;
        let downs = equal.len() as f64 - ups;
        sum += ups * (below + downs / 2.0);
        below += downs;
        yes += ups;
    }
    if yes * below > 0.0 { sum / (yes * below) } else { 0.5 }
}
