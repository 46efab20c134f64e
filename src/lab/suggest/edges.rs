//! What the history says of the CMDB: relations that seem to be missing, and relations along which nothing ever passes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use super::history::History;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::{CiIx, Edge, Topology};

/// One place fails this soon after the other.
const SOON: Span = Span::secs(120);
/// Failures closer together than this are one occasion.
const OCCASION: Span = Span::mins(10);
/// Occasions that a proposal stands on, and the least share of the effect's and of the cause's occasions.
const OCCASIONS_LEAST: u32 = 5;
const SHARE_LEAST: f64 = 0.5;
/// Failures that a relation should have passed on, by its strength, before it is named.
const EXPECTED_LEAST: f64 = 5.0;
/// How much earlier than its cause an effect may be seen.
const EARLY: Span = Span::secs(30);
/// Earlier failures looked at per failure: the newest.
const EARLIER_MAX: usize = 64;
/// Proposals and relations listed.
const LISTED_MAX: usize = 50;

/// A relation that the CMDB seems to lack.
#[derive(Clone, Debug, Serialize)]
pub struct MissingEdge {
    pub cause: String,
    pub effect: String,
    /// Occasions on which the effect failed soon after the cause, and the other way round.
    pub occasions: u32,
    pub reversed: u32,
    /// Occasions of each at all.
    pub of_cause: u32,
    pub of_effect: u32,
    /// How many would be seen by chance.
    pub by_chance: f64,
    pub lead_secs: f64,
}

/// A relation along which nothing passed.
#[derive(Clone, Debug, Serialize)]
pub struct SilentEdge {
    pub cause: String,
    pub effect: String,
    pub relation: String,
    /// Failures of the cause that were felt elsewhere, and how many of them should have been felt here.
    pub failures: u32,
    pub expected: f64,
}

/// Occasions on which each place failed.
fn occasions(history: &History) -> Vec<Vec<Timestamp>> {
    let mut failed: Vec<Vec<Timestamp>> = vec![Vec::new(); history.places.len()];
    for episode in &history.episodes {
        let known = &mut failed[episode.place];
        if known.last().is_none_or(|last| episode.at.since(*last) >= OCCASION) {
            known.push(episode.at);
        }
    }
    failed
}

/// CIs that fail again and again soon after another one to which no path of two relations leads.
pub fn missing(history: &History) -> Vec<MissingEdge> {
    let failed = occasions(history);
    let mut all: Vec<(Timestamp, usize)> =
        failed.iter().enumerate().flat_map(|(place, times)| times.iter().map(move |at| (*at, place))).collect();
    all.sort_unstable();
    let mut followed: BTreeMap<(usize, usize), (u32, i64)> = BTreeMap::new();
    let mut earlier: VecDeque<(Timestamp, usize)> = VecDeque::new();
    for (at, effect) in all.into_iter().filter(|(_, place)| history.places[*place].ci.is_some()) {
        while earlier.front().is_some_and(|(before, _)| at.since(*before) > SOON) || earlier.len() > EARLIER_MAX {
            earlier.pop_front();
        }
        for (before, cause) in earlier.iter().filter(|(before, cause)| *before < at && *cause != effect) {
            let found = followed.entry((*cause, effect)).or_default();
            found.0 += 1;
            found.1 += at.since(*before).0;
        }
        earlier.push_back((at, effect));
    }
    let mut missing = Vec::new();
    for ((cause, effect), (times, lead)) in &followed {
        let reversed = followed.get(&(*effect, *cause)).map_or(0, |found| found.0);
        let (of_cause, of_effect) = (failed[*cause].len() as u32, failed[*effect].len() as u32);
        let by_chance = f64::from(of_cause) * f64::from(of_effect) * SOON.as_secs() as f64 / history.span_secs();
        let usual = f64::from(*times) < SHARE_LEAST * f64::from(of_cause.max(of_effect));
        let chance = f64::from(*times) < by_chance + 5.0 * by_chance.sqrt();
        if *times < OCCASIONS_LEAST || *times < 3 * reversed || usual || chance || related(history, *cause, *effect) {
            continue;
        }
        let label = |place: usize| history.places[place].label.to_string();
        missing.push(MissingEdge {
            cause: label(*cause),
            effect: label(*effect),
            occasions: *times,
            reversed,
            of_cause,
            of_effect,
            by_chance,
            lead_secs: *lead as f64 / 1000.0 / f64::from(*times),
        });
    }
    missing
        .sort_by(|a, b| b.occasions.cmp(&a.occasions).then_with(|| (&a.cause, &a.effect).cmp(&(&b.cause, &b.effect))));
    missing.truncate(LISTED_MAX);
    missing
}

/// Whether one relation, or two over a place between them, connect the two: then the CMDB knows, or a common cause does.
fn related(history: &History, one: usize, other: usize) -> bool {
    let near: BTreeSet<usize> = history.near[one].iter().copied().collect();
    history.near[other].iter().any(|place| near.contains(place))
}

/// Relations along which nothing passed, although the cause's failures passed on along others: what hurts nobody at all is
/// no failure.
pub fn silent(history: &History, topology: &Topology) -> Vec<SilentEdge> {
    let failed = occasions(history);
    let of: BTreeMap<CiIx, usize> =
        history.places.iter().enumerate().filter_map(|(place, known)| Some((known.ci?, place))).collect();
    let mut silent = Vec::new();
    for (ci, cause) in &of {
        // Only effects that can be heard of, and relations that the CMDB has.
        let heard = |edge: &Edge| of.get(&edge.ci).copied().filter(|effect| !failed[*effect].is_empty());
        let edges: Vec<(Edge, usize)> = topology
            .effects(*ci)
            .iter()
            .filter(|edge| !topology.is_presumed_from(*ci, edge))
            .filter_map(|edge| Some((*edge, heard(edge)?)))
            .collect();
        let felt = |at: &Timestamp, edge: &Edge, effect: usize| {
            let reach = Span(6 * topology.kind(edge.kind).delay_typ.0 + 30_000);
            let after = failed[effect].partition_point(|failure| *failure < at.minus(EARLY));
            failed[effect].get(after).is_some_and(|failure| *failure <= at.plus(reach))
        };
        let passed: Vec<Vec<bool>> = failed[*cause]
            .iter()
            .map(|at| edges.iter().map(|(edge, effect)| felt(at, edge, *effect)).collect())
            .collect();
        let failures = passed.iter().filter(|felt| felt.contains(&true)).count();
        for (which, (edge, _)) in edges.iter().enumerate() {
            let kind = topology.kind(edge.kind);
            let expected = failures as f64 * f64::from(kind.strength(*edge).0) / 1000.0;
            if expected < EXPECTED_LEAST || passed.iter().any(|felt| felt[which]) {
                continue;
            }
            silent.push(SilentEdge {
                cause: topology.id(*ci).to_string(),
                effect: topology.id(edge.ci).to_string(),
                relation: kind.relation.to_string(),
                failures: failures as u32,
                expected,
            });
        }
    }
    silent.sort_by(|a, b| b.expected.total_cmp(&a.expected));
    silent.truncate(LISTED_MAX);
    silent
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::event::{Event, ObjectRef};
    use crate::lab::built_in::read_topology;

    const BEGIN: i64 = 1_780_272_000_000;

    /// An estate of these relations, `from type to`.
    fn estate(relations: &[&str]) -> Arc<Topology> {
        let cis = ["pdu", "host-1", "host-2", "app-1", "app-2"];
        let cis = cis
            .map(|id| serde_json::json!({"id": id, "class": if id == "pdu" { "pdu" } else { "server" }, "name": id}));
        let relations: Vec<_> = relations
            .iter()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                serde_json::json!({"from": words[0], "type": words[1], "to": words[2]})
            })
            .collect();
        let text = serde_json::json!({"cis": cis, "relations": relations}).to_string();
        read_topology("estate", text.as_bytes(), None, 1).unwrap()
    }

    /// What failed, at second so and so of each of `rounds` rounds of an hour.
    fn history(rounds: i64, failures: &[(&str, i64)], topology: &Topology) -> History {
        let mut events = Vec::new();
        for round in 0..rounds {
            for (ci, secs) in failures {
                let at = Timestamp(BEGIN + (round * 3600 + secs + round % 3) * 1000);
                let mut event = Event::new("t".into(), "s".into(), &format!("{ci} down"), at);
                event.object = ObjectRef { ci_id: Some((*ci).into()), ..ObjectRef::default() };
                events.push(event);
            }
        }
        History::of(&events, topology, Span::mins(40))
    }

    #[test]
    fn what_fails_soon_after_another_without_a_relation_lacks_one() {
        let failures = [("host-1", 10), ("app-1", 40), ("app-2", 1800)];
        let lacking = estate(&["pdu powers host-1", "pdu powers host-2"]);
        let found = missing(&history(12, &failures, &lacking));
        let [edge] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&*edge.cause, &*edge.effect), ("host-1", "app-1"));
        assert_eq!((edge.occasions, edge.reversed, edge.lead_secs), (12, 0, 30.0));
        // The CMDB has it, or it was seen too seldom.
        let known = estate(&["host-1 hosts app-1"]);
        assert!(missing(&history(12, &failures, &known)).is_empty());
        assert!(missing(&history(4, &failures, &lacking)).is_empty());
    }

    #[test]
    fn a_relation_along_which_nothing_passes_is_named() {
        let topology = estate(&["pdu powers host-1", "pdu powers host-2"]);
        // The second host fails at other times only.
        let found = silent(&history(20, &[("pdu", 0), ("host-1", 5), ("host-2", 1800)], &topology), &topology);
        let [edge] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&*edge.cause, &*edge.effect, edge.failures), ("pdu", "host-2", 20));
        assert!(edge.expected >= EXPECTED_LEAST, "{edge:?}");
        // What was felt once is no silent one, and nor is one of a cause that hurts nobody.
        let felt = history(20, &[("pdu", 0), ("host-1", 5), ("host-2", 5)], &topology);
        assert!(silent(&felt, &topology).is_empty());
        let alone = history(20, &[("pdu", 0), ("host-1", 1800), ("host-2", 2400)], &topology);
        assert!(silent(&alone, &topology).is_empty());
    }
}
