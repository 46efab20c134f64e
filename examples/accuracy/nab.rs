//! Numenta Anomaly Benchmark: single series, read once and in order; the score of a row is known before the next one is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use headwater::detect::judge::Judge;
use headwater::detect::jury::Model;
use headwater::detect::pattern::{Glance, View};
use headwater::detect::stream::{Ear, Stream};
use headwater::domain::time::Timestamp;
use headwater::lab::series::ledger;
use headwater::lab::series::live;

use crate::batch::{Measured, Windows};
use crate::table::Table;

/// Leaves views out, for what each of them contributes: `ACCURACY_WITHOUT=season,shift`.
const WITHOUT: &str = "ACCURACY_WITHOUT";

/// The power of the mean that joins views, as ours are joined.
const POWER: i32 = 6;

/// `folder` is the set's: `data/<category>/<file>.csv.gz`.
pub fn predict(folder: &Path, _out: &Path) -> Result<Vec<String>> {
    let measured = Measured::asked()?;
    let without = std::env::var(WITHOUT).unwrap_or_default();
    let left_out: Vec<View> =
        View::ALL.into_iter().filter(|view| without.split(',').any(|w| w == view.word())).collect();
    let mut lines = vec!["file,anomaly_score".to_owned()];
    for (name, path) in files(folder)? {
        let mut detector = Detector::of(measured);
        let table = Table::read(&path)?;
        let (time, value) = (table.column("timestamp")?, table.column("value")?);
        for row in table.rows() {
            let at = Timestamp::parse(&format!("{}Z", row[time].replace(' ', "T")))
                .with_context(|| format!("time {:?} in {name}", row[time]))?;
            let value = row[value].trim().parse().with_context(|| format!("value {:?} in {name}", row[value]))?;
            let height = detector.take(at, value, &left_out)?;
            // The benchmark's scores end at 1: the bar is at one half.
            lines.push(format!("{name},{:.3}", height / (height + 1.0)));
        }
    }
    Ok(lines)
}

/// The same files as the running program tells them: 1 where an alert begins, else 0. What it told of the files without an
/// anomaly, per series-day, is written to the standard error.
pub fn predict_live(folder: &Path, _out: &Path) -> Result<Vec<String>> {
    let mut lines = vec!["file,anomaly_score".to_owned()];
    let (mut alarms, mut days) = (0, 0.0);
    let labels = folder.join("combined_windows.json");
    let text = std::fs::read(&labels).with_context(|| format!("read {}", labels.display()))?;
    let windows: BTreeMap<String, Vec<[String; 2]>> =
        serde_json::from_slice(&text).with_context(|| format!("read {}", labels.display()))?;
    for (name, path) in files(folder)? {
        let series = ledger::read(&path)?;
        let told = live::run(&series, Model::default());
        if windows.get(&name).is_some_and(Vec::is_empty) {
            let ends = series.readings.first().zip(series.readings.last());
            days += ends.map_or(0.0, |(first, last)| last.0.since(first.0).0 as f64 / 86_400_000.0);
            alarms += told.len();
            eprintln!("{name}: {} told", told.len());
        }
        let score = |at: usize| format!("{name},{}", u8::from(told.contains(&at)));
        lines.extend((0..series.readings.len()).map(score));
    }
    eprintln!(
        "files without an anomaly: {alarms} told in {days:.1} series-days, {:.4} per series-day",
        alarms as f64 / days
    );
    Ok(lines)
}

/// One of ours, or one that is measured beside it.
struct Detector {
    measured: Measured,
    stream: Stream,
    windows: Option<Windows>,
    judge: Judge,
}

impl Detector {
    fn of(measured: Measured) -> Self {
        let windows = match measured {
            Measured::Ours => None,
            Measured::Alone(kind) | Measured::Beside(kind) => Some(Windows::of(kind)),
        };
        Self { measured, stream: Stream::default(), windows, judge: Judge::default() }
    }

    /// The height of a reading above the bar.
    fn take(&mut self, at: Timestamp, value: f64, left_out: &[View]) -> Result<f32> {
        let said = self.stream.take_without(at, value, Ear::each(), |_| true, left_out);
        let Some(windows) = &mut self.windows else { return Ok(said.height) };
        let other = windows.take(value)?;
        let rarity = match self.measured {
            Measured::Ours | Measured::Beside(_) => {
                (said.glance.rarity.powi(POWER) + other.powi(POWER)).powf(1.0 / POWER as f32)
            }
            Measured::Alone(_) => other,
        };
        let glance = Glance { rarity, ..said.glance };
        Ok(self.judge.take(&glance, &Ear::each().rule, said.is_mature).height)
    }
}

/// The files below `data`, by their names in the set.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let root = folder.join("data");
    let mut files = Vec::new();
    for category in sorted(&root)? {
        for path in sorted(&category)? {
            let name = path.strip_prefix(&root).context("below data")?.display().to_string();
            files.push((name.strip_suffix(".gz").unwrap_or(&name).to_owned(), path));
        }
    }
    Ok(files)
}

/// What a folder holds, by name.
pub fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.map(|e| e.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
