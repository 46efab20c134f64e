//! Several feeds about one estate become one draft: a CI that two of them know is one CI, each field is taken from the feed that
//! stands first and has it, and labels say which feed said what.
//!
//! Two CIs are one when they share an id or any other key (address, serial number, alias), or a name within a class. A key
//! that leads to several is no key. CIs of one feed are never one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Attributes;
use super::draft::{CiDraft, Defect, Draft, Place, RelationDraft};
use super::schema::{Need, Schema};
use crate::domain::ids::CiId;

/// The label with the feeds that know a CI, and what labels begin with that say who said a field.
pub const FEEDS: &str = "feeds";
pub const FEED_OF: &str = "feed.";

/// A CI of several feeds.
struct Node {
    id: CiId,
    name: Box<str>,
    class: Box<str>,
    keys: BTreeSet<Box<str>>,
    attributes: Attributes,
    needs: BTreeMap<Box<str>, Need>,
    feeds: Vec<usize>,
    /// Which feed said a field; only where it is not the first one of the CI.
    said: BTreeMap<&'static str, usize>,
    place: Place,
}

/// What has been put together so far.
#[derive(Default)]
struct Merged {
    nodes: Vec<Node>,
    by_key: BTreeMap<Box<str>, BTreeSet<usize>>,
    by_name: BTreeMap<(Box<str>, Box<str>), BTreeSet<usize>>,
    /// Of each feed: its own ids, and the nodes that they are.
    ids: Vec<BTreeMap<CiId, usize>>,
}

/// Puts drafts over one schema together, the first one having precedence. Each has its name.
///
/// # Errors
/// When there is too much of it.
pub fn merge(schema: Arc<Schema>, feeds: &[(Box<str>, Draft)]) -> Result<Draft, Defect> {
    let mut merged = Merged::default();
    for (number, (_, draft)) in feeds.iter().enumerate() {
        merged.take(number, draft);
    }
    let mut out = Draft::start(schema);
    let names: Vec<String> = feeds.iter().map(|(name, _)| name.to_string()).collect();
    out.named(&names);
    for (_, draft) in feeds {
        draft.classes.iter().for_each(|class| out.declare(class.clone()));
    }
    merged.nodes.iter().try_for_each(|node| node.write(&names, &mut out))?;
    for (number, (_, draft)) in feeds.iter().enumerate() {
        merged.relate(number, draft, &mut out)?;
        out.take_notes(&draft.notes);
    }
    Ok(out)
}

impl Merged {
    fn take(&mut self, feed: usize, draft: &Draft) {
        let labels = draft.label_names();
        let mut needs: BTreeMap<u32, Vec<(Box<str>, Need)>> = BTreeMap::new();
        for ((ci, label), need) in &draft.needs {
            let label = labels.get(*label as usize).cloned().unwrap_or_default();
            needs.entry(ci.0).or_default().push((label, *need));
        }
        let mut own = BTreeMap::new();
        for (at, id) in draft.ids.iter().enumerate() {
            let ix = super::CiIx(at as u32);
            let node = Node {
                id: id.clone(),
                name: draft.keys.name(ix).unwrap_or_default().into(),
                class: draft.classes[usize::from(draft.class_of[at])].id.clone(),
                keys: draft.keys.aliases(ix).map(Box::from).collect(),
                attributes: draft.attributes[draft.attributes_of[at] as usize].clone(),
                needs: needs.remove(&ix.0).unwrap_or_default().into_iter().collect(),
                feeds: vec![feed],
                said: BTreeMap::new(),
                place: Place { file: feed as u16, line: draft.places[at].line },
            };
            let place = match self.same(feed, &node) {
                Some(known) => {
                    self.nodes[known].add(feed, node);
                    known
                }
                None => {
                    self.nodes.push(node);
                    self.nodes.len() - 1
                }
            };
            own.insert(id.clone(), place);
            self.index(place);
        }
        self.ids.push(own);
    }

    /// The node of another feed that this is.
    fn same(&self, feed: usize, node: &Node) -> Option<usize> {
        let of_others = |found: &BTreeSet<usize>| -> Option<usize> {
            let mut others = found.iter().copied().filter(|at| !self.nodes[*at].feeds.contains(&feed));
            others.next().filter(|_| others.next().is_none())
        };
        let keys = std::iter::once(node.id.as_str()).chain(node.keys.iter().map(AsRef::as_ref));
        let found: BTreeSet<usize> = keys.filter_map(|key| of_others(self.by_key.get(key)?)).collect();
        match found.len() {
            0 => of_others(self.by_name.get(&(node.class.clone(), node.name.clone()))?),
            // Two keys that lead to two CIs: the id decides, else the one that stands first.
            _ => found.iter().copied().find(|at| self.nodes[*at].id == node.id).or(found.first().copied()),
        }
    }

    fn index(&mut self, place: usize) {
        let node = &self.nodes[place];
        for key in std::iter::once(node.id.as_str()).chain(node.keys.iter().map(AsRef::as_ref)) {
            self.by_key.entry(key.into()).or_default().insert(place);
        }
        if !node.name.is_empty() {
            self.by_name.entry((node.class.clone(), node.name.clone())).or_default().insert(place);
        }
    }

    /// The relations of a feed: their ends are its own CIs, else what the others know by that key.
    fn relate(&self, feed: usize, draft: &Draft, out: &mut Draft) -> Result<(), Defect> {
        let labels = draft.label_names();
        let end = |mention: u32| {
            let id = &draft.mentioned[mention as usize].0;
            let by_key =
                || self.by_key.get(id.as_str()).filter(|found| found.len() == 1).and_then(|found| found.first());
            let node = self.ids[feed].get(id).or_else(by_key);
            node.map_or_else(|| id.clone(), |at| self.nodes[*at].id.clone())
        };
        for one in &draft.pending {
            let (from, to) = (end(one.from), end(one.to));
            let group = labels.get(one.label as usize).cloned().unwrap_or_default();
            let relation = RelationDraft {
                from: from.as_str(),
                to: to.as_str(),
                kind: one.kind,
                group: &group,
                strength: one.strength,
            };
            out.relation(&relation, Place { file: feed as u16, line: one.line })?;
        }
        Ok(())
    }
}

impl Node {
    /// What a later feed knows beside.
    fn add(&mut self, feed: usize, other: Self) {
        self.feeds.push(feed);
        if other.id != self.id {
            self.keys.insert(other.id.as_str().into());
        }
        if self.name.is_empty() {
            self.name = other.name;
        } else if !other.name.is_empty() && other.name != self.name {
            self.keys.insert(other.name);
        }
        self.keys.extend(other.keys);
        for (label, need) in other.needs {
            self.needs.entry(label).or_insert(need);
        }
        let (own, said) = (&mut self.attributes, &mut self.said);
        let Attributes { org, tenant, env, owner_team, site, criticality, db_level, state: _, monitored: _, labels } =
            other.attributes;
        fill(&mut own.org, org, "org", feed, said);
        fill(&mut own.tenant, tenant, "tenant", feed, said);
        fill(&mut own.env, env, "env", feed, said);
        fill(&mut own.owner_team, owner_team, "owner_team", feed, said);
        fill(&mut own.site, site, "site", feed, said);
        fill(&mut own.criticality, criticality, "criticality", feed, said);
        fill(&mut own.db_level, db_level, "db_level", feed, said);
        for (key, value) in labels {
            own.labels.entry(key).or_insert(value);
        }
    }

    fn write(&self, feeds: &[String], out: &mut Draft) -> Result<(), Defect> {
        let mut attributes = self.attributes.clone();
        let name = |at: usize| feeds.get(at).map_or("", String::as_str);
        let known: Vec<&str> = self.feeds.iter().map(|at| name(*at)).collect();
        attributes.labels.insert(FEEDS.into(), known.join(",").into());
        for (field, feed) in &self.said {
            attributes.labels.insert(format!("{FEED_OF}{field}").into(), name(*feed).into());
        }
        let keys: Vec<&str> = self.keys.iter().map(AsRef::as_ref).collect();
        let needs: Vec<(&str, Need)> = self.needs.iter().map(|(label, need)| (&**label, *need)).collect();
        let draft = CiDraft {
            id: self.id.as_str(),
            name: &self.name,
            class: &self.class,
            keys: &keys,
            attributes,
            needs: &needs,
        };
        out.ci(draft, self.place)
    }
}

/// Takes a field that no feed before had.
fn fill<T>(
    own: &mut Option<T>,
    other: Option<T>,
    field: &'static str,
    feed: usize,
    said: &mut BTreeMap<&'static str, usize>,
) {
    if own.is_none() && other.is_some() {
        *own = other;
        said.insert(field, feed);
    }
}
