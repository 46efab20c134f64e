//! `headwater model … metric`: the detector of single series, judged and trained.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::detect::stream::Ear;
use crate::folders::metric::MetricModel;
use crate::lab::series::judged::{Tally, evaluate, run};
use crate::lab::series::ledger;
use crate::lab::series::plot::svg;
use crate::lab::series::publish;
use crate::lab::series::synthetic::{self, Anomalous, Labelled};

/// Series of metrics.
#[derive(Args)]
pub struct SeriesArguments {
    /// CSV with timestamp,value[,anomaly], may be packed (repeat for several): the metric model is meant.
    #[arg(long)]
    pub series: Vec<PathBuf>,
    /// So many made-up series of five kinds beside them; labelled ones for `evaluate`, quiet ones for `train`.
    #[arg(long)]
    pub synthetic: Option<usize>,
    /// Seed of the made-up series.
    #[arg(long, default_value_t = 1)]
    pub series_seed: u64,
}

impl SeriesArguments {
    /// Whether series are meant and not histories of events.
    pub fn are_meant(&self) -> bool {
        !self.series.is_empty() || self.synthetic.is_some()
    }

    fn read(&self, anomalous: Anomalous) -> Result<Vec<Labelled>> {
        let mut all = self.series.iter().map(|path| ledger::read(path)).collect::<Result<Vec<_>>>()?;
        all.extend(synthetic::series(self.synthetic.unwrap_or_default(), anomalous, self.series_seed));
        Ok(all)
    }
}

fn model(models: Option<&Path>) -> Result<MetricModel> {
    models.map_or_else(|| Ok(MetricModel::built_in()), MetricModel::newest)
}

fn ear(model: &MetricModel) -> Ear {
    Ear { numbers: model.numbers, ..Ear::default() }
}

/// Judges series by a model; a picture of the first one when a file is named.
///
/// # Errors
/// When a series or the model cannot be read.
pub fn judge(models: Option<&Path>, arguments: &SeriesArguments, plot: Option<&Path>, as_json: Json) -> Result<()> {
    let model = model(models)?;
    let labelled = arguments.read(Anomalous::Yes)?;
    let told = evaluate(&labelled, ear(&model), &[]);
    if as_json == Json::Yes {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&told)?)?;
    } else {
        writeln!(stdout(), "metric {} ({})", model.version, &model.digest[..12])?;
        let heads = ["precision", "recall", "F1", "delay", "false/day"];
        let [precision, recall, f1, delay, false_alarms] = heads;
        writeln!(
            stdout(),
            "{:12} {:>7} {:>9} {precision:>9} {recall:>7} {f1:>6} {delay:>6} {false_alarms:>10}",
            "kind",
            "series",
            "anomalies"
        )?;
        let mut all = Tally::default();
        for (kind, tally) in &told {
            line(kind, tally)?;
            all.add(tally);
        }
        line("all", &all)?;
        if let Some(count) = arguments.synthetic {
            let quiet = synthetic::series(count, Anomalous::No, arguments.series_seed + 1);
            line("quiet", &publish::all_of(&quiet, ear(&model)))?;
        }
    }
    if let Some(file) = plot {
        let first = labelled.first().context("no series to draw")?;
        let dots = run(first, ear(&model), &[]);
        std::fs::write(file, svg(first, &dots)).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// Whether JSON is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Json {
    Yes,
    No,
}

fn line(kind: &str, tally: &Tally) -> Result<()> {
    let (precision, recall, f1) = tally.scores();
    let delay = f64::from(tally.delay) / f64::from(tally.found.max(1));
    writeln!(
        stdout(),
        "{kind:12} {:>7} {:>9} {precision:>9.3} {recall:>7.3} {f1:>6.3} {delay:>6.1} {:>10.4}",
        tally.series,
        tally.anomalies,
        tally.per_series_day()
    )?;
    Ok(())
}

/// Trains the bar on quiet series.
///
/// # Errors
/// When nothing can be learned of them, or the model cannot be written.
pub fn train(arguments: &SeriesArguments, false_alarms: f64, out: &Path) -> Result<()> {
    ensure!(false_alarms > 0.0, "--false-alarms must be above 0");
    let quiet = arguments.read(Anomalous::No)?;
    let trained = publish::train(&quiet, false_alarms, out, |line| eprintln!("{line}"))?;
    let (folder, version, rate) = (trained.folder.display(), trained.version, trained.quiet.per_series_day());
    writeln!(
        stdout(),
        "{folder}: version {version}, told_from {}, {rate:.4} false alarms per series-day",
        trained.numbers.told_from
    )?;
    Ok(())
}
