//! Publishing one message and learning what became of it.

use std::error::Error as _;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;

use super::connect::Nats;

/// What a caller is told to wait when the server cannot take a message now.
pub const BUSY_WAIT: Duration = Duration::from_millis(500);
/// What a caller is told to wait when the server has no room.
pub const FULL_WAIT: Duration = Duration::from_secs(5);

/// Errors of the server that say: no room. Stream limits, account limits, disk.
const FULL: [u64; 4] = [10_077, 10_047, 10_023, 10_002];

/// Why a message was not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The server has no room; nothing was stored.
    #[error("no room: {0}")]
    Full(String),
    /// The server cannot take it now; nothing was stored.
    #[error("{0}")]
    TryLater(String),
    /// The subject's last message is not the expected one; nothing was stored, now.
    #[error("the subject has gone on")]
    WentOn,
    /// It is longer than the server takes; nothing was sent.
    #[error("{bytes} bytes are more than the server takes ({bytes_max})")]
    TooLong { bytes: usize, bytes_max: usize },
    /// No answer came: whether it is stored is not known.
    #[error("no answer: {0}")]
    Unsure(String),
}

/// A message to be stored.
pub struct Outgoing {
    pub subject: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The last message that the subject must have; `None` when any will do.
    pub behind: Option<u64>,
}

/// Publishes into `stream` and waits for its confirmation; returns the message's sequence.
///
/// # Errors
/// When it is not confirmed.
pub async fn publish(nats: &Nats, stream: &str, message: Outgoing) -> Result<u64, PublishError> {
    let Outgoing { subject, headers, body, behind } = message;
    let (bytes, bytes_max) = (body.len(), nats.client.max_payload());
    let mut publish = PublishMessage::build().headers(headers).payload(body).expected_stream(stream);
    if let Some(seq) = behind {
        publish = publish.expected_last_subject_sequence(seq);
    }
    let sent = nats.jetstream.send_publish(subject, publish).await;
    let confirmed = match sent {
        Ok(waiting) => waiting.await,
        Err(error) => Err(error),
    };
    let error = match confirmed {
        Ok(ack) => return Ok(ack.sequence),
        Err(error) => error,
    };
    let told = error.source().and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    Err(match (error.kind(), told) {
        (PublishErrorKind::WrongLastSequence, _) => PublishError::WentOn,
        (PublishErrorKind::MaxPayloadExceeded, _) => PublishError::TooLong { bytes, bytes_max },
        (PublishErrorKind::StreamNotFound | PublishErrorKind::MaxAckPending, _) => {
            PublishError::TryLater(error.to_string())
        }
        (_, Some(told)) if FULL.contains(&told.error_code().0) => PublishError::Full(told.to_string()),
        (_, Some(told)) => PublishError::TryLater(told.to_string()),
        (_, None) => PublishError::Unsure(error.to_string()),
    })
}
