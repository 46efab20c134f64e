//! Collecting: the engine runs over a history; what its questions saw is put beside what would have been right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;

use super::super::backtest::{AFTERMATH, one_event, primed};
use super::super::history::History;
use super::delays::Seen;
use crate::domain::alert::AlertView;
use crate::domain::ids::{AlertId, TenantId};
use crate::domain::time::{Span, Timestamp};
use crate::engine::Loaded;
use crate::engine::choice::Choice;
use crate::engine::effect::Effect;
use crate::engine::input::Input;
use crate::engine::logit::{Features, Question};
use crate::engine::tuning::Tuning;

/// A question that is asked of one alert again within this time says nothing new.
const AGAIN: Span = Span::secs(20);
/// What a question saw, and whether yes was right.
#[derive(Clone, Debug)]
pub struct Sample {
    pub question: Question,
    pub features: Features,
    pub right: bool,
}

/// The alerts of a run, and what the labels say of them.
#[derive(Default)]
struct Labels {
    /// Events of each alert by true incident; nobody's are under `None`.
    votes: BTreeMap<AlertId, BTreeMap<Option<u32>, u32>>,
    seen: BTreeMap<AlertId, Timestamp>,
    /// The first sight of each alert of a true incident, in order.
    of_incident: BTreeMap<u32, Vec<Timestamp>>,
    /// As it was told last.
    views: BTreeMap<AlertId, Arc<AlertView>>,
}

impl Labels {
    fn settle(&mut self) {
        let truths: Vec<(AlertId, Option<u32>)> = self.votes.keys().map(|alert| (*alert, self.truth(*alert))).collect();
        for (alert, truth) in truths {
            if let Some(incident) = truth {
                self.of_incident.entry(incident).or_default().push(self.seen[&alert]);
            }
        }
        self.of_incident.values_mut().for_each(|times| times.sort_unstable());
    }

    /// The true incident of an alert: that of most of its events.
    fn truth(&self, alert: AlertId) -> Option<u32> {
        self.votes.get(&alert)?.iter().max_by_key(|(_, count)| **count).and_then(|(incident, _)| *incident)
    }

    /// Those of the alerts of which it is known where they belong.
    fn known(&self, alerts: &[AlertId]) -> Vec<AlertId> {
        alerts.iter().copied().filter(|alert| self.votes.contains_key(alert)).collect()
    }

    /// The true incident of most alerts, and how many of them are of it.
    fn majority(&self, alerts: &[AlertId]) -> Option<(u32, usize)> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for alert in alerts {
            if let Some(incident) = self.truth(*alert) {
                *counts.entry(incident).or_default() += 1;
            }
        }
        let best = counts.into_iter().max_by_key(|(_, count)| *count)?;
        (2 * best.1 > alerts.len()).then_some(best)
    }

    /// Whether yes was the right answer; `None` when there is nothing to go by.
    fn right(&self, choice: &Choice) -> Option<bool> {
        self.votes.get(&choice.alert)?;
        let others = self.known(&choice.others);
        if others.is_empty() && !choice.others.is_empty() {
            return None;
        }
        match choice.question {
            Question::Link | Question::Kin | Question::Stranger => {
                if others.is_empty() {
                    return None;
                }
                let there = self.majority(&others).map(|(incident, _)| incident);
                Some(there.is_some() && there == self.truth(choice.alert))
            }
            // The group is an incident when it is most of what there is of one by now.
            Question::Tell | Question::Lone => {
                let Some((incident, count)) = self.majority(&others) else { return Some(false) };
                let by_now = self.of_incident.get(&incident)?.partition_point(|seen| *seen <= choice.at);
                Some(2 * count >= by_now)
            }
        }
    }
}

/// Runs the engine over a history and labels what its questions saw; the delays between its alerts go into `delays`.
///
/// # Errors
/// When the history cannot be read.
pub fn collect(history: &History, tuning: Arc<Tuning>, delays: &mut Seen) -> Result<Vec<Sample>> {
    let tenant = TenantId::from("default");
    let mut engine = primed(history.topology.clone(), tuning, &tenant);
    engine.watch_choices();
    let mut recording = history.recording(tenant.clone())?;
    let mut labels = Labels::default();
    let mut choices: Vec<Choice> = Vec::new();
    let mut asked: BTreeMap<(Question, AlertId), Timestamp> = BTreeMap::new();
    let mut keep = |found: Vec<Choice>, choices: &mut Vec<Choice>| {
        let mut moment = BTreeSet::new();
        for choice in found {
            let key = (choice.question, choice.alert);
            let stale = asked.get(&key).is_some_and(|last| choice.at.since(*last) < AGAIN && *last != choice.at);
            if !stale {
                moment.insert((key, choice.at));
                choices.push(choice);
            }
        }
        asked.extend(moment);
    };
    while let Some(event) = recording.next_event()? {
        let truth = history.incident_of.get(&event.id).copied();
        let is_known = !history.truth.unknown.contains(&*event.id);
        let at = event.observed_at;
        let (_, effects) = one_event(&mut engine, &tenant, event);
        for effect in effects {
            match effect {
                Effect::Verdict { verdict, .. } => {
                    let Some(alert) = verdict.alert() else { continue };
                    labels.seen.entry(alert).or_insert(at);
                    if is_known {
                        *labels.votes.entry(alert).or_default().entry(truth).or_default() += 1;
                    }
                }
                Effect::Alert { alert } => drop(labels.views.insert(alert.id, alert)),
                Effect::Incident { .. }
                | Effect::Timeline { .. }
                | Effect::Notify { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
        keep(engine.take_choices(), &mut choices);
    }
    engine.step(engine.now().plus(AFTERMATH), &Input::Tick, Loaded::Nothing);
    keep(engine.take_choices(), &mut choices);
    labels.settle();
    delays.add(&history.topology, labels.views.values(), |alert| labels.truth(alert));
    let label = |choice: &Choice| {
        let right = labels.right(choice)?;
        Some(Sample { question: choice.question, features: choice.features, right })
    };
    Ok(choices.iter().filter_map(label).collect())
}
