//! Evaluation: how well a model tells labelled histories, and what went wrong with the rest, by kind of fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::backtest::{AFTERMATH, Outcome, one_event, primed};
use super::early::Early;
use super::history::History;
use super::score::{Scores, ToldIncident, score};
use crate::domain::ids::TenantId;
use crate::domain::time::{Span, Timestamp};
use crate::engine::effect::Effect;
use crate::engine::input::Input;
use crate::engine::tuning::Tuning;
use crate::engine::{Engine, Loaded};

/// What became of the true incidents of one kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Fate {
    /// Of so many incidents …
    pub all: u32,
    /// … matched by one that was told, with the right root cause first.
    pub right: u32,
    /// … matched, with another root cause first.
    pub wrong_root: u32,
    /// … spread over several: no part is half of it.
    pub torn: u32,
    /// … told together with others, of which there is more.
    pub merged: u32,
    /// … held: less than half of it is in any incident.
    pub held: u32,
    /// Told incidents that are parts of these without being a match.
    pub fragments: u32,
}

impl Fate {
    /// Counts those of another history in.
    pub fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.right += other.right;
        self.wrong_root += other.wrong_root;
        self.torn += other.torn;
        self.merged += other.merged;
        self.held += other.held;
        self.fragments += other.fragments;
    }
}

/// A history, told and compared.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    pub history: String,
    pub events: usize,
    pub incidents: usize,
    pub told: usize,
    pub scores: Scores,
    /// The same so many seconds after each event and each opening, without what came later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub early: Vec<(i64, Scores)>,
    pub by_fault: BTreeMap<String, Fate>,
    /// Told incidents most of which belongs to nobody.
    pub invented: u32,
    /// How many of them consist of a single alert.
    pub invented_lone: u32,
}

/// A history that is being told, and those who look on.
struct Telling {
    engine: Engine,
    outcome: Outcome,
    looks: Vec<Early>,
}

impl Telling {
    fn fold(&mut self, effects: Vec<Effect>, ids: &[Box<str>]) {
        let (now, event) = (self.engine.now(), (!ids.is_empty()).then_some(self.outcome.events.len()));
        self.looks.iter_mut().for_each(|look| look.plan(now, event, &effects, &self.outcome));
        self.outcome.fold(effects, ids);
    }

    /// Lets time go on to `until`, with all looks on the way.
    fn wait(&mut self, until: Timestamp) {
        while let Some(due) = self.looks.iter().filter_map(Early::next).min().filter(|due| *due < until) {
            let effects = self.engine.step(due, &Input::Tick, Loaded::Nothing);
            self.fold(effects, &[]);
            self.looks.iter_mut().for_each(|look| look.look(due, &self.outcome));
        }
    }
}

/// Tells a history and compares; also so long after each event, for each of `looks`.
///
/// # Errors
/// When its events cannot be read.
pub fn evaluate(history: &History, tuning: Arc<Tuning>, looks: &[Span]) -> Result<Evaluation> {
    let tenant = TenantId::from("default");
    let engine = primed(history.topology.clone(), tuning, &tenant);
    let looks = looks.iter().map(|after| Early::after(*after)).collect();
    let mut telling = Telling { engine, outcome: Outcome::default(), looks };
    let mut recording = history.recording(tenant.clone())?;
    while let Some(event) = recording.next_event()? {
        telling.wait(event.observed_at);
        let (id, effects) = one_event(&mut telling.engine, &tenant, event);
        telling.fold(effects, &[id]);
    }
    let end = telling.engine.now().plus(AFTERMATH);
    telling.wait(end);
    let last = telling.engine.step(end, &Input::Tick, Loaded::Nothing);
    telling.fold(last, &[]);
    let Telling { outcome, looks, .. } = telling;
    let truth = history.truth.incidents();
    let early = looks.into_iter().map(|look| (look.after.as_secs(), score(&truth, &history.truth.judged(look.told()))));
    let early = early.collect();
    let told = history.truth.judged(outcome.told());
    let mut evaluation = Evaluation {
        history: history.name(),
        events: outcome.events.len(),
        incidents: history.truth.incidents.len(),
        told: told.len(),
        scores: score(&truth, &told),
        early,
        by_fault: BTreeMap::new(),
        invented: 0,
        invented_lone: 0,
    };
    evaluation.count_fates(history, &told);
    Ok(evaluation)
}

impl Evaluation {
    fn count_fates(&mut self, history: &History, told: &[ToldIncident]) {
        // How many events each told incident has of each true one.
        let mut shares: Vec<BTreeMap<u32, usize>> = Vec::new();
        for incident in told {
            let mut share = BTreeMap::new();
            for event in &incident.events {
                if let Some(number) = history.incident_of.get(event.as_str()) {
                    *share.entry(*number).or_default() += 1;
                }
            }
            shares.push(share);
        }
        let size = |number: u32| history.truth.incidents[number as usize].truth.events.len();
        let matches = |at: usize, number: u32, n: usize| 2 * n >= told[at].events.len() + size(number) - n;
        let mut matched: BTreeMap<u32, usize> = BTreeMap::new();
        for (at, share) in shares.iter().enumerate() {
            for (number, n) in share {
                if matches(at, *number, *n) {
                    matched.insert(*number, at);
                }
            }
        }
        for (at, share) in shares.iter().enumerate() {
            let true_events: usize = share.values().sum();
            let largest = share.iter().max_by_key(|(_, n)| **n);
            if 2 * true_events <= told[at].events.len() {
                self.invented += 1;
                self.invented_lone += u32::from(told[at].alerts == 1);
            } else if let Some((number, _)) = largest.filter(|(number, _)| matched.get(number) != Some(&at)) {
                self.fate(history, *number).fragments += 1;
            }
        }
        let of: BTreeSet<u32> = history.incident_of.values().copied().collect();
        for number in of {
            let parts: Vec<(usize, usize)> =
                shares.iter().enumerate().filter_map(|(at, share)| Some((at, *share.get(&number)?))).collect();
            let most = parts.iter().copied().max_by_key(|(_, n)| *n).unwrap_or_default();
            let in_any: usize = parts.iter().map(|(_, n)| n).sum();
            let right_root = matched.get(&number).map(|at| {
                told[*at].root_cause.first() == Some(&history.truth.incidents[number as usize].truth.root_ci)
            });
            let fate = self.fate(history, number);
            fate.all += 1;
            match right_root {
                Some(true) => fate.right += 1,
                Some(false) => fate.wrong_root += 1,
                None if 2 * in_any < size(number) => fate.held += 1,
                None if 2 * most.1 < size(number) => fate.torn += 1,
                None => fate.merged += 1,
            }
        }
    }

    fn fate(&mut self, history: &History, number: u32) -> &mut Fate {
        let fault = &history.truth.incidents[number as usize].fault;
        let fault = if fault.is_empty() { "unknown" } else { fault };
        self.by_fault.entry(fault.to_owned()).or_default()
    }
}
