//! What the handlers stand on. Everything they do not own comes in through the traits here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use prometheus_client::registry::Registry;

use super::access::Authenticate;
use super::rules::{DryRun, RuleSet, WindowItem};
use super::session::Sessions;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::domain::topology::Topology;
use crate::engine::input::{Command, DeadLetter};
use crate::projection::history::History;
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
    /// Checks a topology text and makes it valid for the tenant.
    fn topology(&self, tenant: TenantId, actor: Box<str>, text: Vec<u8>)
    -> BoxFuture<'static, Result<u64, WriteError>>;
    /// Decodes a dead letter again and appends what comes of it.
    fn replay(&self, tenant: TenantId, letter: DeadLetter) -> BoxFuture<'static, Result<u64, WriteError>>;
}

/// The rules, wherever they are kept.
pub trait Rules: Send + Sync {
    /// The set that is valid now.
    fn current(&self) -> RuleSet;
    /// The maintenance windows at a time.
    fn windows(&self, now: Timestamp) -> Vec<WindowItem>;
    /// What the present set would do with an event in the native format.
    ///
    /// # Errors
    /// When the event cannot be read.
    fn dry_run(&self, tenant: &TenantId, event: &serde_json::Value) -> Result<DryRun, WriteError>;
    /// Checks a set and makes it valid.
    fn replace(&self, author: Box<str>, files: BTreeMap<String, String>)
    -> BoxFuture<'static, Result<u64, WriteError>>;
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
    pub rules: Arc<dyn Rules>,
    pub history: Arc<History>,
    /// The topology that is valid now.
    pub topology: TopologyOf,
    pub sessions: Sessions,
    pub settings: Settings,
    /// The machine's clock, for sessions only; numbers use the newest stamp.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Empty when ready.
    pub readiness: Arc<dyn Fn() -> Vec<NotReady> + Send + Sync>,
    /// Registers the numbers of other parts for `/metrics`; few labels.
    pub more_metrics: Arc<dyn Fn(&mut Registry) + Send + Sync>,
}
