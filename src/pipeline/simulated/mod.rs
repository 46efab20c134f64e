//! The pipeline's engine thread under simulated faults: log, clock, disk, schedule and receivers are thrown by dice, so
//! that a seed is a story that can be told again. `HEADWATER_SIM_SEED=n` tells one with its trace,
//! `HEADWATER_SIM_SEEDS=n` so many of them.

mod instance;
mod log;
mod oracle;
mod story;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use log::lock;
use story::Story;
use world::Planted;

/// Seeds of a quick run.
const SEEDS: u64 = 60;
/// Lines of the trace that a failure shows.
const TRACE_SHOWN: usize = 60;
/// Failures after which nothing more is told.
const FAILURES_MAX: usize = 8;

/// How often each kind of thing happened, and the stories that ended badly, by seed.
type Found = (BTreeMap<&'static str, u64>, BTreeMap<u64, Told>);

/// What was seen of a story.
struct Told {
    trace: Vec<String>,
    seen: BTreeMap<&'static str, u64>,
    end: Result<String, String>,
}

fn tell(seed: u64, planted: Planted) -> Told {
    let mut story = Story::new(seed, planted);
    let played = catch_unwind(AssertUnwindSafe(|| {
        story.play()?;
        story.judge()?;
        story.end()
    }));
    let end = match played {
        Ok(end) => end.map_err(|error| format!("{error:#}")),
        Err(panic) => Err(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "it panicked".into())),
    };
    let mut world = lock(&story.world);
    Told { trace: std::mem::take(&mut world.trace), seen: std::mem::take(&mut world.seen), end }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Tells the seeds on all cores, until so many have failed.
fn tell_all(seeds: std::ops::Range<u64>, planted: Planted, failures_max: usize) -> Found {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(Found::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds.end || found.lock().unwrap().1.len() >= failures_max {
                return;
            }
            let told = tell(seed, planted);
            let mut found = found.lock().unwrap();
            for (what, times) in &told.seen {
                *found.0.entry(what).or_default() += times;
            }
            if told.end.is_err() {
                found.1.insert(seed, told);
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap()
}

#[test]
fn seeds_of_the_simulation_keep_every_promise() {
    if let Some(seed) = number("HEADWATER_SIM_SEED") {
        let told = tell(seed, Planted::Nothing);
        told.trace.iter().for_each(|line| println!("{line}"));
        assert!(told.end.is_ok(), "seed {seed}: {}", told.end.unwrap_err());
        return;
    }
    let count = number("HEADWATER_SIM_SEEDS").unwrap_or(SEEDS);
    let began = std::time::Instant::now();
    let (seen, failed) = tell_all(0..count, Planted::Nothing, FAILURES_MAX);
    if let Some((seed, told)) = failed.first_key_value() {
        let from = told.trace.len().saturating_sub(TRACE_SHOWN);
        let trace = told.trace[from..].join("\n");
        let ends = failed.iter().map(|(seed, told)| format!("seed {seed}: {}\n", told.end.as_ref().unwrap_err()));
        panic!(
            "{trace}\n{}again: HEADWATER_SIM_SEED={seed} cargo nextest run --no-capture -E \
             'test(seeds_of_the_simulation)'",
            ends.collect::<String>()
        );
    }
    println!("{count} seeds in {:.1} s: {seen:?}", began.elapsed().as_secs_f64());
    let wanted = [
        "crash",
        "start",
        "sleep",
        "append unknown",
        "answer lost",
        "request lost",
        "ends while it waits",
        "late",
        "late frame",
        "repeat",
        "repeat recognised",
        "fenced",
        "claim",
        "commit",
        "snapshot",
        "snapshot refused",
        "snapshot torn",
        "snapshots lost",
        "view lost",
        "view torn",
        "view old",
        "view begun",
        "order",
        "told",
    ];
    let missing: Vec<&str> = wanted.into_iter().filter(|what| !seen.contains_key(what)).collect();
    assert!(count < SEEDS || missing.is_empty(), "these never happened: {missing:?}");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..12 {
        let (first, second) = (tell(seed, Planted::Nothing), tell(seed, Planted::Nothing));
        let differs = first.trace.iter().zip(&second.trace).find(|(a, b)| a != b);
        assert!(differs.is_none() && first.trace.len() == second.trace.len(), "seed {seed}: {differs:?}");
        assert_eq!(first.end, second.end, "seed {seed}");
    }
}

#[test]
fn mistakes_made_on_purpose_are_found() {
    for planted in
        [Planted::NoFence, Planted::LostCommit, Planted::LostRecord, Planted::MisplacedSnapshot, Planted::HastyOwner]
    {
        let (_, found) = tell_all(0..100, planted, 1);
        let (seed, told) = found.first_key_value().unwrap_or_else(|| panic!("nobody finds {planted:?}"));
        println!("{planted:?} is found by seed {seed}: {}", told.end.as_ref().unwrap_err());
    }
}
