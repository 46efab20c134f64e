//! The command line: arguments in, one library call out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use headwater::access::store::Wanted;
use headwater::clock::machine;
use headwater::domain::access::Role;
use headwater::domain::ids::{OrgId, TenantId};
use headwater::domain::topology::quality::Quality;
use headwater::domain::topology::reach::{Limits, ReachState};
use headwater::domain::topology::{CiIx, Topology};
use headwater::journal::Durability;
use headwater::lab::{backtest, built_in};
use headwater::serve::{self, Serve};

/// Turns alert storms into few incidents, each with its root cause and the evidence for it.
#[derive(Parser)]
#[command(name = "headwater", version, about, after_help = "Start with: headwater demo")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum Keep {
    /// Accepted survives loss of power (fsync before the answer).
    Power,
    /// Accepted survives any end of the process.
    Process,
}

#[derive(Subcommand)]
enum Command {
    /// Watch a generated storm over a sample estate become incidents, on the terminal and in the console.
    Demo {
        #[arg(long, default_value = "127.0.0.1:18080")]
        listen: SocketAddr,
    },
    /// Take alerts, tell incidents: journal, engine, API and console in one program.
    Serve {
        /// Folder for the journal and everything else; made when it is not there.
        #[arg(long)]
        data: PathBuf,
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        #[arg(long, value_enum, default_value = "power")]
        durability: Keep,
        /// CMDB file to make valid for the tenant `default` at start.
        #[arg(long)]
        topology: Option<PathBuf>,
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
        /// Also write `effects_sha256`, one hash over every effect: the same for every build and machine.
        #[arg(long)]
        seal: bool,
    },
    /// Credentials for people and sources.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Look at a CMDB file.
    Topology {
        #[command(subcommand)]
        command: TopologyCommand,
    },
    /// Print shell completions.
    Completions { shell: clap_complete::Shell },
    /// Print the man page.
    Man,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a credential and print its token, once, as the last word.
    Create {
        #[arg(long)]
        data: PathBuf,
        /// viewer, operator, analyst, admin or source.
        #[arg(long)]
        role: String,
        /// A person's name, or the source's.
        #[arg(long)]
        name: String,
        #[arg(long, default_value = "default")]
        tenant: String,
        /// Only these organisations' records (repeat for several).
        #[arg(long)]
        org: Vec<String>,
    },
    /// List credentials, without their tokens.
    List {
        #[arg(long)]
        data: PathBuf,
    },
    /// End a credential.
    Revoke {
        #[arg(long)]
        data: PathBuf,
        id: String,
    },
}

#[derive(Subcommand)]
enum TopologyCommand {
    /// Say whether the file can be used.
    Check { file: PathBuf },
    /// Say how good its content is: orphans, cycles, dangling relations, CIs without owner …
    Report { file: PathBuf },
    /// What a failure of this CI may hit.
    Impact { file: PathBuf, ci: String },
    /// What may have failed this CI.
    Causes { file: PathBuf, ci: String },
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("headwater=info,warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            eprintln!("headwater: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Demo { listen } => tokio::runtime::Runtime::new()?.block_on(headwater::demo::run(listen)),
        Command::Serve { data, listen, durability, topology } => {
            let durability = match durability {
                Keep::Power => Durability::Power,
                Keep::Process => Durability::Process,
            };
            tokio::runtime::Runtime::new()?.block_on(serve::run(Serve { data, listen, durability, topology }))
        }
        Command::Backtest { topology, topology_mapping, events, mapping, out, quiet, seal } => {
            let plan = backtest::Plan { topology, topology_names: topology_mapping, events, mapping, out, quiet, seal };
            let summary = backtest::run(&plan)?;
            println!("{}", serde_json::to_string_pretty(&summary)?);
            Ok(())
        }
        Command::Token { command } => token(command),
        Command::Topology { command } => topology(command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "headwater", &mut std::io::stdout());
            Ok(())
        }
        Command::Man => Ok(clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout())?),
    }
}

fn token(command: TokenCommand) -> Result<()> {
    let now = machine()();
    match command {
        TokenCommand::Create { data, role, name, tenant, org } => {
            std::fs::create_dir_all(&data).with_context(|| format!("make {}", data.display()))?;
            let Some(role) = Role::parse(&role) else {
                bail!("role {role:?}: use viewer, operator, analyst, admin or source")
            };
            let orgs: BTreeSet<OrgId> = org.into_iter().map(OrgId::from).collect();
            let orgs = (!orgs.is_empty()).then_some(orgs);
            let wanted = Wanted { name, role, tenant: TenantId::from(tenant), orgs, expires_at: None };
            let token = serve::tokens(&data)?.create(wanted, now)?;
            println!("token (shown only now): {}", token.reveal());
        }
        TokenCommand::List { data } => {
            for record in serve::tokens(&data)?.list() {
                println!("{}", serde_json::to_string(&record)?);
            }
        }
        TokenCommand::Revoke { data, id } => serve::tokens(&data)?.revoke(&id, now)?,
    }
    Ok(())
}

fn topology(command: TopologyCommand) -> Result<()> {
    match command {
        TopologyCommand::Check { file } => {
            let topology = built_in::load_topology(&file, None, 1)?;
            println!("{}: {} CIs, {} edges", file.display(), topology.len(), topology.edges());
            Ok(())
        }
        TopologyCommand::Report { file } => {
            let topology = built_in::load_topology(&file, None, 1)?;
            println!("{}", serde_json::to_string_pretty(&Quality::of(&topology))?);
            Ok(())
        }
        TopologyCommand::Impact { file, ci } => reach(&file, &ci, Topology::impact),
        TopologyCommand::Causes { file, ci } => reach(&file, &ci, Topology::causes_of),
    }
}

/// CIs that `impact` and `causes` list at most.
const LISTED_MAX: usize = 10_000;

fn reach(
    file: &std::path::Path,
    key: &str,
    walk: fn(&Topology, CiIx, &Limits) -> headwater::domain::topology::reach::Reach,
) -> Result<()> {
    let topology = built_in::load_topology(file, None, 1)?;
    let Some(ci) = topology.resolve(key).one() else { bail!("{}: no single CI is called {key:?}", file.display()) };
    let reach = walk(&topology, ci, &Limits { reached_max: LISTED_MAX, ..Limits::default() });
    println!("hops\tchance\tstate\tci\tclass\tname");
    for reached in &reach.reached {
        let shown = topology.ci(reached.ci);
        let state = match reached.state {
            ReachState::Hard => "fails",
            ReachState::Soft => "suffers",
            ReachState::Redundant => "redundant",
            ReachState::Visibility => "unseen",
        };
        let chance = reached.attenuation_pm / 10;
        println!("{}\t{chance} %\t{state}\t{}\t{}\t{}", reached.hops, shown.id, shown.class, shown.name);
    }
    if reach.truncated {
        println!("(cut: more hops, CIs or edges than the limits allow)");
    }
    Ok(())
}
