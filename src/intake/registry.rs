//! The registry of sources: who they are, what is expected of them and what they have sent. A source that nobody registered is
//! listed as soon as it sends. What people decide about sources is in a file of the data folder; what is counted is in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::decode::Decoded;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::time::{Span, Timestamp};

use super::settings::Rate;
use file::Kept;

pub mod expected;
pub mod file;

/// Sources that are counted; those beyond are counted together.
const SOURCES_MAX: usize = 10_000;
/// Payloads that are remembered of one source, and of all together in bytes.
const PAYLOADS_MAX: usize = 5;
const PAYLOAD_BYTES_MAX: usize = 16 * 1024;
const PAYLOADS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often the file is looked at.
const LOOK_EVERY: Span = Span::secs(2);

/// Whose.
pub type Key = (TenantId, SourceId);

/// All sources.
pub struct Registry {
    file: Option<PathBuf>,
    inner: Mutex<Inner>,
    /// Other instances must learn who is alive.
    is_shared: AtomicBool,
}

#[derive(Default)]
struct Inner {
    kept: BTreeMap<Key, Arc<Kept>>,
    mark: Option<file::Mark>,
    looked_at: Timestamp,
    seen: BTreeMap<Key, Seen>,
    /// The oldest first.
    payloads: VecDeque<(Key, Payload)>,
    payload_bytes: usize,
    /// Jobs of which it is known that what they said had failed is over.
    good: BTreeSet<Key>,
}

/// What a source has sent since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// The decoder of its last body.
    pub format: String,
    pub deliveries: u64,
    pub bytes: u64,
    pub events: u64,
    pub rejected: u64,
    pub left_out: u64,
    /// When and why an event of it was rejected last.
    pub last_rejection: Option<(Timestamp, String)>,
}

/// A body as it came, for whoever writes a mapping for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    pub at: Timestamp,
    pub format: String,
    pub body: String,
    pub is_cut: bool,
}

/// A body that was decoded.
pub struct Delivered<'d> {
    pub at: Timestamp,
    pub format: &'d str,
    pub body: &'d [u8],
    pub decoded: &'d Decoded,
}

impl Registry {
    /// Opens the registry of a data folder.
    ///
    /// # Errors
    /// When its file is there and cannot be read.
    pub fn open(data: &Path) -> Result<Self, file::RegistryError> {
        let registry = Self { file: Some(data.join(file::NAME)), ..Self::in_memory() };
        registry.load(&mut registry.lock())?;
        Ok(registry)
    }

    /// A registry that keeps nothing.
    pub fn in_memory() -> Self {
        Self { file: None, inner: Mutex::default(), is_shared: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self, inner: &mut Inner) -> Result<(), file::RegistryError> {
        let Some(path) = &self.file else { return Ok(()) };
        let (kept, mark) = file::read(path)?;
        inner.kept = kept.into_iter().map(|one| (one.key(), Arc::new(one))).collect();
        inner.mark = mark;
        Ok(())
    }

    /// Follows changes that others made in the file. One that cannot be read leaves things as they are and is logged.
    fn look(&self, inner: &mut Inner, now: Timestamp) {
        let Some(path) = &self.file else { return };
        let is_due = now >= inner.looked_at.plus(LOOK_EVERY) || now < inner.looked_at;
        if !is_due {
            return;
        }
        inner.looked_at = now;
        if file::mark(path).is_ok_and(|mark| mark != inner.mark)
            && let Err(error) = self.load(inner)
        {
            tracing::error!(%error, "sources not read again, the old ones stay");
        }
    }

    /// What was decided about a source.
    pub fn kept(&self, tenant: &TenantId, source: &SourceId, now: Timestamp) -> Option<Arc<Kept>> {
        let mut inner = self.lock();
        self.look(&mut inner, now);
        inner.kept.get(&(tenant.clone(), source.clone())).cloned()
    }

    /// Whether a source's events are taken.
    pub fn is_enabled(&self, tenant: &TenantId, source: &SourceId, now: Timestamp) -> bool {
        self.kept(tenant, source, now).is_none_or(|kept| kept.enabled)
    }

    /// A source's own rate, when it has one.
    pub fn rate(&self, tenant: &TenantId, source: &SourceId) -> Option<Rate> {
        let inner = self.lock();
        let kept = inner.kept.get(&(tenant.clone(), source.clone()))?;
        (kept.rate != Rate::default()).then(|| kept.rate.resolved())
    }

    /// Registers a source, or changes what was registered.
    ///
    /// # Errors
    /// When something is wrong with it, or the file cannot be written.
    pub fn put(&self, wanted: Kept) -> Result<(), file::RegistryError> {
        wanted.check()?;
        let mut inner = self.lock();
        match &self.file {
            Some(path) => {
                file::edit(path, |kept| {
                    kept.retain(|one| one.key() != wanted.key());
                    kept.push(wanted.clone());
                })?;
                self.load(&mut inner)
            }
            None => {
                inner.kept.insert(wanted.key(), Arc::new(wanted));
                Ok(())
            }
        }
    }

    /// Takes a source out of the registry; what it sends is taken like that of any other. `false`: it was not there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove(&self, key: &Key) -> Result<bool, file::RegistryError> {
        let mut inner = self.lock();
        if !inner.kept.contains_key(key) {
            return Ok(false);
        }
        match &self.file {
            Some(path) => {
                file::edit(path, |kept| kept.retain(|one| one.key() != *key))?;
                self.load(&mut inner)?;
            }
            None => drop(inner.kept.remove(key)),
        }
        Ok(true)
    }

    /// Counts a delivery and remembers its body.
    pub fn saw(&self, tenant: &TenantId, source: &SourceId, delivered: &Delivered<'_>) {
        let key = (tenant.clone(), source.clone());
        let mut inner = self.lock();
        let is_known = inner.seen.contains_key(&key);
        let key = if is_known || inner.seen.len() < SOURCES_MAX { key } else { (key.0, SourceId::from("…")) };
        let seen = inner.seen.entry(key.clone()).or_default();
        let Decoded { events, rejected, counts, .. } = delivered.decoded;
        if seen.deliveries == 0 {
            seen.first_at = delivered.at;
        }
        seen.last_at = seen.last_at.max(delivered.at);
        if seen.format != delivered.format {
            delivered.format.clone_into(&mut seen.format);
        }
        seen.deliveries += 1;
        seen.bytes += delivered.body.len() as u64;
        seen.events += events.len() as u64;
        seen.rejected += rejected.len() as u64;
        seen.left_out += counts.left_out;
        if let Some(rejected) = rejected.last() {
            seen.last_rejection = Some((delivered.at, rejected.letter.why.detail().to_owned()));
        }
        inner.remember(key, delivered);
    }

    /// Notes that a source is alive without an event.
    pub fn alive(&self, tenant: &TenantId, source: &SourceId, at: Timestamp) {
        let mut inner = self.lock();
        let seen = inner.seen.entry((tenant.clone(), source.clone())).or_default();
        if seen.deliveries == 0 {
            seen.first_at = at;
        }
        seen.deliveries += 1;
        seen.last_at = seen.last_at.max(at);
    }

    /// From now on heartbeats are told to other instances, by the journal.
    pub fn share(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
    }

    /// Whether other instances must learn who is alive.
    pub fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
    }

    /// A job says that it has failed.
    pub fn is_bad(&self, tenant: &TenantId, source: &SourceId) {
        self.lock().good.remove(&(tenant.clone(), source.clone()));
    }

    /// Whether a job may have failed before, as far as is known since the start.
    pub fn was_bad(&self, tenant: &TenantId, source: &SourceId) -> bool {
        !self.lock().good.contains(&(tenant.clone(), source.clone()))
    }

    /// That a job is well was told.
    pub fn is_good(&self, tenant: &TenantId, source: &SourceId) {
        let mut inner = self.lock();
        if inner.good.len() < SOURCES_MAX {
            inner.good.insert((tenant.clone(), source.clone()));
        }
    }

    /// The source of this name that signs its bodies, and its secret; none when several tenants have one.
    pub fn signing(&self, source: &SourceId, now: Timestamp) -> Option<(Arc<Kept>, String)> {
        let mut inner = self.lock();
        self.look(&mut inner, now);
        let mut all = inner.kept.values().filter(|kept| kept.id == *source && kept.secret.is_some());
        let (one, other) = (all.next()?, all.next());
        other.is_none().then(|| Some((one.clone(), one.secret.clone()?))).flatten()
    }

    /// All sources of a tenant that are registered or have sent, by name.
    pub fn list(&self, tenant: &TenantId, now: Timestamp) -> Vec<(SourceId, Option<Arc<Kept>>, Option<Seen>)> {
        let mut inner = self.lock();
        self.look(&mut inner, now);
        let mut all: BTreeMap<SourceId, (Option<Arc<Kept>>, Option<Seen>)> = BTreeMap::new();
        for ((_, source), kept) in inner.kept.iter().filter(|((of, _), _)| of == tenant) {
            all.entry(source.clone()).or_default().0 = Some(kept.clone());
        }
        for ((_, source), seen) in inner.seen.iter().filter(|((of, _), _)| of == tenant) {
            all.entry(source.clone()).or_default().1 = Some(seen.clone());
        }
        all.into_iter().map(|(source, (kept, seen))| (source, kept, seen)).collect()
    }

    /// Everything that was decided, of all tenants.
    pub fn all_kept(&self, now: Timestamp) -> Vec<Arc<Kept>> {
        let mut inner = self.lock();
        self.look(&mut inner, now);
        inner.kept.values().cloned().collect()
    }

    /// When a source was heard of last, since the start.
    pub fn last_at(&self, tenant: &TenantId, source: &SourceId) -> Option<Timestamp> {
        self.lock().seen.get(&(tenant.clone(), source.clone())).map(|seen| seen.last_at)
    }

    /// The newest bodies of a source, newest first.
    pub fn payloads(&self, tenant: &TenantId, source: &SourceId) -> Vec<Payload> {
        let inner = self.lock();
        let own = inner.payloads.iter().rev().filter(|((t, s), _)| t == tenant && s == source);
        own.map(|(_, payload)| payload.clone()).collect()
    }
}

impl Inner {
    fn remember(&mut self, key: Key, delivered: &Delivered<'_>) {
        let own = self.payloads.iter().filter(|(of, _)| *of == key).count();
        if own >= PAYLOADS_MAX
            && let Some(oldest) = self.payloads.iter().position(|(of, _)| *of == key)
        {
            self.forget(oldest);
        }
        let cut = &delivered.body[..delivered.body.len().min(PAYLOAD_BYTES_MAX)];
        let body = String::from_utf8_lossy(cut).into_owned();
        let payload = Payload {
            at: delivered.at,
            format: delivered.format.to_owned(),
            is_cut: cut.len() < delivered.body.len(),
            body,
        };
        self.payload_bytes += payload.body.len();
        self.payloads.push_back((key, payload));
        while self.payload_bytes > PAYLOADS_BYTES_MAX {
            self.forget(0);
        }
    }

    fn forget(&mut self, at: usize) {
        if let Some((_, payload)) = self.payloads.remove(at) {
            self.payload_bytes -= payload.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver(registry: &Registry, source: &str, body: &[u8], second: i64) {
        let (at, decoded) = (Timestamp(second * 1000), Decoded::default());
        let delivered = Delivered { at, format: "native", body, decoded: &decoded };
        registry.saw(&"city".into(), &source.into(), &delivered);
    }

    #[test]
    fn what_a_source_sends_is_counted_and_its_newest_bodies_are_remembered() {
        let registry = Registry::in_memory();
        for n in 0..7 {
            deliver(&registry, "a", format!("body {n}").as_bytes(), n);
        }
        deliver(&registry, "b", &[b'x'; 40_000], 9);
        let bodies = |source: &str| registry.payloads(&"city".into(), &source.into());
        let told: Vec<String> = bodies("a").into_iter().map(|payload| payload.body).collect();
        assert_eq!(told, ["body 6", "body 5", "body 4", "body 3", "body 2"]);
        assert_eq!((bodies("b")[0].body.len(), bodies("b")[0].is_cut), (PAYLOAD_BYTES_MAX, true));
        let all = registry.list(&"city".into(), Timestamp(0));
        let seen = all[0].2.as_ref().unwrap();
        assert_eq!((all.len(), seen.deliveries, seen.first_at, seen.last_at), (2, 7, Timestamp(0), Timestamp(6000)));
        assert!(registry.list(&"other".into(), Timestamp(0)).is_empty());
    }

    #[test]
    fn what_is_decided_survives_and_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Registry::open(folder.path()).unwrap(), Registry::open(folder.path()).unwrap());
        let kept = Kept { enabled: false, ..Kept::new("city".into(), "bms".into()) };
        one.put(kept.clone()).unwrap();
        let is_enabled = |registry: &Registry, second: i64| {
            registry.is_enabled(&"city".into(), &"bms".into(), Timestamp(second * 1000))
        };
        assert!(!is_enabled(&one, 1) && !is_enabled(&other, 10), "the other one has followed the file");
        assert!(!is_enabled(&Registry::open(folder.path()).unwrap(), 10));
        assert!(other.remove(&kept.key()).unwrap() && !other.remove(&kept.key()).unwrap());
        assert!(is_enabled(&one, 20));
        let wrong = Kept {
            expected: Some(expected::Expected { schedule: Some("often".into()), ..Default::default() }),
            ..kept
        };
        assert!(one.put(wrong).unwrap_err().to_string().contains("schedule"));
    }
}
