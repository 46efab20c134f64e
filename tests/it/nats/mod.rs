//! NATS for real: servers as processes of their own, from the files that are deployed, on private ports.

mod access;
mod cluster;
mod conformance;
mod cut_off;
mod faults;
pub mod front;
mod killed;
pub mod server;
mod settings;
mod trouble;
