//! Groups as snapshots keep them: the place of its root for an alert that stands alone and is held, else what it has.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::group::Group;
use super::lifecycle::Incident;
use super::places::Places;
use super::slab::Place;

/// A group that is more than one held alert.
#[derive(Deserialize)]
struct Tree {
    root: Place,
    members: Places,
    incident: Option<Box<Incident>>,
}

/// The same, as it is written.
#[derive(Serialize)]
struct TreeRef<'a> {
    root: Place,
    members: &'a Places,
    incident: &'a Option<Box<Incident>>,
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.incident.is_none() && self.members[..] == [self.root] {
            return self.root.serialize(serializer);
        }
        TreeRef { root: self.root, members: &self.members, incident: &self.incident }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Group;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a group")
    }

    fn visit_u64<E>(self, root: u64) -> Result<Group, E> {
        let root = Place::from(root);
        Ok(Group { members: Places::One(root), ..Group::of(root) })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Group, A::Error> {
        let Tree { root, members, incident } = Tree::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Group { members, incident, ..Group::of(root) })
    }
}
