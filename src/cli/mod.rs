//! The command line: arguments in, one call out, errors as sentences with their causes.

pub mod arguments;
mod token;
mod topology;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory, Parser};

use crate::demo;
use crate::journal::Durability;
use crate::lab::backtest;
use crate::serve::{self, Serve};
use arguments::{Arguments, BacktestArguments, Command, Keep, ManArguments, ServeArguments};

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("headwater=info,warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            eprintln!("headwater: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo { listen, stay } => {
            tokio::runtime::Runtime::new()?.block_on(demo::run(demo::Demo { listen, stays: stay }))?;
        }
        Command::Serve(arguments) => serve(arguments)?,
        Command::Backtest(arguments) => backtest(arguments)?,
        Command::Token { command } => token::run(command)?,
        Command::Topology { command } => topology::run(command)?,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "headwater", &mut std::io::stdout());
        }
        Command::Man(arguments) => man(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(arguments: ServeArguments) -> Result<()> {
    let ServeArguments { data, listen, durability, topology } = arguments;
    let durability = match durability {
        Keep::Power => Durability::Power,
        Keep::Process => Durability::Process,
    };
    tokio::runtime::Runtime::new()?.block_on(serve::run(Serve {
        data,
        listen,
        durability,
        topology,
        receivers: Vec::new(),
        delivery: crate::delivery::settings::Settings::default(),
        base_url: String::new(),
    }))
}

fn backtest(arguments: BacktestArguments) -> Result<()> {
    let BacktestArguments { topology, topology_mapping, events, mapping, rules, models, out, quiet, seal } = arguments;
    let topology_names = topology_mapping;
    let plan = backtest::Plan { topology, topology_names, events, mapping, rules, models, out, quiet, seal };
    let summary = backtest::run(&plan)?;
    println!("{}", serde_json::to_string_pretty(&summary)?);
    Ok(())
}

fn man(arguments: &ManArguments) -> Result<()> {
    match &arguments.to {
        None => clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout())?,
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            clap_mangen::generate_to(Arguments::command(), folder)
                .with_context(|| format!("write pages to {}", folder.display()))?;
        }
    }
    Ok(())
}
