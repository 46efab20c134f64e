//! Model folders: `<folder>/<name>/<version>/` with `model.yaml`, `card.md` and `SHA256SUMS` over both.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::engine::tuning::{BUILT_IN, MODEL, Tuning};

/// The files that a model must have and that its digests cover.
pub const FILES: [&str; 2] = ["model.yaml", "card.md"];
/// The file with the digests.
pub const SUMS: &str = "SHA256SUMS";

/// A model that is in use: which one it is, and its numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    pub name: String,
    pub version: u32,
    /// SHA-256 of `model.yaml`, in hex.
    pub digest: String,
    #[serde(skip)]
    pub tuning: Arc<Tuning>,
    /// The text of `model.yaml`.
    #[serde(skip)]
    pub text: Arc<str>,
}

impl Model {
    /// The model that is compiled in.
    pub fn built_in() -> Self {
        Self::of(Tuning::default(), BUILT_IN.1)
    }

    fn of(tuning: Tuning, text: &str) -> Self {
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        Self {
            name: tuning.model.to_string(),
            version: tuning.version,
            digest,
            tuning: Arc::new(tuning),
            text: text.into(),
        }
    }

    /// The newest version of the correlation model below `folder`.
    ///
    /// # Errors
    /// When there is none, a file is missing, its digest is another, or a number is out of range; says what to do.
    pub fn newest(folder: &Path) -> Result<Self> {
        let models = folder.join(MODEL);
        let Some((version, path)) = versions(folder)?.into_iter().next_back() else {
            bail!("{} holds no version; make {}/1 with model.yaml, card.md, {SUMS}", models.display(), models.display())
        };
        Self::read(&path, version)
    }

    /// A version of the correlation model, from its folder.
    ///
    /// # Errors
    /// When a file is missing, its digest is another, or a number is out of range; says what to do.
    pub fn read(folder: &Path, version: u32) -> Result<Self> {
        let (path, text) = verified(folder)?;
        let tuning = Tuning::parse(&path, &text).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            anyhow::anyhow!(lines.join("\n"))
        })?;
        if tuning.version != version {
            bail!("{path}: says version {}, its folder {version}; make them the same", tuning.version);
        }
        Ok(Self::of(tuning, &text))
    }
}

/// The versions of the correlation model below `folder`, oldest first.
///
/// # Errors
/// When the folder cannot be read, or one in it is no version.
pub fn versions(folder: &Path) -> Result<Vec<(u32, PathBuf)>> {
    versions_of(folder, MODEL)
}

/// The versions of a model of this name below `folder`, oldest first.
///
/// # Errors
/// When the folder cannot be read, or one in it is no version.
pub fn versions_of(folder: &Path, name: &str) -> Result<Vec<(u32, PathBuf)>> {
    let models = folder.join(name);
    let entries = std::fs::read_dir(&models).with_context(|| format!("read the models in {}", models.display()))?;
    let mut versions = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("read the models in {}", models.display()))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_dir()) else { continue };
        let Ok(version) = name.parse::<u32>() else {
            bail!("{}: a version is a whole number; rename or remove the folder", path.display())
        };
        versions.push((version, path));
    }
    versions.sort();
    Ok(versions)
}

/// Writes a version of a model below `folder`: its text, its card, and the digests of both.
///
/// # Errors
/// When it is there already or cannot be written; says what to do.
pub fn write_version(folder: &Path, (name, version): (&str, u32), yaml: &str, card: &str) -> Result<PathBuf> {
    let folder = folder.join(name).join(version.to_string());
    ensure!(!folder.exists(), "{} is there already; move it away", folder.display());
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let mut sums = String::new();
    for (name, text) in FILES.into_iter().zip([yaml, card]) {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        let _ = writeln!(sums, "{}  {name}", hex::encode(Sha256::digest(text.as_bytes())));
    }
    let path = folder.join(SUMS);
    std::fs::write(&path, sums).with_context(|| format!("write {}", path.display()))?;
    Ok(folder)
}

/// The path and the text of a model's file, whose digests fit.
///
/// # Errors
/// When a file is missing or its digest is another; says what to do.
pub fn verified(folder: &Path) -> Result<(String, String)> {
    verify(folder)?;
    let path = folder.join(FILES[0]);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Ok((path.display().to_string(), text))
}

/// Compares the files of a model with its digests.
fn verify(folder: &Path) -> Result<()> {
    let remedy = format!("if that is meant: cd {} && sha256sum {} > {SUMS}", folder.display(), FILES.join(" "));
    let sums = folder.join(SUMS);
    let listed = std::fs::read_to_string(&sums).with_context(|| format!("read {}; {remedy}", sums.display()))?;
    for name in FILES {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let found = hex::encode(Sha256::digest(&bytes));
        let line = listed.lines().position(|line| line.split_whitespace().nth(1) == Some(name));
        let Some(number) = line else { bail!("{}: {name} is not listed; {remedy}", sums.display()) };
        let said = listed.lines().nth(number).and_then(|line| line.split_whitespace().next()).unwrap_or_default();
        if said != found {
            bail!("{}:{}: {name} has digest {found}, not {said}; {remedy}", sums.display(), number + 1);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_model_is_the_one_in_the_folder() {
        let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
        assert!(Model::newest(models).is_ok(), "the candidates beside it can be read");
        let shipped = Model::read(&models.join(MODEL).join("6"), 6).unwrap();
        let built_in = Model::built_in();
        assert_eq!((shipped.version, &shipped.digest), (built_in.version, &built_in.digest));
        assert_eq!(*shipped.tuning, *built_in.tuning);
    }

    #[test]
    fn a_model_that_is_cut_off_or_changed_is_refused() {
        let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models/correlation/6"));
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let is_refused = || Model::read(folder.path(), 6).is_err();
        let whole = FILES.into_iter().chain([SUMS]).map(|name| (name, std::fs::read(shipped.join(name)).unwrap()));
        let whole: Vec<(&str, Vec<u8>)> = whole.collect();
        whole.iter().for_each(|(name, bytes)| put(name, bytes));
        assert!(!is_refused());
        for (name, bytes) in &whole {
            // A list of digests without its last line break says the same.
            let (step, end) = if *name == SUMS { (1, bytes.len() - 1) } else { (1024, bytes.len()) };
            let cuts: Vec<usize> = (0..end).step_by(step).collect();
            assert!(cuts.len() >= 4, "{name} is too short to be cut");
            for cut in cuts {
                put(name, &bytes[..cut]);
                assert!(is_refused(), "{name} cut at {cut}");
            }
            for n in 0..1000 {
                let mut flipped = bytes.clone();
                flipped[n * 7919 % end] ^= 1 << (n % 8);
                put(name, &flipped);
                assert!(is_refused(), "{name} flip {n}");
            }
            put(name, bytes);
        }
        assert!(!is_refused());
        std::fs::remove_file(folder.path().join(FILES[1])).unwrap();
        assert!(is_refused(), "a model without its card");
    }
}
