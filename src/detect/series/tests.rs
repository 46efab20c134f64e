//! One series: when it is unusual, and what is shown of it.

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
            Turn::Ended => told.push((n, "ended")),
            Turn::Settled => told.push((n, "settled")),
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
    assert!(told[0] == (101, "begun") && (200..260).contains(&told[1].0) && told[1].1 == "settled", "{told:?}");
}

/// What a chart has after these readings, one a minute from `from` on.
fn drawn(from: Timestamp, readings: impl IntoIterator<Item = f64>) -> Vec<Sample> {
    let mut series = Series::new(Aspect::Latency, None, Worse::Up, from);
    for (n, value) in readings.into_iter().enumerate() {
        let at = from.plus(Span::mins(n as i64));
        series.take(at, value, at, Ear::default());
    }
    series.samples().collect()
}

#[test]
fn what_is_shown_as_expected_does_not_follow_an_anomaly_whenever_it_comes() {
    let told = |minute: i64| {
        let readings = (0..130).map(|n| if n >= 90 { 200.0 } else { level(n) });
        drawn(Timestamp(1_704_067_200_000 + minute * 60_000), readings)
    };
    let first = told(0);
    assert!(first.iter().all(|one| one.expected < 26.0 && one.spread < 10.0), "{first:?}");
    for minute in [1, 13, 29] {
        let same = |one: &Sample| (one.value, one.expected, one.spread, one.is_unusual);
        let other: Vec<_> = told(minute).iter().map(same).collect();
        assert_eq!(other, first.iter().map(same).collect::<Vec<_>>(), "in another minute of the hour");
    }
}

#[test]
fn a_level_that_stays_is_expected_from_one_reading_on_which_is_marked() {
    let days = 288 * 3;
    let five_minutes = |n: usize| Timestamp(1_704_067_200_000 + n as i64 * 300_000);
    let mut series = Series::new(Aspect::Latency, None, Worse::Up, Timestamp(0));
    let mut told = Vec::new();
    for n in 0..days + 200 {
        let value = if n < days { level(n) } else { 300.0 + level(n) };
        if series.take(five_minutes(n), value, five_minutes(n), Ear::default()) == Turn::Settled {
            told.push(five_minutes(n));
        }
    }
    let samples: Vec<Sample> = series.samples().collect();
    let marked: Vec<Timestamp> = samples.iter().filter(|one| one.has_settled).map(|one| one.at).collect();
    assert_eq!((marked.len(), &marked), (1, &told));
    let is_new = |one: &Sample| one.expected > 300.0;
    let is_right = |one: &Sample| is_new(one) == (one.at >= marked[0]) && (is_new(one) || one.expected < 26.0);
    assert!(samples.iter().all(is_right), "{samples:?}");
    // Also after a restart, but for one with a memory that does not say so.
    let mut bytes = Vec::new();
    series.write(&mut Writer(&mut bytes));
    for keeps_level in [true, false] {
        let fresh = Series::new(Aspect::Latency, None, Worse::Up, Timestamp(0));
        let mut again = fresh.read(&mut Reader(&bytes), keeps_level).unwrap();
        for n in days + 200..days + 210 {
            again.take(five_minutes(n), 300.0 + level(n), five_minutes(n), Ear::default());
        }
        let samples: Vec<Sample> = again.samples().collect();
        assert_eq!((samples.len(), samples.iter().all(is_new)), (10, keeps_level), "{samples:?}");
    }
}

#[test]
fn a_level_that_was_accepted_and_left_before_it_was_over_is_not_called_usual() {
    let mut told = Vec::new();
    for left in [false, true] {
        let mut series = Series::new(Aspect::Latency, None, Worse::Up, Timestamp(0));
        let new: Vec<f64> = (0..HISTORY).map(|n| 10.0 * level(n)).collect();
        series.baseline = Baseline::of(&new, Measure::Amount);
        (series.told_by, series.has_settled) = (Some(Opinion::Pattern), true);
        let seen = |n: usize| Seen { value: if left { level(n) } else { new[n] }, ..Seen::default() };
        series.window = (0..WINDOW).map(seen).collect();
        let (said, numbers) = (series.unheard(level(0)), Numbers::default());
        told.push(series.judge(said, Usual { centre: 220.0, spread: 20.0 }, &numbers).0);
    }
    assert_eq!(told, [Turn::Settled, Turn::Ended]);
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
    assert!(last.len() == 120 && last.iter().all(|sample| (sample.expected - 20.0).abs() < 70.0));
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
    let mut again = fresh().read(&mut Reader(&bytes), true).unwrap();
    assert_eq!((again.readings(), again.gap()), (900, Some(Span::mins(5))));
    assert_eq!(again.take(at(899), 1.0, at(900), Ear::default()), Turn::Old);
    let begun =
        (900..905).filter(|n| matches!(again.take(at(*n), 900.0, at(*n), Ear::default()), Turn::Begun(_))).count();
    assert_eq!(begun, 1, "a fault is told at once");
    assert!(fresh().read(&mut Reader(&bytes[..bytes.len() - 1]), true).is_none());
}
