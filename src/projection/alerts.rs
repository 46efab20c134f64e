//! The alerts of one tenant that are firing or belong to an incident on the board.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::board::Page;
use super::scope::Scope;
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::ascending::Ascending;
use crate::domain::ci::CiRef;
use crate::domain::event::{Side, Signal};
use crate::domain::ids::{AlertId, CiId, SourceId};
use crate::domain::severity::Severity;
use crate::domain::stream;
use crate::domain::time::Timestamp;
use crate::engine::memory::is_zero;

/// Resolved alerts without an incident kept in memory per tenant.
const LOOSE_RESOLVED_MAX: usize = 20_000;
/// Rows that one page looks at before it ends early (with a `next`), so that a rare match cannot hold the view.
const SCAN_MAX: usize = 50_000;

/// Newest first. Also the paging key.
pub type AlertPlace = (Reverse<Timestamp>, Reverse<AlertId>);

/// One alert as the view keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRow {
    pub view: Arc<AlertView>,
    /// Events folded in since `view` was told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
    /// By our clock; also moved by duplicates.
    pub last_seen: Timestamp,
}

impl AlertRow {
    /// Events folded into this alert until now.
    pub fn count(&self) -> u64 {
        self.view.count + self.more
    }

    /// Its CI.
    pub fn ci(&self) -> Option<&CiRef> {
        self.view.ci.as_deref()
    }
}

/// Which alerts are wanted. Empty lists mean "any".
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    pub states: Vec<AlertState>,
    pub severities: Vec<Severity>,
    pub sources: Vec<SourceId>,
    pub signals: Vec<Signal>,
    pub sides: Vec<Side>,
    pub ci: Option<CiId>,
    pub held: Option<bool>,
    pub muted: Option<bool>,
    /// Part of name, title, object or the CI's name; any case.
    pub q: Option<String>,
}

/// All alerts of one tenant.
#[derive(Clone, Default)]
pub struct Alerts {
    rows: Ascending<AlertId, AlertRow>,
    /// By time and id: pages show them the other way round.
    by_place: Ascending<Key, ()>,
    held: Ascending<Key, ()>,
    loose: BTreeSet<(Timestamp, AlertId)>,
    firing: u64,
}

/// An alert's place in ascending order.
type Key = (Timestamp, AlertId);

fn key(view: &AlertView) -> Key {
    (view.first_seen, view.id)
}

fn is_loose(view: &AlertView) -> bool {
    view.state == AlertState::Resolved && view.incident.is_none()
}

impl Alerts {
    /// The alert, when it is still in memory.
    pub fn get(&self, id: AlertId) -> Option<&AlertRow> {
        self.rows.get(&id)
    }

    /// All alerts in memory.
    pub fn iter(&self) -> impl Iterator<Item = &AlertRow> {
        self.rows.iter().map(|(_, row)| row)
    }

    /// Alerts that are firing.
    pub fn firing(&self) -> u64 {
        self.firing
    }

    /// Alerts that are held, inside the scope.
    pub fn held(&self, scope: &Scope) -> u64 {
        if scope.is_whole() {
            return self.held.len() as u64;
        }
        self.held.iter().filter(|(at, ())| self.get(at.1).is_some_and(|row| scope.sees_ci(row.ci()))).count() as u64
    }

    /// Takes the alert as it is now.
    pub fn put(&mut self, view: Arc<AlertView>) {
        self.forget(view.id);
        self.keep(AlertRow { last_seen: view.last_seen, more: 0, view });
        while self.loose.len() > LOOSE_RESOLVED_MAX
            && let Some((_, oldest)) = self.loose.first().copied()
        {
            self.forget(oldest);
        }
    }

    fn keep(&mut self, row: AlertRow) {
        let view = &row.view;
        self.by_place.insert(key(view), ());
        if view.held && view.state == AlertState::Firing {
            self.held.insert(key(view), ());
        }
        if view.state == AlertState::Firing {
            self.firing += 1;
        }
        if is_loose(view) {
            self.loose.insert((view.last_seen, view.id));
        }
        self.rows.insert(view.id, row);
    }

    /// One more event was folded into it.
    pub fn count(&mut self, id: AlertId, at: Timestamp) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.more += 1;
            row.last_seen = row.last_seen.max(at);
        }
    }

    /// Forgets these, when they are over.
    pub fn forget_resolved(&mut self, ids: &[AlertId]) {
        for id in ids {
            if self.get(*id).is_some_and(|row| row.view.state == AlertState::Resolved) {
                self.forget(*id);
            }
        }
    }

    fn forget(&mut self, id: AlertId) {
        let Some(row) = self.rows.remove(&id) else { return };
        self.by_place.remove(&key(&row.view));
        self.held.remove(&key(&row.view));
        self.loose.remove(&(row.view.last_seen, id));
        if row.view.state == AlertState::Firing {
            self.firing -= 1;
        }
    }

    /// A page of at most `limit` alerts after `after`, newest first.
    pub fn page(
        &self,
        scope: &Scope,
        filter: &AlertFilter,
        after: Option<AlertPlace>,
        limit: usize,
    ) -> Page<&AlertRow, AlertPlace> {
        let q = filter.q.as_ref().map(|q| q.trim().to_lowercase()).filter(|q| !q.is_empty());
        let set = if filter.held == Some(true) { &self.held } else { &self.by_place };
        let after = after.map(|(Reverse(first_seen), Reverse(id))| (first_seen, id));
        let place = |(first_seen, id): Key| (Reverse(first_seen), Reverse(id));
        let mut items: Vec<&AlertRow> = Vec::new();
        for (looked_at, (at, ())) in set.down_from(after.as_ref()).enumerate() {
            if looked_at == SCAN_MAX {
                return Page { items, next: Some(place(*at)) };
            }
            let Some(row) = self.get(at.1) else { continue };
            if !wanted(row, scope, filter, q.as_deref()) {
                continue;
            }
            if items.len() == limit {
                let next = items.last().map(|last| place(key(&last.view)));
                return Page { items, next };
            }
            items.push(row);
        }
        Page { items, next: None }
    }
}

/// Stored as its rows; the indexes are made again.
impl Serialize for Alerts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|(_, row)| row))
    }
}

impl<'de> Deserialize<'de> for Alerts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut alerts, mut shelf) = (Self::default(), Shelf::default());
        stream::each(deserializer, |mut row: AlertRow| {
            Arc::get_mut(&mut row.view).into_iter().for_each(|view| shelf.share(view));
            alerts.keep(row);
        })?;
        Ok(alerts)
    }
}

/// What many alerts that are read have in common, kept once.
#[derive(Default)]
struct Shelf {
    texts: HashSet<Arc<str>>,
    cis: HashMap<CiId, Arc<CiRef>>,
}

impl Shelf {
    fn share(&mut self, view: &mut AlertView) {
        for text in [&mut view.tenant.0, &mut view.source.0, &mut view.name] {
            match self.texts.get(text) {
                Some(known) => *text = known.clone(),
                None => {
                    self.texts.insert(text.clone());
                }
            }
        }
        if let Some(ci) = &mut view.ci {
            let known = self.cis.entry(ci.id.clone()).or_insert_with(|| ci.clone());
            if known == ci {
                *ci = known.clone();
            }
        }
    }
}

fn wanted(row: &AlertRow, scope: &Scope, filter: &AlertFilter, q: Option<&str>) -> bool {
    let view = &row.view;
    (filter.states.is_empty() || filter.states.contains(&view.state))
        && (filter.severities.is_empty() || filter.severities.contains(&view.severity))
        && (filter.sources.is_empty() || filter.sources.contains(&view.source))
        && (filter.signals.is_empty() || view.signal.is_some_and(|signal| filter.signals.contains(&signal)))
        && (filter.sides.is_empty() || view.side.is_some_and(|side| filter.sides.contains(&side)))
        && filter.ci.as_ref().is_none_or(|ci| view.ci.as_ref().is_some_and(|have| have.id == *ci))
        && filter.held.is_none_or(|held| view.held == held)
        && filter.muted.is_none_or(|muted| view.muted_by.is_empty() != muted)
        && scope.sees_ci(row.ci())
        && q.is_none_or(|q| {
            let name = view.ci.as_ref().map_or("", |ci| &ci.name);
            [&*view.name, &*view.title, &*view.object, name].iter().any(|text| text.to_lowercase().contains(q))
        })
}
