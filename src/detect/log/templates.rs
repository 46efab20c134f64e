//! The templates of log lines, learned as the lines come.
//!
//! As in Drain, a line is compared only with lines alike, and what varies becomes a hole. Unlike Drain the tree is the
//! words themselves: values (numbers, paths, hosts …) do not count at all, so that lists of any length are one template, and
//! lines with the same words are found by one look. A word becomes a hole when enough words have stood in its place, all
//! else being equal: four that look like names, or eight of any kind, between at least three words that stay.
//!
//! Input: lines of one program, without their time and level. Fails where a name of many words varies, and where few words
//! are all that tells two templates apart. Bounded: so many templates; of a line at most [`WORDS_MAX`] words count.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::words::{Piece, pieces};
use crate::detect::state::{Reader, Writer};

/// Words of a line that count.
const WORDS_MAX: usize = 48;
/// Words that look like names, and words of any kind, that make a hole.
const NAMES: usize = 4;
const ANY: usize = 8;
/// Words beside a hole.
const BESIDE: usize = 3;
/// How a hole is written.
pub const HOLE: &str = "<*>";
/// Stands for no template in bytes.
const NONE: u32 = u32::MAX;
/// Characters of a template's text.
const TEXT_MAX: usize = 300;

/// What is known of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub id: TemplateId,
    /// Its text, values as `<*>`.
    pub text: Box<str>,
    pub lines: u64,
}

/// A template's number; that of one that was taken up by another leads to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId(pub u32);

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Known(TemplateId),
    /// No line was written by it before.
    Fresh(TemplateId),
    /// There are too many templates: it would make one more.
    Refused,
}

type Key = [u8; 16];

/// All templates of one program.
#[derive(Debug)]
pub struct Templates {
    templates_max: usize,
    by_words: BTreeMap<Key, TemplateId>,
    /// What has stood in a place, all else being equal.
    places: BTreeMap<Key, Place>,
    templates: Vec<Kept>,
}

#[derive(Debug, Default)]
struct Place {
    seen: BTreeSet<Box<str>>,
    ids: Vec<TemplateId>,
    /// The template whose hole it is.
    hole: Option<TemplateId>,
}

#[derive(Debug)]
struct Kept {
    taken_up_by: Option<TemplateId>,
    text: Box<str>,
    lines: u64,
}

impl Templates {
    /// Learns at most so many templates.
    pub fn new(templates_max: usize) -> Self {
        Self { templates_max, by_words: BTreeMap::new(), places: BTreeMap::new(), templates: Vec::new() }
    }

    /// How many lines have made a template of their own so far, those that were taken up since among them.
    pub fn learned(&self) -> usize {
        self.templates.len()
    }

    /// Reads a line.
    pub fn take(&mut self, line: &str) -> Read {
        let pieces = pieces(line);
        let words: Vec<&str> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Word(word) => Some(*word),
                Piece::Value(_) | Piece::Between(_) => None,
            })
            .take(WORDS_MAX)
            .collect();
        if let Some(id) = self.by_words.get(&key(&words, None)) {
            let id = self.now(*id);
            self.templates[id.0 as usize].lines += 1;
            return Read::Known(id);
        }
        if self.templates.len() >= self.templates_max {
            return Read::Refused;
        }
        let before = self.templates.len();
        let id = self.learn(&words, &|holes| text_of(&pieces, holes));
        let id = self.now(id);
        self.templates[id.0 as usize].lines += 1;
        // What falls into a hole that was there before is no template of its own.
        if (id.0 as usize) < before { Read::Known(id) } else { Read::Fresh(id) }
    }

    /// The template that this one is part of by now.
    pub fn now(&self, mut id: TemplateId) -> TemplateId {
        while let Some(next) = self.templates[id.0 as usize].taken_up_by {
            id = next;
        }
        id
    }

    /// What is known of a template.
    pub fn get(&self, id: TemplateId) -> Template {
        let id = self.now(id);
        let kept = &self.templates[id.0 as usize];
        Template { id, text: kept.text.clone(), lines: kept.lines }
    }

    /// All templates, the most frequent first.
    pub fn all(&self) -> Vec<Template> {
        let ids = (0..self.templates.len() as u32).map(TemplateId).filter(|id| self.now(*id) == *id);
        let mut all: Vec<Template> = ids.map(|id| self.get(id)).collect();
        all.sort_by(|a, b| b.lines.cmp(&a.lines).then(a.id.cmp(&b.id)));
        all
    }

    /// The template of words that were not seen before. `text` writes it, with holes at these words.
    fn learn(&mut self, words: &[&str], text: &dyn Fn(&[&str]) -> Box<str>) -> TemplateId {
        let own = key(words, None);
        if let Some(id) = self.by_words.get(&own) {
            return *id;
        }
        let id = TemplateId(self.templates.len() as u32);
        self.templates.push(Kept { taken_up_by: None, text: text(&[]), lines: 0 });
        self.by_words.insert(own, id);
        if words.len() <= BESIDE {
            return id;
        }
        for at in 0..words.len() {
            let place = self.places.entry(key(words, Some(at))).or_default();
            place.seen.insert(words[at].into());
            place.ids.push(id);
            let names = place.seen.iter().filter(|word| is_name(word)).count();
            if place.hole.is_none() && names < NAMES && place.seen.len() < ANY {
                continue;
            }
            // From now on a hole: what stood here is one template, that of the words without it.
            let (ids, known) = (std::mem::take(&mut place.ids), place.hole);
            let hole = known.unwrap_or_else(|| {
                let mut less = words.to_vec();
                let word = less.remove(at);
                let with_hole = |holes: &[&str]| {
                    let mut holes = holes.to_vec();
                    holes.push(word);
                    text(&holes)
                };
                self.learn(&less, &with_hole)
            });
            if let Some(place) = self.places.get_mut(&key(words, Some(at))) {
                place.hole = Some(hole);
                place.seen.clear();
            }
            ids.into_iter().for_each(|id| self.take_up(id, hole));
        }
        id
    }

    /// Writes what was learned, for [`Templates::read`].
    pub fn write(&self, out: &mut Writer<'_>) {
        out.u32(self.templates.len() as u32);
        for kept in &self.templates {
            out.u32(kept.taken_up_by.map_or(NONE, |id| id.0));
            out.text(&kept.text);
            out.i64(kept.lines as i64);
        }
        out.u32(self.by_words.len() as u32);
        for (key, id) in &self.by_words {
            out.0.extend(key);
            out.u32(id.0);
        }
        out.u32(self.places.len() as u32);
        for (key, place) in &self.places {
            out.0.extend(key);
            out.u32(place.hole.map_or(NONE, |id| id.0));
            out.u16(place.seen.len() as u16);
            place.seen.iter().for_each(|word| out.text(word));
            out.u16(place.ids.len() as u16);
            place.ids.iter().for_each(|id| out.u32(id.0));
        }
    }

    /// Reads what [`Templates::write`] wrote; at most so many templates are learned then.
    pub fn read(from: &mut Reader<'_>, templates_max: usize) -> Option<Self> {
        let mut read = Self::new(templates_max);
        let count = from.u32()?;
        let known = |id: u32| (id < count).then_some(TemplateId(id));
        let maybe = |id: u32| if id == NONE { Some(None) } else { known(id).map(Some) };
        for own in 0..count {
            let taken_up_by = maybe(from.u32()?)?;
            // A chain that leads in a circle would never end.
            if taken_up_by.is_some_and(|by| by.0 == own) {
                return None;
            }
            let (text, lines) = (from.text()?.into(), u64::try_from(from.i64()?).ok()?);
            read.templates.push(Kept { taken_up_by, text, lines });
        }
        for _ in 0..from.u32()? {
            read.by_words.insert(key_of(from)?, known(from.u32()?)?);
        }
        for _ in 0..from.u32()? {
            let (key, hole) = (key_of(from)?, maybe(from.u32()?)?);
            let mut place = Place { hole, ..Place::default() };
            for _ in 0..from.u16()? {
                place.seen.insert(from.text()?.into());
            }
            for _ in 0..from.u16()? {
                place.ids.push(known(from.u32()?)?);
            }
            read.places.insert(key, place);
        }
        Some(read)
    }

    fn take_up(&mut self, id: TemplateId, by: TemplateId) {
        let (id, by) = (self.now(id), self.now(by));
        if id == by {
            return;
        }
        let lines = std::mem::take(&mut self.templates[id.0 as usize].lines);
        self.templates[id.0 as usize].taken_up_by = Some(by);
        self.templates[by.0 as usize].lines += lines;
    }
}

fn key_of(from: &mut Reader<'_>) -> Option<Key> {
    let mut key = Key::default();
    for byte in &mut key {
        *byte = from.u8()?;
    }
    Some(key)
}

/// A digest of words, with a hole in one place.
fn key(words: &[&str], hole: Option<usize>) -> Key {
    let mut hash = Sha256::new();
    for (at, word) in words.iter().enumerate() {
        if hole == Some(at) {
            hash.update([0]);
        } else {
            hash.update([1]);
            hash.update(word.as_bytes());
        }
    }
    hash.update([2]);
    let mut key = Key::default();
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

/// Whether a word looks like somebody's name rather than like a state: in small letters, and nothing that was done or is
/// being done.
fn is_name(word: &str) -> bool {
    word.starts_with(char::is_lowercase) && !word.ends_with("ed") && !word.ends_with("ing")
}

/// A template's text.
fn text_of(pieces: &[Piece<'_>], holes: &[&str]) -> Box<str> {
    let mut text = String::new();
    for piece in pieces {
        let part = match piece {
            Piece::Word(word) if !holes.contains(word) => word,
            Piece::Word(_) | Piece::Value(_) => {
                if text.ends_with(HOLE) {
                    ""
                } else {
                    HOLE
                }
            }
            Piece::Between(between) => between,
        };
        if text.len() + part.len() > TEXT_MAX {
            break;
        }
        text.push_str(part);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Vec<(String, u64)> {
        let mut templates = Templates::new(100);
        lines.iter().for_each(|line| {
            templates.take(line);
        });
        templates.all().into_iter().map(|template| (template.text.into(), template.lines)).collect()
    }

    #[test]
    fn values_do_not_count_and_states_stay_apart() {
        let lines = ["disk sda1 is full at 93%", "disk sdb2 is full at 97%", "disk sda1 is clean at 3%"];
        let told = told(&lines);
        assert_eq!(told, [("disk <*> is full at <*>".to_owned(), 2), ("disk <*> is clean at <*>".to_owned(), 1)]);
    }

    #[test]
    fn names_that_change_become_a_hole() {
        let lines: Vec<String> = ["root", "cyrus", "news", "test", "bob"]
            .iter()
            .map(|name| format!("session closed for user {name}"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(told(&lines), [("session closed for user <*>".to_owned(), 5)]);
        let mut templates = Templates::new(100);
        let read: Vec<bool> = lines.iter().map(|line| matches!(templates.take(line), Read::Fresh(_))).collect();
        assert!(!read[4], "a fifth name is nothing unheard of: {read:?}");
        let first = templates.now(TemplateId(0));
        assert_eq!((templates.get(first).lines, templates.all().len()), (5, 1));
    }

    #[test]
    fn there_are_at_most_so_many() {
        let mut templates = Templates::new(2);
        assert_eq!(templates.take("one thing"), Read::Fresh(TemplateId(0)));
        assert_eq!(templates.take("another thing"), Read::Fresh(TemplateId(1)));
        assert_eq!(
            (templates.take("a third thing"), templates.take("one thing")),
            (Read::Refused, Read::Known(TemplateId(0)))
        );
    }
}
