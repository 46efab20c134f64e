//! What a moment has touched: noted as often as it happens, told once each, in order.

use super::slab::Place;
use crate::domain::ids::IncidentId;

/// Places, each as often as it was touched. The room is used again from moment to moment.
#[derive(Clone, Debug, Default)]
pub struct Touched(Vec<Place>);

impl Touched {
    /// Notes a place.
    pub fn insert(&mut self, place: Place) {
        if self.0.last() != Some(&place) {
            self.0.push(place);
        }
    }

    /// All of them, some more than once.
    pub fn iter(&self) -> impl Iterator<Item = Place> + use<'_> {
        self.0.iter().copied()
    }

    /// Takes all of them, each once and in order.
    pub fn take(&mut self) -> Vec<Place> {
        let mut places = std::mem::take(&mut self.0);
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Gives the room of what was taken back.
    pub fn reuse(&mut self, mut places: Vec<Place>) {
        places.clear();
        self.0 = places;
    }
}

/// In which incident each alert that moved was before.
#[derive(Clone, Debug, Default)]
pub struct Moved(Vec<(Place, Option<IncidentId>)>);

impl Moved {
    /// Notes where an alert was; what is noted first counts.
    pub fn insert(&mut self, place: Place, was: Option<IncidentId>) {
        self.0.push((place, was));
    }

    /// Takes all of them, each once and in order.
    pub fn take(&mut self) -> Vec<(Place, Option<IncidentId>)> {
        let mut moved = std::mem::take(&mut self.0);
        moved.sort_by_key(|(place, _)| *place);
        moved.dedup_by_key(|(place, _)| *place);
        moved
    }
}
