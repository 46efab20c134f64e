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
use crate::delivery::channels::nats::Bus;
use crate::delivery::contacts::Contacts;
use crate::delivery::settings::{NOBODY, ReceiverSettings};
use crate::domain::ids::{PersonId, ReceiverId};
use crate::domain::time::Span;
use crate::domain::topology::quality::Quality;
use crate::engine::oncall::table;
use crate::engine::policy::Policy;
use crate::folders::metric::MetricModel;
use crate::folders::{formats, rules};
use crate::lab::built_in::load_topology;
use crate::lab::rule_tests;
use crate::reload::UNKNOWN_RECEIVER;

/// How far ahead rosters are looked at.
const LOOKED_AHEAD: Span = Span::hours(35 * 24);

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
    let mut ways = Vec::new();
    let mut contacts = None;
    let has_file = config.is_some();
    match config::load(config.as_deref(), flags) {
        Ok(loaded) => {
            found.warnings.extend(warnings(&loaded.config, &loaded.layers).iter().map(ToString::to_string));
            let name = config.map_or_else(|| "configuration".into(), |path| path.display().to_string());
            found.seen.push(name);
            let config = loaded.config;
            if let Err(errors) = config.receivers(
                &loaded.layers,
                config.listen.port(),
                &machine(),
                (&Arc::default(), &Bus::default()),
                None,
            ) {
                found.errors.extend(errors.iter().map(ToString::to_string));
            }
            let known = config.receiver_names();
            if has_file && known.is_empty() {
                found.seen.push(NOBODY.to_owned());
            }
            receivers = Some(known);
            ways = config.receivers.clone();
            contacts = config.contacts.as_deref().and_then(|path| Contacts::open(path).ok());
            (rules, mappings) = (config.rules, config.mappings);
            (topology, names) = (config.topology, config.topology_mapping);
            if let Some(folder) = &config.intake.anomalies.models {
                found.metric_model(folder);
            }
        }
        Err(errors) => found.errors.extend(errors.iter().map(ToString::to_string)),
    }
    if let Some(folder) = &rules {
        // Without a file it is not known who will be configured.
        found.rules(folder, receivers.filter(|known| has_file && !known.is_empty()).as_ref());
        if has_file {
            found.addresses(folder, &ways, &contacts.unwrap_or_default());
        }
    }
    found.formats(rules.as_deref(), mappings.as_deref());
    if let Some(file) = &topology {
        found.topology(file, names.as_deref());
    }
    found.tell(strict)
}

impl Findings {
    fn metric_model(&mut self, folder: &Path) {
        match MetricModel::newest(folder) {
            Ok(model) => self.seen.push(format!("{}: metric model {}", folder.display(), model.version)),
            Err(error) => self.errors.push(format!("intake.anomalies.models: {error:#}")),
        }
    }

    fn rules(&mut self, folder: &Path, receivers: Option<&BTreeSet<ReceiverId>>) {
        let files = match rules::read(folder) {
            Ok(files) => files,
            Err(error) => return self.errors.extend(lines(&error)),
        };
        let name = folder.display();
        match Policy::compile(1, &files) {
            Ok(policy) => {
                self.warnings.extend(policy.lint(machine()()).iter().map(|lint| format!("{name}/{lint}")));
                self.gaps(folder, &policy);
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

    /// People who cannot be reached by a way of their plan.
    fn addresses(&mut self, folder: &Path, ways: &[ReceiverSettings], contacts: &Contacts) {
        let Some(policy) = rules::read(folder).ok().and_then(|files| Policy::compile(1, &files).ok()) else { return };
        for person in &policy.on_call.people {
            let id = PersonId::from(person.id.id.as_str());
            let named: BTreeSet<&ReceiverId> = policy.on_call.steps(person).iter().flat_map(|step| &step.by).collect();
            for way in ways.iter().filter(|way| named.contains(&way.id)) {
                let Some(takes) = way.takes() else { continue };
                if contacts.address(&id, &way.id, takes).is_none() {
                    let (key, way) = (takes.key().unwrap_or(way.id.as_str()), &way.id);
                    let what = format!(
                        "has no address for receiver {way}; write `{id}: {{ {key}: … }}` into the file of `contacts`"
                    );
                    self.warnings.push(format!("{}: person {id} {what}", folder.display()));
                }
            }
        }
    }

    /// Hours of the next weeks in which nobody has duty.
    fn gaps(&mut self, folder: &Path, policy: &Policy) {
        let now = machine()();
        for roster in &policy.on_call.rosters {
            let gaps = roster.gaps(now, now.plus(LOOKED_AHEAD), &[]);
            if let Some((from, to)) = gaps.first() {
                let (from, to) = (table::stamp(roster, *from), table::stamp(roster, *to));
                let more = if gaps.len() > 1 { format!(", and {} more times", gaps.len() - 1) } else { String::new() };
                let id = &roster.id.id;
                let what = format!("nobody has duty {from} .. {to}{more}; fill it, or write gaps_allowed: true");
                self.warnings.push(format!("{}: roster {id}: {what}", folder.display()));
            }
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
