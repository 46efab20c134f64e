//! What can be typed about recorded streams and trials: back-tests, suggestions, shadows, corrections.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::typed::{lang, time};
use crate::domain::time::Timestamp;
use crate::wording::lang::Lang;

/// What `backtest` takes.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    headwater backtest --topology cmdb.json.gz --events alerts.jsonl.gz --mapping rules/mappings/stormgen.yaml --out result\n  \
    headwater backtest --topology T --events E --mapping M --rules rules --models models --out result\n  \
    headwater backtest --topology T --events E --mapping M --rules new --against old --truth storm --out result\n  \
    headwater backtest --data DIR --rules new --against live --out result\n\n\
    Writes clusters.csv (which event is in which incident), incidents.jsonl (with ranked root causes) and summary.json; with\n\
    --against report.json and report.html: what comes out otherwise, how alike the two are, who would be told how often, and\n\
    with truth (--truth, or incidents that people corrected) how right each of them is.")]
pub struct BacktestArguments {
    /// Data folder whose recorded journal is the stream, in place of --topology, --events and --mapping; the server may run.
    #[arg(long, conflicts_with_all = ["events", "topology", "mapping", "seal"], requires = "against")]
    pub data: Option<PathBuf>,
    /// CMDB file (YAML or JSON, .gz is fine).
    #[arg(long, required_unless_present = "data")]
    pub topology: Option<PathBuf>,
    /// Names of a foreign CMDB export (see topology/mappings/).
    #[arg(long)]
    pub topology_mapping: Option<PathBuf>,
    /// Events, one JSON value per line, in order of arrival (.gz is fine).
    #[arg(long, required_unless_present = "data")]
    pub events: Option<PathBuf>,
    /// How to read an event line (see rules/mappings/).
    #[arg(long, required_unless_present = "data")]
    pub mapping: Option<PathBuf>,
    /// Folder with rules; without it the built-in ones, with --data those that were recorded.
    #[arg(long)]
    pub rules: Option<PathBuf>,
    /// Folder with models (`<name>/<version>/`), the newest version counts; without it the built-in one.
    #[arg(long)]
    pub models: Option<PathBuf>,
    /// Compare with what is recorded as live, or with the rules or models of a folder.
    #[arg(long, value_name = "live|DIR")]
    pub against: Option<String>,
    /// Folder with truth_alerts.csv and, for roots, truth_incidents.jsonl; with --data it names events by the source's own ids
    /// or as e<seq>.<index>, and incidents that people corrected are the truth without it.
    #[arg(long, requires = "against")]
    pub truth: Option<PathBuf>,
    /// With --data: whose stream.
    #[arg(long, default_value = "default")]
    pub tenant: String,
    /// With --data: events from here on, for example 2026-01-05T00:00:00Z.
    #[arg(long, requires = "data", value_parser = time)]
    pub since: Option<Timestamp>,
    /// With --data: what links to `why` begin with, for example https://headwater.example.
    #[arg(long, default_value = "")]
    pub base_url: String,
    /// Folder for what is written.
    #[arg(long)]
    pub out: PathBuf,
    /// Language of what is printed about two runs: zh or en.
    #[arg(long, env = "HEADWATER_LANG", default_value = "zh", value_parser = lang)]
    pub lang: Lang,
    /// No progress bar.
    #[arg(long)]
    pub quiet: bool,
    /// Also write `effects_sha256`, one hash over every effect: the same for every build and machine.
    #[arg(long)]
    pub seal: bool,
}

/// What `suggest` takes.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    headwater suggest --topology cmdb.json.gz --events alerts.jsonl.gz --mapping rules/mappings/stormgen.yaml\n  \
    headwater suggest --data /var/lib/headwater --since 2026-01-01T00:00:00Z\n  \
    headwater suggest --topology T --events E --mapping M --rules rules --lang en --json > suggestions.json\n\n\
    Alert types that cause others, as draft rules tried on the stream; relations that the CMDB seems to lack, and relations\n\
    along which nothing ever passes. Changes nothing.")]
pub struct SuggestArguments {
    /// Data folder whose recorded journal is the stream, with the CMDB, the rules and the model that are valid in it; the server
    /// may run.
    #[arg(long, conflicts_with_all = ["events", "topology", "topology_mapping", "mapping"])]
    pub data: Option<PathBuf>,
    /// CMDB file (YAML or JSON, .gz is fine).
    #[arg(long, required_unless_present = "data")]
    pub topology: Option<PathBuf>,
    /// Names of a foreign CMDB export (see topology/mappings/).
    #[arg(long)]
    pub topology_mapping: Option<PathBuf>,
    /// Events, one JSON value per line, in order of arrival (.gz is fine).
    #[arg(long, required_unless_present = "data")]
    pub events: Option<PathBuf>,
    /// How to read an event line (see rules/mappings/).
    #[arg(long, required_unless_present = "data")]
    pub mapping: Option<PathBuf>,
    /// With --data: whose stream.
    #[arg(long, default_value = "default")]
    pub tenant: String,
    /// With --data: events from here on, for example 2026-01-05T00:00:00Z.
    #[arg(long, requires = "data", value_parser = time)]
    pub since: Option<Timestamp>,
    /// Folder with the rules that drafts are tried on top of; without it the built-in ones, with --data those that are valid.
    #[arg(long)]
    pub rules: Option<PathBuf>,
    /// zh or en.
    #[arg(long, env = "HEADWATER_LANG", default_value = "zh", value_parser = lang)]
    pub lang: Lang,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `feedback export` takes.
#[derive(Args)]
#[command(after_help = "Example:\n  headwater feedback export --data DIR --out corrected\n\n\
    Writes cmdb.json, alerts.jsonl, truth_alerts.csv and truth_incidents.jsonl as the labelled storms have them, and\n\
    corrections.jsonl, pairs.jsonl and roots.jsonl: what people said, as labelled pairs with weights. Corrections that were\n\
    revoked are left out. `headwater backtest … --truth corrected` scores by it.")]
pub struct ExportArguments {
    /// Data folder; the server may run.
    #[arg(long)]
    pub data: PathBuf,
    #[arg(long, default_value = "default")]
    pub tenant: String,
    /// Events from here on, for example 2026-01-05T00:00:00Z.
    #[arg(long, value_parser = time)]
    pub since: Option<Timestamp>,
    /// Only incidents that somebody corrected or confirmed are truth, and of all others nothing is known; else all that are
    /// closed are.
    #[arg(long)]
    pub reviewed: bool,
    /// Folder that is made.
    #[arg(long)]
    pub out: PathBuf,
}

/// The feedback commands.
#[derive(Subcommand)]
pub enum FeedbackCommand {
    /// Write closed incidents with their corrections as a labelled data set.
    Export(ExportArguments),
}

/// Where the server is, and who asks.
#[derive(Args)]
pub struct ServerArguments {
    /// Address of the server's API.
    #[arg(long, env = "HEADWATER_SERVER", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// File with the token; else it is taken from the variable HEADWATER_TOKEN.
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// zh or en.
    #[arg(long, env = "HEADWATER_LANG", default_value = "zh", value_parser = lang)]
    pub lang: Lang,
}

/// What is done, and why.
#[derive(Args)]
pub struct ChangeArguments {
    #[command(flatten)]
    pub server: ServerArguments,
    /// Why; kept with the change in the journal.
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// The shadow commands.
#[derive(Subcommand)]
pub enum ShadowCommand {
    /// Let rules, a model, a metric model or several of them run beside what is valid, without effects / 开始
    #[command(
        after_help = "Examples:\n  headwater shadow start --rules new-rules --reason \"fewer pages at night\"\n  \
        headwater shadow start --models models --server https://headwater.example --token-file ~/.headwater\n\n\
        The token (role analyst or admin) comes from --token-file or the variable HEADWATER_TOKEN. While a trial\n\
        runs, another one is refused unless it names it: `--in-place-of 4711`, as `shadow report` prints it."
    )]
    Start {
        /// Folder with rules.
        #[arg(long)]
        rules: Option<PathBuf>,
        /// Folder with models (`<name>/<version>/`), the newest version counts.
        #[arg(long)]
        models: Option<PathBuf>,
        /// Folder with metric models (`metric/<version>/`), the newest version counts.
        #[arg(long)]
        metric: Option<PathBuf>,
        /// The trial that runs and ends by this, as `shadow report` prints it.
        #[arg(long, value_name = "SEQ")]
        in_place_of: Option<u64>,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// How what runs beside differs so far; with corrected incidents also which of the two is right more often / 报告
    #[command(
        after_help = "Examples:\n  headwater shadow report --lang en\n  headwater shadow report --out result      \
        (report.json and report.html, with charts)"
    )]
    Report {
        #[command(flatten)]
        server: ServerArguments,
        /// Also write report.json and report.html into this folder.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make what runs beside valid; the trial ends / 启用
    #[command(
        after_help = "Example:\n  headwater shadow activate --since-seq 4711 --reason \"a week, AC@1 0.71 -> 0.78\"\n\n\
        Where the rules ask for a second person (settings.changes.second), another one than who started it."
    )]
    Activate {
        /// The trial whose report was read: `shadow report` prints it. Another one is not activated.
        #[arg(long)]
        since_seq: Option<u64>,
        /// Also when it has ended by a failure or is far behind; needs --reason.
        #[arg(long, requires = "reason")]
        force: bool,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// End the trial; what is valid stays as it is / 结束
    #[command(after_help = "Example:\n  headwater shadow end --reason \"no better\"")]
    End {
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Take back what was activated last: what was valid before it is valid again / 回退
    #[command(after_help = "Example:\n  headwater shadow rollback --reason \"pages for nothing\"")]
    Rollback {
        #[command(flatten)]
        change: ChangeArguments,
    },
}
