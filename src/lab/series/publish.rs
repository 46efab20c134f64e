//! Training of the metric model: the bar is put so high that quiet series tell no more than they may, and what came of it is
//! written as a version with its card and digests.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::judged::{Tally, evaluate};
use super::synthetic::Labelled;
use crate::detect::bar::Numbers;
use crate::detect::stream::Ear;
use crate::folders::metric::{METRIC, MetricModel};
use crate::folders::models::{FILES, SUMS, versions_of};

/// Bars that are tried, lowest first.
const TRIED: usize = 40;
const STEP: f32 = 0.1;

/// What training gave.
#[derive(Clone, Debug)]
pub struct Trained {
    pub folder: PathBuf,
    pub version: u32,
    pub numbers: Numbers,
    pub quiet: Tally,
}

/// Finds the lowest bar at which these quiet series tell at most so many false alarms per series and day, and writes it as
/// the next version below `out`.
///
/// # Errors
/// When there are no series, no bar is high enough, or the model cannot be written; says what to do.
pub fn train(quiet: &[Labelled], per_series_day: f64, out: &Path, mut tell: impl FnMut(&str)) -> Result<Trained> {
    ensure!(!quiet.is_empty(), "no series to learn from; name some with --series, or --synthetic N");
    let mut found = None;
    for n in 0..TRIED {
        let numbers = Numbers { told_from: 1.0 + STEP * n as f32, ..Numbers::default() };
        let tally = all_of(quiet, Ear { numbers, ..Ear::default() });
        tell(&format!("told_from {:.1}: {:.4} false alarms per series-day", numbers.told_from, tally.per_series_day()));
        if tally.per_series_day() <= per_series_day {
            found = Some((numbers, tally));
            break;
        }
    }
    let (numbers, tally) = found.context("no bar is high enough: are the series quiet? give others, or allow more")?;
    let version =
        versions_of(out, METRIC).map_or(1, |known| known.last().map_or(1, |(version, _)| *version)).max(1) + 1;
    let folder = out.join(METRIC).join(version.to_string());
    ensure!(!folder.exists(), "{} is there already; move it away", folder.display());
    let yaml = MetricModel::text_of(version, &numbers);
    let card = card(version, quiet, per_series_day, &numbers, &tally);
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let mut sums = String::new();
    for (name, text) in FILES.into_iter().zip([&yaml, &card]) {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        let _ = writeln!(sums, "{}  {name}", hex::encode(Sha256::digest(text.as_bytes())));
    }
    let path = folder.join(SUMS);
    std::fs::write(&path, sums).with_context(|| format!("write {}", path.display()))?;
    MetricModel::read(&folder, version).context("the model that was written would be refused")?;
    Ok(Trained { folder, version, numbers, quiet: tally })
}

/// Everything together.
pub fn all_of(series: &[Labelled], ear: Ear) -> Tally {
    let mut all = Tally::default();
    evaluate(series, ear, &[]).values().for_each(|tally| all.add(tally));
    all
}

fn card(version: u32, quiet: &[Labelled], allowed: f64, numbers: &Numbers, tally: &Tally) -> String {
    let ends = |one: &Labelled| one.readings.first().zip(one.readings.last()).map(|(a, b)| (a.0, b.0));
    let from = quiet.iter().filter_map(|one| ends(one).map(|(from, _)| from)).min();
    let until = quiet.iter().filter_map(|one| ends(one).map(|(_, until)| until)).max();
    let range = from.zip(until).map_or_else(String::new, |(from, until)| format!("{from} to {until}"));
    let mut text = format!(
        "# metric {version}\n\n**What it is.** The numbers of the bar over the five views of a series (season, now, shift, range, shape); made by\n\
         `headwater model train metric`: the lowest bar at which the quiet series below tell at most {allowed} false alarms per series\n\
         and day. 中文:在给定的正常序列上,以每序列每天误报不超过 {allowed} 为目标选定的告警门限。\n\n\
         told_from {}, rise {}, sinks_in {}, pause {}, again {}\n\n\
         **Trained on** {} series, {range}; false alarms {} in {:.0} series-days ({:.4} per series-day).\n\n",
        numbers.told_from,
        numbers.rise,
        numbers.sinks_in,
        numbers.pause,
        numbers.again,
        tally.series,
        tally.false_alarms,
        tally.days,
        tally.per_series_day()
    );
    text.push_str("| series | readings | SHA-256 of the readings |\n|---|--:|---|\n");
    for one in quiet.iter().take(200) {
        let mut hash = Sha256::new();
        one.readings.iter().for_each(|(at, value)| {
            hash.update(at.0.to_le_bytes());
            hash.update(value.to_le_bytes());
        });
        let _ = writeln!(text, "| {} | {} | {} |", one.name, one.readings.len(), hex::encode(&hash.finalize()[..8]));
    }
    text
}
