//! What was written or read here just now, kept for this program's own readers.
//!
//! Engine and history each read everything that the streams have, and most of it was written here. What comes back equal
//! to the byte is taken from memory; everything else is compared with its digest and parsed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;

use crate::journal::digest::ChainHash;

/// How many read each log here: the engine's thread and the history. Behind the last one nothing is kept.
pub const READERS: u8 = 2;

/// Texts that wait for a reader, in bytes. What is beyond is parsed again.
const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is kept of one log, by digest.
#[derive(Debug)]
pub struct Recent<V> {
    kept: Mutex<Kept<V>>,
}

#[derive(Debug)]
struct Kept<V> {
    by_digest: BTreeMap<ChainHash, One<V>>,
    /// The digests in the order in which they came.
    order: BTreeMap<u64, ChainHash>,
    next: u64,
    text_bytes: usize,
}

#[derive(Debug)]
struct One<V> {
    stored: Bytes,
    value: V,
    text_bytes: usize,
    readers: u8,
    place: u64,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        let kept = Kept { by_digest: BTreeMap::new(), order: BTreeMap::new(), next: 0, text_bytes: 0 };
        Self { kept: Mutex::new(kept) }
    }
}

impl<V: Clone> Recent<V> {
    /// Keeps what `stored` means, which stands for a text of `text_bytes`, until so many readers have taken it.
    pub fn keep(&self, digest: ChainHash, stored: Bytes, text_bytes: usize, value: V, readers: u8) {
        let mut kept = self.lock();
        kept.remove(&digest);
        let place = kept.next;
        kept.next += 1;
        kept.text_bytes += text_bytes;
        kept.order.insert(place, digest);
        kept.by_digest.insert(digest, One { stored, value, text_bytes, readers, place });
        while kept.text_bytes > TEXT_BYTES_MAX
            && let Some(oldest) = kept.order.first_key_value().map(|(_, digest)| *digest)
        {
            kept.remove(&oldest);
        }
    }

    /// What `stored` means, when it was kept under this digest and is equal to the byte.
    pub fn take(&self, digest: &ChainHash, stored: &[u8]) -> Option<V> {
        let mut kept = self.lock();
        let one = kept.by_digest.get_mut(digest).filter(|one| one.stored == stored)?;
        one.readers -= 1;
        if one.readers > 0 {
            return Some(one.value.clone());
        }
        kept.remove(digest).map(|one| one.value)
    }

    fn lock(&self) -> MutexGuard<'_, Kept<V>> {
        self.kept.lock().expect("nobody panics while holding it")
    }
}

impl<V> Kept<V> {
    fn remove(&mut self, digest: &ChainHash) -> Option<One<V>> {
        let one = self.by_digest.remove(digest)?;
        self.order.remove(&one.place);
        self.text_bytes -= one.text_bytes;
        Some(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Bytes = Bytes::from_static(b"stored");

    fn digest(n: u8) -> ChainHash {
        ChainHash([n; 32])
    }

    #[test]
    fn each_reader_takes_it_once_and_only_what_is_equal_to_the_byte() {
        let recent = Recent::default();
        recent.keep(digest(1), STORED, 6, "meant", READERS);
        assert_eq!(recent.take(&digest(1), b"storeD"), None);
        assert_eq!(recent.take(&digest(2), b"stored"), None);
        for _ in 0..READERS {
            assert_eq!(recent.take(&digest(1), b"stored"), Some("meant"));
        }
        assert_eq!(recent.take(&digest(1), b"stored"), None);
        assert_eq!(recent.lock().text_bytes, 0);
    }

    #[test]
    fn what_nobody_takes_makes_room_for_what_comes() {
        let recent = Recent::default();
        for n in 0..4 {
            recent.keep(digest(n), STORED, TEXT_BYTES_MAX / 2, n, READERS);
        }
        let there: Vec<u8> = (0..4).filter(|n| recent.take(&digest(*n), b"stored").is_some()).collect();
        assert_eq!(there, [2, 3]);
        // The same again counts once.
        (0..9).for_each(|n| recent.keep(digest(7), STORED, TEXT_BYTES_MAX / 4, n, READERS));
        assert_eq!((recent.take(&digest(3), b"stored"), recent.take(&digest(7), b"stored")), (Some(3), Some(8)));
    }
}
