//! Values as mappings describe them: a path, a literal, a template, or the first of several that is not empty;
//! then, if wanted, a regular expression, a table, a text instead of it and a default.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use regex::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::path::{Path, Place};

/// Room for what a template makes, in bytes.
const TEMPLATE_BYTES: usize = 64;
/// The largest compiled regular expression (memory, bytes).
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// How one text is made from an event.
#[derive(Clone, Debug)]
pub(super) struct Value {
    take: Take,
    pattern: Option<Regex>,
    map: Option<Table>,
    instead: Option<String>,
    default: Option<String>,
}

/// What texts become: as they are written, or else without regard to case and surrounding space.
#[derive(Clone, Debug)]
struct Table {
    exact: BTreeMap<String, String>,
    folded: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
enum Take {
    Path(Path),
    Literal(String),
    Template(Vec<Part>),
    First(Vec<Value>),
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Path(Path),
}

/// A value written out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ValueSpec {
    path: Option<Path>,
    value: Option<String>,
    template: Option<String>,
    first: Option<Vec<Value>>,
    /// The first group of this regular expression, or all that it matches; no match is no text.
    r#match: Option<String>,
    /// What the text becomes; a text that is not here is no text.
    map: Option<BTreeMap<String, String>>,
    /// What any text becomes that is left by then.
    r#as: Option<String>,
    default: Option<String>,
}

impl Table {
    fn of(exact: BTreeMap<String, String>) -> Self {
        let folded = exact.iter().map(|(text, becomes)| (text.trim().to_lowercase(), becomes.clone())).collect();
        Self { exact, folded }
    }

    fn get(&self, text: &str) -> Option<&str> {
        let found = self.exact.get(text).or_else(|| self.folded.get(&text.trim().to_lowercase()));
        found.map(String::as_str)
    }
}

impl Value {
    fn of(take: Take) -> Self {
        Self { take, pattern: None, map: None, instead: None, default: None }
    }

    /// The text; `None` when there is none and no default.
    pub fn text<'n>(&'n self, place: Place<'n, '_>) -> Option<Cow<'n, str>> {
        self.shaped(place).or_else(|| self.default.as_deref().map(Cow::Borrowed)).filter(|text| !text.is_empty())
    }

    /// The text as it is written there, for messages.
    pub fn written<'n>(&'n self, place: Place<'n, '_>) -> Cow<'n, str> {
        self.taken(place).unwrap_or_default()
    }

    fn shaped<'n>(&'n self, place: Place<'n, '_>) -> Option<Cow<'n, str>> {
        let mut text = self.taken(place)?;
        if let Some(pattern) = &self.pattern {
            let found = found_by(pattern, &text)?;
            text = match text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[found]),
                Cow::Owned(mut text) => {
                    text.truncate(found.end);
                    text.drain(..found.start);
                    Cow::Owned(text)
                }
            };
        }
        if let Some(map) = &self.map {
            text = Cow::Borrowed(map.get(text.as_ref())?);
        }
        let text = Some(text).filter(|text| !text.is_empty())?;
        Some(self.instead.as_deref().map_or(text, Cow::Borrowed))
    }

    fn taken<'n>(&'n self, place: Place<'n, '_>) -> Option<Cow<'n, str>> {
        match &self.take {
            Take::Path(path) => path.find(place)?.text(),
            Take::Literal(text) => Some(Cow::Borrowed(text)),
            Take::First(values) => values.iter().find_map(|value| value.text(place)),
            Take::Template(parts) => {
                let mut text = String::with_capacity(TEMPLATE_BYTES);
                for part in parts {
                    match part {
                        Part::Text(words) => text.push_str(words),
                        Part::Path(path) => path.find(place).into_iter().for_each(|node| node.push_text(&mut text)),
                    }
                }
                Some(text.into())
            }
        }
    }
}

/// Where the first group of a pattern stands, or all that it matches.
fn found_by(pattern: &Regex, text: &str) -> Option<Range<usize>> {
    // Groups are looked for by a slower machine than the whole.
    if pattern.captures_len() == 1 {
        return pattern.find(text).map(|found| found.range());
    }
    let groups = pattern.captures(text)?;
    groups.get(1).or_else(|| groups.get(0)).map(|group| group.range())
}

impl TryFrom<ValueSpec> for Value {
    type Error = String;

    fn try_from(spec: ValueSpec) -> Result<Self, String> {
        let template = spec.template.as_deref().map(template).transpose()?;
        let takes = [
            spec.path.map(Take::Path),
            spec.value.map(Take::Literal),
            template.map(Take::Template),
            spec.first.map(Take::First),
        ];
        let mut takes = takes.into_iter().flatten();
        let (Some(take), None) = (takes.next(), takes.next()) else {
            return Err("a value is exactly one of path, value, template and first".into());
        };
        let pattern = spec.r#match.as_deref().map(regex).transpose()?;
        let map = spec.map.map(Table::of);
        Ok(Self { take, pattern, map, instead: spec.r#as, default: spec.default })
    }
}

/// A regular expression within bounds.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().map_err(|error| error.to_string())
}

/// Reads a template: `{path}` is a path, `{{` and `}}` are braces.
fn template(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut words = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        words.push_str(before);
        if from.starts_with("{{") || from.starts_with("}}") {
            words.push_str(&from[..1]);
            rest = &from[2..];
            continue;
        }
        let (path, after) = from
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'))
            .ok_or_else(|| format!("template {text:?}: a brace stands alone; write {{{{ or }}}} for a plain one"))?;
        parts.push(Part::Text(std::mem::take(&mut words)));
        parts.push(Part::Path(Path::parse(path).map_err(|error| error.to_string())?));
        rest = after;
    }
    words.push_str(rest);
    parts.push(Part::Text(words));
    Ok(parts)
}

impl JsonSchema for Path {
    fn schema_name() -> Cow<'static, str> {
        "Path".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a value stands: `a.b[0].c`, `labels[\"a.b\"]`, `tags[key=host].value`, `$.title` (from the top of the body).",
            "type": "string",
        })
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Path::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Something of which the short way of writing is a plain value.
pub(super) trait FromValue {
    /// What the plain value means.
    fn from_value(value: Value) -> Self;
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (path, values) = (generator.subschema_for::<Path>(), generator.subschema_for::<Vec<Self>>());
        let mut spec = ValueSpec::json_schema(generator);
        let takes = ["path", "value", "template", "first"].map(|take| serde_json::json!({ "required": [take] }));
        spec.insert("oneOf".into(), takes.into());
        json_schema!({ "anyOf": [path, values, spec] })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a path, a list of values of which the first that is not empty counts, or a value written out",
                )
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Value, E> {
                Path::parse(path).map(|path| Value::of(Take::Path(path))).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(|values| Value::of(Take::First(values)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
                let spec = ValueSpec::deserialize(MapAccessDeserializer::new(map))?;
                Value::try_from(spec).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(Visit)
    }
}

/// Either a plain value or a `T` written out.
#[derive(Clone, Debug)]
pub(super) struct OrValue<T>(pub T);

impl<T: JsonSchema> JsonSchema for OrValue<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OrValue_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (path, values) = (generator.subschema_for::<Path>(), generator.subschema_for::<Vec<Value>>());
        json_schema!({ "anyOf": [path, values, generator.subschema_for::<T>()] })
    }
}

impl<'de, T: FromValue + Deserialize<'de>> Deserialize<'de> for OrValue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);

        impl<'de, T: FromValue + Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = OrValue<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, a list of values, or a block with `from`")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<OrValue<T>, E> {
                let path = Path::parse(path).map_err(E::custom)?;
                Ok(OrValue(T::from_value(Value::of(Take::Path(path)))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OrValue<T>, A::Error> {
                let values = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
                Ok(OrValue(T::from_value(Value::of(Take::First(values)))))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OrValue<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OrValue)
            }
        }

        deserializer.deserialize_any(Visit(PhantomData))
    }
}
