//! The numbers of parts that know nothing of metrics.

use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::intake::Intake;
use crate::pipeline::Pipeline;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Word {
    word: &'static str,
}

/// Registers what intake has counted since the start. Labels come from fixed lists.
pub fn register(intake: &Intake, registry: &mut Registry) {
    let mut by_noun: Vec<(&'static str, Family<Word, Gauge>)> = Vec::new();
    for (noun, word, n) in intake.counters().rows() {
        if by_noun.last().is_none_or(|(last, _)| *last != noun) {
            by_noun.push((noun, Family::default()));
        }
        if let Some((_, family)) = by_noun.last() {
            let word = if word.is_empty() { "all" } else { word };
            family.get_or_create(&Word { word }).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
    for (noun, family) in by_noun {
        registry.register(noun, "counted at the door since the start", family);
    }
    let in_flight: Gauge = Gauge::default();
    in_flight.set(i64::try_from(intake.in_flight_bytes()).unwrap_or(i64::MAX));
    registry.register("intake_in_flight_bytes", "bodies that are received or wait for the journal", in_flight);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    receiver: String,
    outcome: &'static str,
}

/// Registers how notices ended since the start, and decisions that came out differently.
pub fn register_notices(pipeline: &Pipeline, registry: &mut Registry) {
    let diverged = pipeline.health().diverged.load(Ordering::Relaxed);
    let said = "decisions that came out differently when they were made again at the start";
    registry.register("decisions_diverged", said, ConstCounter::new(diverged));
    let undelivered: Gauge = Gauge::default();
    undelivered.set(pipeline.courier.lock().undelivered().len() as i64);
    registry.register("notices_undelivered", "notices that were given up and not sent again", undelivered);
    let Some(delivery) = pipeline.courier.delivery() else { return };
    let notices = Family::<Outcome, Gauge>::default();
    for (receiver, state) in delivery.states() {
        let counts = [
            ("waiting", state.waiting as u64),
            ("accepted", state.accepted),
            ("given_up", state.given_up),
            ("folded", state.folded),
            ("failed_attempt", state.failed),
        ];
        for (outcome, n) in counts {
            let outcome = Outcome { receiver: receiver.to_string(), outcome };
            notices.get_or_create(&outcome).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
    registry.register("notices", "notices by receiver and outcome since the start", notices);
    let said = "notices to receivers that are not configured";
    registry.register("notices_unknown_receiver", said, ConstCounter::new(delivery.unknown()));
}
