//! JSON as it comes: borrowed text, pairs in their order, and a small tree for bodies of which only a mapping knows
//! the shape.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Text borrowed from the body where no escape forbids it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Str<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(StrVisitor)
    }
}

struct StrVisitor;

impl<'de> Visitor<'de> for StrVisitor {
    type Value = Str<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Str<'de>, E> {
        Ok(Str(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Str<'de>, E> {
        Ok(Str(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Str<'de>, E> {
        Ok(Str(Cow::Owned(text)))
    }
}

/// An object of strings, sorted by key. A key given twice is an error: readers would disagree on which one counts.
/// `null` as a value is the empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs<'a>(pub Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// So many pairs are faster gone through than searched.
const FEW: usize = 24;

impl<'a> Pairs<'a> {
    /// The value of this key; the empty text when there is none.
    pub fn get(&self, key: &str) -> &str {
        if self.0.len() > FEW {
            return self.0.binary_search_by(|(have, _)| have.as_ref().cmp(key)).map_or("", |at| self.0[at].1.as_ref());
        }
        // Keys of another length are passed over without being looked into.
        self.0.iter().find(|(have, _)| have == key).map_or("", |(_, value)| value.as_ref())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
        let mut pairs = Vec::with_capacity(8);
        while let Some((key, value)) = map.next_entry::<Str<'de>, Option<Str<'de>>>()? {
            pairs.push((key.0, value.unwrap_or_default().0));
        }
        pairs.sort_unstable();
        match pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            Some(two) => Err(A::Error::custom(format_args!("key {} is given twice", super::limits::shown(&two[0].0)))),
            None => Ok(Pairs(pairs)),
        }
    }
}

/// A list that is read up to a limit; what goes beyond is an error that `TooMany` recognises.
pub(super) struct Capped<T> {
    pub events_max: usize,
    pub item: std::marker::PhantomData<T>,
}

/// The words by which an error about too long a list is known.
pub(super) const TOO_MANY: &str = "too many events in one body";

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Capped<T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Capped<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::with_capacity(16);
        while let Some(item) = seq.next_element()? {
            if items.len() == self.events_max {
                return Err(A::Error::custom(TOO_MANY));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// Room for a value that is written out, in bytes.
const WRITTEN_BYTES: usize = 128;

/// Any JSON value. Depth is bounded by serde_json's own limit and, before that, by the look over the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Big(u64),
    Float(f64),
    Text(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// In the order of the body.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// The member of this name; the last one, should a body give it twice.
    pub fn member(&self, name: &str) -> Option<&Node<'a>> {
        match self {
            Node::Object(members) => members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether it has no text.
    pub fn is_empty(&self) -> bool {
        match self {
            Node::Null => true,
            Node::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    /// The value as text: numbers in decimal, arrays and objects as compact JSON; `None` for null.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Node::Null => None,
            Node::Text(text) => Some(Cow::Borrowed(text.as_ref())),
            Node::Bool(true) => Some(Cow::Borrowed("true")),
            Node::Bool(false) => Some(Cow::Borrowed("false")),
            Node::Int(n) => Some(n.to_string().into()),
            Node::Big(n) => Some(n.to_string().into()),
            Node::Float(n) => Some(n.to_string().into()),
            Node::Array(_) | Node::Object(_) => Some(self.written().into()),
        }
    }

    /// Writes what `text` says behind a text; nothing for null.
    pub fn push_text(&self, into: &mut String) {
        match self {
            Node::Null => {}
            Node::Text(text) => into.push_str(text),
            Node::Bool(_) | Node::Int(_) | Node::Big(_) | Node::Float(_) | Node::Array(_) | Node::Object(_) => {
                self.write(into);
            }
        }
    }

    fn written(&self) -> String {
        let mut text = String::with_capacity(WRITTEN_BYTES);
        self.write(&mut text);
        text
    }

    /// Compact JSON, without a formatter between: it would cost more than the text.
    fn write(&self, into: &mut String) {
        match self {
            Node::Null => into.push_str("null"),
            Node::Bool(true) => into.push_str("true"),
            Node::Bool(false) => into.push_str("false"),
            Node::Int(n) => into.push_str(&n.to_string()),
            Node::Big(n) => into.push_str(&n.to_string()),
            Node::Float(n) => into.push_str(&n.to_string()),
            Node::Text(text) => quote(into, text),
            Node::Array(items) => {
                into.push('[');
                for (i, item) in items.iter().enumerate() {
                    into.push_str(if i == 0 { "" } else { "," });
                    item.write(into);
                }
                into.push(']');
            }
            Node::Object(members) => {
                into.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    into.push_str(if i == 0 { "" } else { "," });
                    quote(into, key);
                    into.push(':');
                    value.write(into);
                }
                into.push('}');
            }
        }
    }
}

/// Writes compact JSON.
impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written())
    }
}

fn quote(into: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        into.push_str(&serde_json::to_string(text).expect("a text is JSON"));
        return;
    }
    into.push('"');
    into.push_str(text);
    into.push('"');
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(i64::try_from(value).map_or(Node::Big(value), Node::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node<'de>, E> {
        Ok(Node::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((key, value)) = map.next_entry::<Str<'de>, Node<'de>>()? {
            members.push((key.0, value));
        }
        Ok(Node::Object(members))
    }
}
