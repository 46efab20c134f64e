//! Parcels: bytes of any size under a name, for some hours. They are cut into messages; whoever reads one gets it whole or not at all.

use std::time::Duration;

use async_nats::HeaderMap;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::NatsError;
use super::connect::Nats;
use super::publish::{Outgoing, PublishError, publish};
use super::streams::{Keeping, Wanted, Which, ask, ensure, subjects};

/// How long a parcel lies. Their bytes have no limit of their own: a server sets such a limit's room aside at once, and a small one
/// would not have it.
const LIES: Duration = Duration::from_secs(6 * 3600);
/// Bytes in one message, and messages of a parcel.
const PIECE_BYTES: usize = 256 * 1024;
const PIECES_MAX: usize = 512;
/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a piece begins with: the parcel's digest, and of how many pieces it is.
const HEAD: usize = 32 + 4;

/// Where parcels lie.
#[derive(Clone)]
pub struct Parcels {
    nats: Nats,
    stream: String,
    subject: String,
}

impl Parcels {
    /// Those in a stream of this name, whose subjects begin with `subject`; made when it is missing.
    ///
    /// # Errors
    /// When NATS is away, or the stream is unsafe.
    pub async fn open(nats: Nats, stream: String, subject: String, replicas: usize) -> Result<Self, NatsError> {
        let subjects = vec![format!("{subject}.>")];
        let keeping = Keeping::Feed { age_max: LIES, bytes_max: -1 };
        ensure(&nats, &Wanted { name: stream.clone(), subjects, keeping, replicas }).await?;
        Ok(Self { nats, stream, subject })
    }

    /// Puts a parcel under a name. Its first piece comes last: until then the one before is there.
    ///
    /// # Errors
    /// When it is too large, or not confirmed.
    pub async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), PublishError> {
        let pieces: Vec<&[u8]> = bytes.chunks(PIECE_BYTES).collect();
        if pieces.len() > PIECES_MAX {
            return Err(PublishError::TooLong { bytes: bytes.len(), bytes_max: PIECES_MAX * PIECE_BYTES });
        }
        let digest = Sha256::digest(bytes);
        for (number, piece) in pieces.iter().enumerate().rev() {
            let mut body = digest.to_vec();
            body.extend((pieces.len() as u32).to_le_bytes());
            body.extend(*piece);
            let subject = format!("{}.{name}.{number}", self.subject);
            let message = Outgoing { subject, headers: HeaderMap::new(), body: body.into(), behind: None };
            let sent = timeout(PATIENCE, publish(&self.nats, &self.stream, message)).await;
            sent.unwrap_or_else(|_| Err(PublishError::Unsure("no answer in time".into())))?;
        }
        Ok(())
    }

    /// The names of the parcels that lie there, with a number that grows when another one is put in the place of one.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn names(&self) -> Result<Vec<String>, NatsError> {
        let firsts = subjects(&self.nats, &self.stream, &format!("{}.>", self.subject)).await?;
        let name = |subject: &String| {
            let rest = subject.strip_prefix(&self.subject)?.strip_prefix('.')?;
            Some(rest.strip_suffix(".0")?.to_owned())
        };
        Ok(firsts.iter().filter_map(name).collect())
    }

    /// The parcel of a name, unless it is the one with the number `known`; none when it is not whole, or there is none.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn get(&self, name: &str, known: u64) -> Result<Option<(u64, Vec<u8>)>, NatsError> {
        let Some((number, first)) = self.piece(name, 0).await?.filter(|(number, _)| *number != known) else {
            return Ok(None);
        };
        let Some((head, body)) = first.split_at_checked(HEAD) else { return Ok(None) };
        let mut bytes = body.to_vec();
        let count = u32::from_le_bytes(head[32..].try_into().expect("four bytes")) as usize;
        for number in 1..count.min(PIECES_MAX) {
            let Some((_, piece)) = self.piece(name, number).await? else { return Ok(None) };
            let Some(rest) = piece.strip_prefix(head) else { return Ok(None) };
            bytes.extend(rest);
        }
        let is_whole = Sha256::digest(&bytes)[..] == head[..32];
        Ok(is_whole.then_some((number, bytes)))
    }

    async fn piece(&self, name: &str, number: usize) -> Result<Option<(u64, Vec<u8>)>, NatsError> {
        let subject = format!("{}.{name}.{number}", self.subject);
        let asked = timeout(PATIENCE, ask(&self.nats, &self.stream, Which::Last(&subject))).await;
        let found = asked.map_err(|_| NatsError::away("no answer in time"))??;
        Ok(found.map(|stored| (stored.seq, stored.body.to_vec())))
    }
}
