//! The command line: arguments in, one call out, errors as sentences with their causes.

pub mod arguments;
mod asked;
mod backtest;
mod backup;
mod check;
mod dead_letters;
mod feedback;
mod import;
mod lab_arguments;
mod model;
mod model_arguments;
mod model_series;
mod model_served;
mod notify;
mod oncall;
mod replay;
mod rule_tests;
mod schema;
mod shadow;
mod source;
mod source_arguments;
mod source_sent;
mod suggest;
mod token;
mod topology;
mod typed;
mod why;
mod why_not;

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory, Parser};

use crate::config::{self, Flags};
use crate::demo;
use crate::journal::Durability;
use crate::{migrate, serve, telemetry};
use arguments::{Arguments, Command, Keep, ManArguments, MigrateArguments, ServeArguments};

/// How a program ends that nobody reads any more: what shells say of one that SIGPIPE ended.
const READER_WENT: u8 = 141;

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::from(READER_WENT),
        Err(error) => {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            eprintln!("headwater: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

/// Whether whoever read the output has seen enough, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let of_writing = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        io.or_else(|| cause.downcast_ref::<serde_json::Error>()?.io_error_kind())
    };
    error.chain().any(|cause| of_writing(cause) == Some(std::io::ErrorKind::BrokenPipe))
}

fn run(command: Command) -> Result<ExitCode> {
    if matches!(command, Command::Demo { .. }) {
        // The terminal is its stage.
        telemetry::start(&config::Log { level: "warn".into(), ..config::Log::default() });
    } else if !matches!(command, Command::Serve(_)) {
        telemetry::start(&config::Log::default());
    }
    match command {
        Command::Demo { listen, stay, metrics } => {
            let play = if metrics { demo::Play::Metrics } else { demo::Play::Storm };
            tokio::runtime::Runtime::new()?.block_on(demo::run(demo::Demo { listen, stays: stay, play }))?;
        }
        Command::Serve(arguments) => serve(arguments)?,
        Command::Check(arguments) => return check::run(arguments),
        Command::Config => stdout().write_all(config::DEFAULTS.1.as_bytes())?,
        Command::Schema { name } => schema::run(name.as_deref(), &mut stdout().lock())?,
        Command::Backtest(arguments) => backtest::run(arguments)?,
        Command::Suggest(arguments) => suggest::run(&arguments, &mut stdout().lock())?,
        Command::Test(arguments) => return rule_tests::run(&arguments),
        Command::Replay(arguments) => return replay::run(&arguments),
        Command::Backup(arguments) => backup::save(&arguments)?,
        Command::Restore(arguments) => backup::bring_back(&arguments)?,
        Command::Migrate(arguments) => migrate(arguments)?,
        Command::Why(arguments) => why::run(&arguments, &mut stdout().lock())?,
        Command::WhyNot(arguments) => why_not::run(&arguments, &mut stdout().lock())?,
        Command::Source { command } => return source::run(command, &mut stdout().lock()),
        Command::Shadow { command } => shadow::run(command, &mut stdout().lock())?,
        Command::Notify { command } => notify::run(command, &mut stdout().lock())?,
        Command::Oncall { command } => return oncall::run(command, &mut stdout().lock()),
        Command::DeadLetters { command } => return dead_letters::run(command, &mut stdout().lock()),
        Command::Feedback { command } => feedback::run(command)?,
        Command::Token { command } => token::run(command)?,
        Command::Topology { command } => topology::run(command)?,
        Command::Model { command } => model::run(command)?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "headwater", &mut script);
            stdout().write_all(&script)?;
        }
        Command::Man(arguments) => man(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(arguments: ServeArguments) -> Result<()> {
    let ServeArguments { config, data, listen, durability, rules, topology, topology_mapping, mappings } = arguments;
    let durability = durability.map(|keep| match keep {
        Keep::Power => Durability::Power,
        Keep::Process => Durability::Process,
    });
    let flags = Flags { data, listen, durability, rules, topology, topology_mapping, mappings };
    let loaded = config::load(config.as_deref(), flags).map_err(config::joined)?;
    telemetry::start(&loaded.config.log);
    tokio::runtime::Runtime::new()?.block_on(serve::run(loaded))
}

fn migrate(arguments: MigrateArguments) -> Result<()> {
    let flags = Flags { data: arguments.data, ..Flags::default() };
    let loaded = config::load(Some(&arguments.config), flags).map_err(config::joined)?;
    let brought = tokio::runtime::Runtime::new()?.block_on(migrate::run(loaded))?;
    writeln!(
        stdout(),
        "{} partitions, {} texts and {} records that were not decided are on the cluster, whose journal begins at record {}; \
         start `headwater serve` with cluster.on",
        brought.partitions,
        brought.texts,
        brought.records,
        brought.first
    )?;
    Ok(())
}

fn man(arguments: &ManArguments) -> Result<()> {
    match &arguments.to {
        None => clap_mangen::Man::new(Arguments::command()).render(&mut stdout())?,
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            clap_mangen::generate_to(Arguments::command(), folder)
                .with_context(|| format!("write pages to {}", folder.display()))?;
        }
    }
    Ok(())
}
