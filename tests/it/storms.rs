//! The labelled storms in `tests/storms` (made by a generator; see the README there).

use std::path::PathBuf;
use std::sync::Arc;

use headwater::domain::event::Event;
use headwater::domain::ids::TenantId;
use headwater::domain::time::Timestamp;
use headwater::domain::topology::Topology;
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Digest, Input};
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use headwater::lab::built_in::load_topology;
use headwater::lab::recording::Recording;
use headwater::lab::score::TrueIncident;

/// The project's folder.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A storm's folder.
pub fn folder(storm: &str) -> PathBuf {
    project().join("tests/storms").join(storm)
}

/// The mapping of the storms' event lines.
pub fn mapping() -> PathBuf {
    project().join("rules/mappings/stormgen.yaml")
}

/// The tenant of every storm.
pub fn tenant() -> TenantId {
    TenantId::from("default")
}

/// A storm's topology.
pub fn topology(storm: &str) -> Arc<Topology> {
    load_topology(&folder(storm).join("cmdb.json.gz"), None, 1).expect("a storm has a topology")
}

/// A storm's first events.
pub fn events(storm: &str, most: usize) -> Vec<Event> {
    let mut recording =
        Recording::open(&folder(storm).join("alerts.jsonl.gz"), &mapping(), tenant()).expect("a storm has events");
    let mut events = Vec::new();
    while events.len() < most
        && let Some(event) = recording.next_event().expect("readable")
    {
        events.push(event);
    }
    events
}

/// The classes and the kinds of relations that a storm's CMDB names.
pub fn vocabulary(storm: &str) -> Vec<String> {
    let file = std::fs::File::open(folder(storm).join("cmdb.json.gz")).expect("a storm has a CMDB");
    let cmdb: serde_json::Value = serde_json::from_reader(flate2::read::GzDecoder::new(file)).expect("json");
    let named = |list: &str| {
        let items = cmdb[list].as_array().unwrap_or_else(|| panic!("no {list}"));
        items.iter().filter_map(|item| item["type"].as_str()).map(str::to_owned).collect::<Vec<_>>()
    };
    [named("cis"), named("relations")].concat()
}

/// An engine that knows the topology.
pub fn engine(topology: &Arc<Topology>) -> Engine {
    let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
    let input = Input::Topology { tenant: tenant(), version: 1, digest: Digest("".into()), author: "".into() };
    engine.step(Timestamp(0), &input, Loaded::Topology(topology.clone()));
    engine
}

/// One event as the journal would hold it.
pub fn record(event: &Event) -> Input {
    Input::Batch(Batch { tenant: tenant(), events: vec![event.clone()], rejected: Vec::new(), replay_of: None })
}

/// Effects as the outbox would hold them.
pub fn bytes(effects: &[Effect]) -> Vec<u8> {
    serde_json::to_vec(effects).expect("effects are plain")
}

/// A storm's truth.
pub fn truth(storm: &str) -> Vec<TrueIncident> {
    headwater::lab::truth::Truth::read(&folder(storm)).expect("a storm has a truth").incidents()
}
