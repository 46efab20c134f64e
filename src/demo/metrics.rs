//! The demo's other play: nobody raises an alert; what is wrong is in the metrics alone.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use tower::ServiceExt as _;

use super::board::Board;
use super::{Door, LOOK_EVERY};
use crate::clock::Clock;
use crate::decode::points::encode;
use crate::domain::ids::SourceId;
use crate::domain::point::Point;
use crate::lab::readings::Readings;
use crate::pipeline::Pipeline;
use crate::wording::lang::{Lang, Text};

/// The source of the points.
pub const PROBE: &str = "probe";
/// How much faster than ours the play's clock runs.
pub const TIMES: u32 = 60;
/// Points of one request.
const BODY_POINTS: usize = 4000;
/// How long the last decisions are waited for: some are made by timers of minutes.
const LOOK_AFTER: Duration = Duration::from_secs(10);

impl Door {
    /// Posts points of the probe.
    async fn measure(&self, points: &[Point]) -> Result<()> {
        let token = self.tokens.get(&SourceId::from(PROBE)).context("the probe has a token")?;
        let request = Request::post("/api/v1/metrics")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(encode(points)))?;
        let answer = self.app.clone().oneshot(request).await?;
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await?;
        ensure!(status.is_success(), "the intake answers {status}: {}", String::from_utf8_lossy(&bytes));
        Ok(())
    }
}

/// Sends the quiet days at once and then every minute when its time has come, and tells what the outbox says meanwhile.
pub async fn measure(
    pipeline: &Arc<Pipeline>,
    door: &Door,
    readings: &Readings,
    (lang, clock): (Lang, &Clock),
    board: &mut Board,
    out: &mut impl Write,
) -> Result<()> {
    for some in readings.quiet.chunks(BODY_POINTS) {
        door.measure(some).await?;
    }
    let (n, series) = (readings.quiet.len(), readings.series);
    let learned = Text::new(
        format!("已学习 {series} 条序列、{n} 个点（两天）；现在某处将发生故障，没有任何监控会告警。"),
        format!(
            "{n} readings of {series} series (two days) are learned; now something breaks, and no monitor says a word."
        ),
    );
    writeln!(out, "{}\n", learned.of(lang))?;
    out.flush()?;
    for minute in readings.played.chunk_by(|a, b| a.at == b.at) {
        while minute[0].at > clock() {
            tokio::time::sleep(LOOK_EVERY).await;
            board.follow(pipeline, out)?;
        }
        door.measure(minute).await?;
        board.follow(pipeline, out)?;
    }
    let deadline = Instant::now() + LOOK_AFTER;
    while Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
        board.follow(pipeline, out)?;
    }
    Ok(())
}
