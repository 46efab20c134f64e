//! The lowest bar at which quiet series tell no more than they may.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::judged::{Tally, run_bars};
use super::synthetic::Labelled;
use crate::detect::bar::Numbers;
use crate::detect::drift::Scores;
use crate::folders::metric::Trained;

/// Bars that are tried, lowest first.
const TRIED: usize = 40;
/// How many of them lie within one digit of rarity.
const STEPS: f32 = 10.0;
/// How often it is told how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What was found.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub numbers: Numbers,
    pub trained: Trained,
    /// What the bar tells of the quiet series.
    pub quiet: Tally,
}

/// Finds the lowest bar at which these quiet series tell at most so many false alarms per series and day. `progress` gets how
/// many series are done, of how many.
///
/// # Errors
/// When there are no series, they are too short, or no bar is high enough; says what to do.
pub fn fit(quiet: &[Labelled], per_series_day: f64, progress: impl FnMut(usize, usize)) -> Result<Fitted> {
    ensure!(!quiet.is_empty(), "no series to learn from; name some with --series, --data or --synthetic N");
    let numbers = |n: usize| Numbers { told_from: (STEPS + n as f32) / STEPS, ..Numbers::default() };
    let bars: Vec<Numbers> = (0..TRIED).map(numbers).collect();
    let (tallies, scores) = all_bars(quiet, &bars, progress);
    ensure!(
        scores.readings() > 0,
        "no series has more than a hundred readings, which say nothing yet; give longer ones"
    );
    let low_enough = |(_, tally): &(Numbers, Tally)| tally.per_series_day() <= per_series_day;
    let Some((numbers, quiet_tally)) = bars.into_iter().zip(tallies).find(low_enough) else {
        bail!("no bar is high enough: are the series quiet? give others, or allow more");
    };
    let ends = |one: &Labelled| one.readings.first().zip(one.readings.last()).map(|(a, b)| (a.0, b.0));
    let trained = Trained {
        from: quiet.iter().filter_map(|one| ends(one).map(|(from, _)| from)).min().unwrap_or_default(),
        until: quiet.iter().filter_map(|one| ends(one).map(|(_, until)| until)).max().unwrap_or_default(),
        series: quiet.len() as u32,
        readings: quiet.iter().map(|one| one.readings.len() as u64).sum(),
        scores: scores.shares(),
    };
    Ok(Fitted { numbers, trained, quiet: quiet_tally })
}

/// What each bar tells of one series, and how rare its readings were.
type Told = (Vec<Tally>, Scores);

/// What each bar tells of all series. Each processor takes the next series; the sums are made in the order of the series, so
/// that they are the same on any machine.
fn all_bars(quiet: &[Labelled], bars: &[Numbers], mut progress: impl FnMut(usize, usize)) -> Told {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(quiet.len());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let told: Vec<Mutex<Option<Told>>> = quiet.iter().map(|_| Mutex::default()).collect();
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(series) = quiet.get(place) else { break };
                let of_bars = run_bars(series, bars);
                *told[place].lock().expect("nobody panics while holding it") = Some(of_bars);
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            progress(done.load(Ordering::Relaxed), quiet.len());
            std::thread::sleep(LOOK_EVERY);
        }
    });
    let (mut tallies, mut scores) = (vec![Tally::default(); bars.len()], Scores::default());
    let told = told.into_iter().filter_map(|one| one.into_inner().expect("nobody panics while holding it"));
    for (of_bars, own) in told {
        tallies.iter_mut().zip(&of_bars).for_each(|(all, one)| all.add(one));
        scores.add_all(&own);
    }
    (tallies, scores)
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{self, Anomalous};
    use super::*;

    #[test]
    fn the_bar_is_as_low_as_it_may_be_and_the_same_each_time() {
        let quiet = synthetic::series(15, Anomalous::No, 4);
        let found = fit(&quiet, 0.02, |_, _| {}).unwrap();
        assert!(found.quiet.per_series_day() <= 0.02, "{found:?}");
        let loose = fit(&quiet, 0.5, |_, _| {}).unwrap();
        assert!(loose.numbers.told_from < found.numbers.told_from, "{loose:?}");
        let again = fit(&quiet, 0.02, |_, _| {}).unwrap();
        assert_eq!((again.numbers, again.trained), (found.numbers, found.trained));
        assert_eq!((found.trained.series, found.trained.readings), (15, 15 * 4032));
        let short: Vec<Labelled> =
            quiet.iter().map(|one| Labelled { readings: one.readings[..50].to_vec(), ..one.clone() }).collect();
        assert!(fit(&short, 0.02, |_, _| {}).unwrap_err().to_string().contains("a hundred readings"));
        assert!(fit(&[], 0.02, |_, _| {}).is_err());
    }
}
