//! Reading the estates that several benches stand on.

use std::sync::Arc;

use headwater::decode::topology::{TopologyMapping, topology};
use headwater::domain::topology::Topology;
use headwater::lab::built_in::shipped_schema;

/// A topology from the text of a CMDB file in our own names.
pub fn load(text: &str) -> Arc<Topology> {
    let (topology, _) = topology("estate", text.as_bytes(), shipped_schema(), &TopologyMapping::default(), 1)
        .expect("a generated estate is valid");
    Arc::new(topology)
}
