//! Series from files: CSV with a time, a value and, where somebody labelled them, whether the reading is an anomaly.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::super::files;
use super::synthetic::Labelled;
use crate::domain::time::Timestamp;

/// Reads `timestamp,value[,anomaly]`, plain or packed; the first line is the header. Times are RFC 3339, or `YYYY-MM-DD HH:MM:SS` in UTC.
///
/// # Errors
/// Names the file and the line.
pub fn read(path: &Path) -> Result<Labelled> {
    let bytes = files::read(path)?;
    let text = std::str::from_utf8(&bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
    let mut labelled = Labelled {
        name: path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        like: None,
        readings: Vec::new(),
        anomalies: Vec::new(),
    };
    let mut was_anomalous = false;
    for (number, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}:{}", path.display(), number + 1);
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let [time, value, rest @ ..] = &cells[..] else { bail!("{}: write timestamp,value[,anomaly]", place()) };
        let at = Timestamp::parse(time).or_else(|| Timestamp::parse(&format!("{}Z", time.replace(' ', "T"))));
        let at = at.with_context(|| format!("{}: {time:?} is no time; write RFC 3339", place()))?;
        let value: f64 = value.parse().with_context(|| format!("{}: {value:?} is no number", place()))?;
        ensure!(value.is_finite(), "{}: {value} is not finite; leave the line out", place());
        let is_anomalous = rest.first().is_some_and(|label| !matches!(*label, "" | "0" | "0.0" | "false"));
        let n = labelled.readings.len();
        match labelled.anomalies.last_mut() {
            Some(last) if is_anomalous && was_anomalous => last.1 = n,
            _ if is_anomalous => labelled.anomalies.push((n, n)),
            _ => {}
        }
        was_anomalous = is_anomalous;
        labelled.readings.push((at, value));
    }
    ensure!(!labelled.readings.is_empty(), "{} has no readings", path.display());
    Ok(labelled)
}
