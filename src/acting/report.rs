//! What executors report of the actions that they were asked for, with the pass that came with the request.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Acting, Outcome};
use crate::domain::action::{ActionReport, ActionResult};
use crate::domain::pass::PassError;
use crate::engine::input::{Command, Order};

/// What is reported.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    result: ActionResult,
    #[serde(default)]
    text: String,
}

/// Takes a report. The same one twice is taken once.
pub async fn take(
    State(acting): State<Arc<Acting>>,
    Path(text): Path<String>,
    report: Result<Json<Report>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let pass = match acting.desk.seal().read_report(&text, acting.desk.now()) {
        Ok(pass) => pass,
        Err(PassError::Forged) => return told(StatusCode::NOT_FOUND, "this is no pass of ours, or it was changed"),
        Err(PassError::Over) => {
            return told(StatusCode::GONE, "the time in which this action could be reported is over");
        }
    };
    let Ok(Json(Report { result, text: said })) = report else {
        return told(
            StatusCode::BAD_REQUEST,
            "send {\"result\": \"taken\" | \"done\" | \"partial\" | \"failed\", \"text\": \"…\"}",
        );
    };
    let word = match result {
        ActionResult::Taken => "taken",
        ActionResult::Done => "done",
        ActionResult::Partial => "partial",
        ActionResult::Failed => "failed",
    };
    let id = format!("{}-{word}", acting.desk.seal().name(&text)).into();
    let report = ActionReport { result, text: said.as_str().into() }.cut();
    let order = Order::ReportAction { incident: pass.incident, action: pass.actor, report };
    let (tenant, actor, via) = (pass.tenant, pass.via.clone(), pass.via);
    match acting.desk.order(Command { tenant, actor, id, via, order }).await {
        Outcome::Done | Outcome::Again => told(StatusCode::OK, "taken"),
        Outcome::Waits => told(StatusCode::ACCEPTED, "taken, it is being carried out"),
        Outcome::Refused(why) => told(StatusCode::CONFLICT, &why),
        Outcome::Later => told(StatusCode::SERVICE_UNAVAILABLE, "busy, please try again"),
    }
}

fn told(status: StatusCode, said: &str) -> Response {
    (status, Json(json!({ "message": said }))).into_response()
}
