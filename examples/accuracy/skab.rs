//! Skoltech Anomaly Benchmark: eight sensors of one machine; the first 400 rows of a file are a quiet time.

use std::path::Path;

use anyhow::{Context as _, Result};
use headwater::detect::joint::{Joint, Smooth};
use headwater::lab::files;

use crate::batch::{Fitted, Kind, Measured};
use crate::nab::sorted;

/// Rows of the quiet time, by the set's protocol, and sensors.
const QUIET: usize = 400;
const SENSORS: usize = 8;
/// Of models that are measured beside ours: rows of a window, the weight of a row in the smoothed one, rows that smoothing has not
/// reached, and the limit in the quiet time's quantile.
const WINDOW: usize = 4;
const SMOOTH: f64 = 0.2;
const SETTLED: usize = 50;
const LIMIT: f64 = 4.0;

/// `folder` is the set's: `<group>/<n>.csv.gz`.
pub fn predict(folder: &Path, _out: &Path) -> Result<Vec<String>> {
    let measured = Measured::asked()?;
    let mut lines = vec!["file,anomaly".to_owned()];
    for group in sorted(folder)?.into_iter().filter(|path| path.is_dir() && !path.ends_with("anomaly-free")) {
        for path in sorted(&group)? {
            let name = path.strip_prefix(folder).context("below the folder")?.display().to_string();
            let name = name.strip_suffix(".gz").unwrap_or(&name).to_owned();
            let rows = read(&path)?;
            anyhow::ensure!(rows.len() > QUIET, "{name} has {} rows, no more than its quiet time", rows.len());
            let ours = match measured {
                Measured::Alone(_) => vec![0.0; rows.len()],
                Measured::Ours | Measured::Beside(_) => ours(&rows).with_context(|| name.clone())?,
            };
            let other = match measured {
                Measured::Ours => vec![0.0; rows.len()],
                Measured::Alone(kind) | Measured::Beside(kind) => other(kind, &rows).with_context(|| name.clone())?,
            };
            let told = ours.iter().zip(&other).map(|(ours, other)| u8::from(ours.max(*other) >= 1.0));
            lines.extend(told.map(|told| format!("{name},{told}")));
        }
    }
    Ok(lines)
}

/// Heights of all rows; from 1 on they are told.
fn ours(rows: &[Vec<f64>]) -> Result<Vec<f64>> {
    let joint = Joint::fit(&rows[..QUIET])?;
    let mut smooth = Smooth::default();
    let height = |row: &Vec<f64>| joint.judge(row, &mut smooth).map(|away| away.height()).context("judge a row");
    rows.iter().map(height).collect()
}

/// Heights by one of linfa's models over windows of smoothed rows: as ours are scaled and smoothed, with a limit from the same
/// quantile of the quiet time.
fn other(kind: Kind, rows: &[Vec<f64>]) -> Result<Vec<f64>> {
    let column = |at: usize| rows[..QUIET].iter().map(move |row| row[at]);
    let means: Vec<f64> = (0..SENSORS).map(|at| column(at).sum::<f64>() / QUIET as f64).collect();
    let spread = |at: usize| (column(at).map(|x| (x - means[at]).powi(2)).sum::<f64>() / QUIET as f64).sqrt();
    let scales: Vec<f64> = (0..SENSORS).map(|at| spread(at).max(1e-3 * means[at].abs()).max(1e-9)).collect();
    let mut smooth = vec![0.0; SENSORS];
    let smoothed: Vec<Vec<f64>> = rows
        .iter()
        .enumerate()
        .map(|(n, row)| {
            let weight = if n == 0 { 1.0 } else { SMOOTH };
            for (at, value) in row.iter().enumerate() {
                smooth[at] += weight * ((value - means[at]) / scales[at] - smooth[at]);
            }
            smooth.clone()
        })
        .collect();
    let windows: Vec<Vec<f64>> =
        (0..rows.len()).map(|end| smoothed[end.saturating_sub(WINDOW - 1)..=end].concat()).collect();
    let quiet: Vec<Vec<f64>> = windows[SETTLED..QUIET].to_vec();
    let fitted = Fitted::of(kind, &quiet)?.context("the quiet time has no model")?;
    let mut far: Vec<f64> = quiet.iter().map(|window| fitted.away(window)).collect();
    far.sort_by(f64::total_cmp);
    let limit = (LIMIT * far[((far.len() - 1) as f64 * 0.99) as usize]).max(1e-6);
    let away = |window: &Vec<f64>| if window.len() == WINDOW * SENSORS { fitted.away(window) / limit } else { 0.0 };
    Ok(windows.iter().map(away).collect())
}

fn read(path: &Path) -> Result<Vec<Vec<f64>>> {
    let bytes = files::read(path)?;
    let text = std::str::from_utf8(&bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
    let row = |line: &str| {
        let numbers = line.split(';').skip(1).take(SENSORS).map(|cell| cell.trim().parse::<f64>());
        numbers.collect::<Result<Vec<_>, _>>().with_context(|| format!("{}: {line}", path.display()))
    };
    text.lines().skip(1).map(row).collect()
}
