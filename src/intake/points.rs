//! Points over HTTP. The answer says how many were taken; points are not kept like events, so nobody can ask for them later.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Intake;
use super::body::unpack;
use super::format::Format;
use super::refusal::Refusal;
use super::routes::{answer, json_media, receive_whole};
use super::senses::Way;
use super::sink::SinkError;
use crate::decode::points::{Points, decode};
use crate::decode::{Body, BodyError};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::point::Point;
use crate::domain::reject::Reject;
use crate::domain::time::Timestamp;

/// What became of a body's points.
#[derive(Debug, Serialize)]
struct PointReceipt {
    /// How many were taken.
    accepted: usize,
    rejected: Vec<RejectedPoint>,
}

/// A point that was not taken. Nothing of it is kept.
#[derive(Debug, Serialize)]
struct RejectedPoint {
    /// Its place in the body, from 0.
    index: usize,
    reason: &'static str,
    detail: String,
}

/// Takes points: one, an array, or `{"points": […]}`.
pub async fn metrics(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    answer(&intake, take(&intake, request).await)
}

async fn take(intake: &Arc<Intake>, request: Request) -> Result<Response, Refusal> {
    let arrived = receive_whole(intake, request, None, |announced, _| {
        json_media(announced)?;
        Ok(Format::Native)
    });
    let (delivery, bytes, _room) = arrived.await?;
    let bytes = unpack(bytes, &delivery.announced, &intake.settings)?;
    let sender = delivery.sender;
    let body = Body { bytes: &bytes, charset: delivery.announced.charset.as_deref() };
    let Points { points, refused } = decode(body, sender.received_at, &intake.limits).map_err(|error| match error {
        BodyError::Unreadable(detail) => Refusal::Unreadable(detail),
        BodyError::TooManyEvents { .. } => Refusal::TooLarge(error.to_string()),
    })?;
    intake.counters.points_malformed(refused.len());
    let mut rejected: Vec<(usize, Reject)> = refused;
    let mut accepted = points.len();
    // A point's place in the body: those before it that could not be read come on top.
    let bad: Vec<usize> = rejected.iter().map(|(index, _)| *index).collect();
    let whose = Whose { tenant: &sender.tenant, source: &sender.source, received_at: sender.received_at };
    for place in score(intake, &whose, points).await? {
        rejected.push((index_of(place, &bad), too_many(intake)));
        accepted -= 1;
    }
    rejected.sort_by_key(|(index, _)| *index);
    if accepted == 0
        && let Some((index, why)) = rejected.first()
    {
        return Err(Refusal::NoPoints(format!("point {index}: {}", why.detail())));
    }
    let rejected = rejected.into_iter().map(|(index, why)| RejectedPoint {
        index,
        reason: why.word(),
        detail: why.detail().to_owned(),
    });
    Ok((StatusCode::ACCEPTED, Json(PointReceipt { accepted, rejected: rejected.collect() })).into_response())
}

/// Whose points they are, and when they came.
pub(super) struct Whose<'a> {
    pub tenant: &'a TenantId,
    pub source: &'a SourceId,
    pub received_at: Timestamp,
}

/// Scores points here, or sends them to whoever watches them; returns the places of those that would begin one series too many.
pub(super) async fn score(intake: &Intake, whose: &Whose<'_>, points: Vec<Point>) -> Result<Vec<usize>, Refusal> {
    let Whose { tenant, source, received_at } = whose;
    match intake.senses.way() {
        Way::Here => Ok(intake.senses.take(tenant, source, &points, *received_at)),
        Way::Road(_) if points.is_empty() => Ok(Vec::new()),
        Way::Road(road) => {
            road.send(tenant, source, points).await.map_err(|error| sent(intake, error))?;
            Ok(Vec::new())
        }
        Way::Closed => Err(Refusal::Busy { wait_secs: intake.settings.retry_after_secs }),
    }
}

/// Why points or lines could not be sent on.
pub(super) fn sent(intake: &Intake, error: SinkError) -> Refusal {
    match error {
        SinkError::TryLater { wait } => {
            Refusal::Busy { wait_secs: wait.as_secs().max(intake.settings.retry_after_secs) }
        }
        SinkError::Failed(why) => Refusal::NoPoints(why),
    }
}

fn too_many(intake: &Intake) -> Reject {
    let series_max = intake.settings.series_max;
    Reject::OverLimit(format!(
        "it would begin one series more than {series_max}: send fewer labels, or raise intake.series_max"
    ))
}

/// The place in the body of the good point number `place`, when those at `bad` (ascending) were not read.
fn index_of(place: usize, bad: &[usize]) -> usize {
    bad.iter().fold(place, |index, bad| if *bad <= index { index + 1 } else { index })
}

#[cfg(test)]
mod tests {
    use super::index_of;

    #[test]
    fn good_points_are_counted_around_bad_ones() {
        let places: Vec<usize> = (0..4).map(|place| index_of(place, &[0, 2, 3])).collect();
        assert_eq!(places, [1, 4, 5, 6]);
    }
}
