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
        headwater source test sample.json --mapping mappings/scada.yaml --rules rules\n\n\
        Several samples are taken as one after the other: an end must find its alert. Fails when an event is rejected.")]
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
}
