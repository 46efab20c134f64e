//! The incident board: open and recently closed incidents of one tenant, indexed so that a filtered page
//! of 50 out of 100,000 costs at most a few milliseconds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::scope::Scope;
use super::sight::Sight;
use crate::domain::ci::Area;
use crate::domain::ids::{AlertId, CiId, IncidentId, OrgId, SourceId};
use crate::domain::incident::{IncidentState, IncidentView, Priority, Progress, TimelineEntry};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;

/// Timeline entries kept in memory per incident; older ones are in the history.
pub const TIMELINE_MAX: usize = 1_000;
/// Closed incidents kept in memory per tenant; older ones are in the history.
pub const CLOSED_MAX: usize = 2_000;
/// A facet set smaller than 1/`DENSE` of the board is walked instead of the board.
const DENSE: usize = 8;

/// The board's order: newest first. Also the paging key.
pub type Place = (Reverse<Timestamp>, Reverse<IncidentId>);

/// What an incident can be filtered by through an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Facet {
    Org(OrgId),
    Source(SourceId),
    Ci(CiId),
    Severity(Severity),
    Area(Area),
    State(IncidentState),
}

/// One incident as the board keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub view: Arc<IncidentView>,
    pub members: BTreeSet<AlertId>,
    pub timeline: VecDeque<TimelineEntry>,
    /// Entries that `TIMELINE_MAX` cut off at the old end.
    pub timeline_cut: u64,
    pub sources: BTreeSet<SourceId>,
    pub cis: BTreeSet<CiId>,
}

/// The columns that filters and numbers look at, close together.
#[derive(Clone)]
struct Row {
    state: IncidentState,
    progress: Progress,
    severity: Severity,
    area: Option<Area>,
    acknowledged_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
    orgs: Box<[OrgId]>,
    /// Lower-case text that `q` searches.
    text: Box<str>,
}

/// Which incidents are wanted. Empty lists mean "any".
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    pub states: Vec<IncidentState>,
    pub progress: Vec<Progress>,
    pub severities: Vec<Severity>,
    pub areas: Vec<Area>,
    pub orgs: Vec<OrgId>,
    pub sources: Vec<SourceId>,
    /// The root cause or a member.
    pub ci: Option<CiId>,
    pub assignee: Option<String>,
    /// Part of the title, id, root cause's name or a service; any case.
    pub q: Option<String>,
    /// Opened in `[since, until)`.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// One page and where to go on.
#[derive(Clone, Debug)]
pub struct Page<T, K> {
    pub items: Vec<T>,
    /// Give it back to get the page after this one; `None` at the end.
    pub next: Option<K>,
}

/// What the overview is made of, per incident.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    pub state: IncidentState,
    pub progress: Progress,
    pub severity: Severity,
    pub area: Option<Area>,
    pub opened_at: Timestamp,
    pub acknowledged_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
}

/// All incidents of one tenant.
#[derive(Clone, Default)]
pub struct Board {
    incidents: BTreeMap<IncidentId, Incident>,
    rows: BTreeMap<Place, Row>,
    facets: BTreeMap<Facet, BTreeSet<Place>>,
    /// Closed and merged ones in the order of their end.
    closed: BTreeSet<(Timestamp, IncidentId)>,
}

/// The page key of an incident.
pub fn place(view: &IncidentView) -> Place {
    (Reverse(view.opened_at), Reverse(view.id))
}

/// The rank of an incident, the most urgent lowest: open before ended, awake before snoozed, firing before recovering,
/// major ones first, then priority, then severity. The console's board ranks its rows in the same way.
fn urgency(view: &IncidentView) -> (bool, bool, bool, bool, Priority, Reverse<Severity>) {
    let calm = view.state != IncidentState::Abnormal;
    let (is_minor, is_asleep) = (view.major.is_none(), view.snoozed_until.is_some());
    (!is_open(view.state), is_asleep, calm, is_minor, view.priority, Reverse(view.severity))
}

/// Whether an incident is still somebody's business.
pub const fn is_open(state: IncidentState) -> bool {
    match state {
        IncidentState::Abnormal | IncidentState::Recovering | IncidentState::Recovered => true,
        IncidentState::Closed | IncidentState::Merged => false,
    }
}

impl IncidentFilter {
    /// What is left of the filter for a caller: it cannot ask for what it does not see. `None`: nothing fits.
    pub fn within(&self, sight: &Sight) -> Option<Self> {
        let mut filter = self.clone();
        filter.orgs.retain(|org| sight.scope.knows(org));
        let asks_outside = self.ci.as_ref().is_some_and(|ci| !sight.sees_called(ci.as_str()));
        (filter.orgs.is_empty() == self.orgs.is_empty() && !asks_outside).then_some(filter)
    }
}

impl Board {
    /// The incident, when it is still in memory.
    pub fn get(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    /// All incidents in memory.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// How many incidents are in memory.
    pub fn len(&self) -> usize {
        self.incidents.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty()
    }

    /// Takes a new header and the change of members. `about` tells source and CI of an alert.
    pub fn put(
        &mut self,
        view: Arc<IncidentView>,
        joined: &[AlertId],
        left: &[AlertId],
        about: impl Fn(AlertId) -> Option<(SourceId, Option<CiId>)>,
    ) {
        let id = view.id;
        let mut incident = self.take(id).unwrap_or_else(|| Incident {
            view: view.clone(),
            members: BTreeSet::new(),
            timeline: VecDeque::new(),
            timeline_cut: 0,
            sources: BTreeSet::new(),
            cis: BTreeSet::new(),
        });
        incident.view = view;
        incident.members.extend(joined);
        for alert in left {
            incident.members.remove(alert);
        }
        let looked_at: Vec<AlertId> = if left.is_empty() {
            joined.to_vec()
        } else {
            incident.sources.clear();
            incident.cis.clear();
            incident.members.iter().copied().collect()
        };
        for (source, ci) in looked_at.into_iter().filter_map(about) {
            incident.sources.insert(source);
            incident.cis.extend(ci);
        }
        self.index(&incident);
        self.incidents.insert(id, incident);
    }

    /// Adds a timeline entry.
    pub fn note(&mut self, id: IncidentId, entry: TimelineEntry) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.timeline.len() == TIMELINE_MAX {
            incident.timeline.pop_front();
            incident.timeline_cut += 1;
        }
        incident.timeline.push_back(entry);
    }

    /// Forgets the oldest closed incidents above `CLOSED_MAX`; returns their members.
    pub fn trim(&mut self) -> Vec<AlertId> {
        let mut members = Vec::new();
        while self.closed.len() > CLOSED_MAX {
            let Some((_, id)) = self.closed.first().copied() else { break };
            members.extend(self.take(id).into_iter().flat_map(|incident| incident.members));
        }
        members
    }

    fn take(&mut self, id: IncidentId) -> Option<Incident> {
        let incident = self.incidents.remove(&id)?;
        let place = place(&incident.view);
        self.rows.remove(&place);
        for facet in facets_of(&incident) {
            if let Some(set) = self.facets.get_mut(&facet) {
                set.remove(&place);
                if set.is_empty() {
                    self.facets.remove(&facet);
                }
            }
        }
        self.closed.remove(&(ended_at(&incident.view), id));
        Some(incident)
    }

    fn index(&mut self, incident: &Incident) {
        let view = &incident.view;
        let place = place(view);
        for facet in facets_of(incident) {
            self.facets.entry(facet).or_default().insert(place);
        }
        if !is_open(view.state) {
            self.closed.insert((ended_at(view), view.id));
        }
        let row = Row {
            state: view.state,
            progress: view.progress,
            severity: view.severity,
            area: view.area,
            acknowledged_at: view.acknowledged_at,
            closed_at: view.closed_at,
            orgs: view.orgs.clone().into(),
            text: search_text(view).into(),
        };
        self.rows.insert(place, row);
    }

    /// A page of at most `limit` incidents after `after`, newest first.
    pub fn page(
        &self,
        sight: &Sight,
        filter: &IncidentFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Page<&Incident, Place> {
        let Some(filter) = &filter.within(sight) else { return Page { items: Vec::new(), next: None } };
        let wanted = Wanted::of(filter, sight);
        let mut items: Vec<&Incident> = Vec::new();
        let mut next = None;
        let mut take = |at: &Place, row: &Row| {
            if !wanted.row(at, row) {
                return true;
            }
            let Some(incident) = self.incidents.get(&at.1.0).filter(|i| wanted.rest(i)) else { return true };
            if items.len() == limit {
                next = items.last().map(|last| place(&last.view));
                return false;
            }
            items.push(incident);
            true
        };
        let bounds = (after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded), std::ops::Bound::Unbounded);
        match self.narrowest(filter) {
            Some(set) if set.is_none_or(|set| set.len() * DENSE < self.rows.len()) => {
                for at in set.into_iter().flat_map(|set| set.range::<Place, _>(bounds)) {
                    if !self.rows.get(at).is_none_or(|row| take(at, row)) {
                        break;
                    }
                }
            }
            _ => {
                for (at, row) in self.rows.range::<Place, _>(bounds) {
                    if !take(at, row) {
                        break;
                    }
                }
            }
        }
        Page { items, next }
    }

    /// At most `limit` incidents, those that want somebody most first, and of equal ones the newest.
    pub fn urgent(&self, sight: &Sight, filter: &IncidentFilter, limit: usize) -> Vec<&Incident> {
        let Some(filter) = &filter.within(sight) else { return Vec::new() };
        let wanted = Wanted::of(filter, sight);
        let fitting = self.rows.iter().filter(|(at, row)| wanted.row(at, row));
        let whole = fitting.filter_map(|(at, _)| self.incidents.get(&at.1.0)).filter(|incident| wanted.rest(incident));
        let mut all: Vec<&Incident> = whole.collect();
        let key = |incident: &&Incident| (urgency(&incident.view), place(&incident.view));
        if all.len() > limit {
            all.select_nth_unstable_by_key(limit, key);
            all.truncate(limit);
        }
        all.sort_unstable_by_key(key);
        all
    }

    /// The smallest index set that must hold the answer: `Some(None)` when it is empty, `None` when no index applies.
    fn narrowest(&self, filter: &IncidentFilter) -> Option<Option<&BTreeSet<Place>>> {
        let mut facets = Vec::new();
        let mut one = |facet: Option<Facet>| facets.extend(facet);
        if let [org] = filter.orgs.as_slice() {
            one(Some(Facet::Org(org.clone())));
        }
        if let [source] = filter.sources.as_slice() {
            one(Some(Facet::Source(source.clone())));
        }
        if let [severity] = filter.severities.as_slice() {
            one(Some(Facet::Severity(*severity)));
        }
        if let [area] = filter.areas.as_slice() {
            one(Some(Facet::Area(*area)));
        }
        if let [state] = filter.states.as_slice() {
            one(Some(Facet::State(*state)));
        }
        one(filter.ci.clone().map(Facet::Ci));
        facets.iter().map(|f| self.facets.get(f)).min_by_key(|set| set.map_or(0, BTreeSet::len))
    }

    /// What the overview counts, for every incident in scope.
    pub fn glances(&self, scope: &Scope) -> impl Iterator<Item = Glance> {
        self.rows.iter().filter(|(_, row)| scope.sees(&row.orgs, row.area)).map(|(at, row)| Glance {
            state: row.state,
            progress: row.progress,
            severity: row.severity,
            area: row.area,
            opened_at: at.0.0,
            acknowledged_at: row.acknowledged_at,
            closed_at: row.closed_at,
        })
    }
}

/// Stored as its incidents; the indexes are made again.
impl Serialize for Board {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.incidents.values())
    }
}

impl<'de> Deserialize<'de> for Board {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut board = Self::default();
        for incident in Vec::<Incident>::deserialize(deserializer)? {
            board.index(&incident);
            board.incidents.insert(incident.view.id, incident);
        }
        Ok(board)
    }
}

fn ended_at(view: &IncidentView) -> Timestamp {
    view.closed_at.unwrap_or(view.updated_at)
}

fn facets_of(incident: &Incident) -> Vec<Facet> {
    let view = &incident.view;
    let root = view.candidates.first().map(|c| &c.ci.id).filter(|id| !incident.cis.contains(id));
    let mut facets = vec![Facet::Severity(view.severity), Facet::State(view.state)];
    facets.extend(view.area.map(Facet::Area));
    facets.extend(view.orgs.iter().cloned().map(Facet::Org));
    facets.extend(incident.sources.iter().cloned().map(Facet::Source));
    facets.extend(incident.cis.iter().chain(root).cloned().map(Facet::Ci));
    facets
}

/// What `q` searches, in lower case.
pub fn search_text(view: &IncidentView) -> String {
    let root = view.candidates.first().map(|c| format!("{} {}", c.ci.name, c.ci.id)).unwrap_or_default();
    let services = view.services.join(" ");
    let found = view.conclusion.as_ref().map(|said| &said.findings);
    let found = found.map(|found| format!("{} {} {} {}", found.cause, found.solution, found.impact, found.category));
    format!("{} {} {root} {services} {}", view.id, view.title, found.unwrap_or_default()).to_lowercase()
}

/// A filter made ready: its text in lower case.
struct Wanted<'a> {
    filter: &'a IncidentFilter,
    sight: &'a Sight,
    q: Option<String>,
}

/// The text of a filter, ready for comparison.
pub fn lower(q: Option<&str>) -> Option<String> {
    q.map(|q| q.trim().to_lowercase()).filter(|q| !q.is_empty())
}

impl<'a> Wanted<'a> {
    fn of(filter: &'a IncidentFilter, sight: &'a Sight) -> Self {
        Self { filter, sight, q: lower(filter.q.as_deref()) }
    }

    fn row(&self, at: &Place, row: &Row) -> bool {
        let filter = self.filter;
        let opened = at.0.0;
        any(&filter.states, &row.state)
            && any(&filter.severities, &row.severity)
            && any(&filter.progress, &row.progress)
            && (filter.areas.is_empty() || row.area.is_some_and(|area| filter.areas.contains(&area)))
            && (filter.orgs.is_empty() || row.orgs.iter().any(|org| filter.orgs.contains(org)))
            && filter.since.is_none_or(|since| opened >= since)
            && filter.until.is_none_or(|until| opened < until)
            && self.sight.scope.sees(&row.orgs, row.area)
            && self.q.as_ref().is_none_or(|q| row.text.contains(q.as_str()))
    }

    fn rest(&self, incident: &Incident) -> bool {
        let filter = self.filter;
        let root_is = |ci: &CiId| incident.view.candidates.first().is_some_and(|c| c.ci.id == *ci);
        (filter.sources.is_empty() || filter.sources.iter().any(|s| incident.sources.contains(s)))
            && filter.ci.as_ref().is_none_or(|ci| incident.cis.contains(ci) || root_is(ci))
            && filter.assignee.as_ref().is_none_or(|a| incident.view.assignee.as_deref() == Some(a.as_str()))
            && self.q.as_ref().is_none_or(|q| self.sight.finds(q, &incident.view))
    }
}

fn any<T: PartialEq>(wanted: &[T], have: &T) -> bool {
    wanted.is_empty() || wanted.contains(have)
}
