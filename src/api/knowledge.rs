//! Knowledge: how things were solved. Written when incidents close, brought from elsewhere, taken along as a file.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::ending::{self, masked};
use super::orders::{IdempotencyKey, Taken, submit};
use super::paging::{self, Listed, cursor, read_cursor, read_time};
use super::past::past;
use super::problem::{ApiError, Id, Params, Problem};
use super::state::Api;
use crate::domain::ending::Findings;
use crate::domain::ids::IncidentId;
use crate::domain::knowledge::{ENTRIES_MAX, ID_CHARS_MAX, Known, TITLE_CHARS_MAX};
use crate::engine::input::Order;
use crate::projection::history::knowledge::{self, Asked, Entry};
use crate::wording::lang::Lang;
use crate::wording::mask::mask;
use crate::wording::titles::own_titled;
use crate::wording::words::AreaWord;

/// The most entries of one file.
const EXPORTED_MAX: usize = 10_000;
/// The largest file that is taken, in bytes.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One thing that is known; the same in files.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KnowledgeEntry {
    /// That of an incident of ours, or chosen by whoever brought it.
    pub id: String,
    pub title: String,
    /// The class of the CI that was at fault.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<AreaWord>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub category: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub solution: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub impact: String,
    /// Where more stands.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Who wrote it, and when; not read from files.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// It is of an incident of ours; not read from files.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ours: bool,
}

impl From<&Entry> for KnowledgeEntry {
    fn from(entry: &Entry) -> Self {
        let text = |text: &str| mask(text).into_owned();
        let (known, found) = (&entry.known, masked(&entry.known.findings));
        Self {
            id: known.id.to_string(),
            title: text(&known.title),
            class: known.class.to_string(),
            area: known.area.map(Into::into),
            category: found.category.into(),
            cause: found.cause.into(),
            solution: found.solution.into(),
            impact: found.impact.into(),
            url: known.url.to_string(),
            by: entry.by.clone(),
            at: entry.at.to_string(),
            ours: entry.is_ours,
        }
    }
}

impl KnowledgeEntry {
    /// The entry on a screen: its title in the reader's language. In a file it is as it was kept.
    pub fn shown(entry: &Entry, lang: Lang) -> Self {
        Self { title: own_titled(&mask(&entry.known.title), lang).into_owned(), ..entry.into() }
    }
}

/// A file of them.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KnowledgeFile {
    pub entries: Vec<KnowledgeEntry>,
}

/// What is brought: entries, or the text of a file with them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewKnowledge {
    pub entries: Vec<KnowledgeEntry>,
    /// A file as it was taken along, YAML or JSON.
    pub text: String,
}

/// Which ones.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct KnowledgeQuery {
    /// Part of a text, any case.
    pub q: Option<String>,
    pub category: Option<String>,
    pub class: Option<String>,
    /// Written at or after (RFC 3339).
    pub since: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// What is known of how things were solved, newest first.
#[utoipa::path(get, path = "/api/v1/knowledge", tag = "knowledge", params(KnowledgeQuery),
    responses((status = 200, body = Listed<KnowledgeEntry>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(query): Params<KnowledgeQuery>,
) -> Result<Json<Listed<KnowledgeEntry>>, ApiError> {
    caller.whole_tenant()?;
    let limit = paging::limit(query.limit)?;
    let before = read_cursor(query.after.as_deref())?.map(|(place, _)| place);
    let since = read_time("since", query.since.as_deref())?;
    let (q, category, class, scope) = (query.q, query.category, query.class, caller.scope());
    let asked = Asked { q, category, class, since, only_brought: false };
    let mut found = past(&api, move |from| knowledge::entries(from, &scope, &asked, before, limit + 1)).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|entry| cursor(entry.place, 0));
    let items = found.iter().map(|entry| KnowledgeEntry::shown(entry, lang)).collect();
    Ok(Json(Listed { items, next, feed: None }))
}

/// Which ones, in which form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct FileQuery {
    /// `yaml` (default) or `json`.
    pub format: Option<String>,
    /// Written at or after (RFC 3339).
    pub since: Option<String>,
}

/// What is known as a file to take along, at most 10,000 entries, newest first.
#[utoipa::path(get, path = "/api/v1/knowledge-file", tag = "knowledge", params(FileQuery),
    responses((status = 200, body = KnowledgeFile), (status = "default", body = Problem)))]
pub async fn export(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<FileQuery>,
) -> Result<Response, ApiError> {
    caller.whole_tenant()?;
    let format = query.format.as_deref().unwrap_or("yaml");
    let asked = Asked { since: read_time("since", query.since.as_deref())?, ..Asked::default() };
    let scope = caller.scope();
    let found = past(&api, move |from| knowledge::entries(from, &scope, &asked, None, EXPORTED_MAX)).await?;
    let content = KnowledgeFile { entries: found.iter().map(Into::into).collect() };
    let (kind, text) = match format {
        "json" => ("application/json", serde_json::to_string_pretty(&content).map_err(ApiError::internal)?),
        "yaml" => ("application/yaml", serde_saphyr::to_string(&content).map_err(ApiError::internal)?),
        _ => return Err(ApiError::Bad("format: write yaml or json".into())),
    };
    let name = format!("attachment; filename=\"knowledge.{format}\"");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name.as_str())], text).into_response())
}

/// Brings knowledge: a file as it was taken along, JSON or YAML, at most 500 entries. One with a known id takes its place.
#[utoipa::path(post, path = "/api/v1/knowledge", tag = "knowledge", params(IdempotencyKey), request_body = NewKnowledge,
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn bring(
    State(api): State<Arc<Api>>,
    caller: Caller,
    key: IdempotencyKey,
    text: String,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let new: NewKnowledge = written(&text)?;
    let file = if new.text.is_empty() { KnowledgeFile { entries: new.entries } } else { written(&new.text)? };
    if file.entries.is_empty() || file.entries.len() > ENTRIES_MAX {
        return Err(ApiError::Bad(format!("entries: bring 1 to {ENTRIES_MAX} at a time")));
    }
    let mut errors = Vec::new();
    let mut ids = BTreeSet::new();
    let mut entries = Vec::new();
    for (number, entry) in file.entries.iter().enumerate() {
        match known(entry) {
            Ok(_) if !ids.insert(&entry.id) => errors.push(format!("entries[{number}]: id: it stands there twice")),
            Ok(known) => entries.push(known),
            Err(why) => errors.push(format!("entries[{number}]: {why}")),
        }
    }
    if !errors.is_empty() {
        return Err(ApiError::Refused { detail: "refused as a whole; nothing was changed".into(), errors });
    }
    submit(&api, &caller, &key.or("")?, Order::Learn { entries }).await
}

/// Drops one entry. What an incident of ours was concluded with comes back when somebody concludes it anew.
#[utoipa::path(delete, path = "/api/v1/knowledge/{id}", tag = "knowledge", params(("id" = String, Path)),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    submit(&api, &caller, "", Order::Unlearn { key: id.into() }).await
}

/// Reads YAML, of which JSON is a part.
fn written<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    serde_saphyr::from_str(text).map_err(|error: serde_saphyr::Error| {
        let (told, at) = (error.without_snippet().to_string(), error.location());
        ApiError::Bad(format!("line {}: {told}", at.map_or(0, |at| at.line())))
    })
}

/// An entry of a file, checked.
fn known(entry: &KnowledgeEntry) -> Result<Known, String> {
    let read = |name: &str, text: &str, chars_max: usize| -> Result<Box<str>, String> {
        if text.chars().count() > chars_max {
            return Err(format!("{name}: at most {chars_max} characters"));
        }
        Ok(text.trim().into())
    };
    let findings = ending::read(&Findings {
        cause: entry.cause.as_str().into(),
        solution: entry.solution.as_str().into(),
        impact: entry.impact.as_str().into(),
        category: entry.category.as_str().into(),
    })?;
    let (id, title) = (read("id", &entry.id, ID_CHARS_MAX)?, read("title", &entry.title, TITLE_CHARS_MAX)?);
    if id.is_empty() || title.is_empty() || findings.are_none() {
        return Err("write an id, a title, and cause, solution, impact or category".into());
    }
    if !entry.ours && IncidentId::parse(&id).is_some() {
        return Err(format!("id: {id} is the name of an incident; choose another one, such as kb-{id}"));
    }
    let url = read("url", &entry.url, TITLE_CHARS_MAX)?;
    if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
        return Err("url: write one that begins with https://".into());
    }
    let (class, area) = (read("class", &entry.class, ID_CHARS_MAX)?, entry.area.map(Into::into));
    // An incident of another house is no incident of ours.
    let id = if entry.ours { format!("brought-{id}").into() } else { id };
    Ok(Known { id, title, class, area, findings, url })
}
