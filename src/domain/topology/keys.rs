//! From a key to its CIs: one block of text and one hash directory, no map per CI.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::{CiIx, Resolution};
use crate::domain::ids::CiId;

/// Marks an entry whose text is the CI's id.
const IS_ID: u32 = u32::MAX;

/// Entries per slot of the directory, at most on average.
const ENTRIES_PER_SLOT: usize = 2;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Lower half of the hash: most strangers are told apart without reading text.
    tag: u32,
    /// Number of the text, or `IS_ID`.
    text: u32,
    ci: u32,
}

/// All texts by which CIs are found.
#[derive(Debug, Default)]
pub(super) struct KeyIndex {
    /// All names and keys, one after the other.
    arena: String,
    /// Where each text ends.
    ends: Vec<u32>,
    /// Number of each CI's first text, its name (empty: as its id); one more entry than CIs.
    first: Vec<u32>,
    /// Where each slot's entries begin; one more than slots (a power of two).
    slots: Vec<u32>,
    entries: Vec<Entry>,
}

impl KeyIndex {
    /// Adds the next CI: its name, then its other keys. Returns `false` when 4 GiB of text are full.
    pub(super) fn push<'a>(&mut self, name: &'a str, keys: impl Iterator<Item = &'a str>) -> bool {
        if self.first.is_empty() {
            self.first.push(0);
        }
        for text in std::iter::once(name).chain(keys) {
            if self.arena.len() + text.len() > u32::MAX as usize {
                return false;
            }
            self.arena.push_str(text);
            self.ends.push(self.arena.len() as u32);
        }
        self.first.push(self.ends.len() as u32);
        true
    }

    /// Makes the directory; without it nothing is found.
    pub(super) fn close(&mut self, ids: &[CiId]) {
        self.arena.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.first.shrink_to_fit();
        let mut entries = Vec::with_capacity(ids.len() + self.ends.len());
        for (ci, id) in ids.iter().enumerate() {
            entries.push((hash(id.as_str()), Entry { tag: 0, text: IS_ID, ci: ci as u32 }));
            for text in self.texts_of(ci) {
                let key = self.text(text);
                if !key.is_empty() && key != id.as_str() {
                    entries.push((hash(key), Entry { tag: 0, text, ci: ci as u32 }));
                }
            }
        }
        let slots = (entries.len() / ENTRIES_PER_SLOT).next_power_of_two();
        self.slots = vec![0; slots + 1];
        for (hash, _) in &entries {
            self.slots[slot(*hash, slots) + 1] += 1;
        }
        for at in 0..slots {
            self.slots[at + 1] += self.slots[at];
        }
        // Filling in order of definition keeps the order of definition within a slot.
        let mut next = self.slots.clone();
        self.entries = vec![Entry::default(); entries.len()];
        for (hash, entry) in entries {
            let at = &mut next[slot(hash, slots)];
            self.entries[*at as usize] = Entry { tag: hash as u32, ..entry };
            *at += 1;
        }
    }

    /// The CI with exactly this id.
    pub(super) fn find(&self, id: &str, ids: &[CiId]) -> Option<CiIx> {
        let found = self.slot_of(id).find(|e| e.text == IS_ID && ids[e.ci as usize].as_str() == id)?;
        Some(CiIx(found.ci))
    }

    /// The CIs that carry this key.
    pub(super) fn resolve(&self, key: &str, ids: &[CiId]) -> Resolution {
        match self.carriers(key, ids) {
            Resolution::Unknown => without_port(key).map_or(Resolution::Unknown, |host| self.carriers(host, ids)),
            known @ (Resolution::One(_) | Resolution::Ambiguous(_)) => known,
        }
    }

    fn carriers(&self, key: &str, ids: &[CiId]) -> Resolution {
        if key.is_empty() {
            return Resolution::Unknown;
        }
        // The best kind of match found so far, and its CIs: mostly one.
        let (mut best, mut first, mut others) = (Match::None, None, Vec::new());
        for entry in self.slot_of(key) {
            let text = if entry.text == IS_ID { ids[entry.ci as usize].as_str() } else { self.text(entry.text) };
            let (found, ci) = (Match::of(text, key, entry.text == IS_ID), CiIx(entry.ci));
            if found > best {
                (best, first) = (found, Some(ci));
                others.clear();
            } else if found != Match::None && found == best && others.last().or(first.as_ref()) != Some(&ci) {
                others.push(ci);
            }
        }
        match first {
            None => Resolution::Unknown,
            Some(one) if others.is_empty() => Resolution::One(one),
            Some(one) => {
                others.insert(0, one);
                Resolution::Ambiguous(others)
            }
        }
    }

    /// Entries that may carry the key.
    fn slot_of(&self, key: &str) -> impl Iterator<Item = &Entry> {
        let hash = hash(key);
        let slots = self.slots.len().saturating_sub(1);
        let range = if slots == 0 {
            0..0
        } else {
            let slot = slot(hash, slots);
            self.slots[slot] as usize..self.slots[slot + 1] as usize
        };
        self.entries[range].iter().filter(move |e| e.tag == hash as u32)
    }

    /// The CI's name, if it has one besides its id.
    pub(super) fn name(&self, ix: CiIx) -> Option<&str> {
        Some(self.text(self.first[ix.at()])).filter(|name| !name.is_empty())
    }

    /// The CI's other keys.
    pub(super) fn aliases(&self, ix: CiIx) -> impl Iterator<Item = &str> {
        self.texts_of(ix.at()).skip(1).map(|text| self.text(text))
    }

    fn texts_of(&self, ci: usize) -> std::ops::Range<u32> {
        self.first[ci]..self.first[ci + 1]
    }

    fn text(&self, number: u32) -> &str {
        let begin = match number {
            0 => 0,
            _ => self.ends[number as usize - 1],
        };
        &self.arena[begin as usize..self.ends[number as usize] as usize]
    }
}

/// How well a text fits a key, worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    None,
    KeyButForCase,
    IdButForCase,
    Key,
    Id,
}

impl Match {
    fn of(text: &str, key: &str, is_id: bool) -> Self {
        match (text == key, is_id) {
            (true, true) => Self::Id,
            (true, false) => Self::Key,
            (false, _) if !text.eq_ignore_ascii_case(key) => Self::None,
            (false, true) => Self::IdButForCase,
            (false, false) => Self::KeyButForCase,
        }
    }
}

/// Ignores ASCII case.
fn hash(key: &str) -> u64 {
    let state = FixedState::with_seed(0);
    if key.bytes().any(|b| b.is_ascii_uppercase()) {
        state.hash_one(key.to_ascii_lowercase().as_bytes())
    } else {
        state.hash_one(key.as_bytes())
    }
}

/// The slot of a hash; `slots` is a power of two.
fn slot(hash: u64, slots: usize) -> usize {
    (hash >> 32) as usize & (slots - 1)
}

/// `host` of `host:port`, `[v6]:port` and `[v6]`.
fn without_port(key: &str) -> Option<&str> {
    if let Some(bracketed) = key.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        let port = rest.strip_prefix(':').unwrap_or("0");
        return (!port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())).then_some(host);
    }
    let (host, port) = key.rsplit_once(':')?;
    let plain = !host.contains(':') && (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    plain.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, want: Resolution) {
        let ids: Vec<CiId> = ["srv-1", "SRV-1", "db", "fw"].map(CiId::from).into();
        let mut index = KeyIndex::default();
        let keys: [&[&str]; 4] =
            [&["Web.Gov.example", "10.0.0.1"], &["10.0.0.2"], &["10.0.0.1", "fd00::1"], &["db", "10.0.0.9:8080"]];
        for (at, keys) in keys.iter().enumerate() {
            assert!(index.push(if at == 2 { "人口库" } else { "" }, keys.iter().copied()));
        }
        index.close(&ids);
        assert_eq!(index.resolve(key, &ids), want, "{key}");
    }

    #[test]
    fn a_key_leads_to_its_ci() {
        check("srv-1", Resolution::One(CiIx(0)));
        check("SRV-1", Resolution::One(CiIx(1)));
        check("Srv-1", Resolution::Ambiguous(vec![CiIx(0), CiIx(1)]));
        check("web.gov.EXAMPLE", Resolution::One(CiIx(0)));
        check("web.gov.example:443", Resolution::One(CiIx(0)));
        check("人口库", Resolution::One(CiIx(2)));
        check("10.0.0.1", Resolution::Ambiguous(vec![CiIx(0), CiIx(2)]));
        check("10.0.0.2:9100", Resolution::One(CiIx(1)));
        check("10.0.0.9:8080", Resolution::One(CiIx(3)));
        check("10.0.0.9:8081", Resolution::Unknown);
        check("fd00::1", Resolution::One(CiIx(2)));
        check("[fd00::1]:443", Resolution::One(CiIx(2)));
        check("db", Resolution::One(CiIx(2)));
        check("", Resolution::Unknown);
        check(":80", Resolution::Unknown);
    }
}
