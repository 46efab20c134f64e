//! The last so many of something, in one place of a fixed size. What is kept of a series lies together so: a hundred thousand series
//! fit no cache, and each piece of memory more that a reading touches is a walk through main memory more.

/// The last `N`. Generic because readings and what a chart keeps of them are both remembered so.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring<T, const N: usize> {
    slots: [T; N],
    /// The place of the next one, and how many there are.
    next: u16,
    len: u16,
}

impl<T: Copy + Default, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self { slots: [T::default(); N], next: 0, len: 0 }
    }
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    /// Takes one more, and gives the one that makes room for it.
    pub fn push(&mut self, value: T) -> Option<T> {
        let place = usize::from(self.next);
        let gone = std::mem::replace(&mut self.slots[place], value);
        self.next = ((place + 1) % N) as u16;
        if self.len() == N {
            return Some(gone);
        }
        self.len += 1;
        None
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        // Before it has gone round, what comes first stands at the beginning.
        let (newer, older) = self.slots.split_at(usize::from(self.next));
        let older = if self.len() == N { older } else { &[] };
        older.iter().chain(newer)
    }

    /// The oldest and the newest.
    pub fn ends(&self) -> Option<(T, T)> {
        let mut all = self.iter();
        let first = *all.next()?;
        Some((first, all.next_back().copied().unwrap_or(first)))
    }

    /// The newest.
    pub fn last(&self) -> Option<T> {
        self.iter().next_back().copied()
    }
}

impl<T: Copy + Default, const N: usize> FromIterator<T> for Ring<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut ring = Self::default();
        for value in values {
            ring.push(value);
        }
        ring
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_in_their_order() {
        let mut ring = Ring::<u8, 3>::default();
        assert_eq!((ring.len(), ring.last(), ring.ends()), (0, None, None));
        for (value, gone, all) in [
            (1, None, &[1][..]),
            (2, None, &[1, 2]),
            (3, None, &[1, 2, 3]),
            (4, Some(1), &[2, 3, 4]),
            (5, Some(2), &[3, 4, 5]),
        ] {
            assert_eq!(ring.push(value), gone);
            assert_eq!(ring.iter().copied().collect::<Vec<_>>(), all);
            assert_eq!((ring.last(), ring.ends()), (Some(value), Some((all[0], value))));
        }
        let again: Ring<u8, 3> = [3, 4, 5].into_iter().collect();
        assert_eq!(again.iter().collect::<Vec<_>>(), ring.iter().collect::<Vec<_>>());
    }
}
