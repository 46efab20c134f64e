//! On-call rules out of what other systems export: people, rosters and escalation policies as a rule file, and a list of what
//! could not be carried over. Nothing is left out in silence.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::engine::policy::Policy;
use crate::engine::policy::place::RuleFile;
use carried::Carried;

mod carried;
mod grafana;
mod ical;
mod opsgenie;
mod pagerduty;
mod unread;

/// The largest export that is read, in bytes.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Completes the set for the check: a set without a fallback route is refused.
const ROUTES: &str = "routes: [{ id: imported-check, receivers: [default] }]\n";

/// Whose export it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Grafana OnCall: the answers of its API as one object (`users`, `schedules`, `on_call_shifts`, …).
    GrafanaOncall,
    /// PagerDuty: `users`, `teams`, `schedules`, `escalation_policies`.
    Pagerduty,
    /// Opsgenie: `users`, `teams`, `schedules`, `escalations`.
    Opsgenie,
    /// A calendar (RFC 5545): one roster; the summary of each event names who has duty.
    Ical,
}

/// What `oncall import` takes.
#[derive(Args)]
#[command(after_help = "Examples:\n  headwater oncall import grafana-oncall export.json > rules/oncall.yaml\n  \
    headwater oncall import pagerduty export.json --contacts contacts.yaml > rules/oncall.yaml\n  \
    headwater oncall import ical duty.ics --roster core --zone Asia/Shanghai\n\n\
An export is one JSON object with the lists that the system's API gives. What could not be carried over is listed on\n\
standard error and at the head of the file.")]
pub struct ImportArguments {
    pub format: Format,
    pub file: PathBuf,
    /// Where to write addresses of people; they never stand in rules.
    #[arg(long)]
    pub contacts: Option<PathBuf>,
    /// The receiver that hears of it when nobody answers: a fallback must be there.
    #[arg(long, default_value = "default")]
    pub fallback: String,
    /// For a calendar: what its roster is called.
    #[arg(long, default_value = "core")]
    pub roster: String,
    /// For a calendar: the zone of its times that name none.
    #[arg(long, default_value = "Asia/Shanghai")]
    pub zone: chrono_tz::Tz,
}

/// Reads an export and writes rules.
///
/// # Errors
/// When the file is none of the format, or the rules that come of it are refused.
pub fn run(arguments: &ImportArguments, out: &mut impl Write) -> Result<ExitCode> {
    let path = arguments.file.display();
    let size = fs::metadata(&arguments.file).with_context(|| format!("read {path}"))?.len();
    if size > BYTES_MAX {
        bail!("{path} is larger than {BYTES_MAX} bytes; export fewer things at once");
    }
    let text = fs::read_to_string(&arguments.file).with_context(|| format!("read {path}"))?;
    let carried = carry(arguments, &text).with_context(|| format!("{path}"))?;
    if carried.is_empty() {
        bail!(
            "{path} has no people, schedules or escalation policies that could be read; is it of the format {:?}?",
            arguments.format
        );
    }
    let rules = carried.rules(&arguments.fallback);
    let files = [("imported.yaml", rules.as_str()), ("routes.yaml", ROUTES)]
        .map(|(name, text)| RuleFile { name: name.into(), text: text.into() });
    if let Err(errors) = Policy::compile(1, &files) {
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        bail!("the rules that come of it are refused; correct the export:\n{}", told.join("\n"));
    }
    out.write_all(rules.as_bytes())?;
    match &arguments.contacts {
        Some(path) => fs::write(path, carried.contacts()).with_context(|| format!("write {}", path.display()))?,
        None if carried.has_addresses() => {
            eprintln!("addresses of people were left out; name a file for them: --contacts contacts.yaml")
        }
        None => {}
    }
    for left in &carried.left {
        eprintln!("not carried over: {left}");
    }
    Ok(ExitCode::SUCCESS)
}

fn carry(arguments: &ImportArguments, text: &str) -> Result<Carried> {
    if arguments.format == Format::Ical {
        return ical::carry(text, &arguments.roster, arguments.zone);
    }
    let export: Value = serde_json::from_str(text).context("it is no JSON")?;
    if !export.is_object() {
        bail!(
            "it is no JSON object; write the lists of the API into one, for example {{\"users\": [...], \"schedules\": [...]}}"
        );
    }
    Ok(match arguments.format {
        Format::GrafanaOncall => grafana::carry(&export),
        Format::Pagerduty => pagerduty::carry(&export),
        Format::Opsgenie => opsgenie::carry(&export),
        Format::Ical => unreachable!("it is read above"),
    })
}

/// A list of an export: as it is, or as an answer of the API wraps it.
fn list<'a>(export: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let found = &export[name];
    let inner = if found.is_object() { [&found["results"], &found["data"], &found[name]] } else { [found; 3] };
    inner.into_iter().find_map(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
