//! Bulk export of incidents, alerts and events as CSV or NDJSON, streamed page by page.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::access::Caller;
use super::alert_types::AlertItem;
use super::incident_types::{IncidentDetail, IncidentItem, Onlooker};
use super::paging::read_time;
use super::past::past;
use super::problem::{ApiError, Params, Problem};
use super::state::Api;
use super::why::EventWhy;
use crate::domain::ids::EventRef;
use crate::domain::incident::IncidentView;
use crate::domain::time::Timestamp;
use crate::projection::alerts::{AlertFilter, AlertPlace};
use crate::projection::board::{IncidentFilter, Place};
use crate::projection::history::export::csv_line;
use crate::projection::history::find::{Judged, Raw};
use crate::projection::history::search::{self, EventFilter};
use crate::wording::lang::Lang;
use crate::wording::mask::mask;

/// Rows read at once.
const PAGE: usize = 500;
/// The most rows of one export; go on with `until` set to the last row's time.
const ROWS_MAX: usize = 100_000;

/// The span of an export.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct ExportQuery {
    /// Opened, first seen or received at or after (RFC 3339).
    pub since: Option<String>,
    /// Before (RFC 3339).
    pub until: Option<String>,
    /// At most 100,000 rows.
    pub limit: Option<usize>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Ndjson,
}

enum Cursor {
    Incidents(Option<Place>),
    Alerts(Option<AlertPlace>),
    Events(Option<EventRef>),
}

struct Export {
    api: Arc<Api>,
    to: Onlooker,
    span: (Option<Timestamp>, Option<Timestamp>),
    format: Format,
    left: usize,
    /// `None` at the end.
    cursor: Option<Cursor>,
    started: bool,
}

/// Incidents, alerts or events, newest first, as `incidents.csv`, `alerts.ndjson` and so on.
#[utoipa::path(get, path = "/api/v1/export/{file}", tag = "export", params(("file" = String, Path), ExportQuery),
    responses((status = 200, content_type = "text/csv", body = String), (status = "default", body = Problem)))]
pub async fn export(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Path(file): Path<String>,
    Params(query): Params<ExportQuery>,
) -> Result<Response, ApiError> {
    let (what, format) = file.split_once('.').ok_or(ApiError::NotFound("export"))?;
    let (format, kind) = match format {
        "csv" => (Format::Csv, "text/csv; charset=utf-8"),
        "ndjson" => (Format::Ndjson, "application/x-ndjson"),
        _ => return Err(ApiError::NotFound("export")),
    };
    let (cursor, name) = match what {
        "incidents" => (Cursor::Incidents(None), "headwater-incidents"),
        "alerts" => (Cursor::Alerts(None), "headwater-alerts"),
        "events" => (Cursor::Events(None), "headwater-events"),
        _ => return Err(ApiError::NotFound("export")),
    };
    let span = (read_time("since", query.since.as_deref())?, read_time("until", query.until.as_deref())?);
    let left = query.limit.unwrap_or(ROWS_MAX);
    if !(1..=ROWS_MAX).contains(&left) {
        return Err(ApiError::Bad(format!("limit must be 1 to {ROWS_MAX}")));
    }
    let export =
        Export { to: api.onlooker(&caller, lang), api, span, format, left, cursor: Some(cursor), started: false };
    let pages = stream::try_unfold(export, |mut export| async move {
        let page = export.next_page().await.map_err(|e| std::io::Error::other(e.to_string()))?;
        Ok::<_, std::io::Error>(page.map(|page| (Bytes::from(page), export)))
    });
    let ending = if format == Format::Csv { "csv" } else { "ndjson" };
    let disposition = format!("attachment; filename=\"{name}.{ending}\"");
    let fields = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (HeaderName::from_static("x-row-cap"), left.to_string()),
    ];
    Ok((fields, Body::from_stream(pages)).into_response())
}

impl Export {
    async fn next_page(&mut self) -> Result<Option<String>, ApiError> {
        let Some(cursor) = self.cursor.take().filter(|_| self.left > 0) else { return Ok(None) };
        let (sight, span, limit) = (self.to.sight.clone(), self.span, PAGE.min(self.left));
        let mut out = String::new();
        let rows = match cursor {
            Cursor::Incidents(after) => {
                let filter = IncidentFilter { since: span.0, until: span.1, ..IncidentFilter::default() };
                let page = past(&self.api, move |c| search::incidents(c, &sight, &filter, after, limit)).await?;
                self.cursor = page.next.map(|next| Cursor::Incidents(Some(next)));
                self.write(&mut out, &INCIDENT_COLUMNS, &page.items, incident_cells, |view, export| {
                    json(&IncidentDetail::of(view, [].iter(), &export.to))
                });
                page.items.len()
            }
            Cursor::Alerts(after) => {
                let query = move |c: &rusqlite::Connection| {
                    search::alerts(c, &sight.scope, &AlertFilter::default(), span, after, limit)
                };
                let page = past(&self.api, query).await?;
                self.cursor = page.next.map(|next| Cursor::Alerts(Some(next)));
                let items: Vec<AlertItem> = page.items.iter().map(|view| AlertItem::of(view, self.to.lang)).collect();
                self.write(&mut out, &ALERT_COLUMNS, &items, |item, _| alert_cells(item), |item, _| json(item));
                items.len()
            }
            Cursor::Events(before) => {
                let filter = EventFilter { since: span.0, until: span.1, ..EventFilter::default() };
                let page = past(&self.api, move |c| search::events(c, &sight.scope, &filter, before, limit)).await?;
                self.cursor = page.next.map(|next| Cursor::Events(Some(next)));
                self.write(
                    &mut out,
                    &EVENT_COLUMNS,
                    &page.items,
                    |judged, _| event_cells(judged),
                    |judged, export| json(&EventWhy::of(judged, &export.to)),
                );
                page.items.len()
            }
        };
        self.left -= rows;
        Ok(Some(out))
    }

    fn write<T>(
        &mut self,
        out: &mut String,
        columns: &[&str],
        items: &[T],
        cells: impl Fn(&T, &Self) -> Vec<String>,
        line: impl Fn(&T, &Self) -> String,
    ) {
        if self.format == Format::Csv && !self.started {
            // Spreadsheets read UTF-8 only with this mark.
            out.push('\u{feff}');
            out.push_str(&csv_line(columns.iter().copied()));
        }
        self.started = true;
        for item in items {
            match self.format {
                Format::Csv => out.push_str(&csv_line(cells(item, self).iter().map(String::as_str))),
                Format::Ndjson => {
                    out.push_str(&line(item, self));
                    out.push('\n');
                }
            }
        }
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("answers have text keys only")
}

const INCIDENT_COLUMNS: [&str; 16] = [
    "id",
    "title",
    "severity",
    "priority",
    "state",
    "progress",
    "area",
    "root_ci",
    "root_name",
    "alerts",
    "cis",
    "services",
    "orgs",
    "opened_at",
    "acknowledged_at",
    "closed_at",
];

fn incident_cells(view: &IncidentView, export: &Export) -> Vec<String> {
    let item = IncidentItem::of(view, &export.to);
    let root = item.root.map(|root| root.ci);
    vec![
        item.id,
        item.title,
        item.severity.word().into(),
        item.priority.word().into(),
        item.state.word().into(),
        item.progress.word().into(),
        item.area.map(|area| area.word().to_owned()).unwrap_or_default(),
        root.as_ref().map(|ci| ci.id.clone()).unwrap_or_default(),
        root.map(|ci| ci.name).unwrap_or_default(),
        item.alert_count.to_string(),
        item.ci_count.to_string(),
        item.services.join("; "),
        item.orgs.join("; "),
        item.opened_at,
        item.acknowledged_at.unwrap_or_default(),
        item.closed_at.unwrap_or_default(),
    ]
}

const ALERT_COLUMNS: [&str; 13] = [
    "id",
    "source",
    "name",
    "title",
    "severity",
    "state",
    "object",
    "ci",
    "org",
    "first_seen",
    "last_seen",
    "count",
    "incident",
];

fn alert_cells(item: &AlertItem) -> Vec<String> {
    let ci = item.ci.as_ref();
    vec![
        item.id.clone(),
        item.source.clone(),
        item.name.clone(),
        item.title.clone(),
        item.severity.word().into(),
        item.state.word().into(),
        item.object.clone(),
        ci.map(|ci| ci.id.clone()).unwrap_or_default(),
        ci.and_then(|ci| ci.org.clone()).unwrap_or_default(),
        item.first_seen.clone(),
        item.last_seen.clone(),
        item.count.to_string(),
        item.incident.clone().unwrap_or_default(),
    ]
}

const EVENT_COLUMNS: [&str; 10] =
    ["event", "at", "source", "name", "title", "severity", "object", "verdict", "alert", "starts_at"];

fn event_cells(judged: &Judged) -> Vec<String> {
    let (name, title, severity, object, starts_at) = match &judged.raw {
        Raw::Event(e) => (&*e.name, mask(&e.title), e.severity.as_str(), e.object.label(), e.starts_at.to_string()),
        Raw::Letter(letter) => ("", mask(letter.why.detail()), "", "", String::new()),
    };
    let source = match &judged.raw {
        Raw::Event(event) => &event.source,
        Raw::Letter(letter) => &letter.source,
    };
    vec![
        judged.event.to_string(),
        judged.at.to_string(),
        source.to_string(),
        name.to_owned(),
        title.into_owned(),
        severity.to_owned(),
        object.to_owned(),
        judged.verdict.word().into(),
        judged.verdict.alert().map(|id| id.to_string()).unwrap_or_default(),
        starts_at,
    ]
}
