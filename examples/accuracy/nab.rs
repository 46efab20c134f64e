//! Numenta Anomaly Benchmark: single series, read once and in order; the score of a row is known before the next one is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use headwater::detect::bar::per_mille;
use headwater::detect::pattern::View;
use headwater::detect::stream::{Ear, Stream};
use headwater::domain::time::Timestamp;

use crate::table::Table;

/// Leaves views out, for what each of them contributes: `ACCURACY_WITHOUT=season,shift`.
const WITHOUT: &str = "ACCURACY_WITHOUT";

/// `folder` is the set's: `data/<category>/<file>.csv.gz`.
pub fn predict(folder: &Path, _out: &Path) -> Result<Vec<String>> {
    let without = std::env::var(WITHOUT).unwrap_or_default();
    let left_out: Vec<View> =
        View::ALL.into_iter().filter(|view| without.split(',').any(|w| w == view.word())).collect();
    let mut lines = vec!["file,anomaly_score".to_owned()];
    let root = folder.join("data");
    for category in sorted(&root)? {
        for path in sorted(&category)? {
            let name = path.strip_prefix(&root).context("below data")?.display().to_string();
            let name = name.strip_suffix(".gz").unwrap_or(&name).to_owned();
            let table = Table::read(&path)?;
            let (time, value) = (table.column("timestamp")?, table.column("value")?);
            let mut stream = Stream::default();
            for row in table.rows() {
                let at = Timestamp::parse(&format!("{}Z", row[time].replace(' ', "T")))
                    .with_context(|| format!("time {:?} in {name}", row[time]))?;
                let value = row[value].trim().parse().with_context(|| format!("value {:?} in {name}", row[value]))?;
                let said = stream.take_without(at, value, Ear::each(), |_| true, &left_out);
                lines.push(format!("{name},{:.3}", per_mille(said.height) as f64 / 1000.0));
            }
        }
    }
    Ok(lines)
}

/// What a folder holds, by name.
pub fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.map(|e| e.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
