//! The events that were decided, minute by minute: of sources, types of alerts, CIs, and the business services that need them.

use std::collections::BTreeMap;

use crate::detect::rates::{Ended, OF_KIND_MAX, Of};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::engine::fields::services_of;
use crate::pipeline::Pipeline;
use crate::projection::fired::Minute;

const MINUTE: Span = Span::mins(1);
/// A minute is looked at so long after its end: what was accepted in it is decided then.
const LATE: Span = Span::secs(5);
/// Minutes that are made up for at most: a longer pause is no series of zeros.
const MISSED_MAX: i64 = 120;

/// The minutes that were seen.
#[derive(Default)]
pub(super) struct Minutes {
    /// The first one that is still open.
    open: Option<i64>,
}

impl Minutes {
    /// The minutes that have ended since the last time. The one that is going on at first is left out: its beginning was not
    /// seen.
    pub fn ended(&mut self, pipeline: &Pipeline, now: Timestamp) -> Vec<Ended> {
        let next = (now.0 - LATE.0).div_euclid(MINUTE.0);
        let Some(open) = self.open else {
            // What came before the start says nothing of now.
            pipeline.live.take_fired(next + 1);
            self.open = Some(next + 1);
            return Vec::new();
        };
        if next <= open {
            return Vec::new();
        }
        self.open = Some(next);
        let first = open.max(next - MISSED_MAX);
        let mut all: Vec<Ended> = (first..next).map(|minute| Ended { minute, ..Ended::default() }).collect();
        for (tenant, minutes) in pipeline.live.take_fired(next) {
            let topology = pipeline.topology(&tenant);
            for (minute, counted) in minutes {
                // What was decided late counts in the first minute that is still open.
                let ended = &mut all[(minute - first).max(0) as usize];
                let counts = ended.counts.entry(tenant.clone()).or_default();
                add(counts, &counted, &topology);
            }
        }
        all
    }
}

fn add(counts: &mut BTreeMap<Of, u32>, minute: &Minute, topology: &Topology) {
    let mut count = |of: Of, n: u32| *counts.entry(of).or_default() += n;
    let mut types = Vec::new();
    for (source, of) in &minute.sources {
        count(Of::Source(source.clone()), of.all);
        types.extend(of.names.iter().map(|(name, n)| (Of::Type(source.clone(), name.clone()), *n)));
    }
    most(types).into_iter().for_each(|(of, n)| count(of, n));
    for (ci, n) in most(minute.cis.iter().map(|(ci, n)| (ci.clone(), *n)).collect()) {
        let services = topology.find(ci.as_str()).map(|ci| services_of(topology, ci)).unwrap_or_default();
        services.into_iter().for_each(|service| count(Of::Service(topology.id(service).clone()), n));
        count(Of::Ci(ci), n);
    }
}

/// Those with the most events, as many as may be counted by themselves.
fn most<K: Ord>(mut all: Vec<(K, u32)>) -> Vec<(K, u32)> {
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(OF_KIND_MAX);
    all
}
