//! `headwater topology`: a look at a CMDB file.

use std::io::{Write as _, stdout};
use std::sync::Arc;

use anyhow::{Result, bail};

use super::arguments::{CmdbFile, TopologyCommand};
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
            write!(stdout(), "{}", sample_estate(Scale::default()))?;
            Ok(())
        }
        TopologyCommand::Check { cmdb } => {
            let topology = read(&cmdb)?;
            for warning in Quality::of(&topology).warnings() {
                writeln!(stdout(), "warning: {warning}")?;
            }
            writeln!(stdout(), "{}: {} CIs, {} edges", cmdb.file.display(), topology.len(), topology.edges())?;
            Ok(())
        }
        TopologyCommand::Report { cmdb } => {
            let topology = read(&cmdb)?;
            writeln!(stdout(), "{}", serde_json::to_string_pretty(&Quality::of(&topology))?)?;
            Ok(())
        }
        TopologyCommand::Impact { cmdb, ci } => reach(&cmdb, &ci, Topology::impact),
        TopologyCommand::Causes { cmdb, ci } => reach(&cmdb, &ci, Topology::causes_of),
    }
}

fn read(cmdb: &CmdbFile) -> Result<Arc<Topology>> {
    load_topology(&cmdb.file, cmdb.topology_mapping.as_deref(), 1)
}

fn reach(cmdb: &CmdbFile, key: &str, walk: fn(&Topology, CiIx, &Limits) -> Reach) -> Result<()> {
    let topology = read(cmdb)?;
    let Some(ci) = topology.resolve(key).one() else {
        bail!("{}: no single CI is called {key:?}", cmdb.file.display())
    };
    let reach = walk(&topology, ci, &Limits { reached_max: LISTED_MAX, ..Limits::default() });
    writeln!(stdout(), "hops\tchance\tstate\tci\tclass\tname")?;
    for reached in &reach.reached {
        let shown = topology.ci(reached.ci);
        let state = match reached.state {
            ReachState::Hard => "fails",
            ReachState::Soft => "suffers",
            ReachState::Redundant => "redundant",
            ReachState::Visibility => "unseen",
        };
        let chance = reached.attenuation_pm / 10;
        writeln!(stdout(), "{}\t{chance} %\t{state}\t{}\t{}\t{}", reached.hops, shown.id, shown.class, shown.name)?;
    }
    if reach.truncated {
        writeln!(stdout(), "(cut: more hops, CIs or edges than the limits allow)")?;
    }
    Ok(())
}
