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
    pub(super) start: Mutex<Start>,
    /// Why NATS is not in use, when it should be.
    nats: Mutex<Option<String>>,
}

impl Health {
    /// What the start had to do.
    pub fn start(&self) -> Start {
        *self.start.lock().expect("nobody panics while holding it")
    }

    /// Notes why NATS is not in use; `None` when it is.
    pub fn note_nats(&self, trouble: Option<&str>) {
        *self.nats.lock().expect("nobody panics while holding it") = trouble.map(str::to_owned);
    }

    /// Why NATS is not in use although the configuration names it.
    pub fn nats(&self) -> Option<String> {
        self.nats.lock().expect("nobody panics while holding it").clone()
    }

    /// Why the engine stands still; `None` while it runs.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().expect("nobody panics while holding it").clone()
    }
}

/// What a start had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Journal records that were read.
    pub records: u64,
    pub took_ms: u64,
    /// Views of partitions that were stored, made again from all records, and begun with what stands.
    pub kept: u64,
    pub remade: u64,
    pub begun: u64,
}
