//! The command line: arguments in, one library call out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use headwater::lab::{backtest, demo};

/// Turns alert storms into few incidents, each with its root cause and the evidence for it.
#[derive(Parser)]
#[command(name = "headwater", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch a generated storm over the sample estate become incidents.
    Demo {
        /// Do not wait: as fast as the engine can.
        #[arg(long)]
        fast: bool,
    },
    /// Run the production engine on a recorded stream, as fast as it can.
    Backtest {
        /// CMDB file (YAML or JSON, .gz is fine).
        #[arg(long)]
        topology: PathBuf,
        /// Names of a foreign CMDB export (see topology/mappings/).
        #[arg(long)]
        topology_mapping: Option<PathBuf>,
        /// Events, one JSON value per line, in order of arrival (.gz is fine).
        #[arg(long)]
        events: PathBuf,
        /// How to read an event line (see rules/mappings/).
        #[arg(long)]
        mapping: PathBuf,
        /// Folder for clusters.csv, incidents.jsonl and summary.json.
        #[arg(long)]
        out: PathBuf,
        /// No progress bar.
        #[arg(long)]
        quiet: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            eprintln!("headwater: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo { fast } => demo::run(fast),
        Command::Backtest { topology, topology_mapping, events, mapping, out, quiet } => {
            let plan = backtest::Plan { topology, topology_names: topology_mapping, events, mapping, out, quiet };
            let summary = backtest::run(&plan)?;
            println!("{}", serde_json::to_string_pretty(&summary)?);
            Ok(())
        }
    }
}
