//! Choices: what a learned question saw, kept for those who fit it. Off unless asked for.

use super::Engine;
use super::alert::Alert;
use super::cell::Cell;
use super::logit::{Features, Question};
use super::slab::Place;
use crate::domain::ids::AlertId;
use crate::domain::time::Timestamp;

/// Alerts named by one choice at most.
const ALERTS_MAX: usize = 64;

/// One question, asked once.
#[derive(Clone, Debug)]
pub struct Choice {
    pub question: Question,
    pub at: Timestamp,
    /// The alert that asks, and those it would join (or, of a group, all that are in it).
    pub alert: AlertId,
    pub others: Vec<AlertId>,
    pub features: Features,
}

impl Engine {
    /// Keeps every choice from here on.
    pub fn watch_choices(&mut self) {
        self.watches = true;
        self.cells.values_mut().for_each(|cell| cell.choices = Some(Vec::new()));
    }

    /// The choices since they were asked for last.
    pub fn take_choices(&mut self) -> Vec<Choice> {
        self.cells.values_mut().filter_map(|cell| cell.choices.as_mut()).flat_map(std::mem::take).collect()
    }
}

impl Cell {
    /// Keeps a choice, when somebody wants to know.
    pub fn note_choice(&mut self, question: Question, place: Place, features: &Features, others: &[Place]) {
        let at = self.now;
        let Some(choices) = self.choices.as_mut() else { return };
        let real = |place: &Place| self.alerts.get(*place).filter(|a: &&Alert| a.inferred.is_none()).map(|a| a.id);
        let Some(alert) = real(&place) else { return };
        let others = others.iter().filter_map(real).take(ALERTS_MAX).collect();
        choices.push(Choice { question, at, alert, others, features: *features });
    }
}
