//! NATS for real: servers as processes of their own, from the files that are deployed, on private ports.

mod access;
pub mod cluster;
pub mod conformance;
pub mod cut_off;
mod executor;
mod fairness;
mod faults;
pub mod front;
mod killed;
mod points;
#[path = "../../../src/pipeline/log/promises.rs"]
pub mod promises;
pub mod proxy;
pub mod server;
mod settings;
mod shelf;
mod trouble;
