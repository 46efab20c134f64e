//! `headwater dead-letters`: what could not be taken, on a running server, and trying it again.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::asked::Server;
use super::lab_arguments::ServerArguments;
use crate::wording::lang::{Lang, Text};

const PATH: &str = "/dead-letters";
/// As many as the server takes in one call.
const AT_ONCE: usize = 500;

/// Which dead letters.
#[derive(Args)]
pub struct Which {
    /// Only of this source.
    #[arg(long)]
    source: Option<String>,
    /// Only for this reason: malformed, too_large, bad_time or over_limit.
    #[arg(long)]
    reason: Option<String>,
    /// Received at or after (RFC 3339).
    #[arg(long)]
    since: Option<String>,
    /// Received before (RFC 3339).
    #[arg(long)]
    until: Option<String>,
}

/// The dead letter commands.
#[derive(Subcommand)]
pub enum DeadLettersCommand {
    /// What could not be taken, newest first, with place and remedy / 列出
    #[command(after_help = "Examples:\n  headwater dead-letters list --source zabbix\n  \
        headwater dead-letters list --since 2026-05-04T00:00:00Z --json | jq -r .raw\n\n\
        The token comes from --token-file or the variable HEADWATER_TOKEN.")]
    List {
        #[command(flatten)]
        which: Which,
        /// The most that are listed.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Print each as a line of JSON, with what was received.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Decode dead letters again, for example after their mapping was corrected / 重放
    #[command(after_help = "Examples:\n  headwater dead-letters replay e4711.0 e4711.3\n  \
        headwater dead-letters replay --all --source zabbix\n\n\
        The token's role is analyst or admin. What fails again stays a dead letter; the command then fails.")]
    Replay {
        /// Their ids, as listed.
        ids: Vec<String>,
        /// All that are listed and were not tried again with success yet, in the order in which they came.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        server: ServerArguments,
    },
}

/// Runs one of them.
///
/// # Errors
/// When the server cannot be asked or refuses, or nothing is named.
pub fn run(command: DeadLettersCommand, out: &mut impl Write) -> Result<ExitCode> {
    match command {
        DeadLettersCommand::List { which, limit, json, server } => {
            let letters = read(&Server::of(&server)?, &which, server.lang, limit)?;
            for letter in &letters {
                if json { writeln!(out, "{letter}")? } else { line(letter, server.lang, out)? }
            }
            if letters.is_empty() && !json {
                writeln!(out, "{}", Text::new("没有死信", "no dead letters").of(server.lang))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        DeadLettersCommand::Replay { ids, all, which, server } => {
            let asked = Server::of(&server)?;
            let ids = if all { untried(&asked, &which)? } else { ids };
            if ids.is_empty() && !all {
                bail!("name dead letters by their ids (headwater dead-letters list), or all of them with --all");
            }
            replay(&asked, &ids, server.lang, out)
        }
    }
}

/// At most so many, newest first.
fn read(server: &Server, which: &Which, lang: Lang, most: usize) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    let lang = Some(Text::new("zh", "en").of(lang).to_owned());
    while found.len() < most {
        let mut query = Url::parse("http://any")?;
        let fields = [
            ("source", &which.source),
            ("reason", &which.reason),
            ("since", &which.since),
            ("until", &which.until),
            ("after", &after),
            ("lang", &lang),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                query.query_pairs_mut().append_pair(name, value);
            }
        }
        query.query_pairs_mut().append_pair("limit", &AT_ONCE.min(most - found.len()).to_string());
        let mut page = server.ask(Method::GET, &format!("{PATH}?{}", query.query().unwrap_or_default()), None)?;
        found.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    Ok(found)
}

/// The ids of all that no event came of yet, oldest first.
fn untried(server: &Server, which: &Which) -> Result<Vec<String>> {
    let letters = read(server, which, Lang::En, usize::MAX)?;
    let ids = letters.iter().rev().filter(|letter| letter["replayed_as"].is_null()).map(|letter| text(letter, "id"));
    Ok(ids.map(str::to_owned).collect())
}

fn text<'a>(letter: &'a Value, key: &str) -> &'a str {
    letter[key].as_str().unwrap_or_default()
}

fn line(letter: &Value, lang: Lang, out: &mut impl Write) -> Result<()> {
    let of = |key| text(letter, key);
    let said = Text::new(text(&letter["text"], "zh"), text(&letter["text"], "en"));
    // The word is what `--reason` takes.
    let reason = Text::new(format!("{}({})", of("reason_label"), of("reason")), of("reason"));
    let became = letter["replayed_as"].as_str().map(|event| format!(" -> {event}")).unwrap_or_default();
    let (id, at, source, reason) = (of("id"), of("at"), of("source"), reason.of(lang));
    Ok(writeln!(out, "{id}  {at}  {source}  {reason}{became}\n    {}", said.of(lang))?)
}

fn replay(server: &Server, ids: &[String], lang: Lang, out: &mut impl Write) -> Result<ExitCode> {
    let mut taken = 0;
    for some in ids.chunks(AT_ONCE) {
        let answer = server.ask(Method::POST, &format!("{PATH}/replay"), Some(&json!({ "ids": some })))?;
        taken += answer["taken"].as_u64().unwrap_or_default() as usize;
        for item in answer["items"].as_array().into_iter().flatten() {
            for error in item["errors"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                writeln!(out, "{}: {error}", text(item, "id"))?;
            }
        }
    }
    let all = ids.len();
    let said = Text::new(format!("{all} 条中有 {taken} 条已被接收"), format!("{taken} of {all} were taken"));
    writeln!(out, "{}", said.of(lang))?;
    Ok(if taken == all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
