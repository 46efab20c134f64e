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
use super::chart::{Chart, State};
use super::expected::{Expected, Usual};
use super::flat::Flat;
use super::pattern::{Glance, View};
use super::ring::Ring;
use super::score::{TOLD_FROM, spreads_of};
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
    expected: Expected,
    /// A level that stayed was accepted since it has been unusual.
    has_settled: bool,
    chart: Chart,
}

/// A reading of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    at: Timestamp,
    value: f64,
    expected: f32,
    rarity: f32,
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
    /// Its readings are usual again.
    Ended,
    /// Its readings stayed as they are for so long that this is usual now.
    Settled,
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
            expected: Expected::default(),
            has_settled: false,
            flat: Flat::default(),
            is_flat: false,
            gap_ms: 0.0,
            gaps: 0,
            chart: Chart::default(),
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

    /// How far the last reading is from what the pattern expected, in spreads; `None` before a usual day is known.
    pub fn away(&self) -> Option<f64> {
        let ((at, value), glance) = (self.chart.last()?, self.said?.glance);
        let spread = glance.spread.max(self.baseline.map_or(0.0, |baseline| baseline.spread() as f32));
        let is_known = self.stream.pattern().knows_day(at) && spread > 0.0;
        is_known.then(|| f64::from((value - glance.expected) / spread))
    }

    /// What was said of its last reading.
    pub const fn said(&self) -> Option<&Said> {
        self.said.as_ref()
    }

    /// Its last readings, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        self.chart.samples()
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
        let pattern = self.stream.pattern();
        let knows_day = ear.by == Basis::Model && pattern.knows_day(at);
        self.expected.enter(at, knows_day.then(|| pattern.expected(at)));
        let said = self.listen(at, value, ear);
        let seen = Seen { at, value, expected: said.glance.expected, rarity: said.glance.rarity };
        if let Some(left) = self.window.push(seen) {
            self.pass(left.value as f32);
        }
        let is_known = self.past.len() >= LEARNED_FROM && self.window.len() == WINDOW;
        if is_known {
            self.fit();
        }
        let past = self.past.iter().copied();
        let usual = self.expected.usual(at, self.baseline.as_ref(), past, said.glance.spread);
        let usual = usual.unwrap_or(Usual { centre: value as f32, spread: 0.0 });
        let (turn, by_hours) =
            if is_known { self.judge(said, usual, &ear.rule.numbers) } else { (Turn::Learning, 0.0) };
        let state = match turn {
            Turn::Begun(_) | Turn::GoesOn(_) => State::Unusual,
            Turn::Settled => State::Settled,
            Turn::Old | Turn::Learning | Turn::Usual | Turn::Ended => State::Usual,
        };
        self.chart.draw((at, value), usual, (by_hours, spreads_of(said.height)), state);
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
            self.has_settled = true;
            self.expected.settle(self.last);
        }
    }

    /// Works out what the last hours say, when it is time.
    fn fit(&mut self) {
        if self.baseline.is_none() || self.unfitted >= FITTED_EVERY {
            let readings: Vec<f64> = self.past.iter().copied().map(f64::from).collect();
            let measure = self.measure.unwrap_or_else(|| measure_of(self.aspect, &readings));
            self.baseline = Baseline::of(&readings, measure);
            self.unfitted = 0;
        }
    }

    /// What the reading changed, and the spreads by which the last hours say that it is unusual.
    fn judge(&mut self, said: Said, shown: Usual, numbers: &Numbers) -> (Turn, f64) {
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
            usual: f64::from(shown.centre),
            spread: f64::from(shown.spread),
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
            (None, Some(_)) => {
                self.has_settled = false;
                Turn::Begun(look)
            }
            (Some(_), Some(_)) => Turn::GoesOn(look),
            (Some(_), None) => {
                self.since.clear();
                self.end(&baseline)
            }
        };
        (turn, by_hours)
    }

    /// How it ends. A level may be accepted while the pattern still tells: whether the series has stayed at it shows at the end.
    fn end(&mut self, level: &Baseline) -> Turn {
        let window: Vec<f64> = self.window.iter().map(|seen| seen.value).collect();
        let stays = level.sustained(&window, Worse::Either).is_some_and(|(off, _)| off < ASKED_FROM);
        match self.has_settled {
            true if stays => Turn::Settled,
            true => {
                self.expected.unsettle();
                Turn::Ended
            }
            false => Turn::Ended,
        }
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
        self.expected.write(out);
    }

    /// Puts in what [`Series::write`] wrote; `None` when it is no such thing. Before `keeps_level` it did not write whether a new
    /// level was accepted.
    pub fn read(mut self, from: &mut Reader<'_>, keeps_level: bool) -> Option<Self> {
        self.last = Timestamp(from.i64()?);
        (self.gap_ms, self.gaps) = (from.finite()?, from.u16()?);
        for _ in 0..from.u8()? {
            self.past.push(from.finite()?);
        }
        self.flat = Flat::read(from)?;
        self.stream = Stream::read(from)?;
        if keeps_level {
            self.expected = Expected::read(from)?;
        }
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
mod tests;
