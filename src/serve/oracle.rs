//! Why something did not happen: asked of the running engine, and where that has forgotten, of the engine as it was.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::api::state::{Explains, WriteError};
use crate::domain::ids::TenantId;
use crate::engine::explain::{Answer, Question, Reason};
use crate::pipeline::Pipeline;
use crate::pipeline::asking::AskError;
use crate::replay::moment::{explain_at, moment_of};

/// How long one waits who asks too much.
const WAIT: Duration = Duration::from_secs(1);
/// Journals that are replayed for questions at a time.
const REPLAYS_MAX: usize = 1;

/// Answers over a pipeline.
pub struct Oracle {
    pipeline: Arc<Pipeline>,
    replays: Arc<tokio::sync::Semaphore>,
}

impl Oracle {
    /// Over a running pipeline.
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline, replays: Arc::new(tokio::sync::Semaphore::new(REPLAYS_MAX)) }
    }
}

impl Explains for Oracle {
    fn explain(&self, tenant: TenantId, question: Question) -> BoxFuture<'static, Result<Answer, WriteError>> {
        let (pipeline, replays) = (self.pipeline.clone(), self.replays.clone());
        Box::pin(async move {
            let now = pipeline.explain(tenant.clone(), question.clone()).await.map_err(refusal)?.unwrap_or_default();
            let is_gone = matches!(now.reasons.first(), Some(Reason::AlertGone(_) | Reason::IncidentGone(_)));
            if !is_gone || pipeline.log.is_shared() {
                return Ok(now);
            }
            // A long journal is read for it: one at a time.
            let Ok(_one) = replays.try_acquire() else { return Err(WriteError::TryLater { wait: WAIT }) };
            let replayed = tokio::task::spawn_blocking(move || {
                let at = moment_of(&pipeline.history, &tenant, &question)?;
                at.map(|at| explain_at(&pipeline.folder, &tenant, &question, at)).transpose()
            });
            match replayed.await {
                Ok(Ok(Some(answer))) => Ok(answer),
                Ok(Ok(None)) => Ok(now),
                Ok(Err(error)) => Err(WriteError::Refused { errors: vec![format!("{error:#}")] }),
                Err(error) => Err(WriteError::Refused { errors: vec![error.to_string()] }),
            }
        })
    }
}

fn refusal(error: AskError) -> WriteError {
    match error {
        AskError::TryLater => WriteError::TryLater { wait: WAIT },
        AskError::Stopped => WriteError::Refused { errors: vec![error.to_string()] },
    }
}
