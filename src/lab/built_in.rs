//! What is compiled in: classes, relation types and mappings, so that one binary is enough.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::decode::topology::{TopologyMapping, mapping, schema, topology};
use crate::domain::topology::{Quality, Schema, Topology};

/// Names of foreign exports that are compiled in.
pub const STORMGEN_NAMES: &str = include_str!("../../topology/mappings/stormgen.yaml");

/// The classes and relation types of `topology/`.
pub fn shipped_schema() -> Arc<Schema> {
    let classes = ("topology/classes.yaml", include_bytes!("../../topology/classes.yaml").as_slice());
    let relations = ("topology/relations.yaml", include_bytes!("../../topology/relations.yaml").as_slice());
    Arc::new(schema(classes, relations).expect("the shipped schema is valid: a test reads it"))
}

/// Reads a topology file. Without a mapping file of its own the shipped foreign names are understood too.
///
/// # Errors
/// When the file or its mapping cannot be read; names the place.
pub fn load_topology(path: &Path, names: Option<&Path>, version: u64) -> Result<(Arc<Topology>, Quality)> {
    let names: TopologyMapping = match names {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
            mapping(&path.display().to_string(), &bytes)?
        }
        None => mapping("topology/mappings/stormgen.yaml", STORMGEN_NAMES.as_bytes())?,
    };
    let bytes = super::files::read(path)?;
    let (topology, quality) = topology(&path.display().to_string(), &bytes, shipped_schema(), &names, version)?;
    Ok((Arc::new(topology), quality))
}
