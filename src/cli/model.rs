//! `headwater model`: train, look at, evaluate and compare models.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use super::model_arguments::{Histories, ModelCommand, ModelKind, TrainArguments};
use super::model_series::{self, Json};
use super::model_served;
use crate::domain::time::Span;
use crate::engine::logit::Question;
use crate::engine::tuning::{MODEL, Tuning};
use crate::folders::metric::{METRIC, MetricModel};
use crate::folders::models::{Model, versions_of};
use crate::lab::evaluate::{Evaluation, Fate, evaluate};
use crate::lab::history::History;
use crate::lab::score::Scores;
use crate::lab::train::{self, Learn};

/// Runs one of the model commands.
///
/// # Errors
/// When a model or a history cannot be used, or nothing can be learned from it; says what to do.
pub fn run(command: ModelCommand) -> Result<()> {
    match command {
        ModelCommand::Train { kind: ModelKind::Correlation, arguments } => train(arguments),
        ModelCommand::Train { kind: ModelKind::Metric, arguments } => model_series::train(&arguments),
        ModelCommand::List { in_force: true, server, .. } => model_served::list(&server),
        ModelCommand::List { models, .. } => list(&models),
        ModelCommand::Export { kind, version, out, server } => model_served::export(kind, version, &out, &server),
        ModelCommand::Activate { kind, models, version, change } => {
            model_served::activate(kind, &models, version, &change)
        }
        ModelCommand::Rollback { kind, version, change } => model_served::roll_back(kind, version, &change),
        ModelCommand::Retrain { kind, change } => model_served::retrain(kind, &change),
        ModelCommand::Health { server, json } => model_served::health(&server, if json { Json::Yes } else { Json::No }),
        ModelCommand::Card { kind, models, version } => card(kind, &models, version),
        ModelCommand::Evaluate { models, series, plot, json, .. } if series.are_meant() => {
            let json = if json { Json::Yes } else { Json::No };
            model_series::judge(models.as_deref(), &series, plot.as_deref(), json)
        }
        ModelCommand::Evaluate { models, histories, without, after, json, .. } => {
            let model = leave_out(read(models.as_deref())?, &without)?;
            let looks: Vec<Span> = after.into_iter().map(|secs| Span::secs(secs.into())).collect();
            let evaluations = evaluate_all(&model, &histories, &looks)?;
            if json {
                writeln!(stdout(), "{}", serde_json::to_string_pretty(&evaluations)?)?;
            } else {
                print_scores(&model, &evaluations)?;
                print_fates(&evaluations)?;
            }
            Ok(())
        }
        ModelCommand::Compare { models, against, series, .. } if series.are_meant() => {
            for folder in [models, against] {
                model_series::judge(folder.as_deref(), &series, None, Json::No)?;
            }
            Ok(())
        }
        ModelCommand::Compare { models, against, histories, .. } => {
            for folder in [models, against] {
                let model = read(folder.as_deref())?;
                let evaluations = evaluate_all(&model, &histories, &[])?;
                print_scores(&model, &evaluations)?;
            }
            Ok(())
        }
    }
}

/// What an event line looks like must be said.
const NO_MAPPING: &str = "name how event lines are read with --mapping";

fn read(models: Option<&Path>) -> Result<Model> {
    models.map_or_else(|| Ok(Model::built_in()), Model::newest)
}

/// The model without the answers to some questions.
fn leave_out(mut model: Model, words: &[String]) -> Result<Model> {
    let mut tuning = Tuning::clone(&model.tuning);
    for word in words {
        let question = Question::ALL.into_iter().find(|question| question.word() == word);
        let known = || Question::ALL.map(Question::word).join(", ");
        tuning
            .learned
            .set(question.with_context(|| format!("{word:?} is no question; write one of {}", known()))?, None);
    }
    model.tuning = Arc::new(tuning);
    Ok(model)
}

fn train(arguments: TrainArguments) -> Result<()> {
    let TrainArguments { histories, models, out, rounds, delays, seed, samples, .. } = arguments;
    let plan = train::Plan {
        histories: histories.history,
        mapping: histories.mapping.context(NO_MAPPING)?,
        topology_names: histories.topology_mapping,
        models,
        out,
        rounds,
        learn: if delays { Learn::Delays } else { Learn::All },
        seed,
        samples,
    };
    let trained = train::run(&plan, |line| eprintln!("{line}"))?;
    if !delays {
        writeln!(stdout(), "question   samples      yes    right    floor      AUC")?;
    }
    for one in &trained.fitted {
        let (word, samples, yes) = (one.question.word(), one.samples, one.yes);
        writeln!(stdout(), "{word:8} {samples:>9} {yes:>8} {:>8.3} {:>8.3} {:>8.3}", one.right, one.floor, one.auc)?;
    }
    writeln!(
        stdout(),
        "{}: version {}; try it with `headwater model evaluate`",
        trained.folder.display(),
        trained.version
    )?;
    Ok(())
}

fn list(models: &Path) -> Result<()> {
    let kinds = [MODEL, METRIC].map(|name| models.join(name).exists().then(|| versions_of(models, name)).transpose());
    let [correlation, metric] = kinds;
    let (correlation, metric) = (correlation?, metric?);
    ensure!(
        correlation.is_some() || metric.is_some(),
        "{} holds no models: there is neither {MODEL} nor {METRIC} in it",
        models.display()
    );
    for (version, folder) in correlation.unwrap_or_default() {
        match Model::read(&folder, version) {
            Ok(model) => writeln!(stdout(), "{} {version} {} {}", model.name, &model.digest[..12], folder.display())?,
            Err(error) => writeln!(stdout(), "{} {version} refused: {error:#}", folder.display())?,
        }
    }
    for (version, folder) in metric.unwrap_or_default() {
        match MetricModel::read(&folder, version) {
            Ok(model) => writeln!(stdout(), "{METRIC} {version} {} {}", &model.digest[..12], folder.display())?,
            Err(error) => writeln!(stdout(), "{} {version} refused: {error:#}", folder.display())?,
        }
    }
    Ok(())
}

fn card(kind: ModelKind, models: &Path, version: Option<u32>) -> Result<()> {
    let known = versions_of(models, kind.word())?;
    let found = known.into_iter().rev().find(|(known, _)| version.is_none_or(|version| version == *known));
    let (version, folder) =
        found.with_context(|| format!("{} holds no such version", models.join(kind.word()).display()))?;
    match kind {
        ModelKind::Correlation => drop(Model::read(&folder, version)?),
        ModelKind::Metric => drop(MetricModel::read(&folder, version)?),
    }
    let card = folder.join("card.md");
    let text = std::fs::read_to_string(&card).with_context(|| format!("read {}", card.display()))?;
    Ok(write!(stdout(), "{text}")?)
}

fn evaluate_all(model: &Model, histories: &Histories, looks: &[Span]) -> Result<Vec<Evaluation>> {
    let Histories { history, mapping, topology_mapping } = histories;
    let mapping = mapping.as_deref().context(NO_MAPPING)?;
    let open = |folder: &PathBuf| History::open(folder, mapping, topology_mapping.as_deref());
    history.iter().map(|folder| evaluate(&open(folder)?, model.tuning.clone(), looks)).collect()
}

fn print_scores(model: &Model, evaluations: &[Evaluation]) -> Result<()> {
    writeln!(stdout(), "{} {} ({})", model.name, model.version, &model.digest[..12])?;
    writeln!(
        stdout(),
        "{:24} {:>8} {:>6} {:>6} {:>6} {:>6} {:>11}",
        "history",
        "events",
        "F1i",
        "found",
        "root",
        "P",
        "told/true"
    )?;
    for one in evaluations {
        let shares =
            |s: &Scores| format!("{:>6.3} {:>6.3} {:>6.3} {:>6.3}", s.pair_f1, s.found, s.root_top1, s.precision);
        let (of_all, told, real) = (shares(&one.scores), one.told, one.incidents);
        writeln!(stdout(), "{:24} {:>8} {of_all} {told:>5}/{real}", one.history, one.events)?;
        for (secs, scores) in &one.early {
            writeln!(stdout(), "{:33} {}", format!("  after {secs} s"), shares(scores))?;
        }
    }
    Ok(())
}

/// What went wrong, by kind of fault, over all histories.
fn print_fates(evaluations: &[Evaluation]) -> Result<()> {
    let mut all = std::collections::BTreeMap::<&str, Fate>::new();
    for (fault, fate) in evaluations.iter().flat_map(|one| &one.by_fault) {
        all.entry(fault).or_default().add(fate);
    }
    writeln!(
        stdout(),
        "\n{:24} {:>5} {:>6} {:>10} {:>5} {:>7} {:>5} {:>10}",
        "fault",
        "all",
        "right",
        "wrong root",
        "torn",
        "merged",
        "held",
        "fragments"
    )?;
    for (fault, f) in all {
        writeln!(
            stdout(),
            "{fault:24} {:>5} {:>6} {:>10} {:>5} {:>7} {:>5} {:>10}",
            f.all,
            f.right,
            f.wrong_root,
            f.torn,
            f.merged,
            f.held,
            f.fragments
        )?;
    }
    let (invented, lone) =
        evaluations.iter().fold((0, 0), |sum, one| (sum.0 + one.invented, sum.1 + one.invented_lone));
    writeln!(stdout(), "told, but nobody's: {invented}, of them {lone} of a single alert")?;
    Ok(())
}
