//! One series as it goes on: what was usual, its last readings, and whether they are unusual.
//!
//! Two opinions are joined. The *baseline* (the last two hours, ADR 0029) knows soon, and knows how much matters; once a
//! usual day is known, what every day has at this time is not unusual to it. The *pattern* (ADR 0036) knows how rare a
//! reading is; once it knows the series, the baseline begins nothing that is not rare to it, too. A reading becomes part of the
//! baseline when it has left the window that is judged, and not while the series is unusual. A level that stays is the new usual
//! one after a while, so that nothing is unusual for ever. Readings must come in the order of time; what is not newer than the
//! last one changes nothing, so a repeat does no harm.

use std::collections::VecDeque;

use super::anomaly::ASKED_FROM;
use super::bar::Numbers;
use super::baseline::Baseline;
use super::flat::Flat;
use super::pattern::{Glance, View};
use super::ring::Ring;
use super::score::{TOLD_FROM, of_spreads, spreads_of};
use super::state::{Reader, Writer};
use super::stream::{Basis, Ear, Said, Stream};
use crate::domain::point::{Aspect, Measure, Worse};
use crate::domain::series::{Opinion, Sample};
use crate::domain::time::{Span, Timestamp};

/// Past readings that say what is usual.
const HISTORY: usize = 120;
/// Readings without which nothing is said.
const LEARNED_FROM: usize = 20;
/// Readings after which what is usual is worked out anew.
const FITTED_EVERY: usize = 10;
/// Readings that are judged together.
const WINDOW: usize = 3;
/// Readings that a chart shows.
const CHART: usize = 120;
/// Rarity above which a series that the pattern told goes on being unusual.
const STILL_RARE: f32 = 1.2;
/// Gaps between readings without which silence says nothing, and the weight of one.
const GAPS_MIN: u16 = 30;
const GAP_WEIGHT: f32 = 0.05;
/// A reading on the worse side matters from this many times the least distance that does.
const MATTERS: f64 = 2.0;

/// What is known of one series.
#[derive(Debug)]
pub struct Series {
    aspect: Aspect,
    measure: Option<Measure>,
    worse: Worse,
    window: Ring<Seen, WINDOW>,
    baseline: Option<Baseline>,
    unfitted: usize,
    /// Who told that it is unusual.
    told_by: Option<Opinion>,
    last: Timestamp,
    flat: Flat,
    is_flat: bool,
    gap_ms: f32,
    gaps: u16,
    /// While it is unusual: what has left the window since.
    since: VecDeque<f32>,
    /// What was said of the last reading.
    said: Option<Said>,
    /// When a reading came last, by our clock.
    pub heard: Timestamp,
    past: Ring<f32, HISTORY>,
    stream: Stream,
    chart: Ring<Dot, CHART>,
}

/// A reading of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    at: Timestamp,
    value: f64,
    expected: f32,
    rarity: f32,
}

/// A reading as a chart keeps it.
#[derive(Clone, Copy, Debug, Default)]
struct Dot {
    /// Seconds since 1970, good until 2106.
    at_secs: u32,
    value: f32,
    expected: f32,
    spread: f32,
    score: u16,
    by: Opinion,
    is_unusual: bool,
}

impl Dot {
    const fn at(&self) -> Timestamp {
        Timestamp(self.at_secs as i64 * 1000)
    }
}

/// What a window says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Spreads to the worse side: the larger of what the last hours say and what the pattern's height is worth.
    pub deviation: f64,
    pub by_hours: f64,
    pub by_pattern: f64,
    /// The reading that says so.
    pub reading: f64,
    pub usual: f64,
    pub spread: f64,
    /// How many readings `usual` is of.
    pub learned: usize,
    pub from: Timestamp,
    pub until: Timestamp,
    /// Digits of rarity, and what is rare about it, where the pattern says so.
    pub rare: Option<(f32, View)>,
}

/// What a reading changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turn {
    /// It is not newer than the last one.
    Old,
    /// Not enough is known yet.
    Learning,
    Usual,
    Begun(Look),
    GoesOn(Look),
    Ended(Look),
}

impl Series {
    /// A series of which nothing is known.
    pub fn new(aspect: Aspect, measure: Option<Measure>, worse: Worse, now: Timestamp) -> Self {
        Self {
            aspect,
            measure,
            worse,
            past: Ring::default(),
            since: VecDeque::new(),
            window: Ring::default(),
            baseline: None,
            unfitted: 0,
            told_by: None,
            last: Timestamp(i64::MIN),
            stream: Stream::default(),
            flat: Flat::default(),
            is_flat: false,
            gap_ms: 0.0,
            gaps: 0,
            chart: Ring::default(),
            said: None,
            heard: now,
        }
    }

    /// What it shows of its CI.
    pub const fn aspect(&self) -> Aspect {
        self.aspect
    }

    /// What it was begun with.
    pub const fn kind(&self) -> (Aspect, Option<Measure>, Worse) {
        (self.aspect, self.measure, self.worse)
    }

    /// Whether it stands still though it always moved.
    pub const fn is_flat(&self) -> bool {
        self.is_flat
    }

    /// How many readings are known.
    pub fn readings(&self) -> u32 {
        self.stream.pattern().readings()
    }

    /// How long its sender usually waits between two readings, once that is known.
    pub fn gap(&self) -> Option<Span> {
        (self.gaps >= GAPS_MIN).then_some(Span(self.gap_ms as i64))
    }

    /// How far the last reading is from what was expected, in spreads; `None` before a usual day is known.
    pub fn away(&self) -> Option<f64> {
        let dot = self.chart.last().filter(|dot| self.stream.pattern().knows_day(dot.at()) && dot.spread > 0.0)?;
        Some(f64::from((dot.value - dot.expected) / dot.spread))
    }

    /// What was said of its last reading.
    pub const fn said(&self) -> Option<&Said> {
        self.said.as_ref()
    }

    /// Its last readings, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        self.chart.iter().map(|dot| Sample {
            at: dot.at(),
            value: f64::from(dot.value),
            expected: f64::from(dot.expected),
            spread: f64::from(dot.spread),
            score: dot.score,
            by: dot.by,
            is_unusual: dot.is_unusual,
        })
    }

    /// Takes a reading.
    pub fn take(&mut self, at: Timestamp, value: f64, now: Timestamp, ear: Ear) -> Turn {
        // What is read again came before what was heard since.
        self.heard = self.heard.max(now);
        if at <= self.last {
            return Turn::Old;
        }
        self.mind_gap(at);
        self.is_flat = self.flat.take(value);
        let said = self.listen(at, value, ear);
        let seen = Seen { at, value, expected: said.glance.expected, rarity: said.glance.rarity };
        if let Some(left) = self.window.push(seen) {
            self.pass(left.value as f32);
        }
        let (turn, by_hours) = if self.past.len() < LEARNED_FROM || self.window.len() < WINDOW {
            (Turn::Learning, 0.0)
        } else {
            self.judge(said, &ear.rule.numbers)
        };
        self.draw(at, value, &said, by_hours);
        self.said = Some(said);
        turn
    }

    fn mind_gap(&mut self, at: Timestamp) {
        if self.last.0 > i64::MIN {
            let gap = at.since(self.last).0 as f32;
            self.gaps = self.gaps.saturating_add(1);
            // A long silence is not how long it usually waits.
            let gap = if self.gaps > GAPS_MIN { gap.min(3.0 * self.gap_ms) } else { gap };
            self.gap_ms += (gap - self.gap_ms) * GAP_WEIGHT.max(1.0 / f32::from(self.gaps));
        }
        self.last = at;
    }

    /// The pattern's opinion: rare, to the worse side, and by more than nobody minds.
    fn listen(&mut self, at: Timestamp, value: f64, ear: Ear) -> Said {
        if ear.by == Basis::Hours {
            return self.unheard(value);
        }
        let (worse, baseline) = (self.worse, self.baseline);
        let counts = |glance: &Glance| {
            let off = value - f64::from(glance.expected);
            let to_worse = match worse {
                Worse::Up => off,
                Worse::Down => -off,
                Worse::Either => off.abs(),
            };
            baseline.is_some_and(|baseline| to_worse >= MATTERS * baseline.least())
        };
        self.stream.take(at, value, ear, counts)
    }

    /// What is said of a reading when nobody looks at the pattern.
    fn unheard(&self, value: f64) -> Said {
        let (expected, spread) = self.baseline.map_or((value, 0.0), |known| (known.centre(), known.spread()));
        let (expected, spread) = (expected as f32, spread as f32);
        let glance = Glance { rarity: 0.0, view: View::Now, expected, spread };
        Said { glance, height: 0.0, tells: false, beside: None, is_mature: false, is_rare: false }
    }

    /// A reading has left the window.
    fn pass(&mut self, value: f32) {
        if self.told_by.is_none() {
            self.past.push(value);
            self.unfitted += 1;
            return;
        }
        self.since.push_back(value);
        if self.since.len() == HISTORY {
            // It has been so for as long as we remember: now this is usual.
            self.past = std::mem::take(&mut self.since).into_iter().collect();
            self.unfitted = FITTED_EVERY;
        }
    }

    /// What the reading changed, and the spreads by which the last hours say that it is unusual.
    fn judge(&mut self, said: Said, numbers: &Numbers) -> (Turn, f64) {
        if self.baseline.is_none() || self.unfitted >= FITTED_EVERY {
            let readings: Vec<f64> = self.past.iter().copied().map(f64::from).collect();
            let measure = self.measure.unwrap_or_else(|| measure_of(self.aspect, &readings));
            self.baseline = Baseline::of(&readings, measure);
            self.unfitted = 0;
        }
        let Some(baseline) = self.baseline else { return (Turn::Usual, 0.0) };
        let Some((by_hours, reading)) = self.deviation(&baseline) else { return (Turn::Usual, 0.0) };
        let (from, until) = self.window.ends().map_or((self.last, self.last), |(first, last)| (first.at, last.at));
        let by_pattern = spreads_of(said.height);
        let rare = said.tells || self.told_by == Some(Opinion::Pattern);
        let look = Look {
            deviation: by_hours.max(by_pattern),
            by_hours,
            by_pattern,
            reading,
            usual: if rare { f64::from(said.glance.expected) } else { baseline.centre() },
            spread: if rare { f64::from(said.glance.spread) } else { baseline.spread() },
            learned: self.past.len(),
            from,
            until,
            rare: rare.then_some((said.glance.rarity, said.glance.view)),
        };
        let still_rare = self.window.iter().filter(|seen| seen.rarity >= STILL_RARE).count() >= 2;
        let was = self.told_by;
        self.told_by = match was {
            // Two hours know no series that jumps by habit: the pattern does, as soon as it knows anything.
            None if by_hours >= TOLD_FROM && !said.is_mature => Some(Opinion::Hours),
            None if by_hours >= TOLD_FROM && said.is_rare => {
                self.stream.is_told(said.glance.rarity, numbers);
                Some(Opinion::Hours)
            }
            None => said.tells.then_some(Opinion::Pattern),
            Some(_) if by_hours >= ASKED_FROM => was,
            Some(Opinion::Pattern) if still_rare => was,
            Some(_) => None,
        };
        let turn = match (was, self.told_by) {
            (None, None) => Turn::Usual,
            (None, Some(_)) => Turn::Begun(look),
            (Some(_), Some(_)) => Turn::GoesOn(look),
            (Some(_), None) => {
                self.since.clear();
                Turn::Ended(look)
            }
        };
        (turn, by_hours)
    }

    /// Spreads of the window to the worse side, and the reading that says so: from the last hours, and from the usual day
    /// where there is one, whichever is less.
    fn deviation(&self, baseline: &Baseline) -> Option<(f64, f64)> {
        let window: Vec<f64> = self.window.iter().map(|seen| seen.value).collect();
        let of_hours = baseline.sustained(&window, self.worse)?;
        let knows_day = self.stream.pattern().is_mature() && self.stream.pattern().knows_day(self.last);
        if !knows_day {
            return Some(of_hours);
        }
        let around = |seen: &Seen| seen.value - f64::from(seen.expected) + baseline.centre();
        let off_day: Vec<f64> = self.window.iter().map(around).collect();
        let of_day = baseline.sustained(&off_day, self.worse)?;
        Some((of_hours.0.min(of_day.0), of_hours.1))
    }

    fn draw(&mut self, at: Timestamp, value: f64, said: &Said, by_hours: f64) {
        let of_baseline = self.baseline.map_or(0.0, |baseline| baseline.spread() as f32);
        let spread = said.glance.spread.max(of_baseline);
        let expected = if self.readings() == 1 { value as f32 } else { said.glance.expected };
        let by_pattern = spreads_of(said.height);
        let by = if by_hours > by_pattern { Opinion::Hours } else { Opinion::Pattern };
        let (score, is_unusual) = (of_spreads(by_hours.max(by_pattern)), self.told_by.is_some());
        let at_secs = u32::try_from(at.0 / 1000).unwrap_or(u32::MAX);
        self.chart.push(Dot { at_secs, value: value as f32, expected, spread, score, by, is_unusual });
    }

    /// Writes what was learned, for [`Series::read`]. Whether it is unusual is not kept: its next readings say so.
    pub fn write(&self, out: &mut Writer<'_>) {
        out.i64(self.last.0);
        out.f32(self.gap_ms);
        out.u16(self.gaps);
        let past: Vec<f32> =
            self.past.iter().copied().chain(self.window.iter().map(|seen| seen.value as f32)).collect();
        out.u8(past.len() as u8);
        past.iter().for_each(|value| out.f32(*value));
        self.flat.write(out);
        self.stream.write(out);
    }

    /// Puts in what [`Series::write`] wrote; `None` when it is no such thing.
    pub fn read(mut self, from: &mut Reader<'_>) -> Option<Self> {
        self.last = Timestamp(from.i64()?);
        (self.gap_ms, self.gaps) = (from.finite()?, from.u16()?);
        for _ in 0..from.u8()? {
            self.past.push(from.finite()?);
        }
        self.flat = Flat::read(from)?;
        self.stream = Stream::read(from)?;
        Some(self)
    }
}

/// What the numbers seem to be, where nobody said it.
fn measure_of(aspect: Aspect, readings: &[f64]) -> Measure {
    let are_parts = readings.iter().all(|reading| (0.0..=1.0).contains(reading));
    let are_whole = readings.iter().all(|reading| *reading >= 0.0 && reading.fract() == 0.0);
    match aspect {
        // Nothing but zeros may be either: then one failure more is not the end of the world.
        Aspect::Errors if are_whole => Measure::Count,
        Aspect::Errors if are_parts => Measure::Share,
        Aspect::Saturation if are_parts => Measure::Usage,
        Aspect::Traffic | Aspect::Latency | Aspect::Errors | Aspect::Saturation => Measure::Amount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(n: usize) -> f64 {
        20.0 + (n * 7 % 5) as f64
    }

    /// The turns other than `Usual` and `Learning` of these readings, one a minute.
    fn turns(readings: impl IntoIterator<Item = f64>) -> Vec<(usize, &'static str)> {
        let mut series = Series::new(Aspect::Latency, None, Worse::Up, Timestamp(0));
        let mut told = Vec::new();
        for (n, value) in readings.into_iter().enumerate() {
            let at = Timestamp(60_000 * (n as i64 + 1));
            match series.take(at, value, at, Ear::default()) {
                Turn::Begun(_) => told.push((n, "begun")),
                Turn::Ended(_) => told.push((n, "ended")),
                Turn::Old => told.push((n, "old")),
                Turn::Learning | Turn::Usual | Turn::GoesOn(_) => {}
            }
        }
        told
    }

    #[test]
    fn two_of_three_readings_begin_and_end_it() {
        let readings = (0..60).map(|n| if (40..50).contains(&n) { 200.0 } else { level(n) });
        assert_eq!(turns(readings), [(41, "begun"), (51, "ended")]);
        let spikes = (0..60).map(|n| if n % 10 == 9 { 200.0 } else { level(n) });
        assert_eq!(turns(spikes), [], "one reading alone proves nothing");
    }

    #[test]
    fn a_level_that_stays_is_the_new_usual_one() {
        let readings = (0..400).map(|n| if n >= 100 { 10.0 * level(n) } else { level(n) });
        let told = turns(readings);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0] == (101, "begun") && (200..260).contains(&told[1].0) && told[1].1 == "ended", "{told:?}");
    }

    #[test]
    fn what_is_not_newer_changes_nothing() {
        let mut series = Series::new(Aspect::Errors, None, Worse::Up, Timestamp(0));
        assert_eq!(series.take(Timestamp(5), 1.0, Timestamp(5), Ear::default()), Turn::Learning);
        assert_eq!(series.take(Timestamp(5), 9.0, Timestamp(6), Ear::default()), Turn::Old);
        assert_eq!((series.window.len(), series.heard), (1, Timestamp(6)));
    }

    #[test]
    fn what_numbers_are_is_told_by_how_they_look() {
        assert_eq!(measure_of(Aspect::Errors, &[0.0, 3.0]), Measure::Count);
        assert_eq!(measure_of(Aspect::Errors, &[0.0, 0.02]), Measure::Share);
        assert_eq!(measure_of(Aspect::Saturation, &[0.4, 0.6]), Measure::Usage);
        assert_eq!(measure_of(Aspect::Saturation, &[40.0]), Measure::Amount);
    }

    /// Five-minute readings of busy days and quiet nights.
    fn of_day(n: usize) -> f64 {
        let busy = (96..216).contains(&(n % 288));
        (if busy { 80.0 } else { 20.0 }) + (n * 7919 % 101) as f64 / 20.0
    }

    #[test]
    fn a_busy_morning_is_told_on_the_first_day_and_not_any_more_and_a_busy_night_is() {
        let night = 288 * 6 + 20..288 * 6 + 40;
        let mut series = Series::new(Aspect::Saturation, None, Worse::Up, Timestamp(0));
        let mut begun = Vec::new();
        for n in 0..288 * 7 {
            let at = Timestamp(1_704_067_200_000 + n as i64 * 300_000);
            let value = if night.contains(&n) { 80.0 } else { of_day(n) };
            if let Turn::Begun(_) = series.take(at, value, at, Ear::default()) {
                begun.push(n);
            }
        }
        let later: Vec<usize> = begun.iter().copied().filter(|n| *n >= 288 * 3).collect();
        assert!(later.len() == 1 && night.contains(&later[0]), "{begun:?}");
        let last: Vec<Sample> = series.samples().collect();
        assert!(last.len() == CHART && last.iter().all(|sample| (sample.expected - 20.0).abs() < 70.0));
    }

    #[test]
    fn what_was_learned_survives() {
        let mut series = Series::new(Aspect::Saturation, None, Worse::Up, Timestamp(0));
        let at = |n: usize| Timestamp(1_704_067_200_000 + n as i64 * 300_000);
        (0..900).for_each(|n| {
            series.take(at(n), of_day(n), at(n), Ear::default());
        });
        let mut bytes = Vec::new();
        series.write(&mut Writer(&mut bytes));
        let fresh = || Series::new(Aspect::Saturation, None, Worse::Up, at(900));
        let mut again = fresh().read(&mut Reader(&bytes)).unwrap();
        assert_eq!((again.readings(), again.gap()), (900, Some(Span::mins(5))));
        assert_eq!(again.take(at(899), 1.0, at(900), Ear::default()), Turn::Old);
        let begun =
            (900..905).filter(|n| matches!(again.take(at(*n), 900.0, at(*n), Ear::default()), Turn::Begun(_))).count();
        assert_eq!(begun, 1, "a fault is told at once");
        assert!(fresh().read(&mut Reader(&bytes[..bytes.len() - 1])).is_none());
    }
}
