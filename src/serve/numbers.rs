//! The numbers of parts that know nothing of metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::intake::Intake;

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
