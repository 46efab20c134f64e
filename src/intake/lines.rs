//! Log lines over HTTP. They are counted by template; what is unusual about the counts, and templates that were never seen,
//! become events. The lines themselves are not kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Intake;
use super::body::{Announced, unpack};
use super::format::Format;
use super::points::sent;
use super::refusal::Refusal;
use super::routes::{FORM, answer, receive_whole};
use super::senses::{self, Senses, Way};
use crate::decode::lines::{Lines, Shape, decode};
use crate::decode::{Body, BodyError};
use crate::domain::event::ObjectRef;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::line::LogLine;
use crate::domain::time::Timestamp;

/// Our own address, and that of Loki, to which collectors push.
pub const PATHS: [&str; 2] = ["/api/v1/logs", "/loki/api/v1/push"];

/// What is said in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    /// What wrote lines that do not say it themselves; else the source.
    object: Option<String>,
}

/// What became of a body's lines.
#[derive(Debug, Serialize)]
struct LineReceipt {
    /// How many were taken.
    accepted: usize,
    rejected: Vec<RejectedLine>,
}

/// A line that was not taken. Nothing of it is kept.
#[derive(Debug, Serialize)]
struct RejectedLine {
    /// Its place in the body, from 0.
    index: usize,
    reason: &'static str,
    detail: String,
}

/// Takes lines: plain text, or JSON (one a line, an array).
pub async fn logs(State(intake): State<Arc<Intake>>, Query(said): Query<Said>, request: Request) -> Response {
    let taken = take(&intake, said, request).await;
    answer(&intake, taken.map(|receipt| (StatusCode::ACCEPTED, Json(receipt)).into_response()))
}

/// Takes what collectors push to Loki, as JSON.
pub async fn push(State(intake): State<Arc<Intake>>, Query(said): Query<Said>, request: Request) -> Response {
    let taken = take(&intake, said, request).await;
    answer(&intake, taken.map(|_| StatusCode::NO_CONTENT.into_response()))
}

fn shape(announced: &Announced) -> Result<Shape, Refusal> {
    match announced.media.as_str() {
        // What curl sends when nobody says anything.
        "" | "text/plain" | FORM => Ok(Shape::Text),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Ok(Shape::Json)
        }
        media if media == "application/json" || media.ends_with("+json") => Ok(Shape::Json),
        _ => Err(Refusal::MediaType("send lines as text/plain, application/x-ndjson or application/json")),
    }
}

async fn take(intake: &Arc<Intake>, said: Said, request: Request) -> Result<LineReceipt, Refusal> {
    let arrived = receive_whole(intake, request, None, |announced, _| {
        shape(announced)?;
        Ok(Format::Native)
    });
    let (delivery, bytes, _room) = arrived.await?;
    let bytes = unpack(bytes, &delivery.announced, &intake.settings)?;
    let sender = delivery.sender;
    let body = Body { bytes: &bytes, charset: delivery.announced.charset.as_deref() };
    let object = ObjectRef { name: said.object.filter(|name| !name.is_empty()), ..ObjectRef::default() };
    let read = decode(body, shape(&delivery.announced)?, &object, &intake.limits);
    let Lines { lines, refused } = read.map_err(|error| match error {
        BodyError::Unreadable(detail) => Refusal::Unreadable(detail),
        BodyError::TooManyEvents { .. } => Refusal::TooLarge(error.to_string()),
    })?;
    intake.counters.lines_malformed(refused.len());
    let own = intake.registry.rate(&sender.tenant, &sender.source);
    intake.rates.events((&sender.tenant, &sender.source), own, lines.len()).await?;
    let accepted = lines.len();
    match intake.senses.way() {
        Way::Here => intake.senses.take_lines(&sender.tenant, &sender.source, &lines, sender.received_at),
        Way::Road(road) if !lines.is_empty() => {
            let on = road.send_lines(&sender.tenant, &sender.source, lines).await;
            on.map_err(|error| sent(intake, error))?;
        }
        Way::Road(_) => {}
        Way::Closed => return Err(Refusal::Busy { wait_secs: intake.settings.retry_after_secs }),
    }
    if accepted == 0
        && let Some((index, why)) = refused.first()
    {
        return Err(Refusal::NoPoints(format!("line {index}: {}", why.detail())));
    }
    let rejected = refused.into_iter().map(|(index, why)| RejectedLine {
        index,
        reason: why.word(),
        detail: why.detail().to_owned(),
    });
    Ok(LineReceipt { accepted, rejected: rejected.collect() })
}

impl Senses {
    /// Counts lines that came at `now`.
    pub fn take_lines(&self, tenant: &TenantId, source: &SourceId, lines: &[LogLine], now: Timestamp) {
        let mut state = self.state();
        // Minutes that have ended are closed before these lines count.
        self.score_lines(&mut state, now);
        for line in lines {
            self.counters.line(state.logs.take(tenant, source, line, now));
        }
        let told = state.logs.told();
        self.wait(&mut state, told);
    }

    /// The counts of minutes that have ended become readings.
    pub(super) fn score_lines(&self, state: &mut senses::State, now: Timestamp) {
        for (tenant, source, point) in state.logs.due(now) {
            state.watch.take(&tenant, &source, &point, now);
        }
        let mut told = state.logs.told();
        told.extend(state.watch.told());
        self.wait(state, told);
    }
}
