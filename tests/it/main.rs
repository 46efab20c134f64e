//! All integration tests in one binary: one link.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod accuracy;
mod bad_input;
mod bounds;
mod cli;
mod conformance;
mod console;
mod corpus;
mod cuts;
mod data_service;
mod decode;
mod delivery;
mod gaps;
mod golden;
mod intake;
mod kill;
mod nats;
mod patterns;
mod policy;
mod program;
mod receiver;
mod redis;
mod replay;
mod routing;
mod rules_service;
mod running;
mod scenarios;
mod scopes;
mod served;
mod severity;
mod starting;
mod storms;
mod story;
mod strangers;
mod table;
mod tidy;
