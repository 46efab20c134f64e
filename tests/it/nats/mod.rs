//! NATS for real: servers as processes of their own, from the files that are deployed, on private ports.

mod access;
mod conformance;
mod faults;
mod front;
mod server;
mod settings;
