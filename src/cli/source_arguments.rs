//! What the source commands take.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::lab_arguments::ServerArguments;

/// The source commands.
#[derive(Subcommand)]
pub enum SourceCommand {
    /// List the sources of a running server: what each has sent, who is silent.
    #[command(after_help = "Example:\n  headwater source list --server https://headwater.example")]
    List {
        #[command(flatten)]
        server: ServerArguments,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Write a mapping to start from, made of one sample of what the source sends.
    #[command(after_help = "Example:\n  headwater source sketch sample.json --name scada > mappings/scada.yaml\n\n\
        Lines with `?` are guesses: put them right, then try: headwater source test sample.json --mapping mappings/scada.yaml")]
    Sketch {
        /// A body as the source sends it.
        sample: PathBuf,
        #[arg(long, default_value = "mine")]
        name: String,
    },
    /// Say what bodies become, and what is missing for good work: without a server, and nobody is told.
    #[command(after_help = "Examples:\n  headwater source test firing.json resolved.json --mapping zabbix\n  \
        headwater source test sample.json --mapping mappings/scada.yaml --rules rules\n  \
        headwater source test firing.json --mapping zabbix --send --source-token-file zabbix.token --server https://headwater.example\n  \
        headwater source test firing.json --mapping native --send --nats nats://127.0.0.1:4222 --subject src.default.shop.event\n\n\
        Several samples are taken as one after the other: an end must find its alert. Fails when an event is rejected.\n\
        With --send they go through the real door, marked as a test (header Headwater-Test): decoded, kept, decided and shown like all\n\
        others, but nothing comes of them; then it is told what became of each, and what would have. HEADWATER_TOKEN is a reader's.")]
    Test(SourceTest),
    /// Ask a running server which verdict a body's events would get; nothing is kept and nobody is told.
    #[command(after_help = "Example:\n  headwater source preview sample.json --mapping zabbix")]
    Preview {
        sample: PathBuf,
        /// The name of a mapping or decoder of the server, or a file with a mapping.
        #[arg(long)]
        mapping: String,
        #[command(flatten)]
        server: ServerArguments,
    },
}

/// What `source test` takes.
#[derive(Args)]
pub struct SourceTest {
    /// Bodies as the source sends them; `.jsonl` is one per line, `.form` a form.
    #[arg(required = true)]
    pub samples: Vec<PathBuf>,
    /// The name of a mapping or decoder, or a file with a mapping.
    #[arg(long)]
    pub mapping: String,
    /// Folder of rules, with mappings and severity maps, instead of the built-in ones.
    #[arg(long)]
    pub rules: Option<PathBuf>,
    #[command(flatten)]
    pub door: Door,
    #[command(flatten)]
    pub server: ServerArguments,
}

/// The real way in.
#[derive(Args)]
pub struct Door {
    /// Send the samples through the real door, as a test that tells nobody, and say what became of them.
    #[arg(long)]
    pub send: bool,
    /// File with the source's token, for the way over HTTP.
    #[arg(long, requires = "send", conflicts_with = "nats")]
    pub source_token_file: Option<PathBuf>,
    /// A NATS server, for the way over NATS: nats://USER:PASSWORD@HOST:PORT.
    #[arg(long, requires_all = ["send", "subject"])]
    pub nats: Option<String>,
    /// The source's subject there, such as src.default.shop.event.
    #[arg(long, requires = "nats")]
    pub subject: Option<String>,
}
