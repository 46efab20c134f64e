//! The metric model: `<folder>/metric/<version>/`, the numbers by which single series are judged.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};

use super::models::{verified, versions_of};
use crate::detect::bar::Numbers;
use crate::detect::drift::Shares;
use crate::detect::pattern::View;
use crate::domain::time::Timestamp;

/// The model's name, and that of its folder.
pub const METRIC: &str = "metric";

/// The text of the model that is compiled in.
pub const BUILT_IN: &str = include_str!("../../models/metric/1/model.yaml");

/// A metric model that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricModel {
    pub version: u32,
    /// SHA-256 of `model.yaml`, in hex.
    pub digest: String,
    pub numbers: Numbers,
    /// What it was made from; none: not from series of one's own.
    pub trained: Option<Trained>,
    /// The text of `model.yaml`.
    pub text: Arc<str>,
}

/// The series that a model was made from.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    #[serde(deserialize_with = "time")]
    #[schemars(with = "String")]
    pub from: Timestamp,
    #[serde(deserialize_with = "time")]
    #[schemars(with = "String")]
    pub until: Timestamp,
    pub series: u32,
    pub readings: u64,
    /// How many of the readings were how rare, per ten thousand.
    pub scores: Shares,
}

/// RFC 3339.
fn time<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    Timestamp::parse(&text).ok_or_else(|| Error::custom(format!("{text:?} is no time; write RFC 3339")))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Form {
    model: String,
    version: u32,
    /// The views of a series that the bar stands over, in the order in which they are kept; absent: all that this program has.
    features: Option<Vec<String>>,
    bar: Numbers,
    trained: Option<Trained>,
}

/// The JSON Schema of a version's `model.yaml`.
pub fn form() -> schemars::Schema {
    schemars::schema_for!(Form)
}

impl MetricModel {
    /// The model that is compiled in.
    pub fn built_in() -> Self {
        Self::parse("models/metric/1/model.yaml", BUILT_IN).expect("the shipped model is valid: a test reads it")
    }

    /// The newest version below `folder`.
    ///
    /// # Errors
    /// When there is none, a file is missing, its digest is another, or a number is out of range; says what to do.
    pub fn newest(folder: &Path) -> Result<Self> {
        let Some((version, path)) = versions_of(folder, METRIC)?.into_iter().next_back() else {
            bail!("{} holds no version of the metric model", folder.join(METRIC).display())
        };
        Self::read(&path, version)
    }

    /// A version, from its folder.
    ///
    /// # Errors
    /// As [`MetricModel::newest`].
    pub fn read(folder: &Path, version: u32) -> Result<Self> {
        let (path, text) = verified(folder)?;
        let model = Self::parse(&path, &text)?;
        if model.version != version {
            bail!("{path}: says version {}, its folder {version}; make them the same", model.version);
        }
        Ok(model)
    }

    /// A model of this text.
    ///
    /// # Errors
    /// Names the place and what is wrong with it.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let form: Form = serde_saphyr::from_str(text).map_err(|error| anyhow::anyhow!("{path}: {error}"))?;
        if form.model != METRIC {
            bail!("{path}: it is a model {:?}, not {METRIC:?}", form.model);
        }
        let mut wrong = form.bar.wrong();
        let known = View::ALL.map(View::word);
        if form.features.is_some_and(|named| named != known) {
            wrong.push(format!("features: this program has {}; train the model with it", known.join(", ")));
        }
        if let Some(trained) = form.trained {
            if !trained.scores.are_whole() {
                wrong.push("trained.scores: shares per ten thousand must add up to 10000".into());
            }
            if trained.until < trained.from {
                wrong.push("trained.until is before trained.from".into());
            }
        }
        if !wrong.is_empty() {
            bail!("{path}: {}", wrong.join("; "));
        }
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        let Form { version, bar: numbers, trained, .. } = form;
        Ok(Self { version, digest, numbers, trained, text: text.into() })
    }

    /// A model file.
    pub fn text_of(version: u32, numbers: &Numbers, trained: &Trained) -> String {
        let Numbers { told_from, rise, sinks_in, pause, again } = numbers;
        let Trained { from, until, series, readings, scores } = trained;
        let features = View::ALL.map(View::word).join(", ");
        format!(
            "model: {METRIC}\nversion: {version}\n\
             # The views of a series that the bar stands over, each measured against its own past / 特征(序列的各视角)\n\
             features: [{features}]\n\
             # Digits of rarity that are told, and how the bar moves / 告警门限(稀有度的十进制位数)及其升降\n\
             bar:\n  told_from: {told_from}\n  rise: {rise}\n  sinks_in: {sinks_in}\n  pause: {pause}\n  again: {again}\n\
             # What it was made from; scores: readings by rarity, per ten thousand, for the drift report / 训练数据与分数分布\n\
             trained:\n  from: {from}\n  until: {until}\n  series: {series}\n  readings: {readings}\n  scores: {:?}\n",
            scores.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::models::{FILES, SUMS};
    use super::*;

    fn write(folder: &Path, text: &[u8]) {
        std::fs::write(folder.join(FILES[0]), text).unwrap();
    }

    fn shipped() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models/metric/1")
    }

    #[test]
    fn the_built_in_model_is_the_one_in_the_folder() {
        let shipped = MetricModel::read(&shipped(), 1).unwrap();
        assert_eq!(shipped, MetricModel::built_in());
        assert_eq!(shipped.numbers, Numbers::default());
    }

    #[test]
    fn a_file_that_is_cut_off_or_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = FILES.into_iter().chain([SUMS]);
        let whole: Vec<(&str, Vec<u8>)> =
            files.map(|name| (name, std::fs::read(shipped().join(name)).unwrap())).collect();
        whole.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
        assert!(MetricModel::read(folder.path(), 1).is_ok() && MetricModel::read(folder.path(), 2).is_err());
        for (name, bytes) in &whole[..2] {
            for end in (0..bytes.len()).step_by(1024) {
                std::fs::write(folder.path().join(name), &bytes[..end]).unwrap();
                assert!(MetricModel::read(folder.path(), 1).is_err(), "{name} cut at {end}");
            }
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let text = &whole[0].1;
        for n in 0..1000 {
            let mut flipped = text.clone();
            flipped[n * 7919 % text.len()] ^= 1 << (n % 8);
            write(folder.path(), &flipped);
            assert!(MetricModel::read(folder.path(), 1).is_err(), "flip {n}");
        }
        let trained = "trained: { from: 2026-01-01T00:00:00Z, until: 2026-01-02T00:00:00Z, series: 1, readings: 9, scores: [10000, 0, 0, 0, 0, 0, 0, 0] }";
        let with = |part: &str| MetricModel::parse("here", &format!("{}{part}\n", String::from_utf8_lossy(text)));
        assert!(with(trained).is_ok_and(|model| model.trained.is_some_and(|of| of.readings == 9)));
        for (good, bad) in [
            ("[10000,", "[5000,"),
            ("2026-01-02", "2025-01-02"),
            ("2026-01-01T00:00:00Z", "yesterday"),
            ("series: 1", "series: -1"),
        ] {
            assert!(with(&trained.replace(good, bad)).is_err(), "{bad}");
        }
        // A model of other features is of another shape.
        for bad in ["season, now, shift, range", "now, season, shift, range, shape", "season, now, shift, range, slope"]
        {
            let text = String::from_utf8_lossy(text).replace("season, now, shift, range, shape", bad);
            let refused = MetricModel::parse("here", &text).unwrap_err().to_string();
            assert!(refused.contains("features") && refused.contains("shape"), "{bad}: {refused}");
        }
        // The first models named none.
        let old: String = String::from_utf8_lossy(text).lines().filter(|line| !line.starts_with("features")).fold(
            String::new(),
            |mut all, line| {
                all.push_str(line);
                all.push('\n');
                all
            },
        );
        assert!(MetricModel::parse("here", &old).is_ok(), "{old}");
        // Digests that fit do not make numbers that do.
        for bad in ["told_from: .nan", "told_from: 1e9", "told_from: high"] {
            let text = String::from_utf8_lossy(text).replace("told_from: 1.75", bad);
            assert!(MetricModel::parse("here", &text).is_err(), "{bad}");
        }
    }
}
