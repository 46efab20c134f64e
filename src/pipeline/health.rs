//! How the engine's thread is doing.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::domain::time::Span;
use crate::nats::watched::Trouble;

/// What `/readyz` and the metrics ask.
#[derive(Debug, Default)]
pub struct Health {
    pub(super) stop: AtomicBool,
    /// Decisions that came out differently when they were made again after a restart.
    pub diverged: AtomicU64,
    /// Partitions that are decided here, how often one was taken over, and how often another instance had it already.
    pub turns: AtomicU64,
    pub claims: AtomicU64,
    pub fenced: AtomicU64,
    /// Why the engine's thread ended, when it did by itself.
    pub(super) failure: Mutex<Option<String>>,
    pub(super) start: Mutex<Start>,
    /// Who shares the log, as seen last.
    instances: Mutex<Vec<String>>,
    /// Why NATS is not in use, when it should be.
    nats: Mutex<Option<String>>,
    /// The same of Redis.
    redis: Mutex<Option<String>>,
    /// Why what the CMDB says now is not in force, or only some of it.
    cmdb: Mutex<Option<String>>,
    /// What is wrong with streams in use, by what they are for.
    streams: Mutex<BTreeMap<&'static str, Trouble>>,
    /// How far our clock is before that of the servers with the journal.
    clock_off: Mutex<Span>,
    signs: Mutex<BTreeMap<&'static str, SignCount>>,
    /// Parts beside the engine that have broken.
    broken: Mutex<Vec<&'static str>>,
}

/// What the program has found wrong with itself, of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignCount {
    pub holds: bool,
    /// How often it was told since the start.
    pub told: u64,
}

impl Health {
    /// Notes whether a sign holds now, and whether it was told just now.
    pub fn note_sign(&self, sign: &'static str, holds: bool, told: u64) {
        let mut signs = self.signs.lock().expect("nobody panics while holding it");
        let count = signs.entry(sign).or_default();
        count.holds = holds;
        count.told += told;
    }

    /// Notes that a part beside the engine has broken.
    pub fn note_broken(&self, part: &'static str) {
        self.broken.lock().expect("nobody panics while holding it").push(part);
    }

    /// The parts that have broken since the start.
    pub fn broken(&self) -> Vec<&'static str> {
        self.broken.lock().expect("nobody panics while holding it").clone()
    }

    /// Notes who shares the log.
    pub fn note_instances(&self, names: Vec<String>) {
        *self.instances.lock().expect("nobody panics while holding it") = names;
    }

    /// Who shares the log; nobody when it is a file.
    pub fn instances(&self) -> Vec<String> {
        self.instances.lock().expect("nobody panics while holding it").clone()
    }

    /// Every kind of sign that was looked for.
    pub fn signs(&self) -> BTreeMap<&'static str, SignCount> {
        self.signs.lock().expect("nobody panics while holding it").clone()
    }

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

    /// Notes what is wrong with the streams for something.
    pub fn note_streams(&self, of: &'static str, trouble: Trouble) {
        self.streams.lock().expect("nobody panics while holding it").insert(of, trouble);
    }

    /// What is wrong with streams in use, of each kind the first.
    pub fn streams(&self) -> Trouble {
        let all = self.streams.lock().expect("nobody panics while holding it");
        let first = |of: fn(&Trouble) -> &Option<String>| all.values().find_map(|trouble| of(trouble).clone());
        Trouble { unsafe_settings: first(|one| &one.unsafe_settings), fills_up: first(|one| &one.fills_up) }
    }

    /// Notes how far our clock is before that of the servers with the journal.
    pub fn note_clock(&self, before: Span) {
        *self.clock_off.lock().expect("nobody panics while holding it") = before;
    }

    /// How far our clock is before that of the servers with the journal; nothing when there are none.
    pub fn clock_off(&self) -> Span {
        *self.clock_off.lock().expect("nobody panics while holding it")
    }

    /// Notes why Redis is not in use; `None` when it is.
    pub fn note_redis(&self, trouble: Option<&str>) {
        *self.redis.lock().expect("nobody panics while holding it") = trouble.map(str::to_owned);
    }

    /// Why Redis is not in use although the configuration names it.
    pub fn redis(&self) -> Option<String> {
        self.redis.lock().expect("nobody panics while holding it").clone()
    }

    /// Notes why what the CMDB says now is not in force; `None` when it is.
    pub fn note_cmdb(&self, trouble: Option<&str>) {
        *self.cmdb.lock().expect("nobody panics while holding it") = trouble.map(str::to_owned);
    }

    /// Why what the CMDB that is asked says now is not in force, or not all of it.
    pub fn cmdb(&self) -> Option<String> {
        self.cmdb.lock().expect("nobody panics while holding it").clone()
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
