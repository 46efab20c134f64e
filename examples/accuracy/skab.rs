//! Skoltech Anomaly Benchmark: eight sensors of one machine; the first 400 rows of a file are a quiet time.

use std::path::Path;

use anyhow::{Context as _, Result};
use headwater::detect::joint::{Joint, Smooth};
use headwater::lab::files;

use crate::nab::sorted;

/// Rows of the quiet time, by the set's protocol, and sensors.
const QUIET: usize = 400;
const SENSORS: usize = 8;

/// `folder` is the set's: `<group>/<n>.csv.gz`.
pub fn predict(folder: &Path, _out: &Path) -> Result<Vec<String>> {
    let mut lines = vec!["file,anomaly".to_owned()];
    for group in sorted(folder)?.into_iter().filter(|path| path.is_dir() && !path.ends_with("anomaly-free")) {
        for path in sorted(&group)? {
            let name = path.strip_prefix(folder).context("below the folder")?.display().to_string();
            let name = name.strip_suffix(".gz").unwrap_or(&name).to_owned();
            let rows = read(&path)?;
            anyhow::ensure!(rows.len() > QUIET, "{name} has {} rows, no more than its quiet time", rows.len());
            let joint = Joint::fit(&rows[..QUIET]).with_context(|| format!("fit {name}"))?;
            let mut smooth = Smooth::default();
            for row in &rows {
                let away = joint.judge(row, &mut smooth).with_context(|| format!("judge a row of {name}"))?;
                lines.push(format!("{name},{}", u8::from(away.height() >= 1.0)));
            }
        }
    }
    Ok(lines)
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
