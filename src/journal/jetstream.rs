//! Journal and snapshots on NATS JetStream, for several machines.
//!
//! One stream, one subject per partition. Whoever has the right to publish may append; nothing is ever evicted. A
//! record's sequence is the stream's, so it grows across partitions; its stamp is the time at which the stream's leader
//! stored it, but not much later than its writer's own time: one server whose clock is wrong does not move everybody's.
//! Outboxes stand in a stream of their own (`outbox::jetstream`), which is also the fence.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use tokio::runtime::Handle;

use super::body::encode;
use super::digest::ChainHash;
use super::packed::text_bytes;
use super::{AppendError, Appended, Durability, Follow, Journal, Of, ReadError, Record};
use crate::clock::{Clock, machine};
use crate::engine::input::Input;
use crate::nats::connect::Nats;
use crate::nats::publish::{BUSY_WAIT, FULL_WAIT, Outgoing, PublishError, publish};
use crate::nats::streams::{Found, Keeping, Wanted, ensure, make_from};
use crate::nats::{NatsError, server};
use doubt::Doubt;
use recent::{READERS, Recent};
use snapshots::Trimmed;
use tail::Tail;

pub mod doubt;
pub mod read;
pub mod recent;
pub mod snapshots;
pub mod tail;
pub mod texts;

/// The header with the digest of a record's body.
pub const DIGEST: &str = "Headwater-Digest";

/// The header with the writer's time, in milliseconds; records of older programs have none.
pub const WRITTEN: &str = "Headwater-Written";

/// How the streams are found, and what they must be.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Begins the names of streams and subjects: `hw` unless several systems share an account.
    pub prefix: String,
    /// Copies of each stream.
    pub replicas: usize,
    /// What "accepted" survives; `power` is believed only with proof.
    pub durability: Durability,
    /// Where servers can be asked whether they sync always.
    pub monitor_urls: Vec<String>,
}

impl OpenOptions {
    fn wanted(&self, kind: &str, subjects: &[&str]) -> Wanted {
        Wanted {
            name: stream_name(&self.prefix, kind),
            subjects: subjects.iter().map(|subject| format!("{}.{subject}", self.prefix)).collect(),
            keeping: Keeping::Log,
            replicas: self.replicas,
        }
    }
}

/// An open store. Clones share it.
#[derive(Clone)]
pub struct JetStreamStore {
    shared: Arc<Shared>,
}

struct Shared {
    nats: Nats,
    runtime: Handle,
    clock: Clock,
    prefix: String,
    /// The journal as it was found at the opening: another one under its name is not ours.
    journal: Found,
    journal_doubt: Doubt,
    outbox_doubt: Doubt,
    inputs: Recent<Arc<Input>>,
}

impl JetStreamStore {
    /// Makes streams that go on behind these records of another log, then opens them.
    ///
    /// # Errors
    /// When they are there already, or the server cannot begin there.
    pub async fn open_from(nats: Nats, options: &OpenOptions, ends: Trimmed) -> Result<Self, NatsError> {
        for (kind, end) in [("journal", ends.journal_seq), ("outbox", ends.outbox_seq)] {
            make_from(&nats, &options.wanted(kind, &[&format!("{kind}.*")]), end + 1).await?;
        }
        Self::open(nats, options).await
    }

    /// Makes the streams that are missing and checks all of them.
    ///
    /// # Errors
    /// When one is unsafe, `power` is not proven, or the server does not answer.
    pub async fn open(nats: Nats, options: &OpenOptions) -> Result<Self, NatsError> {
        if options.durability == Durability::Power {
            server::prove_power(&options.monitor_urls, options.replicas).await?;
        }
        let prefix = options.prefix.clone();
        let journal = ensure(&nats, &options.wanted("journal", &["journal.*"])).await?;
        ensure(&nats, &options.wanted("outbox", &["outbox.*"])).await?;
        ensure(&nats, &options.wanted("snapshots", &["snapshot.*.*", "pointer.*", "text.*.*"])).await?;
        let doubt = |kind| Doubt::new(stream_name(&prefix, kind), options.replicas);
        let (journal_doubt, outbox_doubt) = (doubt("journal"), doubt("outbox"));
        let (runtime, clock) = (Handle::current(), machine());
        let inputs = Recent::default();
        let shared = Shared { nats, runtime, clock, prefix, journal, journal_doubt, outbox_doubt, inputs };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The connection.
    pub fn nats(&self) -> &Nats {
        &self.shared.nats
    }

    /// What the journal is suspected of.
    pub fn journal_doubt(&self) -> &Doubt {
        &self.shared.journal_doubt
    }

    /// What the outbox is suspected of.
    pub fn outbox_doubt(&self) -> &Doubt {
        &self.shared.outbox_doubt
    }

    /// Inputs that were appended or read just now, by the digests of their stored forms.
    fn inputs(&self) -> &Recent<Arc<Input>> {
        &self.shared.inputs
    }

    /// The name of one of our streams.
    pub fn stream(&self, kind: &str) -> String {
        stream_name(&self.shared.prefix, kind)
    }

    /// One of our subjects.
    pub fn subject(&self, rest: impl std::fmt::Display) -> String {
        format!("{}.{rest}", self.shared.prefix)
    }

    /// Waits for something that needs the runtime. A task of it that waits gives its place to others meanwhile.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::task::block_in_place(|| self.shared.runtime.block_on(future))
    }
}

/// The name of a stream of ours.
pub fn stream_name(prefix: &str, kind: &str) -> String {
    format!("{prefix}_{kind}").to_uppercase()
}

impl Journal for JetStreamStore {
    async fn append(&self, partition: u16, input: Input) -> Result<Appended, AppendError> {
        let body = encode(&input)?;
        let mut headers = HeaderMap::new();
        let digest = ChainHash::of(&[&body]);
        headers.insert(DIGEST, digest.to_string());
        headers.insert(WRITTEN, (self.shared.clock)().0.to_string());
        let subject = self.subject(format_args!("journal.{partition}"));
        self.inputs().keep(digest, body.clone(), text_bytes(&body), Arc::new(input), READERS);
        let message = Outgoing { subject, headers, body, behind: None };
        let seq = publish(self.nats(), &self.stream("journal"), message).await.map_err(refusal)?;
        Ok(Appended { seq })
    }

    fn read_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        self.wait(self.records(Of::All, after, bytes_max))
    }

    fn read_partition(&self, partition: u16, after: u64, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        self.wait(self.records(Of::Partition(partition), after, bytes_max))
    }

    fn follow(&self, of: Of, after: u64) -> impl Follow<Record> + 'static {
        Tail::new(self.clone(), of, after)
    }
}

/// Why a message was not stored, as the one who appends sees it.
pub fn refusal(error: PublishError) -> AppendError {
    match error {
        PublishError::Full(_) => AppendError::Full { wait: FULL_WAIT },
        PublishError::TryLater(_) => AppendError::TryLater { wait: BUSY_WAIT },
        PublishError::Unsure(_) => AppendError::Unsure { wait: BUSY_WAIT },
        PublishError::TooLong { bytes, bytes_max } => AppendError::Unfit {
            why: format!(
                "{bytes} bytes are more than the NATS server takes at once ({bytes_max}); send fewer events at once, or \
                 raise max_payload of nats-server"
            ),
        },
        PublishError::WentOn => AppendError::Unfit { why: "somebody else was faster".into() },
    }
}

/// A failure of NATS, as a reader sees it.
pub fn unread(what: &str, error: NatsError) -> ReadError {
    ReadError::Failed { path: what.to_owned(), source: Box::new(error) }
}

/// How long one reading may take before it is given up.
pub const READ_TIME_MAX: Duration = Duration::from_secs(30);
