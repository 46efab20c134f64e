//! `headwater check`: everything that is read from disk, looked at without starting.

use std::collections::BTreeSet;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;

use super::arguments::CheckArguments;
use crate::clock::machine;
use crate::config::warnings::warnings;
use crate::config::{self, Flags};
use crate::delivery::settings::NOBODY;
use crate::domain::ids::ReceiverId;
use crate::domain::topology::quality::Quality;
use crate::engine::policy::Policy;
use crate::folders::{formats, rules};
use crate::lab::built_in::load_topology;
use crate::lab::rule_tests;
use crate::reload::UNKNOWN_RECEIVER;

/// What was found, each in a line.
#[derive(Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
    /// What was looked at.
    seen: Vec<String>,
}

/// Checks configuration, rules, their tests, formats and topology.
///
/// # Errors
/// Never: what is wrong is printed, and the exit code says so.
pub fn run(arguments: CheckArguments) -> Result<ExitCode> {
    let CheckArguments { config, rules, topology, topology_mapping, mappings, strict } = arguments;
    let mut found = Findings::default();
    let flags = Flags {
        rules: rules.clone(),
        topology: topology.clone(),
        topology_mapping: topology_mapping.clone(),
        mappings: mappings.clone(),
        ..Flags::default()
    };
    let (mut rules, mut mappings) = (rules, mappings);
    let (mut topology, mut names) = (topology, topology_mapping);
    let mut receivers = None;
    let has_file = config.is_some();
    match config::load(config.as_deref(), flags) {
        Ok(loaded) => {
            found.warnings.extend(warnings(&loaded.config, &loaded.layers).iter().map(ToString::to_string));
            let name = config.map_or_else(|| "configuration".into(), |path| path.display().to_string());
            found.seen.push(name);
            let config = loaded.config;
            if let Err(errors) = config.receivers(&loaded.layers, config.listen.port(), &machine(), &Arc::default()) {
                found.errors.extend(errors.iter().map(ToString::to_string));
            }
            let known = config.receiver_names();
            if has_file && known.is_empty() {
                found.seen.push(NOBODY.to_owned());
            }
            receivers = Some(known);
            (rules, mappings) = (config.rules, config.mappings);
            (topology, names) = (config.topology, config.topology_mapping);
        }
        Err(errors) => found.errors.extend(errors.iter().map(ToString::to_string)),
    }
    if let Some(folder) = &rules {
        // Without a file it is not known who will be configured.
        found.rules(folder, receivers.filter(|known| has_file && !known.is_empty()).as_ref());
    }
    found.formats(rules.as_deref(), mappings.as_deref());
    if let Some(file) = &topology {
        found.topology(file, names.as_deref());
    }
    found.tell(strict)
}

impl Findings {
    fn rules(&mut self, folder: &Path, receivers: Option<&BTreeSet<ReceiverId>>) {
        let files = match rules::read(folder) {
            Ok(files) => files,
            Err(error) => return self.errors.extend(lines(&error)),
        };
        let name = folder.display();
        match Policy::compile(1, &files) {
            Ok(policy) => {
                self.warnings.extend(policy.lint(machine()()).iter().map(|lint| format!("{name}/{lint}")));
                let is_unknown = |name: &&ReceiverId| receivers.is_some_and(|known| !known.contains(*name));
                for receiver in policy.receivers().into_iter().filter(is_unknown) {
                    self.warnings.push(format!("{name}: receiver {receiver}: {UNKNOWN_RECEIVER}"));
                }
                self.seen.push(format!("{name}: {} rules in {} files", policy.rules().len(), files.len()));
            }
            Err(errors) => self.errors.extend(errors.iter().map(|error| format!("{name}/{error}"))),
        }
        match rule_tests::read(folder) {
            Ok(tests) if tests.is_empty() => {}
            Ok(tests) => {
                self.seen.push(format!("{name}/tests: {} files; run them: headwater test {name}", tests.len()))
            }
            Err(error) => self.errors.extend(lines(&error)),
        }
    }

    fn formats(&mut self, rules: Option<&Path>, mappings: Option<&Path>) {
        match formats::read(rules, mappings) {
            Ok(formats) => {
                let names: Vec<&str> = formats.mappings().map(|mapping| mapping.mapping.as_str()).collect();
                self.seen.push(format!("mappings: {}", names.join(", ")));
            }
            Err(errors) => self.errors.extend(errors),
        }
    }

    fn topology(&mut self, file: &Path, names: Option<&Path>) {
        match load_topology(file, names, 1) {
            Ok(topology) => {
                let quality = Quality::of(&topology);
                self.warnings.extend(quality.warnings());
                self.seen.push(format!("{}: {} CIs, {} edges", file.display(), quality.cis, quality.edges));
            }
            Err(error) => self.errors.extend(lines(&error)),
        }
    }

    fn tell(self, strict: bool) -> Result<ExitCode> {
        for line in &self.seen {
            writeln!(stdout(), "seen: {line}")?;
        }
        for line in &self.warnings {
            writeln!(stdout(), "warning: {line}")?;
        }
        for line in &self.errors {
            writeln!(stdout(), "{line}")?;
        }
        let (errors, warnings) = (self.errors.len(), self.warnings.len());
        writeln!(stdout(), "{errors} errors, {warnings} warnings")?;
        let is_bad = errors > 0 || (strict && warnings > 0);
        Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn lines(error: &anyhow::Error) -> Vec<String> {
    format!("{error:#}").lines().map(str::to_owned).collect()
}
