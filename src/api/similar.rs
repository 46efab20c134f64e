//! Incidents that were like this one, and how they were solved.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::ending::ConclusionItem;
use super::incident_types::{Ci, Onlooker};
use super::incidents::with_incident;
use super::knowledge::KnowledgeEntry;
use super::past::past;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use crate::domain::ids::IncidentId;
use crate::domain::incident::{IncidentState, IncidentView, TimelineKind};
use crate::domain::time::Span;
use crate::projection::board::IncidentFilter;
use crate::projection::history::knowledge::{self, Asked, Entry};
use crate::projection::history::{find, search};
use crate::projection::scope::Scope;
use crate::projection::sight::Sight;
use crate::wording::lang::Lang;
use crate::wording::mask::mask;
use crate::wording::titles::own_titled;
use crate::wording::words::{IncidentStateWord, SeverityWord};

/// Incidents looked at: those on the same root cause, and the newest of the same area.
const SAME_ROOT_MAX: usize = 100;
const SAME_AREA_MAX: usize = 400;
/// Shown when nobody says how many, and at most.
const SHOWN: usize = 5;
const SHOWN_MAX: usize = 20;
/// The newest of what others have brought that is compared.
const BROUGHT_MAX: usize = 2_000;
/// Less alike than this is not worth a look, per mille; where nobody says otherwise.
const ALIKE_MIN: u32 = 350;
/// How far is looked back when nobody says how many days, and at most.
const DAYS: u32 = 30;
const DAYS_MAX: u32 = 400;
/// What it counts more, per mille, that somebody wrote how it was solved or confirmed its root.
const KNOWN: u32 = 100;
/// Incidents of which it is looked up what somebody wrote.
const NOTED_MAX: usize = 40;
/// Timeline lines in which a note is looked for.
const LINES_MAX: usize = 1_000;

/// An incident that was like this one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SimilarItem {
    pub id: String,
    pub title: String,
    pub state: IncidentStateWord,
    pub severity: SeverityWord,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Ci>,
    pub opened_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
    /// How much alike, per mille.
    pub alike: u32,
    /// What they have in common: same_root, same_class, same_area, services, title.
    pub because: Vec<&'static str>,
    /// Who handled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last thing that somebody wrote: mostly how it was solved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What people found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<ConclusionItem>,
}

/// What counts as similar.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct SimilarQuery {
    /// Opened in so many days before this one, 1 to 400; default 30.
    pub days: Option<u32>,
    /// At least so much alike, per mille; default 350. The same root is 500 of it.
    pub alike: Option<u32>,
    /// 1 to 20, default 5.
    pub limit: Option<usize>,
}

/// The most alike first; what somebody wrote about, or whose root somebody confirmed, before others.
#[derive(Debug, Serialize, ToSchema)]
pub struct Similar {
    /// Those that are over.
    pub items: Vec<SimilarItem>,
    /// Nothing as much alike was opened in that time, over or not.
    pub novel: bool,
    /// What others have brought of such things; not for callers of some organisations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub knowledge: Vec<KnowledgeEntry>,
}

/// How far to look.
#[derive(Clone, Copy)]
struct Wanted {
    days: u32,
    alike: u32,
    limit: usize,
}

impl SimilarQuery {
    fn wanted(&self) -> Result<Wanted, ApiError> {
        let Self { days, alike, limit } = self;
        let (days, alike, limit) = (days.unwrap_or(DAYS), alike.unwrap_or(ALIKE_MIN), limit.unwrap_or(SHOWN));
        if !(1..=DAYS_MAX).contains(&days) || !(1..=1000).contains(&alike) || !(1..=SHOWN_MAX).contains(&limit) {
            let what = format!("days: 1 to {DAYS_MAX}; alike: 1 to 1000; limit: 1 to {SHOWN_MAX}");
            return Err(ApiError::Bad(what));
        }
        Ok(Wanted { days, alike, limit })
    }
}

/// Earlier incidents that were like this one, with what people wrote when they solved them.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/similar", tag = "incidents", params(("id" = String, Path), SimilarQuery),
    responses((status = 200, body = Similar), (status = "default", body = Problem)))]
pub async fn similar(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<IncidentId>,
    Params(query): Params<SimilarQuery>,
) -> Result<Json<Similar>, ApiError> {
    let wanted = query.wanted()?;
    let to = api.onlooker(&caller, lang);
    let live = with_incident(&api, &caller, id, |incident, _| incident.view.clone());
    let (scope, sight) = (caller.scope(), to.sight.clone());
    let found = past(&api, move |history| {
        let own = match live {
            Some(view) => Some((*view).clone()),
            None => find::incident(history, &scope, id)?,
        };
        let Some(own) = own else { return Ok(None) };
        let own = sight.incident(&own);
        let known = if sight.scope.is_whole() { brought(history, &sight.scope, &own, wanted)? } else { Vec::new() };
        Ok(Some((alike(history, &sight, &own, wanted)?, known)))
    });
    let ((found, novel), known) = found.await?.ok_or(ApiError::NotFound("incident"))?;
    let knowledge = known.iter().map(|entry| KnowledgeEntry::shown(entry, lang)).collect();
    Ok(Json(Similar { items: found.iter().map(|one| item(one, &to)).collect(), novel, knowledge }))
}

/// One that is like it.
struct Alike {
    view: IncidentView,
    alike: u32,
    because: Vec<&'static str>,
    note: Option<(Box<str>, Box<str>)>,
}

/// Those that are over, and whether there is nothing like it at all.
fn alike(
    history: &Connection,
    sight: &Sight,
    own: &IncidentView,
    wanted: Wanted,
) -> rusqlite::Result<(Vec<Alike>, bool)> {
    let root = own.candidates.first().filter(|root| !root.ci.is_outside());
    let since = own.opened_at.minus(Span::hours(24 * i64::from(wanted.days)));
    let before = IncidentFilter { since: Some(since), until: Some(own.opened_at), ..IncidentFilter::default() };
    let mut known = BTreeSet::from([own.id]);
    let mut found: Vec<Alike> = Vec::new();
    let mut take = |views: Vec<IncidentView>| {
        let fresh = views.into_iter().filter(|view| view.state != IncidentState::Merged && known.insert(view.id));
        found.extend(fresh.map(|view| compare(own, sight.incident(&view).into_owned())));
    };
    if let Some(root) = root {
        let filter = IncidentFilter { ci: Some(root.ci.id.clone()), ..before.clone() };
        take(search::incidents(history, sight, &filter, None, SAME_ROOT_MAX)?.items);
    }
    let filter = IncidentFilter { areas: own.area.into_iter().collect(), ..before };
    take(search::incidents(history, sight, &filter, None, SAME_AREA_MAX)?.items);
    found.retain(|one| one.alike >= wanted.alike);
    let novel = found.is_empty();
    found.retain(|one| matches!(one.view.state, IncidentState::Recovered | IncidentState::Closed));
    // Only of the most alike is it looked up what was written.
    found.sort_by_key(|one| std::cmp::Reverse((one.alike, one.view.opened_at, one.view.id)));
    found.truncate(NOTED_MAX);
    for one in &mut found {
        let (lines, _) = find::timeline(history, one.view.id, LINES_MAX)?;
        let wrote = |kind| matches!(kind, TimelineKind::Commented | TimelineKind::Closed);
        let last = lines.into_iter().rev().find(|line| wrote(line.kind) && !line.detail.is_empty());
        one.note = last.map(|line| (line.actor, line.detail));
    }
    let worth = |one: &Alike| one.alike + KNOWN * u32::from(one.note.is_some() || one.view.root_confirmed);
    found.sort_by_key(|one| std::cmp::Reverse((worth(one), one.view.opened_at, one.view.id)));
    found.truncate(wanted.limit);
    Ok((found, novel))
}

/// What others have brought of such things.
fn brought(history: &Connection, scope: &Scope, own: &IncidentView, wanted: Wanted) -> rusqlite::Result<Vec<Entry>> {
    let asked = Asked { only_brought: true, ..Asked::default() };
    let class = own.candidates.first().map_or("", |root| &root.ci.class);
    let alike = |entry: &Entry| {
        let known = &entry.known;
        let is_class = !class.is_empty() && *known.class == *class;
        let is_area = known.area.is_some() && known.area == own.area;
        u32::from(is_class) * 300 + u32::from(is_area) * 50 + resemblance(&own.title, &known.title) / 2
    };
    let mut found: Vec<(u32, Entry)> = knowledge::entries(history, scope, &asked, None, BROUGHT_MAX)?
        .into_iter()
        .map(|entry| (alike(&entry), entry))
        .filter(|(alike, _)| *alike >= wanted.alike)
        .collect();
    found.sort_by_key(|(alike, entry)| std::cmp::Reverse((*alike, entry.place)));
    found.truncate(wanted.limit);
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

/// How alike two incidents are, and in what.
fn compare(own: &IncidentView, view: IncidentView) -> Alike {
    let (mut alike, mut because) = (0, Vec::new());
    let mut common = |word, points| {
        alike += points;
        because.push(word);
    };
    let roots = (own.candidates.first(), view.candidates.first());
    if let (Some(a), Some(b)) = roots {
        if a.ci.id == b.ci.id {
            common("same_root", 500);
        } else if a.ci.class == b.ci.class && !a.ci.class.is_empty() {
            common("same_class", 200);
        }
    }
    if own.area.is_some() && own.area == view.area {
        common("same_area", 50);
    }
    if own.services.iter().any(|service| view.services.contains(service)) {
        common("services", 150);
    }
    let title = resemblance(&own.title, &view.title) * 3 / 10;
    if title >= 150 {
        common("title", title);
    }
    Alike { view, alike, because, note: None }
}

/// Shared pairs of neighbouring characters (Dice), per mille; digits count as one: `host-17` is like `host-4`.
fn resemblance(a: &str, b: &str) -> u32 {
    let pairs = |text: &str| -> BTreeSet<(char, char)> {
        let plain: Vec<char> = text.to_lowercase().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        plain.windows(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let (a, b) = (pairs(a), pairs(b));
    let all = (a.len() + b.len()) as u32;
    (a.intersection(&b).count() as u32 * 2000).checked_div(all).unwrap_or(0)
}

fn item(one: &Alike, to: &Onlooker) -> SimilarItem {
    let view = &one.view;
    let by = one.note.as_ref().map(|(by, _)| by.to_string());
    SimilarItem {
        id: view.id.to_string(),
        title: own_titled(&mask(&view.title), to.lang).into_owned(),
        state: view.state.into(),
        severity: view.severity.into(),
        root: view
            .candidates
            .first()
            .map(|root| (&root.ci).into())
            .filter(|_| !to.sight.incident(view).title.is_empty()),
        opened_at: view.opened_at.to_string(),
        closed_at: view.closed_at.map(|at| at.to_string()),
        alike: one.alike.min(1000),
        because: one.because.clone(),
        by: by.or_else(|| view.assignee.as_ref().or(view.acknowledged_by.as_ref()).map(ToString::to_string)),
        note: one.note.as_ref().map(|(_, note)| mask(note).into_owned()),
        conclusion: view.conclusion.as_deref().map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::resemblance;

    #[test]
    fn titles_that_differ_in_numbers_are_alike() {
        assert!(resemblance("pdu-00002 lost its input", "pdu-00017 lost its input") > 900);
        assert!(resemblance("pdu-00002 lost its input", "医保应用7: release rolled out") < 200);
        assert_eq!(resemblance("", ""), 0);
    }
}
