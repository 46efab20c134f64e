//! Scores of a back-test against labelled truth: are the incidents the true ones, is each root cause right?
//!
//! Definitions as published with the labelled storms: incidents are matched one to one, greedily by the largest
//! Jaccard overlap of their event sets; a match counts from 0.5.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One true incident.
#[derive(Clone, Debug, Default)]
pub struct TrueIncident {
    pub events: BTreeSet<String>,
    pub root_ci: String,
}

/// One incident that was told.
#[derive(Clone, Debug, Default)]
pub struct ToldIncident {
    pub events: BTreeSet<String>,
    /// Best first.
    pub root_cause: Vec<String>,
    /// Alerts in it; 0 when only its events are known.
    pub alerts: usize,
}

/// How well the told incidents fit the true ones; every share is 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Pair F1 over the events of true incidents.
    pub pair_f1: f64,
    /// True incidents with a match.
    pub found: f64,
    /// Of the true incidents whose root is known, those with a match whose first root cause is right.
    pub root_top1: f64,
    pub root_top3: f64,
    pub root_top5: f64,
    /// Told incidents with a match; those of pure noise count against it.
    pub precision: f64,
    /// True incidents whose root is known.
    pub rooted: usize,
}

impl Scores {
    /// The harmonic mean of precision and of what is found.
    pub fn f1(&self) -> f64 {
        let sum = self.precision + self.found;
        if sum == 0.0 { 0.0 } else { 2.0 * self.precision * self.found / sum }
    }
}

/// Scores told incidents against true ones. Empty true incidents do not count.
pub fn score(truth: &[TrueIncident], told: &[ToldIncident]) -> Scores {
    let truth: Vec<&TrueIncident> = truth.iter().filter(|t| !t.events.is_empty()).collect();
    let owner: BTreeMap<&str, usize> =
        truth.iter().enumerate().flat_map(|(i, t)| t.events.iter().map(move |e| (e.as_str(), i))).collect();
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    let mut cells: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for (k, incident) in told.iter().enumerate() {
        let mut shared: BTreeMap<usize, u64> = BTreeMap::new();
        for event in &incident.events {
            if let Some(i) = owner.get(event.as_str()) {
                *shared.entry(*i).or_default() += 1;
            }
        }
        for (i, n) in shared {
            let union = incident.events.len() as u64 + truth[i].events.len() as u64 - n;
            pairs.push((n as f64 / union as f64, i, k));
            cells.insert((i, k), n);
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let (mut matched, mut used) = (BTreeMap::new(), BTreeSet::new());
    for (overlap, i, k) in pairs {
        if !matched.contains_key(&i) && !used.contains(&k) {
            used.insert(k);
            matched.insert(i, (k, overlap));
        }
    }
    matched.retain(|_, (_, overlap)| *overlap >= 0.5);
    let has_root = |incident: &TrueIncident| !incident.root_ci.is_empty();
    let rooted = truth.iter().filter(|incident| has_root(incident)).count();
    let top = |n: usize| {
        let right =
            matched.iter().filter(|(i, (k, _))| told[*k].root_cause.iter().take(n).any(|c| *c == truth[**i].root_ci));
        share(right.filter(|(i, _)| has_root(truth[**i])).count(), rooted)
    };
    Scores {
        pair_f1: pair_f1(&truth, told, &cells),
        found: share(matched.len(), truth.len()),
        root_top1: top(1),
        root_top3: top(3),
        root_top5: top(5),
        precision: share(matched.len(), told.len()),
        rooted,
    }
}

fn share(n: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { n as f64 / of as f64 }
}

/// Pairs of events that are together in both, against those together in either; events that belong to no true
/// incident are left out, events that are in no told incident are alone.
fn pair_f1(truth: &[&TrueIncident], told: &[ToldIncident], cells: &BTreeMap<(usize, usize), u64>) -> f64 {
    let choose = |n: u64| (n * n.saturating_sub(1)) / 2;
    let both: u64 = cells.values().map(|n| choose(*n)).sum();
    let true_pairs: u64 = truth.iter().map(|t| choose(t.events.len() as u64)).sum();
    let told_pairs: u64 =
        (0..told.len()).map(|k| choose(cells.iter().filter(|((_, at), _)| *at == k).map(|(_, n)| n).sum())).sum();
    if true_pairs + told_pairs == 0 { 0.0 } else { 2.0 * both as f64 / (true_pairs + told_pairs) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_incident_costs_recall_and_precision() {
        let set = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let truth = [TrueIncident { events: set(&["1", "2", "3", "4"]), root_ci: "r".into() }];
        let told = [
            ToldIncident { events: set(&["1", "2", "3"]), root_cause: vec!["x".into(), "r".into()], alerts: 0 },
            ToldIncident { events: set(&["4", "noise"]), root_cause: vec!["r".into()], alerts: 0 },
        ];
        let scores = score(&truth, &told);
        assert_eq!((scores.found, scores.root_top1, scores.root_top3, scores.precision), (1.0, 0.0, 1.0, 0.5));
        assert!((scores.pair_f1 - 2.0 * 3.0 / 9.0).abs() < 1e-9);
    }
}
