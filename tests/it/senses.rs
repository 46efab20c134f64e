//! From readings to a root cause: series over a call graph, the detector, the engine.

use std::sync::Arc;

use headwater::detect::anomaly::{Findings, Series};
use headwater::detect::baseline::Baseline;
use headwater::detect::density::Density;
use headwater::detect::joint::Joint;
use headwater::detect::pattern::Pattern;
use headwater::detect::watch::{Limits, Watch};
use headwater::domain::event::Signal;
use headwater::domain::ids::SourceId;
use headwater::domain::incident::{EvidenceTerm, IncidentState};
use headwater::domain::point::{Aspect, Measure, Worse};
use headwater::domain::time::Timestamp;
use headwater::engine::Loaded;
use headwater::engine::effect::Effect;
use headwater::engine::input::Input;
use headwater::lab::built_in::read_topology;
use headwater::lab::estate::{Scale, sample_estate};
use headwater::lab::readings::readings;

use crate::storms::{engine, record, tenant};

const CALLS: &str = "
cis:
  - {id: web, class: app_service}
  - {id: cart, class: app_service}
  - {id: search, class: app_service}
  - {id: stock, class: database}
relations:
  - {from: web, to: cart, type: calls}
  - {from: web, to: search, type: calls}
  - {from: cart, to: stock, type: calls}
  - {from: search, to: stock, type: calls}
";

/// Series as (CI, aspect, usual level, level in the window); told: the best candidate of every incident, in order.
fn check(series: &[(&str, Aspect, f64, f64)], told: &[&str]) {
    let mut findings = Findings::worth_telling();
    for (ci, aspect, usual, now) in series {
        let before: Vec<f64> = (0..60).map(|n| usual * (1.0 + 0.01 * f64::from(n % 7))).collect();
        let baseline = Baseline::of(&before, Measure::Amount).unwrap();
        let one = Series { ci, aspect: *aspect, name: "level", signal: Signal::Metric, worse: Worse::Up };
        findings.look(&one, &baseline, &[*now; 5]);
    }
    let mut engine = engine(&read_topology("calls", CALLS.as_bytes(), None, 1).unwrap());
    let at = Timestamp(1_700_000_000_000);
    let mut effects = Vec::new();
    for event in findings.events(&tenant(), &SourceId::from("senses"), at) {
        effects.extend(engine.step(at, &record(&event), Loaded::Nothing));
    }
    effects.extend(engine.step(Timestamp(at.0 + 600_000), &Input::Tick, Loaded::Nothing));
    let mut incidents = std::collections::BTreeMap::new();
    for effect in effects {
        if let Effect::Incident { incident, .. } = effect {
            incidents.insert(incident.id, Arc::clone(&incident));
        }
    }
    let best: Vec<&str> = incidents.values().map(|i| i.candidates[0].ci.id.as_str()).collect();
    assert_eq!(best, told, "{series:?}");
    for incident in incidents.values() {
        let shown = incident.candidates[0].evidence.iter().any(|e| e.term == EvidenceTerm::Anomaly && e.n > 0);
        assert!(shown, "the anomaly score is shown among the evidence: {incident:?}");
    }
}

#[test]
fn req_b3_1_baseline_density_and_projection_say_what_they_take_and_decide_the_same_twice() {
    let jitter = |n: usize, k: usize| ((n * 31 + k * 17) * 7919 % 1009) as f64 / 1009.0 - 0.5;
    let rows: Vec<Vec<f64>> = (0..300)
        .map(|n| {
            let load = if n / 40 % 2 == 0 { 90.0 } else { 10.0 };
            vec![load + jitter(n, 1), 2.0 * load + jitter(n, 2), jitter(n, 3)]
        })
        .collect();
    let column: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    // A fixed baseline, one that goes with the day, the states of linfa-clustering, the components of linfa-reduction.
    assert_eq!(Baseline::of(&column, Measure::Amount), Baseline::of(&column, Measure::Amount));
    let rarities = || {
        let mut pattern = Pattern::default();
        let rarity = |(n, value): (usize, &f64)| pattern.take(Timestamp(n as i64 * 300_000), *value).rarity.to_bits();
        column.iter().enumerate().map(rarity).collect::<Vec<u32>>()
    };
    assert_eq!(rarities(), rarities());
    let density = Density::fit(&rows).unwrap();
    assert_eq!(Density::fit(&rows).unwrap(), density);
    let joint = Joint::fit(&rows).unwrap();
    assert_eq!(Joint::fit(&rows).unwrap(), joint);
    for name in ["baseline", "pattern", "density", "joint"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/detect/{name}.rs"));
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
        let about = lines.map(str::trim).collect::<Vec<_>>().join(" ");
        for word in ["Input: ", "arameter", "Fails where"] {
            assert!(about.contains(word), "{name} does not say {word:?}: {about}");
        }
    }
}

#[test]
fn the_service_that_slows_its_callers_is_the_root_cause() {
    let (slow, usual) = (Aspect::Latency, 0.02);
    check(&[("web", slow, 0.2, 1.4), ("cart", slow, usual, 0.9), ("stock", slow, usual, 1.0)], &["stock"]);
    check(&[("web", slow, 0.2, 1.4), ("cart", slow, usual, 0.9)], &["cart"]);
}

#[test]
fn a_ripple_below_does_not_explain_a_wave_above() {
    let slow = Aspect::Latency;
    // The database is a little slower than usual; the search is far slower than that.
    let series = [("web", slow, 0.2, 2.0), ("search", slow, 0.02, 2.0), ("stock", slow, 0.02, 0.032)];
    check(&series, &["search"]);
}

#[test]
fn what_is_full_is_not_full_because_others_are_slow() {
    let series = [
        ("cart", Aspect::Saturation, 0.1, 1.0),
        ("cart", Aspect::Latency, 0.02, 0.4),
        ("web", Aspect::Latency, 0.2, 2.0),
    ];
    check(&series, &["cart"]);
    let series = [("search", Aspect::Saturation, 0.1, 1.0), ("stock", Aspect::Latency, 0.02, 0.4)];
    check(&series, &["search", "stock"]);
}

/// Incidents as they stand, by number.
type Standing =
    std::collections::BTreeMap<headwater::domain::ids::IncidentId, Arc<headwater::domain::incident::IncidentView>>;

fn fold(standing: &mut Standing, effects: Vec<Effect>) {
    for effect in effects {
        if let Effect::Incident { incident, .. } = effect {
            standing.insert(incident.id, incident);
        }
    }
}

#[test]
fn a_fault_that_no_monitor_reports_becomes_one_incident_with_the_right_root() {
    let text = sample_estate(Scale::default());
    let estate = read_topology("sample estate", text.as_bytes(), None, 1).unwrap();
    let start = Timestamp(1_767_225_600_000);
    // The demo's own play (`headwater demo --metrics`), on a clock of its own.
    let readings = readings(&estate, start, 2026).unwrap();
    let (tenant, source) = (tenant(), SourceId::from("probe"));
    let (mut watch, mut engine) = (Watch::new(Limits::of(10_000)), engine(&estate));
    let mut standing = Standing::new();
    let mut told = 0;
    let minutes = readings.quiet.chunk_by(|a, b| a.at == b.at).chain(readings.played.chunk_by(|a, b| a.at == b.at));
    let mut now = start;
    for minute in minutes {
        now = minute[0].at;
        for point in minute {
            watch.take(&tenant, &source, point, now);
        }
        for event in watch.told() {
            assert!(event.annotations.iter().any(|(key, _)| key == "anomaly"), "only readings raise alerts: {event:?}");
            told += 1;
            fold(&mut standing, engine.step(now, &record(&event), Loaded::Nothing));
        }
        fold(&mut standing, engine.step(Timestamp(now.0 + 30_000), &Input::Tick, Loaded::Nothing));
    }
    for later in 1..=5 {
        fold(&mut standing, engine.step(Timestamp(now.0 + later * 60_000), &Input::Tick, Loaded::Nothing));
    }
    assert!(told >= readings.reached / 2, "{told} events of {} CIs", readings.reached);
    let open: Vec<_> = standing.values().filter(|one| one.state == IncidentState::Abnormal).collect();
    let names: Vec<&str> = open.iter().map(|one| one.candidates[0].ci.id.as_str()).collect();
    assert_eq!(names, [estate.id(readings.root).as_str()], "one incident, rooted in the CI that broke");
    assert!(open[0].ci_count as usize >= readings.reached / 2, "{} of {} CIs", open[0].ci_count, readings.reached);
}
