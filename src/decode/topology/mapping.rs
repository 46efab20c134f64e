//! How a foreign CMDB export is read: its lists, fields, classes and relation types, as data.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::LoadError;
use super::elements::Held;
use super::schema::{self, ClassText};
use crate::decode::json::Node;
use crate::domain::topology::schema::Class;
use crate::domain::written::OneOrMore;

/// One or several ways to find a text in an element. A way is a field's name, a path such as `site.name` or
/// `cables.0.id`, or a template such as `{object}/{id}`, which counts only when all its fields are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "OneOrMore<Box<str>>")]
#[schemars(with = "OneOrMore<Box<str>>")]
pub(super) struct Ways(Vec<Box<str>>);

impl From<OneOrMore<Box<str>>> for Ways {
    fn from(written: OneOrMore<Box<str>>) -> Self {
        Self(written.list())
    }
}

impl Ways {
    /// Also the way of our own format.
    fn or(&mut self, own: &[&str]) {
        for name in own {
            if !self.0.iter().any(|way| way.as_ref() == *name) {
                self.0.push((*name).into());
            }
        }
    }

    /// All fields that are looked at.
    fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|way| {
            let plain = (!way.contains('{')).then_some(way.as_ref());
            plain.into_iter().chain(way.split('{').skip(1).filter_map(|rest| rest.split('}').next()))
        })
    }

    /// The first text that is there and not empty.
    pub(super) fn text<'n>(&self, element: &'n Node<'_>) -> Option<std::borrow::Cow<'n, str>> {
        self.0.iter().find_map(|way| {
            if way.contains('{') {
                return fill(way, &[element]).map(Into::into);
            }
            find(element, way)?.text().filter(|text| !text.is_empty())
        })
    }

    /// Every value that is there, with its field's name.
    pub(super) fn named<'n>(&'n self, element: &'n Node<'n>) -> impl Iterator<Item = (&'n str, &'n Node<'n>)> {
        self.0.iter().filter_map(|way| Some((way.as_ref(), find(element, way)?)))
    }

    /// The first text that can be made of an item, or else of the element around it.
    pub(super) fn text_of(&self, item: &Node<'_>, element: &Node<'_>) -> Option<String> {
        self.0.iter().find_map(|way| {
            if way.contains('{') {
                return fill(way, &[item, element]);
            }
            let found = find(item, way).or_else(|| find(element, way))?;
            found.text().filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned)
        })
    }

    /// The texts of all templates that can be filled.
    pub(super) fn filled(&self, element: &Node<'_>) -> impl Iterator<Item = String> {
        self.0.iter().filter(|way| way.contains('{')).filter_map(|way| fill(way, &[element]))
    }

    /// Every value that is there, in order of the ways.
    pub(super) fn all<'n>(&self, element: &'n Node<'n>) -> impl Iterator<Item = &'n Node<'n>> {
        self.0.iter().filter_map(|way| find(element, way))
    }
}

/// The member of this name, or what stands at this path.
fn find<'n, 'a>(element: &'n Node<'a>, way: &str) -> Option<&'n Node<'a>> {
    element.member(way).or_else(|| {
        way.split('.').try_fold(element, |node, step| match node {
            Node::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.member(step),
        })
    })
}

/// A template with the texts of the first of these in which each field is.
fn fill(template: &str, elements: &[&Node<'_>]) -> Option<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (field, behind) = after.split_once('}')?;
        text.push_str(before);
        let found = elements.iter().find_map(|element| find(element, field)?.text().filter(|text| !text.is_empty()));
        text.push_str(&found?);
        rest = behind;
    }
    text.push_str(rest);
    Some(text)
}

/// A list of CIs, and the fields of its elements. Where a field is not named, our own name for it is looked for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CiList {
    list: Box<str>,
    /// The class of all elements, when they do not say it themselves.
    pub(super) all_are: Box<str>,
    pub(super) id: Ways,
    pub(super) class: Ways,
    pub(super) name: Ways,
    pub(super) keys: Ways,
    pub(super) org: Ways,
    pub(super) tenant: Ways,
    pub(super) env: Ways,
    pub(super) owner_team: Ways,
    pub(super) site: Ways,
    pub(super) criticality: Ways,
    pub(super) db_level: Ways,
    pub(super) state: Ways,
    pub(super) monitored: Ways,
    /// Objects whose members become labels, or fields that become labels of the same name.
    pub(super) labels: Ways,
    pub(super) redundancy: Ways,
    /// Relations that its elements name themselves, as foreign keys.
    pub(super) relations: Vec<OwnRelation>,
    #[serde(skip)]
    used: Vec<Box<str>>,
}

/// A relation that a CI names itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnRelation {
    /// The other CI's id.
    pub(super) to: Ways,
    #[serde(rename = "type")]
    pub(super) kind: Box<str>,
    /// The other one is meant first: "rack contains server", said by the server.
    #[serde(default)]
    pub(super) inverse: bool,
    /// The array of which each item names one.
    #[serde(default)]
    pub(super) each: Option<Box<str>>,
}

impl OwnRelation {
    /// The ids that an element names.
    pub(super) fn targets(&self, element: &Node<'_>) -> Vec<String> {
        let Some(each) = &self.each else { return self.to.text_of(element, element).into_iter().collect() };
        let Some(Node::Array(items)) = find(element, each) else { return Vec::new() };
        items.iter().filter_map(|item| self.to.text_of(item, element)).collect()
    }
}

/// A list of relations, and the fields of its elements.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RelationList {
    list: Box<str>,
    /// The type of all elements, when they do not say it themselves.
    pub(super) all_are: Box<str>,
    pub(super) from: Ways,
    pub(super) to: Ways,
    #[serde(rename = "type")]
    pub(super) kind: Ways,
    pub(super) group: Ways,
    pub(super) soft: Ways,
    #[serde(skip)]
    used: Vec<Box<str>>,
}

/// Our name of a foreign relation type.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RelationName {
    #[serde(rename = "type")]
    pub(super) kind: Box<str>,
    /// "A theirs B" means "B ours A".
    #[serde(default)]
    pub(super) inverse: bool,
    /// Only for elements whose fields have one of these values.
    #[serde(default)]
    pub(super) when: BTreeMap<Box<str>, Vec<Box<str>>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum RelationNames {
    One(RelationName),
    /// The first that fits.
    Several(Vec<RelationName>),
}

impl RelationNames {
    pub(super) fn of(&self, element: &Node<'_>) -> Option<&RelationName> {
        let names = match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        };
        names.iter().find(|name| {
            name.when.iter().all(|(field, values)| {
                let value = element.member(field).and_then(Node::text);
                value.is_some_and(|v| values.iter().any(|want| **want == *v))
            })
        })
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MappingText {
    cis_from: Vec<CiList>,
    relations_from: Vec<RelationList>,
    classes: BTreeMap<Box<str>, Box<str>>,
    declare: Vec<ClassText>,
    relations: BTreeMap<Box<str>, RelationNames>,
    ignored_relations: Vec<Box<str>>,
    ignored_fields: Vec<Box<str>>,
}

/// How a foreign CMDB export is read. The default reads our own format.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(super) cis_from: Vec<CiList>,
    pub(super) relations_from: Vec<RelationList>,
    pub(super) classes: BTreeMap<Box<str>, Box<str>>,
    declared: Vec<Class>,
    pub(super) relations: BTreeMap<Box<str>, RelationNames>,
    ignored_relations: Vec<Box<str>>,
    ignored_fields: Vec<Box<str>>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self::of(MappingText::default())
    }
}

impl Mapping {
    /// Reads a mapping file (YAML; see `topology/mappings/`).
    ///
    /// # Errors
    /// Names the file, the line and what is wrong there.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        schema::yaml(file, bytes).map(Self::of)
    }

    fn of(text: MappingText) -> Self {
        let mut mapping = Self {
            cis_from: text.cis_from,
            relations_from: text.relations_from,
            classes: text.classes,
            declared: text.declare.into_iter().map(Class::from).collect(),
            relations: text.relations,
            ignored_relations: text.ignored_relations,
            ignored_fields: text.ignored_fields,
        };
        if mapping.cis_from.is_empty() {
            mapping.cis_from.push(CiList { list: "cis".into(), ..CiList::default() });
        }
        if mapping.relations_from.is_empty() {
            mapping.relations_from.push(RelationList { list: "relations".into(), ..RelationList::default() });
        }
        mapping.cis_from.iter_mut().for_each(CiList::complete);
        mapping.relations_from.iter_mut().for_each(RelationList::complete);
        mapping
    }

    /// Classes that only this export has.
    pub(super) fn declared(&self) -> &[Class] {
        &self.declared
    }

    /// What the member of this name holds.
    pub(super) fn held(&self, name: &str) -> Option<Held> {
        let cis = self.cis_from.iter().position(|list| *list.list == *name).map(Held::Cis);
        cis.or_else(|| self.relations_from.iter().position(|list| *list.list == *name).map(Held::Relations))
    }

    /// Our class of a foreign one.
    pub(super) fn class<'c>(&'c self, theirs: &'c str) -> &'c str {
        self.classes.get(theirs).map_or(theirs, AsRef::as_ref)
    }

    pub(super) fn leaves_out(&self, relation: &str) -> bool {
        self.ignored_relations.iter().any(|name| **name == *relation)
    }

    /// Whether a field is left out on purpose.
    pub(super) fn knows_unused(&self, field: &str) -> bool {
        self.ignored_fields.iter().any(|name| **name == *field)
    }
}

impl CiList {
    fn complete(&mut self) {
        let own: [(&mut Ways, &[&str]); 15] = [
            (&mut self.id, &["id", "ci_id"]),
            (&mut self.class, &["class"]),
            (&mut self.name, &["name"]),
            (&mut self.keys, &["keys", "aliases"]),
            (&mut self.org, &["org"]),
            (&mut self.tenant, &["tenant"]),
            (&mut self.env, &["env"]),
            (&mut self.owner_team, &["owner_team"]),
            (&mut self.site, &["site", "location"]),
            (&mut self.criticality, &["criticality"]),
            (&mut self.db_level, &["db_level"]),
            (&mut self.state, &["state"]),
            (&mut self.monitored, &["monitored"]),
            (&mut self.labels, &["labels"]),
            (&mut self.redundancy, &["redundancy"]),
        ];
        for (ways, names) in own {
            ways.or(names);
            self.used.extend(ways.fields().flat_map(both));
        }
        for own in &self.relations {
            self.used.extend(own.to.fields().chain(own.each.as_deref()).flat_map(both));
        }
    }

    pub(super) fn uses(&self, field: &str) -> bool {
        self.used.iter().any(|name| **name == *field)
    }

    /// How many fields it reads.
    #[cfg(test)]
    pub(super) fn fields(&self) -> usize {
        self.used.iter().collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// A field as it is written, and the member that its path begins with.
fn both(field: &str) -> [Box<str>; 2] {
    [field.into(), field.split('.').next().unwrap_or_default().into()]
}

impl RelationList {
    /// How many fields it reads.
    #[cfg(test)]
    pub(super) fn fields(&self) -> usize {
        self.used.iter().collect::<std::collections::BTreeSet<_>>().len()
    }

    fn complete(&mut self) {
        let own: [(&mut Ways, &[&str]); 5] = [
            (&mut self.from, &["from"]),
            (&mut self.to, &["to"]),
            (&mut self.kind, &["type"]),
            (&mut self.group, &["group"]),
            (&mut self.soft, &["soft"]),
        ];
        for (ways, names) in own {
            ways.or(names);
            self.used.extend(ways.fields().flat_map(both));
        }
    }

    pub(super) fn uses(&self, field: &str) -> bool {
        self.used.iter().any(|name| **name == *field)
    }
}
