//! A vector with stable places that are used again, and generations that tell a new tenant from an old one.

use serde::{Deserialize, Serialize};

/// A place in a slab. Stays invalid for ever once its value is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    index: u32,
    generation: u32,
}

/// A vector with stable places. Iteration is in the order of places: the same on every run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slab<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Keeps `value` and says where.
    pub fn insert(&mut self, value: T) -> Place {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.1 = Some(value);
            return Place { index, generation: slot.0 };
        }
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 values at once");
        self.slots.push((0, Some(value)));
        Place { index, generation: 0 }
    }

    /// The value, when it is still there.
    pub fn get(&self, place: Place) -> Option<&T> {
        self.slots.get(place.index as usize).filter(|s| s.0 == place.generation)?.1.as_ref()
    }

    /// The value, when it is still there.
    pub fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.slots.get_mut(place.index as usize).filter(|s| s.0 == place.generation)?.1.as_mut()
    }

    /// Takes the value away.
    pub fn remove(&mut self, place: Place) -> Option<T> {
        let slot = self.slots.get_mut(place.index as usize).filter(|s| s.0 == place.generation)?;
        let value = slot.1.take()?;
        slot.0 = slot.0.wrapping_add(1);
        self.free.push(place.index);
        Some(value)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values with their places, in the order of places.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, (generation, value))| {
            Some((Place { index: index as u32, generation: *generation }, value.as_ref()?))
        })
    }

    /// All values for change, in the order of places.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Place, &mut T)> {
        self.slots.iter_mut().enumerate().filter_map(|(index, (generation, value))| {
            Some((Place { index: index as u32, generation: *generation }, value.as_mut()?))
        })
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
}
