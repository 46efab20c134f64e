//! Any JSON through a mapping: a YAML file that says where each field of an event stands. No code per source.
//!
//! The file format is told in `rules/mappings/README.md`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

use super::formats::{FormatError, read_yaml};
use super::json::Node;
use super::path::{Path, Place};
use super::reader::{Opened, Reader, Taken, body_error, open};
use super::{Body, BodyError, Context, Decoded, form};
use crate::domain::event::{Side, Signal};
use crate::domain::reject::Reject;
use cases::{As, Case};
use event::EventSpec;

mod cases;
mod event;
mod pairs;

/// A mapping, ready to use.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Its name: the last part of the address that events are sent to.
    pub mapping: String,
    /// One sentence for people.
    #[serde(default)]
    pub about: String,
    /// The kind of telemetry that its events come from, unless an event says it itself.
    signal: Option<Signal>,
    /// Where in the estate that was taken, likewise.
    side: Option<Side>,
    /// Where the array of events stands in the body; without it the body is one event or an array of events.
    events: Option<Path>,
    /// The text in the body that holds the event as JSON once more, as message queues wrap it.
    inside: Option<Path>,
    /// The first that fits reads the event; when none does, `event`.
    #[serde(default)]
    cases: Vec<Case>,
    event: Option<EventSpec>,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One JSON text.
    Json,
    /// One JSON text per line.
    Lines,
    /// `name=value&…`, as forms and query strings.
    Form,
}

impl Mapping {
    /// Reads one YAML file; `place` is named in errors.
    pub fn parse(place: &str, yaml: &str) -> Result<Self, FormatError> {
        let mut mapping: Self = read_yaml(place, yaml)?;
        let value_error = |field: String, cause: String| FormatError::Value { place: place.into(), field, cause };
        for (index, case) in mapping.cases.iter_mut().enumerate() {
            case.ready().map_err(|(field, cause)| value_error(format!("cases.{index}{field}"), cause))?;
        }
        if let Some(event) = &mut mapping.event {
            event.ready().map_err(|(field, cause)| value_error(format!("event{field}"), cause))?;
        }
        if mapping.event.is_none() && mapping.cases.is_empty() {
            return Err(value_error("event".into(), "give event, or cases".into()));
        }
        Ok(mapping)
    }

    /// The severity maps that this mapping takes by name.
    pub fn severity_maps(&self) -> impl Iterator<Item = &str> {
        let events = self.cases.iter().filter_map(Case::event).chain(&self.event);
        events.filter_map(EventSpec::severity_map)
    }

    /// Decodes a body.
    pub fn decode(&self, body: Body<'_>, shape: Shape, context: &Context<'_>) -> Result<Decoded, BodyError> {
        let mut reader = Reader::new(context, &self.mapping);
        if shape == Shape::Form {
            let form = form::read(body, context.limits).map_err(BodyError::Unreadable)?;
            self.tree(&mut reader, &form, || form.to_string().into())?;
            return Ok(reader.finish_unopened());
        }
        let opened = open(body, context.limits.depth);
        match shape {
            Shape::Lines => self.lines(&mut reader, &opened)?,
            Shape::Json | Shape::Form => self.json(&mut reader, &opened)?,
        }
        Ok(reader.finish(&opened))
    }

    /// Decodes one event on its own, as dead letters keep it. What its body said beside its events is lost.
    pub(super) fn decode_one(&self, body: Body<'_>, context: &Context<'_>) -> Decoded {
        let opened = open(body, context.limits.depth);
        let mut reader = Reader::new(context, &self.mapping);
        reader.single(0, &opened.text, &mut |reader, node: Node<'_>| self.event(reader, &node, &node));
        reader.finish(&opened)
    }

    fn json(&self, reader: &mut Reader<'_>, opened: &Opened<'_>) -> Result<(), BodyError> {
        let (text, limits) = (opened.text.trim_start(), reader.context.limits);
        if self.events.is_none() && text.starts_with('[') {
            return reader.array(text, opened.deep, |reader, node: Node<'_>| self.event(reader, &node, &node));
        }
        if opened.deep && self.events.is_some() {
            return Err(BodyError::Unreadable(format!("arrays and objects are nested deeper than {}", limits.depth)));
        }
        // Read once where nothing is wrong with it; what is wrong is looked for afterwards.
        let node = if opened.deep { None } else { Some(serde_json::from_str::<Node<'_>>(text)) };
        match node {
            Some(Ok(node)) => self.tree(reader, &node, || text.into()),
            Some(Err(error)) if self.events.is_some() => Err(body_error(&error, limits.events)),
            _ => {
                let raw: &serde_json::value::RawValue =
                    serde_json::from_str(text).map_err(|error| body_error(&error, limits.events))?;
                reader.single(0, raw.get(), &mut |reader, node: Node<'_>| self.event(reader, &node, &node));
                Ok(())
            }
        }
    }

    /// A body that is one event, or that holds an array of them.
    fn tree<'t>(
        &self,
        reader: &mut Reader<'_>,
        outer: &Node<'_>,
        written: impl FnOnce() -> Cow<'t, str>,
    ) -> Result<(), BodyError> {
        let limits = reader.context.limits;
        let Some(path) = &self.events else {
            match self.event(reader, outer, outer) {
                Ok(event) => reader.take(event),
                Err(why) => reader.refuse(0, why, &written()),
            }
            return Ok(());
        };
        let inner = self.inner(reader, outer).map_err(|why| BodyError::Unreadable(why.detail().to_owned()))?;
        let top = inner.as_ref().unwrap_or(outer);
        let Some(Node::Array(events)) = path.find(Place { top, event: top }) else {
            return Err(BodyError::Unreadable(format!("there is no array of events at {path}")));
        };
        if events.len() > limits.events {
            return Err(BodyError::TooManyEvents { events_max: limits.events });
        }
        for (index, node) in events.iter().enumerate() {
            match self.event(reader, top, node) {
                Ok(event) => reader.take(event),
                Err(why) => reader.refuse(index, why, &node.to_string()),
            }
        }
        Ok(())
    }

    fn lines(&self, reader: &mut Reader<'_>, opened: &Opened<'_>) -> Result<(), BodyError> {
        let lines = opened.text.lines().filter(|line| !line.trim().is_empty());
        for (index, line) in lines.enumerate() {
            if index == reader.context.limits.events {
                return Err(BodyError::TooManyEvents { events_max: index });
            }
            reader.single(index, line, &mut |reader, node: Node<'_>| self.event(reader, &node, &node));
        }
        Ok(())
    }

    /// The JSON that stands as text in a node.
    fn inner<'n>(&self, reader: &Reader<'_>, node: &'n Node<'_>) -> Result<Option<Node<'n>>, Reject> {
        let Some(path) = &self.inside else { return Ok(None) };
        match path.find(Place { top: node, event: node }) {
            Some(Node::Text(text)) if text.trim_start().starts_with(['{', '[']) => reader.parse(text).map(Some),
            _ => Ok(None),
        }
    }

    /// The event or the order that a node is; nothing when the mapping leaves it out.
    fn event(&self, reader: &mut Reader<'_>, top: &Node<'_>, node: &Node<'_>) -> Result<Taken, Reject> {
        if !matches!(node, Node::Object(_)) {
            return Err(Reject::Malformed("an event must be a JSON object".into()));
        }
        let inner = if self.events.is_none() { self.inner(reader, node)? } else { None };
        let place = Place { top, event: inner.as_ref().unwrap_or(node) };
        let spec = match (self.cases.iter().find(|case| case.fits(place)), &self.event) {
            (Some(case), _) => case.read_as(),
            (None, Some(event)) => As::Event(event),
            (None, None) => {
                let why = format!("none of the cases of the mapping {} fits this body", self.mapping);
                return Err(Reject::Malformed(why));
            }
        };
        let mut event = match spec {
            As::Event(spec) => spec.read(reader, place)?,
            As::Order(spec) => return spec.read(place, reader.context.limits).map(Taken::Order),
            As::Nothing => return Ok(Taken::Nothing),
        };
        event.signal = event.signal.or(self.signal);
        event.side = event.side.or(self.side);
        Ok(Taken::Event(event))
    }
}
