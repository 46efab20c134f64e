//! Heartbeats: a job that has run, a monitoring system that is alive. Any request will do (`curl URL`); whoever does not come in time
//! is missed (`registry::expected`). A job may also say that it has failed.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde_json::json;

use super::Intake;
use super::body::{Announced, receive};
use super::counters::Origins;
use super::gate::{admit, source};
use super::refusal::Refusal;
use super::routes::answer;
use super::settings::Settings;
use crate::decode::Counts;
use crate::domain::event::{Event, ObjectRef, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::input::Batch;

/// The paths of all routes below; each takes GET, HEAD and POST.
pub const PATHS: [&str; 2] = ["/api/v1/heartbeats/{source}", "/api/v1/heartbeats/{source}/fail"];

/// What a job says when it fails, bytes.
const WORDS_MAX: usize = 8 * 1024;

/// All routes.
pub fn routes() -> Router<Arc<Intake>> {
    let any = |way: MethodRouter<Arc<Intake>>| way;
    Router::new().route(PATHS[0], any(get(beat).post(beat))).route(PATHS[1], any(get(fail).post(fail)))
}

/// An event about a job.
fn event(tenant: &TenantId, source: &SourceId, status: Status, words: &str, at: Timestamp) -> Event {
    let mut event = Event::new(tenant.clone(), source.clone(), "heartbeat-failed", at);
    event.status = status;
    event.severity = Severity::Major;
    event.title = format!("{source} says that it has failed / 任务失败").into();
    event.description = words.chars().take(2048).collect::<String>().into();
    event.object = ObjectRef { name: Some(source.to_string()), ..ObjectRef::default() };
    event.dedup_key = Some(format!("heartbeat/{source}").into());
    event
}

async fn beat(State(intake): State<Arc<Intake>>, Path(name): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let outcome = async {
        let (tenant, source, now) = known(&intake, &name, &headers, &uri).await?;
        intake.registry.alive(&tenant, &source, now);
        // What it said had failed is over. Other instances learn only from the journal that it is alive.
        if intake.registry.was_bad(&tenant, &source) || intake.registry.is_shared() {
            keep(&intake, event(&tenant, &source, Status::Resolved, "", now)).await?;
            intake.registry.is_good(&tenant, &source);
        }
        Ok(Json(json!({"source": source.as_str(), "heard_at": now.to_string()})).into_response())
    };
    answer(&intake, outcome.await)
}

async fn fail(State(intake): State<Arc<Intake>>, Path(name): Path<String>, request: Request) -> Response {
    let outcome = async {
        let (parts, body) = request.into_parts();
        let (tenant, source, now) = known(&intake, &name, &parts.headers, &parts.uri).await?;
        let announced = Announced::read(&parts.headers, &intake.settings)?;
        let short = Settings { batch_bytes_max: WORDS_MAX, ..intake.settings.clone() };
        let words = receive(&mut body.into_data_stream(), &announced, &short).await?;
        intake.registry.alive(&tenant, &source, now);
        intake.registry.is_bad(&tenant, &source);
        keep(&intake, event(&tenant, &source, Status::Firing, &String::from_utf8_lossy(&words), now)).await?;
        Ok((StatusCode::ACCEPTED, Json(json!({"source": source.as_str(), "heard_at": now.to_string()})))
            .into_response())
    };
    answer(&intake, outcome.await)
}

/// Who sends a request without events, when it may come in.
async fn known(
    intake: &Intake,
    in_path: &str,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<(TenantId, SourceId, Timestamp), Refusal> {
    let now = (intake.now)();
    intake.counters.request();
    let credential = admit(&*intake.gate, headers, uri, now)?;
    let source = source(&credential, Some(in_path))?;
    intake.enabled(&credential.tenant, &source, now)?;
    let own = intake.registry.rate(&credential.tenant, &source);
    intake.rates.request(&credential.tenant, &source, own).await?;
    Ok((credential.tenant.clone(), source, now))
}

async fn keep(intake: &Intake, event: Event) -> Result<(), Refusal> {
    let (tenant, source) = (event.tenant.clone(), event.source.clone());
    let origins = Origins::of(std::slice::from_ref(&event));
    let batch = Batch { tenant, events: vec![event], rejected: Vec::new(), replay_of: None };
    intake.sink.accept(batch).await.map_err(|error| intake.not_kept(&source, error))?;
    intake.counters.kept(&origins, &[], &Counts::default());
    Ok(())
}
