//! A metric model that was trained is written as a version, with its card and digests.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::fit::Fitted;
use super::judged::Tally;
use super::synthetic::Labelled;
use crate::folders::metric::{METRIC, MetricModel};
use crate::folders::models::{versions_of, write_version};

/// A version that was written.
#[derive(Clone, Debug)]
pub struct Published {
    pub folder: PathBuf,
    pub version: u32,
}

/// Writes what was found as the next version below `out`.
///
/// # Errors
/// When it cannot be written; says what to do.
pub fn publish(found: &Fitted, quiet: &[Labelled], per_series_day: f64, out: &Path) -> Result<Published> {
    let Fitted { numbers, trained, quiet: tally } = found;
    let version =
        versions_of(out, METRIC).map_or(1, |known| known.last().map_or(1, |(version, _)| *version)).max(1) + 1;
    let yaml = MetricModel::text_of(version, numbers, trained);
    let card = card(version, quiet, per_series_day, found, tally);
    let folder = write_version(out, (METRIC, version), &yaml, &card)?;
    MetricModel::read(&folder, version).context("the model that was written would be refused")?;
    Ok(Published { folder, version })
}

fn card(version: u32, quiet: &[Labelled], allowed: f64, found: &Fitted, tally: &Tally) -> String {
    let Fitted { numbers, trained, .. } = found;
    let range = format!("{} to {}", trained.from, trained.until);
    let mut text = format!(
        "# metric {version}\n\n**What it is.** The numbers of the bar over the five views of a series (season, now, shift, range, shape); made by\n\
         `headwater model train metric`: the lowest bar at which the quiet series below tell at most {allowed} false alarms per series\n\
         and day. 中文:在给定的正常序列上,以每序列每天误报不超过 {allowed} 为目标选定的告警门限。\n\n\
         told_from {}, rise {}, sinks_in {}, pause {}, again {}\n\n\
         **Trained on** {} series, {range}; false alarms {} in {:.0} series-days ({:.4} per series-day).\n\n\
         **Scores** of their readings, from usual to rare (digits of rarity up to 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, more), per ten\n\
         thousand: {:?}. 分数分布(每万读数),用于漂移报告。\n\n",
        numbers.told_from,
        numbers.rise,
        numbers.sinks_in,
        numbers.pause,
        numbers.again,
        tally.series,
        tally.false_alarms,
        tally.days,
        tally.per_series_day(),
        trained.scores.0
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
