//! The only reader of the machine's clock.

use std::sync::Arc;
use std::time::Instant;

use crate::domain::time::Timestamp;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn machine() -> Clock {
    Arc::new(|| Timestamp::from(chrono::Utc::now()))
}

/// A clock that starts at `start` and runs `times` as fast as the machine's: for demos.
pub fn hurried(start: Timestamp, times: u32) -> Clock {
    let began = Instant::now();
    Arc::new(move || {
        let ran = began.elapsed().as_millis().saturating_mul(u128::from(times));
        Timestamp(start.0.saturating_add(i64::try_from(ran).unwrap_or(i64::MAX)))
    })
}
