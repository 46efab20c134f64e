//! The numbers of parts that know nothing of metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::redis::OnRedis;
use crate::access::strangers::Strangers;
use crate::domain::time::Timestamp;
use crate::intake::Intake;
use crate::pipeline::Pipeline;
use crate::pipeline::counts::Counted;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Word {
    word: &'static str,
}

/// Registers what intake has counted since the start. Labels come from fixed lists.
pub fn register(intake: &Intake, now: Timestamp, registry: &mut Registry) {
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
    let series: Gauge = Gauge::default();
    series.set(intake.senses().series() as i64);
    registry.register("series_watched", "series of metric points that are watched here", series);
    let degraded: Gauge = Gauge::default();
    degraded.set(intake.senses().faults(now).len() as i64);
    let said = "reasons for which metric series are judged without their model";
    registry.register("metric_model_degraded", said, degraded);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    receiver: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sign {
    sign: &'static str,
}

/// Registers what the program found wrong with itself, what the start had to do, and what was left out because
/// there was too much of it.
pub fn register_bounds(pipeline: &Pipeline, registry: &mut Registry) {
    let gauge = |registry: &mut Registry, name: &str, said: &str, n: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
        registry.register(name, said, gauge);
    };
    let (holds, told) = (Family::<Sign, Gauge>::default(), Family::<Sign, Counter>::default());
    for (sign, count) in pipeline.health().signs() {
        holds.get_or_create(&Sign { sign }).set(i64::from(count.holds));
        told.get_or_create(&Sign { sign }).inc_by(count.told);
    }
    registry.register("vitals_wrong", "1 while the program finds this wrong with itself", holds);
    registry.register("vitals_told", "how often that was told since the start", told);
    let start = pipeline.health().start();
    gauge(registry, "start_records", "journal records that the start had to read", start.records);
    gauge(registry, "start_ms", "how long the start took until state and views were there", start.took_ms);
    let lost = start.remade + start.begun;
    gauge(registry, "start_views_lost", "partitions whose stored view could not be used at the start", lost);
    let health = pipeline.health();
    let broken = ConstCounter::new(health.broken().len() as u64);
    registry.register("parts_broken", "parts beside the engine that have broken since the start", broken);
    let said = "partitions whose records are decided here";
    gauge(registry, "partitions_decided", said, pipeline.decides());
    let said = "instances that share the journal; 0 when it is a file";
    gauge(registry, "instances", said, health.instances().len() as u64);
    let claims = ConstCounter::new(health.claims.load(Ordering::Relaxed));
    registry.register("partitions_claimed", "how often the deciding of a partition began here", claims);
    let fenced = ConstCounter::new(health.fenced.load(Ordering::Relaxed));
    registry.register("partitions_fenced", "decisions that were refused, because another instance had begun", fenced);
    let counted = pipeline.all_counted();
    let sum = |of: &dyn Fn(&Counted) -> u64| counted.values().map(|counted| of(counted)).sum::<u64>();
    let cut = sum(&|counted| counted.hits.cut.values().sum());
    let said = "stories, alerts and windows of rules that were left out because there were too many";
    registry.register("rules_cut", said, ConstCounter::new(cut));
    let held_back = sum(&|counted| counted.held_back.iter().map(|(_, n)| n).sum());
    let said = "messages that receivers got in digests because they came too fast";
    registry.register("notices_held_back", said, ConstCounter::new(held_back));
    let alerts = sum(&|counted| counted.memory.alerts);
    gauge(registry, "alerts_in_memory", "alerts that the engine knows, firing or ended lately", alerts);
    let refused = sum(&|counted| counted.memory.refused);
    registry.register(
        "alerts_refused",
        "events refused because their tenant has too many alerts",
        ConstCounter::new(refused),
    );
    let cut = sum(&|counted| counted.memory.kinds_cut);
    let said = "alerts whose type is learned together with others because there are too many types";
    registry.register("alert_types_cut", said, ConstCounter::new(cut));
}

/// Registers what was answered to those who asked without a valid credential.
pub fn register_strangers(strangers: &Strangers, registry: &mut Registry) {
    let [answered, refused] = strangers.counts();
    let said = "requests without a valid credential that were answered 401";
    registry.register("strangers_answered", said, ConstCounter::new(answered));
    let said = "requests without a valid credential of addresses that sent too many of them: 429";
    registry.register("strangers_refused", said, ConstCounter::new(refused));
}

/// Registers how notices ended since the start, and decisions that came out differently.
pub fn register_notices(pipeline: &Pipeline, registry: &mut Registry) {
    let diverged = pipeline.health().diverged.load(Ordering::Relaxed);
    let said = "decisions that came out differently when they were made again at the start";
    registry.register("decisions_diverged", said, ConstCounter::new(diverged));
    let nats: Gauge = Gauge::default();
    nats.set(i64::from(pipeline.health().nats().is_some()));
    registry.register("nats_away", "1 while NATS is configured and not in use", nats);
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

/// Registers how Redis is doing, and what was done there.
pub fn register_redis(redis: &OnRedis, registry: &mut Registry) {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (shared, view) = (&redis.shared, &redis.view);
    let gauge = |registry: &mut Registry, name: &str, said: &str, n: i64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(n);
        registry.register(name, said, gauge);
    };
    gauge(registry, "redis_away", "1 while Redis is configured and not in use", i64::from(!shared.is_in_use()));
    gauge(registry, "redis_instances", "instances that use Redis, when last known", i64::from(shared.instances()));
    let calls = Family::<Word, Counter>::default();
    let counts = &shared.counts;
    for (word, count) in [("answered", &counts.answered), ("failed", &counts.failed), ("spared", &counts.spared)] {
        calls.get_or_create(&Word { word }).inc_by(read(count));
    }
    registry.register("redis_calls", "calls to Redis by outcome; spared: not made while it was away", calls);
    let counter = |registry: &mut Registry, name: &str, said: &str, count: &AtomicU64| {
        registry.register(name, said, ConstCounter::new(read(count)));
    };
    counter(registry, "redis_lost", "how often Redis went away", &counts.lost);
    counter(registry, "redis_view_written", "incidents written to the live view in Redis", &view.written);
    counter(registry, "redis_view_rebuilt", "how often a tenant's live view in Redis was made again", &view.rebuilt);
    counter(registry, "redis_view_mended", "values of the live view in Redis that were put right", &view.mended);
}
