//! CMDB exports over NATS: a whole topology document is put in force as by the API. One that is refused is told as a dead
//! letter and changes nothing; the same one again changes nothing either.

use std::convert::Infallible;
use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::jetstream::{AckKind, Message};

use crate::domain::ids::TenantId;
use crate::journal::AppendError;
use crate::nats::NatsError;
use crate::nats::connect::Nats;
use crate::nats::publish::{Outgoing, publish};
use crate::nats::queue::{Queue, Size, TAKEN_WITHIN};
use crate::pipeline::Pipeline;
use crate::projection::bus::refused_topology;

/// One tenant's door for its CMDB.
pub struct CmdbDoor {
    pipeline: Arc<Pipeline>,
    nats: Nats,
    tenant: TenantId,
    queue: Queue,
    /// Where refusals are told.
    out: String,
}

impl CmdbDoor {
    /// Makes or checks the tenant's stream.
    ///
    /// # Errors
    /// When it is unsafe, or the server does not answer.
    pub async fn open(
        pipeline: Arc<Pipeline>,
        nats: Nats,
        tenant: TenantId,
        size: Size,
        out: &str,
    ) -> Result<Self, NatsError> {
        let queue = Queue::open(nats.clone(), "CMDB", tenant.as_str(), &["ci"], size).await?;
        Ok(Self { pipeline, nats, tenant, queue, out: out.to_owned() })
    }

    /// Takes exports until the future is dropped. A failure is logged once and tried again.
    pub async fn run(self) {
        self.queue.always("CMDB exports are not taken from NATS", || self.take_all()).await;
    }

    async fn take_all(&self) -> Result<Infallible, NatsError> {
        let mut reading = self.queue.read().await?;
        loop {
            for message in reading.next().await? {
                self.take(&message).await?;
            }
        }
    }

    async fn take(&self, message: &Message) -> Result<(), NatsError> {
        let author = format!("nats:{}", source(message));
        loop {
            let error = match self.pipeline.put_topology(&self.tenant, message.payload.to_vec(), &author).await {
                Ok((put, _)) => {
                    tracing::info!(topology.version = put.version, source = %message.subject, "a topology came over NATS");
                    break;
                }
                Err(error) => error,
            };
            let wait = match error.downcast_ref::<AppendError>() {
                Some(AppendError::TryLater { wait } | AppendError::Full { wait } | AppendError::Unsure { wait }) => {
                    *wait
                }
                Some(AppendError::Unfit { .. } | AppendError::Halted { .. }) | None => {
                    self.refuse(message, &format!("{error:#}")).await?;
                    break;
                }
            };
            message.ack_with(AckKind::Progress).await.map_err(NatsError::away)?;
            tokio::time::sleep(wait.min(TAKEN_WITHIN / 3)).await;
        }
        message.double_ack().await.map_err(NatsError::away)
    }

    async fn refuse(&self, message: &Message, why: &str) -> Result<(), NatsError> {
        tracing::error!(source = %message.subject, why, "a topology that came over NATS is refused; the old one stays");
        let place = message.info().map_or(0, |info| info.stream_sequence);
        let telling = refused_topology(&self.tenant, source(message), place, why, (self.pipeline.clock)());
        let mut headers = HeaderMap::new();
        headers.insert("Content-Type", "application/cloudevents+json");
        let message = Outgoing { subject: telling.subject, headers, body: telling.body.into(), behind: None };
        publish(&self.nats, &self.out, message).await.map(drop).map_err(NatsError::away)
    }
}

/// Whose message it is: the third word of its subject.
fn source(message: &Message) -> &str {
    message.subject.split('.').nth(2).unwrap_or_default()
}
