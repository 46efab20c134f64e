//! Tests of rules: files that say which events come in at which times, and what must and must not come of them. They
//! are played by the production engine with the rules of the folder that the tests stand in.

pub mod file;
mod play;
mod told;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::engine::policy::Policy;
use crate::engine::policy::place::LineColumn;
use crate::folders::formats;
use crate::folders::rules;
use file::{Test, TestFile};
use play::Play;

/// The subfolder of a rules folder in which its tests stand.
pub const TESTS: &str = "tests";

/// Something that came out otherwise than a test says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub file: String,
    pub at: LineColumn,
    pub test: String,
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file, self.at.line, self.at.column, self.test, self.what)
    }
}

/// How the tests of a folder ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Names of the tests that were played, with their files.
    pub played: Vec<(String, String)>,
    pub differences: Vec<Difference>,
}

/// The test files of a rules folder: those in its `tests` subfolder.
///
/// # Errors
/// When a file cannot be read; names the place.
pub fn read(folder: &Path) -> Result<Vec<(PathBuf, TestFile)>> {
    let tests = folder.join(TESTS);
    let paths = if tests.is_dir() { rules::yaml_files(&tests)? } else { Vec::new() };
    let paths = paths.into_iter().filter(|path| is_test(path));
    paths.map(|path| Ok((path.clone(), TestFile::parse(&path.display().to_string(), &rules::text(&path)?)?))).collect()
}

/// Plays the tests of a rules folder.
///
/// # Errors
/// When the rules are refused, or there is no test, or a test file cannot be read: every place.
pub fn run(folder: &Path) -> Result<Outcome> {
    let policy = rules::compile(folder, 1)?;
    let formats = formats::read(Some(folder), None).map_err(|errors| anyhow!(errors.join("\n")))?;
    let files = read(folder)?;
    if files.is_empty() {
        bail!(
            "{}: no test in it; write one, for example tests/first.test.yaml (see rules/tests/README.md)",
            folder.join(TESTS).display()
        );
    }
    let mut outcome = Outcome::default();
    for (path, file) in &files {
        let place = path.display().to_string();
        for test in &file.tests {
            outcome.played.push((place.clone(), test.name.value.clone()));
            let told = one(&place, test, path, &policy, &formats)
                .with_context(|| format!("{place}:{}: {}", test.name.referenced.line(), test.name.value))?;
            outcome.differences.extend(told);
        }
    }
    Ok(outcome)
}

/// `something.test.yaml`: other YAML files in the folder are topologies.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".test.yaml") || name.ends_with(".test.yml")
}

fn one(
    place: &str,
    test: &Test,
    path: &Path,
    policy: &Arc<Policy>,
    formats: &crate::decode::formats::Formats,
) -> Result<Vec<Difference>> {
    let topology = match &test.topology {
        None => None,
        Some(name) => {
            let folder = path.parent().unwrap_or(Path::new("."));
            Some(super::built_in::load_topology(&folder.join(&name.value), None, 1)?)
        }
    };
    let mut play = Play::start(test, policy, topology, formats)?;
    for step in &test.steps {
        play.step(step)?;
    }
    play.end();
    let differences = play.differences.into_iter().map(|(at, what)| Difference {
        file: place.to_owned(),
        at,
        test: test.name.value.clone(),
        what,
    });
    Ok(differences.collect())
}
