//! Lists that are mostly empty: a pointer, and nothing else while they are.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list that is mostly empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<T>(Option<Box<Filled<T>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Filled<T> {
    items: Vec<T>,
}

impl<T> Few<T> {
    /// Adds one at the end.
    pub fn push(&mut self, item: T) {
        match &mut self.0 {
            Some(filled) => filled.items.push(item),
            None => *self = vec![item].into(),
        }
    }

    /// Keeps those of which `stays` is true.
    pub fn retain(&mut self, stays: impl FnMut(&T) -> bool) {
        let Some(filled) = &mut self.0 else { return };
        filled.items.retain(stays);
        if filled.items.is_empty() {
            self.0 = None;
        }
    }

    /// Takes all of them out.
    pub fn take(&mut self) -> Vec<T> {
        self.0.take().map(|filled| filled.items).unwrap_or_default()
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(items: Vec<T>) -> Self {
        Self((!items.is_empty()).then(|| Box::new(Filled { items })))
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |filled| &filled.items)
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Serialize> Serialize for Few<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_list_is_as_one_that_was_never_filled() {
        let mut few = Few::default();
        assert_eq!(size_of_val(&few), size_of::<usize>());
        few.push(1);
        few.push(2);
        assert_eq!(few[..], [1, 2]);
        few.retain(|n| *n > 2);
        assert_eq!(few, Few::default());
        assert_eq!(serde_json::to_string(&few).unwrap(), "[]");
    }
}
