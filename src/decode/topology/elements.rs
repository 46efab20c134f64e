//! One file to its elements: streaming, each element with its line.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_saphyr::Spanned;

use super::Errors;
use super::mapping::Mapping;
use super::reading::Reading;
use crate::decode::json::{Node, Str};
use crate::decode::text::{self, TextEncoding};
use crate::domain::topology::draft::{Draft, Place};

/// Nodes, events and bytes of one YAML file; JSON has no such bounds.
const YAML_NODES_MAX: usize = 100_000_000;
const YAML_BYTES_MAX: usize = 2_000_000_000;

/// Reads one file into the draft; returns whether it says `empty: true`.
pub(super) fn read(bytes: &[u8], file: u16, mapping: &Mapping, draft: &mut Draft, errors: &mut Errors) -> bool {
    let text = text::read(bytes, None);
    if text.encoding == TextEncoding::Repaired {
        let valid = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
        let line = 1 + newlines(&bytes[..valid]);
        errors.push(Place { file, line }, "neither UTF-8 nor GB18030; save the file as UTF-8".into());
        return false;
    }
    let reading = Reading::of(mapping, draft, errors);
    let mut sink = Sink { reading, lines: Lines::of(&text.text, file), emptied: false };
    let is_json = text.text.trim_start().starts_with('{');
    let read = if is_json { read_json(&text.text, &mut sink) } else { read_yaml(&text.text, &mut sink) };
    if let Err((line, why)) = read {
        sink.reading.refuse(Place { file, line }, why);
    }
    sink.emptied
}

fn read_json<'t>(text: &'t str, sink: &mut Sink<'_, 't>) -> Result<(), (u32, String)> {
    let place = |e: serde_json::Error| (e.line() as u32, without_place(&e));
    let mut json = serde_json::Deserializer::from_str(text);
    Whole::<&RawValue>(sink, PhantomData).deserialize(&mut json).map_err(place)?;
    json.end().map_err(place)
}

fn read_yaml<'t>(text: &'t str, sink: &mut Sink<'_, 't>) -> Result<(), (u32, String)> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: YAML_NODES_MAX,
            max_events: YAML_NODES_MAX,
            max_total_scalar_bytes: YAML_BYTES_MAX,
        },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
        Whole::<Spanned<Node<'_>>>(sink, PhantomData).deserialize(yaml)
    });
    read.map_err(|e| {
        let line = e.location().map_or(0, |at| at.line() as u32);
        (line, e.without_snippet().to_string())
    })
}

/// The message alone: our own place says line and file.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(why, _)| why.to_owned())
}

/// Where elements go.
struct Sink<'m, 't> {
    reading: Reading<'m>,
    lines: Lines<'t>,
    emptied: bool,
}

/// From places in a text to line numbers; places must come in order.
struct Lines<'t> {
    file: u16,
    text: &'t str,
    /// Bytes whose newlines are counted, and their number.
    seen: usize,
    count: u32,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str, file: u16) -> Self {
        Self { file, text, seen: 0, count: 0 }
    }

    /// The place of a part of the text.
    fn place(&mut self, part: &str) -> Place {
        let at = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len());
        if at > self.seen {
            self.count += newlines(&self.text.as_bytes()[self.seen..at]);
            self.seen = at;
        }
        Place { file: self.file, line: 1 + self.count }
    }
}

fn newlines(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|b| **b == b'\n').count() as u32
}

/// One element of a list, still to be opened.
trait Element<'de>: Deserialize<'de> {
    /// Its place, and what it says; else the line and the reason.
    fn open(self, lines: &mut Lines<'_>) -> (Place, Result<Node<'de>, (u32, String)>);
}

impl<'de> Element<'de> for &'de RawValue {
    fn open(self, lines: &mut Lines<'_>) -> (Place, Result<Node<'de>, (u32, String)>) {
        let place = lines.place(self.get());
        let node = serde_json::from_str(self.get());
        (place, node.map_err(|e| (place.line + (e.line() as u32).saturating_sub(1), without_place(&e))))
    }
}

impl<'de> Element<'de> for Spanned<Node<'de>> {
    fn open(self, lines: &mut Lines<'_>) -> (Place, Result<Node<'de>, (u32, String)>) {
        (Place { file: lines.file, line: self.referenced.line() as u32 }, Ok(self.value))
    }
}

/// What a list holds: the number of its description in the mapping.
#[derive(Clone, Copy)]
pub(super) enum Held {
    Cis(usize),
    Relations(usize),
}

/// A whole file.
struct Whole<'s, 'm, 't, E>(&'s mut Sink<'m, 't>, PhantomData<E>);

impl<'de, E: Element<'de>> DeserializeSeed<'de> for Whole<'_, '_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, E: Element<'de>> Visitor<'de> for Whole<'_, '_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with lists of CIs and relations")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Str(name)) = map.next_key::<Str<'de>>()? {
            if let Some(held) = self.0.reading.held(&name) {
                map.next_value_seed(List::<E>(self.0, held, PhantomData))?;
            } else if name == "empty" {
                self.0.emptied = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
                // Of a list as a whole no line is known.
                self.0.reading.unused(&name, Place { file: self.0.lines.file, line: 0 });
            }
        }
        Ok(())
    }
}

/// One list of a file.
struct List<'s, 'm, 't, E>(&'s mut Sink<'m, 't>, Held, PhantomData<E>);

impl<'de, E: Element<'de>> DeserializeSeed<'de> for List<'_, '_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, E: Element<'de>> Visitor<'de> for List<'_, '_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    /// An empty list in YAML may be written as nothing.
    fn visit_unit<X>(self) -> Result<(), X> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element::<E>()? {
            let (place, opened) = element.open(&mut self.0.lines);
            match (opened, self.1) {
                (Ok(node), Held::Cis(list)) => self.0.reading.ci(list, &node, place),
                (Ok(node), Held::Relations(list)) => self.0.reading.relation(list, &node, place),
                (Err((line, why)), _) => self.0.reading.refuse(Place { line, ..place }, why),
            }
        }
        Ok(())
    }
}
