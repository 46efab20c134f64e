//! `headwater topology`: a look at a CMDB file.

use std::path::Path;

use anyhow::{Result, bail};

use super::arguments::TopologyCommand;
use crate::domain::topology::quality::Quality;
use crate::domain::topology::reach::{Limits, Reach, ReachState};
use crate::domain::topology::{CiIx, Topology};
use crate::lab::built_in::load_topology;
use crate::lab::estate::{Scale, sample_estate};

/// CIs that `impact` and `causes` list at most.
const LISTED_MAX: usize = 10_000;

/// Runs one of the topology commands.
///
/// # Errors
/// When the file cannot be used, or there is no such CI.
pub fn run(command: TopologyCommand) -> Result<()> {
    match command {
        TopologyCommand::Sample => {
            print!("{}", sample_estate(Scale::default()));
            Ok(())
        }
        TopologyCommand::Check { file } => {
            let topology = load_topology(&file, None, 1)?;
            for warning in Quality::of(&topology).warnings() {
                println!("warning: {warning}");
            }
            println!("{}: {} CIs, {} edges", file.display(), topology.len(), topology.edges());
            Ok(())
        }
        TopologyCommand::Report { file } => {
            let topology = load_topology(&file, None, 1)?;
            println!("{}", serde_json::to_string_pretty(&Quality::of(&topology))?);
            Ok(())
        }
        TopologyCommand::Impact { file, ci } => reach(&file, &ci, Topology::impact),
        TopologyCommand::Causes { file, ci } => reach(&file, &ci, Topology::causes_of),
    }
}

fn reach(file: &Path, key: &str, walk: fn(&Topology, CiIx, &Limits) -> Reach) -> Result<()> {
    let topology = load_topology(file, None, 1)?;
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
