//! What is compiled in: classes, relation types and mappings, so that one binary is enough.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use anyhow::{Result, anyhow};

use crate::decode::topology::{Mapping, feeds, load};
use crate::domain::topology::Topology;
use crate::domain::topology::schema::Schema;

/// The names of a foreign export that are understood beside our own. They are read once.
pub fn shipped_mapping() -> &'static Mapping {
    static READ: LazyLock<Mapping> = LazyLock::new(|| {
        let text = include_bytes!("../../topology/mappings/stormgen.yaml");
        Mapping::parse("topology/mappings/stormgen.yaml", text).expect("the shipped mapping is valid: a test reads it")
    });
    &READ
}

/// The classes and relation types of `topology/`. They are read once.
pub fn shipped_schema() -> Arc<Schema> {
    static READ: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        let classes = ("topology/classes.yaml", include_bytes!("../../topology/classes.yaml").as_slice());
        let relations = ("topology/relations.yaml", include_bytes!("../../topology/relations.yaml").as_slice());
        Arc::new(Schema::parse(classes, relations).expect("the shipped schema is valid: a test reads it"))
    });
    READ.clone()
}

/// Reads a topology file. Without a mapping file of its own the shipped foreign names are understood too.
///
/// # Errors
/// When the file or its mapping cannot be read; names every wrong place.
pub fn load_topology(path: &Path, names: Option<&Path>, version: u64) -> Result<Arc<Topology>> {
    let (name, text) = (path.display().to_string(), super::files::read(path)?);
    let Some(names) = names else { return read_topology(&name, &text, Some(shipped_mapping()), version) };
    let names = Mapping::parse(&names.display().to_string(), &super::files::read(names)?)?;
    read_topology(&name, &text, Some(&names), version)
}

/// Reads a topology text by the shipped schema.
///
/// # Errors
/// Every wrong place, one per line.
pub fn read_topology(name: &str, bytes: &[u8], names: Option<&Mapping>, version: u64) -> Result<Arc<Topology>> {
    let loaded = match feeds::split(bytes) {
        None => load(&[(name, bytes)], shipped_schema(), names, version),
        Some(split) => {
            let all = split.map_err(|why| anyhow!("{name}:1: {why}"))?;
            feeds::load(&all, &shipped_schema(), shipped_mapping(), version)
        }
    };
    Ok(Arc::new(loaded.map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!(lines.join("\n"))
    })?))
}
