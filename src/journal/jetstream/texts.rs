//! Large texts (topologies, rules) in pieces under their digest. Whoever writes one uses a subject of their own, so that
//! two who keep the same text at once do not mix; a text that is not whole is nobody's.

use bytes::Bytes;
use futures::future::try_join_all;

use super::read::{Range, read_until};
use super::{JetStreamStore, unread};
use crate::engine::input::Digest;
use crate::journal::digest::digest_of;
use crate::journal::{AppendError, ReadError};
use crate::nats::publish::BUSY_WAIT;
use crate::nats::streams::{Which, ask, subjects};

/// Longest text: as in a file.
const TEXT_BYTES_MAX: usize = 512 * 1024 * 1024;

impl JetStreamStore {
    /// Keeps a text; resolves when it is durable and was read back. The same text is kept once.
    ///
    /// # Errors
    /// When it is longer than 512 MiB, or the server does not take it.
    pub async fn put_text(&self, bytes: Vec<u8>) -> Result<Digest, AppendError> {
        if bytes.len() > TEXT_BYTES_MAX {
            let why = format!("{} bytes are more than {TEXT_BYTES_MAX}", bytes.len());
            return Err(AppendError::Unfit { why });
        }
        let later = |error: ReadError| {
            tracing::warn!(%error, "a text cannot be kept now");
            AppendError::TryLater { wait: BUSY_WAIT }
        };
        let digest = digest_of(&bytes);
        if self.text(&digest).await.map_err(later)?.is_some() {
            return Ok(digest);
        }
        let subject = self.subject(format_args!("text.{}.{}", digest.0, rand::random::<u32>()));
        self.write_pieces(&subject, &bytes).await?;
        match self.text(&digest).await.map_err(later)? {
            Some(_) => Ok(digest),
            None => Err(AppendError::Unsure { wait: BUSY_WAIT }),
        }
    }

    /// Reads a text; `None` when it was never kept whole.
    ///
    /// # Errors
    /// When it is unreadable.
    pub async fn text(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ReadError> {
        let stream = self.stream("snapshots");
        let filter = self.subject(format_args!("text.{}.*", digest.0));
        let all = subjects(self.nats(), &stream, &filter).await.map_err(|error| unread(&filter, error))?;
        let texts = try_join_all(all.iter().map(|subject| self.pieces(subject))).await?;
        Ok(texts.into_iter().find(|text| digest_of(text) == *digest))
    }

    /// Everything that stands under a subject of the stream of snapshots, one behind the other.
    pub(super) async fn pieces(&self, subject: &str) -> Result<Vec<u8>, ReadError> {
        let stream = self.stream("snapshots");
        let last = ask(self.nats(), &stream, Which::Last(subject)).await.map_err(|error| unread(subject, error))?;
        let range = Range { after: 0, end: last.map_or(0, |last| last.seq), bytes_max: usize::MAX };
        let pieces = read_until(self, &stream, subject, range).await?;
        let bodies: Vec<Bytes> = pieces.into_iter().map(|piece| piece.body).collect();
        Ok(bodies.concat())
    }
}
