//! Training: the learned questions of the correlation model, fitted to labelled histories.
//!
//! The engine runs over each history and says what each question saw; the labels say what would have been right. linfa
//! fits a weight per feature. As answers change what is asked next, this is done in rounds.

mod collect;
mod delays;
mod fit;
mod publish;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use super::history::History;
use crate::engine::delays::Delay;
use crate::engine::logit::Question;
use crate::engine::tuning::Tuning;
use crate::folders::models::Model;
pub use collect::{Sample, collect};
use delays::Seen;
pub use fit::{Fitted, fit};
pub use publish::publish;

/// Samples of one question from one history; beyond it every n-th is taken, so that no history drowns the others.
const SAMPLES_MAX: usize = 30_000;

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learn {
    /// Delays of relations, and all questions with them.
    All,
    /// Delays alone: a history of one estate knows them long before it can answer questions. These stay.
    Delays,
}

/// What to train on and where the model goes.
#[derive(Clone, Debug)]
pub struct Plan {
    pub histories: Vec<PathBuf>,
    pub mapping: PathBuf,
    pub topology_names: Option<PathBuf>,
    /// Models to start from instead of the built-in one: its chosen numbers stay.
    pub models: Option<PathBuf>,
    /// The models folder that gets the next version.
    pub out: PathBuf,
    pub rounds: u32,
    pub learn: Learn,
    /// Which samples are taken when there are too many.
    pub seed: u64,
    /// Also write the samples of the last round, one CSV file per question.
    pub samples: Option<PathBuf>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Trained {
    pub folder: PathBuf,
    pub version: u32,
    pub fitted: Vec<Fitted>,
}

/// Trains and writes the next version of the model.
///
/// # Errors
/// When a history cannot be read, its labels cannot be learned from, or the model cannot be written; says what to do.
pub fn run(plan: &Plan, mut tell: impl FnMut(&str)) -> Result<Trained> {
    ensure!(!plan.histories.is_empty(), "no history to learn from; name one with --history");
    let base = plan.models.as_deref().map_or_else(|| Ok(Model::built_in()), Model::newest)?;
    let mut tuning = Tuning::clone(&base.tuning);
    let (questions, rounds): (&[Question], u32) = match plan.learn {
        Learn::All => (&Question::ALL, plan.rounds.max(1)),
        Learn::Delays => (&[], 1),
    };
    for question in questions {
        tuning.learned.set(*question, None);
    }
    tuning.delays.clear();
    let mut fitted: Vec<Fitted> = Vec::new();
    let mut learned: Vec<(Delay, usize)> = Vec::new();
    for round in 1..=rounds {
        let (mut samples, mut seen) = (Vec::new(), Seen::default());
        for folder in &plan.histories {
            let history = History::open(folder, &plan.mapping, plan.topology_names.as_deref())?;
            let mut found = collect(&history, Arc::new(tuning.clone()), &mut seen)?;
            thin(&mut found, plan.seed);
            tell(&format!("round {round}: {} gave {} samples", history.name(), found.len()));
            samples.append(&mut found);
        }
        fitted.clear();
        learned = seen.learned(&tuning);
        tuning.delays = with_base(&learned, &base.tuning.delays);
        for &question in questions {
            let one = fit(question, &samples).with_context(|| format!("fit {:?}", question.word()))?;
            let answer = one.as_ref().map(|one| &one.logit).or_else(|| base.tuning.learned.get(question)).cloned();
            tuning.learned.set(question, answer);
            fitted.extend(one);
        }
        if let Some(folder) = plan.samples.as_deref().filter(|_| round == rounds) {
            write_samples(folder, &samples)?;
        }
    }
    match plan.learn {
        Learn::All => {
            ensure!(!fitted.is_empty(), "too few samples of both answers for any question; give more histories")
        }
        Learn::Delays => ensure!(!learned.is_empty(), "too few alerts along any kind of relation; give more histories"),
    }
    let (folder, version) = publish(plan, &base, &tuning, (&fitted, &learned))?;
    Ok(Trained { folder, version, fitted })
}

/// The learned delays, and those that the model before knows of other kinds of relations.
fn with_base(learned: &[(Delay, usize)], base: &[Delay]) -> Vec<Delay> {
    let mut delays: Vec<Delay> = learned.iter().map(|(delay, _)| delay.clone()).collect();
    let others = base.iter().filter(|known| !learned.iter().any(|(delay, _)| delay.is_like(known)));
    delays.extend(others.cloned());
    delays.sort_by(|a, b| (&a.relation, &a.cause, &a.effect).cmp(&(&b.relation, &b.cause, &b.effect)));
    delays
}

/// Keeps at most so many samples of each question: every n-th, from a start that the seed says.
fn thin(samples: &mut Vec<Sample>, seed: u64) {
    for question in Question::ALL {
        let count = samples.iter().filter(|sample| sample.question == question).count();
        let step = count.div_ceil(SAMPLES_MAX).max(1) as u64;
        let mut at = seed % step;
        samples.retain(|sample| {
            if sample.question != question {
                return true;
            }
            at += 1;
            at.is_multiple_of(step)
        });
    }
}

fn write_samples(folder: &Path, samples: &[Sample]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    for question in Question::ALL {
        let names = question.features();
        let mut text = format!("right,{}\n", names.join(","));
        for sample in samples.iter().filter(|sample| sample.question == question) {
            let numbers: Vec<String> = sample.features[..names.len()].iter().map(ToString::to_string).collect();
            text.push_str(&format!("{},{}\n", u8::from(sample.right), numbers.join(",")));
        }
        let path = folder.join(format!("{}.csv", question.word()));
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
