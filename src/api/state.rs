//! What the handlers stand on. Everything they do not own comes in through the traits here.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::access::Authenticate;
use super::session::Sessions;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::domain::topology::Topology;
use crate::engine::input::{Command, DeadLetter};
use crate::projection::live::Live;

/// Why something could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The journal is busy or away; the same request may succeed after the wait.
    TryLater { wait: Duration },
    /// The content is refused: what is wrong, one line per place.
    Refused { errors: Vec<String> },
}

/// The way to the journal. Each future ends when the record is durable, with its journal sequence.
pub trait Writes: Send + Sync {
    /// Appends an operator's order.
    fn command(&self, command: Command) -> BoxFuture<'static, Result<u64, WriteError>>;
    /// Decodes a dead letter again and appends what comes of it.
    fn replay(&self, tenant: TenantId, letter: DeadLetter) -> BoxFuture<'static, Result<u64, WriteError>>;
}

/// One reason for not being ready, in words for the operator.
pub type NotReady = String;

/// Fixed settings of the API.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The console is reached over HTTPS: cookies get `Secure` and HSTS is sent.
    pub secure_cookies: bool,
    /// `/metrics` answers without a credential (loopback only).
    pub open_metrics: bool,
    /// Prefix of permanent links, without a trailing slash; empty: relative links.
    pub base_url: String,
}

/// Finds the topology of a tenant that is valid now.
pub type TopologyOf = Arc<dyn Fn(&TenantId) -> Arc<Topology> + Send + Sync>;

/// The state of all handlers.
pub struct Api {
    pub live: Arc<Live>,
    pub auth: Arc<dyn Authenticate>,
    pub writes: Arc<dyn Writes>,
    /// The topology that is valid now.
    pub topology: TopologyOf,
    pub sessions: Sessions,
    pub settings: Settings,
    /// The clock, for sessions and for readers to tell ages by; numbers use the newest stamp.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Empty when ready.
    pub readiness: Arc<dyn Fn() -> Vec<NotReady> + Send + Sync>,
}
