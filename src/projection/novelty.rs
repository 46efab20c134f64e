//! How unusual it is that an alert of this type comes on a CI of this class: whether it was ever there before, how rare it is
//! among all, and how evenly its occurrences are spread over the last days.
//!
//! A number each, per mille, from the last 28 days (UTC):
//! * **rarity**: the surprise of the type among all alerts, ln(all / its own) / ln(all). 1000 is one of its kind, 0 is every alert.
//! * **noise**: the entropy of its occurrences over the days, by that of an even spread. 1000 comes every day alike and is news to
//!   nobody; 0 came on one day alone.
//!
//! Nothing is decided by them: they are shown. Input: alerts in order of time. Says nothing in the first week, when everything is new.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::alert::AlertView;
use crate::domain::time::{Span, Timestamp};

/// Days that count.
const DAYS: usize = 28;
/// Types that are counted one by one; of further ones nothing is said.
const TYPES_MAX: usize = 20_000;
/// How long alerts are watched before one can be called new.
const KNOWN_AFTER: Span = Span::hours(7 * 24);
const DAY: Span = Span::hours(24);

/// The types of a tenant's alerts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Novelty {
    since: Option<Timestamp>,
    types: BTreeMap<Box<str>, Days>,
    all: Days,
}

/// Counts of the last days; `newest` is the day of the last one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Days {
    first: Timestamp,
    newest: i64,
    counts: std::collections::VecDeque<u32>,
}

/// What is said of a type on a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusual {
    /// It came there for the first time within the last day, and alerts have been watched for a week before.
    pub is_new: bool,
    pub first_seen: Timestamp,
    /// How often it began in the last 28 days, and how often anything did.
    pub times: u64,
    pub of: u64,
    pub rarity_per_mille: u16,
    pub noise_per_mille: u16,
}

fn day_of(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY.0)
}

impl Days {
    fn add(&mut self, at: Timestamp) {
        let day = day_of(at);
        if self.counts.is_empty() {
            (self.first, self.newest) = (at, day);
            self.counts.push_back(0);
        }
        // What comes late counts as of its day, or not at all when that is forgotten.
        let ahead = usize::try_from(day - self.newest).unwrap_or(0).min(DAYS);
        for _ in 0..ahead {
            self.counts.push_back(0);
        }
        self.newest = self.newest.max(day);
        while self.counts.len() > DAYS {
            self.counts.pop_front();
        }
        let back = usize::try_from(self.newest - day).unwrap_or(0);
        let place = self.counts.len().checked_sub(1 + back);
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            *count = count.saturating_add(1);
        }
    }

    /// The counts that are not older than 28 days.
    fn lately(&self, now: Timestamp) -> impl Iterator<Item = u64> {
        let gone = usize::try_from(day_of(now) - self.newest).unwrap_or(0);
        let kept = DAYS.saturating_sub(gone).min(self.counts.len());
        self.counts.iter().skip(self.counts.len() - kept).map(|count| u64::from(*count))
    }
}

fn key(alert: &AlertView) -> Box<str> {
    let class = alert.ci.as_ref().map_or("", |ci| &*ci.class);
    format!("{}\u{1f}{}\u{1f}{class}", alert.source, alert.name).into()
}

impl Novelty {
    /// Counts an alert that has begun.
    pub fn note(&mut self, alert: &AlertView, at: Timestamp) {
        self.since = self.since.or(Some(at));
        self.all.add(at);
        let key = key(alert);
        if self.types.len() < TYPES_MAX || self.types.contains_key(&key) {
            self.types.entry(key).or_default().add(at);
        }
        // Once a day's worth of types is there, those that are forgotten make room.
        if self.types.len() == TYPES_MAX {
            self.types.retain(|_, days| day_of(at) - days.newest < DAYS as i64);
        }
    }

    /// What is known of an alert's type on its class; `None` when it was not counted.
    pub fn of(&self, alert: &AlertView, now: Timestamp) -> Option<Unusual> {
        let own = self.types.get(&key(alert))?;
        let (times, of) = (own.lately(now).sum::<u64>(), self.all.lately(now).sum::<u64>());
        let was_watched = self.since.is_some_and(|since| own.first.since(since) >= KNOWN_AFTER);
        Some(Unusual {
            is_new: was_watched && now.since(own.first) < DAY,
            first_seen: own.first,
            times,
            of,
            rarity_per_mille: rarity(times, of),
            noise_per_mille: noise(own.lately(now), times),
        })
    }
}

fn rarity(times: u64, of: u64) -> u16 {
    if times == 0 || of <= times || of < 2 {
        return if times == 0 { 1000 } else { 0 };
    }
    (1000.0 * (of as f64 / times as f64).ln() / (of as f64).ln()).round() as u16
}

fn noise(days: impl Iterator<Item = u64>, times: u64) -> u16 {
    let share = |count: u64| count as f64 / times as f64;
    let entropy: f64 = days.filter(|count| *count > 0).map(|count| -share(count) * share(count).ln()).sum();
    (1000.0 * entropy / (DAYS as f64).ln()).round().clamp(0.0, 1000.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::AlertState;
    use crate::domain::ci::CiRef;
    use crate::domain::ids::AlertId;
    use crate::domain::severity::Severity;

    fn alert(name: &str) -> AlertView {
        AlertView {
            id: AlertId(1),
            tenant: "t".into(),
            source: "zabbix".into(),
            name: name.into(),
            title: name.into(),
            severity: Severity::Major,
            state: AlertState::Firing,
            object: "o".into(),
            ci: None,
            labels: Default::default(),
            signal: None,
            side: None,
            first_seen: Timestamp(0),
            last_seen: Timestamp(0),
            starts_at: Timestamp(0),
            count: 1,
            muted_by: Default::default(),
            flapping: false,
            incident: None,
            held: false,
        }
    }

    fn at(day: i64, hour: i64) -> Timestamp {
        Timestamp(1_767_225_600_000 + (day * 24 + hour) * 3_600_000)
    }

    #[test]
    fn what_comes_daily_is_noise_and_what_was_never_seen_is_new() {
        let mut novelty = Novelty::default();
        for day in 0..40 {
            for hour in 0..10 {
                novelty.note(&alert("DiskNearlyFull"), at(day, hour));
            }
        }
        for hour in 10..15 {
            novelty.note(&alert("LinkDown"), at(20, hour));
        }
        novelty.note(&alert("PowerLost"), at(39, 20));
        let now = at(39, 23);
        let daily = novelty.of(&alert("DiskNearlyFull"), now).unwrap();
        assert_eq!((daily.is_new, daily.times, daily.noise_per_mille), (false, 280, 1000));
        assert!(daily.rarity_per_mille < 10, "{daily:?}");
        let burst = novelty.of(&alert("LinkDown"), now).unwrap();
        assert_eq!((burst.is_new, burst.times, burst.noise_per_mille), (false, 5, 0));
        let fresh = novelty.of(&alert("PowerLost"), now).unwrap();
        assert_eq!((fresh.is_new, fresh.times, fresh.of, fresh.rarity_per_mille), (true, 1, 286, 1000));
        assert!((600..900).contains(&burst.rarity_per_mille), "{burst:?}");
        assert_eq!(novelty.of(&alert("Unheard"), now), None);
        assert!(!novelty.of(&alert("PowerLost"), at(41, 0)).unwrap().is_new);
        let later = novelty.of(&alert("LinkDown"), at(60, 0)).unwrap();
        assert_eq!((later.times, later.rarity_per_mille), (0, 1000), "of a month ago nothing is counted");
    }

    #[test]
    fn in_the_first_week_nothing_is_new_and_what_comes_late_is_counted_in_its_day() {
        let mut novelty = Novelty::default();
        novelty.note(&alert("A"), at(3, 0));
        novelty.note(&alert("A"), at(1, 0));
        novelty.note(&alert("A"), at(4, 0));
        let of = novelty.of(&alert("A"), at(4, 1)).unwrap();
        assert_eq!((of.is_new, of.times), (false, 2), "the day before the first is forgotten");
        let text = serde_json::to_string(&novelty).unwrap();
        let again: Novelty = serde_json::from_str(&text).unwrap();
        assert_eq!(again.of(&alert("A"), at(4, 1)), Some(of));
    }

    #[test]
    fn what_is_usual_on_one_class_is_new_on_another() {
        let on = |class: &str| {
            let (id, name, class) = ("ci-1".into(), "ci-1".into(), class.into());
            let ci = CiRef { id, name, class, area: None, org: None };
            AlertView { ci: Some(std::sync::Arc::new(ci)), ..alert("PingLost") }
        };
        let mut novelty = Novelty::default();
        (0..20).for_each(|day| novelty.note(&on("access_point"), at(day, 8)));
        novelty.note(&on("core_switch"), at(20, 8));
        let now = at(20, 9);
        let [usual, new] = ["access_point", "core_switch"].map(|class| novelty.of(&on(class), now).unwrap());
        assert_eq!((usual.is_new, usual.times), (false, 20));
        assert_eq!((new.is_new, new.times, new.of, new.noise_per_mille), (true, 1, 21, 0));
        assert!(new.rarity_per_mille > 900 && usual.rarity_per_mille < 100, "{new:?} {usual:?}");
        assert_eq!(novelty.of(&on("server"), now), None);
        assert_eq!(novelty.of(&alert("PingLost"), now), None, "without a CI it is another one");
    }
}
