//! A stream that looks damaged is asked again before that is believed.
//!
//! A server that was cut off from the others may answer for a stream that it led, or that it has not caught up with,
//! as the stream was before: it looks shorter than what was read of it. Such a server steps down within seconds of
//! hearing from the others, and at the latest ten seconds after it lost them (`lostQuorumInterval` of nats-server's
//! `raft.go`). A stream that is really shorter stays so.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::unread;
use crate::journal::ReadError;
use crate::nats::NatsError;

/// Three times as long as a server without the others believes itself.
const FIRM_AFTER: Duration = Duration::from_secs(30);

/// What one stream is suspected of.
pub struct Doubt {
    stream: String,
    firm_after: Duration,
    since: Mutex<Option<Suspicion>>,
}

#[derive(Clone, Copy)]
struct Suspicion {
    since: Instant,
    /// The place of whoever saw it first: somebody who reads from before it may see nothing wrong.
    after: u64,
}

impl Doubt {
    /// Of a stream with so many copies: one that has a single copy is what its server says.
    pub fn new(stream: String, replicas: usize) -> Self {
        let firm_after = if replicas > 1 { FIRM_AFTER } else { Duration::ZERO };
        Self { stream, firm_after, since: Mutex::default() }
    }

    /// What a look at the stream behind `after` is worth: damage stands when it has been seen for long enough, with
    /// nothing that speaks against it. Until then it is a stream that cannot be read now.
    ///
    /// # Errors
    /// Those of the look.
    pub fn judge<T>(&self, after: u64, looked: Result<T, ReadError>) -> Result<T, ReadError> {
        let damage = match looked {
            Err(ReadError::Damaged(damage)) => damage,
            Err(error) => return Err(error),
            Ok(found) => {
                self.since.lock().expect("nobody panics while holding it").take_if(|doubt| doubt.after <= after);
                return Ok(found);
            }
        };
        let now = Instant::now();
        let since = {
            let mut since = self.since.lock().expect("nobody panics while holding it");
            since.get_or_insert(Suspicion { since: now, after }).since
        };
        if now.duration_since(since) >= self.firm_after {
            return Err(ReadError::Damaged(damage));
        }
        tracing::warn!(stream = self.stream, found = damage.found, "it is asked again before this is believed");
        let why = format!("a server may lag behind the others: {}", damage.found);
        Err(unread(&format!("stream {}", self.stream), NatsError::away(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::damage;
    use super::*;

    fn short() -> Result<u64, ReadError> {
        Err(damage("S", "it ends at 8, record 24 was read from it"))
    }

    fn is_damaged(judged: Result<u64, ReadError>) -> bool {
        matches!(judged, Err(ReadError::Damaged(_)))
    }

    #[test]
    fn what_one_server_says_of_its_only_copy_is_believed() {
        assert!(is_damaged(Doubt::new("S".into(), 1).judge(24, short())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_seen_for_long_enough_is_believed_and_what_passes_is_not() {
        let doubt = Doubt::new("S".into(), 3);
        assert!(!is_damaged(doubt.judge(24, short())));
        tokio::time::advance(FIRM_AFTER / 2).await;
        assert!(!is_damaged(doubt.judge(24, short())));
        assert_eq!(doubt.judge(24, Ok(24)).unwrap(), 24, "the server has caught up");
        tokio::time::advance(FIRM_AFTER).await;
        assert!(!is_damaged(doubt.judge(24, short())), "an older suspicion was answered");
        assert_eq!(doubt.judge(5, Ok(8)).unwrap(), 8, "whoever reads from before it sees nothing wrong");
        tokio::time::advance(FIRM_AFTER).await;
        assert!(is_damaged(doubt.judge(24, short())));
    }
}
