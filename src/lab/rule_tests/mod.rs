//! Tests of rules: files that say which events come in at which times, and what must and must not come of them. They
//! are played by the production engine with the rules of the folder that the tests stand in.

pub mod file;
mod play;
mod told;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};

use super::built_in::{load_topology, read_topology, shipped_mapping};
use crate::decode::formats::Formats;
use crate::domain::topology::Topology;
use crate::engine::policy::Policy;
use crate::engine::policy::place::{LineColumn, RuleFile, TESTS};
use crate::folders::formats;
use crate::folders::rules;
use file::{Test, TestFile};
use play::Play;

/// The most tests of one set of rules that are played.
const TESTS_MAX: usize = 1_000;

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

/// Finds the topology that a test names.
type TopologyOf<'a> = &'a dyn Fn(&str) -> Result<Arc<Topology>>;

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
        let beside = |name: &str| load_topology(&path.parent().unwrap_or(Path::new(".")).join(name), None, 1);
        outcome.play(&path.display().to_string(), file, &policy, (&formats, &beside))?;
    }
    Ok(outcome)
}

/// Plays the tests that stand among the files of a rule set, with its rules.
///
/// # Errors
/// When the rules are refused, or a test file cannot be read: every place.
pub fn run_set(files: &[RuleFile], formats: &Formats) -> Result<Outcome> {
    let policy = Policy::compile(1, files).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!(lines.join("\n"))
    })?;
    let policy = Arc::new(policy);
    let named = |name: &str| {
        let wanted = format!("{TESTS}{name}");
        let found = files.iter().find(|file| file.name == wanted);
        let file = found.ok_or_else(|| anyhow!("topology: there is no {wanted}; put the file beside the test"))?;
        read_topology(&file.name, file.text.as_bytes(), Some(shipped_mapping()), 1)
    };
    let mut outcome = Outcome::default();
    for file in files.iter().filter(|file| file.is_test() && is_test(Path::new(&file.name))) {
        let tests = TestFile::parse(&file.name, &file.text)?;
        if outcome.played.len() + tests.tests.len() > TESTS_MAX {
            bail!("{}: more than {TESTS_MAX} tests in all; play them with `headwater test`", file.name);
        }
        outcome.play(&file.name, &tests, &policy, (formats, &named))?;
    }
    Ok(outcome)
}

impl Outcome {
    fn play(
        &mut self,
        place: &str,
        file: &TestFile,
        policy: &Arc<Policy>,
        with: (&Formats, TopologyOf<'_>),
    ) -> Result<()> {
        for test in &file.tests {
            self.played.push((place.to_owned(), test.name.value.clone()));
            let told = one(place, test, policy, with)
                .with_context(|| format!("{place}:{}: {}", test.name.referenced.line(), test.name.value))?;
            self.differences.extend(told);
        }
        Ok(())
    }
}

/// `something.test.yaml`: other YAML files in the folder are topologies.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".test.yaml") || name.ends_with(".test.yml")
}

fn one(
    place: &str,
    test: &Test,
    policy: &Arc<Policy>,
    (formats, topology): (&Formats, TopologyOf<'_>),
) -> Result<Vec<Difference>> {
    let topology = test.topology.as_ref().map(|name| topology(&name.value)).transpose()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn set(test: &str) -> Vec<RuleFile> {
        let mut files = Policy::default_files();
        files.push(RuleFile { name: "tests/own.test.yaml".into(), text: test.into() });
        files
    }

    #[test]
    fn tests_among_the_rules_are_played_with_them() {
        let formats = Formats::built_in();
        let own = "tests:\n  - name: it is held\n    topology: estate.yaml\n    steps:\n      - at: 0s\n        events: [{ name: fan, severity: warning, object: { ci_id: web } }]\n        verdicts: [opened]\n";
        let mut files = set(own);
        let missing = run_set(&files, &formats).unwrap_err();
        assert!(format!("{missing:#}").contains("there is no tests/estate.yaml"), "{missing:#}");
        let estate = "cis:\n  - { id: web, class: server }\n";
        files.push(RuleFile { name: "tests/estate.yaml".into(), text: estate.into() });
        let outcome = run_set(&files, &formats).unwrap();
        assert!(outcome.played.len() > 3, "the shipped tests are played, too: {:?}", outcome.played);
        let told: Vec<String> = outcome.differences.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("tests/own.test.yaml:7:") && told[0].contains("held"), "{told:?}");
    }

    #[test]
    fn a_test_that_cannot_be_read_is_told_with_its_place() {
        let wrong = run_set(&set("tests:\n  - nam: x\n"), &Formats::built_in()).unwrap_err().to_string();
        assert!(wrong.contains("tests/own.test.yaml:2"), "{wrong}");
        assert!(Policy::compile(1, &set("tests: [")).is_ok(), "a test decides nothing");
    }
}
