//! Dead letters, tried again by the decoder that refused them and on the way that every event takes.

use super::Intake;
use super::counters::Origins;
use super::sink::{Accepted, SinkError};
use crate::decode::{Context, again};
use crate::domain::ids::{EventRef, TenantId};
use crate::engine::input::{Batch, DeadLetter};

/// Why a dead letter stays one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AgainError {
    /// It still cannot be taken: put the mapping or the source right first.
    #[error("{0}")]
    Still(String),
    /// It can be taken, but not now.
    #[error(transparent)]
    Kept(#[from] SinkError),
}

impl Intake {
    /// Decodes a dead letter as its decoder would today and keeps its events; nothing is kept when one still fails.
    ///
    /// # Errors
    /// When it still cannot be taken, or the journal does not take it.
    pub async fn again(&self, tenant: TenantId, of: EventRef, letter: &DeadLetter) -> Result<Accepted, AgainError> {
        let formats = self.formats.load_full();
        let context = Context {
            tenant: &tenant,
            source: &letter.source,
            received_at: Some(letter.received_at),
            severities: &formats.severities,
            limits: &self.limits,
        };
        let decoded =
            again::decode(letter, &context, &formats).map_err(|error| AgainError::Still(error.to_string()))?;
        if let Some(rejected) = decoded.rejected.first() {
            return Err(AgainError::Still(rejected.letter.why.detail().to_owned()));
        }
        if decoded.events.is_empty() {
            return Err(AgainError::Still("there is no event in it".into()));
        }
        let origins = Origins::of(&decoded.events);
        let batch = Batch { tenant, events: decoded.events, rejected: Vec::new(), replay_of: Some(of) };
        let kept = self.sink.accept(batch).await?;
        self.counters.kept(&origins, &[], &decoded.counts);
        Ok(kept)
    }
}
