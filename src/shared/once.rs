//! Signed deliveries that one instance has taken and no other takes again. Redis is not trusted with them: an entry counts
//! only with a seal that is made with the source's secret.

use super::client::{Away, Shared};
use crate::domain::time::Span;

/// Where they are.
const PLACE: &str = "once";

/// A delivery as it is shared.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub tenant: String,
    pub source: String,
    /// What stands for its id.
    pub name: String,
    /// Over its id.
    pub seal: String,
}

impl Delivery {
    fn key(&self, shared: &Shared) -> String {
        shared.key(&[PLACE, &self.tenant, &self.source], &self.name)
    }
}

/// Whether another instance has taken it.
///
/// # Errors
/// When Redis is away.
pub async fn was_taken(shared: &Shared, delivery: &Delivery) -> Result<bool, Away> {
    let known: redis::Value = shared.ask(redis::cmd("MGET").arg(delivery.key(shared))).await?;
    let redis::Value::Array(known) = known else { return Ok(false) };
    Ok(known.first() == Some(&redis::Value::BulkString(delivery.seal.clone().into())))
}

/// Tells the others that it was taken here.
///
/// # Errors
/// When Redis is away.
pub async fn take(shared: &Shared, delivery: &Delivery, lives: Span) -> Result<(), Away> {
    let mut command = redis::cmd("SET");
    command.arg(delivery.key(shared)).arg(&delivery.seal).arg("PX").arg(lives.0.max(1));
    shared.ask(&command).await
}
