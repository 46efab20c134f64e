//! What this instance may do, and until when others take it for alive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::domain::partition::PARTITIONS;

/// The partitions that are this instance's turn. The outbox decides; this says only who tries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duty {
    /// Those whose records it decides.
    pub decides: BTreeSet<u16>,
    /// Those whose notices it sends.
    pub sends: BTreeSet<u16>,
    /// Those whose sources' points it watches.
    pub watches: BTreeSet<u16>,
}

impl Duty {
    /// Everything: there is nobody else.
    pub fn whole() -> Self {
        let all: BTreeSet<u16> = (0..PARTITIONS).collect();
        Self { decides: all.clone(), sends: all.clone(), watches: all }
    }

    /// Whether this instance also does what one of all does.
    pub fn is_first(&self) -> bool {
        self.sends.contains(&0)
    }
}

/// A duty that ends by itself when it is not renewed.
#[derive(Debug)]
pub struct Lease {
    duty: ArcSwap<Duty>,
    began: Instant,
    /// Milliseconds after `began`; the largest number: for good.
    valid_until: AtomicU64,
}

impl Lease {
    /// For an instance that is alone.
    pub fn for_good() -> Self {
        let lease = Self::none();
        lease.valid_until.store(u64::MAX, Ordering::SeqCst);
        lease.assign(Duty::whole());
        lease
    }

    /// For an instance that others do not know yet.
    pub fn none() -> Self {
        Self { duty: ArcSwap::default(), began: Instant::now(), valid_until: AtomicU64::new(0) }
    }

    /// The others know since `since` that this instance is alive, and believe it for `length`.
    pub fn renew(&self, since: Instant, length: Duration) {
        let until = since.saturating_duration_since(self.began) + length;
        self.valid_until.fetch_max(until.as_millis() as u64, Ordering::SeqCst);
    }

    /// Nothing may be sent any more.
    pub fn end(&self) {
        self.valid_until.store(0, Ordering::SeqCst);
        self.assign(Duty::default());
    }

    /// Whether others take this instance for alive.
    pub fn is_valid(&self) -> bool {
        let until = self.valid_until.load(Ordering::SeqCst);
        until == u64::MAX || (self.began.elapsed().as_millis() as u64) < until
    }

    /// Says whose turn it is.
    pub fn assign(&self, duty: Duty) {
        if **self.duty.load() != duty {
            self.duty.store(Arc::new(duty));
        }
    }

    /// What is this instance's turn; nothing while others may take it for dead.
    pub fn duty(&self) -> Arc<Duty> {
        self.known_duty().unwrap_or_default()
    }

    /// The same; `None` while others may take it for dead: whose turn everything is then is not known.
    pub fn known_duty(&self) -> Option<Arc<Duty>> {
        self.is_valid().then(|| self.duty.load_full())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_is_not_renewed_ends() {
        let lease = Lease::none();
        lease.assign(Duty::whole());
        assert_eq!(*lease.duty(), Duty::default(), "nobody knows of it yet");
        let now = Instant::now();
        lease.renew(now, Duration::from_secs(60));
        assert!(lease.is_valid() && lease.duty().is_first());
        assert_eq!(lease.known_duty(), Some(lease.duty()));
        // An answer that came late says what was true when it was asked for.
        let other = Lease::none();
        other.assign(Duty::whole());
        other.renew(now.checked_sub(Duration::from_secs(60)).unwrap_or(now), Duration::ZERO);
        assert!(!other.is_valid() && !other.duty().is_first());
        lease.end();
        assert!(!lease.is_valid() && lease.known_duty().is_none());
        assert!(Lease::for_good().is_valid());
    }
}
