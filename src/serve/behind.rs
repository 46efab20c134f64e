//! What stands behind the doors: the traits of API and intake, over the pipeline.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::access::file::{AccessError, Record};
use crate::access::store::{Tokens, Wanted};
use crate::api::access::{Authenticate, Caller};
use crate::api::state::{WriteError, Writes};
use crate::api::tokens::Credentials;
use crate::clock::Clock;
use crate::domain::access::Credential;
use crate::domain::ids::{EventRef, TenantId};
use crate::domain::partition::partition_of;
use crate::domain::topology::Topology;
use crate::domain::topology::quality::Quality;
use crate::engine::input::{Batch, Command, DeadLetter, Digest, Input};
use crate::intake::Intake;
use crate::intake::again::AgainError;
use crate::intake::sink::{Accepted, Sink, SinkError};
use crate::journal::AppendError;
use crate::pipeline::{Pipeline, cmdb_text};

/// Knows who bears a token.
pub struct Bearers {
    pub tokens: Arc<Tokens>,
    pub clock: Clock,
}

impl Authenticate for Bearers {
    fn bearer(&self, token: &str) -> Option<Caller> {
        self.tokens.verify(token, (self.clock)()).map(|credential| caller(&credential))
    }

    fn proven(&self, credential: &str) -> Option<Caller> {
        self.tokens.proven(credential, (self.clock)()).map(|credential| caller(&credential))
    }

    fn seal(&self, credential: &str, text: &str) -> Option<String> {
        self.tokens.seal(credential, text, (self.clock)())
    }
}

impl Credentials for Bearers {
    fn list(&self) -> Vec<Record> {
        self.tokens.list()
    }

    fn create(&self, wanted: Wanted) -> Result<(String, String), WriteError> {
        let token = self.tokens.create(wanted, (self.clock)()).map_err(|error| unkept(&error))?;
        Ok((token.id().to_owned(), token.reveal().to_owned()))
    }

    fn revoke(&self, id: &str) -> Result<(), WriteError> {
        self.tokens.revoke(id, (self.clock)()).map_err(|error| unkept(&error))
    }
}

fn unkept(error: &AccessError) -> WriteError {
    WriteError::Refused { errors: vec![error.to_string()] }
}

fn caller(credential: &Credential) -> Caller {
    Caller {
        credential: credential.id.clone(),
        name: credential.name.clone(),
        tenant: credential.tenant.clone(),
        role: credential.role,
        orgs: credential.orgs.clone(),
        areas: credential.areas.clone(),
    }
}

/// Takes events into the journal.
pub struct Door {
    pub pipeline: Arc<Pipeline>,
}

impl Sink for Door {
    fn accept(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, SinkError>> {
        Box::pin(async move {
            let tenant = batch.tenant.clone();
            let events = (batch.events.len() + batch.rejected.len()) as u64;
            match self.pipeline.log.append(partition_of(&tenant), Input::Batch(batch)).await {
                Ok(appended) => {
                    self.pipeline.live.accept(appended.seq, &tenant, events, (self.pipeline.clock)());
                    Ok(Accepted { seq: appended.seq, first: 0 })
                }
                Err(error) => Err(not_kept(error)),
            }
        })
    }

    fn order(&self, command: Command) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(async move {
            let partition = partition_of(&command.tenant);
            self.pipeline.log.append(partition, Input::Command(command)).await.map(drop).map_err(not_kept)
        })
    }
}

/// What a sender does next. Whoever sends it again after `Unsure` sends the same events: what was stored is known by their ids.
fn not_kept(error: AppendError) -> SinkError {
    match error {
        AppendError::TryLater { wait } | AppendError::Full { wait } | AppendError::Unsure { wait } => {
            SinkError::TryLater { wait }
        }
        AppendError::Unfit { .. } | AppendError::Halted { .. } => SinkError::Failed(error.to_string()),
    }
}

/// Writes what people order.
pub struct Pen {
    pub pipeline: Arc<Pipeline>,
    pub intake: Arc<Intake>,
}

impl Writes for Pen {
    fn command(&self, command: Command) -> BoxFuture<'static, Result<u64, WriteError>> {
        let log = self.pipeline.log.clone();
        Box::pin(async move {
            let partition = partition_of(&command.tenant);
            let appended = log.append(partition, Input::Command(command)).await.map_err(refusal)?;
            Ok(appended.seq)
        })
    }

    fn is_recorded(&self, tenant: TenantId, seq: u64) -> BoxFuture<'static, Result<bool, String>> {
        let log = self.pipeline.log.clone();
        let look = move || log.next_of(partition_of(&tenant), seq.saturating_sub(1));
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())?;
            found.map(|next| next == Some(seq)).map_err(|error| error.to_string())
        })
    }

    fn topology(
        &self,
        tenant: TenantId,
        author: Box<str>,
        text: Vec<u8>,
    ) -> BoxFuture<'static, Result<(Option<u64>, Quality), WriteError>> {
        let pipeline = self.pipeline.clone();
        Box::pin(async move {
            let (put, quality) = pipeline.put_topology(&tenant, text, &author).await.map_err(|error| lines(&error))?;
            Ok((put.seq, Quality { version: put.version, ..quality }))
        })
    }

    fn kept_topology(&self, version: u64, digest: &Digest) -> Result<Option<Arc<Topology>>, String> {
        let text = self.pipeline.log.text(digest).map_err(|error| error.to_string())?;
        let compile = |text: Vec<u8>| cmdb_text::compile(&text, version).map_err(|error| format!("{error:#}"));
        text.map(compile).transpose()
    }

    fn replay(
        &self,
        tenant: TenantId,
        of: EventRef,
        letter: DeadLetter,
    ) -> BoxFuture<'static, Result<u64, WriteError>> {
        let intake = self.intake.clone();
        Box::pin(async move {
            match intake.again(tenant, of, &letter).await {
                Ok(accepted) => Ok(accepted.seq),
                Err(AgainError::Kept(SinkError::TryLater { wait })) => Err(WriteError::TryLater { wait }),
                Err(error @ (AgainError::Still(_) | AgainError::Kept(SinkError::Failed(_)))) => {
                    Err(WriteError::Refused { errors: vec![error.to_string()] })
                }
            }
        })
    }
}

/// The caller's next move after the journal did not take something.
pub fn refusal(error: AppendError) -> WriteError {
    match error {
        AppendError::TryLater { wait } | AppendError::Full { wait } | AppendError::Unsure { wait } => {
            WriteError::TryLater { wait }
        }
        AppendError::Unfit { .. } | AppendError::Halted { .. } => {
            WriteError::Refused { errors: vec![error.to_string()] }
        }
    }
}

/// Why a text was refused: a line of the error is a place in it.
pub fn lines(error: &anyhow::Error) -> WriteError {
    match error.downcast_ref::<AppendError>() {
        Some(error) => refusal(error.clone()),
        None => WriteError::Refused { errors: format!("{error:#}").lines().map(str::to_owned).collect() },
    }
}
