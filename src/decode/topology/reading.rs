//! One element to a CI or a relation of the draft.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Errors;
use super::elements::Held;
use super::mapping::{CiList, Mapping, RelationList, Ways};
use crate::decode::json::Node;
use crate::domain::ids::{OrgId, TenantId};
use crate::domain::topology::draft::{CiDraft, Defect, Draft, Place, RelationDraft, Strength};
use crate::domain::topology::schema::Need;
use crate::domain::topology::{Attributes, CiState};

/// Characters of a name, key or other text of a CI; a longer one is an error.
const TEXT_MAX: usize = 1024;

/// Keys of one CI.
const KEYS_MAX: usize = 256;

/// Reads elements into a draft.
pub(super) struct Reading<'m> {
    mapping: &'m Mapping,
    draft: &'m mut Draft,
    errors: &'m mut Errors,
}

impl<'m> Reading<'m> {
    pub(super) fn of(mapping: &'m Mapping, draft: &'m mut Draft, errors: &'m mut Errors) -> Self {
        Self { mapping, draft, errors }
    }

    pub(super) fn held(&self, list: &str) -> Option<Held> {
        self.mapping.held(list)
    }

    pub(super) fn refuse(&mut self, place: Place, why: String) {
        self.errors.push(place, why);
    }

    pub(super) fn unused(&mut self, field: &str, place: Place) {
        if !self.mapping.knows_unused(field) {
            self.draft.unused(field, place);
        }
    }

    /// Takes one element of a list of CIs.
    pub(super) fn ci(&mut self, list: usize, element: &Node<'_>, place: Place) {
        let mapping = self.mapping;
        let list = &mapping.cis_from[list];
        let Node::Object(members) = element else {
            return self.refuse(place, "a CI must be an object with fields".into());
        };
        for (field, _) in members.iter().filter(|(field, _)| !list.uses(field)) {
            self.unused(field, place);
        }
        let text = |ways: &Ways| ways.text(element).unwrap_or_default();
        let (id, name, theirs) = (text(&list.id), text(&list.name), text(&list.class));
        let theirs = if theirs.is_empty() { Cow::Borrowed(list.all_are.as_ref()) } else { theirs };
        if theirs.is_empty() {
            return self.refuse(place, format!("CI {id:?} has no class; give it one of topology/classes.yaml"));
        }
        let mut keys = Vec::new();
        for value in list.keys.all(element) {
            gather(value, &mut keys);
        }
        keys.extend(list.keys.filled(element).map(Cow::Owned));
        // An address with a mask is also known without.
        let bare = |key: &Cow<'_, str>| {
            key.split_once('/').filter(|(ip, _)| ip.parse::<IpAddr>().is_ok()).map(|(ip, _)| ip.to_owned())
        };
        let bare: Vec<String> = keys.iter().filter_map(bare).collect();
        keys.extend(bare.into_iter().map(Cow::Owned));
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).filter(|key| !key.is_empty()).collect();
        let long = [id.as_ref(), name.as_ref(), theirs.as_ref()].into_iter().chain(keys.iter().copied());
        if long.into_iter().any(|text| text.len() > TEXT_MAX) || keys.len() > KEYS_MAX {
            let why = format!("a text longer than {TEXT_MAX} bytes or more than {KEYS_MAX} keys; shorten the CI");
            return self.refuse(place, why);
        }
        let read = attributes(list, element).and_then(|a| Ok((a, needs(list, element)?)));
        let (attributes, needs) = match read {
            Ok(read) => read,
            Err(why) => return self.refuse(place, format!("CI {id:?}: {why}")),
        };
        let needs: Vec<(&str, Need)> = needs.iter().map(|(label, need)| (label.as_ref(), *need)).collect();
        let class = mapping.class(&theirs);
        let ci = CiDraft { id: &id, name: &name, class, keys: &keys, attributes, needs: &needs };
        match self.draft.ci(ci, place) {
            Ok(()) => self.own_relations(list, &id, element, place),
            Err(defect @ Defect::Twice(_, first)) => {
                let first = format!("{}:{}", self.errors.file(first), first.line);
                self.refuse(place, format!("{defect}; the other one is at {first}"));
            }
            Err(defect) => self.refuse(place, defect.to_string()),
        }
    }

    /// Takes the relations that a CI names itself.
    fn own_relations(&mut self, list: &CiList, id: &str, element: &Node<'_>, place: Place) {
        for own in &list.relations {
            let Some((kind, inverse)) = self.draft.schema().relation(&own.kind) else {
                let why = format!("unknown relation type {:?}; use one of topology/relations.yaml", own.kind);
                return self.refuse(place, why);
            };
            for other in own.targets(element).iter().filter(|other| *other != id) {
                let (from, to) = if own.inverse == inverse { (id, other.as_str()) } else { (other.as_str(), id) };
                let relation = RelationDraft { from, to, kind, group: "", strength: Strength::AsTyped };
                if let Err(defect) = self.draft.relation(&relation, place) {
                    self.refuse(place, defect.to_string());
                }
            }
        }
    }

    /// Takes one element of a list of relations.
    pub(super) fn relation(&mut self, list: usize, element: &Node<'_>, place: Place) {
        let mapping = self.mapping;
        let list = &mapping.relations_from[list];
        let Node::Object(members) = element else {
            return self.refuse(place, "a relation must be an object with `from`, `to` and `type`".into());
        };
        for (field, _) in members.iter().filter(|(field, _)| !list.uses(field)) {
            self.unused(field, place);
        }
        let constant = Some(Cow::Borrowed(list.all_are.as_ref())).filter(|kind| !kind.is_empty());
        let (Some(from), Some(to), Some(theirs)) =
            (list.from.text(element), list.to.text(element), list.kind.text(element).or(constant))
        else {
            return self.refuse(place, "a relation needs `from`, `to` and `type`".into());
        };
        if mapping.leaves_out(&theirs) {
            return self.draft.ignore(&theirs, place);
        }
        let (name, turned) = match mapping.relations.get(theirs.as_ref()) {
            None => (theirs.as_ref(), false),
            Some(names) => match names.of(element) {
                Some(ours) => (ours.kind.as_ref(), ours.inverse),
                None => return self.draft.ignore(&theirs, place),
            },
        };
        let Some((kind, inverse)) = self.draft.schema().relation(name) else {
            let why = format!("unknown relation type {name:?}; use one of topology/relations.yaml or map it");
            return self.refuse(place, why);
        };
        let strength = match soft(list, element) {
            Ok(strength) => strength,
            Err(why) => return self.refuse(place, why),
        };
        let group = list.group.text(element).unwrap_or_default();
        let (from, to) = if turned == inverse { (from, to) } else { (to, from) };
        let relation = RelationDraft { from: &from, to: &to, kind, group: &group, strength };
        if let Err(defect) = self.draft.relation(&relation, place) {
            self.refuse(place, defect.to_string());
        }
    }
}

fn soft(list: &RelationList, element: &Node<'_>) -> Result<Strength, String> {
    match list.soft.text(element).as_deref() {
        None | Some("false") => Ok(Strength::AsTyped),
        Some("true") => Ok(Strength::Soft),
        Some(other) => Err(format!("soft is {other:?}; write true or false")),
    }
}

/// All texts of a value: of a list each one, of an object each member. An object inside becomes one text, its
/// members joined by `/` (`{namespace: a, pod: b}` is `a/b`).
fn gather<'n>(value: &'n Node<'_>, into: &mut Vec<Cow<'n, str>>) {
    match value {
        Node::Array(items) => items.iter().for_each(|item| gather(item, into)),
        Node::Object(members) => {
            for (_, member) in members {
                if let Node::Object(parts) = member {
                    let parts: Vec<_> = parts.iter().filter_map(|(_, part)| part.text()).collect();
                    into.push(parts.join("/").into());
                } else {
                    gather(member, into);
                }
            }
        }
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::Big(_) | Node::Float(_) | Node::Text(_) => {
            into.extend(value.text());
        }
    }
}

fn attributes(list: &CiList, element: &Node<'_>) -> Result<Attributes, String> {
    let text = |ways: &Ways| ways.text(element);
    let level = |ways: &Ways, name: &str| match text(ways).map(|t| (t.parse().ok(), t)) {
        None => Ok(None),
        Some((Some(level @ 1..=5), _)) => Ok(Some(level)),
        Some((_, other)) => Err(format!("{name} is {other:?}; it goes from 1 to 5")),
    };
    let state = match text(&list.state) {
        None => CiState::Running,
        Some(word) => {
            CiState::parse(&word).ok_or_else(|| format!("state is {word:?}; write running, maintenance or retired"))?
        }
    };
    let monitored = match text(&list.monitored).as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => return Err(format!("monitored is {other:?}; write true or false")),
    };
    Ok(Attributes {
        org: text(&list.org).map(|t| OrgId::from(t.as_ref())),
        tenant: text(&list.tenant).map(|t| TenantId::from(t.as_ref())),
        env: text(&list.env).map(|t| t.as_ref().into()),
        owner_team: text(&list.owner_team).map(|t| t.as_ref().into()),
        site: text(&list.site).map(|t| t.as_ref().into()),
        criticality: level(&list.criticality, "criticality")?,
        db_level: level(&list.db_level, "db_level")?,
        state,
        monitored,
        labels: labels(list, element),
    })
}

fn labels(list: &CiList, element: &Node<'_>) -> BTreeMap<std::sync::Arc<str>, std::sync::Arc<str>> {
    let mut labels = BTreeMap::new();
    for (name, value) in list.labels.named(element) {
        match value {
            Node::Object(members) => labels
                .extend(members.iter().filter_map(|(name, value)| Some((name.as_ref().into(), value.text()?.into())))),
            _ => labels.extend(value.text().map(|text| (name.into(), text.into()))),
        }
    }
    labels
}

/// `{label: 1}` (so many members) or `{label: "50%"}` (such a share).
fn needs<'n>(list: &CiList, element: &'n Node<'n>) -> Result<Vec<(Cow<'n, str>, Need)>, String> {
    let mut needs = Vec::new();
    for value in list.redundancy.all(element) {
        let Node::Object(members) = value else {
            return Err("redundancy must be an object such as {powers: 1}".into());
        };
        for (label, value) in members {
            let text = value.text().unwrap_or_default();
            let need = match text.strip_suffix('%') {
                Some(percent) => percent.parse().ok().filter(|p| *p <= 100).map(|p: u32| Need::Share(p * 10)),
                None => text.parse().ok().map(Need::AtLeast),
            };
            let need = need.ok_or_else(|| format!("redundancy {label:?} is {text:?}; write a number or \"50%\""))?;
            needs.push((Cow::Borrowed(label.as_ref()), need));
        }
    }
    Ok(needs)
}
