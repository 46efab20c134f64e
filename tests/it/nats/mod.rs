//! NATS for real: servers as processes of their own, from the files that are deployed, on private ports.

mod access;
mod conformance;
mod faults;
mod front;
mod killed;
mod server;
mod settings;
mod trouble;
