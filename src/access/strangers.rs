//! How many requests without a valid credential one address may send. Whoever has one is never held up by it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::cidr::Cidr;

/// Addresses that are told apart; as long as there are more, they are counted together.
const ADDRESSES_MAX: usize = 10_000;
/// What stands for those beyond: nobody's address.
const TOGETHER: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// How often those that have been quiet are forgotten while there are so many.
const SWEPT_EVERY: Duration = Duration::from_secs(1);
/// What of an IPv6 address is its network: a customer has all addresses in it.
const NETWORK: u128 = u128::MAX << 64;

/// What strangers may do.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "StrangerSettings")]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub per_minute: u32,
    pub proxies: Vec<Cidr>,
}

/// The address from which a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Marks a request of an address that has used up what strangers may send: when it has no valid credential either, its
/// body is not waited for.
#[derive(Clone, Copy, Debug)]
pub struct UsedUp;

/// Addresses that were refused.
#[derive(Default)]
struct UsedUpBy {
    /// Until when each would be.
    until: BTreeMap<IpAddr, Instant>,
    /// When those that have been quiet were forgotten last.
    swept_at: Option<Instant>,
}

/// Counts them by address. `Default` limits nothing.
#[derive(Default)]
pub struct Strangers {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    proxies: Vec<Cidr>,
    used_up: Mutex<UsedUpBy>,
    answered: AtomicU64,
    refused: AtomicU64,
}

impl Strangers {
    /// By the settings.
    pub fn new(settings: &Settings) -> Self {
        let most = NonZeroU32::new(settings.per_minute);
        let limiter = most.map(|most| RateLimiter::keyed(Quota::per_minute(most)));
        Self { limiter, proxies: settings.proxies.clone(), ..Self::default() }
    }

    /// Who asks: the peer or, behind proxies of ours, the last address in `X-Forwarded-For` that is none of theirs. What a
    /// client writes there itself stands before that one.
    pub fn client<'a>(&self, Peer(peer): Peer, forwarded: impl Iterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        let hops: Vec<&str> = forwarded.flat_map(|header| header.split(',')).map(str::trim).collect();
        for hop in hops.into_iter().rev() {
            if !self.proxies.iter().any(|proxy| proxy.contains(client)) {
                break;
            }
            let Some(before) = address(hop) else { break };
            client = before.to_canonical();
        }
        match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & NETWORK).into(),
        }
    }

    /// Whether the address would be refused now.
    pub fn has_used_up(&self, client: IpAddr) -> bool {
        let (used_up, now) = (self.used_up(), Instant::now());
        [client, TOGETHER].iter().any(|known| used_up.until.get(known).is_some_and(|until| now < *until))
    }

    /// Counts a request without a valid credential: how long its sender must wait when that was one too many.
    pub fn count(&self, client: IpAddr) -> Option<Duration> {
        let wait = self.limiter.as_ref().and_then(|limiter| self.refusal(limiter, client));
        let count = if wait.is_some() { &self.refused } else { &self.answered };
        count.fetch_add(1, Ordering::Relaxed);
        wait
    }

    fn refusal(&self, limiter: &DefaultKeyedRateLimiter<IpAddr>, client: IpAddr) -> Option<Duration> {
        let (mut used_up, now) = (self.used_up(), Instant::now());
        let is_full = |used_up: &UsedUpBy| limiter.len().max(used_up.until.len()) >= ADDRESSES_MAX;
        if is_full(&used_up) && used_up.swept_at.is_none_or(|at| now.duration_since(at) >= SWEPT_EVERY) {
            limiter.retain_recent();
            used_up.until.retain(|_, until| now < *until);
            used_up.swept_at = Some(now);
        }
        let told_apart = if is_full(&used_up) { TOGETHER } else { client };
        let wait = limiter.check_key(&told_apart).err()?.wait_time_from(DefaultClock::default().now());
        used_up.until.insert(told_apart, now + wait);
        Some(wait)
    }

    /// Requests without a valid credential that were answered, and those that were told to wait, since the start.
    pub fn counts(&self) -> [u64; 2] {
        [&self.answered, &self.refused].map(|count| count.load(Ordering::Relaxed))
    }

    fn used_up(&self) -> MutexGuard<'_, UsedUpBy> {
        self.used_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address as proxies write it: alone, or with a port.
fn address(hop: &str) -> Option<IpAddr> {
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers(per_minute: u32, proxies: &[&str]) -> Strangers {
        let proxies = proxies.iter().map(|text| Cidr::parse(text).unwrap()).collect();
        Strangers::new(&Settings { per_minute, proxies })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxys() {
        let check = |proxies: &[&str], peer: &str, forwarded: &[&str], want: &str| {
            let client = strangers(1, proxies).client(Peer(ip(peer)), forwarded.iter().copied());
            assert_eq!(client, ip(want), "{peer} {forwarded:?}");
        };
        check(&[], "192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check(&["192.0.2.1"], "192.0.2.1", &["198.51.100.7"], "198.51.100.7");
        check(&["192.0.2.1"], "192.0.2.1", &["10.9.9.9, 198.51.100.7:4711"], "198.51.100.7");
        check(&["192.0.2.0/24"], "192.0.2.1", &["10.9.9.9", "198.51.100.7, 192.0.2.8"], "198.51.100.7");
        check(&["192.0.2.1"], "192.0.2.1", &["unknown"], "192.0.2.1");
        check(&["192.0.2.1"], "192.0.2.1", &[], "192.0.2.1");
        check(&["192.0.2.1"], "::ffff:192.0.2.1", &["2001:db8:1:2:3::4"], "2001:db8:1:2::");
    }

    #[test]
    fn one_address_too_many_times_waits_and_no_other() {
        let strangers = strangers(2, &[]);
        let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        assert_eq!((strangers.count(one), strangers.count(one)), (None, None));
        assert!(!strangers.has_used_up(one));
        let wait = strangers.count(one).expect("the third one waits");
        assert!(Duration::ZERO < wait && wait <= Duration::from_secs(30), "{wait:?}");
        assert!(strangers.has_used_up(one) && !strangers.has_used_up(other));
        assert_eq!(strangers.count(other), None);
        assert_eq!(strangers.counts(), [3, 1]);
        assert_eq!((0..1_000).find_map(|_| Strangers::default().count(one)), None, "no limit");
    }

    #[test]
    fn memory_is_bounded_however_many_addresses_there_are() {
        let strangers = strangers(1, &[]);
        for n in 0..2 * ADDRESSES_MAX as u32 {
            let from = IpAddr::V4((0x0a00_0000 + n).into());
            strangers.count(from);
            strangers.count(from);
        }
        let kept = strangers.limiter.as_ref().unwrap().len();
        assert!(kept <= ADDRESSES_MAX + 1 && strangers.used_up().until.len() <= ADDRESSES_MAX + 1, "{kept}");
        assert!(strangers.count(ip("192.0.2.1")).is_some(), "those beyond are counted together");
    }
}
