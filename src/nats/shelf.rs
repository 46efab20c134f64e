//! A shelf: few small texts that all instances share, of each name the newest one, replaced by compare-and-set. They are as safe as
//! the journal beside which they stand.

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::time::timeout;

use super::NatsError;
use super::connect::Nats;
use super::publish::{Outgoing, PublishError, publish};
use super::streams::{Keeping, Wanted, Which, ask, ensure, subjects};

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The shelf of a cluster.
#[derive(Clone)]
pub struct Shelf {
    nats: Nats,
    stream: String,
    prefix: String,
}

impl Shelf {
    /// The shelf in a stream of this name, whose subjects begin with `prefix`; made when it is missing.
    ///
    /// # Errors
    /// When NATS is away, or the stream is unsafe.
    pub async fn open(nats: Nats, stream: String, prefix: &str, replicas: usize) -> Result<Self, NatsError> {
        let subjects = vec![format!("{prefix}.shelf.>")];
        ensure(&nats, &Wanted { name: stream.clone(), subjects, keeping: Keeping::Newest, replicas }).await?;
        Ok(Self { nats, stream, prefix: prefix.to_owned() })
    }

    fn subject(&self, name: &str) -> String {
        format!("{}.shelf.{name}", self.prefix)
    }

    /// The text of a name, and its number.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn read(&self, name: &str) -> Result<Option<(u64, Bytes)>, NatsError> {
        let subject = self.subject(name);
        let asked = timeout(PATIENCE, ask(&self.nats, &self.stream, Which::Last(&subject))).await;
        let found = asked.map_err(|_| NatsError::away("no answer in time"))??;
        Ok(found.map(|stored| (stored.seq, stored.body)))
    }

    /// The texts of all names that `below.*` stands for.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn read_all(&self, below: &str) -> Result<Vec<Bytes>, NatsError> {
        let mut texts = Vec::new();
        for subject in subjects(&self.nats, &self.stream, &self.subject(&format!("{below}.*"))).await? {
            texts.extend(ask(&self.nats, &self.stream, Which::Last(&subject)).await?.map(|stored| stored.body));
        }
        Ok(texts)
    }

    /// Puts a text in the place of the one with the number `behind` (0: none; absent: whichever there is); `false`: somebody
    /// else was quicker.
    ///
    /// # Errors
    /// When it is not confirmed.
    pub async fn put(&self, name: &str, behind: Option<u64>, text: Vec<u8>) -> Result<bool, PublishError> {
        let message = Outgoing { subject: self.subject(name), headers: HeaderMap::new(), body: text.into(), behind };
        let sent = timeout(PATIENCE, publish(&self.nats, &self.stream, message)).await;
        match sent.unwrap_or_else(|_| Err(PublishError::Unsure("no answer in time".into()))) {
            Ok(_) => Ok(true),
            Err(PublishError::WentOn) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
