//! Alert types that belong to nothing: nearly every episode stands alone.

use super::history::History;
use crate::domain::severity::Severity;
use crate::domain::time::Span;

/// Nothing else nearby within this long before and after: alone.
const ALONE: Span = Span::mins(5);
/// Episodes, places and share of lone ones from which on a type counts as background noise.
const EPISODES_LEAST: u64 = 20;
const PLACES_LEAST: usize = 3;
const SHARE_LEAST: f64 = 0.95;

/// Types that are background noise, with the share of lone episodes: never a critical one.
pub fn lone(history: &History) -> Vec<(usize, f64)> {
    let mut at_place: Vec<Vec<usize>> = vec![Vec::new(); history.places.len()];
    for (index, episode) in history.episodes.iter().enumerate() {
        at_place[episode.place].push(index);
    }
    let mut alone = vec![0u64; history.kinds.len()];
    let mut places = vec![std::collections::BTreeSet::new(); history.kinds.len()];
    for episode in &history.episodes {
        let (from, to) = (episode.at.minus(ALONE), episode.at.plus(ALONE));
        let others = |place: &usize| {
            let known = &at_place[*place];
            let first = known.partition_point(|index| history.episodes[*index].at < from);
            let near = known[first..].iter().map(|index| &history.episodes[*index]).take_while(|e| e.at <= to);
            near.into_iter().any(|e| e.kind != episode.kind)
        };
        alone[episode.kind] += u64::from(!history.near[episode.place].iter().any(others));
        places[episode.kind].insert(episode.place);
    }
    let shares =
        history.seen.iter().enumerate().map(|(kind, seen)| (kind, alone[kind] as f64 / seen.episodes.max(1) as f64));
    let is_noise = |(kind, share): &(usize, f64)| {
        let seen = history.seen[*kind];
        let many = seen.episodes >= EPISODES_LEAST && places[*kind].len() >= PLACES_LEAST;
        many && *share >= SHARE_LEAST && seen.worst < Severity::Critical
    };
    shares.filter(is_noise).collect()
}
