//! A series as the running program tells it: through the same watch as in `serve`, with all its opinions (baseline, pattern, flat,
//! silent), its triggers and what it takes for no matter.

use std::collections::{BTreeMap, BTreeSet};

use super::judged::{Tally, tally_of};
use super::synthetic::{Labelled, Like};
use crate::detect::jury::Model;
use crate::detect::watch::{Limits, Watch};
use crate::domain::event::{ObjectRef, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::point::Point;
use crate::domain::time::Span;

/// Silence after which a series is forgotten, as the default settings have it.
const IDLE: Span = Span::hours(6);

/// The places of the readings at which an alert begins. One that becomes worse begins no other one.
pub fn run(series: &Labelled, model: Model) -> Vec<usize> {
    let (tenant, source) = (TenantId::from("lab"), SourceId::from("lab"));
    let mut watch = Watch::new(Limits::of(1));
    watch.judge_by(&tenant, Some(model));
    let mut firing = BTreeSet::new();
    let mut told = Vec::new();
    for (n, (at, value)) in series.readings.iter().enumerate() {
        watch.sweep(*at, IDLE);
        let point = Point {
            name: series.name.as_str().into(),
            object: ObjectRef { name: Some("lab".into()), ..ObjectRef::default() },
            labels: Labels::default(),
            value: *value,
            at: *at,
            unit: None,
            aspect: None,
            measure: None,
            worse: None,
            is_counter: false,
        };
        watch.take(&tenant, &source, &point, *at);
        for event in watch.told() {
            let begins = match event.status {
                Status::Firing => firing.insert(event.name),
                Status::Resolved | Status::Change => {
                    firing.remove(&event.name);
                    false
                }
            };
            if begins && told.last() != Some(&n) {
                told.push(n);
            }
        }
    }
    told
}

/// All series, by kind; those that are of none are under "all others".
pub fn evaluate(all: &[Labelled], model: Model) -> BTreeMap<&'static str, Tally> {
    let mut by_kind: BTreeMap<&'static str, Tally> = BTreeMap::new();
    for series in all {
        let one = tally_of(series, run(series, model));
        by_kind.entry(series.like.map_or("all others", Like::word)).or_default().add(&one);
    }
    by_kind
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{self, Anomalous};
    use super::*;

    #[test]
    fn what_is_told_live_finds_anomalies_and_quiet_series_are_quiet() {
        let all = |anomalous: Anomalous, seed: u64| {
            Tally::of(evaluate(&synthetic::series(15, anomalous, seed), Model::default()).values())
        };
        let (told, quiet) = (all(Anomalous::Yes, 7), all(Anomalous::No, 8));
        assert!(told.scores().1 >= 0.5, "{told:?}");
        assert!(quiet.per_series_day() < 0.5, "{quiet:?}");
    }
}
