//! How well a detector tells labelled series: what it found, what it told for nothing, and how soon.

use std::collections::BTreeMap;

use serde::Serialize;

use super::synthetic::{Labelled, Like};
use crate::detect::bar::Numbers;
use crate::detect::drift::Scores;
use crate::detect::judge::{Judge, Rule};
use crate::detect::pattern::{Pattern, View};
use crate::detect::score::{of_spreads, spreads_of};
use crate::detect::stream::{Ear, Stream};
use crate::domain::time::Span;

/// Readings after an anomaly in which telling it is late and not wrong.
const LATE: usize = 12;

/// What came of series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    pub series: u32,
    pub anomalies: u32,
    pub found: u32,
    /// Alarms outside every anomaly, and all.
    pub false_alarms: u32,
    pub alarms: u32,
    pub days: f64,
    /// Readings from the beginning of an anomaly to its alarm, all together.
    pub delay: u32,
}

impl Tally {
    /// Of the anomalies and alarms: precision, recall and F1.
    pub fn scores(&self) -> (f64, f64, f64) {
        let part = |n: u32, of: u32| if of == 0 { 0.0 } else { f64::from(n) / f64::from(of) };
        let (precision, recall) = (part(self.found, self.found + self.false_alarms), part(self.found, self.anomalies));
        let sum = precision + recall;
        (precision, recall, if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 })
    }

    /// False alarms per series and day.
    pub fn per_series_day(&self) -> f64 {
        if self.days > 0.0 { f64::from(self.false_alarms) / self.days } else { 0.0 }
    }

    /// Several together.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        all.into_iter().for_each(|one| sum.add(one));
        sum
    }

    /// Counts another one in.
    pub fn add(&mut self, other: &Self) {
        self.series += other.series;
        self.anomalies += other.anomalies;
        self.found += other.found;
        self.false_alarms += other.false_alarms;
        self.alarms += other.alarms;
        self.days += other.days;
        self.delay += other.delay;
    }
}

/// A reading with what was said of it.
#[derive(Clone, Copy, Debug)]
pub struct Dot {
    pub value: f64,
    pub expected: f64,
    pub spread: f64,
    pub score: u16,
    pub tells: bool,
}

/// Runs the detector over a series.
pub fn run(series: &Labelled, ear: Ear, left_out: &[View]) -> Vec<Dot> {
    let mut stream = Stream::default();
    let dot = |(at, value): &(_, f64)| {
        let said = stream.take_without(*at, *value, ear, |_| true, left_out);
        let (expected, spread) = (f64::from(said.glance.expected), f64::from(said.glance.spread));
        Dot { value: *value, expected, spread, score: of_spreads(spreads_of(said.height)), tells: said.tells }
    };
    series.readings.iter().map(dot).collect()
}

/// What several bars over one series would tell, each by itself, and how rare its readings were: the pattern is the same for
/// all of them and is looked at once.
pub fn run_bars(series: &Labelled, bars: &[Numbers]) -> (Vec<Tally>, Scores) {
    let rules: Vec<Rule> = bars.iter().map(|bar| Ear::of(*bar).rule).collect();
    let mut judges = vec![Judge::default(); bars.len()];
    let mut told: Vec<Vec<usize>> = vec![Vec::new(); bars.len()];
    let (mut pattern, mut scores) = (Pattern::default(), Scores::default());
    for (n, (at, value)) in series.readings.iter().enumerate() {
        let is_mature = pattern.is_mature();
        let glance = pattern.take(*at, *value);
        if is_mature {
            scores.add(glance.rarity);
        }
        for ((judge, rule), told) in judges.iter_mut().zip(&rules).zip(&mut told) {
            if judge.take(&glance, rule, is_mature).tells {
                told.push(n);
            }
        }
    }
    (told.into_iter().map(|told| tally_of(series, told)).collect(), scores)
}

/// Compares what was told with the labels.
pub fn tally(series: &Labelled, dots: &[Dot]) -> Tally {
    tally_of(series, dots.iter().enumerate().filter(|(_, dot)| dot.tells).map(|(at, _)| at))
}

/// Compares the places of what was told with the labels.
pub(super) fn tally_of(series: &Labelled, told: impl IntoIterator<Item = usize>) -> Tally {
    let mut tally = Tally { series: 1, anomalies: series.anomalies.len() as u32, ..Tally::default() };
    let ends = series.readings.first().zip(series.readings.last());
    tally.days = ends.map_or(0.0, |(first, last)| last.0.since(first.0).0 as f64 / Span::hours(24).0 as f64);
    let mut found = vec![false; series.anomalies.len()];
    for at in told {
        tally.alarms += 1;
        match series.anomalies.iter().position(|(from, to)| (*from..=to + LATE).contains(&at)) {
            Some(which) if !found[which] => {
                found[which] = true;
                tally.found += 1;
                tally.delay += (at - series.anomalies[which].0) as u32;
            }
            Some(_) => {}
            None => tally.false_alarms += 1,
        }
    }
    tally
}

/// All series, by kind; those that are of none are under "all others".
pub fn evaluate(all: &[Labelled], ear: Ear, left_out: &[View]) -> BTreeMap<&'static str, Tally> {
    let mut by_kind: BTreeMap<&'static str, Tally> = BTreeMap::new();
    for series in all {
        let one = tally(series, &run(series, ear, left_out));
        by_kind.entry(series.like.map_or("all others", Like::word)).or_default().add(&one);
    }
    by_kind
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{self, Anomalous};
    use super::*;

    #[test]
    fn anomalies_of_every_kind_are_found_and_quiet_series_are_quiet() {
        let ear = Ear::default();
        let told = evaluate(&synthetic::series(60, Anomalous::Yes, 7), ear, &[]);
        for (kind, tally) in &told {
            let (precision, recall, f1) = tally.scores();
            assert!(f1 >= 0.6, "{kind}: precision {precision:.2} recall {recall:.2}: {tally:?}");
        }
        let quiet = Tally::of(evaluate(&synthetic::series(60, Anomalous::No, 8), ear, &[]).values());
        assert!(quiet.per_series_day() < 0.1, "{quiet:?}");
    }

    #[test]
    fn bars_that_are_tried_together_tell_what_each_tells_alone() {
        let bars = [1.0, 1.75, 3.0].map(|told_from| Numbers { told_from, ..Numbers::default() });
        for series in synthetic::series(5, Anomalous::Yes, 3) {
            let (together, scores) = run_bars(&series, &bars);
            for (bar, told) in bars.iter().zip(together) {
                assert_eq!(told, tally(&series, &run(&series, Ear::of(*bar), &[])), "{} {bar:?}", series.name);
            }
            assert_eq!(scores.readings() as usize, series.readings.len() - 100);
        }
    }
}
