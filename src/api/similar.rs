//! Incidents that were like this one, and how they were solved.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::incident_types::{Ci, Onlooker};
use super::incidents::with_incident;
use super::past::past;
use super::problem::{ApiError, Id, Problem};
use super::state::Api;
use crate::domain::ids::IncidentId;
use crate::domain::incident::{IncidentState, IncidentView, TimelineKind};
use crate::projection::board::IncidentFilter;
use crate::projection::history::{find, search};
use crate::projection::sight::Sight;
use crate::wording::lang::Lang;
use crate::wording::mask::mask;
use crate::wording::words::{IncidentStateWord, SeverityWord};

/// Incidents looked at: those on the same root cause, and the newest of the same area.
const SAME_ROOT_MAX: usize = 100;
const SAME_AREA_MAX: usize = 400;
const SHOWN_MAX: usize = 8;
/// Less alike than this is not worth a look, per mille.
const ALIKE_MIN: u32 = 350;
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
}

/// The most alike first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Similar {
    pub items: Vec<SimilarItem>,
}

/// Earlier incidents that were like this one, with what people wrote when they solved them.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/similar", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = Similar), (status = "default", body = Problem)))]
pub async fn similar(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<IncidentId>,
) -> Result<Json<Similar>, ApiError> {
    let to = api.onlooker(&caller, lang);
    let live = with_incident(&api, &caller, id, |incident, _| incident.view.clone());
    let (scope, sight) = (caller.scope(), to.sight.clone());
    let found = past(&api, move |history| {
        let own = match live {
            Some(view) => Some((*view).clone()),
            None => find::incident(history, &scope, id)?,
        };
        own.map(|own| alike(history, &sight, &sight.incident(&own))).transpose()
    });
    let found = found.await?.ok_or(ApiError::NotFound("incident"))?;
    Ok(Json(Similar { items: found.iter().map(|one| item(one, &to)).collect() }))
}

/// One that is like it.
struct Alike {
    view: IncidentView,
    alike: u32,
    because: Vec<&'static str>,
    note: Option<(Box<str>, Box<str>)>,
}

fn alike(history: &Connection, sight: &Sight, own: &IncidentView) -> rusqlite::Result<Vec<Alike>> {
    let root = own.candidates.first().filter(|root| !root.ci.is_outside());
    let mut filter = IncidentFilter { ci: root.map(|root| root.ci.id.clone()), ..IncidentFilter::default() };
    let mut known = BTreeSet::from([own.id]);
    let mut found: Vec<Alike> = Vec::new();
    let mut take = |views: Vec<IncidentView>| {
        let fresh = views.into_iter().filter(|view| view.state != IncidentState::Merged && known.insert(view.id));
        found.extend(fresh.map(|view| compare(own, sight.incident(&view).into_owned())));
    };
    if filter.ci.is_some() {
        take(search::incidents(history, sight, &filter, None, SAME_ROOT_MAX)?.items);
    }
    filter = IncidentFilter { areas: own.area.into_iter().collect(), ..IncidentFilter::default() };
    take(search::incidents(history, sight, &filter, None, SAME_AREA_MAX)?.items);
    found.retain(|one| one.alike >= ALIKE_MIN);
    found.sort_by_key(|one| std::cmp::Reverse((one.alike, one.view.opened_at, one.view.id)));
    found.truncate(SHOWN_MAX);
    for one in &mut found {
        let (lines, _) = find::timeline(history, one.view.id, LINES_MAX)?;
        let wrote = |kind| matches!(kind, TimelineKind::Commented | TimelineKind::Closed);
        let last = lines.into_iter().rev().find(|line| wrote(line.kind) && !line.detail.is_empty());
        one.note = last.map(|line| (line.actor, line.detail));
    }
    Ok(found)
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
        title: mask(&view.title).into_owned(),
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
