//! A vector with stable places that are used again, and generations that tell a new tenant from an old one.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// A place in a slab. Stays invalid for ever once its value is gone. Written as one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Place {
    index: u32,
    /// One more than the slot's, so that no place is all zeros: then `None` takes no room.
    generation: NonZeroU32,
}

impl Place {
    const fn at(index: u32, generation: u32) -> Self {
        Self { index, generation: NonZeroU32::MIN.saturating_add(generation) }
    }

    const fn generation(self) -> u32 {
        self.generation.get() - 1
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::at(0, 0)
    }
}

impl From<Place> for u64 {
    fn from(place: Place) -> Self {
        Self::from(place.generation()) << 32 | Self::from(place.index)
    }
}

impl From<u64> for Place {
    fn from(number: u64) -> Self {
        Self::at(number as u32, (number >> 32) as u32)
    }
}

/// Values in one piece: a slab grows piece by piece, so that nothing is ever moved and little lies idle.
const PIECE: usize = 256;

/// A generation, and the value when there is one.
type Slot<T> = (u32, Option<T>);

/// A vector with stable places. Iteration is in the order of places: the same on every run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slab<T> {
    #[serde(with = "pieces", bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
    slots: Vec<Vec<Slot<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        self.slots.get(index as usize / PIECE)?.get(index as usize % PIECE)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.slots.get_mut(index as usize / PIECE)?.get_mut(index as usize % PIECE)
    }

    /// How many slots there are, taken and free.
    fn slots(&self) -> usize {
        self.slots.last().map_or(0, |last| (self.slots.len() - 1) * PIECE + last.len())
    }

    /// Keeps `value` and says where.
    pub fn insert(&mut self, value: T) -> Place {
        if let Some(index) = self.free.pop() {
            let slot = self.slot_mut(index).expect("a free slot is there");
            slot.1 = Some(value);
            return Place::at(index, slot.0);
        }
        let index = u32::try_from(self.slots()).expect("fewer than 2^32 values at once");
        push(&mut self.slots, (0, Some(value)));
        Place::at(index, 0)
    }

    /// The value, when it is still there.
    pub fn get(&self, place: Place) -> Option<&T> {
        self.slot(place.index).filter(|s| s.0 == place.generation())?.1.as_ref()
    }

    /// The value, when it is still there.
    pub fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.slot_mut(place.index).filter(|s| s.0 == place.generation())?.1.as_mut()
    }

    /// Takes the value away.
    pub fn remove(&mut self, place: Place) -> Option<T> {
        let slot = self.slot_mut(place.index).filter(|s| s.0 == place.generation())?;
        let value = slot.1.take()?;
        slot.0 = slot.0.wrapping_add(1);
        self.free.push(place.index);
        Some(value)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.slots() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values with their places, in the order of places.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        self.slots
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, (generation, value))| Some((Place::at(index as u32, *generation), value.as_ref()?)))
    }

    /// All values for change, in the order of places.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Place, &mut T)> {
        self.slots
            .iter_mut()
            .flatten()
            .enumerate()
            .filter_map(|(index, (generation, value))| Some((Place::at(index as u32, *generation), value.as_mut()?)))
    }
}

fn push<T>(slots: &mut Vec<Vec<Slot<T>>>, slot: Slot<T>) {
    match slots.last_mut().filter(|last| last.len() < PIECE) {
        Some(last) => last.push(slot),
        None => {
            // A small slab takes no more than it needs.
            let mut piece = Vec::with_capacity(if slots.is_empty() { 0 } else { PIECE });
            piece.push(slot);
            slots.push(piece);
        }
    }
}

/// Snapshots keep all slots as one list.
mod pieces {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Slot, push};
    use crate::domain::stream;

    pub fn serialize<T: Serialize, S: Serializer>(slots: &[Vec<Slot<T>>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(slots.iter().flatten())
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<Slot<T>>>, D::Error> {
        let mut slots = Vec::new();
        stream::each(deserializer, |slot: Slot<T>| push(&mut slots, slot))?;
        Ok(slots)
    }
}

impl<T> std::ops::Index<Place> for Slab<T> {
    type Output = T;

    fn index(&self, place: Place) -> &T {
        self.get(place).expect("a place that is held is alive")
    }
}

impl<T> std::ops::IndexMut<Place> for Slab<T> {
    fn index_mut(&mut self, place: Place) -> &mut T {
        self.get_mut(place).expect("a place that is held is alive")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_dies_with_its_value() {
        let mut slab = Slab::default();
        let first = slab.insert("a");
        assert_eq!(slab.remove(first), Some("a"));
        let second = slab.insert("b");
        assert_eq!((slab.get(first), slab.get(second), slab.len()), (None, Some(&"b"), 1));
    }

    #[test]
    fn a_slab_of_several_pieces_is_one_list() {
        let mut slab = Slab::default();
        let places: Vec<Place> = (0..600).map(|n| slab.insert(n)).collect();
        slab.remove(places[300]);
        let text = serde_json::to_string(&slab).unwrap();
        let again: Slab<i32> = serde_json::from_str(&text).unwrap();
        assert_eq!((again.len(), again.get(places[599]), again.get(places[300])), (599, Some(&599), None));
        assert!(again.iter().eq(slab.iter()) && serde_json::to_string(&again).unwrap() == text);
    }
}
