//! Prometheus writes here what it scrapes (`remote_write: [{url: …/api/v1/write}]`), and what is unusual becomes an event.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Intake;
use super::body::{Announced, unpack};
use super::format::Format;
use super::points::{Whose, score};
use super::refusal::Refusal;
use super::routes::{answer, receive_whole};
use crate::decode::points::Points;
use crate::decode::remote_write::decode;

/// Where Prometheus's own receiver is, too.
pub const PATH: &str = "/api/v1/write";

/// Takes what a Prometheus writes.
pub async fn write(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    answer(&intake, take(&intake, request).await)
}

fn is_protobuf(announced: &Announced) -> Result<(), Refusal> {
    match announced.media.as_str() {
        "" | "application/x-protobuf" => Ok(()),
        _ => Err(Refusal::MediaType("send Prometheus's remote write, version 1: application/x-protobuf in snappy")),
    }
}

async fn take(intake: &Arc<Intake>, request: Request) -> Result<Response, Refusal> {
    let arrived = receive_whole(intake, request, None, |announced, _| {
        is_protobuf(announced)?;
        Ok(Format::Native)
    });
    let (delivery, bytes, _room) = arrived.await?;
    let bytes = unpack(bytes, &delivery.announced, &intake.settings)?;
    let sender = delivery.sender;
    let Points { points, refused } = decode(&bytes, sender.received_at).map_err(Refusal::Unreadable)?;
    intake.counters.points_malformed(refused.len());
    let whose = Whose { tenant: &sender.tenant, source: &sender.source, received_at: sender.received_at };
    let over = score(intake, &whose, points).await?.len();
    // One that is answered with an error is sent again, with all its neighbours: what cannot be taken is counted, and said once.
    if let Some((series, why)) = refused.first() {
        tracing::debug!(source.id = %sender.source, series, why = why.detail(), refused = refused.len(), over, "series left out");
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
