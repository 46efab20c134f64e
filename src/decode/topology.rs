//! CMDB files to a topology: YAML or JSON of our own, or any export that a mapping describes.
//!
//! ```yaml
//! cis:
//!   - {id: srv-1, class: server, name: 社保主机1, keys: {ip: [10.0.0.1], serial: X1}, org: hrss, owner_team: cloud,
//!      site: dc-a, env: prod, criticality: 1, db_level: 3, state: running, monitored: true, labels: {a: b},
//!      redundancy: {powers: 1}}
//! relations:
//!   - {from: pdu-1, to: srv-1, type: powers, group: feeds, soft: false}
//! ```
//!
//! Files are read element by element, never as a whole tree. Wrong elements are collected with their places; only
//! text that is no YAML or JSON ends a file at once. Relations may stand before their CIs and in another file.

mod elements;
pub mod feeds;
pub mod form;
mod mapping;
mod reading;
mod schema;

use std::sync::Arc;

use crate::domain::topology::Topology;
use crate::domain::topology::draft::{Draft, Place};
use crate::domain::topology::schema::Schema;
pub use mapping::Mapping;

/// Errors kept per load; the rest is counted in the last one.
pub const ERRORS_MAX: usize = 100;

/// Why a file about the topology cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}:{line}: {why}")]
pub struct LoadError {
    pub file: String,
    /// From 1; 0 when the whole file is meant.
    pub line: u32,
    pub why: String,
}

/// Reads the CIs and relations of all files as one topology.
///
/// Without a mapping the files are in our own format. A class that nobody declared is taken as a generic one; a
/// relation to an unknown CI, a repeated relation or an unused field is noted (`Topology::notes`), not refused.
///
/// # Errors
/// Every wrong element (at most 100, in order of file and line): text that is no YAML or JSON, a CI without an id, a
/// second CI with the same id, an unknown relation type, a value out of range. Also no CI at all, unless a file says
/// `empty: true`.
pub fn load(
    files: &[(&str, &[u8])],
    schema: Arc<Schema>,
    mapping: Option<&Mapping>,
    version: u64,
) -> Result<Topology, Vec<LoadError>> {
    let native = Mapping::default();
    let mapping = mapping.unwrap_or(&native);
    let mut draft = Draft::start(schema);
    for class in mapping.declared() {
        draft.declare(class.clone());
    }
    let mut errors = Errors { files: files.iter().map(|(name, _)| (*name).to_owned()).collect(), ..Errors::default() };
    draft.named(&errors.files);
    let mut emptied = false;
    for (number, (_, bytes)) in files.iter().enumerate() {
        emptied |= elements::read(bytes, number as u16, mapping, &mut draft, &mut errors);
    }
    if draft.is_empty() && !emptied && errors.count == 0 {
        let why = "no CI in it, which would blind the engine; if that is meant, write `empty: true`";
        errors.push(Place { file: 0, line: 0 }, why.into());
    }
    if errors.count == 0 { Ok(draft.finish(version)) } else { Err(errors.into_list()) }
}

/// Errors of one load, bounded.
#[derive(Debug, Default)]
struct Errors {
    files: Vec<String>,
    first: Vec<LoadError>,
    count: usize,
}

impl Errors {
    fn push(&mut self, place: Place, why: String) {
        self.count += 1;
        if self.first.len() < ERRORS_MAX {
            let file = self.file(place).to_owned();
            self.first.push(LoadError { file, line: place.line, why });
        }
    }

    fn file(&self, place: Place) -> &str {
        self.files.get(usize::from(place.file)).map_or("", String::as_str)
    }

    fn into_list(mut self) -> Vec<LoadError> {
        let hidden = self.count - self.first.len();
        if hidden > 0
            && let Some(last) = self.first.last_mut()
        {
            last.why.push_str(&format!(" (and {hidden} more errors)"));
        }
        self.first
    }
}

#[cfg(test)]
mod tests;
