//! One series as it goes on, in five views, each measured against its own past: off its usual day for long, off it now, a
//! level that shifts, a reading beyond all before, a movement never seen. How unusual a reading is, is how rare the
//! rarest view is ([`Tail`]), so that a series that always jumps is quiet and one that never moves is not.
//!
//! Input: readings in order of time, one every few seconds to hours. Every parameter is the same for all series. Fails
//! where trouble looks like every day, and in the first readings, when everything is new.

use super::season::Season;
use super::shape::{self, Shape};
use super::state::{Reader, Writer};
use super::tail::Tail;
use crate::domain::time::{Span, Timestamp};

/// Readings before which nothing is said: twenty of them are known then to every view.
pub const MATURE: u32 = 100;
/// Weights of a reading: in the level and in the spread (once there are many), in what is off the usual day now and for long.
const SLOW: f32 = 0.0005;
const NOW: f32 = 0.4;
const LONG: f32 = 0.1;
/// A reading counts in a spread for at most this many spreads, from the twentieth on.
const CLIP: f32 = 2.0;
const CLIP_FROM: f32 = 20.0;
/// Readings of a level, and those before it that it is compared with.
const LEVEL: usize = 24;
const BEFORE: usize = 72;
const RING: usize = LEVEL + BEFORE;
/// How long a series is watched before its day is known.
const DAYS_KNOWN: Span = Span::hours(48);
/// The power of the mean that joins the views: nearly the largest, a little more when several agree.
const POWER: i32 = 6;

/// What a series looks like from one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// Off its usual day, for some time.
    Season,
    /// Off its usual day, now.
    Now,
    /// Its level has shifted.
    Shift,
    /// Beyond everything before.
    Range,
    /// It moves as never before.
    Shape,
}

impl View {
    /// All of them, in the order in which they are kept.
    pub const ALL: [Self; 5] = [Self::Season, Self::Now, Self::Shift, Self::Range, Self::Shape];

    /// Its name in events and commands.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Season => "season",
            Self::Now => "now",
            Self::Shift => "shift",
            Self::Range => "range",
            Self::Shape => "shape",
        }
    }
}

/// A mean that forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    value: f32,
    seen: f32,
}

impl Mean {
    fn add(&mut self, value: f32, weight: f32) {
        self.seen = (self.seen + 1.0).min(1e6);
        self.value += (value - self.value) * weight.max(1.0 / self.seen);
    }

    fn add_clipped(&mut self, value: f32, weight: f32) {
        let most = if self.seen > CLIP_FROM { CLIP * self.value } else { f32::MAX };
        self.add(value.min(most), weight);
    }
}

/// How unusual a reading is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glance {
    /// Decimal digits of rarity: 2 is one in a hundred.
    pub rarity: f32,
    /// The view that says it most.
    pub view: View,
    /// What was expected, and how far readings usually are from it.
    pub expected: f32,
    pub spread: f32,
}

/// What is known of how a series moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    readings: u32,
    first: Timestamp,
    last: Timestamp,
    ring: [f32; RING],
    level: Mean,
    spread: Mean,
    off: Mean,
    now: Mean,
    long: Mean,
    low: f32,
    high: f32,
    season: Season,
    shape: Shape,
    tails: [Tail; View::ALL.len()],
}

impl Default for Pattern {
    fn default() -> Self {
        Self {
            readings: 0,
            first: Timestamp::default(),
            last: Timestamp::default(),
            ring: [0.0; RING],
            level: Mean::default(),
            spread: Mean::default(),
            off: Mean::default(),
            now: Mean::default(),
            long: Mean::default(),
            low: f32::MAX,
            high: f32::MIN,
            season: Season::default(),
            shape: Shape::default(),
            tails: std::array::from_fn(|_| Tail::default()),
        }
    }
}

impl Pattern {
    /// Whether enough is known to judge.
    pub const fn is_mature(&self) -> bool {
        self.readings >= MATURE
    }

    /// Readings so far.
    pub const fn readings(&self) -> u32 {
        self.readings
    }

    /// What is expected at this time, once a usual day is known; else the level.
    pub fn expected(&self, at: Timestamp) -> f32 {
        self.season.expected(at).unwrap_or(self.level.value)
    }

    /// Whether a usual day is known at this time: two days have been seen, and this half hour in them.
    pub fn knows_day(&self, at: Timestamp) -> bool {
        at.since(self.first) >= DAYS_KNOWN && self.season.expected(at).is_some()
    }

    /// Looks at a reading and learns it; views that are left out see nothing.
    pub fn take_without(&mut self, at: Timestamp, value: f64, left_out: &[View]) -> Glance {
        let value = value as f32;
        let expected = self.expected(at);
        let sizes = if self.readings == 0 { [0.0; 5] } else { self.look(at, value) };
        let rare: [f32; 5] = std::array::from_fn(|n| {
            let rarity = self.tails[n].take(sizes[n]);
            if left_out.contains(&View::ALL[n]) { 0.0 } else { rarity }
        });
        self.learn(at, value);
        let joint = rare.iter().map(|rarity| rarity.powi(POWER)).sum::<f32>().powf(1.0 / POWER as f32);
        let rarest = (0..rare.len()).max_by(|a, b| rare[*a].total_cmp(&rare[*b])).unwrap_or_default();
        let spread = if self.off.seen > CLIP_FROM { self.off.value } else { self.spread.value };
        Glance { rarity: joint, view: View::ALL[rarest], expected, spread }
    }

    /// Looks at a reading and learns it.
    pub fn take(&mut self, at: Timestamp, value: f64) -> Glance {
        self.take_without(at, value, &[])
    }

    /// The sizes of what each view sees, in units of the series' own.
    fn look(&mut self, at: Timestamp, value: f32) -> [f32; 5] {
        let spread = self.spread.value.max(1e-9);
        let (mut season, mut now) = (0.0, 0.0);
        if let Some(expected) = self.season.expected(at) {
            let off = value - expected;
            self.long.add(off, LONG);
            self.now.add(off, NOW);
            let usual = self.off.value.max(1e-9);
            (season, now) = (self.long.value.abs() / usual, self.now.value.abs() / usual);
            self.off.add_clipped(off.abs(), SLOW);
        }
        self.spread.add_clipped((value - self.level.value).abs(), SLOW);
        let spread_after = self.spread.value.max(1e-9);
        let shift = if self.readings as usize >= RING {
            let sum = |newest: std::ops::Range<usize>| newest.map(|n| self.back(n)).sum::<f32>();
            (sum(0..LEVEL) / LEVEL as f32 - sum(LEVEL..RING) / BEFORE as f32).abs() / spread_after
        } else {
            0.0
        };
        let range = (value - self.high).max(self.low - value).max(0.0) / (self.high - self.low).max(1e-9);
        let shape = if self.readings as usize > shape::SPAN + CLIP_FROM as usize {
            let newest_first = (0..shape::SPAN).map(|n| self.back(n));
            self.shape.take(shape::window(newest_first, self.level.value, spread))
        } else {
            0.0
        };
        [season, now, shift, range, shape]
    }

    /// The reading so many before the newest.
    fn back(&self, n: usize) -> f32 {
        self.ring[(self.readings as usize + RING - 1 - n) % RING]
    }

    fn learn(&mut self, at: Timestamp, value: f32) {
        let gap = if self.readings == 0 { Span::mins(5) } else { at.since(self.last) };
        self.season.add(at, gap, value);
        if self.readings == 0 {
            self.first = at;
        }
        self.last = at;
        self.level.add(value, SLOW);
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
        self.ring[self.readings as usize % RING] = value;
        self.readings += 1;
        // The counter would end after centuries of milliseconds; its place in the ring stays.
        if self.readings == u32::MAX {
            self.readings = u32::MAX / RING as u32 / 2 * RING as u32 + self.readings % RING as u32;
        }
    }

    /// Writes it for [`Pattern::read`].
    pub fn write(&self, out: &mut Writer<'_>) {
        out.u32(self.readings);
        out.i64(self.first.0);
        out.i64(self.last.0);
        self.ring.iter().for_each(|value| out.f32(*value));
        for mean in [self.level, self.spread, self.off, self.now, self.long] {
            out.f32(mean.value);
            out.f32(mean.seen);
        }
        out.f32(self.low);
        out.f32(self.high);
        self.season.write(out);
        self.shape.write(out);
        self.tails.iter().for_each(|tail| tail.write(out));
    }

    /// Reads what [`Pattern::write`] wrote.
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        let (readings, first, last) = (from.u32()?, Timestamp(from.i64()?), Timestamp(from.i64()?));
        let mut pattern = Self { readings, first, last, ..Self::default() };
        for value in &mut pattern.ring {
            *value = from.finite()?;
        }
        let Self { level, spread, off, now, long, .. } = &mut pattern;
        for mean in [level, spread, off, now, long] {
            *mean = Mean { value: from.finite()?, seen: from.finite()? };
        }
        (pattern.low, pattern.high) = (from.finite()?, from.finite()?);
        pattern.season = Season::read(from)?;
        pattern.shape = Shape::read(from)?;
        for tail in &mut pattern.tails {
            *tail = Tail::read(from)?;
        }
        Some(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES_5: i64 = 300_000;

    fn day(n: i64) -> f64 {
        let busy = (96..216).contains(&(n % 288));
        let jitter = (n * 7919 % 101) as f64 / 101.0;
        if busy { 80.0 + 5.0 * jitter } else { 20.0 + 5.0 * jitter }
    }

    /// The rarity of each of these readings, one every five minutes.
    fn rarities(readings: impl IntoIterator<Item = f64>) -> Vec<f32> {
        let mut pattern = Pattern::default();
        let of = |(n, value): (usize, f64)| pattern.take(Timestamp(1_704_067_200_000 + n as i64 * MINUTES_5), value);
        readings.into_iter().enumerate().map(of).map(|glance| glance.rarity).collect()
    }

    #[test]
    fn a_busy_night_is_rare_though_a_busy_day_is_not() {
        let night = 288 * 10 + 20..288 * 10 + 40;
        let told = rarities((0..288 * 11).map(|n| if night.contains(&n) { 80.0 } else { day(n) }));
        let most = |range: std::ops::Range<i64>| {
            told[range.start as usize..range.end as usize].iter().fold(0f32, |a, b| a.max(*b))
        };
        assert!(most(night) > 2.5 && most(288 * 9..288 * 10) < 2.2, "{} {}", most(2900..2920), most(2592..2880));
    }

    #[test]
    fn a_jump_that_comes_every_hundred_readings_is_usual() {
        let told = rarities((0..3000).map(|n| if n % 100 == 99 { 500.0 } else { 10.0 + (n * 31 % 7) as f64 }));
        assert!(
            told[2500..].iter().all(|rarity| *rarity < 2.4),
            "{:?}",
            told[2500..].iter().fold(0f32, |a, b| a.max(*b))
        );
    }

    #[test]
    fn what_is_written_is_read_again_and_goes_on_alike() {
        let mut pattern = Pattern::default();
        for n in 0..700 {
            pattern.take(Timestamp(n * MINUTES_5), day(n));
        }
        let mut bytes = Vec::new();
        pattern.write(&mut Writer(&mut bytes));
        let mut again = Pattern::read(&mut Reader(&bytes)).unwrap();
        assert!(bytes.len() < 5000, "{}", bytes.len());
        for n in 700..800 {
            let at = Timestamp(n * MINUTES_5);
            assert_eq!(again.take(at, day(n)).rarity.to_bits(), pattern.take(at, day(n)).rarity.to_bits());
        }
        (0..bytes.len()).step_by(97).for_each(|end| assert_eq!(Pattern::read(&mut Reader(&bytes[..end])), None));
    }
}
