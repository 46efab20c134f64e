//! `headwater oncall`: who has duty now and later, and where nobody has, from the rules or from a running server.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::asked::Server;
use super::import::{self, ImportArguments};
use super::lab_arguments::ServerArguments;
use super::typed::time;
use crate::clock::machine;
use crate::domain::ids::PersonId;
use crate::domain::time::{Span, Timestamp};
use crate::engine::oncall::names::OnCallRules;
use crate::engine::oncall::roster::Roster;
use crate::engine::oncall::table;
use crate::engine::policy::Policy;
use crate::folders::rules;
use crate::wording::lang::Lang;

/// The on-call commands.
#[derive(Subcommand)]
pub enum OnCallCommand {
    /// Who has duty now, or at a moment / 现在谁值班
    #[command(after_help = "Examples:\n  headwater oncall who --rules rules\n  \
        headwater oncall who --rules rules core --at 2026-10-01T02:00:00Z\n  \
        headwater oncall who --server https://noc.example:8080   (with overrides that people made)")]
    Who(WhoArguments),
    /// The shifts of the next days, one a line / 排班预览
    #[command(after_help = "Example:\n  headwater oncall preview --rules rules core --days 31")]
    Preview(PreviewArguments),
    /// Look for errors, and for hours in which nobody has duty / 检查排班空档
    #[command(after_help = "Example:\n  headwater oncall check --rules rules --days 62\n\nFails when there is a gap.")]
    Check(CheckDutyArguments),
    /// Rules out of another system's export, with a list of what could not be carried over / 从其他系统迁移
    Import(ImportArguments),
}

/// What `oncall who` takes.
#[derive(Args)]
pub struct WhoArguments {
    /// Folder of rules.
    #[arg(long, conflicts_with = "server", required_unless_present = "server")]
    pub rules: Option<PathBuf>,
    #[command(flatten)]
    pub asked: OptionalServer,
    /// One roster only.
    pub roster: Option<String>,
    /// At another moment than now.
    #[arg(long, value_parser = time)]
    pub at: Option<Timestamp>,
}

/// A running server, when one is named.
#[derive(Args)]
pub struct OptionalServer {
    /// Ask a running server.
    #[arg(long)]
    pub server: Option<String>,
    /// File with a token; else the variable HEADWATER_TOKEN.
    #[arg(long)]
    pub token_file: Option<PathBuf>,
}

/// What `oncall preview` takes.
#[derive(Args)]
pub struct PreviewArguments {
    /// Folder of rules.
    #[arg(long)]
    pub rules: PathBuf,
    /// The roster.
    pub roster: String,
    /// From another moment than now.
    #[arg(long, value_parser = time)]
    pub from: Option<Timestamp>,
    /// How many days, at most 400.
    #[arg(long, default_value_t = 31)]
    pub days: u16,
}

/// What `oncall check` takes.
#[derive(Args)]
pub struct CheckDutyArguments {
    /// Folder of rules.
    #[arg(long)]
    pub rules: PathBuf,
    /// From another moment than now.
    #[arg(long, value_parser = time)]
    pub from: Option<Timestamp>,
    /// How many days, at most 400.
    #[arg(long, default_value_t = 35)]
    pub days: u16,
}

/// Days that are looked ahead at most.
const DAYS_MAX: u16 = 400;

/// Runs one of them.
///
/// # Errors
/// When rules cannot be read or have errors, nobody answers, or the output cannot be written.
pub fn run(command: OnCallCommand, out: &mut impl Write) -> Result<ExitCode> {
    match command {
        OnCallCommand::Who(ask) => who(&ask, out).map(|()| ExitCode::SUCCESS),
        OnCallCommand::Preview(ask) => preview(&ask, out).map(|()| ExitCode::SUCCESS),
        OnCallCommand::Check(ask) => check(&ask, out),
        OnCallCommand::Import(ask) => import::run(&ask, out),
    }
}

fn read(folder: &Path) -> Result<Arc<OnCallRules>> {
    let files = rules::read(folder)?;
    let policy = Policy::compile(1, &files).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{}/{error}", folder.display())).collect();
        anyhow!(lines.join("\n"))
    })?;
    if policy.on_call.rosters.is_empty() {
        bail!("{}: there is no roster; write one under `rosters`, see docs/oncall.md", folder.display());
    }
    Ok(policy.on_call.clone())
}

fn roster_of<'a>(rules: &'a OnCallRules, name: &str) -> Result<&'a Roster> {
    let known: Vec<&str> = rules.rosters.iter().map(|roster| roster.id.id.as_str()).collect();
    rules.roster(name).with_context(|| format!("there is no roster {name:?}; there are {}", known.join(", ")))
}

fn days(days: u16) -> Result<Span> {
    if days == 0 || days > DAYS_MAX {
        bail!("--days {days}: write 1 to {DAYS_MAX}");
    }
    Ok(Span::hours(24 * i64::from(days)))
}

fn who(ask: &WhoArguments, out: &mut impl Write) -> Result<()> {
    if let Some(server) = &ask.asked.server {
        let arguments =
            ServerArguments { server: server.clone(), token_file: ask.asked.token_file.clone(), lang: Lang::En };
        return who_asked(&Server::of(&arguments)?, ask, out);
    }
    let rules = read(ask.rules.as_deref().context("--rules is missing")?)?;
    let at = ask.at.unwrap_or_else(|| machine()());
    let rosters = match &ask.roster {
        Some(name) => vec![roster_of(&rules, name)?],
        None => rules.rosters.iter().collect(),
    };
    for roster in rosters {
        let duty = roster.duty(at, &[]);
        let called = |person| rules.called(person);
        let until =
            roster.next_change(at, &[]).map_or_else(String::new, |to| format!("  .. {}", table::stamp(roster, to)));
        let backup = table::names(&duty.backup, &called);
        writeln!(out, "{}  {}  (then {backup}){until}", roster.id.id, table::names(&duty.people, &called))?;
    }
    Ok(())
}

fn who_asked(server: &Server, ask: &WhoArguments, out: &mut impl Write) -> Result<()> {
    let query = ask.at.map_or_else(String::new, |at| format!("?at={at}"));
    let answer = server.ask(Method::GET, &format!("/oncall{query}"), None)?;
    let names = |list: &Value| {
        let people = list.as_array().into_iter().flatten().filter_map(|person| person["name"].as_str());
        let people: Vec<&str> = people.collect();
        if people.is_empty() { table::NOBODY.to_owned() } else { people.join("+") }
    };
    for item in answer["items"].as_array().into_iter().flatten() {
        let roster = item["roster"].as_str().unwrap_or_default();
        if ask.roster.as_deref().is_none_or(|asked| asked == roster) {
            let until = item["until"].as_str().unwrap_or_default();
            writeln!(
                out,
                "{roster}  {}  (then {})  .. {until}",
                names(&item["people"]),
                names(item.pointer("/backup").unwrap_or(&Value::Null))
            )?;
        }
    }
    Ok(())
}

fn preview(ask: &PreviewArguments, out: &mut impl Write) -> Result<()> {
    let rules = read(&ask.rules)?;
    let roster = roster_of(&rules, &ask.roster)?;
    let from = ask.from.unwrap_or_else(|| machine()());
    for shift in roster.shifts(from, from.plus(days(ask.days)?), &[]) {
        writeln!(out, "{}", table::line(roster, &shift))?;
    }
    Ok(())
}

fn check(ask: &CheckDutyArguments, out: &mut impl Write) -> Result<ExitCode> {
    let rules = read(&ask.rules)?;
    let from = ask.from.unwrap_or_else(|| machine()());
    let to = from.plus(days(ask.days)?);
    let mut gaps = 0;
    for roster in &rules.rosters {
        for (begin, end) in roster.gaps(from, to, &[]) {
            gaps += 1;
            let (begin, end) = (table::stamp(roster, begin), table::stamp(roster, end));
            writeln!(out, "{}: nobody has duty {begin} .. {end}", roster.id.id)?;
        }
        let idle = rules.people.iter().map(|person| PersonId::from(person.id.id.as_str()));
        let named = idle.filter(|person| roster.named().any(|one| one == person)).count();
        writeln!(out, "{}: {named} people, {} layers", roster.id.id, roster.layers.len())?;
    }
    writeln!(out, "{gaps} gaps in {} days", ask.days)?;
    Ok(if gaps > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
