//! Root cause over all stories: AC@1, AC@3 and Avg@5 of what was told first and of what stood in the end.

use std::collections::{BTreeMap, BTreeSet};

use headwater::domain::ids::IncidentId;
use headwater::domain::incident::IncidentView;
use headwater::engine::effect::Effect;

use super::expect::Story;
use super::told::Told;
use super::{BEGIN, FOLDERS, WATCHED, play, span, steps, yaml};
use crate::storms::project;

/// The places of true roots among the candidates, from 0; none: it is not among them.
#[derive(Default)]
struct Places(Vec<Option<usize>>);

impl Places {
    /// The share of roots among the first `k`.
    fn at(&self, k: usize) -> f64 {
        let found = self.0.iter().flatten().filter(|place| **place < k).count();
        found as f64 / self.0.len().max(1) as f64
    }

    /// AC@1, AC@3 and Avg@5, the mean of AC@1 to AC@5.
    fn scores(&self) -> [f64; 3] {
        [self.at(1), self.at(3), (1..=5).map(|k| self.at(k)).sum::<f64>() / 5.0]
    }
}

fn place(incident: &IncidentView, root: &str) -> Option<usize> {
    incident.candidates.iter().position(|candidate| candidate.ci.id.as_str() == root)
}

/// Adds a story's roots: each is looked for in the incident that has it highest.
fn add(folder: &str, first: &mut Places, last: &mut Places) {
    let folder = project().join("tests/scenarios").join(folder);
    let story: Story = serde_json::from_value(yaml(&folder.join("story.yaml"))).expect("story.yaml");
    let steps = steps(&folder, "en");
    let end = steps.last().expect("a story").at;
    let until = story.until.as_deref().map_or(end.plus(WATCHED), |until| BEGIN.plus(span(until)));
    let effects = play(&steps, until, false);
    let mut opened: BTreeMap<IncidentId, IncidentView> = BTreeMap::new();
    for effect in &effects {
        if let Effect::Incident { incident, .. } = effect {
            opened.entry(incident.id).or_insert_with(|| (**incident).clone());
        }
    }
    let told = Told::of(&effects);
    let mut taken: BTreeSet<IncidentId> = BTreeSet::new();
    for root in story.expect.roots() {
        let free = told.standing().filter(|incident| !taken.contains(&incident.id));
        let best = free.min_by_key(|incident| place(incident, root).unwrap_or(usize::MAX));
        if let Some(best) = best {
            taken.insert(best.id);
        }
        last.0.push(best.and_then(|incident| place(incident, root)));
        first.0.push(best.and_then(|incident| place(opened.get(&incident.id)?, root)));
    }
}

#[test]
fn the_roots_of_all_stories_are_named() {
    let (mut first, mut last) = (Places::default(), Places::default());
    for folder in FOLDERS {
        add(folder, &mut first, &mut last);
    }
    let (roots, at_first, in_the_end) = (last.0.len(), first.scores(), last.scores());
    println!("{roots} roots; AC@1, AC@3, Avg@5: told first {at_first:.3?}, in the end {in_the_end:.3?}");
    assert_eq!(in_the_end, [1.0; 3], "in the end every story names its root first");
    for (got, least) in at_first.into_iter().zip(FIRST_LEAST) {
        assert!(got >= least, "told first: {at_first:?}, was at least {FIRST_LEAST:?}");
    }
}

/// What is told first is at least as good: some causes report last, or never.
const FIRST_LEAST: [f64; 3] = [0.90, 0.90, 0.90];
