//! Learning delays: how long faults took along each kind of relation in labelled histories.
//!
//! Of a true incident the first alert of each CI counts, by the time at which it began. A CI that depends on exactly one
//! other CI of the incident gives a sample; with several nobody knows which one it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::alert::AlertView;
use crate::domain::ids::{AlertId, SourceId};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::{CiIx, Topology};
use crate::engine::delays::Delay;
use crate::engine::tuning::Tuning;

/// Samples below which nothing is learned of a kind of relation.
const SAMPLES_MIN: usize = 100;
/// The least width that is believed, as standard deviation of ln(delay), per mille: single delays are many times longer
/// than all others. Chosen on storms that are neither trained on nor reported.
const SPREAD_MIN: f64 = 600.0;

/// A kind of relation: its type, and the classes of cause and effect.
type Kind = (Arc<str>, Box<str>, Box<str>);

/// Delays seen, in milliseconds, by kind of relation.
#[derive(Clone, Debug, Default)]
pub struct Seen(BTreeMap<Kind, Vec<i64>>);

impl Seen {
    /// Adds what the alerts of a history show; `truth` says to which true incident each belongs.
    pub fn add<'a>(
        &mut self,
        topology: &Topology,
        alerts: impl Iterator<Item = &'a Arc<AlertView>> + Clone,
        truth: impl Fn(AlertId) -> Option<u32>,
    ) {
        let offsets = offsets(alerts.clone());
        let mut begun: BTreeMap<u32, BTreeMap<CiIx, Timestamp>> = BTreeMap::new();
        for alert in alerts {
            let ci = alert.ci.as_ref().and_then(|ci| topology.find(ci.id.as_str()));
            let (Some(incident), Some(ci)) = (truth(alert.id), ci) else { continue };
            let onset = alert.starts_at.plus(offsets[&alert.source]);
            let first = begun.entry(incident).or_default().entry(ci).or_insert(onset);
            *first = onset.min(*first);
        }
        for begun in begun.values() {
            for (effect, onset) in begun {
                let above: BTreeSet<_> = topology.causes(*effect).iter().map(|edge| (edge.ci, edge.kind.0)).collect();
                let mut above = above.into_iter().filter_map(|(cause, kind)| Some((kind, begun.get(&cause)?)));
                let (Some((kind, cause)), None) = (above.next(), above.next()) else { continue };
                let delay = onset.since(*cause).0;
                if delay > 0 {
                    let kind = &topology.kinds()[usize::from(kind)];
                    let key = (kind.relation.clone(), kind.cause_class.clone(), kind.effect_class.clone());
                    self.0.entry(key).or_default().push(delay);
                }
            }
        }
    }

    /// What they say of each kind of relation that was seen often enough, and how often it was.
    pub fn learned(&self, tuning: &Tuning) -> Vec<(Delay, usize)> {
        let seen = self.0.iter().filter(|(_, delays)| delays.len() >= SAMPLES_MIN);
        let learned = seen.map(|((relation, cause, effect), delays)| {
            let mut delays = delays.clone();
            delays.sort_unstable();
            let typical = Span::secs(((delays[delays.len() / 2] + 500) / 1000).clamp(1, 3600));
            let (relation, cause, effect) = (relation.as_ref().into(), cause.clone(), effect.clone());
            let spread = spread(&delays, typical, tuning);
            (Delay { relation, cause, effect, typical, spread }, delays.len())
        });
        learned.collect()
    }
}

/// By how much each source's clock is behind ours: the least time that an event of it took to arrive.
fn offsets<'a>(alerts: impl Iterator<Item = &'a Arc<AlertView>>) -> BTreeMap<SourceId, Span> {
    let mut offsets: BTreeMap<SourceId, Span> = BTreeMap::new();
    for alert in alerts {
        let lag = alert.first_seen.since(alert.starts_at);
        let least = offsets.entry(alert.source.clone()).or_insert(lag);
        *least = lag.min(*least);
    }
    offsets
}

/// The width of what the engine compares: logarithms of delays with the slack added on both sides.
fn spread(delays: &[i64], typical: Span, tuning: &Tuning) -> i64 {
    let slack = tuning.slack.0 as f64;
    let middle = typical.0 as f64 + slack;
    let most = tuning.spread_max as f64 * tuning.spread as f64 / 1_000_000.0;
    let squares = delays.iter().map(|delay| ((*delay as f64 + slack) / middle).ln().clamp(-most, most).powi(2));
    let deviation = (squares.sum::<f64>() / delays.len() as f64).sqrt() * 1000.0;
    deviation.clamp(SPREAD_MIN.min(tuning.spread as f64), tuning.spread as f64).round() as i64
}
