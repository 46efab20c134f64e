//! Maps whose keys mostly come in ascending order, such as ids and times: kept in order and without gaps.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Entries in one piece. A piece is never moved as a whole, and what comes at the end leaves no room idle.
const PIECE: usize = 256;

/// A map in the order of its keys. Adding at the end is cheap; elsewhere it moves at most one piece.
#[derive(Clone, Debug)]
pub struct Ascending<K, V> {
    /// None is empty.
    pieces: Vec<Vec<(K, V)>>,
    len: usize,
}

/// Where a key is, or would be: the piece, and the place in it.
type At = (usize, Result<usize, usize>);

impl<K: Ord, V> Ascending<K, V> {
    fn find(&self, key: &K) -> At {
        let piece = self.pieces.partition_point(|piece| piece[0].0 <= *key).saturating_sub(1);
        (piece, self.pieces.get(piece).map_or(Err(0), |piece| piece.binary_search_by(|(known, _)| known.cmp(key))))
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let (piece, at) = self.find(key);
        let at = at.ok()?;
        Some(&self.pieces[piece][at].1)
    }

    /// The value of a key, for change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (piece, at) = self.find(key);
        let at = at.ok()?;
        Some(&mut self.pieces[piece][at].1)
    }

    /// Sets the value of a key; returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let is_last = self.pieces.last().and_then(|piece| piece.last()).is_none_or(|(last, _)| *last < key);
        if is_last {
            if self.pieces.last().is_none_or(|piece| piece.len() >= PIECE) {
                // A small map takes no more than it needs.
                self.pieces.push(Vec::with_capacity(if self.pieces.is_empty() { 0 } else { PIECE }));
            }
            self.pieces.last_mut().expect("one was added above").push((key, value));
            self.len += 1;
            return None;
        }
        let (mut piece, at) = self.find(&key);
        let mut at = match at {
            Ok(at) => return Some(std::mem::replace(&mut self.pieces[piece][at].1, value)),
            Err(at) => at,
        };
        if self.pieces[piece].len() >= PIECE {
            let upper = self.pieces[piece].split_off(PIECE / 2);
            self.pieces.insert(piece + 1, upper);
            if at > PIECE / 2 {
                (piece, at) = (piece + 1, at - PIECE / 2);
            }
        }
        self.pieces[piece].insert(at, (key, value));
        self.len += 1;
        None
    }

    /// Takes a key away.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (piece, at) = self.find(key);
        let (_, value) = self.pieces.get_mut(piece)?.remove(at.ok()?);
        self.len -= 1;
        let left = self.pieces[piece].len();
        if left == 0 {
            self.pieces.remove(piece);
        } else if self.pieces.get(piece + 1).is_some_and(|next| left + next.len() <= PIECE / 2) {
            let next = self.pieces.remove(piece + 1);
            self.pieces[piece].extend(next);
        }
        Some(value)
    }
}

impl<K, V> Ascending<K, V> {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.pieces.iter().flatten().map(|(key, value)| (key, value))
    }
}

impl<K: Ord, V> Ascending<K, V> {
    /// The entries below a key (of `None`: all), the last one first.
    pub fn down_from(&self, key: Option<&K>) -> impl Iterator<Item = (&K, &V)> {
        let (piece, at) = match key {
            Some(key) => self.find(key),
            None => (self.pieces.len(), Err(0)),
        };
        let (Ok(at) | Err(at)) = at;
        let part = self.pieces.get(piece).map_or(&[][..], |piece| &piece[..at]);
        let rest = self.pieces[..piece.min(self.pieces.len())].iter().rev().flat_map(|piece| piece.iter().rev());
        part.iter().rev().chain(rest).map(|(key, value)| (key, value))
    }
}

impl<K, V> Default for Ascending<K, V> {
    fn default() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Ascending<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Serialize, V: Serialize> Serialize for Ascending<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Ascending<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Read(PhantomData))
    }
}

struct Read<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Read<K, V> {
    type Value = Ascending<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut read = Ascending::default();
        while let Some((key, value)) = map.next_entry()? {
            read.insert(key, value);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is added and taken away, in whatever order, it is as a tree would have it.
        #[test]
        fn is_as_a_tree(start in 0..2000_u32, moves in prop::collection::vec((any::<bool>(), 0..3000_u32), 0..1500)) {
            let mut map: Ascending<u32, u32> = (0..start).map(|key| (key, 0)).collect();
            let mut tree: BTreeMap<u32, u32> = (0..start).map(|key| (key, 0)).collect();
            for (n, (adds, key)) in moves.into_iter().enumerate() {
                if adds {
                    prop_assert_eq!(map.insert(key, n as u32), tree.insert(key, n as u32));
                } else {
                    prop_assert_eq!(map.remove(&key), tree.remove(&key));
                }
                prop_assert_eq!((map.get(&key), map.len()), (tree.get(&key), tree.len()));
            }
            prop_assert!(map.iter().eq(tree.iter()));
            for key in [0, 700, 1500, 2999] {
                prop_assert!(map.down_from(Some(&key)).eq(tree.range(..key).rev()));
            }
            prop_assert!(map.down_from(None).eq(tree.iter().rev()));
        }
    }
}
