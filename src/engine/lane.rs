//! Queues that may be long: kept in pieces, so that growing moves nothing and what is gone takes no room.

use std::collections::VecDeque;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::stream;

/// Items in one piece.
const PIECE: usize = 256;

/// A queue: what comes last is taken last.
#[derive(Clone, Debug)]
pub struct Lane<T> {
    /// None is empty.
    pieces: VecDeque<VecDeque<T>>,
}

impl<T> Lane<T> {
    /// Adds one behind all others.
    pub fn push_back(&mut self, item: T) {
        match self.pieces.back_mut().filter(|piece| piece.len() < PIECE) {
            Some(piece) => piece.push_back(item),
            None => {
                // A short queue takes no more than it needs.
                let mut piece = VecDeque::with_capacity(if self.pieces.is_empty() { 0 } else { PIECE });
                piece.push_back(item);
                self.pieces.push_back(piece);
            }
        }
    }

    /// Takes the first one.
    pub fn pop_front(&mut self) -> Option<T> {
        let piece = self.pieces.front_mut()?;
        let item = piece.pop_front();
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        item
    }

    /// The first one.
    pub fn front(&self) -> Option<&T> {
        self.pieces.front()?.front()
    }

    /// The last one.
    pub fn back(&self) -> Option<&T> {
        self.pieces.back()?.back()
    }

    /// The one at `index`, counted from the first.
    pub fn get(&self, index: usize) -> Option<&T> {
        let front = self.pieces.front()?;
        let Some(behind) = index.checked_sub(front.len()) else { return front.get(index) };
        // All pieces between the first and the last one are full.
        self.pieces.get(1 + behind / PIECE)?.get(behind % PIECE)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        // All pieces between the first and the last one are full.
        match (self.pieces.front(), self.pieces.back()) {
            (Some(first), Some(last)) if self.pieces.len() > 1 => {
                first.len() + last.len() + (self.pieces.len() - 2) * PIECE
            }
            (first, _) => first.map_or(0, VecDeque::len),
        }
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { pieces: VecDeque::new() }
    }
}

impl<T: Serialize> Serialize for Lane<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lane<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut lane = Self::default();
        stream::each(deserializer, |item| lane.push_back(item))?;
        Ok(lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_goes_first_across_pieces() {
        let mut lane = Lane::default();
        (0..1000).for_each(|n| lane.push_back(n));
        assert_eq!((0..700).map_while(|_| lane.pop_front()).collect::<Vec<_>>(), (0..700).collect::<Vec<_>>());
        assert_eq!((lane.front(), lane.back(), lane.len()), (Some(&700), Some(&999), 300));
        assert!((0..300).all(|n| lane.get(n) == Some(&(700 + n as i32))) && lane.get(300).is_none());
        let again: Lane<i32> = serde_json::from_str(&serde_json::to_string(&lane).unwrap()).unwrap();
        assert_eq!((again.front(), again.back(), again.len()), (Some(&700), Some(&999), 300));
        assert_eq!(std::iter::from_fn(|| lane.pop_front()).count(), 300);
        assert!(lane.pieces.is_empty());
    }
}
