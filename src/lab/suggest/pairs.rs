//! Which alert types cause which: a Hawkes process over the topology.
//!
//! Every episode either comes of itself, at the steady rate of its type, or of an earlier episode nearby (same place, or
//! one relation away), the likelier the sooner after it. Expectation and maximisation attribute each episode to the
//! causes that compete for it, so that what merely happens at the same time as a cause gets little. An alert type causes
//! another when it brings about clearly more of its episodes than the other way round.
//!
//! Input: a history of at least some dozen episodes per type. Deterministic. Fails where effects come later than a few
//! minutes, and where cause and effect carry the same time stamp: equal times prove no direction.

use std::collections::BTreeMap;

use serde::Serialize;

use super::history::History;

/// An effect usually comes about this many seconds after its cause.
const LAG_SECS: f64 = 30.0;
/// Causes older than this many lags are forgotten.
const LAGS_MAX: f64 = 9.0;
/// Rounds of attribution.
const ROUNDS: usize = 50;
/// Share of an effect's episodes that a cause must bring about, beyond what it gets back and one standard deviation.
const GAIN_LEAST: f64 = 0.005;
/// Seconds within which two episodes count as seen together.
const TOGETHER_SECS: f64 = 60.0;

/// An alert type that causes another, with the proof.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    #[serde(skip)]
    pub cause: usize,
    #[serde(skip)]
    pub effect: usize,
    /// Episodes of the effect that are attributed to the cause.
    pub episodes: f64,
    /// … of all its episodes.
    pub share: f64,
    /// The other way round: of the cause's episodes those attributed to the effect.
    pub share_back: f64,
    /// Effects per episode of the cause.
    pub follows: f64,
    /// How much more often the effect is seen within a minute after the cause than chance would have it.
    pub lift: f64,
    /// Mean seconds from cause to effect.
    pub lead_secs: f64,
    /// Share of the attributed episodes at the cause's own place.
    pub same_place: f64,
}

impl Pair {
    /// What the direction is decided by: greater than nothing, and clearly so.
    pub fn gain(&self) -> f64 {
        let all = self.episodes / self.share.max(f64::MIN_POSITIVE);
        self.share - self.share_back - self.episodes.sqrt() / all.max(1.0)
    }
}

/// An earlier episode nearby that may have caused one.
#[derive(Clone, Copy, Debug)]
struct Trigger {
    kind: usize,
    /// Density of the lag, summed over all episodes of the type nearby.
    weight: f64,
    /// Seconds since the latest of them.
    since: f64,
    same_place: bool,
}

/// Alert types that cause others, the surest first.
pub fn causes(history: &History) -> Vec<Pair> {
    let kinds = history.kinds.len();
    let triggers = triggers(history);
    let mut exposure = vec![0.0; kinds];
    let mut episodes = vec![0.0; kinds];
    for episode in &history.episodes {
        exposure[episode.kind] += history.near[episode.place].len() as f64;
        episodes[episode.kind] += 1.0;
    }
    let attributed = attribute(history, &triggers, &exposure, &episodes);
    let room = history.span_secs() * history.places.len().max(1) as f64;
    let mut pairs = Vec::new();
    for ((cause, effect), found) in attributed.iter().filter(|((cause, effect), _)| cause != effect) {
        let back = attributed.get(&(*effect, *cause)).map_or(0.0, |found| found.sum);
        let by_chance = episodes[*effect] * (exposure[*cause] * TOGETHER_SECS / room).min(1.0);
        let pair = Pair {
            cause: *cause,
            effect: *effect,
            episodes: found.sum,
            share: found.sum / episodes[*effect],
            share_back: back / episodes[*cause],
            follows: found.sum / episodes[*cause],
            lift: found.together / by_chance.max(1e-9),
            lead_secs: found.lead / found.sum.max(f64::MIN_POSITIVE),
            same_place: found.same_place / found.sum.max(f64::MIN_POSITIVE),
        };
        if pair.gain() > GAIN_LEAST {
            pairs.push(pair);
        }
    }
    pairs.sort_by(|a, b| b.gain().total_cmp(&a.gain()));
    pairs
}

/// For every episode the earlier ones that may have caused it.
fn triggers(history: &History) -> Vec<Vec<Trigger>> {
    /// How strongly a type at a place still acts, and since when that is known.
    struct Acting {
        kind: usize,
        weight: f64,
        at: f64,
    }
    let secs = |index: usize| history.episodes[index].at.0 as f64 / 1000.0;
    let mut acting: Vec<Vec<Acting>> = history.places.iter().map(|_| Vec::new()).collect();
    let mut triggers: Vec<Vec<Trigger>> = Vec::with_capacity(history.episodes.len());
    let mut first = 0;
    while first < history.episodes.len() {
        let now = secs(first);
        let alike = history.episodes[first..].iter().take_while(|e| e.at == history.episodes[first].at).count();
        let moment = &history.episodes[first..first + alike];
        for episode in moment {
            let mut of: BTreeMap<usize, Trigger> = BTreeMap::new();
            for near in &history.near[episode.place] {
                acting[*near].retain(|known| now - known.at < LAGS_MAX * LAG_SECS);
                for known in &acting[*near] {
                    let since = now - known.at;
                    let weight = known.weight * (-since / LAG_SECS).exp();
                    let same_place = *near == episode.place;
                    let trigger =
                        of.entry(known.kind).or_insert(Trigger { kind: known.kind, weight: 0.0, since, same_place });
                    trigger.weight += weight;
                    trigger.same_place |= same_place;
                    trigger.since = trigger.since.min(since);
                }
            }
            triggers.push(of.into_values().collect());
        }
        // Equal times prove no direction: what begins now acts from the next moment on.
        for episode in moment {
            let known = &mut acting[episode.place];
            match known.iter_mut().find(|known| known.kind == episode.kind) {
                Some(known) => {
                    known.weight = known.weight * (-(now - known.at) / LAG_SECS).exp() + 1.0 / LAG_SECS;
                    known.at = now;
                }
                None => known.push(Acting { kind: episode.kind, weight: 1.0 / LAG_SECS, at: now }),
            }
        }
        first += alike;
    }
    triggers
}

/// What is attributed to a pair of types.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    sum: f64,
    lead: f64,
    same_place: f64,
    together: f64,
}

/// Attributes every episode to its own rate and to its triggers, in rounds.
fn attribute(
    history: &History,
    triggers: &[Vec<Trigger>],
    exposure: &[f64],
    episodes: &[f64],
) -> BTreeMap<(usize, usize), Found> {
    let kinds = history.kinds.len();
    let room = history.span_secs() * history.places.len().max(1) as f64;
    let mut own: Vec<f64> = episodes.iter().map(|n| 0.5 * n / room).collect();
    let mut brings = vec![0.05; kinds * kinds];
    for _ in 0..ROUNDS {
        let (mut own_sum, mut sums) = (vec![0.0; kinds], vec![0.0; kinds * kinds]);
        for (episode, triggers) in history.episodes.iter().zip(triggers) {
            let effect = episode.kind;
            let rate: f64 =
                own[effect] + triggers.iter().map(|t| brings[t.kind * kinds + effect] * t.weight).sum::<f64>();
            own_sum[effect] += own[effect] / rate;
            for trigger in triggers {
                let pair = trigger.kind * kinds + effect;
                sums[pair] += brings[pair] * trigger.weight / rate;
            }
        }
        for kind in 0..kinds {
            own[kind] = own_sum[kind] / room;
            for effect in 0..kinds {
                brings[kind * kinds + effect] = sums[kind * kinds + effect] / exposure[kind].max(1.0);
            }
        }
    }
    let mut attributed: BTreeMap<(usize, usize), Found> = BTreeMap::new();
    for (episode, triggers) in history.episodes.iter().zip(triggers) {
        let effect = episode.kind;
        let rate: f64 = own[effect] + triggers.iter().map(|t| brings[t.kind * kinds + effect] * t.weight).sum::<f64>();
        for trigger in triggers {
            let part = brings[trigger.kind * kinds + effect] * trigger.weight / rate;
            let found = attributed.entry((trigger.kind, effect)).or_default();
            found.sum += part;
            found.lead += part * trigger.since;
            found.same_place += if trigger.same_place { part } else { 0.0 };
            found.together += f64::from(u8::from(trigger.since <= TOGETHER_SECS));
        }
    }
    attributed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Event, ObjectRef};
    use crate::domain::time::{Span, Timestamp};
    use crate::domain::topology::Topology;
    use crate::lab::built_in::shipped_schema;

    /// Every ten minutes a cause, after it its effect, in between an alert of another kind; `offsets` in seconds.
    fn check(offsets: &[(&str, i64)], told: &[(&str, &str)]) {
        let mut events = Vec::new();
        for n in 0..60i64 {
            for (name, secs) in offsets {
                let jitter = (n * 7919 + *secs * 31) % 5;
                let at = Timestamp(1_700_000_000_000 + (n * 6000 + secs + jitter) * 1000);
                let mut event = Event::new("t".into(), "s".into(), name, at);
                event.object = ObjectRef { name: Some("router-1".into()), ..ObjectRef::default() };
                events.push(event);
            }
        }
        let history = History::of(&events, &Topology::empty(shipped_schema()), Span::mins(40));
        let found: Vec<_> = causes(&history)
            .iter()
            .map(|p| (history.kinds[p.cause].name.to_string(), history.kinds[p.effect].name.to_string()))
            .collect();
        let told: Vec<_> = told.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(found, told);
    }

    #[test]
    fn what_follows_soon_is_an_effect_and_what_comes_at_any_time_is_not() {
        check(&[("link-down", 0), ("peer-lost", 12), ("fan-slow", 3000)], &[("link-down", "peer-lost")]);
        check(&[("link-down", 0), ("fan-slow", 3000)], &[]);
    }

    #[test]
    fn equal_times_prove_nothing() {
        let mut events = Vec::new();
        for n in 0..50i64 {
            for name in ["a", "b"] {
                let mut event = Event::new("t".into(), "s".into(), name, Timestamp(1_700_000_000_000 + n * 6_000_000));
                event.object = ObjectRef { name: Some("x".into()), ..ObjectRef::default() };
                events.push(event);
            }
        }
        assert!(causes(&History::of(&events, &Topology::empty(shipped_schema()), Span::mins(40))).is_empty());
    }
}
