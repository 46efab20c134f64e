//! Facts: the fields of an event that its alert keeps besides its own, in one piece of memory.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fields::{event_type_word, object_key};
use super::policy::lasting::Lasting;
use crate::domain::event::{Event, Side, Signal};
use crate::domain::ids::OrgId;
use crate::domain::matcher::Fields;
use crate::domain::pairs::{self, Pairs, packed_len};

/// Longer fields, kept when some rule asks for them; annotations, too.
const LONG: &[&str] =
    &["description", "metric.name", "metric.unit", "metric.direction", "metric.value", "metric.threshold"];

/// The value of a field that says the same as the alert's object.
const AS_OBJECT: &str = "";

/// Fields by name, in order.
#[derive(Clone, Debug, Default)]
pub struct Facts(Arc<str>);

/// The facts that the newest alert of each type has: most alerts of a type have the same, and share them. Never part of
/// a snapshot.
#[derive(Clone, Debug, Default)]
pub struct FactsByKind(Vec<Facts>);

impl FactsByKind {
    /// These facts of an alert of this type, shared with the one before when that has the same.
    pub fn share(&mut self, kind: u32, facts: Facts) -> Facts {
        let kind = kind as usize;
        if self.0.len() <= kind {
            self.0.resize_with(kind + 1, Facts::default);
        }
        if self.0[kind].0 != facts.0 {
            self.0[kind] = facts;
        }
        self.0[kind].clone()
    }
}

impl Facts {
    /// What is short of an event, and what rules ask for.
    pub fn of(event: &Event, lasting: &Lasting) -> Self {
        let object = &event.object;
        let short = [
            ("class", object.class.as_deref()),
            ("event_type", event.event_type.map(event_type_word)),
            ("org", event.org.as_ref().map(OrgId::as_str)),
            ("probable_cause", event.probable_cause.as_deref()),
            ("signal", event.signal.map(Signal::as_str)),
            ("side", event.side.map(Side::as_str)),
            ("source_severity", Some(&*event.source_severity)),
            ("specific_problem", event.specific_problem.as_deref()),
            ("object.ci_id", object_key(event, "ci_id")),
            ("object.class", object_key(event, "class")),
            ("object.ip", object_key(event, "ip")),
            ("object.name", object_key(event, "name")),
        ];
        let short = short.into_iter().filter_map(|(name, value)| Some((Cow::Borrowed(name), Cow::Borrowed(value?))));
        let mut facts: Vec<(Cow<'_, str>, Cow<'_, str>)> = short.collect();
        for (key, value) in &object.keys {
            let value = object_key(event, key).unwrap_or(value);
            facts.push((format!("object.{key}").into(), value.into()));
        }
        if lasting.asks_for_long() {
            let annotations = event.annotations.iter().map(|(key, _)| format!("annotations.{key}"));
            let long = LONG.iter().map(|name| (*name).to_owned()).chain(annotations);
            for name in long.filter(|name| lasting.keeps(name)) {
                if let Some(value) = event.field(&name) {
                    facts.push((name.into(), value.into_owned().into()));
                }
            }
        }
        facts.retain(|(_, value)| !value.is_empty());
        facts.sort_unstable();
        facts.dedup_by(|a, b| a.0 == b.0);
        let label = object.label();
        for (_, value) in facts.iter_mut().filter(|(_, value)| *value == label) {
            *value = Cow::Borrowed(AS_OBJECT);
        }
        Self::packed(&facts)
    }

    fn packed(facts: &[(Cow<'_, str>, Cow<'_, str>)]) -> Self {
        let bytes = facts.iter().map(|(name, value)| packed_len(name) + packed_len(value)).sum();
        let mut packed = String::with_capacity(bytes);
        for (name, value) in facts {
            pairs::push(&mut packed, name);
            pairs::push(&mut packed, value);
        }
        Self(packed.into())
    }

    /// The value of a field of an alert about `object`.
    pub fn get<'a>(&'a self, name: &str, object: &'a str) -> Option<&'a str> {
        let (_, value) = Pairs::of(&self.0).find(|(known, _)| *known == name)?;
        Some(if value == AS_OBJECT { object } else { value })
    }

    /// The kind of telemetry of an alert about `object`.
    pub fn signal(&self, object: &str) -> Option<Signal> {
        let word = self.get("signal", object)?;
        Signal::ALL.into_iter().find(|signal| signal.as_str() == word)
    }

    /// Where it was taken.
    pub fn side(&self, object: &str) -> Option<Side> {
        let word = self.get("side", object)?;
        Side::ALL.into_iter().find(|side| side.as_str() == word)
    }

    /// Whether there is none.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(Pairs::of(&self.0))
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::packed(&Vec::deserialize(deserializer)?))
    }
}
