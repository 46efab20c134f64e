//! The way to NATS: settings, the connection, what a server must be able to do, and streams whose settings are checked
//! before they are trusted. What is kept there is decided elsewhere (`journal`, `outbox`, `intake`, `projection`).

pub mod connect;
pub mod parcels;
pub mod publish;
pub mod pull;
pub mod queue;
pub mod server;
pub mod settings;
pub mod shelf;
pub mod streams;
pub mod watched;

use std::fmt;

/// Why NATS cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NatsError {
    /// No server answers, or not in time: try again later.
    #[error("NATS does not answer: {why}")]
    Away {
        /// What the client or the server says.
        why: String,
    },
    /// Something there is not safe to use: what, why, and what to do, one line each.
    #[error("{}", lines(.0))]
    Refused(Vec<Refusal>),
}

/// One thing that is not safe, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The server, or the stream and its setting.
    pub what: String,
    /// What could be lost.
    pub why: String,
    /// What an operator does.
    pub remedy: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.what, self.why, self.remedy)
    }
}

impl NatsError {
    /// The same for every failure of the client that says nothing about safety.
    pub fn away(error: impl fmt::Display) -> Self {
        Self::Away { why: error.to_string() }
    }

    /// One refusal.
    pub fn refused(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused(vec![Refusal { what: what.into(), why: why.into(), remedy: remedy.into() }])
    }
}

fn lines(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
