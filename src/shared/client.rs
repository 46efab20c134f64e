//! One connection for everybody, with limits of time and a circuit breaker. A task of its own proves every second that
//! Redis takes what is written, connects again, and says when that changes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue, RedisError};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::address::{self, Servers};
use super::breaker::Breaker;
use super::connect::{Link, connect};
use super::settings::Settings;

/// How often it is proven that Redis takes what is written.
const PROVE_EVERY: Duration = Duration::from_secs(1);
/// An instance that was not heard of for so long is gone.
const INSTANCE_SECS: u64 = 10;
/// Reasons that are said of one absence.
const REASONS_MAX: usize = 10;
/// Instances that are counted at most.
const INSTANCES_MAX: u32 = 1_000;

/// Writes that this instance lives, forgets those that are gone, and counts the rest.
const LIVES: &str = "
    local kind = redis.call('TYPE', KEYS[1]).ok
    if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
    local now = tonumber(redis.call('TIME')[1])
    redis.call('ZADD', KEYS[1], now, ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
    redis.call('ZREMRANGEBYSCORE', KEYS[1], now + tonumber(ARGV[2]), '+inf')
    redis.call('EXPIRE', KEYS[1], tonumber(ARGV[2]))
    return redis.call('ZCARD', KEYS[1])";

/// Redis cannot be asked, or not in time: go on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis is away")]
pub struct Away;

/// What was asked, since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Calls that were answered.
    pub answered: AtomicU64,
    /// Calls that failed: no answer in time, or a refusal.
    pub failed: AtomicU64,
    /// Calls that were not made, because others had failed.
    pub spared: AtomicU64,
    /// How often Redis went away.
    pub lost: AtomicU64,
}

/// Redis, shared by everybody who uses it.
pub struct Shared {
    pub settings: Settings,
    pub counts: Counts,
    servers: Servers,
    /// A name that no other instance has.
    instance: String,
    instances: AtomicU32,
    link: Mutex<Option<Link>>,
    breaker: Mutex<Breaker>,
    /// Wakes the task when the breaker opens.
    opened: Notify,
    in_use: watch::Sender<bool>,
}

/// Why a call was of no use.
struct Failure {
    what: String,
    /// The server answers but takes nothing: there is no use in trying twice.
    is_refusal: bool,
}

impl Shared {
    /// As the settings say; connects when `keep` runs.
    ///
    /// # Errors
    /// When the addresses are wrong, which the check of the configuration has told.
    pub fn new(settings: Settings) -> Result<Arc<Self>, String> {
        let servers = address::read(&settings.urls).map_err(|faults| {
            faults.into_iter().map(|(key, what, _)| format!("{key}: {what}\n")).collect::<String>()
        })?;
        Ok(Arc::new(Self {
            settings,
            counts: Counts::default(),
            servers,
            instance: hex::encode(rand::random::<[u8; 8]>()),
            instances: AtomicU32::new(1),
            link: Mutex::default(),
            breaker: Mutex::new(Breaker::unproven(Instant::now())),
            opened: Notify::new(),
            in_use: watch::Sender::new(false),
        }))
    }

    /// What keys begin with; what stands in braces decides in a cluster which keys are together.
    pub fn key(&self, place: &[&str], rest: &str) -> String {
        let place: Vec<String> = place.iter().map(|name| encoded(name)).collect();
        format!("{}:v1:{{{}}}:{rest}", self.settings.prefix, place.join(":"))
    }

    /// Whether Redis is in use; it may be away a moment later.
    pub fn is_in_use(&self) -> bool {
        lock(&self.breaker).is_closed()
    }

    /// Tells when that changes.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.in_use.subscribe()
    }

    /// How many instances there are, as far as was last known.
    pub fn instances(&self) -> u32 {
        self.instances.load(Ordering::Relaxed).clamp(1, INSTANCES_MAX)
    }

    /// Asks Redis.
    ///
    /// # Errors
    /// `Away`, at the latest after `answer_ms_max`.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Away> {
        let link = if self.is_in_use() { lock(&self.link).clone() } else { None };
        let Some(mut link) = link else {
            self.counts.spared.fetch_add(1, Ordering::Relaxed);
            return Err(Away);
        };
        match self.answer(command, &mut link).await {
            Ok(value) => {
                self.counts.answered.fetch_add(1, Ordering::Relaxed);
                lock(&self.breaker).succeeded();
                Ok(value)
            }
            Err(failure) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(what = failure.what, "a call to Redis has failed");
                let is_open = {
                    let mut breaker = lock(&self.breaker);
                    breaker.failed(Instant::now());
                    !breaker.is_closed()
                };
                if is_open {
                    self.opened.notify_one();
                }
                Err(Away)
            }
        }
    }

    async fn answer<T: FromRedisValue>(&self, command: &Cmd, link: &mut Link) -> Result<T, Failure> {
        match timeout(self.settings.answer_max(), command.query_async::<T>(link)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Failure { is_refusal: is_refusal(&error), what: told(&error) }),
            Err(_) => {
                let what = format!("no answer within {} ms", self.settings.answer_ms_max);
                Err(Failure { what, is_refusal: false })
            }
        }
    }

    /// Keeps the connection until the future is dropped; `tell` hears why Redis is away, and `None` when it is not.
    pub async fn keep(self: Arc<Self>, tell: impl Fn(Option<&str>)) {
        let mut said = BTreeSet::new();
        let mut was_in_use = false;
        loop {
            let outcome = self.prove().await;
            let is_in_use = self.is_in_use();
            match &outcome {
                Ok(()) if !was_in_use => {
                    tracing::info!(urls = self.settings.urls.join(","), "Redis is in use");
                    tell(None);
                    said.clear();
                }
                Err(what) if !is_in_use => {
                    tell(Some(what));
                    // What is tried again and again is said once.
                    if said.len() < REASONS_MAX && said.insert(what.clone()) {
                        tracing::warn!(error = what, "Redis is away: its users go on without it, trying again");
                    }
                }
                Ok(()) | Err(_) => {}
            }
            if was_in_use && !is_in_use {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
            }
            was_in_use = is_in_use;
            self.in_use.send_if_modified(|known| std::mem::replace(known, is_in_use) != is_in_use);
            let wait = lock(&self.breaker).wait(Instant::now());
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                // After a failure that does not open the breaker the next look comes soon.
                None if outcome.is_err() => tokio::time::sleep(PROVE_EVERY / 10).await,
                // Either way the next thing is a look.
                None => drop(timeout(PROVE_EVERY, self.opened.notified()).await),
            }
        }
    }

    /// Writes something; connects first when there is no connection.
    async fn prove(&self) -> Result<(), String> {
        let outcome = self.attempt().await;
        let mut breaker = lock(&self.breaker);
        match outcome {
            Ok(instances) => {
                self.instances.store(instances, Ordering::Relaxed);
                breaker.proven();
                Ok(())
            }
            Err(failure) => {
                if failure.is_refusal {
                    breaker.refused(Instant::now());
                } else {
                    breaker.failed(Instant::now());
                }
                if !breaker.is_closed() {
                    *lock(&self.link) = None;
                }
                Err(failure.what)
            }
        }
    }

    async fn attempt(&self) -> Result<u32, Failure> {
        let known = lock(&self.link).clone();
        let mut link = match known {
            Some(link) => link,
            None => self.connected().await?,
        };
        let mut lives = redis::cmd("EVAL");
        lives.arg(LIVES).arg(1).arg(self.key(&["all"], "instances")).arg(&self.instance).arg(INSTANCE_SECS);
        let instances = self.answer(&lives, &mut link).await?;
        *lock(&self.link) = Some(link);
        Ok(instances)
    }

    async fn connected(&self) -> Result<Link, Failure> {
        // A sentinel is asked first, and then its master.
        let limit = self.settings.connect_max() * 3;
        let outcome = timeout(limit, connect(&self.settings, &self.servers)).await;
        let what = match outcome {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(what)) => what,
            Err(_) => format!("no connection within {} ms", limit.as_millis()),
        };
        Err(Failure { what, is_refusal: false })
    }
}

/// Whether the server refuses to work: it says so itself, at once and again.
fn is_refusal(error: &RedisError) -> bool {
    !error.is_timeout() && !error.is_io_error() && !error.is_connection_dropped()
}

/// What the server says, in its own words where it has any.
pub fn told(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name as part of a key: what is no letter, digit, `-`, `_` or `.` is written `%XX`.
fn encoded(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_alphanumeric() || "-_.".contains(c) {
            safe.push(c);
        } else {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| safe += &format!("%{byte:02X}"));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_parts_of_keys() {
        assert_eq!(encoded("机房-1"), "机房-1");
        assert_eq!(encoded("a{b}:c"), "a%7Bb%7D%3Ac");
    }
}
