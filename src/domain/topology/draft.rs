//! A topology in the making: CIs and relations in any order, then `finish`.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde::Serialize;

use super::keys::KeyIndex;
use super::schema::{CLASSES_MAX, Class, Flow, Need, Schema, TypeIx};
use super::{Attributes, CiIx};
use crate::domain::ids::CiId;

/// How many entries a list of notes keeps; the rest is counted.
pub const NOTES_MAX: usize = 100;

/// How many CIs a topology may have.
pub const CIS_MAX: usize = 16_000_000;

/// How many relations a topology may have.
pub const RELATIONS_MAX: usize = 64_000_000;

/// A CI that is only spoken of so far.
pub(super) const UNDEFINED: u32 = u32::MAX;

/// Where in the input something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file's number in the list that was loaded.
    pub file: u16,
    /// From 1.
    pub line: u32,
}

/// The first of many, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bounded<T> {
    pub count: u64,
    /// At most `NOTES_MAX`.
    pub first: Vec<T>,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T> Bounded<T> {
    /// Counts one more and keeps it while there is room.
    pub fn push(&mut self, make: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < NOTES_MAX {
            self.first.push(make());
        }
    }
}

/// Something that occurs several times: how often, and where first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Occurring {
    pub count: u64,
    pub first: Place,
}

/// A relation that cannot be used, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadRelation {
    pub from: CiId,
    pub to: CiId,
    /// Relation type id.
    pub kind: Box<str>,
    pub place: Place,
}

/// What loading noticed and did not refuse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notes {
    /// One end or both are no CI.
    pub dangling: Bounded<BadRelation>,
    /// From a CI to itself.
    pub to_itself: Bounded<BadRelation>,
    /// Said more than once.
    pub repeated: u64,
    /// Relations per type name that the mapping does not map.
    pub ignored: BTreeMap<Box<str>, Occurring>,
    /// Fields that nothing reads.
    pub unused_fields: BTreeMap<Box<str>, Occurring>,
    /// CIs per class name that nobody declared.
    pub unknown_classes: BTreeMap<Box<str>, Occurring>,
    /// The files, by the numbers in places.
    pub files: Vec<Box<str>>,
}

/// A CI as it is read.
#[derive(Debug, Default)]
pub struct CiDraft<'a> {
    pub id: &'a str,
    /// Empty: as the id.
    pub name: &'a str,
    /// Class id of the schema, of a declared class, or any other word.
    pub class: &'a str,
    /// Every other key: aliases, addresses, serial number.
    pub keys: &'a [&'a str],
    pub attributes: Attributes,
    /// How many members of a redundancy group this CI needs, by the group's label or relation type id.
    pub needs: &'a [(&'a str, Need)],
}

/// A relation "from type to" as it is read.
#[derive(Debug)]
pub struct RelationDraft<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub kind: TypeIx,
    /// The effect CI's redundancy group; empty: as the relation type says.
    pub group: &'a str,
    pub strength: Strength,
}

/// Whether a relation may only hurt instead of break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    #[default]
    AsTyped,
    /// The effect CI suffers at most.
    Soft,
}

/// Why something cannot become part of a topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    #[error("a CI without an id; give every CI an id")]
    NoId,
    #[error("CI \"{0}\" is defined twice; remove one of the two")]
    Twice(CiId, Place),
    #[error("more than {CIS_MAX} CIs; split the estate into tenants or domains")]
    TooManyCis,
    #[error("more than {RELATIONS_MAX} relations; split the estate into tenants or domains")]
    TooManyRelations,
    #[error("names and keys exceed 4 GiB of text; drop keys that no alert uses")]
    TooMuchText,
    #[error("more than {CLASSES_MAX} classes; map the class names of the CMDB")]
    TooManyClasses,
}

/// A relation whose ends may not be defined yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) from: u32,
    pub(super) to: u32,
    /// Number of the group's label; 0 = none given.
    pub(super) label: u32,
    pub(super) line: u32,
    pub(super) kind: TypeIx,
    pub(super) file: u16,
    pub(super) strength: Strength,
}

/// A topology in the making. CIs get their places in order of definition.
#[derive(Debug)]
pub struct Draft {
    pub(super) schema: Arc<Schema>,
    /// Every id ever mentioned: its CI, or `UNDEFINED`.
    pub(super) mentioned: Vec<(CiId, u32)>,
    mention: HashMap<Arc<str>, u32, FixedState>,
    pub(super) ids: Vec<CiId>,
    pub(super) places: Vec<Place>,
    pub(super) class_of: Vec<u16>,
    pub(super) classes: Vec<Class>,
    class_ix: HashMap<Box<str>, u16, FixedState>,
    pub(super) attributes_of: Vec<u32>,
    pub(super) attributes: Vec<Attributes>,
    /// By hash: of two that share one, the later is not interned.
    attribute_ix: HashMap<u64, u32, FixedState>,
    pub(super) keys: KeyIndex,
    pub(super) pending: Vec<Pending>,
    /// Group labels by number; 0 is "none given".
    labels: HashMap<Box<str>, u32, FixedState>,
    pub(super) needs: BTreeMap<(CiIx, u32), Need>,
    pub(super) notes: Notes,
}

impl Draft {
    /// An empty draft over the schema's classes and relation types.
    pub fn start(schema: Arc<Schema>) -> Self {
        let mut draft = Self {
            classes: Vec::new(),
            mentioned: Vec::new(),
            mention: HashMap::default(),
            ids: Vec::new(),
            places: Vec::new(),
            class_of: Vec::new(),
            class_ix: HashMap::default(),
            attributes_of: Vec::new(),
            attributes: Vec::new(),
            attribute_ix: HashMap::default(),
            keys: KeyIndex::default(),
            pending: Vec::new(),
            labels: HashMap::default(),
            needs: BTreeMap::new(),
            notes: Notes::default(),
            schema,
        };
        for class in draft.schema.clone().classes() {
            draft.declare(class.clone());
        }
        draft
    }

    /// Makes a class known that the schema lacks; one that is known already stays as it is.
    pub fn declare(&mut self, class: Class) {
        if self.classes.len() < CLASSES_MAX && !self.class_ix.contains_key(&class.id) {
            self.class_ix.insert(class.id.clone(), self.classes.len() as u16);
            self.classes.push(class);
        }
    }

    /// The classes and relation types it is read by.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many CIs are defined.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no CI is defined.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Adds a CI.
    pub fn ci(&mut self, ci: CiDraft<'_>, place: Place) -> Result<(), Defect> {
        if ci.id.is_empty() {
            return Err(Defect::NoId);
        }
        let mention = self.mention(ci.id);
        let (id, at) = self.mentioned[mention as usize].clone();
        if at != UNDEFINED {
            return Err(Defect::Twice(id, self.places[at as usize]));
        }
        if self.ids.len() >= CIS_MAX {
            return Err(Defect::TooManyCis);
        }
        let class = self.class(ci.class, place)?;
        let name = if ci.name == ci.id { "" } else { ci.name };
        if !self.keys.push(name, ci.keys.iter().copied()) {
            return Err(Defect::TooMuchText);
        }
        let ix = self.ids.len() as u32;
        self.mentioned[mention as usize].1 = ix;
        self.ids.push(id);
        self.places.push(place);
        self.class_of.push(class);
        let attributes = self.attributes(ci.attributes);
        self.attributes_of.push(attributes);
        for (label, need) in ci.needs {
            let label = self.label(label);
            self.needs.insert((CiIx(ix), label), *need);
        }
        Ok(())
    }

    /// Adds a relation; its ends may be defined later.
    pub fn relation(&mut self, relation: &RelationDraft<'_>, place: Place) -> Result<(), Defect> {
        if self.pending.len() >= RELATIONS_MAX {
            return Err(Defect::TooManyRelations);
        }
        if self.schema.relation_type(relation.kind).travel.flow == Flow::None
            && self.schema.relation_type(relation.kind).overrides.is_empty()
        {
            return Ok(());
        }
        let (from, to) = (self.mention(relation.from), self.mention(relation.to));
        let label = self.label(relation.group);
        self.pending.push(Pending {
            from,
            to,
            label,
            line: place.line,
            kind: relation.kind,
            file: place.file,
            strength: relation.strength,
        });
        Ok(())
    }

    /// Says what the files are called whose numbers places have.
    pub fn named(&mut self, files: &[String]) {
        self.notes.files = files.iter().map(|name| name.as_str().into()).collect();
    }

    /// Counts a relation whose type the mapping leaves out.
    pub fn ignore(&mut self, type_name: &str, place: Place) {
        count(&mut self.notes.ignored, type_name, place);
    }

    /// Counts a field that nothing reads.
    pub fn unused(&mut self, field: &str, place: Place) {
        count(&mut self.notes.unused_fields, field, place);
    }

    /// The groups' labels by number; 0 is "none given".
    pub(super) fn label_names(&self) -> Vec<Box<str>> {
        let mut names = vec![Box::<str>::default(); self.labels.len() + 1];
        self.labels.iter().for_each(|(label, number)| names[*number as usize].clone_from(label));
        names
    }

    /// Takes over what was noticed when another draft was read.
    pub(super) fn take_notes(&mut self, other: &Notes) {
        let own = &mut self.notes;
        for (known, more) in [(&mut own.ignored, &other.ignored), (&mut own.unused_fields, &other.unused_fields)] {
            for (name, found) in more {
                let has_room = known.len() < NOTES_MAX;
                match known.get_mut(name) {
                    Some(before) => before.count += found.count,
                    None if has_room => _ = known.insert(name.clone(), *found),
                    None => {}
                }
            }
        }
    }

    fn mention(&mut self, id: &str) -> u32 {
        if let Some(&at) = self.mention.get(id) {
            return at;
        }
        let (id, at): (Arc<str>, _) = (id.into(), self.mentioned.len() as u32);
        self.mention.insert(id.clone(), at);
        self.mentioned.push((CiId(id), UNDEFINED));
        at
    }

    fn class(&mut self, id: &str, place: Place) -> Result<u16, Defect> {
        if let Some(&at) = self.class_ix.get(id) {
            if !self.classes[usize::from(at)].declared {
                self.notes.unknown_classes.entry(id.into()).or_default().count += 1;
            }
            return Ok(at);
        }
        if self.classes.len() >= CLASSES_MAX {
            return Err(Defect::TooManyClasses);
        }
        self.declare(Class::generic(id));
        self.notes.unknown_classes.insert(id.into(), Occurring { count: 1, first: place });
        Ok(self.classes.len() as u16 - 1)
    }

    fn attributes(&mut self, attributes: Attributes) -> u32 {
        let hash = FixedState::default().hash_one(&attributes);
        if let Some(&at) = self.attribute_ix.get(&hash)
            && self.attributes[at as usize] == attributes
        {
            return at;
        }
        let at = self.attributes.len() as u32;
        self.attributes.push(attributes);
        self.attribute_ix.insert(hash, at);
        at
    }

    /// The number of a group's label; also of a relation type's id, under which implicit groups go.
    pub(super) fn label(&mut self, label: &str) -> u32 {
        if label.is_empty() {
            return 0;
        }
        if let Some(&number) = self.labels.get(label) {
            return number;
        }
        let number = self.labels.len() as u32 + 1;
        self.labels.insert(label.into(), number);
        number
    }
}

/// Counts by name; beyond `NOTES_MAX` names, further names are not counted.
fn count(counts: &mut BTreeMap<Box<str>, Occurring>, name: &str, place: Place) {
    if let Some(known) = counts.get_mut(name) {
        known.count += 1;
    } else if counts.len() < NOTES_MAX {
        counts.insert(name.into(), Occurring { count: 1, first: place });
    }
}
