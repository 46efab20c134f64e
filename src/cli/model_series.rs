//! `headwater model … metric`: the detector of single series, judged and trained.

use std::collections::BTreeMap;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use indicatif::ProgressBar;

use super::model_arguments::TrainArguments;
use crate::detect::jury::Model;
use crate::detect::stream::Ear;
use crate::folders::metric::MetricModel;
use crate::lab::series::fit::fit;
use crate::lab::series::judged::{Tally, evaluate, run};
use crate::lab::series::ledger;
use crate::lab::series::live;
use crate::lab::series::plot::svg;
use crate::lab::series::publish::{self, Published};
use crate::lab::series::recorded;
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
    /// Data folder of a server: the readings that it kept are meant; the server may run.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// With --data: whose series.
    #[arg(long, default_value = "default")]
    pub tenant: String,
}

impl SeriesArguments {
    /// Whether series are meant and not histories of events.
    pub fn are_meant(&self) -> bool {
        !self.series.is_empty() || self.synthetic.is_some() || self.data.is_some()
    }

    fn read(&self, anomalous: Anomalous) -> Result<Vec<Labelled>> {
        let mut all = self.series.iter().map(|path| ledger::read(path)).collect::<Result<Vec<_>>>()?;
        if let Some(data) = &self.data {
            all.extend(recorded::read(data, &self.tenant.as_str().into())?);
        }
        all.extend(synthetic::series(self.synthetic.unwrap_or_default(), anomalous, self.series_seed));
        Ok(all)
    }
}

fn model(models: Option<&Path>) -> Result<MetricModel> {
    models.map_or_else(|| Ok(MetricModel::built_in()), MetricModel::newest)
}

fn ear(model: &MetricModel) -> Ear {
    Ear::of(model.numbers)
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
        let quiet = arguments.synthetic.map(|count| synthetic::series(count, Anomalous::No, arguments.series_seed + 1));
        let of_quiet = quiet.as_deref().map(|quiet| evaluate(quiet, ear(&model), &[]));
        table("by the pattern alone", &told, of_quiet.as_ref())?;
        let serving = Model { version: model.version, numbers: model.numbers };
        let of_quiet = quiet.as_deref().map(|quiet| live::evaluate(quiet, serving));
        table("as the running program tells it", &live::evaluate(&labelled, serving), of_quiet.as_ref())?;
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

/// What came of series, by kind, and of quiet ones.
type ByKind = BTreeMap<&'static str, Tally>;

fn table(what: &str, told: &ByKind, quiet: Option<&ByKind>) -> Result<()> {
    let [precision, recall, f1, delay, false_alarms] = ["precision", "recall", "F1", "delay", "false/day"];
    writeln!(
        stdout(),
        "{what}\n{:12} {:>7} {:>9} {precision:>9} {recall:>7} {f1:>6} {delay:>6} {false_alarms:>10}",
        "kind",
        "series",
        "anomalies"
    )?;
    for (kind, tally) in told {
        line(kind, tally)?;
    }
    line("all", &Tally::of(told.values()))?;
    quiet.map_or(Ok(()), |quiet| line("quiet", &Tally::of(quiet.values())))
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
pub fn train(arguments: &TrainArguments) -> Result<()> {
    let per_day = arguments.false_alarms;
    ensure!(per_day > 0.0, "--false-alarms must be above 0");
    let quiet = arguments.series.read(Anomalous::No)?;
    let bar = ProgressBar::new(quiet.len() as u64);
    let found = fit(&quiet, per_day, |done, _| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let Published { folder, version } = publish::publish(&found, &quiet, per_day, &arguments.out)?;
    let (folder, rate) = (folder.display(), found.quiet.per_series_day());
    writeln!(
        stdout(),
        "{folder}: version {version}, told_from {}, {rate:.4} false alarms per series-day",
        found.numbers.told_from
    )?;
    Ok(())
}
