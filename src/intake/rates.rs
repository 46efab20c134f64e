//! Rate limits per source, in requests and in events.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::refusal::Refusal;
use super::settings::{Rate, Settings};
use crate::domain::ids::{SourceId, TenantId};

/// The limiters of all sources seen so far; there are as many as credentials.
pub struct Rates {
    rate: Rate,
    by_source: BTreeMap<String, Rate>,
    limits: Mutex<BTreeMap<(TenantId, SourceId), Arc<Limits>>>,
}

struct Limits {
    requests: Vec<DefaultDirectRateLimiter>,
    events: Option<DefaultDirectRateLimiter>,
}

impl Rates {
    /// Takes the rates of the settings.
    pub fn new(settings: &Settings) -> Self {
        let by_source = settings.rates.iter().map(|(source, rate)| (source.clone(), rate.resolved())).collect();
        Self { rate: settings.rate.resolved(), by_source, limits: Mutex::default() }
    }

    /// Counts one request; an error says how long to wait.
    pub fn request(&self, tenant: &TenantId, source: &SourceId) -> Result<(), Refusal> {
        let Some(limits) = self.of(tenant, source) else { return Ok(()) };
        let waits = limits.requests.iter().filter_map(|limiter| limiter.check().err());
        let now = DefaultClock::default().now();
        match waits.map(|wait| wait.wait_time_from(now)).max() {
            None => Ok(()),
            Some(wait) => Err(Refusal::RateLimited { wait_secs: whole_secs(wait) }),
        }
    }

    /// Counts a body's events, all or none.
    pub fn events(&self, tenant: &TenantId, source: &SourceId, events: usize) -> Result<(), Refusal> {
        let Some(limits) = self.of(tenant, source) else { return Ok(()) };
        let count = u32::try_from(events).ok().and_then(NonZeroU32::new);
        let (Some(limiter), Some(count)) = (&limits.events, count) else { return Ok(()) };
        match limiter.check_n(count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(wait)) => {
                let wait = wait.wait_time_from(DefaultClock::default().now());
                Err(Refusal::RateLimited { wait_secs: whole_secs(wait) })
            }
            Err(most) => Err(Refusal::TooLarge(format!(
                "{events} events in one body are more than this source may send in a second: send at most {}",
                most.0
            ))),
        }
    }

    fn of(&self, tenant: &TenantId, source: &SourceId) -> Option<Arc<Limits>> {
        let rate = self.by_source.get(source.as_str()).copied().unwrap_or(self.rate);
        if rate == Rate::default() {
            return None;
        }
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), source.clone());
        Some(Arc::clone(limits.entry(key).or_insert_with(|| Arc::new(Limits::new(rate)))))
    }
}

impl Limits {
    fn new(rate: Rate) -> Self {
        let per_second = rate.requests_per_second.map(Quota::per_second);
        let per_minute = rate.requests_per_minute.map(Quota::per_minute);
        Self {
            requests: [per_second, per_minute].into_iter().flatten().map(RateLimiter::direct).collect(),
            events: rate.events_per_second.map(|rate| RateLimiter::direct(Quota::per_second(rate))),
        }
    }
}

fn whole_secs(wait: std::time::Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
