//! What is learned while running: how each alert type behaves, and how each source's clock is off.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::fixed::{Milli, ln, ln_ratio};
use super::lookup::Lookup;
use super::memory::is_zero;
use super::tuning::Tuning;
use crate::domain::ids::SourceId;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// The least log-probability that a learned share can give: 1 %.
const SHARE_MIN: Milli = -4605;
/// Observation time below which rates are not trusted, seconds.
const RATE_SECS_MIN: i64 = 7200;
/// Alert types that are learned one by one; further ones are learned together.
const KINDS_MAX: usize = 100_000;
/// The type of all those.
const OTHERS: &str = "\u{1f}";
/// Length of a bucket of the clock statistics; two are kept.
const CLOCK_BUCKET: Span = Span::hours(12);
/// The largest clock uncertainty that is believed.
const UNCERTAIN_MAX: i64 = 30_000;

/// Counts of one alert type (source and name).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct TypeStats {
    /// Finished episodes.
    pub total: i64,
    /// Episodes with neither cause nor effect.
    pub lone: i64,
    /// Episodes with more alerts before than after them upstream, minus the opposite.
    pub symptom: i64,
    /// Episodes with more alerts after than before them downstream, minus the opposite; and out of how many.
    pub fertile: i64,
    pub fertile_of: i64,
    /// When that was last counted: what one fault brings at once is seen once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fertile_at: Option<Timestamp>,
    /// Log-shares of symptoms among the episodes and of fertile ones: they are asked for at every link.
    #[serde(skip)]
    symptom_share: Milli,
    #[serde(skip)]
    fertile_share: Milli,
}

impl Default for TypeStats {
    fn default() -> Self {
        let none = Self {
            total: 0,
            lone: 0,
            symptom: 0,
            fertile: 0,
            fertile_of: 0,
            fertile_at: None,
            symptom_share: 0,
            fertile_share: 0,
        };
        none.shared()
    }
}

impl TypeStats {
    /// The same counts, with the shares that follow from them.
    fn shared(self) -> Self {
        let share = |part: i64, of: i64| ln_ratio((part.max(0) + 1) as u64, (of + 2) as u64).max(SHARE_MIN);
        let (symptom_share, fertile_share) = (share(self.symptom, self.total), share(self.fertile, self.fertile_of));
        Self { symptom_share, fertile_share, ..self }
    }

    /// Log-probability that an episode of this type is the effect of something.
    pub const fn symptom_score(&self) -> Milli {
        self.symptom_share
    }

    /// Log-probability that an episode of this type has effects, given its severity.
    pub fn cause_score(&self, tuning: &Tuning, severity: Severity) -> Milli {
        let mild = match severity {
            Severity::Minor => -700,
            Severity::Cleared | Severity::Indeterminate | Severity::Warning => -2000,
            Severity::Major | Severity::Critical => 0,
        };
        let noise = if self.is_noisy() { tuning.noise_cause } else { 0 };
        self.fertile_share * 3 / 2 + mild + noise
    }

    /// Whether the type is known for background noise.
    pub fn is_noisy(&self) -> bool {
        self.total >= 5
            && 4 * self.symptom < self.total
            && 4 * self.fertile <= self.fertile_of
            && 5 * self.lone >= 2 * self.total
    }

    /// Log rate per second and CI of episodes that nothing explains.
    pub fn background(&self, tuning: &Tuning, observed: Span, population: u32) -> Milli {
        let secs = observed.as_secs().max(RATE_SECS_MIN) as u128;
        let episodes = ((self.total - self.symptom.max(0)).max(0) as u128) * 1000 + 300;
        // In units of 1e-10 per second, plus 1e-7.
        let rate = episodes * 10_000_000 / (secs * u128::from(population.max(1))) + 1000;
        (ln(u64::try_from(rate).unwrap_or(u64::MAX)) - 23_026).clamp(tuning.background_min, tuning.background_max)
    }
}

/// How a source's clock compares with ours, over the last one to two buckets of time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Clock {
    bucket: i64,
    least: [i64; 2],
    sum: [i64; 2],
    count: [i64; 2],
    /// By how much it is behind ours at least, and how far that may be wrong: they are asked for at every link.
    #[serde(skip)]
    offset: Span,
    #[serde(skip)]
    uncertain: Span,
}

impl Clock {
    /// The same counts, with what follows from them.
    fn read(self) -> Self {
        let least = self.least[0].min(self.least[1]);
        let count = (self.count[0] + self.count[1]).max(1);
        let mean = (self.sum[0] + self.sum[1]) / count;
        let few = if count < 5 { 3000 } else { 0 };
        let uncertain = Span(((mean - least) * 3 / 2 / count + few).clamp(0, UNCERTAIN_MAX));
        Self { offset: Span(least), uncertain, ..self }
    }
}

/// Bounds of what all clocks say: at least as wide as it is.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    least: Span,
    most: Span,
    uncertain: Span,
    /// Events until all clocks are looked at again; meanwhile bounds only widen.
    good_for: u32,
}

/// Events between two looks at all clocks.
const BOUNDS_GOOD_FOR: u32 = 512;

/// Everything learned in a cell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Learned {
    kinds: Lookup<Box<str>, u32>,
    #[serde(deserialize_with = "stats_again")]
    stats: Vec<TypeStats>,
    sources: Lookup<SourceId, u32>,
    #[serde(deserialize_with = "clocks_again")]
    clocks: Vec<Clock>,
    pub since: Option<Timestamp>,
    /// The text of each type's name and of each source, for all alerts that have it.
    #[serde(skip)]
    names: Vec<Option<Arc<str>>>,
    #[serde(skip)]
    source_names: Vec<Option<SourceId>>,
    #[serde(skip)]
    bounds: Bounds,
    /// Alerts whose type is one of the others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
}

fn stats_again<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TypeStats>, D::Error> {
    let stats = Vec::<TypeStats>::deserialize(deserializer)?;
    Ok(stats.into_iter().map(TypeStats::shared).collect())
}

fn clocks_again<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Clock>, D::Error> {
    let clocks = Vec::<Clock>::deserialize(deserializer)?;
    Ok(clocks.into_iter().map(Clock::read).collect())
}

impl Learned {
    /// The index of an alert type.
    pub fn kind(&mut self, source: &SourceId, name: &str) -> u32 {
        let mut key: Box<str> = format!("{source}\u{1f}{name}").into();
        if let Some(kind) = self.kinds.get(&key) {
            return *kind;
        }
        if self.stats.len() >= KINDS_MAX {
            self.cut += 1;
            if let Some(kind) = self.kinds.get(OTHERS) {
                return *kind;
            }
            key = OTHERS.into();
        }
        self.stats.push(TypeStats::default());
        let kind = (self.stats.len() - 1) as u32;
        self.kinds.insert(key, kind);
        kind
    }

    /// The name of an alert of this type, as the first one of the type has it.
    pub fn shared_name(&mut self, kind: u32, name: &Arc<str>) -> Arc<str> {
        shared(&mut self.names, kind, name)
    }

    /// The source with this clock, as its first alert has it.
    pub fn shared_source(&mut self, clock: u32, source: &SourceId) -> SourceId {
        shared(&mut self.source_names, clock, source)
    }

    /// Whether there is an alert type and a clock of these numbers.
    pub fn has(&self, kind: u32, clock: u32) -> bool {
        (kind as usize) < self.stats.len() && (clock as usize) < self.clocks.len()
    }

    /// The counts of an alert type.
    pub fn stats(&self, kind: u32) -> TypeStats {
        self.stats[kind as usize]
    }

    /// Counts for an alert type.
    pub fn count(&mut self, kind: u32, count: impl FnOnce(&mut TypeStats)) {
        let stats = &mut self.stats[kind as usize];
        count(stats);
        *stats = stats.shared();
    }

    /// Notes when an event of `source` started by its clock and arrived by ours; returns the clock's index.
    pub fn observe(&mut self, source: &SourceId, starts: Timestamp, received: Timestamp) -> u32 {
        let next = self.clocks.len() as u32;
        let index = *self.sources.or_insert_with(source.clone(), || next);
        let lag = received.since(starts).0;
        let bucket = received.0 / CLOCK_BUCKET.0;
        if index == next {
            let (least, sum, count) = ([lag, i64::MAX], [lag, 0], [1, 0]);
            self.clocks.push(Clock { bucket, least, sum, count, offset: Span(0), uncertain: Span(0) }.read());
            self.widen(index);
            return index;
        }
        let clock = &mut self.clocks[index as usize];
        if bucket != clock.bucket {
            clock.bucket = bucket;
            clock.least = [i64::MAX, clock.least[0]];
            clock.sum = [0, clock.sum[0]];
            clock.count = [0, clock.count[0]];
        }
        clock.least[0] = clock.least[0].min(lag);
        clock.sum[0] += lag;
        clock.count[0] += 1;
        *clock = clock.read();
        self.widen(index);
        index
    }

    /// A clock says something else now.
    fn widen(&mut self, clock: u32) {
        self.bounds = match self.bounds.good_for.checked_sub(1) {
            Some(good_for) => Bounds { good_for, ..self.bounds_with(self.bounds, clock) },
            None => Bounds { good_for: BOUNDS_GOOD_FOR, ..self.all_bounds() },
        };
    }

    fn bounds_with(&self, bounds: Bounds, clock: u32) -> Bounds {
        let (offset, uncertain) = (self.offset(clock), self.uncertain(clock));
        Bounds {
            least: offset.min(bounds.least),
            most: offset.max(bounds.most),
            uncertain: uncertain.max(bounds.uncertain),
            ..bounds
        }
    }

    fn all_bounds(&self) -> Bounds {
        (0..self.clocks.len() as u32).fold(Bounds::default(), |bounds, clock| self.bounds_with(bounds, clock))
    }

    /// The least and the greatest offset of any clock, 0 among them, and the greatest uncertainty.
    pub fn bounds(&self) -> [Span; 3] {
        // After a restart nothing is known until the first event.
        let bounds = if self.bounds.good_for == 0 { self.all_bounds() } else { self.bounds };
        [bounds.least, bounds.most, bounds.uncertain]
    }

    /// By how much a clock is behind ours at least.
    pub fn offset(&self, clock: u32) -> Span {
        self.clocks[clock as usize].offset
    }

    /// How far the offset may still be wrong.
    pub fn uncertain(&self, clock: u32) -> Span {
        self.clocks[clock as usize].uncertain
    }
}

/// The text at `at` when it says the same, else this one.
fn shared<T: Clone + PartialEq>(known: &mut Vec<Option<T>>, at: u32, text: &T) -> T {
    let at = at as usize;
    if known.len() <= at {
        known.resize(at + 1, None);
    }
    known[at].get_or_insert_with(|| text.clone());
    known[at].clone().filter(|known| known == text).unwrap_or_else(|| text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_beyond_the_limit_are_learned_together_and_counted() {
        let mut learned = Learned::default();
        let source = SourceId::from("s");
        let first = learned.kind(&source, "name-0");
        for n in 1..KINDS_MAX {
            learned.kind(&source, &format!("name-{n}"));
        }
        assert_eq!((learned.stats.len(), learned.cut), (KINDS_MAX, 0));
        let others = learned.kind(&source, "one too many");
        for n in 0..500 {
            assert_eq!(learned.kind(&source, &format!("more-{n}")), others);
        }
        assert_eq!((learned.stats.len(), learned.cut), (KINDS_MAX + 1, 501));
        assert_eq!(learned.kind(&source, "name-0"), first, "known ones stay themselves");
        assert_ne!(first, others);
    }

    #[test]
    fn a_clock_that_is_ten_seconds_behind_is_seen_through() {
        let mut learned = Learned::default();
        let source = SourceId::from("s");
        let mut clock = 0;
        for i in 0..20i64 {
            let received = Timestamp(1_000_000_000_000 + i * 60_000);
            clock = learned.observe(&source, received.minus(Span(10_000 + i * 10)), received);
        }
        assert_eq!(learned.offset(clock), Span(10_000));
        assert!(learned.uncertain(clock) < Span(100));
    }
}
