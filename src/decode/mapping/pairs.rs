//! Labels and annotations: pairs that are copied as a whole, and pairs that are set one by one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::decode::json::Node;
use crate::decode::path::{Path, Place};
use crate::decode::value::Value;

/// Pairs by key.
pub(super) type Pairs<'n> = BTreeMap<Cow<'n, str>, Cow<'n, str>>;

/// Where pairs come from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PairsSpec {
    copy: Vec<CopySpec>,
    set: BTreeMap<String, Value>,
}

/// Copies the members of an object, the items of an array of pairs, or the items of an array of `key=value` texts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CopySpec {
    from: Path,
    /// Only these keys.
    only: Option<Vec<String>>,
    #[serde(default)]
    except: Vec<String>,
    /// In an array of objects: the members that hold key and value.
    key: Option<String>,
    value: Option<String>,
    /// In texts: what stands between key and value.
    separator: Option<String>,
    /// In one text that holds several pairs: what stands between them.
    between: Option<String>,
}

impl PairsSpec {
    /// All pairs, before they are cut. What is set wins over what is copied.
    pub fn read<'n>(&'n self, place: Place<'n, '_>) -> Pairs<'n> {
        let mut pairs = BTreeMap::new();
        for copy in &self.copy {
            copy.read(place, &mut pairs);
        }
        for (key, value) in &self.set {
            if let Some(text) = value.text(place) {
                pairs.insert(Cow::Borrowed(key.as_str()), text);
            }
        }
        pairs
    }
}

impl CopySpec {
    fn read<'n>(&'n self, place: Place<'n, '_>, pairs: &mut Pairs<'n>) {
        let mut add = |key: Cow<'n, str>, value: Option<Cow<'n, str>>| {
            let wanted = self.only.as_ref().is_none_or(|only| only.iter().any(|one| *one == key));
            if let Some(value) = value.filter(|_| wanted && !self.except.iter().any(|one| *one == key)) {
                pairs.insert(key, value);
            }
        };
        match self.from.find(place) {
            Some(Node::Object(members)) => {
                for (key, value) in members {
                    add(Cow::Borrowed(key.as_ref()), value.text());
                }
            }
            Some(Node::Array(items)) => {
                for item in items {
                    self.item(item, &mut add);
                }
            }
            Some(Node::Text(text)) => {
                let Some(between) = &self.between else { return };
                for part in text.trim_matches(['{', '}']).split(between.as_str()) {
                    self.text(part, &mut add);
                }
            }
            _ => {}
        }
    }

    fn item<'n>(&'n self, item: &'n Node<'_>, add: &mut impl FnMut(Cow<'n, str>, Option<Cow<'n, str>>)) {
        match (item, &self.key, &self.value) {
            (Node::Text(text), _, _) => self.text(text, add),
            (Node::Array(pair), _, _) => {
                if let [key, value] = pair.as_slice()
                    && let Some(key) = key.text()
                {
                    add(key, value.text());
                }
            }
            (_, Some(key), Some(value)) => {
                if let Some(key) = item.member(key).and_then(Node::text) {
                    add(key, item.member(value).and_then(Node::text));
                }
            }
            _ => {}
        }
    }

    fn text<'n>(&'n self, text: &'n str, add: &mut impl FnMut(Cow<'n, str>, Option<Cow<'n, str>>)) {
        if let Some((key, value)) = self.separator.as_ref().and_then(|separator| text.split_once(separator.as_str())) {
            let bare = |text: &'n str| text.trim().trim_matches('"');
            add(Cow::Borrowed(bare(key)), Some(Cow::Borrowed(bare(value))));
        }
    }
}
