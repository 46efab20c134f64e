//! The alerts that hang on another one.

use std::ops::Deref;

use super::alert::Bond;
use super::cell::Cell;
use super::slab::Place;
use crate::domain::few::Few;

/// Places of alerts, in the order in which they came, and how many of them are more than folded in: with thousands of
/// recurrences that is asked for each that comes.
#[derive(Clone, Debug, Default)]
pub struct Children {
    all: Few<Place>,
    explained: u32,
}

impl Children {
    /// Another one, which hangs by this bond.
    pub fn push(&mut self, child: Place, bond: Bond) {
        self.all.push(child);
        self.explained += u32::from(bond != Bond::Fold);
    }

    /// One goes, which has hung by this bond.
    pub fn remove(&mut self, child: Place, bond: Bond) {
        let before = self.all.len();
        self.all.retain(|one| *one != child);
        let was_explained = bond != Bond::Fold && self.all.len() < before;
        debug_assert!(!was_explained || self.explained > 0, "a bond was changed while it held");
        self.explained = self.explained.saturating_sub(u32::from(was_explained));
    }

    /// All of them go.
    pub fn take(&mut self) -> Vec<Place> {
        self.explained = 0;
        self.all.take()
    }

    /// Whether all of them are folded in.
    pub const fn are_folds(&self) -> bool {
        self.explained == 0
    }

    /// The places as snapshots keep them.
    pub fn into_places(self) -> Few<Place> {
        self.all
    }

    /// As a snapshot has them; `count_children` follows when all alerts are there.
    pub const fn read(all: Few<Place>) -> Self {
        Self { all, explained: 0 }
    }
}

impl Cell {
    /// Counts again by which bonds alerts hang on others.
    pub fn count_children(&mut self) {
        let bonds = self.alerts.iter().filter(|(_, alert)| alert.bond != Bond::Fold);
        let parents: Vec<Place> = bonds.filter_map(|(_, alert)| alert.parent).collect();
        for parent in parents {
            if let Some(alert) = self.alerts.get_mut(parent) {
                alert.children.explained += 1;
            }
        }
    }
}

impl Deref for Children {
    type Target = [Place];

    fn deref(&self) -> &[Place] {
        &self.all
    }
}

impl<'a> IntoIterator for &'a Children {
    type Item = &'a Place;
    type IntoIter = std::slice::Iter<'a, Place>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
