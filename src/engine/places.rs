//! Lists of places that are mostly of one: that one is kept in the list itself.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::slab::Place;
use crate::domain::few::Few;

/// Places in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub enum Places {
    #[default]
    None,
    One(Place),
    Many(Few<Place>),
}

impl Places {
    /// Adds one at the end.
    pub fn push(&mut self, place: Place) {
        match self {
            Self::None => *self = Self::One(place),
            Self::One(first) => *self = Self::Many(vec![*first, place].into()),
            Self::Many(places) => places.push(place),
        }
    }

    /// Keeps those of which `stays` is true.
    pub fn retain(&mut self, mut stays: impl FnMut(&Place) -> bool) {
        match self {
            Self::None => {}
            Self::One(place) if stays(place) => {}
            Self::One(_) => *self = Self::None,
            Self::Many(places) => places.retain(stays),
        }
    }
}

impl Deref for Places {
    type Target = [Place];

    fn deref(&self) -> &[Place] {
        match self {
            Self::None => &[],
            Self::One(place) => std::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }
}

impl<'a> IntoIterator for &'a Places {
    type Item = &'a Place;
    type IntoIter = std::slice::Iter<'a, Place>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Serialize for Places {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let places = Vec::deserialize(deserializer)?;
        Ok(if let [one] = places[..] { Self::One(one) } else { Self::Many(places.into()) })
    }
}
