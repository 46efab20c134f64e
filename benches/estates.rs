//! Reading the estates that several benches stand on.

use std::sync::Arc;

use headwater::domain::topology::Topology;
use headwater::lab::built_in::read_topology;

/// A topology from the text of a CMDB file in our own names.
pub fn load(text: &str) -> Arc<Topology> {
    read_topology("estate", text.as_bytes(), None, 1).expect("a generated estate is valid")
}
