//! Questions to the engine's thread: few at a time, and only between two pieces of its work.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tokio::sync::oneshot;

use super::{Owner, Pipeline};
use crate::domain::ids::TenantId;
use crate::domain::partition::partition_of;
use crate::engine::explain::{Answer, Question};

/// Questions that wait; more are refused for the while.
const WAITING_MAX: usize = 16;
/// Questions answered before the engine goes on.
const AT_ONCE: usize = 2;

/// A question on its way.
pub(super) struct Asked {
    tenant: TenantId,
    question: Question,
    answer: oneshot::Sender<Option<Answer>>,
}

/// The two ends of the way to the engine's thread.
pub(super) fn way() -> (SyncSender<Asked>, Receiver<Asked>) {
    sync_channel(WAITING_MAX)
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("too many questions wait already")]
    TryLater,
    #[error("the engine has stopped")]
    Stopped,
}

impl Pipeline {
    /// Asks the engine as it is now. `None`: nothing is known of the tenant.
    ///
    /// # Errors
    /// When too many others ask, or the engine stands still.
    pub async fn explain(&self, tenant: TenantId, question: Question) -> Result<Option<Answer>, AskError> {
        let (answer, answered) = oneshot::channel();
        match self.questions.try_send(Asked { tenant, question, answer }) {
            Ok(()) => answered.await.map_err(|_| AskError::Stopped),
            Err(TrySendError::Full(_)) => Err(AskError::TryLater),
            Err(TrySendError::Disconnected(_)) => Err(AskError::Stopped),
        }
    }
}

impl Owner {
    /// Answers a few of the questions that wait.
    pub(super) fn answer(&mut self) {
        for _ in 0..AT_ONCE {
            let Some(asked) = self.questions.as_ref().and_then(|questions| questions.try_recv().ok()) else { return };
            let engine = self.partitions.get_mut(&partition_of(&asked.tenant)).map(|partition| &mut partition.engine);
            let answer = engine.and_then(|engine| engine.explain(&asked.tenant, &asked.question));
            // Who asked may have gone.
            let _ = asked.answer.send(answer);
        }
    }
}
