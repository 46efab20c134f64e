//! What waits for servers that are away: it tries again, and says each reason once.

use std::time::Duration;

/// The pause before the next attempt.
pub const PAUSE: Duration = Duration::from_secs(2);

/// The attempts at one thing.
pub struct Attempts {
    /// What is not there meanwhile, as the log says it.
    without: &'static str,
    said: String,
}

impl Attempts {
    pub const fn new(without: &'static str) -> Self {
        Self { without, said: String::new() }
    }

    /// Waits after one that failed; says why unless that is what was said last.
    pub async fn failed(&mut self, why: String) {
        if self.said != why {
            tracing::error!(error = why, "{}, trying again", self.without);
            self.said = why;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
