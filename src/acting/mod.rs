//! The door back: people act on an incident from the message that told them of it.
//!
//! [`page`] is where a signed link leads: what is open shows, and nothing is done before a button is pressed, so a scanner that
//! follows links does nothing. [`callback`] takes what chat systems and gateways send when somebody presses a button or answers.
//! [`report`] takes what executors say of actions.
//! All end in a command of the journal with who acted and by which way; each deed of a pass is done once.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::delivery::ears::{Ear, Who};
use crate::domain::ids::{IncidentId, PersonId, ReceiverId, TenantId};
use crate::domain::incident::IncidentView;
use crate::domain::pass::Seal;
use crate::domain::time::Timestamp;
use crate::engine::input::Command;
use crate::engine::policy::closing::Closing;
use crate::wording::lang::Lang;

mod callback;
mod deed;
mod page;
mod report;
mod resolving;
pub mod settings;
pub mod ticket;
mod words;

/// The largest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It was done before by the same pass.
    Again,
    Refused(String),
    /// It is in the journal; what became of it is not known yet.
    Waits,
    /// It is not in the journal: try again.
    Later,
}

/// What acting stands on.
pub trait Desk: Send + Sync {
    /// The machine's clock.
    fn now(&self) -> Timestamp;
    /// An incident that is in memory.
    fn incident(&self, tenant: &TenantId, id: IncidentId) -> Option<IncidentView>;
    /// Incidents that are not closed.
    fn open(&self, tenant: &TenantId) -> Vec<IncidentId>;
    /// The same of all tenants.
    fn open_everywhere(&self) -> Vec<(TenantId, IncidentId)>;
    /// Whom one may hand over to, by id and name.
    fn people(&self, tenant: &TenantId) -> Vec<(PersonId, String)>;
    /// What must be said when an incident closes.
    fn closing(&self, tenant: &TenantId) -> Closing;
    /// Who has duty, a roster a line.
    fn on_duty(&self, tenant: &TenantId) -> String;
    /// The tenant of requests that name none.
    fn tenant(&self) -> TenantId;
    /// Appends a command and waits a moment for its end.
    fn order(&self, command: Command) -> BoxFuture<'static, Outcome>;
    /// Who is reached at this address by a receiver.
    fn person_at(&self, receiver: &ReceiverId, address: &str) -> Option<PersonId>;
    /// In which language a person reads; none: as the receiver writes.
    fn language(&self, person: &PersonId) -> Option<Lang>;
    /// What stands in the place of a receiver's message about an incident now that somebody has acted from it.
    fn shown(&self, by: &ReceiverId, of: (&TenantId, IncidentId), said: &str, lang: Lang) -> Option<Value>;
    /// Tells somebody who has acted or asked through a receiver, at the place that its system named.
    fn reply(&self, by: &ReceiverId, to: &str, said: &str) -> BoxFuture<'static, ()>;
    /// Whether a receiver's system says of a callback's proof that it is its own; else why it cannot be asked now.
    fn vouches(&self, by: &ReceiverId, proof: &str) -> BoxFuture<'static, Result<bool, String>>;
    /// How a receiver's system is believed; none when it has no way back.
    fn ear(&self, receiver: &ReceiverId) -> Option<Ear>;
    /// What signs passes.
    fn seal(&self) -> &Seal;
    /// Where the console shows incidents, without a slash at its end.
    fn base_url(&self) -> &str;
}

/// What the routes share.
pub struct Acting {
    desk: Arc<dyn Desk>,
    guesses: callback::Guesses,
}

/// Who acts: the person whom our contacts know by this address, else the system's name of them.
fn actor(desk: &dyn Desk, receiver: &ReceiverId, by: &Who) -> Box<str> {
    match desk.person_at(receiver, &by.id) {
        Some(person) => person.as_str().into(),
        None if by.name.is_empty() && by.id.is_empty() => receiver.as_str().into(),
        None if by.name.is_empty() => format!("{receiver}:{}", by.id).into(),
        None => format!("{receiver}:{}", by.name).into(),
    }
}

/// The pages and the callbacks.
pub fn routes(desk: Arc<dyn Desk>) -> Router {
    let acting = Arc::new(Acting { desk, guesses: callback::Guesses::default() });
    Router::new()
        .route("/a/style.css", get(page::style))
        .route("/a/{pass}", get(page::show).post(page::act))
        .route("/api/v1/actions/{pass}", axum::routing::post(report::take))
        .route("/api/v1/callbacks/{receiver}", get(callback::take).post(callback::take))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(acting)
}
