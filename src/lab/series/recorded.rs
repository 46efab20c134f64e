//! Series as the server has kept them: the daybook of a data folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::synthetic::Labelled;
use crate::detect::daybook::Line;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;

/// The folder of the daybook, in the data folder.
pub const FOLDER: &str = "readings";
/// Readings without which a series teaches nothing.
const READINGS_MIN: usize = 300;

/// What is kept of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub readings: u64,
    /// The oldest one's time.
    pub since: Timestamp,
}

/// How much the daybook of a data folder has, by tenant; nothing when there is none.
///
/// # Errors
/// When it cannot be read.
pub fn held(data: &Path) -> Result<BTreeMap<TenantId, Held>> {
    let mut held: BTreeMap<TenantId, Held> = BTreeMap::new();
    let folder = data.join(FOLDER);
    if !folder.exists() {
        return Ok(held);
    }
    for day in days(&folder).with_context(|| format!("read {}", folder.display()))? {
        let file = File::open(&day).with_context(|| format!("read {}", day.display()))?;
        for text in BufReader::new(file).lines() {
            let text = text.with_context(|| format!("read {}", day.display()))?;
            let Some(line) = Line::read(&text) else { continue };
            let known = match held.get_mut(&TenantId::from(line.tenant)) {
                Some(known) => known,
                None => held.entry(line.tenant.into()).or_insert(Held { readings: 0, since: line.at }),
            };
            known.readings += 1;
            known.since = known.since.min(line.at);
        }
    }
    Ok(held)
}

/// The files of the days, oldest first.
fn days(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let mut days = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    days.retain(|path| path.extension().is_some_and(|end| end == "csv"));
    days.sort();
    Ok(days)
}

/// A tenant's series in the daybook of a data folder; those that are too short are left out.
///
/// # Errors
/// When there is no daybook, or nothing of use in it; says what to do.
pub fn read(data: &Path, tenant: &TenantId) -> Result<Vec<Labelled>> {
    let folder = data.join(FOLDER);
    let remedy = "no readings are kept: set intake.anomalies.kept_series and wait some days";
    let days = days(&folder).with_context(|| format!("read {}; {remedy}", folder.display()))?;
    let mut series: BTreeMap<(String, String), Vec<(Timestamp, f64)>> = BTreeMap::new();
    for day in days {
        let text = std::fs::read_to_string(&day).with_context(|| format!("read {}", day.display()))?;
        for line in text.lines().filter_map(Line::read).filter(|line| line.tenant == tenant.as_str()) {
            let key = (line.source.to_owned(), line.series.to_owned());
            series.entry(key).or_default().push((line.at, line.value));
        }
    }
    let mut all = Vec::new();
    for ((source, id), mut readings) in series {
        // Points that were learned twice, after a crash, stand twice in it.
        readings.sort_by_key(|(at, _)| *at);
        readings.dedup_by_key(|(at, _)| *at);
        if readings.len() >= READINGS_MIN {
            all.push(Labelled { name: format!("{source}/{id}"), like: None, readings, anomalies: Vec::new() });
        }
    }
    let few = "no series has as many as three hundred readings yet: wait some days";
    ensure!(!all.is_empty(), "{}: of tenant {tenant}, {few}", folder.display());
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_put_together_over_days_and_short_ones_left_out() {
        let data = tempfile::tempdir().unwrap();
        let tenant = TenantId::from("t");
        assert!(read(data.path(), &tenant).unwrap_err().to_string().contains("kept_series"));
        let folder = data.path().join(FOLDER);
        std::fs::create_dir(&folder).unwrap();
        let lines =
            |from: i64, to: i64| -> String { (from..to).map(|n| format!("t,s,aa,{n},1.5\nu,s,bb,{n},2\n")).collect() };
        std::fs::write(folder.join("2026-01-01.csv"), lines(0, 250) + "t,s,cc,7,1\n").unwrap();
        assert!(read(data.path(), &tenant).unwrap_err().to_string().contains("three hundred"));
        std::fs::write(folder.join("2026-01-02.csv"), lines(240, 400) + "t,s,aa,40").unwrap();
        let read = read(data.path(), &tenant).unwrap();
        assert_eq!(read.iter().map(|one| (&*one.name, one.readings.len())).collect::<Vec<_>>(), [("s/aa", 400)]);
        let held = held(data.path()).unwrap();
        let of = |tenant: &str| held[&TenantId::from(tenant)];
        assert_eq!(of("t"), Held { readings: 250 + 1 + 160, since: Timestamp(0) });
        assert_eq!(of("u"), Held { readings: 250 + 160, since: Timestamp(0) });
    }
}
