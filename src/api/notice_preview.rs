//! A message as a receiver would be sent it, about a real incident, with texts that are only tried.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Caller;
use super::incidents::{sees_incident, with_incident};
use super::problem::{ApiError, Body, Problem};
use super::state::{Api, PreviewAsked};
use crate::domain::ids::{IncidentId, ReceiverId};
use crate::engine::effect::NoticeKind;
use crate::wording::lang::Lang;

/// The longest template, in characters.
const TEMPLATE_CHARS_MAX: usize = 20_000;

/// What is to be seen.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticePreviewBody {
    /// An incident that is in memory.
    pub incident: String,
    /// Shows, too, what this receiver would be sent by its own settings.
    #[serde(default)]
    pub receiver: Option<String>,
    /// opened (when absent), updated, reminder, recovered, reopened or closed.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub kind: Option<NoticeKind>,
    /// Templates to try in place of the default texts.
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub text: Option<String>,
    /// `zh` (when absent) or `en`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub language: Option<Lang>,
}

/// How it looks. Nothing is sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewTexts {
    pub title: String,
    pub text: String,
    /// As the receiver would be sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
}

/// Shows how a message looks: with the templates that are given, and as a receiver would be sent it. Nothing is sent.
#[utoipa::path(post, path = "/api/v1/notices/preview", tag = "notices", request_body = NoticePreviewBody,
    responses((status = 200, body = PreviewTexts), (status = "default", body = Problem)))]
pub async fn preview(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<NoticePreviewBody>,
) -> Result<Json<PreviewTexts>, ApiError> {
    caller.whole_tenant()?;
    let id = IncidentId::parse(&body.incident).filter(|id| sees_incident(&api, &caller, *id));
    let id = id.ok_or(ApiError::NotFound("incident"))?;
    let view = with_incident(&api, &caller, id, |found, _| found.view.clone()).ok_or(ApiError::NotFound("incident"))?;
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > TEMPLATE_CHARS_MAX);
    if is_long(&body.title) || is_long(&body.text) {
        return Err(ApiError::Bad(format!("title, text: at most {TEMPLATE_CHARS_MAX} characters")));
    }
    let asked = PreviewAsked {
        incident: (*view).clone(),
        receiver: body.receiver.as_deref().map(ReceiverId::from),
        kind: body.kind.unwrap_or(NoticeKind::Opened),
        title: body.title,
        text: body.text,
        lang: body.language.unwrap_or_default(),
        at: (api.now)(),
    };
    let (title, text, sent) = api.notices.preview(asked).map_err(ApiError::Bad)?;
    Ok(Json(PreviewTexts { title, text, sent }))
}
