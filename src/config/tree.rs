//! A YAML text as a tree of values, with the place of every key.

use std::collections::BTreeMap;
use std::fmt;

use figment::value::{Dict, Empty, Num, Tag, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::engine::policy::place::LineColumn;

/// The deepest nesting, and the most anchors, of a configuration file.
const DEPTH_MAX: usize = 32;
const ANCHORS_MAX: usize = 100;

/// A value, and where its parts stand.
#[derive(Debug, Default)]
pub struct Tree {
    pub dict: Dict,
    /// By the dotted path of keys; items of lists by their number.
    pub places: BTreeMap<String, LineColumn>,
}

impl Tree {
    /// Reads a YAML text that is a map of keys, or empty.
    ///
    /// # Errors
    /// The place and what is wrong there.
    pub fn read(text: &str) -> Result<Self, (LineColumn, String)> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        let options = serde_saphyr::options! {
            strict_booleans: true,
            with_snippet: false,
            budget: serde_saphyr::budget! { max_anchors: ANCHORS_MAX, max_aliases: ANCHORS_MAX, max_depth: DEPTH_MAX },
        };
        let read: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let at = error.location().map(LineColumn::from).unwrap_or_default();
            (at, error.without_snippet().to_string().split_whitespace().collect::<Vec<_>>().join(" "))
        })?;
        let mut tree = Self::default();
        match read.value {
            Node::Map(entries) => tree.dict = tree.map("", entries),
            Node::Leaf(_) | Node::List(_) => {
                return Err((
                    read.referenced.into(),
                    "a configuration is a map of settings; write `key: value`".into(),
                ));
            }
        }
        Ok(tree)
    }

    fn map(&mut self, path: &str, entries: Vec<(Spanned<String>, Spanned<Node>)>) -> Dict {
        let mut dict = Dict::new();
        for (key, node) in entries {
            let path = join(path, &key.value);
            self.places.insert(path.clone(), key.referenced.into());
            let value = self.value(&path, node);
            dict.insert(key.value, value);
        }
        dict
    }

    fn value(&mut self, path: &str, node: Spanned<Node>) -> Value {
        match node.value {
            Node::Leaf(value) => value,
            Node::Map(entries) => Value::Dict(Tag::Default, self.map(path, entries)),
            Node::List(items) => {
                let mut list = Vec::new();
                for (number, item) in items.into_iter().enumerate() {
                    let path = join(path, &number.to_string());
                    self.places.insert(path.clone(), item.referenced.into());
                    list.push(self.value(&path, item));
                }
                Value::Array(Tag::Default, list)
            }
        }
    }
}

/// A path with one key more.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// One value of any kind.
#[derive(Debug)]
enum Node {
    Leaf(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyKind)
    }
}

struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Bool(Tag::Default, value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Num(Tag::Default, Num::I64(value))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Num(Tag::Default, Num::U64(value))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Num(Tag::Default, Num::F64(value))))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Leaf(Value::String(Tag::Default, value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Empty(Tag::Default, Empty::None)))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Empty(Tag::Default, Empty::None)))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}
