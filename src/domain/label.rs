//! Labels: what a source says of an event beside its fields. Shared, not copied, on the way from event to alert to view.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::pairs::{self, Pairs, packed_len};

/// Labels as one text in which two sets of labels are never the same: `key="value",…`. Empty ones do not count.
pub fn identity_text<'t>(pairs: impl Iterator<Item = (&'t str, &'t str)>) -> String {
    let mut text = String::with_capacity(256);
    for (key, value) in pairs.filter(|(_, value)| !value.is_empty()) {
        if !text.is_empty() {
            text.push(',');
        }
        escape_into(&mut text, key, "\\,=\"");
        text.push_str("=\"");
        escape_into(&mut text, value, "\\\"");
        text.push('"');
    }
    text
}

fn escape_into(text: &mut String, part: &str, special: &str) {
    if !part.bytes().any(|byte| special.as_bytes().contains(&byte)) {
        return text.push_str(part);
    }
    for c in part.chars() {
        if special.contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
}

/// Labels in the order of their keys, in one piece of memory. A clone shares them; whoever changes them gets others.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Labels(Arc<str>);

impl Labels {
    /// Labels from pairs. Of two with one key the later one counts.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        if !pairs.is_sorted_by(|(a, _), (b, _)| a < b) {
            // Equal keys stay in their order, so that the first one from behind is the one that counts.
            pairs.sort_by_key(|(key, _)| *key);
            pairs.reverse();
            pairs.dedup_by_key(|(key, _)| *key);
            pairs.reverse();
        }
        let bytes = pairs.iter().map(|(key, value)| packed_len(key) + packed_len(value)).sum();
        let mut packed = String::with_capacity(bytes);
        for (key, value) in pairs {
            pairs::push(&mut packed, key);
            pairs::push(&mut packed, value);
        }
        Self(packed.into())
    }

    /// Whether there is none.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// All labels, in the order of their keys.
    pub fn iter(&self) -> Pairs<'_> {
        Pairs::of(&self.0)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// Share of both sides' labels that are the same on both, per mille; 0 when there are none.
    pub fn likeness(&self, other: &Self) -> i64 {
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        let (mut all, mut same) = (0, 0);
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a.0.cmp(b.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return 2 * same * 1000 / all.max(1),
            };
            let a = if order.is_le() { left.next() } else { None };
            let b = if order.is_ge() { right.next() } else { None };
            all += i64::from(a.is_some()) + i64::from(b.is_some());
            same += i64::from(a.is_some() && a == b);
        }
    }

    /// Sets a label.
    pub fn insert(&mut self, key: &str, value: &str) {
        *self = Self::of(self.iter().chain([(key, value)]));
    }

    /// Sets labels.
    pub fn extend(&mut self, pairs: &[(&str, &str)]) {
        if pairs.is_empty() {
            return;
        }
        *self = Self::of(self.iter().chain(pairs.iter().copied()));
    }

    /// Takes a label away.
    pub fn remove(&mut self, key: &str) {
        *self = Self::of(self.iter().filter(|(known, _)| *known != key));
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Read)
    }
}

/// Reads labels without a copy of each.
struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut packed = String::with_capacity(256);
        while map.next_key_seed(Part(&mut packed))?.is_some() {
            map.next_value_seed(Part(&mut packed))?;
        }
        let is_sorted = Pairs::of(&packed).is_sorted_by(|(a, _), (b, _)| a < b);
        Ok(if is_sorted { Labels(packed.as_str().into()) } else { Labels::of(Pairs::of(&packed)) })
    }
}

/// A key or a value on its way.
struct Part<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        pairs::push(self.0, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_shared_until_they_are_changed() {
        let mut first = Labels::default();
        first.insert("room", "r1");
        let mut second = first.clone();
        assert!(Arc::ptr_eq(&first.0, &second.0));
        second.insert("room", "r2");
        assert_eq!((first.get("room"), second.get("room")), (Some("r1"), Some("r2")));
        second.remove("room");
        assert!(second.are_none());
    }

    #[test]
    fn likeness_is_the_share_of_equal_labels() {
        let check = |a: &[(&str, &str)], b: &[(&str, &str)], permille| {
            let [a, b] = [a, b].map(|pairs| Labels::of(pairs.iter().copied()));
            assert_eq!((a.likeness(&b), b.likeness(&a)), (permille, permille), "{a:?} {b:?}");
        };
        check(&[], &[], 0);
        check(&[("a", "1")], &[], 0);
        check(&[("a", "1"), ("b", "2")], &[("a", "1"), ("b", "2")], 1000);
        check(&[("a", "1"), ("b", "2"), ("d", "4")], &[("b", "2"), ("c", "3"), ("d", "5")], 333);
    }

    #[test]
    fn labels_are_in_order_however_they_come() {
        let read: Labels = serde_json::from_str(r#"{"b":"2","a":"1","b":"3","空":"\u0000"}"#).unwrap();
        assert_eq!(read, Labels::of([("空", "\0"), ("b", "3"), ("a", "1")]));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"a":"1","b":"3","空":"\u0000"}"#);
        assert_eq!((read.count(), read.get("b"), read.get("c")), (3, Some("3"), None));
    }
}
