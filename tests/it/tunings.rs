//! A model file may have any numbers within their bounds: the engine takes a storm to its end by each of them.

use std::sync::Arc;

use headwater::domain::time::{Span, Timestamp};
use headwater::engine::input::{Digest, Input};
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::storms::{events, record, tenant, topology};

/// Models tried, and events that each of them is told.
const MODELS: u64 = 24;
const EVENTS: usize = 2500;

/// The built-in model with some numbers drawn anew, each within a range in which a search for better ones would look.
fn drawn(seed: u64) -> Tuning {
    let (mut dice, mut tuning) = (SmallRng::seed_from_u64(seed), Tuning::default());
    let mut draw = |number: &mut i64, from: i64, to: i64| {
        if dice.gen_bool(0.4) {
            *number = dice.gen_range(from..=to);
        }
    };
    draw(&mut tuning.background_min, -13_800, -9000);
    draw(&mut tuning.background_max, -8900, -4000);
    draw(&mut tuning.noise_cause, -9000, 0);
    draw(&mut tuning.parsimony, 0, 6000);
    draw(&mut tuning.background_inferred, -16_000, -6000);
    draw(&mut tuning.silent_prior, -20_000, 0);
    draw(&mut tuning.expected_shown, 100, 950);
    draw(&mut tuning.hop, -5000, 0);
    draw(&mut tuning.path_min, -12_000, -3000);
    draw(&mut tuning.same_ci, -3000, 0);
    draw(&mut tuning.fold_window.0, 0, Span::hours(48).0);
    draw(&mut tuning.horizon.0, 60_000, Span::hours(2).0);
    tuning
}

#[test]
fn whatever_numbers_a_model_has_the_engine_takes_a_storm_to_its_end() {
    for storm in ["hard", "medium"] {
        let (estate, events) = (topology(storm), events(storm, EVENTS));
        for seed in 0..MODELS {
            let mut engine = Engine::empty(0, Arc::new(drawn(seed)));
            let input = Input::Topology { tenant: tenant(), version: 1, digest: Digest("".into()), author: "".into() };
            engine.step(Timestamp(0), &input, Loaded::Topology(estate.clone()));
            println!("{storm} by the model of seed {seed}");
            let mut now = Timestamp(0);
            for event in &events {
                now = now.max(event.observed_at);
                engine.step(now, &record(event), Loaded::Nothing);
            }
            // All timers are due by then.
            engine.step(now.plus(Span::hours(24)), &Input::Tick, Loaded::Nothing);
        }
    }
}
