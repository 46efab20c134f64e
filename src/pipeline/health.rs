//! How the engine's thread is doing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What `/readyz` and the metrics ask.
#[derive(Debug, Default)]
pub struct Health {
    pub(super) stop: AtomicBool,
    /// Decisions that came out differently when they were made again after a restart.
    pub diverged: AtomicU64,
    /// Why the engine's thread ended, when it did by itself.
    pub(super) failure: Mutex<Option<String>>,
}

impl Health {
    /// Why the engine stands still; `None` while it runs.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().expect("nobody panics while holding it").clone()
    }
}
