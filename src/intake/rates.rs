//! Rate limits per source, in requests and in events. With Redis they hold for all instances together; while it is away
//! each instance takes its part.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::refusal::Refusal;
use super::settings::{Rate, Settings};
use crate::domain::ids::{SourceId, TenantId};
use crate::shared::Shared;
use crate::shared::rates::{Limit, take};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The limiters of all sources seen so far; there are as many as credentials.
pub struct Rates {
    rate: Rate,
    by_source: BTreeMap<String, Rate>,
    limits: Mutex<BTreeMap<(TenantId, SourceId), Arc<Limits>>>,
    shared: OnceLock<Arc<Shared>>,
}

/// One source's.
struct Limits {
    rate: Rate,
    /// What this instance may take at most.
    whole: Limiters,
    /// What it may take while nobody counts for all, and for how many instances that was reckoned.
    part: Mutex<Option<(u32, Arc<Limiters>)>>,
}

/// Limiters of one instance.
struct Limiters {
    requests: Vec<DefaultDirectRateLimiter>,
    events: Option<DefaultDirectRateLimiter>,
}

/// What a message of a sender who cannot be refused has still to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    is_request: bool,
    events: usize,
}

impl Turn {
    /// Of a message with so many events and orders.
    pub fn new(events: usize) -> Self {
        Self { is_request: true, events }
    }

    /// Of events whose messages do not count, such as datagrams.
    pub fn of_events(events: usize) -> Self {
        Self { is_request: false, events }
    }
}

impl Rates {
    /// Takes the rates of the settings.
    pub fn new(settings: &Settings) -> Self {
        let by_source = settings.rates.iter().map(|(source, rate)| (source.clone(), rate.resolved())).collect();
        Self { rate: settings.rate.resolved(), by_source, limits: Mutex::default(), shared: OnceLock::new() }
    }

    /// From now on the rates are those of all instances together.
    pub fn share(&self, shared: Arc<Shared>) {
        // Whoever comes second has the same one.
        let _ = self.shared.set(shared);
    }

    /// Counts one request; an error says how long to wait.
    ///
    /// `own` is the rate that people gave the source in the registry.
    pub async fn request(&self, tenant: &TenantId, source: &SourceId, own: Option<Rate>) -> Result<(), Refusal> {
        let Some(limits) = self.of(tenant, source, own) else { return Ok(()) };
        limits.whole.request()?;
        let of = |name, period, most: Option<NonZeroU32>| {
            most.map(|most| Limit { name, period, most: most.get(), count: 1 })
        };
        let second = of("requests-second", SECOND, limits.rate.requests_per_second);
        let minute = of("requests-minute", MINUTE, limits.rate.requests_per_minute);
        let asked: Vec<Limit> = [second, minute].into_iter().flatten().collect();
        self.together(tenant, source, &asked, || self.part(&limits).request()).await
    }

    /// Counts a body's events and orders, all or none.
    pub async fn events(
        &self,
        (tenant, source): (&TenantId, &SourceId),
        own: Option<Rate>,
        events: usize,
    ) -> Result<(), Refusal> {
        let Some(limits) = self.of(tenant, source, own) else { return Ok(()) };
        let count = u32::try_from(events).ok().and_then(NonZeroU32::new);
        let (Some(most), Some(count)) = (limits.rate.events_per_second, count) else { return Ok(()) };
        limits.whole.events(count)?;
        let asked = Limit { name: "events-second", period: SECOND, most: most.get(), count: count.get() };
        self.together(tenant, source, &[asked], || self.part(&limits).events(count.min(most))).await
    }

    /// How long a message must wait before its source may send it; `None`: it is its turn. Ask again with the same `turn`.
    /// More events than the source may send in a second count as that many.
    pub async fn turn(&self, whose: (&TenantId, &SourceId), own: Option<Rate>, turn: &mut Turn) -> Option<Duration> {
        let rate = self.of(whose.0, whose.1, own)?.rate;
        if std::mem::take(&mut turn.is_request)
            && let Err(Refusal::RateLimited { wait_secs }) = self.request(whose.0, whose.1, own).await
        {
            turn.is_request = true;
            return Some(Duration::from_secs(wait_secs));
        }
        let events = rate.events_per_second.map_or(0, |most| turn.events.min(most.get() as usize));
        match self.events(whose, own, events).await {
            Err(Refusal::RateLimited { wait_secs }) => Some(Duration::from_secs(wait_secs)),
            _ => None,
        }
    }

    /// Asks whoever counts for all instances; `alone` is asked when that cannot be.
    async fn together(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        asked: &[Limit],
        alone: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let Some(shared) = self.shared.get().filter(|_| !asked.is_empty()) else { return Ok(()) };
        match take(shared, &[tenant.as_str(), source.as_str()], asked).await {
            Ok(None) => Ok(()),
            Ok(Some(wait)) => Err(Refusal::RateLimited { wait_secs: whole_secs(wait) }),
            Err(_) => alone(),
        }
    }

    fn of(&self, tenant: &TenantId, source: &SourceId, own: Option<Rate>) -> Option<Arc<Limits>> {
        let rate = own.or_else(|| self.by_source.get(source.as_str()).copied()).unwrap_or(self.rate);
        if rate == Rate::default() {
            return None;
        }
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), source.clone());
        let made = || Arc::new(Limits { rate, whole: Limiters::new(rate, 1), part: Mutex::default() });
        let known = limits.entry(key).or_insert_with(made);
        if known.rate != rate {
            // People have given it another one.
            *known = made();
        }
        Some(Arc::clone(known))
    }

    /// This instance's part, by how many there were when that was last known.
    fn part(&self, limits: &Limits) -> Arc<Limiters> {
        let instances = self.shared.get().map_or(1, |shared| shared.instances());
        let mut part = limits.part.lock().unwrap_or_else(PoisonError::into_inner);
        match &*part {
            Some((known, limiters)) if *known == instances => Arc::clone(limiters),
            Some(_) | None => {
                let limiters = Arc::new(Limiters::new(limits.rate, instances));
                *part = Some((instances, Arc::clone(&limiters)));
                limiters
            }
        }
    }
}

impl Limiters {
    fn new(rate: Rate, instances: u32) -> Self {
        let part = |most: NonZeroU32| NonZeroU32::new(most.get() / instances.max(1)).unwrap_or(NonZeroU32::MIN);
        let per_second = rate.requests_per_second.map(|most| Quota::per_second(part(most)));
        let per_minute = rate.requests_per_minute.map(|most| Quota::per_minute(part(most)));
        // A body that the whole rate lets in fits into the burst of a part, too.
        let events = |most: NonZeroU32| Quota::per_second(part(most)).allow_burst(most);
        Self {
            requests: [per_second, per_minute].into_iter().flatten().map(RateLimiter::direct).collect(),
            events: rate.events_per_second.map(|most| RateLimiter::direct(events(most))),
        }
    }

    fn request(&self) -> Result<(), Refusal> {
        let waits = self.requests.iter().filter_map(|limiter| limiter.check().err());
        let now = DefaultClock::default().now();
        match waits.map(|wait| wait.wait_time_from(now)).max() {
            None => Ok(()),
            Some(wait) => Err(Refusal::RateLimited { wait_secs: whole_secs(wait) }),
        }
    }

    fn events(&self, count: NonZeroU32) -> Result<(), Refusal> {
        let Some(limiter) = &self.events else { return Ok(()) };
        match limiter.check_n(count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(wait)) => {
                let wait = wait.wait_time_from(DefaultClock::default().now());
                Err(Refusal::RateLimited { wait_secs: whole_secs(wait) })
            }
            Err(most) => Err(Refusal::TooLarge(format!(
                "{count} events and orders in one body are more than this source may send in a second: send at most {}",
                most.0
            ))),
        }
    }
}

fn whole_secs(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
